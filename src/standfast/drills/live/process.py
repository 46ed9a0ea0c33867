"""Child processes of the live drill: started in a folder of their own, awaited, ended by their process id.

A child inherits only PATH of the user's environment, so no profile, proxy or credential of theirs reaches it.
What it says on stderr (and on stdout, unless that is read) is kept in `<folder>/<name>.log`.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from standfast.errors import StandfastError

STOP_GRACE_S = 3.0  # the slowest part (ministack) ends in 0.2 s when asked; after this it is killed
READY_POLL_S = 0.02  # small against the shortest start (dnsmasq, 10 ms), and 50 looks a second cost nothing
LOG_TAIL_BYTES = 2000  # enough of a log to see why a part did not start

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


class PartFailed(StandfastError):
    """A part of the live drill did not start, or ended on its own.

    Attributes:
        part: the part's name.
        reason: what happened, as the end of a sentence that starts with the name.
        log_tail: the last lines of what it said.
    """

    def __init__(self, *, part: str, reason: str, log_tail: str) -> None:
        super().__init__(f"{part} {reason}" + (f"; it said:\n{log_tail}" if log_tail else ""))
        self.part = part
        self.reason = reason
        self.log_tail = log_tail


@dataclass(slots=True, kw_only=True)
class Child:
    """A running child process; an async context manager that stops it."""

    name: str
    process: asyncio.subprocess.Process
    log_file: Path

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        folder: Path,
        env: Mapping[str, str] | None = None,
        stdin: int = asyncio.subprocess.DEVNULL,
        read_stdout: bool = False,
    ) -> Self:
        """Start `argv` as `name`, with `folder` as its working, home and temporary directory.

        Args:
            name: for the log file and for messages.
            argv: the program and its arguments.
            folder: where it may write; made if it is not there.
            env: added to the little environment that every child gets.
            stdin: `DEVNULL`, `PIPE`, or a file descriptor, as for `asyncio.create_subprocess_exec`.
            read_stdout: whether the caller will read `process.stdout`; otherwise it goes to the log.

        Raises:
            PartFailed: the program cannot be run.
        """
        folder.mkdir(parents=True, exist_ok=True)
        log_file = folder / f"{name}.log"
        with log_file.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=stdin,
                    stdout=asyncio.subprocess.PIPE if read_stdout else log,
                    stderr=log,
                    cwd=folder,
                    env=_environment(folder) | dict(env or {}),
                    # Its own process group: Ctrl-C reaches the drill alone, which then stops its parts.
                    process_group=0,
                    preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                )
            except OSError as error:
                raise PartFailed(part=name, reason=f"cannot be run: {error}", log_tail="") from error
        return cls(name=name, process=process, log_file=log_file)

    async def until(self, ready: Callable[[], Awaitable[bool]], *, timeout_s: float) -> None:
        """Ask `ready` again and again until it is true.

        Raises:
            PartFailed: the child ended first, or `timeout_s` seconds went by.
        """
        ended = asyncio.create_task(self.process.wait())
        try:
            async with asyncio.timeout(timeout_s):
                while not ended.done() and not await ready():
                    await asyncio.wait({ended}, timeout=READY_POLL_S)
        except TimeoutError:
            raise self.failed(f"was not ready after {timeout_s:g} s") from None
        finally:
            ended.cancel()
        if self.process.returncode is not None:
            raise self.failed(f"ended with status {self.process.returncode} before it was ready")

    def failed(self, reason: str) -> PartFailed:
        """Return the error that says `reason` of this child and shows the end of its log."""
        return PartFailed(part=self.name, reason=reason, log_tail=self.log_tail())

    def log_tail(self) -> str:
        """Return the end of what it said."""
        return self.log_file.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()

    async def stop(self) -> int:
        """Ask it to end, kill it if it does not, and return its exit status; calling it twice is fine."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.process.returncode is not None:
                break
            try:
                self.process.send_signal(sign)
                async with asyncio.timeout(STOP_GRACE_S):
                    await self.process.wait()
            except (TimeoutError, ProcessLookupError):
                continue
        return await self.process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _environment(folder: Path) -> dict[str, str]:
    here = str(folder.resolve())
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": here, "TMPDIR": here, "LANG": "C.UTF-8"}


def _die_with_parent() -> None:
    # A drill that is killed cannot stop its parts; the kernel then does, when the thread that started them is
    # gone (prctl(2), PR_SET_PDEATHSIG).
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
