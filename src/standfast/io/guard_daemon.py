"""The guard of a process, its parts put together and taken apart.

The order is that of need: the state directory, the ledger, what is remembered, the core, its sockets, and last the
control socket. What was begun is ended in reverse, however it ends.
"""

import gc
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from standfast.dns.model import Question
from standfast.guard import events
from standfast.guard.events import JsonValue
from standfast.guard.resolver import Resolver, Settings
from standfast.guard.verdict import Verdict
from standfast.io.clients.certificates import OwnCertificate
from standfast.io.clock import SteadyClock
from standfast.io.commands.commands import Commands
from standfast.io.commands.server import ControlServer
from standfast.io.guard_service import GuardService
from standfast.io.roots import Roots
from standfast.io.settings.addresses import Scheme
from standfast.io.settings.config import Config
from standfast.io.settings.places import LEDGER_NAME
from standfast.io.state import ledger_file
from standfast.io.state.ledger_file import LedgerFile
from standfast.io.state.state_dir import claim
from standfast.io.state.store import Store
from standfast.io.state.store_file import SURVEYED_FILE_NAME
from standfast.io.telemetry.described import metrics_page
from standfast.io.telemetry.health import health_page
from standfast.io.telemetry.metrics import METRICS, Sources
from standfast.io.telemetry.pages import PageServer
from standfast.io.telemetry.traces import TracedCore

if TYPE_CHECKING:
    from standfast.io.telemetry.otlp import OtlpExporter

log = structlog.get_logger("standfast")


@asynccontextmanager
async def guard_of(config: Config) -> AsyncIterator[GuardService]:
    """Run the guard of this configuration until the context ends.

    Raises:
        StandfastError: it cannot start.
    """
    async with AsyncExitStack() as stack:
        state_dir = stack.enter_context(claim(config.state_dir))
        ledger_path = state_dir / LEDGER_NAME
        ledger = stack.enter_context(LedgerFile.open(ledger_path, alarm=_log_ledger_alarm))
        store = Store(state_dir, alarm=_log_alarm)
        loaded = store.load()

        clock = SteadyClock()
        resolver = Resolver(
            Settings(
                upstreams=config.upstreams,
                second_opinions=config.second_opinions,
                client_timeout_s=config.client_timeout_s,
                cache_max=config.cache_max,
                known_max=config.known_max,
                survey_pause_s=config.survey_pause_s,
            ),
            config.policy_table,
            random.SystemRandom(),
            now=clock.now(),
            enabled=loaded.enabled,
        )
        for question in resolver.memory.load(loaded.entries):  # `known_max` is smaller than it was
            store.forget(question)
        store.start(resolver.memory.entries)
        stack.callback(store.close)
        surveyed = stack.enter_context(_surveyed(resolver, state_dir)) if config.survey_pause_s is not None else None
        gc.freeze()  # a full collection walks the memory's queues, a million names in 0.1 s; they hold no cycles
        exporter = stack.enter_context(_exporter(config.traces)) if config.traces else None
        service = GuardService(
            resolver if exporter is None else _traced(resolver, exporter),
            clock=clock,
            store=store,
            surveyed=surveyed,
            ledger=ledger,
            listen=config.listen,
            roots=Roots(config.ca_file),
            certificate=OwnCertificate(config.certificate) if config.certificate else None,
            limits=config.limits,
            workers=config.workers,
        )
        started: dict[str, JsonValue] = {
            "version": version("standfast"),
            "known_good": len(resolver.memory),
            "enabled": loaded.enabled,
        }
        ledger.append("start", started, round(clock.now() * 1000))
        stack.callback(lambda: ledger.append("stop", {}, round(clock.now() * 1000)))
        await stack.enter_async_context(service)
        if config.metrics is not None:
            sources = Sources(resolver=resolver, service=service, store=store, ledger=ledger, exporter=exporter)
            pages = {"/metrics": metrics_page(sources, METRICS), "/healthz": health_page(sources)}
            observed = await stack.enter_async_context(PageServer(config.metrics, pages))
            log.info("guard.metrics", address=str(observed.bound))
        commands = Commands(
            resolver,
            service,
            clock=clock,
            store=store,
            ledger=ledger,
            ledger_path=ledger_path,
            about=_about(config),
        )
        await stack.enter_async_context(ControlServer(state_dir, commands.methods()))
        yield service


def guard_in_words(service: GuardService) -> str:
    """Return where it serves, in words."""
    plain = [str(address) for address in service.bound if address.scheme is Scheme.DO53]
    encrypted = [str(address) for address in service.bound if address.scheme is not Scheme.DO53]
    return ", ".join([*([", ".join(plain) + " (UDP and TCP)"] if plain else []), *encrypted])


@contextmanager
def _surveyed(resolver: Resolver, state_dir: Path) -> Iterator[Store]:
    """Give what is known of name servers back to the survey, and keep what it finds."""
    memory = resolver.survey.memory
    store = Store(state_dir, alarm=_log_alarm, file_name=SURVEYED_FILE_NAME)
    for question in memory.load(store.load().entries):
        store.forget(question)
    store.start(memory.entries)
    try:
        yield store
    finally:
        store.close()


def _exporter(endpoint: str) -> "OtlpExporter":
    from standfast.io.telemetry.otlp import OtlpExporter  # noqa: PLC0415  its libraries are an extra, and large

    return OtlpExporter(endpoint, alarm=_log_alarm)


def _traced(resolver: Resolver, exporter: "OtlpExporter") -> TracedCore:
    def verdict_of(question: Question) -> Verdict | None:
        watch = resolver.losses.get(question)
        return None if watch is None else watch.verdict

    return TracedCore(resolver, verdict_of=verdict_of, on_end=exporter.take)


def _about(config: Config) -> dict[str, JsonValue]:
    return {
        "version": version("standfast"),
        "config": str(config.source) if config.source else None,
        "state_dir": str(config.state_dir),
        "second_opinions": [str(server) for server in config.second_opinions],
    }


def _log_alarm(alarm: events.Alarm) -> None:
    log.warning(alarm.event, **alarm.fields)


def _log_ledger_alarm(alarm: ledger_file.Alarm) -> None:
    log.warning(f"ledger.{alarm.event}", detail=alarm.text)
