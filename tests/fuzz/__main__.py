"""`make fuzz`: every target, or those that are named, for so many seconds each."""

import argparse
import sys
from pathlib import Path
from typing import Final

from fuzz.run import fuzz
from fuzz.targets import ALL, TARGETS

FOLDER: Final = Path(__file__).parents[2] / ".fuzz"


def main() -> int:
    """Run, and say what was found; 1 where it was something."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all of them if none")
    parser.add_argument("--seconds", type=int, default=60, help="for each (60)")
    wanted = parser.parse_args()
    unknown = set(wanted.targets) - TARGETS.keys() - {ALL}
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    found = False
    for name in wanted.targets or TARGETS:
        result = fuzz(name, FOLDER, seconds=wanted.seconds)
        found = found or result.finding is not None
        print(
            f"{name:16} {result.executions:>12,} executions  {'FOUND' if result.finding else 'nothing found'}",
            flush=True,
        )
        if result.finding:
            print(result.finding, file=sys.stderr)
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
