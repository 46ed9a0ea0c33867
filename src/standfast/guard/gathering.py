"""Gathering evidence on a lost name: probes, second opinions, delegation. Asks by actions; sends nothing itself."""

from dataclasses import replace

from standfast.dns.model import Question, RRset, RRType
from standfast.dns.name import is_below
from standfast.dns.servers import Server
from standfast.evidence.model import (
    AWAITED_DELEGATION,
    Delegation,
    DelegationState,
    Identity,
    Opinion,
    OpinionState,
    ProbeResult,
    opinion_addresses,
)
from standfast.evidence.prober import PROBE_TIMEOUT_S, Landed, Prober
from standfast.guard.asking import Asking, Done
from standfast.guard.events import Action, Probe
from standfast.guard.known import KnownGood, vouches_for
from standfast.guard.memory import KnownGoodMemory
from standfast.guard.outcome import Failure, Negative, Outcome, Positive, outcome_name, soa_owner
from standfast.guard.policy import Policy
from standfast.guard.timers import Timers
from standfast.guard.watch import RoundUnderWay, Side, Watch

ABSENT_RETRY_S = 3.0  # before the second look at a silent address; a lost packet's neighbour is often lost too
UNREPORTED_S = 2 * PROBE_TIMEOUT_S + 1  # a probe that the shell never reports must not block its name
OUR_UPSTREAM = "upstream"


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
        self._rounds = 0

    def gather(self, now: float, watch: Watch, known: KnownGood, policy: Policy) -> list[Action]:
        """Ask for all the evidence that bears on the outcome of `watch`."""
        outcome = watch.outcome
        if isinstance(outcome, Positive) and outcome.wholesale_change:
            # These first: clients are kept from them until they are told right or wrong.
            self._want_probes(now, watch, Side.NEW, outcome.answer.addresses, policy)
        self._want_probes(now, watch, Side.KNOWN, known.answer.addresses, policy)
        if isinstance(outcome, Positive | Failure):
            return []
        return self._ask_opinions(now, watch) + self._ask_delegation(now, watch, outcome, known)

    def stop(self, watch: Watch) -> None:
        """Forget the probes that wait for `watch`."""
        for side in Side:
            self._stop_round(watch, side)

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

    def take_probe(self, now: float, watch: Watch, side: Side, landed: Landed) -> list[Action]:
        """Take in one probe of a lost name; a silent address is asked once more before its silence counts."""
        watch.take_probe(side, landed.result)
        if landed.round_over and watch.silent_once(side):
            self._timers.set(("retry", watch.question, side), now + ABSENT_RETRY_S)
        elif landed.round_over:
            del watch.rounds[side]
        known = self._memory.get(watch.question)
        if side is Side.NEW or known is None or not watch.note_proof(known, now):
            return []
        return self._memory.keep(replace(known, proven_at_s=now))

    def retry_silent(self, watch: Watch, side: Side, policy: Policy) -> None:
        """Ask the addresses that were silent once a second time."""
        before = watch.rounds.pop(side, None)
        if before is not None:
            self._start_round(watch, side, watch.silent_once(side), policy, about=before.addresses)

    def _want_probes(self, now: float, watch: Watch, side: Side, addresses: tuple[str, ...], policy: Policy) -> None:
        """Ask `addresses`, those not asked for longest first, unless a round over them is under way."""
        watch.forget_probes(side, but=addresses, now=now)
        about = frozenset(addresses)
        if side in watch.rounds and about <= watch.rounds[side].addresses:
            return
        self._stop_round(watch, side)
        probes = watch.probes[side]
        oldest_first = sorted(addresses, key=lambda a: probes[a].at_s if a in probes else 0.0)
        self._start_round(watch, side, tuple(oldest_first), policy, about=about)

    def _start_round(
        self,
        watch: Watch,
        side: Side,
        addresses: tuple[str, ...],
        policy: Policy,
        *,
        about: frozenset[str],
    ) -> None:
        self._rounds += 1
        if self.prober.want(
            purpose=("probe", watch.question, side, self._rounds),
            qname=watch.question.qname,
            spec=policy.probe,
            addresses=addresses,
            urgent=not isinstance(watch.outcome, Failure),
        ):
            watch.rounds[side] = RoundUnderWay(self._rounds, about)

    def _stop_round(self, watch: Watch, side: Side) -> None:
        under_way = watch.rounds.pop(side, None)
        if under_way is not None:
            self.prober.drop(("probe", watch.question, side, under_way.number))
            self._timers.clear(("retry", watch.question, side))

    # Second opinions ----------------------------------------------------------------------------------------

    def _ask_opinions(self, now: float, watch: Watch) -> list[Action]:
        actions: list[Action] = []
        for server in self._servers:
            word = f"the opinion of {server}"
            if server == self._lone_upstream or word in watch.awaited or not self._asking.has_room:
                continue
            watch.awaited.add(word)
            purpose = ("opinion", watch.question, server, watch.number)
            actions += self._asking.start(now, watch.question, (server,), purpose=purpose)
        return actions

    def take_opinion(self, now: float, watch: Watch, server: Server, done: Done, policy: Policy) -> None:
        """Take in what another resolver says of the question; addresses that it alone knows must prove themselves."""
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
        known = self._memory.get(watch.question)
        if known is None or not isinstance(watch.outcome, Negative):
            return
        told = [opinion_addresses(opinion) for opinion in watch.opinions.values()]
        foreign = [address for addresses in told if not vouches_for(known, addresses) for address in addresses]
        if foreign:
            self._want_probes(now, watch, Side.NEW, tuple(dict.fromkeys(foreign)), policy)

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
            word = f"{AWAITED_DELEGATION} {zone} from {server}"
            if word not in watch.awaited and self._asking.has_room:
                watch.awaited.add(word)
                actions += self._asking.start(
                    now,
                    Question(zone, RRType.NS),
                    (server,),
                    purpose=("delegation", watch.question, server, watch.number),
                )
        return actions

    def take_delegation(self, now: float, watch: Watch, server: Server, done: Done) -> None:
        """Take in what `server` says of the zone's name servers."""
        zone = done.question.qname
        watch.awaited.discard(f"{AWAITED_DELEGATION} {zone} from {server}")
        state = DelegationState.UNKNOWN
        owner = soa_owner(done.outcome)
        if isinstance(done.outcome, Positive):
            state = DelegationState.DELEGATED
        elif owner is not None:
            state = DelegationState.DELEGATED if is_below(owner, zone) else DelegationState.GONE
        watch.delegations[str(server)] = Delegation(
            zone=zone, resolver=str(server), state=state, at_s=now, detail=outcome_name(done.outcome)
        )
