"""Answers as prepared octets: a query seen before is answered without being parsed again.

A query is looked up by all its octets but the ID: what hits is the very packet that was parsed and answered before, so
that EDNS size, DO, CD and everything else is part of the key. An answer is void when the cache's entry behind it is.

A query with a server cookie is answered as the same query without, and the cookie is put in.
"""

import struct
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

PREPARED_MAX = 65_536  # answers, about 450 octets each with what is around them
ID_OCTETS = 2  # RFC 1035 section 4.1.1
HEADER_OCTETS = 12  # of a message (the same section)
_QTYPE_QCLASS = 4
_OPT = 11  # octets of an OPT record without options (RFC 6891 section 6.1.2)
_OPT_TYPE = 41
_RR_FIXED = struct.Struct("!HHIH")  # type, class, TTL, length of the data (RFC 1035 section 4.1.3)
_TTL = struct.Struct("!I")
_LENGTH = struct.Struct("!H")
_COUNTS = struct.Struct("!4H")
_TC = 0x02  # in the third octet of the header
_COOKIE_HEAD = b"\0\x0a\0\x18"  # a COOKIE option of 24 octets, as ours are (RFC 7873 section 4, RFC 9018 section 4)
_COOKIE_OPTION = 28
WITH_COOKIE_MAX = 512  # octets of an answer with a cookie: all clients take that, so no cookie has pushed anything out


@dataclass(slots=True, kw_only=True, eq=False)
class Prepared:
    """One answer, all but its ID.

    `octets` are right until `turn_s`, when a TTL has to count down; nothing is right from `expires_at_s` on. Records
    begin at `records_at`, the OPT record is at `opt_at`; 0: there is none. `names` is for who looks for all that was
    made of one.
    """

    octets: bytes
    records_at: int
    ttl_places: tuple[int, ...]
    opt_at: int
    stored_at_s: float
    expires_at_s: float
    age_s: int
    turn_s: float
    names: tuple[str, ...] = ()

    def turn(self, now: float) -> bool:
        """Count the TTLs down to `now`; False where the answer is over."""
        if now >= self.expires_at_s:
            return False
        age_s = int(now - self.stored_at_s)
        octets = bytearray(self.octets)
        for place in self.ttl_places:
            (ttl_s,) = _TTL.unpack_from(octets, place)
            _TTL.pack_into(octets, place, max(0, ttl_s - (age_s - self.age_s)))
        self.octets = bytes(octets)
        self.age_s = age_s
        self.turn_s = min(self.stored_at_s + age_s + 1, self.expires_at_s)
        return True

    def void(self) -> None:
        """End the answer before its time."""
        self.turn_s = self.expires_at_s = -inf

    def respelled(self, query: bytes) -> bytes:
        """Return the octets with the question of `query`, which is as long as that of the answer."""
        head, question = self.octets[: HEADER_OCTETS - ID_OCTETS], query[HEADER_OCTETS : self.records_at + ID_OCTETS]
        return head + question + self.octets[self.records_at :]


# Stands for an answer that is not there, where looking at it is cheaper than a question whether it is.
NOT_PREPARED: Final = Prepared(
    octets=b"",
    records_at=0,
    ttl_places=(),
    opt_at=0,
    stored_at_s=-inf,
    expires_at_s=-inf,
    age_s=0,
    turn_s=-inf,
)


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
        octets = self._octets(query, now)
        return None if octets is None else query[:ID_OCTETS] + octets

    def get_with_cookie(self, query: bytes, cookie: bytes, now: float) -> bytes | None:
        """Return the answer to `query`, as `split_cookie` left it, with `cookie` in it; None where none is prepared."""
        prepared = self._fresh(query[ID_OCTETS:], now) or self.otherwise(query, now)
        if prepared is None or not prepared.opt_at:
            return None
        head, length, options = _at_options(prepared.respelled(query), prepared.opt_at)
        answer = query[:ID_OCTETS] + head + _LENGTH.pack(length + _COOKIE_OPTION) + _COOKIE_HEAD + cookie + options
        return answer if len(answer) <= WITH_COOKIE_MAX else None

    def otherwise(self, query: bytes, now: float) -> Prepared | None:
        """Return an answer that is the one to `query` but for the letters of its question; None where there is none.

        It was prepared for the same name in lower case (0x20 clients).
        """
        end = query.find(0, HEADER_OCTETS)
        name = query[HEADER_OCTETS:end]
        folded = name.lower()
        if end < 0 or folded == name:
            return None
        return self._fresh(query[ID_OCTETS:HEADER_OCTETS] + folded + query[end:], now)

    def put(
        self, query: bytes, answer: bytes, *, stored_at_s: float, expires_at_s: float, now: float
    ) -> Prepared | None:
        """Keep `answer`, which `query` was just given out of a cache that stored it at `stored_at_s`.

        Not kept, and None: a query without a key, and an answer whose TTLs are not found. Of a query with a cookie the
        answer is kept without, so that it is for all who ask the same.
        """
        found = self._prepare(query, answer, stored_at_s=stored_at_s, expires_at_s=expires_at_s, now=now)
        if found is None:
            return None
        key, prepared = found
        self.by_query.pop(key, None)
        self.by_query[key] = prepared
        if len(self.by_query) > self._max:
            del self.by_query[next(iter(self.by_query))]
        return prepared

    def _prepare(
        self, query: bytes, answer: bytes, *, stored_at_s: float, expires_at_s: float, now: float
    ) -> tuple[bytes, Prepared] | None:
        """Return by what `answer` is kept, and as what; None where it is not, as `put` says."""
        query, cookie = split_cookie(query)
        key, end = key_of(query), query.find(0, HEADER_OCTETS)
        if key is None or answer[HEADER_OCTETS:end] != query[HEADER_OCTETS:end]:
            return None
        walked = _walk(answer)
        if walked is None:
            return None
        places, opt_at = walked
        if cookie:
            plain = _without_cookie(answer, opt_at)
            if plain is None or self._has(key, stored_at_s):
                return None
            answer = plain
        folded = key[HEADER_OCTETS - ID_OCTETS : end - ID_OCTETS]
        age_s = int(now - stored_at_s)
        stands = expires_at_s == inf
        prepared = Prepared(
            octets=answer[ID_OCTETS:HEADER_OCTETS] + folded + answer[end:],
            records_at=end + 1 + _QTYPE_QCLASS - ID_OCTETS,
            ttl_places=() if stands else tuple(place - ID_OCTETS for place in places),
            opt_at=opt_at and opt_at - ID_OCTETS,
            stored_at_s=stored_at_s,
            expires_at_s=expires_at_s,
            age_s=age_s,
            turn_s=inf if stands else min(stored_at_s + age_s + 1, expires_at_s),
        )
        return key, prepared

    def _octets(self, query: bytes, now: float) -> bytes | None:
        prepared = self._fresh(query[ID_OCTETS:], now)
        if prepared is not None:
            return prepared.octets
        prepared = self.otherwise(query, now)
        return None if prepared is None else prepared.respelled(query)

    def _fresh(self, key: bytes, now: float) -> Prepared | None:
        prepared = self.by_query.get(key)
        if prepared is None or (now >= prepared.turn_s and not prepared.turn(now)):
            return None
        return prepared

    def _has(self, key: bytes, stored_at_s: float) -> bool:
        kept = self.by_query.get(key)
        return kept is not None and kept.stored_at_s == stored_at_s and kept.expires_at_s > stored_at_s

    def drop(self, key: bytes) -> None:
        """Forget the answer to the query with this key, if there is one."""
        self.by_query.pop(key, None)

    def clear(self) -> None:
        """Forget all answers."""
        self.by_query.clear()


