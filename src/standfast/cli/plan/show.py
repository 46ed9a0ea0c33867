"""`standfast plan show`: one plan whole, and what rules have against it."""

import getpass
import time
from pathlib import Path

import click

from standfast.cli.common import config_option, json_option, moment, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.plan.common import ZoneType, control_of, in_store, state_of, wanted, zones_of
from standfast.cli.plan.words import HASH_SHOWN, changes_in_words, findings_as_json, findings_in_words, plan_as_json
from standfast.control.finding import Finding
from standfast.control.plan import Plan
from standfast.control.store import PlanStore, Proposal
from standfast.dns.model import Name


@click.command()
@click.argument("zone", type=ZoneType(), required=False)
@click.argument("generation", type=click.IntRange(min=1), required=False)
@config_option
@json_option
def show(zone: Name | None, generation: int | None, config: Path | None, as_json: bool) -> None:
    """Show a plan, and what rules have against it.

    That is the one that waits for approval, else the newest, or that of GENERATION. ZONE may be left out where there is
    one. Exit code 1 if there is no such plan.

    \b
    Examples:
      standfast plan show
      standfast plan show example.org 41
    """
    settings, intent = wanted(config)
    if zone is None and len(intent.zones) != 1:
        raise click.UsageError(f"name a zone: {zones_of(intent)}")
    origin = zone or next(iter(intent.zones))

    async def read(store: PlanStore) -> tuple[Plan | None, Proposal | None]:
        proposal = await store.proposal(origin)
        if generation is None and proposal is not None:
            return proposal.plan, proposal
        newest = await store.newest(origin)
        number = generation or (newest.generation if newest else 0)
        return await store.plan(origin, number), None

    found, proposal = in_store(control_of(settings), read) or (None, None)
    if found is None:
        if as_json:
            print_json(None)
        else:
            what = f"plan {generation}" if generation else "plan"
            click.echo(f"there is no {what} of {origin}: see `standfast plan list`", err=True)
        raise click.exceptions.Exit(NEGATIVE)
    findings = proposal.findings if proposal else ()
    if as_json:
        state = state_of(proposal) if proposal else ""
        print_json({**plan_as_json(found), "findings": findings_as_json(findings), "state": state})
    else:
        _print_plan(found, findings, proposal)


def _print_plan(found: Plan, findings: tuple[Finding, ...], proposal: Proposal | None) -> None:
    made = moment(round(found.made_at_s * 1000), round(time.time() * 1000))
    base = f"after {found.base.generation}" if found.base else "the first that is known"
    click.echo(f"{found.zone} generation {found.generation} ({base}), made {made}")
    click.echo(f"  {found.hash}")
    for line in (*changes_in_words(found.changes), *findings_in_words(findings)):
        click.echo(line)
    if proposal is not None and proposal.approved_by is not None:
        click.echo(f"  approved by {proposal.approved_by}: {proposal.reason}")
    elif proposal is not None:
        person = getpass.getuser()
        click.echo(f'  waits for: standfast plan approve {found.hash[:HASH_SHOWN]} --person {person} --reason "..."')
