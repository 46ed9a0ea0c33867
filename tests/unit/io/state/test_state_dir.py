"""A state directory is private, and one process's at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from standfast.io.state.state_dir import LOCK_FILE, StoreError, claim

HOLDER = """
import sys
from pathlib import Path
from standfast.io.state.state_dir import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Start another process that holds `path`; return once it does."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_a_new_state_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    with claim(tmp_path / "var" / "state") as path:
        assert path.stat().st_mode & 0o777 == 0o700
        assert (path / LOCK_FILE).stat().st_mode & 0o777 == 0o600


def test_a_second_process_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        with (
            pytest.raises(StoreError, match=rf"is in use by process {other.pid}\. Stop that one"),
            claim(tmp_path),
        ):
            pass
        other.communicate()


def test_the_lock_ends_with_a_process_that_was_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        other.kill()
        other.wait()
    with claim(tmp_path):
        pass


def test_the_lock_ends_with_the_context(tmp_path: Path) -> None:
    for _ in range(2):
        with claim(tmp_path):
            pass


def test_a_directory_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StoreError, match=r"is open to everybody. Run chmod o-w"), claim(tmp_path):
        pass


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StoreError, match="is a file, not a directory"), claim(tmp_path / "state"):
        pass


def test_a_directory_that_cannot_be_made_says_where_to_set_another() -> None:
    with pytest.raises(StoreError, match=r"cannot be made: .* Set state_dir"), claim(Path("/proc/standfast")):
        pass