def key_of(query: bytes) -> bytes | None:
    """Return by what the answer to `query` is kept: all its octets but the ID, the name in lower case.

    None where it is not kept at all: with EDNS options, since most differ each time, and would fill the memory.
    """
    end = query.find(0, HEADER_OCTETS)
    plain = end + 1 + _QTYPE_QCLASS
    if end < 0 or len(query) not in (plain, plain + _OPT):
        return None
    return query[ID_OCTETS:HEADER_OCTETS] + query[HEADER_OCTETS:end].lower() + query[end:]


def split_cookie(query: bytes) -> tuple[bytes, bytes]:
    """Return `query` without its cookie, and the cookie; none where a cookie like ours is not its only EDNS option."""
    at = len(query) - _COOKIE_OPTION
    if query[at - _LENGTH.size : at + len(_COOKIE_HEAD)] != _LENGTH.pack(_COOKIE_OPTION) + _COOKIE_HEAD:
        return query, b""
    return query[: at - _LENGTH.size] + _LENGTH.pack(0), query[at + len(_COOKIE_HEAD) :]


def _without_cookie(answer: bytes, opt_at: int) -> bytes | None:
    """Return `answer` without its cookie, which is the first option; None where it has none, or may have been cut."""
    if not opt_at or len(answer) > WITH_COOKIE_MAX or answer[2] & _TC:
        return None
    head, length, options = _at_options(answer, opt_at)
    if not options.startswith(_COOKIE_HEAD):
        return None
    return head + _LENGTH.pack(length - _COOKIE_OPTION) + options[_COOKIE_OPTION:]


def _at_options(message: bytes, opt_at: int) -> tuple[bytes, int, bytes]:
    """Return what is before the length of the options in the OPT record at `opt_at`, that length, what is behind."""
    at = opt_at + _OPT
    (length,) = _LENGTH.unpack_from(message, at - _LENGTH.size)
    return message[: at - _LENGTH.size], length, message[at:]


def _walk(message: bytes) -> tuple[list[int], int] | None:
    """Return where the TTLs of `message` stand, but for the OPT record's field, and where that record stands, or 0.

    None when it cannot be walked.
    """
    places: list[int] = []
    opt_at = 0
    try:
        questions, *records = _COUNTS.unpack_from(message, 4)
        at = HEADER_OCTETS
        for _ in range(questions):
            at = _past_name(message, at) + _QTYPE_QCLASS
        for _ in range(sum(records)):
            start, at = at, _past_name(message, at)
            rtype, _, _, length = _RR_FIXED.unpack_from(message, at)
            if rtype == _OPT_TYPE:
                opt_at = start
            else:
                places.append(at + 4)
            at += _RR_FIXED.size + length
    except (IndexError, struct.error):
        return None
    return (places, opt_at) if at == len(message) else None


def _past_name(message: bytes, at: int) -> int:
    while (length := message[at]) != 0:
        if length >= 0xC0:  # a pointer ends the name (RFC 1035 section 4.1.4)
            return at + 2
        at += 1 + length
    return at + 1
