"""`standfast vantage`: look at endpoints from this machine, for planners elsewhere, or once to see what checks say."""

import asyncio
from pathlib import Path

import click

from standfast.cli.common import config_option, count, json_option, print_json
from standfast.cli.control_role import run_alone
from standfast.cli.exits import NEGATIVE
from standfast.cli.tables import print_table
from standfast.control.health import Ill, Look, NotLooked, Well
from standfast.control.vantage import Target
from standfast.io.control.intent_files import load_intent
from standfast.io.settings.config import load
from standfast.io.settings.control_keys import Role
from standfast.io.settings.places import find_config


@click.command()
@click.option("--once", is_flag=True, help="Look at every endpoint once, print what each look said, and end.")
@config_option
@json_option
def vantage(once: bool, config: Path | None, as_json: bool) -> None:
    """Look at the endpoints of all pools from this machine.

    What it sees goes to the store of plans, under the name that [control] gives this process; planners go by what as
    many vantages as the quorum see. With --once it needs no store and no running process: it shows what each check
    says now. Exit code 1 then, where an endpoint is not well.

    \b
    Examples:
      standfast vantage
      standfast vantage --once
      standfast vantage --once --json | jq '.[] | select(.look != "well")'
    """
    control = load(find_config(config)).control
    if control is None:
        raise click.UsageError("the configuration has no [control]: name one with --config")
    if as_json and not once:
        raise click.UsageError("--json goes with --once")
    if not once:
        run_alone(config, Role.VANTAGE)
        return
    from standfast.io.control.checks.once import look_once  # noqa: PLC0415  --help need not wait for it

    intent = load_intent(control)
    found = asyncio.run(look_once(control, intent))
    if as_json:
        print_json([_described(target, look, took_s) for target, (look, took_s) in found.items()])
    else:
        rows = [_row(intent.pools[target.pool].check.kind, target, *seen) for target, seen in found.items()]
        print_table(("POOL", "ENDPOINT", "CHECK", "LOOK", "TOOK", "WHY"), rows)
        well = sum(isinstance(look, Well) for look, _ in found.values())
        click.echo(f"{well} of {count(len(found), 'endpoint')} {'is' if well == 1 else 'are'} well")
    if not all(isinstance(look, Well) for look, _ in found.values()):
        raise click.exceptions.Exit(NEGATIVE)


def _row(kind: str, target: Target, look: Look, took_s: float) -> tuple[str, ...]:
    word, why = _words(look)
    return target.pool, f"{target.address} port {target.port}", kind, word, f"{took_s * 1000:.0f} ms", why or "-"


def _described(target: Target, look: Look, took_s: float) -> dict[str, object]:
    word, why = _words(look)
    place = {"pool": target.pool, "address": target.address, "port": target.port}
    return {**place, "look": word, "why": why or None, "took_ms": round(took_s * 1000, 1)}


def _words(look: Look) -> tuple[str, str]:
    match look:
        case Well():
            return "well", ""
        case Ill(why=why):
            return "ill", why
        case NotLooked(why=why):
            return "not looked", why
