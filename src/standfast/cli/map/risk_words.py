"""What is known of a risk, as JSON and in words."""

import math
from collections.abc import Sequence
from typing import Any, Final

import click

from standfast.cli.tables import print_facts, print_table
from standfast.depmap.faults.risk import Risk
from standfast.depmap.timed import Outage

YEAR_MIN: Final = 365 * 24 * 60


def risk_document(found: Risk, *, importance: bool) -> dict[str, Any]:
    """Return what is known of a risk as JSON has it."""
    weights = [
        {
            "event": each.event,
            "unavailability": each.unavailability,
            "birnbaum": each.birnbaum,
            "raw": each.raw,
            "rrw": each.rrw,
            "fussell_vesely": each.fussell_vesely,
            "source": each.source,
        }
        for each in found.importances
    ]
    return {
        "top": found.top,
        "gates": found.gates,
        "events": found.events,
        "modules": found.modules,
        "modules_open": found.modules_open,
        "nodes": found.nodes,
        "minimal_cut_sets": found.minimal_cut_sets,
        "probability": found.probability_low if found.is_exact else None,
        "probability_low": found.probability_low,
        "probability_high": found.probability_high,
        "by_source": found.by_source,
        "cut_sets": [{"events": each.events, "probability": each.probability} for each in found.cut_sets],
        "cut_sets_may_lack": found.cut_sets_may_lack,
    } | ({"importance": weights} if importance else {})


def show_risk(found: Risk, seconds: float, *, listed: int, importance: bool, of_a_map: bool) -> None:
    """Print what is known of a risk, with `listed` rows of each table at the most."""
    low, high = found.probability_low, found.probability_high
    probability = f"{low:.5E}, exact" if found.is_exact else f"{low:.5E} to {high:.5E}, {high - low:.1E} wide"
    sets = "not known: more than the budget allows" if found.minimal_cut_sets is None else f"{found.minimal_cut_sets:,}"
    facts = [
        ("top", f"{found.top}, {found.gates} gates over {found.events} events, in {found.modules} modules"),
        ("probability", probability),
        ("minimal cut sets", sets),
        *_of_the_map(found, of_a_map=of_a_map),
        ("took", f"{seconds:.2f} s, {found.nodes} nodes"),
    ]
    print_facts(facts)
    if found.cut_sets:
        click.echo()
        rows = [
            (f"{each.probability:.5E}", (", " if of_a_map else " ").join(each.events) or "nothing: it always happens")
            for each in found.cut_sets
        ]
        print_table(("PROBABILITY", "CUT SET"), rows)
        if found.cut_sets_may_lack:
            click.echo("not everything fits, so that others that are as probable may be missing here")
    if importance and found.importances:
        click.echo()
        print_table(
            ("EVENT", "UNAVAILABILITY", "BIRNBAUM", "RAW", "RRW", "FUSSELL-VESELY", "SOURCE"),
            [
                (
                    each.event,
                    f"{each.unavailability:.5E}",
                    f"{each.birnbaum:.5E}",
                    f"{each.raw:.5g}",
                    "without end" if each.rrw is None else f"{each.rrw:.5g}",
                    f"{each.fussell_vesely:.5g}",
                    each.source,
                )
                for each in found.importances[:listed]
            ],
        )


def _of_the_map(found: Risk, *, of_a_map: bool) -> list[tuple[str, str]]:
    if not of_a_map:
        return []
    sources = ", ".join(f"{share:.0%} {source}" for source, share in found.by_source.items() if share)
    return [
        ("availability", percent(found.probability_low, found.probability_high)),
        ("outage a year", minutes(found.probability_low, found.probability_high)),
        ("rests on what is", sources or "not known"),
    ]


def outages_document(outages: Sequence[Outage]) -> dict[str, Any]:
    """Return what was simulated, without a guard and with one, as JSON has it; nothing where nothing was."""
    words = ("outage_without_guard", "outage_with_guard")
    return {
        word: {
            "years": each.years,
            "mean_min": each.mean_min,
            "low_min": each.low_min,
            "high_min": each.high_min,
            "worst_min": each.worst_min,
        }
        for word, each in zip(words, outages, strict=False)
    }


def show_outages(outages: Sequence[Outage]) -> None:
    """Print what was simulated, without a guard and with one; nothing where nothing was."""
    rows = [
        (
            f"{which}, {each.years:,} years",
            _duration(each.mean_min),
            f"{_duration(each.low_min)} to {_duration(each.high_min)}",
            _duration(each.worst_min),
        )
        for which, each in zip(("without a guard", "with a guard"), outages, strict=False)
    ]
    if rows:
        click.echo()
        print_table(("SIMULATED", "OUTAGE A YEAR", "95 % SURE", "WORST YEAR"), rows)


def percent(low: float, high: float) -> str:
    """Return the availability of what is failed for the share `low` to `high` of the time: `99.93 %`."""
    best, worst = (_nines(share) for share in (low, high))
    return f"{best} %" if best == worst else f"{worst} to {best} %"


def minutes(low: float, high: float) -> str:
    """Return how long a year what is failed for that share of the time is out: `5.3 h`, `12 to 40 min`."""
    least, most = (_duration(share * YEAR_MIN) for share in (low, high))
    return least if least == most else f"{least} to {most}"


def _nines(unavailability: float) -> str:
    """Return 100 less the unavailability, with two digits of what is missing to 100, so that no nine is rounded up."""
    missing = 100 * unavailability
    digits = 2 if missing >= 1 or not missing else min(12, 1 - math.floor(math.log10(missing)))
    return f"{100 - missing:.{digits}f}"


def _duration(length_min: float) -> str:
    if length_min >= 1_000:
        return f"{length_min / 60:.1f} h"
    return f"{length_min:.1f} min" if length_min >= 1 else f"{length_min * 60:.1f} s"
