"""Deliberate bugs, each with the script that brings it out and the invariant or score that must catch it.

A checker that nothing can set off proves nothing. So each sabotage is the real guard with one thing wrong, and a test
sees it caught, while the honest guard plays the same script without a fault. The bugs are put in from outside, in what
the guard is told and in what it does, so that they stay what they are when the guard's inside changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from standfast.dns.exchange import Heard, Heeded
from standfast.dns.model import Ede, Query, Rcode, Reply, RRset, RRType
from standfast.evidence.model import Identity, ProbeResult
from standfast.guard.events import Action, Ask, Probe, Record, Respond
from standfast.guard.policy import Mode, PolicyTable
from standfast.guard.resolver import Resolver, Settings
from standfast.ports import Random
from standfast.sim.guard import GuardFactory
from standfast.sim.plots import ghost, hijack, lost, many_names, reassigned, removed, restarted, unanswered
from standfast.sim.script import Script
from standfast.sim.simulation import GUARD, Simulation

WORSE_BY_S = 60.0  # seconds of a score above the honest guard's that count as worse
COPIES = 60  # enough to go beyond any bound on probes and queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """One bug. `catches` is the invariant, or the kind of seconds of the score, that must catch it."""

    name: str
    what: str
    make: GuardFactory
    script: Callable[[], Script]
    catches: str


def caught_by(sabotage: Sabotage) -> set[str]:
    """Return every invariant that `sabotage` breaks, and every score that is worse than the honest guard's."""
    script = sabotage.script()
    honest = Simulation(script).run()
    bent = Simulation(script, make=sabotage.make).run()
    good, bad = honest.total(GUARD), bent.total(GUARD)
    worse = {of for of in ("outage_s", "wrong_hold_s", "attack_s") if getattr(bad, of) > getattr(good, of) + WORSE_BY_S}
    return worse | {broken.invariant for broken in bent.broken}


# Bugs in what it is told, or believes -----------------------------------------------------------------------


class Bent(Resolver):
    """A guard that is told other things, or does other things, than it should; this one does as it should."""

    def on_query(self, now: float, client: Any, query: Query) -> list[Action]:
        return self.bend(super().on_query(now, client, query))

    def on_heard(self, now: float, ask: int, heard: Heeded) -> Iterator[Action]:
        return iter(self.bend(list(super().on_heard(now, ask, self.hear(heard)))))

    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]:
        return self.bend(super().on_probed(now, probe, self.see(result)))

    def on_time(self, now: float) -> list[Action]:
        return self.bend(super().on_time(now))

    def hear(self, heard: Heeded) -> Heeded:
        """Return what is believed to have been heard."""
        return heard

    def see(self, result: ProbeResult) -> ProbeResult:
        """Return what a probe is believed to have found."""
        return result

    def bend(self, actions: list[Action]) -> list[Action]:
        """Return what is done instead of `actions`."""
        return [self.bend_one(action) for action in actions]

    def bend_one(self, action: Action) -> Action:
        """Return what is done instead of `action`."""
        match action:
            case Respond(reply=reply):
                return replace(action, reply=self.say(reply))
            case _:
                return action

    def say(self, reply: Reply) -> Reply:
        """Return what a client is told instead of `reply`."""
        return reply


class HoldsForEver(Bent):
    """Sees its own servers wherever it looks."""

    def see(self, result: ProbeResult) -> ProbeResult:
        return replace(result, identity=Identity.PROVEN, reachable=True)


class IgnoresContradiction(Bent):
    """Takes somebody else's certificate for no news."""

    def see(self, result: ProbeResult) -> ProbeResult:
        return replace(result, identity=Identity.UNKNOWN) if result.identity is Identity.CONTRADICTED else result


class TrustsConnections(Bent):
    """Takes whoever accepts a connection for the owner."""

    def see(self, result: ProbeResult) -> ProbeResult:
        return replace(result, identity=Identity.PROVEN) if result.reachable else result


class IgnoresDelegation(Bent):
    """Never hears that a zone is gone from its parent: a denial from above looks like one of the zone's own."""

    def hear(self, heard: Heeded) -> Heeded:
        if not isinstance(heard, Heard) or not heard.reply.authority:
            return heard
        authority = tuple(_moved_into(rrset, "zone.example.") for rrset in heard.reply.authority)
        return replace(heard, reply=replace(heard.reply, authority=authority))


