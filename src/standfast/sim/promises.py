"""Watches what the guard says to its clients, and holds it against the truth.

Of the guard it knows only what it writes to its disk: that is its known-good memory, also after a crash.
"""

from standfast.dns.model import Ede, Name, Query, Question, Rcode, Reply, RRType
from standfast.evidence.aim import may_probe
from standfast.evidence.prober import PROBE_TIMEOUT_S, ROUND_ADDRESSES_MAX
from standfast.guard.asking import EXCHANGE_MAX_S
from standfast.guard.events import Action, Forget, Remember, Respond
from standfast.guard.known import KnownGood
from standfast.guard.policy import Mode, Policy, PolicyTable
from standfast.guard.watch import JITTER
from standfast.sim.events import BreakSigning, DropDelegation, Event, GiveAway, RestoreDelegation, StartServers
from standfast.sim.guard import Cause, Client, Witness
from standfast.sim.invariants import Findings
from standfast.sim.said import SaidAddresses, addresses_in
from standfast.sim.store import Store
from standfast.sim.world import World

TIMER_SLACK_S = 0.05  # timers fire a little late
SECOND_STRIKE_S = 10.0  # one silent probe is a lost packet: another follows


class Promises(Witness):
    """A witness of one guard.

    A question is doubtful from the moment at which fewer than half of its known-good addresses prove identity, or its
    zone's delegation is gone, until a fresh answer is remembered while neither is so.
    """

    def __init__(
        self,
        findings: Findings,
        said: SaidAddresses,
        world: World,
        policies: PolicyTable,
        *,
        client_timeout_s: float,
        look_ups_apart_s: float,
    ) -> None:
        self._findings = findings
        self._said = said
        self._world = world
        self._policies = policies
        self._client_timeout_s = client_timeout_s
        self._look_ups_apart_s = look_ups_apart_s
        self._disk = Store()
        self._known: dict[Question, KnownGood] = {}
        self._given_away_at_s: dict[str, float] = {}
        self._held_since_s: dict[Question, float] = {}
        self._given_up_zones: set[Name] = set()
        self._bogus_zones: set[Name] = set()
        self._doubtful: set[Question] = set()

    # What happens in the world ------------------------------------------------------------------------------

    def happened(self, now: float, event: Event) -> None:
        """Take in an event, after the world has."""
        match event:
            case GiveAway(addresses=addresses, certificate=certificate) if certificate is not None:
                self._given_away_at_s |= dict.fromkeys(addresses, now)
            case GiveAway(addresses=addresses) | StartServers(addresses=addresses):
                for address in addresses:
                    self._given_away_at_s.pop(address, None)
            case DropDelegation(zone=zone):
                self._given_up_zones.add(zone)
            case RestoreDelegation(zone=zone):
                self._given_up_zones.discard(zone)
            case BreakSigning(zone=zone):
                self._bogus_zones.add(zone)  # for good: what is bogus stays in caches for a while
            case _:
                pass
        self._doubtful.update(question for question in self._known if not self._defensible(question))

    # What the guard does ------------------------------------------------------------------------------------

    def acted(self, now: float, action: Action, cause: Cause) -> None:
        """See one action."""
        match action:
            case Remember(known=known):
                self._disk.write(action, now)
                self._known[known.question] = known
                is_fresh = known.lost_at_s is None and known.released_at_s is None and known.confirmed_at_s == now
                if not self._defensible(known.question):
                    self._doubtful.add(known.question)
                elif is_fresh:
                    self._doubtful.discard(known.question)
            case Forget(question=question):
                self._disk.write(action, now)
                self._known.pop(question, None)
            case Respond(query=query) if cause is Cause.PROBED:
                self._findings.add("answer.waited", now, f"{query.question} was answered by a probe's coming in")
            case _:
                pass

    def knows(self, known: KnownGood) -> None:
        """Note what the guard begins with."""
        self._disk.write(Remember.of(known), float("-inf"))
        self._known[known.question] = known

    def restarted(self, now: float) -> None:
        """See that the guard was killed: it knows what is on the disk."""
        self._disk.crash(now)
        self._known = {known.question: known for known in self._disk.known(now)}

    # What the guard says ------------------------------------------------------------------------------------

    def answered(self, now: float, client: Client, query: Query, reply: Reply) -> None:
        """See what a client gets."""
        question = query.question
        known = self._known.get(question)
        policy = self._policy(question)
        addresses = addresses_in(reply)
        self._check_time(now, client, known, policy)
        if any(error.code in (Ede.STALE_ANSWER, Ede.STALE_NXDOMAIN_ANSWER) for error in reply.errors):
            self._check_held(now, question, known, policy, reply)
        else:
            self._held_since_s.pop(question, None)
        if addresses:
            made_up = [a for a in addresses if not self._said.has(question.qname, a)]
            if made_up:
                self._findings.add("answer.invented", now, f"{question}: {made_up}")
        else:
            self._check_denial(now, question, known, policy, reply)

    def _check_time(self, now: float, client: Client, known: KnownGood | None, policy: Policy) -> None:
        usable = (
            known is not None
            and policy.mode is Mode.HOLD
            and known.released_at_s is None
            and known.first_seen_s <= client.asked_at_s
            and client.asked_at_s < known.confirmed_at_s + policy.stale_max_s
        )
        allowed_s = (self._client_timeout_s if usable else EXCHANGE_MAX_S) + TIMER_SLACK_S
        if now - client.asked_at_s > allowed_s:
            self._findings.add("answer.late", now, f"{client.question} after {now - client.asked_at_s:.3f} s")

    def _check_held(
        self, now: float, question: Question, known: KnownGood | None, policy: Policy, reply: Reply
    ) -> None:
        if reply.ad:
            self._findings.add("held.ad", now, str(question))
        ttls = {(rrset.owner, rrset.rtype): rrset.ttl_s for rrset in known.answer.rrsets} if known else {}
        for rrset in reply.answer:
            if rrset.ttl_s > min(policy.held_ttl_s, ttls.get((rrset.owner, rrset.rtype), policy.held_ttl_s)):
                self._findings.add("held.ttl", now, f"{question}: {rrset.ttl_s} s")
        proven = known is not None and known.baseline is not None and known.baseline.proven_at_s is not None
        if not proven or policy.probe.kind != "tls":
            return
        allowed_s = (
            policy.recheck_max_s * (1 + JITTER)
            + self._look_ups_apart_s
            + PROBE_TIMEOUT_S * ROUND_ADDRESSES_MAX
            + SECOND_STRIKE_S
        )
        held_since_s = self._held_since_s.setdefault(question, now)
        for address in addresses_in(reply):
            since_s = now - max(self._given_away_at_s.get(address, now), held_since_s)
            if since_s > allowed_s:
                self._findings.add("answer.stranger", now, f"{question}: {address}, given away {since_s:.0f} s ago")

    def _check_denial(
        self, now: float, question: Question, known: KnownGood | None, policy: Policy, reply: Reply
    ) -> None:
        if known is None or policy.mode is Mode.OFF:
            return
        if reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN):
            ttl_s = max((r.ttl_s for r in reply.authority if r.rtype == RRType.SOA), default=0)
            if ttl_s > policy.negative_ttl_max_s:
                self._findings.add("negative.ttl", now, f"{question}: {ttl_s} s")
        elif not self._may_fail(now, question, known, policy):
            self._findings.add("answer.failed", now, f"{question}: rcode {reply.rcode}, {_texts(reply)}")
        held_until_s = known.confirmed_at_s + min(policy.hold_max_s, policy.stale_max_s)
        mistaken = self._world.truth(question).intended and question not in self._doubtful
        if policy.mode is Mode.HOLD and policy.probe.kind == "tls" and mistaken and now < held_until_s:
            self._findings.add("answer.denied", now, f"{question}: rcode {reply.rcode}, {_texts(reply)}")

    def _may_fail(self, now: float, question: Question, known: KnownGood, policy: Policy) -> bool:
        """Say whether SERVFAIL is all that is left to say to a client, although there is a known-good answer."""
        return (
            policy.mode is not Mode.HOLD
            or known.released_at_s is not None
            or now >= known.confirmed_at_s + policy.stale_max_s
            or any(address in self._given_away_at_s for address in known.answer.addresses)
            or any(self._world.is_in_zone(question.qname, zone) for zone in self._bogus_zones)
        )

    def _defensible(self, question: Question) -> bool:
        """Say whether identity alone may hold the known-good answer: its zone is there, and a quorum proves it."""
        known = self._known.get(question)
        if known is None or any(self._world.is_in_zone(question.qname, zone) for zone in self._given_up_zones):
            return False
        asked = [address for address in known.answer.addresses if may_probe(address)]
        proven = sum(self._world.proves_identity(question.qname, address) for address in asked)
        return bool(asked) and 2 * proven >= len(asked)

    def _policy(self, question: Question) -> Policy:
        return self._policies.lookup(question.qname)


def _texts(reply: Reply) -> str:
    return "; ".join(f"{error.code}: {error.text}" for error in reply.errors) or "no reason"
