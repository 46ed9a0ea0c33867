"""`standfast enactor`: run the enactor of the control plane alone."""

from pathlib import Path

import click

from standfast.cli.common import config_option
from standfast.cli.control_role import run_alone
from standfast.io.settings.control_keys import Role


@click.command()
@config_option
def enactor(config: Path | None) -> None:
    """Publish plans from this machine, at the publishers of every zone.

    It needs the store of plans and the publishers, and nothing else. Any number may run, on any machines: they take
    turns by leases, and whoever comes late changes nothing. One line on standard output says when it runs; events go to
    standard error. SIGHUP has it read the intent anew; it stops cleanly on SIGTERM and SIGINT.

    \b
    Examples:
      standfast enactor
      standfast enactor --config /etc/standfast/standfast.toml
    """
    run_alone(config, Role.ENACTOR)
