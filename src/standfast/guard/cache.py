"""The ordinary cache: replies until their TTL ends, bounded, the longest unused going first (RFC 1034, 2181, 2308).

Known-good answers are not kept here, so nothing that is put here can push them out.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import NamedTuple

from standfast.dns.model import Ede, ExtendedError, Question, Rcode, Reply, RRset
from standfast.dns.prepared import Keeper, Voidable

POSITIVE_TTL_MAX_S = 86_400  # RFC 8767 section 4 has resolvers cap TTLs; a day is what most do
FAILURE_TTL_MIN_S = 1  # RFC 9520 section 3.2: at least one second,
FAILURE_TTL_MAX_S = 30  # at most five minutes; kept short, since a failure that has passed should not be felt

PREPARED_EACH_MAX = 8  # answers that a keeper prepares of one entry: clients differ in few ways, but could make up more
STALE_TTL_S = 30  # TTL of stale answers, RFC 8767 section 4
STALE_NEGATIVE_MAX_S = 3600.0  # how long an expired negative may stand in while upstreams fail


class Key(NamedTuple):
    """What makes two queries the same to a cache: the question, DNSSEC OK and checking disabled."""

    question: Question
    do: bool
    cd: bool


@dataclass(slots=True)
class Entry:
    """One cached reply.

    `failures` counts how often in a row resolution has failed; `denial` is then the last negative answer that was
    somebody's word, for it may stand in for a while.
    """

    reply: Reply
    stored_at_s: float
    expires_at_s: float
    failures: int = 0
    denial: "Entry | None" = None
    prepared: tuple[tuple[Keeper, Voidable], ...] = ()

    def prepare(self, keeper: Keeper, query: bytes, answer: bytes, now: float) -> None:
        """Let `answer`, made of this entry for `query`, be given again without asking, for as long as this stands."""
        mine = [one for one in self.prepared if one[0] is keeper]
        if len(mine) >= PREPARED_EACH_MAX:  # the oldest makes room: its keeper may have no room for it any more
            mine[0][1].void()
            self.prepared = tuple(one for one in self.prepared if one is not mine[0])
        prepared = keeper.put(query, answer, stored_at_s=self.stored_at_s, expires_at_s=self.expires_at_s, now=now)
        if prepared is not None:
            self.prepared += ((keeper, prepared),)

    def reply_at(self, now: float) -> Reply:
        """Return the reply with its TTLs aged."""
        return aged(self.reply, now - self.stored_at_s)

    def void(self) -> None:
        """End it before its time."""
        for _, prepared in self.prepared:
            prepared.void()


class Cache:
    """Replies by key, at most `entries_max` of them."""

    def __init__(self, entries_max: int) -> None:
        self._max = entries_max
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now: float) -> Entry | None:
        """Return the entry, or None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None or now >= entry.expires_at_s:
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: Key, reply: Reply, ttl_s: float, now: float) -> None:
        """Keep `reply` for `ttl_s` seconds; a TTL of zero is not kept (RFC 1035 section 3.2.1)."""
        self._keep(key, Entry(reply, now, now + ttl_s), ttl_s)

    def fail(self, key: Key, reply: Reply, now: float) -> Reply:
        """Keep a resolution failure, longer the more often it happened in a row (RFC 9520 section 3.2).

        Returns what to answer: `reply`, or an expired negative answer that may stand in (RFC 8767 section 4).
        """
        before = self._entries.get(key)
        failures = before.failures + 1 if before is not None else 1
        denial = before.denial if before is not None and before.failures else before
        if denial is not None and now < denial.expires_at_s + STALE_NEGATIVE_MAX_S:
            reply = stale_negative_reply(denial.reply)
        else:
            denial = None
        ttl_s = float(min(FAILURE_TTL_MIN_S * 2 ** min(failures - 1, 10), FAILURE_TTL_MAX_S))
        self._keep(key, Entry(reply, now, now + ttl_s, failures, denial), ttl_s)
        return reply

    def drop(self, question: Question) -> None:
        """Forget every reply to `question`."""
        for do in (False, True):
            for cd in (False, True):
                self._forget(Key(question, do, cd))

    def _forget(self, key: Key) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            entry.void()

    def _keep(self, key: Key, entry: Entry, ttl_s: float) -> None:
        self._forget(key)
        if ttl_s <= 0:
            return
        self._entries[key] = entry
        if len(self._entries) > self._max:
            self._forget(next(iter(self._entries)))


def stale_negative_reply(reply: Reply) -> Reply:
    """Return an expired negative answer to serve while upstreams fail, marked as such (RFC 8914 section 4.20)."""
    code = Ede.STALE_NXDOMAIN_ANSWER if reply.rcode == Rcode.NXDOMAIN else Ede.STALE_ANSWER
    error = ExtendedError(code=code, text="the upstreams do not answer")
    return replace(capped(reply, STALE_TTL_S), ad=False, errors=(error,))


def aged(reply: Reply, age_s: float) -> Reply:
    """Return `reply` with `age_s` taken off every TTL."""
    age = int(age_s)
    if age <= 0:
        return reply
    return replace(reply, answer=_aged(reply.answer, age), authority=_aged(reply.authority, age))


def capped(reply: Reply, ttl_max_s: int) -> Reply:
    """Return `reply` with no TTL above `ttl_max_s`."""
    if all(rrset.ttl_s <= ttl_max_s for rrset in (*reply.answer, *reply.authority)):
        return reply
    return replace(reply, answer=cap_ttls(reply.answer, ttl_max_s), authority=cap_ttls(reply.authority, ttl_max_s))


def cap_ttls(rrsets: tuple[RRset, ...], ttl_max_s: int) -> tuple[RRset, ...]:
    """Return `rrsets` with no TTL above `ttl_max_s`."""
    return tuple(r if r.ttl_s <= ttl_max_s else replace(r, ttl_s=ttl_max_s) for r in rrsets)


def _aged(rrsets: tuple[RRset, ...], age: int) -> tuple[RRset, ...]:
    return tuple(replace(r, ttl_s=max(0, r.ttl_s - age)) for r in rrsets)
