"""Child processes start clean, are awaited, leave their logs, and never outlive the drill."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from standfast.drills.live import process
from standfast.drills.live.process import Child, PartFailed

TIMEOUT_S = 10.0


async def start(folder: Path, program: str, *, read_stdout: bool = True) -> Child:
    return await Child.start("part", [sys.executable, "-c", program], folder=folder, read_stdout=read_stdout)


async def line_of(child: Child) -> bytes:
    assert child.process.stdout is not None
    return await child.process.stdout.readline()


async def never() -> bool:
    return False


async def always() -> bool:
    return True


def test_a_child_gets_nothing_of_the_users_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")

    async def run() -> dict[str, str]:
        program = "import json, os; print(json.dumps(dict(os.environ)))"
        async with await start(tmp_path, program) as child:
            return dict(json.loads(await line_of(child)))

    environment = asyncio.run(run())
    assert {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}.items() <= environment.items()
    assert environment.keys() <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE"}


def test_a_child_that_is_ready_is_awaited_no_longer(tmp_path: Path) -> None:
    async def run() -> None:
        async with await start(tmp_path, "import sys; sys.stdin.read(); import time; time.sleep(60)") as child:
            await child.until(always, timeout_s=0.5)

    asyncio.run(run())


def test_a_child_that_ends_before_it_is_ready_is_told_with_what_it_said(tmp_path: Path) -> None:
    async def run() -> None:
        program = "import sys; sys.exit('no such table')"
        async with await start(tmp_path, program) as child:
            await child.until(never, timeout_s=TIMEOUT_S)

    with pytest.raises(PartFailed) as caught:
        asyncio.run(run())
    assert (caught.value.part, caught.value.log_tail) == ("part", "no such table")
    assert "ended with status 1 before it was ready" in str(caught.value)


def test_a_child_that_does_not_get_ready_is_given_up(tmp_path: Path) -> None:
    async def run() -> None:
        async with await start(tmp_path, "import time; time.sleep(60)") as child:
            await child.until(never, timeout_s=0.1)

    with pytest.raises(PartFailed, match=r"part was not ready after 0\.1 s"):
        asyncio.run(run())


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match=r"part cannot be run: .*nosuchprogram"):
        asyncio.run(Child.start("part", ["/nosuchprogram"], folder=tmp_path))


def test_stopping_waits_for_an_orderly_end_and_may_be_repeated(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)"
    )

    async def run() -> tuple[int, int]:
        child = await start(tmp_path, program)
        await line_of(child)
        return await child.stop(), await child.stop()

    assert asyncio.run(run()) == (7, 7)


def test_a_child_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_GRACE_S", 0.1)
    program = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    )

    async def run() -> int:
        child = await start(tmp_path, program)
        await line_of(child)
        return await child.stop()

    assert asyncio.run(run()) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_children_end_when_the_drill_is_killed(tmp_path: Path) -> None:
    drill = (
        "import asyncio, pathlib\n"
        "from standfast.drills.live.process import Child\n"
        "async def main():\n"
        f"    child = await Child.start('part', ['sleep', '60'], folder=pathlib.Path({str(tmp_path)!r}))\n"
        "    print(child.process.pid, flush=True)\n"
        "    await child.process.wait()\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", drill], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert select.select([child], [], [], TIMEOUT_S)[0], "the child still runs"
    finally:
        os.close(child)
