"""docs/conformance.md names what there is: its files and scenarios exist, and no file of tests/rfc is left out."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "conformance.md").read_text()
SCENARIOS = CHECKOUT / "tests" / "scenarios"


def test_every_file_of_rfc_tests_is_named_and_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`tests/rfc/(\w+\.py)`", PAGE))
    there = {path.name for path in (CHECKOUT / "tests" / "rfc").glob("test_*.py")}
    assert named == there


def test_every_scenario_that_is_named_exists() -> None:
    for name in re.findall(r"`((?:[a-z]+-)+[a-z*]+)`", PAGE):
        assert list(SCENARIOS.glob(f"{name}.txt")), name


def test_every_kind_of_scenario_is_named() -> None:
    kinds = {path.stem.partition("-")[0] for path in SCENARIOS.glob("*.txt")} - {"held", "restart", "servers"}
    assert kinds <= set(re.findall(r"`([a-z]+)-", PAGE))
