"""Gathering evidence on a lost name: probes, second opinions, delegation. Asks by actions; sends nothing itself."""

from dataclasses import replace

from standfast.dns.model import Question, RRset, RRType
from standfast.dns.name import is_below
from standfast.evidence.model import (
    Delegation,
    DelegationState,
    Identity,
    Opinion,
    OpinionState,
    ProbeResult,
)
from standfast.evidence.prober import PROBE_TIMEOUT_S, Landed, Prober
from standfast.guard.asking import Asking, Done
from standfast.guard.events import Action, Probe, Server
from standfast.guard.known import KnownGood
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.outcome import Failure, Negative, Outcome, Positive, outcome_name, soa_owner
from standfast.guard.policy import Policy
from standfast.guard.timers import Timers
from standfast.guard.watch import Watch

ABSENT_RETRY_S = 3.0  # before the second look at a silent address; a lost packet's neighbour is often lost too
UNREPORTED_S = 2 * PROBE_TIMEOUT_S + 1  # a probe that the shell never reports must not block its name
OUR_UPSTREAM = "upstream"

KNOWN, NEW = "known-good", "new"  # the two sides whose addresses are probed


class Gathering:
    """Asks for evidence and takes it in; what it means is for the judge."""

    def __init__(
        self,
        upstreams: tuple[Server, ...],
        second_opinions: tuple[Server, ...],
        memory: KnownGoodMemory,
        asking: Asking,
        timers: Timers,
        *,
        now: float,
    ) -> None:
        # The other upstreams are asked as well: one of them may be wrong alone.
        self._servers = tuple(dict.fromkeys((*second_opinions, *upstreams)))
        self._lone_upstream = upstreams[0] if len(upstreams) == 1 else None
        self._memory = memory
        self._asking = asking
        self._timers = timers
        self.prober = Prober(now)
        self._shots: dict[int, ProbeResult] = {}

    def gather(self, now: float, watch: Watch, known: KnownGood, policy: Policy) -> list[Action]:
        """Ask for all the evidence that bears on the outcome of `watch`."""
        self._want_probes(watch, KNOWN, known.answer.addresses, policy)
        outcome = watch.outcome
        match outcome:
            case Positive():
                if outcome.wholesale_change:
                    self._want_probes(watch, NEW, outcome.answer.addresses, policy)
                return []
            case _ if isinstance(outcome, Failure):
                return []
        return self._ask_opinions(now, watch) + self._ask_delegation(now, watch, outcome, known)

    def stop(self, question: Question) -> None:
        """Forget the probes that wait for `question`."""
        for side in (KNOWN, NEW):
            self.prober.drop(("probe", question, side))

    # Probes -------------------------------------------------------------------------------------------------

    def shots(self, now: float) -> list[Action]:
        """Return the probes that the budget lets go now."""
        actions: list[Action] = []
        for shot in self.prober.shots(now):
            self._shots[shot.probe] = ProbeResult(
                address=shot.address,
                identity=Identity.UNKNOWN,
                at_s=now,
                detail="the probe was never reported",
            )
            self._timers.set(("probe", shot.probe), now + UNREPORTED_S)
            actions.append(
                Probe(
                    probe=shot.probe,
                    qname=shot.qname,
                    address=shot.address,
                    spec=shot.spec,
                    timeout_s=PROBE_TIMEOUT_S,
                )
            )
        self._timers.set(("prober",), self.prober.next_time)
        return actions

    def landed(self, now: float, probe: int, result: ProbeResult | None) -> Landed | None:
        """Take in the report of `probe`; None stands for a report that never came. Unknown probes give None."""
        expected = self._shots.pop(probe, None)
        if expected is None:
            return None
        self._timers.clear(("probe", probe))
        # What counts is what we asked and when we heard, not what the report says of itself.
        result = replace(result or expected, address=expected.address, at_s=now)
        return self.prober.landed(probe, result)

    def take_probe(self, now: float, watch: Watch, side: str, landed: Landed) -> list[Action]:
        """Take in one probe of a lost name; a silent address is asked once more before its silence counts."""
        probes = watch.known_probes if side == KNOWN else watch.candidate_probes
        watch.take_probe(probes, landed.result)
        if landed.round_over:
            watch.awaited.discard(_identity_of(side))
            silent = tuple(p.address for p in probes.values() if p.identity is Identity.ABSENT and p.strikes == 1)
            if silent:
                watch.awaited.add(_identity_of(side))
                self._timers.set(("retry", watch.question, side), now + ABSENT_RETRY_S)
        known = self._memory.get(watch.question)
        if known is None or not watch.note_proof(known, now):
            return []
        known = replace(known, proven_at_s=now)
        return self._memory.keep(known)

    def retry_silent(self, watch: Watch, side: str, policy: Policy) -> None:
        """Ask the addresses that were silent once a second time."""
        probes = watch.known_probes if side == KNOWN else watch.candidate_probes
        silent = tuple(p.address for p in probes.values() if p.identity is Identity.ABSENT and p.strikes == 1)
        watch.awaited.discard(_identity_of(side))
        self._want_probes(watch, side, silent, policy)

    def _want_probes(self, watch: Watch, side: str, addresses: tuple[str, ...], policy: Policy) -> None:
        """Queue a round over `addresses`, those not asked for longest first."""
        probes = watch.known_probes if side == KNOWN else watch.candidate_probes
        for gone in set(probes) - set(addresses) if side == NEW else ():
            del probes[gone]
        purpose = ("probe", watch.question, side)
        if _identity_of(side) in watch.awaited:
            return  # a round is under way
        oldest_first = sorted(addresses, key=lambda a: probes[a].at_s if a in probes else 0.0)
        if self.prober.want(
            purpose=purpose,
            qname=watch.question.qname,
            spec=policy.probe,
            addresses=tuple(oldest_first),
            urgent=not isinstance(watch.outcome, Failure),
        ):
            watch.awaited.add(_identity_of(side))

    # Second opinions ----------------------------------------------------------------------------------------

    def _ask_opinions(self, now: float, watch: Watch) -> list[Action]:
        actions: list[Action] = []
        for server in self._servers:
            word = f"the opinion of {server}"
            if server == self._lone_upstream or word in watch.awaited:
                continue
            watch.awaited.add(word)
            purpose = ("opinion", watch.question, server)
            actions += self._asking.start(now, watch.question, (server,), purpose=purpose)
        return actions

    def take_opinion(self, now: float, watch: Watch, server: Server, done: Done) -> None:
        """Take in what another resolver says of the question."""
        watch.awaited.discard(f"the opinion of {server}")
        rrsets: tuple[RRset, ...] = ()
        match done.outcome:
            case Positive(answer=answer):
                state, rrsets = OpinionState.POSITIVE, answer.rrsets
            case outcome if isinstance(outcome, Negative):
                state = OpinionState.NEGATIVE
            case _:
                state = OpinionState.SILENT
        watch.opinions[str(server)] = Opinion(
            resolver=str(server), state=state, at_s=now, rrsets=rrsets, detail=outcome_name(done.outcome)
        )

    # Delegation ---------------------------------------------------------------------------------------------

    def _ask_delegation(self, now: float, watch: Watch, outcome: Outcome, known: KnownGood) -> list[Action]:
        """Ask whether the zone is still there, unless the negative answer itself comes from inside it."""
        zone = known.zone
        if zone is None:
            return []
        owner = soa_owner(outcome)
        if owner is not None and is_below(owner, zone):
            watch.delegations[OUR_UPSTREAM] = Delegation(
                zone=zone,
                resolver=OUR_UPSTREAM,
                state=DelegationState.DELEGATED,
                at_s=now,
                detail="SOA in the denial",
            )
            return []
        watch.delegations.pop(OUR_UPSTREAM, None)
        actions: list[Action] = []
        for server in self._servers:
            word = f"the delegation of {zone} from {server}"
            if word not in watch.awaited:
                watch.awaited.add(word)
                actions += self._asking.start(
                    now,
                    Question(zone, RRType.NS),
                    (server,),
                    purpose=("delegation", watch.question, server),
                )
        return actions

    def take_delegation(self, now: float, watch: Watch, server: Server, done: Done) -> None:
        """Take in what `server` says of the zone's name servers."""
        zone = done.question.qname
        watch.awaited.discard(f"the delegation of {zone} from {server}")
        state = DelegationState.UNKNOWN
        owner = soa_owner(done.outcome)
        if isinstance(done.outcome, Positive):
            state = DelegationState.DELEGATED
        elif owner is not None:
            state = DelegationState.DELEGATED if is_below(owner, zone) else DelegationState.GONE
        watch.delegations[str(server)] = Delegation(
            zone=zone, resolver=str(server), state=state, at_s=now, detail=outcome_name(done.outcome)
        )


def _identity_of(side: str) -> str:
    return f"the identity of the {side} addresses"
