"""What an intent may say is in the documents, and no more than that."""

import re
from pathlib import Path
from typing import Final

import pytest

from standfast.io.control.intent_keys import INTENT_FORM

TEXT: Final = (Path(__file__).parents[2] / "docs" / "control-plane.md").read_text()


def described(table: str) -> set[str]:
    """Return the keys in the table below the heading that `table` (`pools.*.check`) has."""
    title = next(word for word in reversed(table.split(".")) if word != "*")
    section = re.search(rf"^### `{title}`\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section, title
    return {
        key for row in re.findall(r"^\| (`.*?) \|", section[1], re.MULTILINE) for key in re.findall(r"`(\w+)`", row)
    }


@pytest.mark.parametrize("table", [table for table in INTENT_FORM.tables if table])
def test_the_keys_of_an_intent_are_documented(table: str) -> None:
    assert described(table) == set(INTENT_FORM.tables[table].model_fields)
