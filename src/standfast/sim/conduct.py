"""Watches how the guard behaves: what it asks, where it probes, what it records, how much it keeps."""

import traceback
from collections import Counter
from dataclasses import dataclass

from standfast.dns.model import Question
from standfast.dns.servers import Server
from standfast.evidence.aim import may_probe
from standfast.evidence.model import ProbeResult
from standfast.evidence.prober import (
    DESTINATION_BURST,
    DESTINATION_PROBES_PER_S,
    PROBES_BURST,
    PROBES_IN_FLIGHT_MAX,
    PROBES_PER_S,
)
from standfast.guard.events import Abandon, Action, Alarm, Ask, Probe, Record
from standfast.guard.resolver import Resolver
from standfast.sim.guard import Cause, Witness
from standfast.sim.invariants import Findings
from standfast.sim.said import SaidAddresses
from standfast.sim.script import Script

ASKS_MAX = 6  # of one question to one server: a client's, a look's and an opinion's, each of them twice round


@dataclass(slots=True)
class _Tokens:
    """A token bucket of the checker's own, to hold the guard's against."""

    rate: float
    burst: float
    left: float
    at_s: float

    def take(self, now: float) -> bool:
        """Take one; False when there is none."""
        self.left = min(self.burst, self.left + (now - self.at_s) * self.rate) - 1
        self.at_s = now
        return self.left >= -0.01


class Conduct(Witness):
    """A witness of one guard."""

    def __init__(self, findings: Findings, said: SaidAddresses, script: Script, *, now: float) -> None:
        self._findings = findings
        self._said = said
        self._script = script
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._asks: dict[int, tuple[Server, Question, bool, bool]] = {}
        self._asked: Counter[tuple[Server, Question, bool, bool]] = Counter()
        self._probes: dict[int, str] = {}
        self._budget = _Tokens(PROBES_PER_S, PROBES_BURST, PROBES_BURST, now)
        self._destinations: dict[str, _Tokens] = {}

    def acted(self, now: float, action: Action, cause: Cause) -> None:
        """See one action."""
        del cause
        match action:
            case Ask(ask=ask, server=server, query=query):
                key = (server, query.question, query.do, query.cd)
                self._asks[ask] = key
                self._asked[key] += 1
                if self._asked[key] > ASKS_MAX:
                    self._findings.add("ask.single", now, f"{query.question} of {server}: {self._asked[key]} under way")
            case Abandon(ask=ask):
                self._over(ask)
            case Probe():
                self._probe(now, action)
            case Record(kind="verdict", body=body):
                if not body.get("rule") or not body.get("reason"):
                    self._findings.add("verdict.reason", now, str(dict(body)))
            case Alarm(event=event, fields=fields):
                if not event or not fields:
                    self._findings.add("verdict.reason", now, "an alarm that says nothing")
            case _:
                pass

    def arrived(self, now: float, ask: int) -> None:
        """See that a response came back for `ask`."""
        del now
        self._over(ask)

    def probed(self, now: float, probe: int, result: ProbeResult) -> None:
        """See that a probe came back."""
        del now, result
        self._probes.pop(probe, None)

    def restarted(self, now: float) -> None:
        """See that the guard was killed."""
        self._begin(now)

    def crashed(self, now: float, error: Exception) -> None:
        """See that an exception left the guard."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        self._findings.add("guard.stands", now, f"{error!r} in {last.name}, line {last.lineno} of {last.filename}")

    def spun(self, now: float) -> None:
        """See that the guard wants to be called for ever at one instant."""
        self._findings.add("time.passes", now, "on_time does not get anywhere")

    def sweep(self, now: float, core: Resolver) -> None:
        """Look at what the guard keeps."""
        for what, size, size_max in (
            ("known-good answers", len(core.memory), self._script.known_max),
            ("cached positives", len(core.positive), self._script.cache_max),
            ("cached negatives", len(core.negative), self._script.cache_max),
        ):
            if size > size_max:
                self._findings.add("memory.bounded", now, f"{size} {what}, of {size_max} allowed")

    def _over(self, ask: int) -> None:
        key = self._asks.pop(ask, None)
        if key is not None:
            self._asked[key] -= 1

    def _probe(self, now: float, probe: Probe) -> None:
        if probe.qname in self._probes.values():
            self._findings.add("probe.single", now, f"{probe.qname} at {probe.address}, and another is in flight")
        self._probes[probe.probe] = probe.qname
        if not may_probe(probe.address) or not self._said.has(probe.qname, probe.address):
            self._findings.add("probe.aim", now, f"{probe.qname} at {probe.address}")
        destination = self._destinations.get(probe.address)
        if destination is None:
            destination = _Tokens(DESTINATION_PROBES_PER_S, DESTINATION_BURST, DESTINATION_BURST, now)
            self._destinations[probe.address] = destination
        kept = self._budget.take(now), destination.take(now), len(self._probes) <= PROBES_IN_FLIGHT_MAX
        if not all(kept):
            self._findings.add("probe.budget", now, f"{probe.qname} at {probe.address}: {kept}")
