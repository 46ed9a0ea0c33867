"""`standfast plan approve`: let a plan through that waits."""

import re
from pathlib import Path
from typing import Final

import click

from standfast.cli.common import config_option, count, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.plan.common import control_of, in_store, wanted
from standfast.cli.plan.words import HASH_SHOWN, plan_as_json
from standfast.control.plan import Plan
from standfast.control.store import PlanStore

HASH_MIN: Final = 8  # digits that name a plan among the few that wait


@click.command()
@click.argument("hash_", metavar="HASH")
@click.option("--person", required=True, help="Who decides it; for the ledger.")
@click.option("--reason", required=True, help="Why; for the ledger.")
@config_option
@json_option
def approve(hash_: str, person: str, reason: str, config: Path | None, as_json: bool) -> None:
    """Approve a plan that waits, by its hash.

    The first 8 digits of HASH, or more, will do. What is approved is this very set of changes: where it has become
    another one since, nothing is approved. Exit code 1 if no such plan waits.

    \b
    Examples:
      standfast plan show
      standfast plan approve 8f3a21bc --person ann --reason "the old rack is gone, ticket 4711"
    """
    digits = hash_.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{HASH_MIN},64}}", digits):
        raise click.BadParameter(
            f"{HASH_MIN} to 64 hexadecimal digits, as `standfast plan list` has", param_hint="HASH"
        )
    settings, intent = wanted(config)

    async def decide(store: PlanStore) -> Plan | None:
        for zone in intent.zones:
            proposal = await store.proposal(zone)
            if proposal is not None and proposal.plan.hash.startswith(digits):
                approved = await store.approve(zone, proposal.plan.hash, person=person, reason=reason)
                return proposal.plan if approved else None
        return None

    approved = in_store(control_of(settings), decide)
    if as_json:
        print_json({"approved": plan_as_json(approved) if approved else None, "person": person, "reason": reason})
    elif approved is None:
        click.echo(f"no plan {hash_} waits for approval: see `standfast plan list`", err=True)
    else:
        changes = count(len(approved.changes), "change")
        click.echo(f"approved: {changes} of {approved.zone} ({approved.hash[:HASH_SHOWN]}), which the planner takes up")
    if approved is None:
        raise click.exceptions.Exit(NEGATIVE)
