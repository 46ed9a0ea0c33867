"""Tells systemd how the service is, where it wants to know: sd_notify(3), which is one datagram each time."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

WATCHDOG_TELLS: Final = 3  # in the time after which systemd acts, so that one which comes late does no harm


def tell(state: str) -> None:
    """Send `state`, like `READY=1`, to `$NOTIFY_SOCKET`; without one do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # a name in the abstract namespace, unix(7)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(address)
            sender.sendall(state.encode())
        except OSError:
            pass  # nobody listens any more; that is no reason to stop answering


@asynccontextmanager
async def watched(environ: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Tell systemd's watchdog all along that the event loop turns, where it watches (sd_watchdog_enabled(3))."""
    period_s = _watchdog_s(environ)
    task = asyncio.create_task(_reassure(period_s / WATCHDOG_TELLS)) if period_s else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


async def _reassure(pause_s: float) -> None:
    while True:
        tell("WATCHDOG=1")
        await asyncio.sleep(pause_s)


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Return after how long a silent service is ended; 0 where nobody watches this process."""
    text = environ.get("WATCHDOG_USEC", "")
    is_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 1e6 if is_for_us and text.isascii() and text.isdigit() else 0.0
