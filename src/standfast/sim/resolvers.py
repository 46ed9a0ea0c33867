"""The recursive resolvers that every contestant asks: caches that are always warm, faults, latency and loss.

They are busy: somebody asks them for every name all the time, so that an entry is fetched again at the very moment it
expires. What they answer is thus a function of time alone, whoever asks, and one contestant's questions cannot help
or harm another's. Each question has a phase of its own in each resolver.
"""

from dataclasses import dataclass, replace
from math import floor
from typing import assert_never
from zlib import crc32

from standfast.dns.exchange import Heard, Heeded, Unreadable
from standfast.dns.model import Question, Rcode, Reply, RRset, RRType
from standfast.guard.cache import aged
from standfast.ports import Random
from standfast.sim.events import BreakResolver, Fault
from standfast.sim.world import Said, World

# A resolver that hears from the parent that a zone is gone has none of its name servers in its cache any more, so what
# it says of the zone itself must not be older than what it says of the names in it.
NEVER_CACHED = frozenset({RRType.NS, RRType.SOA, RRType.DS})
SLOW_MIN_S, SLOW_MAX_S = 2.0, 3.0  # later than the 1.8 s of RFC 8767, sooner than a stub's 5 s
FORGED_TTL_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverSpec:
    """A recursive resolver: median latency in seconds, share of lost queries, and whether UDP answers are cut."""

    host: str
    latency_s: float = 0.015
    loss: float = 0.0
    truncates: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """What comes back and after how long; never, when `heard` is None."""

    delay_s: float
    heard: Heeded | None


@dataclass(frozen=True, slots=True)
class _Entry:
    fetched_at_s: float
    said: Said


class RecursiveResolver:
    """One resolver in one world. `seed` gives the phases of its cache."""

    def __init__(self, spec: ResolverSpec, world: World, *, seed: str) -> None:
        self.spec = spec
        self._world = world
        self._seed = seed
        self._wrong: BreakResolver | None = None
        self._flushed_at_s: float | None = None
        self._cache: dict[tuple[Question, bool], _Entry] = {}

    @property
    def is_well(self) -> bool:
        """No fault is set."""
        return self._wrong is None

    def go_wrong(self, event: BreakResolver) -> None:
        """Answer as `event` says from now on."""
        self._wrong = event

    def mend(self) -> None:
        """Answer as usual from now on."""
        self._wrong = None

    def flush(self, now: float) -> None:
        """Drop the cache at `now`; what is asked for all the time is fetched at once."""
        self._cache.clear()
        self._flushed_at_s = now

    def ask(self, question: Question, now: float, rng: Random, *, cd: bool = False, tcp: bool = False) -> Arrival:
        """Return what comes back for a query sent at `now`; `rng` is the asker's own."""
        delay_s = self.spec.latency_s * (1.0 + rng.random())
        if rng.random() < self.spec.loss and not tcp:
            return Arrival(delay_s, None)
        if tcp:
            delay_s *= 2  # the handshake
        wrong = self._wrong
        if wrong is None:
            return Arrival(delay_s, self._heard(self.say(question, now, cd=cd), tcp=tcp))
        match wrong.fault:
            case Fault.TIMEOUT:
                return Arrival(delay_s, None)
            case Fault.SERVFAIL:
                return Arrival(delay_s, Heard(reply=Reply(rcode=Rcode.SERVFAIL)))
            case Fault.REFUSED:
                return Arrival(delay_s, Heard(reply=Reply(rcode=Rcode.REFUSED)))
            case Fault.MALFORMED:
                return Arrival(delay_s, Unreadable(detail="octets that are no message"))
            case Fault.SLOW:
                slow_s = rng.uniform(SLOW_MIN_S, SLOW_MAX_S)
                return Arrival(slow_s, self._heard(self.say(question, now, cd=cd), tcp=tcp))
            case Fault.DENY | Fault.EMPTY | Fault.FORGE:
                return Arrival(delay_s, self._heard(self._lie(wrong, question, now, cd=cd), tcp=tcp))
            case _:
                assert_never(wrong.fault)

    def say(self, question: Question, now: float, *, cd: bool = False) -> Reply:
        """Return the answer from the cache at `now`, its TTLs aged."""
        entry = self._entry(question, now, cd=cd)
        return aged(entry.said.reply, now - entry.fetched_at_s)

    def _heard(self, reply: Reply, *, tcp: bool) -> Heard:
        if self.spec.truncates and not tcp:
            return Heard(reply=Reply(rcode=reply.rcode), truncated=True)
        return Heard(reply=reply)

    def _entry(self, question: Question, now: float, *, cd: bool) -> _Entry:
        if question.qtype in NEVER_CACHED:
            return _Entry(now, self._world.version_at(now)[0].answer(question, validate=not cd))
        key = (question, cd)
        entry = self._cache.get(key) or self._first(question, cd=cd)
        while entry.fetched_at_s + max(entry.said.ttl_s, 1) <= now:
            entry = self._fetched(question, entry.fetched_at_s + max(entry.said.ttl_s, 1), now, cd=cd)
        self._cache[key] = entry
        return entry

    def _first(self, question: Question, *, cd: bool) -> _Entry:
        at_s = self._world.start_s if self._flushed_at_s is None else self._flushed_at_s
        said = self._world.version_at(at_s)[0].answer(question, validate=not cd)
        if self._flushed_at_s is None:
            name = f"{self._seed}/{self.spec.host}/{question}"
            at_s -= crc32(name.encode()) / 2**32 * said.ttl_s
        return _Entry(at_s, said)

    def _fetched(self, question: Question, at_s: float, now: float, *, cd: bool) -> _Entry:
        """Fetch at `at_s`, and again at each expiry, up to `now` or the end of what was published then."""
        version, until_s = self._world.version_at(at_s)
        said = version.answer(question, validate=not cd)
        ttl_s = max(said.ttl_s, 1)
        rounds = max(floor((min(now, until_s) - at_s) / ttl_s), 0)
        if rounds and at_s + rounds * ttl_s >= until_s:
            rounds -= 1
        return _Entry(at_s + rounds * ttl_s, said)

    def _lie(self, wrong: BreakResolver, question: Question, now: float, *, cd: bool) -> Reply:
        """Return what a resolver says that is wrong about the world's names, and only about them."""
        honest = self.say(question, now, cd=cd)
        spec = self._world.names.get(question.qname)
        if spec is None or question.qtype not in spec.qtypes:
            return honest
        denial = self.say(Question(f"not-there.{spec.zone}", question.qtype), now)
        if wrong.fault is Fault.EMPTY:
            return replace(denial, rcode=Rcode.NOERROR)
        if wrong.fault is Fault.DENY or question.qtype != RRType.A:
            return denial
        forged = _forged(question, wrong.addresses)
        return Reply(rcode=Rcode.NOERROR, answer=(forged,))


def _forged(question: Question, addresses: tuple[str, ...]) -> RRset:
    rdatas = tuple(bytes(int(part) for part in address.split(".")) for address in addresses)
    return RRset(owner=question.qname, rtype=question.qtype, ttl_s=FORGED_TTL_S, rdatas=rdatas)
