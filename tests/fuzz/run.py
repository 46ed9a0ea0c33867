"""Runs targets, each in a process of its own, and says what came of it."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.targets import target_of

TESTS: Final = Path(__file__).parents[1]
OCTETS_MAX: Final = 1_400  # of an input: beyond a datagram nothing new is found
EXECUTION_MAX_S: Final = 60  # one input that takes longer is a finding; a busy machine takes its time
START_MAX_S: Final = 120.0  # until the first input, and after the last one
SHOWN_LINES: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How many inputs were tried, and the end of what was said where one broke the law."""

    executions: int
    finding: str | None


def fuzz(name: str, folder: Path, *, seconds: int) -> Result:
    """Fuzz the target `name` for `seconds`; inputs that led further are kept in `folder`, and so are findings."""
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target_of(name).seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, "-m", "fuzz.drive", name, f"-max_total_time={seconds}", f"-max_len={OCTETS_MAX}"]
    command += [
        f"-timeout={EXECUTION_MAX_S}",
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
        str(corpus),
    ]
    ended = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds + START_MAX_S,
        check=False,
    )
    said = ended.stdout.decode(errors="replace")
    executions = re.search(r"number_of_executed_units: *(\d+)", said)
    finding = "\n".join(said.splitlines()[-SHOWN_LINES:]) if ended.returncode else None
    return Result(executions=int(executions[1]) if executions else 0, finding=finding)
