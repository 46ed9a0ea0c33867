"""`standfast plan`: what the planner would do, what waits for somebody, and what was planned."""

import asyncio
import difflib
import getpass
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from standfast.cli.common import config_option, count, dry_run_option, duration, json_option, moment, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.parameters import NameType
from standfast.cli.plan_words import (
    HASH_SHOWN,
    changes_in_words,
    findings_as_json,
    findings_in_words,
    is_negative,
    plan_as_json,
    view_as_json,
    view_in_words,
)
from standfast.cli.tables import print_table
from standfast.control.finding import Finding
from standfast.control.intent import Intent
from standfast.control.overrides import BY_NAME_ALONE, OVERRIDE_MAX_S
from standfast.control.plan import Plan
from standfast.control.rules.table import RULES
from standfast.control.store import Override, PlanStore, Proposal
from standfast.dns.model import Name
from standfast.dns.name import is_below
from standfast.io.control.intent_files import load_intent
from standfast.io.control.journal import ControlJournal
from standfast.io.control.outlook import has_store, look_ahead
from standfast.io.control.stores.opening import open_store
from standfast.io.settings.config import Config, load
from standfast.io.settings.control import ControlConfig
from standfast.io.settings.places import ConfigError, find_config

HASH_MIN: Final = 8  # digits that name a plan among the few that wait
LISTED: Final = 20  # plans of a zone, unless more are asked for

_UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
_T = TypeVar("_T")


class DurationType(click.ParamType[float]):
    """A time: `90s`, `30m`, `2h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds."""
        found = re.fullmatch(r"([0-9]{1,6})(s|m|min|h|d)", str(value))
        if found is None:
            self.fail(f'"{value}" is no time - write it like 30m or 2h', param, ctx)
        return float(int(found[1]) * _UNITS_S[found[2]])


