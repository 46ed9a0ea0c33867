"""Looking on at the core: what passes by is unchanged, what is kept is bounded, and nothing is loaded unasked."""

import subprocess
import sys
from collections.abc import Hashable, Iterable

import pytest

from standfast.dns.exchange import Heeded
from standfast.dns.model import Query, Question
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.guard.events import Action, Alarm, Probe
from standfast.io.telemetry.traces import OPEN_MAX, Span, TracedCore

NOW = 1_000.0


class Silent:
    """A core that answers nothing, and does whatever `actions` say at each time."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.hits = 0

    def on_query(self, now: float, client: Hashable, query: Query) -> list[Action]:
        return []

    def count_hits(self, number: int) -> None:
        self.hits += number

    def on_heard(self, now: float, ask: int, heard: Heeded) -> Iterable[Action]:
        return []

    def on_ask_failed(self, now: float, ask: int, detail: str) -> Iterable[Action]:
        return self.actions

    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]:
        return []

    def on_time(self, now: float) -> list[Action]:
        return self.actions

    def next_time(self) -> float | None:
        return 7.0


@pytest.fixture
def ended() -> list[Span]:
    return []


@pytest.fixture
def core() -> Silent:
    return Silent()


@pytest.fixture
def traced(core: Silent, ended: list[Span]) -> TracedCore:
    return TracedCore(core, verdict_of=lambda _: None, on_end=ended.append)


def a_probe(number: int) -> Probe:
    spec = ProbeSpec(kind="tcp", port=443)
    return Probe(probe=number, qname="www.example.org.", address="192.0.2.1", spec=spec, timeout_s=1.0)


def test_actions_pass_by_unchanged(core: Silent, traced: TracedCore) -> None:
    core.actions = [Alarm(event="guard.alarm"), a_probe(1)]
    assert traced.on_time(NOW) == core.actions
    assert list(traced.on_ask_failed(NOW, 1, "connection refused")) == core.actions
    assert traced.next_time() == 7.0
    traced.count_hits(3)
    assert core.hits == 3


def test_spans_that_never_end_are_given_up_oldest_first(core: Silent, traced: TracedCore, ended: list[Span]) -> None:
    core.actions = [a_probe(number) for number in range(OPEN_MAX + 1)]
    traced.on_time(NOW)
    for number in (0, OPEN_MAX):
        traced.on_probed(NOW + 1, number, ProbeResult(address="192.0.2.1", identity=Identity.PROVEN, at_s=NOW))
    (span,) = ended
    assert (span.begun_at_s, span.ended_at_s, span.parent_id) == (NOW, NOW + 1, None)


def test_as_many_clients_as_like_may_wait_for_ever(traced: TracedCore, ended: list[Span]) -> None:
    query = Query(id=1, question=Question("www.example.org.", 1), cased_qname="www.example.org.")
    for client in range(OPEN_MAX + 5):
        assert traced.on_query(NOW, client, query) == []
    assert len(traced._questions) == OPEN_MAX
    assert not ended


def test_a_guard_without_traces_loads_nothing_of_opentelemetry() -> None:
    script = "import sys, standfast.io.guard_daemon; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "[]\n"
