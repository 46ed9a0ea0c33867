"""`standfast plan override`: set a rule aside for a while, and see which are."""

import difflib
import re
import time
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from standfast.cli.common import config_option, dry_run_option, duration, json_option, moment, print_json
from standfast.cli.parameters import NameType
from standfast.cli.plan.common import control_of, in_store, wanted, zones_of
from standfast.cli.tables import print_table
from standfast.control.overrides import BY_NAME_ALONE, OVERRIDE_MAX_S
from standfast.control.rules.table import RULES
from standfast.control.store import Override
from standfast.dns.model import Name
from standfast.dns.name import is_below
from standfast.io.control.journal import ControlJournal
from standfast.io.settings.control import ControlConfig

_UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


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


@click.command()
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
    settings, intent = wanted(config)
    control = control_of(settings)
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
        raise click.BadParameter(f"{scope} is in none of the zones: {zones_of(intent)}", param_hint="SCOPE")
    made = Override(rule=rule, scope=scope, person=person, reason=reason, until_s=now_s + (for_s or 0))
    if not dry_run:
        in_store(control, lambda store: store.override(made), make=True)
        with ControlJournal.open(control.state_dir) as journal:
            journal.overridden(made)
    if as_json:
        print_json(_override_as_json(made))
    else:
        until = "ended" if end else f"set aside until {moment(round(made.until_s * 1000), round(now_s * 1000))}"
        click.echo(f"{'would be: ' if dry_run else ''}{rule} for {scope} {until}")


def _list_overrides(control: ControlConfig, now_s: float, *, as_json: bool) -> None:
    found = [each for each in in_store(control, lambda store: store.overrides()) or () if each.until_s > now_s]
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