class RuleType(click.ParamType[str]):
    """The id of a rule."""

    name = "rule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it if there is such a rule."""
        known = [rule.id for rule in RULES]
        if value in known:
            return str(value)
        close = difflib.get_close_matches(str(value), known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(known)}"
        return self.fail(f'there is no rule "{value}" - {hint}', param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the rules that begin so, with what they are for."""
        return [CompletionItem(rule.id, help=rule.title) for rule in RULES if rule.id.startswith(incomplete)]


class ZoneType(NameType):
    """The name of a zone that is managed."""

    name = "zone"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the zones of the intent that begin so; none where it cannot be read."""
        try:
            zones = _wanted(ctx.params.get("config"))[1].zones
        except (ConfigError, click.UsageError):
            return []
        return [CompletionItem(zone) for zone in zones if zone.startswith(incomplete)]


_person_option = click.option("--person", required=True, help="Who decides it; for the ledger.")
_reason_option = click.option("--reason", required=True, help="Why; for the ledger.")
_looking = (
    click.option("--check", is_flag=True, help="Exit code 1 where a rule refuses or asks; for pipelines."),
    click.option("--offline", is_flag=True, help="Ask no publisher and no source: what the store knows has to do."),
    click.option("--assume-well", is_flag=True, help="Take all endpoints to be well; for where nobody measures them."),
    config_option,
    json_option,
)


def _looks(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_looking):
        command = option(command)
    return command


class _Plans(click.Group):
    """Commands about plans; anything else that stands first is a zone to look at."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or take the arguments for zones; a typo gets a suggestion."""
        close = difflib.get_close_matches(args[0], self.commands, n=1)
        if args[0] in self.commands:
            given = [f"--{key.replace('_', '-')}" for key in ("check", "offline", "assume_well") if ctx.params.get(key)]
            if given:
                ctx.fail(f"{', '.join(given)} goes with zones, not with {args[0]}")
            return super().resolve_command(ctx, args)
        if close and "." not in args[0]:
            ctx.fail(f'no command "{args[0]}" - did you mean "{close[0]}"?')
        return "zones", _zones, args


@click.group(cls=_Plans, invoke_without_command=True, subcommand_metavar="[ZONE]... | COMMAND [ARGS]...")
@_looks
@click.pass_context
def plan(ctx: click.Context, /, **looking: Any) -> None:
    """Show what the planner would do now, approve a plan, or set a rule aside.

    With zones, or without any command, it computes the next plan of these zones, or all, and shows what would change
    and everything that the rules have to say. It writes nothing, and needs no running process. Exit code 1 with --check
    where a rule refuses or asks, or where nobody can say what would be planned.

    \b
    Examples:
      standfast plan
      standfast plan example.org --json | jq '.zones[].findings'
      standfast plan --check --offline --assume-well     in a pipeline, before an intent is merged
    """
    if ctx.invoked_subcommand is None:
        _look(ctx, (), **looking)


@click.command()
@click.argument("zones", metavar="[ZONE]...", type=ZoneType(), nargs=-1)
@_looks
@click.pass_context
def _zones(ctx: click.Context, /, zones: tuple[Name, ...], **looking: Any) -> None:
    """Show what the planner would do now with these zones."""
    above = ctx.parent.params if ctx.parent else {}
    given: dict[str, Any] = {key: value or above.get(key) for key, value in looking.items()}
    _look(ctx, zones, **given)


def _look(
    ctx: click.Context,
    zones: tuple[Name, ...],
    *,
    check: bool,
    offline: bool,
    assume_well: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    _tell("reading what is wanted")
    settings, intent = _wanted(config)
    assert settings.control is not None
    if strangers := [zone for zone in zones if zone not in intent.zones]:
        raise click.UsageError(f"{strangers[0]} is no zone of the intent: it has {_named(intent)}")
    view = asyncio.run(
        look_ahead(
            settings.control,
            intent,
            zones or tuple(intent.zones),
            authority=settings.authority,
            offline=offline,
            assume_well=assume_well,
            wall=time.time,
            tell=_tell,
        )
    )
    if as_json:
        print_json(view_as_json(view))
    else:
        for line in view_in_words(view):
            click.echo(line)
    if check and any(map(is_negative, view.zones)):
        ctx.exit(NEGATIVE)


@plan.command()
@click.argument("hash_", metavar="HASH")
@_person_option
@_reason_option
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
    settings, intent = _wanted(config)

    async def decide(store: PlanStore) -> Plan | None:
        for zone in intent.zones:
            proposal = await store.proposal(zone)
            if proposal is not None and proposal.plan.hash.startswith(digits):
                approved = await store.approve(zone, proposal.plan.hash, person=person, reason=reason)
                return proposal.plan if approved else None
        return None

    approved = _in_store(_control(settings), decide)
    if as_json:
        print_json({"approved": plan_as_json(approved) if approved else None, "person": person, "reason": reason})
    elif approved is None:
        click.echo(f"no plan {hash_} waits for approval: see `standfast plan list`", err=True)
    else:
        changes = count(len(approved.changes), "change")
        click.echo(f"approved: {changes} of {approved.zone} ({approved.hash[:HASH_SHOWN]}), which the planner takes up")
    if approved is None:
        raise click.exceptions.Exit(NEGATIVE)


@plan.command()
@click.argument("rule", type=RuleType(), required=False)
@click.argument("scope", type=NameType(), required=False)
@click.option("--for", "for_s", type=DurationType(), help="How long, like 30m or 2h; at most 24h.")
@click.option("--person", help="Who decides it; for the ledger.")
@click.option("--reason", help="Why; for the ledger.")
@click.option("--end", is_flag=True, help="End it now.")
@click.option("--list", "listing", is_flag=True, help="List those that are in force.")
@dry_run_option
@config_option
@json_option
def override(
    rule: str | None,
    scope: Name | None,
    for_s: float | None,
    person: str | None,
    reason: str | None,
    end: bool,
    listing: bool,
    dry_run: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Set a rule aside for a while.

    SCOPE is a name, a zone and all below it, or "." for all. What the rule finds there is told, and keeps nothing back.
    It ends by itself, after 24 hours at most, and stands in the ledger with whose it is and why. The rule never-empty
    is set aside for one name at a time.

    \b
    Examples:
      standfast plan override leave-velocity example.org --for 1h --person ann --reason "moving to the new region"
      standfast plan override leave-velocity example.org --end --person ann --reason "moved"
      standfast plan override --list
    """
    settings, intent = _wanted(config)
    control = _control(settings)
    now_s = time.time()
    if listing:
        _list_overrides(control, now_s, as_json=as_json)
        return
    if rule is None or scope is None or not person or not reason or (for_s is None) == (not end):
        raise click.UsageError("RULE, SCOPE, --for (or --end), --person and --reason are needed; or --list")
    if for_s is not None and not 0 < for_s <= OVERRIDE_MAX_S:
        raise click.BadParameter(f"at most {OVERRIDE_MAX_S / 3600:.0f}h, and more than nothing", param_hint="--for")
    if rule in BY_NAME_ALONE and scope not in {name.name for zone in intent.zones.values() for name in zone.names}:
        raise click.BadParameter(f"{rule} is set aside for one managed name, and {scope} is none", param_hint="SCOPE")
    if not any(is_below(scope, zone) or is_below(zone, scope) for zone in intent.zones):
        raise click.BadParameter(f"{scope} is in none of the zones: {_named(intent)}", param_hint="SCOPE")
    made = Override(rule=rule, scope=scope, person=person, reason=reason, until_s=now_s + (for_s or 0))
    if not dry_run:
        _in_store(control, lambda store: store.override(made), make=True)
        with ControlJournal.open(control.state_dir) as journal:
            journal.overridden(made)
    if as_json:
        print_json(_override_as_json(made))
    else:
        until = "ended" if end else f"set aside until {moment(round(made.until_s * 1000), round(now_s * 1000))}"
        click.echo(f"{'would be: ' if dry_run else ''}{rule} for {scope} {until}")


@plan.command("list")
@click.argument("zones", metavar="[ZONE]...", type=ZoneType(), nargs=-1)
@click.option("--newest", type=click.IntRange(min=1), default=LISTED, show_default=True, help="So many of each zone.")
@config_option
@json_option
def list_(zones: tuple[Name, ...], newest: int, config: Path | None, as_json: bool) -> None:
    """List plans that wait, and those that were made.

    \b
    Examples:
      standfast plan list
      standfast plan list example.org --newest 5
    """
    settings, intent = _wanted(config)

    async def read(store: PlanStore) -> list[tuple[Plan, str]]:
        found: list[tuple[Plan, str]] = []
        for zone in zones or intent.zones:
            proposal = await store.proposal(zone)
            if proposal is not None:
                found.append((proposal.plan, _state_of(proposal)))
            kept = [await store.plan(zone, number) for number in list(await store.generations(zone))[-newest:]]
            made = [each for each in reversed(kept) if each is not None]
            found += [(each, "newest" if at == 0 else "") for at, each in enumerate(made)]
        return found

    found = _in_store(_control(settings), read) or []
    if as_json:
        print_json([{**plan_as_json(each), "changes": len(each.changes), "state": state} for each, state in found])
    elif not found:
        click.echo("nothing was planned yet: run `standfast up`, or see what would be with `standfast plan`")
    else:
        columns = ["ZONE", "GENERATION", "MADE", "CHANGES", "HASH", "STATE"]
        rows = [
            [
                each.zone,
                str(each.generation),
                moment(round(each.made_at_s * 1000)),
                str(len(each.changes)),
                each.hash[:HASH_SHOWN],
                state,
            ]
            for each, state in found
        ]
        print_table(columns, rows)


@plan.command()
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
    settings, intent = _wanted(config)
    if zone is None and len(intent.zones) != 1:
        raise click.UsageError(f"name a zone: {_named(intent)}")
    origin = zone or next(iter(intent.zones))

    async def read(store: PlanStore) -> tuple[Plan | None, Proposal | None]:
        proposal = await store.proposal(origin)
        if generation is None and proposal is not None:
            return proposal.plan, proposal
        newest = await store.newest(origin)
        number = generation or (newest.generation if newest else 0)
        return await store.plan(origin, number), None

    found, proposal = _in_store(_control(settings), read) or (None, None)
    if found is None:
        if as_json:
            print_json(None)
        else:
            what = f"plan {generation}" if generation else "plan"
            click.echo(f"there is no {what} of {origin}: see `standfast plan list`", err=True)
        raise click.exceptions.Exit(NEGATIVE)
    findings = proposal.findings if proposal else ()
    if as_json:
        state = _state_of(proposal) if proposal else ""
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


def _list_overrides(control: ControlConfig, now_s: float, *, as_json: bool) -> None:
    found = [each for each in _in_store(control, lambda store: store.overrides()) or () if each.until_s > now_s]
    if as_json:
        print_json([_override_as_json(each) for each in found])
    elif not found:
        click.echo("every rule is in force everywhere")
    else:
        rows = [
            [each.rule, each.scope, f"in {duration(each.until_s - now_s)}", each.person, each.reason] for each in found
        ]
        print_table(["RULE", "SCOPE", "ENDS", "PERSON", "REASON"], rows)


def _override_as_json(override: Override) -> dict[str, Any]:
    return {
        "rule": override.rule,
        "scope": override.scope,
        "person": override.person,
        "reason": override.reason,
        "until_ms": round(override.until_s * 1000),
    }


def _state_of(proposal: Proposal) -> str:
    return "waits for approval" if proposal.approved_by is None else f"approved by {proposal.approved_by}"


def _in_store(control: ControlConfig, act: Callable[[PlanStore], Awaitable[_T]], *, make: bool = False) -> _T | None:
    """Return what `act` does with the store; None where there is none yet, and it is not to be made."""

    async def run() -> _T:
        async with open_store(control) as store:
            return await act(store)

    return asyncio.run(run()) if make or has_store(control) else None


def _wanted(config: Path | None) -> tuple[Config, Intent]:
    settings = load(find_config(config))
    return settings, load_intent(_control(settings))


def _control(settings: Config) -> ControlConfig:
    if settings.control is None:
        raise click.UsageError("the configuration has no [control]: name one with --config")
    return settings.control


def _named(intent: Intent) -> str:
    return ", ".join(list(intent.zones)[:5]) or "no zone"


def _tell(what: str) -> None:
    """Say what is being done to who waits at a terminal."""
    if sys.stderr.isatty():
        click.echo(f"{what} ...", err=True)
