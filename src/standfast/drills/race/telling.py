"""What came of the race, put into words and figures: step by step, beside each other. Computes only."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from typing import Final

from standfast.drills.account import Account, Contestant, Grid, Moment, duration
from standfast.drills.race.story import ENDS_AT_S, ORIGINAL, OURS, Told

NAME: Final = "race"
TITLE: Final = "The race that emptied a name, between the original control plane and ours"
DESCRIPTION: Final = (
    "Three enactors apply versioned plans; one of them is held up between its look at what stands and its write, until"
    " its plan is so old that another's clean-up is about to delete it. The original design of 20 October 2025, as its"
    " operator told it afterwards, and Standfast's planner, enactors and fence go through the same."
)
LESSON: Final = (
    "A lock has writers take turns, and does not order their plans; a check that was made before a stall is no check."
    " The original empties the name and nothing repairs it. Ours compares inside the write, so it never is empty."
)
SOURCES: Final = (
    "https://aws.amazon.com/message/101925/",
    "AWS re:Invent 2025, session DAT453",
)
TAGS: Final = ("live", "incident", "control-plane")
STARTS_AT: Final = datetime(2025, 10, 19, 23, 46, 15, tzinfo=timezone(timedelta(hours=-7), "PDT"))
STEPS: Final = (
    "1 one enactor stalls with an old plan",
    "2 the planner goes on",
    "3 another applies a new plan, and cleans up",
    "4 the first one wakes up",
    "5 the clean-up",
    "6 afterwards",
)
DESIGN_NAMES: Final = {ORIGINAL: "the original design", OURS: "Standfast"}


def steps_grid(told: Sequence[Told]) -> Grid:
    """Return what happened to each design in each step of the incident."""
    rows = [("", *DESIGN_NAMES.values())]
    for number, title in enumerate(STEPS, 1):
        cells = (
            "; ".join(each.text for each in told if (each.design, each.step) == (design, number))
            for design in DESIGN_NAMES
        )
        rows.append((title, *(cell or "-" for cell in cells)))
    return Grid(title="Step by step", rows=tuple(rows))


def outage_grid(outage_s: Mapping[tuple[str, bool], float]) -> Grid:
    """Return how long clients were out: by control plane, without the guard and with it."""
    heads = ("control plane", "clients without the guard", "clients with the guard")
    rows = [
        (name, *(duration(outage_s[design, guarded]) for guarded in (False, True)))
        for design, name in DESIGN_NAMES.items()
    ]
    return Grid(title="Outage", rows=(heads, *rows))


def schedules_grid(
    schedules: int, *, emptied: Mapping[str, int], for_good: Mapping[str, int], longest_s: Mapping[str, float]
) -> Grid:
    """Return what became of the name in many schedules of hold-ups."""
    rows = (
        (f"of {schedules} schedules of hold-ups near the incident's", *DESIGN_NAMES.values()),
        ("emptied the name in", *(str(emptied[design]) for design in DESIGN_NAMES)),
        ("and did not heal it in", *(str(for_good[design]) for design in DESIGN_NAMES)),
        ("longest outage", *(duration(longest_s[design]) for design in DESIGN_NAMES)),
    )
    return Grid(title="And in others", rows=rows)


def account(
    *,
    mode: str,
    scale: float,
    told: Sequence[Told],
    contestants: tuple[Contestant, ...],
    grids: tuple[Grid, ...],
    versions: Mapping[str, str],
    notes: tuple[str, ...],
    took_s: float,
    failures: tuple[str, ...],
) -> Account:
    """Return the account of a race."""
    in_order = sorted(told, key=lambda each: each.at_s)
    return Account(
        drill=NAME,
        title=TITLE,
        description=DESCRIPTION,
        lesson=LESSON,
        sources=SOURCES,
        mode=mode,
        scale=scale,
        starts_at=STARTS_AT,
        zone="PDT",
        ends_at_s=ENDS_AT_S,
        moments=tuple(Moment(at_s=each.at_s, text=f"{DESIGN_NAMES[each.design]}: {each.text}") for each in in_order),
        background=(),
        contestants=contestants,
        absent=(),
        decisions=(),
        ledger=None,
        versions={"standfast": version("standfast"), **versions},
        notes=notes,
        took_s=took_s,
        failures=failures,
        grids=grids,
    )
