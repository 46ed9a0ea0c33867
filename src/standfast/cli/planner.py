"""`standfast planner`: run the planner of the control plane alone."""

from pathlib import Path

import click

from standfast.cli.common import config_option
from standfast.cli.control_role import run_alone
from standfast.io.settings.control_keys import Role


@click.command()
@config_option
def planner(config: Path | None) -> None:
    """Make plans on this machine, from the intent and from what vantages see.

    Plans go to the store, from which enactors publish them. Of several planners one plans, and another takes over when
    it ends. One line on standard output says when it runs; events go to standard error. SIGHUP has it read the intent
    anew; it stops cleanly on SIGTERM and SIGINT.

    \b
    Examples:
      standfast planner
      standfast planner --config /etc/standfast/standfast.toml
    """
    run_alone(config, Role.PLANNER)
