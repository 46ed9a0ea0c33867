"""The fuzz targets: their laws hold for what they begin from and for a while of fuzzing, and do catch what is wrong."""

import importlib.util
from pathlib import Path

import pytest

from fuzz.run import fuzz
from fuzz.targets import ALL, TARGETS
from standfast.dns.prepared import Prepared
from standfast.io.upstreams import messages as upstream_messages

SECONDS = 8  # in all; `make fuzz` has the time


@pytest.mark.parametrize("name", TARGETS)
def test_the_law_holds_for_what_is_begun_from(name: str) -> None:
    seeds = list(TARGETS[name].seeds())
    assert seeds
    for octets in seeds:
        TARGETS[name].law(octets)


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not built for this system: https://pypi.org/p/atheris",
)
def test_a_while_of_fuzzing_finds_nothing(tmp_path: Path) -> None:
    result = fuzz(ALL, tmp_path, seconds=SECONDS)
    assert result.finding is None, result.finding
    assert result.executions > 0


def test_a_prepared_answer_that_does_not_count_down_breaks_its_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prepared, "turn", lambda self, now: now < self.expires_at_s)
    assert_broken("prepared")


def test_a_stream_whose_pieces_matter_breaks_its_law(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: upstream_messages.MessagePipeline, octets: bytes) -> list[tuple[int, upstream_messages.Answer]]:
        answers = receive(self, octets)
        self._received.clear()
        return answers

    receive = upstream_messages.MessagePipeline.receive
    monkeypatch.setattr(upstream_messages.MessagePipeline, "receive", forgetful)
    assert_broken("upstream-stream")


def assert_broken(name: str) -> None:
    broken = 0
    for octets in TARGETS[name].seeds():
        try:
            TARGETS[name].law(octets)
        except AssertionError:
            broken += 1
    assert broken
