"""The protocol as a model for Spin: no error in ours, and in the design of 20 October 2025 the name is empty."""

import re
import subprocess
from pathlib import Path

import pytest

from peers.servers import program

MODEL = Path(__file__).parents[2] / "docs" / "proof" / "standfast.pml"
TIMEOUT_S = 300.0  # of what takes seconds on an idle machine

pytestmark = pytest.mark.peers


def built(folder: Path, *defines: str) -> Path:
    """Have Spin and the C compiler make the search of the model."""
    _run(folder, program("spin"), *defines, "-a", str(MODEL))
    _run(folder, program("gcc"), "-O1", "-DNFAIR=3", "-o", "pan", "pan.c")
    return folder / "pan"


def searched(search: Path, *options: str) -> str:
    """Search, and return what is said of it."""
    return _run(search.parent, str(search), "-m100000", *options)


def _run(folder: Path, *command: str) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return ended.stdout


def errors_in(said: str) -> int:
    found = re.search(r"errors: (\d+)", said)
    assert found, said
    return int(found[1])


def test_no_assertion_of_our_protocol_fails(tmp_path: Path) -> None:
    said = searched(built(tmp_path), "-noclaim")
    assert "Search not completed" not in said
    assert errors_in(said) == 0


def test_the_newest_plan_is_published_in_the_end_whatever_was_lost(tmp_path: Path) -> None:
    said = searched(built(tmp_path, "-DPLANS=2"), "-a", "-f")
    assert "Search not completed" not in said
    assert errors_in(said) == 0


def test_a_fence_that_nobody_compares_is_an_error_in_the_model_too(tmp_path: Path) -> None:
    assert "assertion violated" in searched(built(tmp_path, "-DUNFENCED"), "-noclaim")


def test_the_original_design_empties_the_name_and_then_stands_still(tmp_path: Path) -> None:
    search = built(tmp_path, "-DORIGINAL")
    emptied = searched(search, "-E")
    assert errors_in(emptied) > 0
    assert "assertion violated (kept[name[0]]&&kept[name[1]])" in emptied
    assert "invalid end state" in searched(search)
