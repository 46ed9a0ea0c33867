"""What the verbs of `standfast plan` share: what is wanted, its store, and the types of arguments."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import click
from click.shell_completion import CompletionItem

from standfast.cli.parameters import NameType
from standfast.control.intent import Intent
from standfast.control.store import PlanStore, Proposal
from standfast.io.control.intent_files import load_intent
from standfast.io.control.outlook import has_store
from standfast.io.control.stores.opening import open_store
from standfast.io.settings.config import Config, load
from standfast.io.settings.control import ControlConfig
from standfast.io.settings.places import ConfigError, find_config

NAMED: Final = 5  # zones that a message names

_T = TypeVar("_T")


def wanted(config: Path | None) -> tuple[Config, Intent]:
    """Return the configuration and the intent of its control plane. Raises `ConfigError` where either is wrong."""
    settings = load(find_config(config))
    return settings, load_intent(control_of(settings))


def control_of(settings: Config) -> ControlConfig:
    """Return the settings of the control plane; where there are none, the command ends with what to do."""
    if settings.control is None:
        raise click.UsageError("the configuration has no [control]: name one with --config")
    return settings.control


def in_store(control: ControlConfig, act: Callable[[PlanStore], Awaitable[_T]], *, make: bool = False) -> _T | None:
    """Return what `act` does with the store; None where there is none yet, and it is not to be made."""

    async def run() -> _T:
        async with open_store(control) as store:
            return await act(store)

    return asyncio.run(run()) if make or has_store(control) else None


def zones_of(intent: Intent) -> str:
    """Return the first zones of an intent, for a message."""
    return ", ".join(list(intent.zones)[:NAMED]) or "no zone"


def state_of(proposal: Proposal) -> str:
    """Return in words how far the decision on it is."""
    return "waits for approval" if proposal.approved_by is None else f"approved by {proposal.approved_by}"


class ZoneType(NameType):
    """The name of a zone that is managed."""

    name = "zone"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the zones of the intent that begin so; none where it cannot be read."""
        try:
            zones = wanted(ctx.params.get("config"))[1].zones
        except (ConfigError, click.UsageError):
            return []
        return [CompletionItem(zone) for zone in zones if zone.startswith(incomplete)]
