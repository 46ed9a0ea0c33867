"""A disk that fills up, and a directory that takes no new files, under clients that ask all the time."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chaos.load import Load
from chaos.names import COLD, LEARNED
from chaos.stage import FRESH_AGAIN_S, Upstream, all_held, guard_before
from running_guard import RunningGuard
from standfast.io.commands import client as control_client

pytestmark = pytest.mark.peers

EVENT_TIMEOUT_S = 60.0  # the store tries again after 30 s at the latest


def test_a_disk_that_fills_up_under_load_stops_no_answer_and_loses_nothing(tmp_path: Path, upstream: Upstream) -> None:
    state = tmp_path / "state"
    state.mkdir()
    guard = guard_before(tmp_path, upstream.address, before=with_a_disk_at(state))
    with guard, kept_open(guard, state) as disk:
        with Load(guard.address, seed=31) as load:
            load.wait_until_fresh()
            fill(disk / "filler")
            load.wait_for(20, "cold fresh")  # all of them are to be remembered
            wait_for_event(guard, "store.write_failed")
            with load.outage():
                upstream.kill()
                load.wait_for(40, "held")
                wait_for_event(guard, "ledger.refused")
                upstream.start()
            load.wait_until_fresh(FRESH_AGAIN_S)
            meanwhile = [qname for qname in COLD if qname in load.book.fresh_at_s]
            (disk / "filler").unlink()
            wait_for_event(guard, "store.write_recovered")
            wait_for_event(guard, "ledger.accepts")
        assert control_client.call(disk, "switch", {"enabled": True}) == {"enabled": True, "saved": True}
        guard.kill()
        shutil.copytree(disk, tmp_path / "saved" / "state", ignore=shutil.ignore_patterns("control.sock"))
    upstream.kill()
    with guard_before(tmp_path / "saved", upstream.address) as guard:
        assert all_held(guard, [*LEARNED, *meanwhile])
        verified = guard.run("ledger", "verify")
        assert verified.returncode == 0, verified.stdout


def test_a_state_directory_that_turns_read_only_stops_no_answer_and_loses_nothing(
    tmp_path: Path, upstream: Upstream
) -> None:
    state = tmp_path / "state"
    guard = guard_before(tmp_path, upstream.address, before=powerless())
    with guard:
        with Load(guard.address, seed=32) as load:
            load.wait_until_fresh()
            state.chmod(0o500)
            with load.outage():
                upstream.kill()
                load.wait_for(40, "held")
                wait_for_event(guard, "ledger.refused")  # its head is a new file each time
                upstream.start()
            load.wait_until_fresh(FRESH_AGAIN_S)
            state.chmod(0o700)
            wait_for_event(guard, "ledger.accepts")
        assert guard.call("switch", enabled=True)["saved"] is True
        upstream.kill()
        guard.kill()
        guard.start()
        assert all_held(guard, LEARNED)
        verified = guard.run("ledger", "verify")
        assert verified.returncode == 0, verified.stdout


def with_a_disk_at(folder: Path) -> tuple[str | Path, ...]:
    """Return the command that runs another with a disk of 2 MiB at `folder`, which it alone sees."""
    namespace = ("unshare", "--mount", "--map-root-user")
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives ordinary users no mounts of their own (unshare --mount --map-root-user)")
    return (*namespace, "sh", "-c", 'mount -t tmpfs -o size=2m,mode=0700 tmpfs "$0" && exec "$@"', folder)


def powerless() -> tuple[str, ...]:
    """Return the command that runs another without the right of root to write anywhere."""
    if os.geteuid():
        return ()
    return ("setpriv", "--securebits=+noroot,+noroot_locked", "--inh-caps=-all", "--bounding-set=-all")


@contextmanager
def kept_open(guard: RunningGuard, folder: Path) -> Iterator[Path]:
    """Give a path to `folder` as `guard` sees it, that is good also after its end, and short enough for a socket."""
    opened = os.open(Path(f"/proc/{guard.process.pid}/root") / folder.relative_to("/"), os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{opened}")
    finally:
        os.close(opened)


def fill(path: Path) -> None:
    """Write to `path` until there is no room."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def wait_for_event(guard: RunningGuard, event: str) -> None:
    """Wait until the guard has told `event`."""
    deadline_s = time.monotonic() + EVENT_TIMEOUT_S
    while f'"event": "{event}"' not in guard.events():
        assert time.monotonic() < deadline_s, f"no {event}:\n{guard.events()}"
        time.sleep(0.02)
