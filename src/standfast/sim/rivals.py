"""What people run today, modelled: plain caching, RFC 8767 serve-stale, and the `prefer_positive` policy.

Small, and kind to the rivals: each asks all upstreams twice over, goes on to the next at once when one fails, begins
with the one that answered last, takes answers that come late, and never pushes anything out of its cache. A restart
empties the cache, as it does in the servers that are modelled.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from standfast.dns.exchange import Heard, Heeded
from standfast.dns.model import Question, Rcode, Reply, RRType
from standfast.ports import Random
from standfast.sim.resolvers import RecursiveResolver
from standfast.sim.said import addresses_in
from standfast.sim.scoring import Kind, Seen

TRY_S = 1.0  # how long one upstream is waited for before the next is asked as well
FAILURE_TTL_S = 1.0  # the least that RFC 9520 section 3.2 allows, so that a failure is felt as shortly as may be
CLIENT_TIMEOUT_S = 1.8  # client response timer, RFC 8767 section 5
FAILURE_RECHECK_S = 30.0  # failure recheck timer, RFC 8767 section 5
STALE_MAX_S = 3 * 86_400.0  # maximum stale timer, RFC 8767 section 5: "1 to 3 days"; the longer is the kinder
PREFER_STALE_S = 3600.0  # CoreDNS plugin/cache: `serve_stale` lasts an hour unless told otherwise
PREFER_TTL_MIN_S, PREFER_TTL_MAX_S = 5.0, 3600.0  # its limits on positive answers
PREFER_DENIAL_TTL_MAX_S = 1800.0  # and on negative ones
PREFER_FAILURE_TTL_S = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """What asking upstream ended in: what a client sees, when it is known, and until when it may be cached."""

    seen: Seen
    at_s: float
    expires_at_s: float

    @property
    def positive(self) -> bool:
        """Addresses were found."""
        return self.seen.kind is Kind.ADDRESSES

    @property
    def failed(self) -> bool:
        """Nothing conclusive was found."""
        return self.seen.kind is Kind.FAILURE


class Rival(ABC):
    """One rival in one world. `look_up` returns what a client sees and when it sees it."""

    name: str
    what: str

    def __init__(self, upstreams: Sequence[RecursiveResolver], rng: Random) -> None:
        self._upstreams = list(upstreams)
        self._rng = rng
        self.restart()

    @abstractmethod
    def restart(self) -> None:
        """Begin with nothing in memory."""

    @abstractmethod
    def look_up(self, question: Question, now: float) -> tuple[Seen, float]:
        """Answer a client that asks `question` at `now`."""

    def _resolve(self, question: Question, now: float) -> Found:
        """Ask the upstreams in turn, twice over, until one is conclusive."""
        late: list[Found] = []
        at_s = now
        for upstream in self._upstreams * 2:
            arrival = upstream.ask(question, at_s, self._rng)
            heard, delay_s = arrival.heard, arrival.delay_s
            if isinstance(heard, Heard) and heard.truncated:
                arrival = upstream.ask(question, at_s + delay_s, self._rng, tcp=True)
                heard, delay_s = arrival.heard, delay_s + arrival.delay_s
            found = _read(heard, at_s + delay_s)
            if found is not None and delay_s > TRY_S:
                late.append(found)
            elif found is not None:
                self._upstreams.sort(key=lambda each: each is not upstream)
                return found
            at_s += TRY_S if heard is None else min(delay_s, TRY_S)
            come = [found for found in late if found.at_s <= at_s]
            if come:
                return min(come, key=lambda found: found.at_s)
        if late:
            return min(late, key=lambda found: found.at_s)
        return Found(Seen(Kind.FAILURE), at_s, at_s + FAILURE_TTL_S)


class Obey(Rival):
    """A caching forwarder by the RFCs (1034, 2308): what the upstream says is so, for as long as it says."""

    name = "obey"
    what = "a caching forwarder that obeys, by RFC 1034 and RFC 2308; modelled"

    def restart(self) -> None:
        self._cache: dict[Question, Found] = {}

    def look_up(self, question: Question, now: float) -> tuple[Seen, float]:
        found = self._cache.get(question)
        if found is None or now >= found.expires_at_s:
            found = self._cache[question] = self._resolve(question, now)
        return found.seen, max(found.at_s, now)


class ServeStale(Rival):
    """RFC 8767: an expired answer stands in while upstreams fail or are slow; every negative answer is obeyed."""

    name = "rfc8767"
    what = "serving stale answers through failures, by RFC 8767; modelled"

    def restart(self) -> None:
        self._cache: dict[Question, Found] = {}
        self._stale: dict[Question, Found] = {}
        self._recheck_at_s: dict[Question, float] = {}

    def look_up(self, question: Question, now: float) -> tuple[Seen, float]:
        stale = self._stale.get(question)
        if stale is not None and now >= stale.expires_at_s + STALE_MAX_S:
            stale = None
        found = self._cache.get(question)
        if found is None or now >= found.expires_at_s:
            if stale is not None and now < self._recheck_at_s.get(question, 0.0):
                return stale.seen, now
            found = self._cache[question] = self._resolve(question, now)
            if found.positive:
                self._stale[question] = found
            elif found.failed:
                self._recheck_at_s[question] = found.at_s + FAILURE_RECHECK_S
            else:
                self._stale.pop(question, None)
        return _within(CLIENT_TIMEOUT_S, found, stale, now)


class PreferPositive(Rival):
    """CoreDNS's `serve_stale 1h verify 1800ms` with `serve_stale_policy prefer_positive`.

    Only an answer with addresses replaces an expired one within the hour. Of its two modes `verify` is the one that
    costs its clients less: `immediate` would give one old answer after every expiry.
    """

    name = "prefer_positive"
    what = "the prefer_positive policy of CoreDNS, for an hour; modelled"

    def restart(self) -> None:
        self._success: dict[Question, Found] = {}
        self._denial: dict[Question, Found] = {}

    def look_up(self, question: Question, now: float) -> tuple[Seen, float]:
        success = self._success.get(question)
        if success is not None and now < success.expires_at_s:
            return success.seen, max(success.at_s, now)
        stale = success if success is not None and now < success.expires_at_s + PREFER_STALE_S else None
        denial = self._denial.get(question)
        if stale is None and denial is not None and now < denial.expires_at_s:
            return denial.seen, max(denial.at_s, now)
        found = self._kept_for(self._resolve(question, now))
        if found.positive:
            self._success[question] = found
            self._denial.pop(question, None)
        else:
            self._denial[question] = found
        if stale is not None and not found.positive:
            return stale.seen, min(found.at_s, now + CLIENT_TIMEOUT_S)
        return _within(CLIENT_TIMEOUT_S, found, stale, now)

    def _kept_for(self, found: Found) -> Found:
        ttl_s = found.expires_at_s - found.at_s
        if found.positive:
            ttl_s = min(max(ttl_s, PREFER_TTL_MIN_S), PREFER_TTL_MAX_S)
        elif found.failed:
            ttl_s = PREFER_FAILURE_TTL_S
        else:
            ttl_s = min(max(ttl_s, PREFER_TTL_MIN_S), PREFER_DENIAL_TTL_MAX_S)
        return replace(found, expires_at_s=found.at_s + ttl_s)


RIVALS: tuple[type[Rival], ...] = (Obey, ServeStale, PreferPositive)


def _within(timeout_s: float, found: Found, stale: Found | None, now: float) -> tuple[Seen, float]:
    """Return `found` when it is known in time, or `stale`: at the time-out, or as soon as asking failed."""
    at_s = max(found.at_s, now)
    if stale is None or stale is found:
        return found.seen, at_s
    if found.failed or at_s > now + timeout_s:
        return stale.seen, min(at_s, now + timeout_s)
    return found.seen, at_s


def _read(heard: Heeded | None, at_s: float) -> Found | None:
    """Return what a response says, or None for one that is not conclusive."""
    if not isinstance(heard, Heard) or heard.reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    addresses = addresses_in(heard.reply)
    ttl_s = _ttl_s(heard.reply, negative=not addresses)
    seen = Seen(Kind.ADDRESSES, addresses) if addresses else Seen(Kind.NEGATIVE)
    return Found(seen, at_s, at_s + ttl_s)


def _ttl_s(reply: Reply, *, negative: bool) -> int:
    if not negative:
        return min(rrset.ttl_s for rrset in reply.answer)
    return min((rrset.ttl_s for rrset in reply.authority if rrset.rtype == RRType.SOA), default=0)