def _moved_into(rrset: RRset, zone: str) -> RRset:
    return replace(rrset, owner=zone) if rrset.rtype == RRType.SOA else rrset


def told(**keys: Any) -> GuardFactory:
    """Return the maker of a guard whose policy for every name is bent."""

    def make(settings: Settings, policies: PolicyTable, rng: Random, **others: Any) -> Resolver:
        del policies
        return Resolver(settings, PolicyTable([(".", keys)]), rng, **others)

    return make


def set_to(**changes: Any) -> GuardFactory:
    """Return the maker of a guard whose settings are bent."""

    def make(settings: Settings, policies: PolicyTable, rng: Random, **others: Any) -> Resolver:
        return Resolver(replace(settings, **changes), policies, rng, **others)

    return make


def forgetful(settings: Settings, policies: PolicyTable, rng: Random, **others: Any) -> Resolver:
    """Make a guard that begins with nothing, whatever is on the disk."""
    return Resolver(settings, policies, rng, **{**others, "known": ()})


# Bugs in what it does ---------------------------------------------------------------------------------------


class WaitsForProbes(Bent):
    """Keeps what it would hold back until a probe has come in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: list[Action] = []

    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]:
        kept, self._kept = self._kept, []
        return [*super().on_probed(now, probe, result), *kept]

    def bend(self, actions: list[Action]) -> list[Action]:
        self._kept += [action for action in actions if _is_held(action)]
        return [action for action in actions if not _is_held(action)]


class KeepsAd(Bent):
    """Says AD, as the upstream once did, on what it holds."""

    def say(self, reply: Reply) -> Reply:
        return replace(reply, ad=True) if reply.errors else reply


class KeepsTtl(Bent):
    """Gives what it holds the TTL of a day."""

    def say(self, reply: Reply) -> Reply:
        return replace(reply, answer=tuple(replace(rrset, ttl_s=86_400) for rrset in reply.answer))


class Invents(Bent):
    """Has an address for everybody."""

    def say(self, reply: Reply) -> Reply:
        invented = RRset(owner="made.up.", rtype=RRType.A, ttl_s=1, rdatas=(bytes((192, 0, 2, 254)),))
        return reply if reply.answer else Reply(rcode=Rcode.NOERROR, answer=(invented,))


class GivesNoReason(Bent):
    """Records verdicts without a reason."""

    def bend_one(self, action: Action) -> Action:
        match action:
            case Record(body=body):
                return replace(action, body={**body, "reason": ""})
            case _:
                return action


class AsksTooOften(Bent):
    """Sends every query many times."""

    def bend(self, actions: list[Action]) -> list[Action]:
        repeated = [replace(a, ask=a.ask * COPIES + n) for a in actions if isinstance(a, Ask) for n in range(COPIES)]
        return [*actions, *repeated]


class AsksForEveryClient(Bent):
    """Does not let a client wait for a question that is under way already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sent: list[Ask] = []

    def on_query(self, now: float, client: Any, query: Query) -> list[Action]:
        actions = super().on_query(now, client, query)
        self._sent += [action for action in actions if isinstance(action, Ask)]
        same = [ask for ask in self._sent if ask.query.question == query.question and ask.query.do == query.do]
        if actions or not same:
            return actions
        again = replace(same[-1], ask=-len(self._sent))
        self._sent.append(again)
        return [again]


class ProbesTooOften(Bent):
    """Sends every probe many times."""

    def bend(self, actions: list[Action]) -> list[Action]:
        repeated = [
            replace(a, probe=-(a.probe * COPIES + n)) for a in actions if isinstance(a, Probe) for n in range(COPIES)
        ]
        return [*actions, *repeated]


class ProbesAnywhere(Bent):
    """Probes the metadata service of a cloud as well."""

    def bend_one(self, action: Action) -> Action:
        return replace(action, address="169.254.169.254") if isinstance(action, Probe) else action


class Spins(Bent):
    """Wants to be called again at once, always."""

    def next_time(self) -> float | None:
        return 0.0


class Stumbles(Bent):
    """Does not expect somebody else's certificate."""

    def see(self, result: ProbeResult) -> ProbeResult:
        if result.identity is Identity.CONTRADICTED:
            raise ValueError("a certificate for somebody else")
        return result


def _is_held(action: Action) -> bool:
    return isinstance(action, Respond) and any(error.code == Ede.STALE_ANSWER for error in action.reply.errors)


