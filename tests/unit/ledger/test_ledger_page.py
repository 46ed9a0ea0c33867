"""The page on the ledger: its example verifies, its program works, and it names all that there is."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from standfast.ledger.backlog import QUEUE_BYTES_MAX
from standfast.ledger.record import LINE_BYTES_MAX
from standfast.ledger.verify import FINDINGS_MAX, FindingKind, verify
from unit.ledger.chains import ledger

PAGE = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_is_a_whole_ledger() -> None:
    report = verify(block("json").encode().splitlines(keepends=True), head=None)
    assert (report.records, report.findings) == (3, ())


def test_the_program_that_checks_a_ledger_without_standfast_does(tmp_path: Path) -> None:
    lines = ledger(5)
    for changed, verdict in ((False, "5 records, the last is"), (True, "record 3 was changed")):
        path = tmp_path / "ledger.jsonl"
        path.write_bytes(b"".join(lines).replace(b"n3.", b"n4.") if changed else b"".join(lines))
        told = subprocess.run(
            [sys.executable, "-c", block("python"), path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert verdict in told.stdout
        assert told.returncode == changed


def test_every_kind_of_finding_has_its_row_and_every_bound_is_right() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {*get_args(FindingKind), "recovered", "lost", "unfit"} <= {*rows}
    assert f"at most {LINE_BYTES_MAX // 1024} KiB" in PAGE
    assert f"queue of {QUEUE_BYTES_MAX // 1024 // 1024} MiB" in PAGE
    assert f"{FINDINGS_MAX:,} findings" in PAGE
