"""Every rule has a page with all its parts and a sourced incident, a test that shows it firing, and one silent."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from standfast.control.rules.bounds import Bounds
from standfast.control.rules.table import RULES, Rule

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "rules"
TESTS = CHECKOUT / "tests" / "unit" / "control" / "rules"
PARTS = [
    "## What it is for",
    "## What it looks at",
    "## Bounds",
    "## When to override it",
    "## The incident that asks for it",
]

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def test_there_is_a_page_for_every_rule_and_for_no_other() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {rule.id for rule in RULES} | {"README"}


@each_rule
def test_a_page_has_all_its_parts_in_order_and_none_is_empty(rule: Rule) -> None:
    text = (PAGES / f"{rule.id}.md").read_text()
    assert text.startswith(f"# `{rule.id}`\n\nAt worst it **{rule.severity}s** ")
    assert re.findall(r"^## .+$", text, flags=re.MULTILINE) == PARTS
    assert all(len(part) > 4 for part in re.split(r"^## .+$", text, flags=re.MULTILINE))


@each_rule
def test_the_incident_that_asks_for_a_rule_has_its_date_and_its_source(rule: Rule) -> None:
    incident = (PAGES / f"{rule.id}.md").read_text().split(PARTS[-1])[1]
    assert re.search(r"\b(19|20)\d\d\b", incident)
    assert re.search(r"Source:.*?\]\(https?://", incident, flags=re.DOTALL)


@each_rule
def test_a_rule_has_a_test_that_shows_it_firing_and_one_that_shows_it_silent(rule: Rule) -> None:
    tests = "".join(file.read_text() for file in TESTS.glob("test_*.py"))
    name = rule.id.replace("-", "_")
    assert f"def test_{name}_fires_" in tests
    assert f"def test_{name}_is_silent_" in tests


@each_rule
def test_both_tables_say_what_each_rule_does_at_worst(rule: Rule) -> None:
    for index, folder in ((PAGES / "README.md", ""), (PAGES.parent / "control-plane.md", "rules/")):
        row = f"| [`{rule.id}`]({folder}{rule.id}.md) | {rule.severity} | {rule.title} |"
        assert row in index.read_text().splitlines(), index


@pytest.mark.parametrize("bound", [field.name for field in fields(Bounds)])
def test_a_bound_stands_on_the_page_of_a_rule(bound: str) -> None:
    assert any(f"`{bound}`" in page.read_text() for page in PAGES.glob("*.md"))