NEVER_S = 1e12

SABOTAGES: tuple[Sabotage, ...] = (
    Sabotage(
        name="obeys-negatives",
        what="a negative answer is obeyed, whatever the evidence",
        make=told(mode=Mode.OFF),
        script=lost,
        catches="answer.denied",
    ),
    Sabotage(
        name="holds-for-ever",
        what="a removed name is held although its servers are gone",
        make=HoldsForEver,
        script=removed,
        catches="wrong_hold_s",
    ),
    Sabotage(
        name="ignores-contradiction",
        what="somebody else's certificate is no news",
        make=IgnoresContradiction,
        script=reassigned,
        catches="answer.stranger",
    ),
    Sabotage(
        name="trusts-connections",
        what="whoever accepts a connection is taken for the owner",
        make=TrustsConnections,
        script=reassigned,
        catches="answer.stranger",
    ),
    Sabotage(
        name="ignores-delegation",
        what="a domain that its parent has dropped lives on",
        make=IgnoresDelegation,
        script=ghost,
        catches="wrong_hold_s",
    ),
    Sabotage(
        name="forgets-on-restart",
        what="what is on the disk is not read",
        make=forgetful,
        script=restarted,
        catches="answer.denied",
    ),
    Sabotage(
        name="believes-wholesale-change",
        what="all-new addresses of a steady name are believed at once",
        make=told(steady_s=NEVER_S),
        script=hijack,
        catches="attack_s",
    ),
    Sabotage(
        name="waits-for-probes",
        what="clients wait until a probe is in",
        make=WaitsForProbes,
        script=lost,
        catches="answer.waited",
    ),
    Sabotage(
        name="has-no-client-timer",
        what="clients wait as long as the upstreams take",
        make=set_to(client_timeout_s=60.0),
        script=unanswered,
        catches="answer.late",
    ),
    Sabotage(
        name="has-nothing-stale",
        what="an expired answer is never served, whatever fails",
        make=told(stale_max_s=0),
        script=unanswered,
        catches="answer.failed",
    ),
    Sabotage(
        name="caps-no-negative-ttl",
        what="negative answers of known names live as long as the zone says",
        make=told(negative_ttl_max_s=86_400),
        script=removed,
        catches="negative.ttl",
    ),
    Sabotage(name="keeps-ad", what="AD stays on held answers", make=KeepsAd, script=lost, catches="held.ad"),
    Sabotage(name="keeps-ttl", what="held answers keep a long TTL", make=KeepsTtl, script=lost, catches="held.ttl"),
    Sabotage(
        name="invents",
        what="negative answers become an address",
        make=Invents,
        script=removed,
        catches="answer.invented",
    ),
    Sabotage(
        name="gives-no-reason",
        what="verdicts are recorded without a reason",
        make=GivesNoReason,
        script=lost,
        catches="verdict.reason",
    ),
    Sabotage(
        name="asks-too-often",
        what="the same question is sent many times over",
        make=AsksTooOften,
        script=lost,
        catches="ask.single",
    ),
    Sabotage(
        name="asks-for-every-client",
        what="clients that ask the same at once are not asked for together",
        make=AsksForEveryClient,
        script=lost,
        catches="ask.single",
    ),
    Sabotage(
        name="probes-side-by-side",
        what="several probes of one name are in flight",
        make=ProbesTooOften,
        script=lost,
        catches="probe.single",
    ),
    Sabotage(
        name="has-no-probe-budget",
        what="probes are sent without a bound",
        make=ProbesTooOften,
        script=many_names,
        catches="probe.budget",
    ),
    Sabotage(
        name="probes-anywhere",
        what="addresses that must not be probed are probed",
        make=ProbesAnywhere,
        script=lost,
        catches="probe.aim",
    ),
    Sabotage(
        name="has-no-bounds",
        what="memory and cache take whatever comes",
        make=set_to(known_max=10_000, cache_max=10_000),
        script=many_names,
        catches="memory.bounded",
    ),
    Sabotage(
        name="stumbles",
        what="an exception leaves the guard",
        make=Stumbles,
        script=reassigned,
        catches="guard.stands",
    ),
    Sabotage(
        name="spins",
        what="the guard wants to be called again at once, always",
        make=Spins,
        script=lost,
        catches="time.passes",
    ),
)
