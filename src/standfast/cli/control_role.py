"""Running one role of the control plane alone, on a machine of its own."""

from dataclasses import replace
from pathlib import Path

import click

from standfast.cli.stdout import say_if_read
from standfast.io.settings.config import load
from standfast.io.settings.control_keys import Role
from standfast.io.settings.places import find_config


def run_alone(config: Path | None, role: Role) -> None:
    """Run `role`, and nothing else of what the configuration has, until SIGTERM or SIGINT.

    Raises:
        StandfastError: it cannot start.
    """
    settings = load(find_config(config))
    if settings.control is None:
        raise click.UsageError("the configuration has no [control]; name one with --config")
    from standfast.io.daemon import run  # noqa: PLC0415  --help must not wait for all of it

    control = replace(settings.control, run=frozenset({role}))
    run(replace(settings, has_guard=False, authority=None, control=control), tell=say_if_read)
