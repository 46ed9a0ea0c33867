"""The race in virtual time: the incident itself, and many schedules of hold-ups from seeds, both designs on each."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from standfast.control.store import PlanStore
from standfast.drills.account import Account, Contestant, Lane, SpanRecorder, State, Suffered
from standfast.drills.race import telling
from standfast.drills.race.original import Original
from standfast.drills.race.ours import Ours
from standfast.drills.race.quiet import quiet
from standfast.drills.race.shelf import NoLedger, PlansInMemory, Shelf, Table
from standfast.drills.race.story import ENDS_AT_S, NAME, ORIGINAL, OURS, AtRandom, HoldUps, Incident, Told
from standfast.drills.race.virtual import run_virtually
from standfast.io.control.journal import ControlJournal
from standfast.io.control.plan_files import PlanFiles
from standfast.io.state.ledger_file import LedgerFile
from standfast.sim.scoring import Marks, Tally

ASKED_EVERY_S: Final = 1.0
SCHEDULES: Final = 100  # in some seconds
SEED: Final = "1"
DESIGNS: Final = (ORIGINAL, OURS)

Tell = Callable[[int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of the name in one run of one design. `answered`: at each time of asking, whether it was there."""

    design: str
    answered: tuple[tuple[float, bool], ...]
    told: tuple[Told, ...]

    @property
    def empty_s(self) -> float:
        """For how long it had no address."""
        return sum(not there for _, there in self.answered) * ASKED_EVERY_S

    @property
    def is_empty_at_the_end(self) -> bool:
        """Whether nothing has healed."""
        return not self.answered[-1][1]


def run_simulated(*, seed: str | None = None, schedules: int = SCHEDULES) -> Account:
    """Play the incident, and `schedules` schedules from `seed`, by both designs, and return what came of it."""
    began_s = time.perf_counter()
    seed = seed or SEED
    incident = [play_incident(design, seed=seed) for design in DESIGNS]
    many = {design: [play_at_random(design, seed=f"{seed}/{each}") for each in range(schedules)] for design in DESIGNS}
    emptied = {design: sum(played.empty_s > 0 for played in many[design]) for design in DESIGNS}
    failures = [
        f"the name was empty for {played.empty_s:.0f} s"
        for played in incident
        if played.design == OURS and played.empty_s
    ]
    if emptied[OURS]:
        failures.append(f"the name was empty in {emptied[OURS]} of {schedules} schedules")
    return telling.account(
        mode="sim",
        scale=0.0,
        told=[told for played in incident for told in played.told],
        contestants=tuple(map(_contestant, incident)),
        grids=(
            telling.steps_grid([told for played in incident for told in played.told]),
            telling.schedules_grid(
                schedules,
                emptied=emptied,
                for_good={design: sum(played.is_empty_at_the_end for played in many[design]) for design in DESIGNS},
                longest_s={design: max(played.empty_s for played in many[design]) for design in DESIGNS},
            ),
        ),
        versions={},
        notes=(
            f"Simulated in virtual time with the seed {seed}: planner, enactors and clean-up are Standfast's own, the"
            " name server is modelled; the original design is the one that runs live as well.",
        ),
        took_s=time.perf_counter() - began_s,
        failures=tuple(failures),
    )


def play_incident(design: str, *, seed: str) -> Played:
    """Play the incident's own schedule."""
    return play(design, lambda tell: Incident(tell=tell), seed)


def play_at_random(design: str, *, seed: str) -> Played:
    """Play a schedule from `seed`; the same seed holds both designs up at the same times."""
    return play(design, lambda _: AtRandom(seed, lambda: asyncio.get_running_loop().time()), seed)


def play(design: str, hold_ups: Callable[[Tell], HoldUps], seed: str) -> Played:
    """Play what `hold_ups`, given what its steps are told to, makes of it."""
    with quiet():
        return run_virtually(_story(design, hold_ups, seed))


async def _story(design: str, hold_ups: Callable[[Tell], HoldUps], seed: str) -> Played:
    loop = asyncio.get_running_loop()
    told: list[Told] = []
    answered: list[tuple[float, bool]] = []
    shelf = Shelf()

    def tell(step: int, text: str) -> None:
        told.append(Told(at_s=loop.time() - began_s, design=design, step=step, text=text))

    played = _design(design, shelf, hold_ups(tell), seed, tell)
    await played.begin()
    began_s = loop.time()
    running = asyncio.ensure_future(played.run())
    while (at_s := loop.time() - began_s) < ENDS_AT_S and not running.done():
        answered.append((at_s, shelf.answers(NAME)))
        await asyncio.wait([running], timeout=ASKED_EVERY_S)
    if running.done():
        running.result()  # it never ends by itself but by an error
    running.cancel()
    await asyncio.wait([running])
    return Played(design=design, answered=tuple(answered), told=tuple(told))


def _design(design: str, shelf: Shelf, hold_ups: HoldUps, seed: str, tell: Tell) -> Original | Ours:
    if design == ORIGINAL:
        return Original(Table(shelf), hold_ups, scale=1.0, seed=seed, tell=tell)
    assert design == OURS
    journal = ControlJournal(cast(LedgerFile, NoLedger()), PlanFiles(Path()))
    return Ours(shelf, cast(PlanStore, PlansInMemory()), journal, hold_ups, scale=1.0, seed=seed, tell=tell)


def _contestant(played: Played) -> Contestant:
    tally, spans = Tally(), SpanRecorder()
    for at_s, there in played.answered:
        tally.answered(tally.asked(at_s), Marks(outage=not there), at_s)
        spans.see(at_s, State.WELL if there else State.OUTAGE)
    lane = Lane(title=NAME.removesuffix("."), spans=spans.spans(ENDS_AT_S))
    suffered = Suffered(lane=lane, score=tally.score(ENDS_AT_S), errors={})
    what = f"{telling.DESIGN_NAMES[played.design]}, asked at its name server"
    return Contestant(name=played.design, what=what, suffered=(suffered,))
