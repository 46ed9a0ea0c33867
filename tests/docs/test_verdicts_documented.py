"""Every row of the judge's table stands in the page that explains it, and the page names no other."""

import re
from pathlib import Path

from standfast.guard.judge import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"


def test_every_row_of_the_table_is_explained_and_no_other() -> None:
    documented = set(re.findall(r"^\| `((?:\w+\.[\w-]+)|positive)` \|", PAGE.read_text(), flags=re.MULTILINE))
    assert documented == {row.id for row in TABLE}


def test_each_row_says_the_verdict_that_the_table_gives() -> None:
    text = PAGE.read_text()
    for row in TABLE:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{row.id}` |"))
        verdict = line.split("|")[2]
        assert row.action.value in verdict, row.id
        assert row.cause.value == "none" or row.cause.value in verdict, row.id
        assert row.alarm == ("alarm" in verdict), row.id
