"""`standfast plan`: what the planner would do, what waits for somebody, and what was planned.

Each verb is a module of its own; without one, it looks ahead.
"""

import difflib
from typing import Any, Final

import click

from standfast.cli.plan.common import ZoneType
from standfast.cli.plan.look import look, looks
from standfast.cli.verbs import Verb, Verbs
from standfast.dns.model import Name

VERBS: Final = (
    Verb("approve", "Approve a plan that waits, by its hash."),
    Verb("override", "Set a rule aside for a while."),
    Verb("list", "List plans that wait, and those that were made."),
    Verb("show", "Show a plan, and what rules have against it."),
)


class _Plans(Verbs):
    """Commands about plans; anything else that stands first is a zone to look at."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or take the arguments for zones; a typo gets a suggestion."""
        names = self.list_commands(ctx)
        is_verb = args[0] in names
        given = [f"--{key.replace('_', '-')}" for key in ("check", "offline", "assume_well") if ctx.params.get(key)]
        if is_verb and given:
            ctx.fail(f"{', '.join(given)} goes with zones, not with {args[0]}")
        if is_verb or ("." not in args[0] and difflib.get_close_matches(args[0], names, n=1)):
            return super().resolve_command(ctx, args)
        return "zones", _zones, args


@click.group(
    cls=_Plans,
    package="standfast.cli.plan",
    verbs=VERBS,
    invoke_without_command=True,
    subcommand_metavar="[ZONE]... | COMMAND [ARGS]...",
)
@looks
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
        look(ctx, (), **looking)


@click.command()
@click.argument("zones", metavar="[ZONE]...", type=ZoneType(), nargs=-1)
@looks
@click.pass_context
def _zones(ctx: click.Context, /, zones: tuple[Name, ...], **looking: Any) -> None:
    """Show what the planner would do now with these zones."""
    above = ctx.parent.params if ctx.parent else {}
    given: dict[str, Any] = {key: value or above.get(key) for key, value in looking.items()}
    look(ctx, zones, **given)
