"""Worker processes end with the process that they work for, also where it is killed and cannot tell them."""

import subprocess
import sys
from pathlib import Path

import pytest

from standfast.sim.workers import workers

ENDS_WITHIN_S = 60.0  # of what takes a moment on an idle machine

PARENT = """
import sys, time
from standfast.sim.workers import workers

if __name__ == "__main__":
    with workers(2) as pool:
        list(pool.map(time.sleep, [0.0] * 8))
        if sys.argv[1] == "busy":
            busy = pool.submit(eval, "sum(1 for _ in iter(int, 1))")
            while not busy.running():
                time.sleep(0.01)
        print("ready", flush=True)
        time.sleep(3_600)
"""


@pytest.mark.parametrize("what", ["idle", "busy"])
def test_workers_end_by_themselves_when_their_parent_is_killed(what: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script, what], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.kill()
        # They write to where it does: that ends when the last of them has ended.
        assert parent.communicate(timeout=ENDS_WITHIN_S)[0] == ""


def test_what_is_given_to_workers_is_done() -> None:
    with workers(1) as pool:
        assert pool.submit(abs, -1).result() == 1
