"""Answers as prepared octets: a query seen before is answered without being parsed again.

A query is looked up by all its octets but the ID: what hits is the very packet that was parsed and answered before, so
that EDNS size, DO, CD and everything else is part of the key. An answer is void when the cache's entry behind it is.
"""

import struct
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Protocol

PREPARED_MAX = 65_536  # answers, about 500 octets each with what is around them
ID_OCTETS = 2  # RFC 1035 section 4.1.1
_HEADER = 12
_QTYPE_QCLASS = 4
_OPT = 11  # octets of an OPT record without options (RFC 6891 section 6.1.2)
_OPT_TYPE = 41
_RR_FIXED = struct.Struct("!HHIH")  # type, class, TTL, length of the data (RFC 1035 section 4.1.3)
_TTL = struct.Struct("!I")
_COUNTS = struct.Struct("!4H")


@dataclass(slots=True, kw_only=True)
class Prepared:
    """One answer, all but its ID.

    `octets` are right until `turn_s`, when a TTL has to count down; nothing is right from `expires_at_s` on. `place`
    and `held` are for who sends the octets from where they lie in memory.
    """

    octets: bytearray
    ttl_places: tuple[int, ...]
    stored_at_s: float
    expires_at_s: float
    age_s: int
    turn_s: float
    place: int = 0
    held: Any = None

    def turn(self, now: float) -> bool:
        """Count the TTLs down to `now`; False where the answer is over."""
        if now >= self.expires_at_s:
            return False
        age_s = int(now - self.stored_at_s)
        for place in self.ttl_places:
            (ttl_s,) = _TTL.unpack_from(self.octets, place)
            _TTL.pack_into(self.octets, place, max(0, ttl_s - (age_s - self.age_s)))
        self.age_s = age_s
        self.turn_s = min(self.stored_at_s + age_s + 1, self.expires_at_s)
        return True

    def void(self) -> None:
        """End the answer before its time."""
        self.turn_s = self.expires_at_s = -inf


class Voidable(Protocol):
    """What was prepared of a cache's entry, wherever it is kept."""

    def void(self) -> None:
        """End it before its time."""
        ...


class Keeper(Protocol):
    """Keeps answers so that they can be given again."""

    def put(
        self, query: bytes, answer: bytes, *, stored_at_s: float, expires_at_s: float, now: float
    ) -> Voidable | None:
        """Keep `answer`, which `query` was just given out of a cache that stored it at `stored_at_s`.

        What expires never does not age either: its TTLs stand, as those of an authority do.

        Returns what ends it before its time; None where it is not kept.
        """
        ...


class Preparable(Protocol):
    """What an answer was made of, and for how long it may be given again."""

    def prepare(self, keeper: Keeper, query: bytes, answer: bytes, now: float) -> None:
        """Have `answer`, which `query` was just given, kept by `keeper` if it may be."""
        ...


class PreparedAnswers:
    """Prepared answers by query; the oldest go when there are too many, and are prepared anew when asked for."""

    def __init__(self, entries_max: int = PREPARED_MAX) -> None:
        self._max = entries_max
        self.by_query: dict[bytes, Prepared] = {}  # by the octets after the ID; read by the fast path itself

    def __len__(self) -> int:
        return len(self.by_query)

    def get(self, query: bytes, now: float) -> bytes | None:
        """Return the answer to `query` as it came off the wire, or None where none is prepared."""
        prepared = self.by_query.get(query[ID_OCTETS:])
        if prepared is None or (now >= prepared.turn_s and not prepared.turn(now)):
            prepared = self.other_case(query, now)
        return None if prepared is None else query[:ID_OCTETS] + prepared.octets

    def other_case(self, query: bytes, now: float) -> Prepared | None:
        """Return the answer to `query` where it was prepared for the same name in lower case (0x20 clients)."""
        end = query.find(0, _HEADER)
        name = query[_HEADER:end]
        folded = name.lower()
        if end < 0 or folded == name:
            return None
        prepared = self.by_query.get(query[ID_OCTETS:_HEADER] + folded + query[end:])
        if prepared is None or (now >= prepared.turn_s and not prepared.turn(now)):
            return None
        octets = prepared.octets[:]
        octets[_HEADER - ID_OCTETS : end - ID_OCTETS] = name
        return replace(prepared, octets=octets, place=0, held=None)

    def put(
        self, query: bytes, answer: bytes, *, stored_at_s: float, expires_at_s: float, now: float
    ) -> Prepared | None:
        """Keep `answer`, which `query` was just given out of a cache that stored it at `stored_at_s`.

        Not kept, and None: a query without a key, and an answer whose TTLs are not found.
        """
        key, end = key_of(query), query.find(0, _HEADER)
        if key is None or answer[_HEADER:end] != query[_HEADER:end]:
            return None
        places = _ttl_places(answer)
        if places is None:
            return None
        folded = key[_HEADER - ID_OCTETS : end - ID_OCTETS]
        age_s = int(now - stored_at_s)
        prepared = Prepared(
            octets=bytearray(answer[ID_OCTETS:_HEADER] + folded + answer[end:]),
            ttl_places=tuple(place - ID_OCTETS for place in places),
            stored_at_s=stored_at_s,
            expires_at_s=expires_at_s,
            age_s=age_s,
            turn_s=expires_at_s if expires_at_s == inf else min(stored_at_s + age_s + 1, expires_at_s),
        )
        self.by_query.pop(key, None)
        self.by_query[key] = prepared
        if len(self.by_query) > self._max:
            del self.by_query[next(iter(self.by_query))]
        return prepared

    def drop(self, key: bytes) -> None:
        """Forget the answer to the query with this key, if there is one."""
        self.by_query.pop(key, None)

    def clear(self) -> None:
        """Forget all answers."""
        self.by_query.clear()


def key_of(query: bytes) -> bytes | None:
    """Return by what the answer to `query` is kept: all its octets but the ID, the name in lower case.

    None where it is not kept at all: with EDNS options, since most differ each time, and cookies would fill the memory.
    """
    end = query.find(0, _HEADER)
    plain = end + 1 + _QTYPE_QCLASS
    if end < 0 or len(query) not in (plain, plain + _OPT):
        return None
    return query[ID_OCTETS:_HEADER] + query[_HEADER:end].lower() + query[end:]


def _ttl_places(message: bytes) -> list[int] | None:
    """Return where the TTLs of `message` stand, but for the OPT record's field; None when it cannot be walked."""
    places: list[int] = []
    try:
        questions, *records = _COUNTS.unpack_from(message, 4)
        at = _HEADER
        for _ in range(questions):
            at = _past_name(message, at) + _QTYPE_QCLASS
        for _ in range(sum(records)):
            at = _past_name(message, at)
            rtype, _, _, length = _RR_FIXED.unpack_from(message, at)
            if rtype != _OPT_TYPE:
                places.append(at + 4)
            at += _RR_FIXED.size + length
    except (IndexError, struct.error):
        return None
    return places if at == len(message) else None


def _past_name(message: bytes, at: int) -> int:
    while (length := message[at]) != 0:
        if length >= 0xC0:  # a pointer ends the name (RFC 1035 section 4.1.4)
            return at + 2
        at += 1 + length
    return at + 1
