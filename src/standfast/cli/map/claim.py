"""`standfast map claim`: whether a claimed availability can be true, what decides it, and what would help."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from standfast.cli.common import count, json_option, print_json
from standfast.cli.exits import NEGATIVE, UNDECIDED
from standfast.cli.map.budget import Progress, budget_options, limits_from_now, room_for_large_trees
from standfast.cli.map.common import files_option, map_of
from standfast.cli.map.risk_words import minutes, percent
from standfast.cli.tables import print_facts, print_table
from standfast.depmap.claims import OFF_BY, Claim, Verdict, judge_claim
from standfast.depmap.faults.enclosure import Interval
from standfast.depmap.gains import Gain
from standfast.depmap.lookup import find_node

LISTED: Final = 5  # assumptions and changes that are told in words; in JSON, all


class Percent(click.ParamType[float]):
    """An availability in per cent, as a share from 0 to 1."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share, or fail."""
        try:
            share = float(str(value).removesuffix("%")) / 100
        except ValueError:
            self.fail(f'"{value}" is no number', param, ctx)
        if not 0 < share <= 1:
            self.fail(f"{value} is no availability in per cent: more than 0, at the most 100", param, ctx)
        return share


@click.command()
@click.argument("name", required=False)
@click.argument("claimed", metavar="[PERCENT]", type=Percent(), required=False)
@files_option
@budget_options
@json_option
@click.pass_context
@room_for_large_trees()
def claim(
    ctx: click.Context,
    name: str | None,
    claimed: float | None,
    paths: Sequence[Path],
    nodes_max: int,
    seconds_max: float,
    as_json: bool,
) -> None:
    """Say whether NAME can be available for PERCENT of the time: met, not met, or undecided.

    Without PERCENT the one that the map claims, without NAME all that it claims. Exit code 0 if all are met, 1 if one
    is not, 5 if one is undecided.

    \b
    Examples:
      standfast map claim checkout 99.99 --file map.yaml
      standfast map claim --file map.yaml --json
    """
    found = map_of(paths, whole=True)  # what is missing may be what fails
    claims = dict(found.claims)
    if name is not None:
        node = find_node(found.graph, name)
        if claimed is None and node not in claims:
            raise click.UsageError(f"the map claims nothing of {node}: say how many per cent")
        claims = {node: claims[node] if claimed is None else claimed}
    if not claims:
        raise click.UsageError("the map claims nothing: say of which node, and how many per cent")
    limits = limits_from_now(nodes_max, seconds_max)
    judged = []
    for left, (node, availability) in zip(range(len(claims), 0, -1), claims.items(), strict=True):
        judged.append(judge_claim(found, node, availability, limits.part(1 / left), tell=Progress()))
    if as_json:
        print_json([_document(each) for each in judged] if name is None else _document(judged[0]))
    else:
        for number, each in enumerate(judged):
            click.echo("\n" * min(1, number), nl=False)
            _show(each)
    verdicts = {each.verdict for each in judged}
    if verdicts != {Verdict.MET}:
        ctx.exit(NEGATIVE if Verdict.NOT_MET in verdicts else UNDECIDED)


def _document(claim: Claim) -> dict[str, Any]:
    return {
        "node": claim.node,
        "claimed": 1 - claim.allowed,
        "verdict": claim.verdict,
        "reason": claim.reason,
        "availability_low": 1 - claim.as_it_is.high,
        "availability_high": 1 - claim.as_it_is.low,
        "best_availability": 1 - claim.best.low,
        "worst_availability": 1 - claim.worst.high,
        "single_points": claim.changes.single_points,
        "assumptions": [
            {
                "event": each.event,
                "unavailability": each.unavailability,
                "share": each.share,
                "unavailability_max": each.unavailability_max,
            }
            for each in claim.assumptions
        ],
        "changes": [
            {
                "change": each.what,
                "size": each.size,
                "single_points_removed": each.removed,
                "availability_low": 1 - each.unavailability_high,
                "availability_high": 1 - each.unavailability_low,
                "verdict_as_assumed": _as_assumed(claim, each),
            }
            for each in claim.changes.gains
        ],
    }


def _show(claim: Claim) -> None:
    facts = [
        (claim.node, f"{percent(claim.allowed, claim.allowed)} is {str(claim.verdict).upper()}: {claim.reason}"),
        ("allowed", f"{minutes(claim.allowed, claim.allowed)} of outage a year"),
        ("as it is", _in_words(claim.as_it_is)),
    ]
    if claim.assumptions:
        facts += [
            ("at best", f"{_in_words(claim.best)}, if nothing that is assumed ever fails"),
            ("at worst", f"{_in_words(claim.worst)}, if all of it fails {OFF_BY:g} times as long"),
        ]
    facts.append(("single points", ", ".join(claim.changes.single_points) or "none"))
    print_facts(facts)
    if claim.assumptions and claim.verdict is Verdict.UNDECIDED:
        click.echo()
        rows = [
            (
                each.event,
                f"{each.unavailability:.1E}",
                f"{each.share:.0%}",
                "not even then" if each.unavailability_max is None else f"up to {each.unavailability_max:.1E}",
            )
            for each in claim.assumptions[:LISTED]
        ]
        print_table(("ASSUMED", "FAILS FOR", "OF THE OUTAGE", "MET, ALL ELSE AS IT IS"), rows)
    if claim.changes.gains:
        click.echo()
        of = len(claim.changes.single_points)
        changes = [
            (
                each.what,
                f"{len(each.removed)} of {of}",
                percent(each.unavailability_low, each.unavailability_high),
                minutes(each.unavailability_low, each.unavailability_high),
                _as_assumed(claim, each),
            )
            for each in claim.changes.gains[:LISTED]
        ]
        print_table(("CHANGE", "SINGLE POINTS REMOVED", "AVAILABILITY", "OUTAGE A YEAR", "THEN, AS ASSUMED"), changes)
        if more := claim.changes.gains[LISTED:]:
            click.echo(f"and {count(len(more), 'change')} that would help less (--json)")


def _in_words(interval: Interval) -> str:
    return f"{percent(interval.low, interval.high)}, {minutes(interval.low, interval.high)} of outage a year"


def _as_assumed(claim: Claim, gain: Gain) -> Verdict:
    if gain.unavailability_high <= claim.allowed:
        return Verdict.MET
    return Verdict.NOT_MET if gain.unavailability_low > claim.allowed else Verdict.UNDECIDED
