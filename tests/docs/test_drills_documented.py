"""What docs/drills.md says of the drills is what they do."""

import inspect
import re
from pathlib import Path

import pytest

from standfast.drills import chaos
from standfast.drills.account import Account, duration
from standfast.drills.experiment import NameOfTheWorld, Resolver, WorldDescription, Zone
from standfast.drills.runner import run_in_simulation
from standfast.drills.scenario import CHECKS, EVENTS, library
from standfast.sim.events import Fault, Party
from standfast.sim.invariants import INVARIANTS
from standfast.sim.scoring import Score
from standfast.sim.simulation import CONTESTANTS

TEXT = (Path(__file__).parents[2] / "docs" / "drills.md").read_text()


def block(name: str) -> str:
    """Return what stands between `<!-- name -->` and `<!-- /name -->`."""
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", TEXT, re.DOTALL)
    assert match, f"no block {name}"
    return match[1]


def suffered(score: Score) -> str:
    kinds = ((score.outage_s, "outage"), (score.wrong_hold_s, "wrong hold"), (score.attack_s, "attack"))
    return ", ".join(f"{kind} {duration(seconds)}" for seconds, kind in kinds if seconds) or "-"


def row(account: Account) -> str:
    cells = [f"[`{account.drill}`](#{account.drill})", *(suffered(each.total) for each in account.contestants)]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", library())
def test_the_scores_of_a_drill_are_those_in_the_table(name: str) -> None:
    assert row(run_in_simulation(library()[name])) in block("scores").splitlines()


def test_the_table_has_a_column_for_every_contestant_and_a_row_for_every_drill() -> None:
    head, _, *rows = block("scores").strip().splitlines()
    assert head == f"| drill | {' | '.join(CONTESTANTS)} |"
    assert len(rows) == len(library())


@pytest.mark.parametrize("name", library())
def test_every_drill_has_a_section_with_its_source(name: str) -> None:
    match = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match
    assert "Source: " in match[1]


def test_every_invariant_is_listed_in_its_words() -> None:
    assert block("invariants").strip().splitlines() == [
        "| invariant | what must hold |",
        "|---|---|",
        *(f"| `{name}` | {words} |" for name, words in INVARIANTS.items()),
    ]


@pytest.mark.parametrize("func", sorted({*EVENTS, *CHECKS, "clear_the_stage"}))
def test_every_action_and_probe_is_described_with_its_arguments(func: str) -> None:
    arguments = [name for name in inspect.signature(getattr(chaos, func)).parameters if name != "at_s"]
    assert f"`{func}({', '.join(arguments)})`" in TEXT


def test_every_fault_and_party_and_key_of_the_extension_is_named() -> None:
    keys = {key for model in (WorldDescription, Zone, NameOfTheWorld, Resolver) for key in model.model_fields}
    for word in (*keys, *Fault, *(party for party in Party if party is not Party.OWNER)):
        assert f"`{word}`" in TEXT, word
