"""What `standfast up` runs: guard, authority, control plane; put together, said when they serve, taken apart in order.

Each is loaded where it is configured, before any of them answers: a machine that publishes plans does not wait for a
resolver, and no client waits for what is loaded beside what it asks.
"""

import asyncio
import gc
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

import structlog

from standfast.dns.servers import Server
from standfast.io import notify
from standfast.io.clock import SteadyClock
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.config import Config
from standfast.io.settings.control import ControlConfig
from standfast.io.telemetry.logs import configure

if TYPE_CHECKING:
    from standfast.io.authority.service import AuthorityService
    from standfast.io.control.beside import ControlBeside
    from standfast.io.control.plane import ControlPlane

COLLECT_AFTER: Final = (700, 10, 10)  # as Python does by itself; the command line has fewer and longer looks

log = structlog.get_logger("standfast")


def run(config: Config, *, tell: Callable[[str], None]) -> None:
    """Run a guard until SIGTERM or SIGINT; `tell` gets one line when it serves.

    Raises:
        StandfastError: it cannot start.
    """
    configure()
    for module in _modules(config):
        import_module(module)
    if config.authority is not None or config.has_guard:
        gc.set_threshold(*COLLECT_AFTER)  # a look through 50,000 objects takes 6 ms, for which answers would wait
    asyncio.run(_run(config, tell))


def _modules(config: Config) -> Iterator[str]:
    """Yield what has to be loaded."""
    if config.authority is not None:
        yield "standfast.io.authority.service"
    if config.control is not None and config.control.run:
        yield "standfast.io.control.plane"
    if config.has_guard:
        yield "standfast.io.guard_daemon"


async def _run(config: Config, tell: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        serving: list[str] = []
        on_hangup: list[Callable[[], None]] = []
        authority = None
        if config.authority is not None:
            authority = await stack.enter_async_context(_authority(config.authority))
            if config.authority.metrics is not None:
                await _observe(authority, config.authority.metrics, stack)
            serving.append(_authority_in_words(authority))
            on_hangup.append(authority.files.reload)
        if config.control is not None and config.control.run:
            is_alone = authority is None and not config.has_guard
            plane = await stack.enter_async_context(_control(config.control, authority, is_alone=is_alone))
            serving.append(str(plane))
            on_hangup.append(plane.reload)
        if config.has_guard:
            from standfast.io.guard_daemon import guard_in_words, guard_of  # noqa: PLC0415

            guard = await stack.enter_async_context(guard_of(config))
            serving.append(f"serving on {guard_in_words(guard)}, asking {', '.join(map(str, config.upstreams))}")
            on_hangup.append(guard.look_at_certificate)
        await stack.enter_async_context(notify.watched())
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: [act() for act in on_hangup])
        for words in serving:
            with suppress(OSError):  # nobody reads it; that is no reason to stop serving
                tell(f"standfast: {words}")
        notify.tell("READY=1")
        await stop.wait()
        notify.tell("STOPPING=1")
        log.info("guard.stopping")


def _authority_in_words(service: "AuthorityService") -> str:
    zones = f"{len(service.zones)} zone{'' if len(service.zones) == 1 else 's'}"
    return f"authority for {zones} on {', '.join(map(str, service.bound))} (UDP and TCP)"


def _authority(config: AuthorityConfig) -> "AuthorityService":
    from standfast.dns.cookies import ServerCookies  # noqa: PLC0415
    from standfast.io.authority.service import AuthorityService  # noqa: PLC0415
    from standfast.io.clients.cookies import Cookies  # noqa: PLC0415

    clock = SteadyClock()
    return AuthorityService(
        config,
        cookies=Cookies(ServerCookies(random.SystemRandom(), clock.now()), clock.now),
        now=clock.now,
    )


async def _observe(authority: "AuthorityService", at: Server, stack: AsyncExitStack) -> None:
    """Show the authority's metrics until the stack is left."""
    from standfast.io.telemetry.authority_metrics import AUTHORITY_METRICS  # noqa: PLC0415
    from standfast.io.telemetry.described import metrics_page  # noqa: PLC0415
    from standfast.io.telemetry.pages import PageServer  # noqa: PLC0415

    pages = {"/metrics": metrics_page(authority.parts, AUTHORITY_METRICS)}
    observed = await stack.enter_async_context(PageServer(at, pages))
    log.info("authority.metrics", address=str(observed.bound))


def _control(
    config: ControlConfig, authority: "AuthorityService | None", *, is_alone: bool
) -> AbstractAsyncContextManager["ControlPlane | ControlBeside"]:
    """Return the control plane; one that is not alone in its process takes nothing with it where it cannot begin."""
    from standfast.io.control.beside import ControlBeside  # noqa: PLC0415
    from standfast.io.control.plane import control_plane  # noqa: PLC0415

    made = partial(control_plane, config, roles=config.run)
    if authority is not None:
        made = partial(made, served=authority.parts.zones, served_at=authority.bound)
    return made() if is_alone else ControlBeside(made)
