"""Brings names back at one publisher, from the plans beside the ledger. Needs nothing else: no store, no process.

The write is fenced as every other one, by a plan of its own that is later than all that is known. So whoever
publishes meanwhile is told, and the planner, which finds a fence that it did not make, asks before it goes on.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from standfast.control.batches import batched, with_room_for
from standfast.control.fence import Fence
from standfast.control.generations import digits_of, is_of, next_generation
from standfast.control.history import Past
from standfast.control.plan import Plan, applied, make_plan
from standfast.control.publishing import Batch, Late, Publisher, Reading, Refused, Unclear, Written
from standfast.control.restoring import Choice, Restoration, choose
from standfast.dns.model import Name
from standfast.dns.name import ancestors
from standfast.errors import StandfastError
from standfast.io.control.journal import PLANS_NAME, ControlJournal, control_ledgers
from standfast.io.control.plan_files import PlanFiles
from standfast.io.state.ledger_file import read_records, verify_file
from standfast.ledger.record import LedgerError, MalformedRecord

ATTEMPTS_MAX: Final = 8  # others who publish at the same moment: each of them ends
PLANNED_KINDS: Final = frozenset({"planned", "restored"})  # records that name a plan which may be gone back to


class RestoreError(StandfastError):
    """Names cannot be brought back. Says what, where, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger's directory says of the names of one zone, and what it should say and does not."""

    zone: Name
    past: tuple[Past, ...]
    recorded: frozenset[str] | None  # hashes of plans that the ledger names; None: there is no ledger
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What would be done: a choice for each name, made of one reading."""

    known: Known
    reading: Reading
    choices: tuple[Choice, ...]

    @property
    def restorations(self) -> tuple[Restoration, ...]:
        """Those that change anything."""
        return tuple(each for each in self.choices if isinstance(each, Restoration) and each.changes)


def zone_of(name: Name, state_dir: Path) -> Name:
    """Return the zone that plans are kept of and `name` lies in. Raises `PlanFilesError`, `RestoreError`."""
    zones = set(PlanFiles(state_dir / PLANS_NAME).zones())
    found = next((each for each in ancestors(name) if each in zones), None)
    if found is None:
        where = state_dir / PLANS_NAME
        raise RestoreError(f"{name}: no plan of its zone is kept in {where}; see `[control] state_dir`")
    return found


def look_back(state_dir: Path, zone: Name, names: Sequence[Name]) -> Known:
    """Return what is known of `names`, all of one zone. Raises `PlanFilesError` where there is nothing at all."""
    warnings: list[str] = []
    recorded: set[str] = set()
    ledgers = control_ledgers(state_dir)
    for path in ledgers:
        try:
            damaged = len(verify_file(path).findings)
            recorded |= _recorded(path, zone)
        except LedgerError as error:
            warnings.append(str(error))
            continue
        if damaged:
            warnings.append(f"{path} is damaged; `standfast ledger verify --control` says how. Plans prove themselves")
    if not ledgers:
        warnings.append(f"{state_dir} has no ledger; plans prove themselves, but not that they were ever in force")
    files = PlanFiles(state_dir / PLANS_NAME)
    past = files.past(zone, names, on_damage=lambda damage: warnings.append(str(damage)))
    return Known(zone=zone, past=tuple(past), recorded=frozenset(recorded) if ledgers else None, warnings=(*warnings,))


async def draft(known: Known, publisher: Publisher, names: Sequence[Name], *, to: int | None) -> Draft:
    """Return what would be done at `publisher`. Raises `PublisherError`: it cannot be read."""
    reading = await publisher.read(known.zone)
    choices = (choose(name, known.past, reading.content, to=to, recorded=known.recorded) for name in names)
    return Draft(known=known, reading=reading, choices=(*choices,))


async def write_back(
    wanted: Draft, publisher: Publisher, journal: ControlJournal, *, reason: str, now_s: float
) -> tuple[Plan, Fence]:
    """Do what `wanted` says, and write it down. Return the plan that was made for it, and the fence that it left.

    `now_s` is seconds since the epoch.

    Raises:
        PublisherError: what is published cannot be read.
        PlanFilesError: the plan cannot be kept; nothing was written.
        RestoreError: the publisher does not take it, or something else is published there again and again.
    """
    plan = _restored(wanted, journal.files, now_s)
    fence = Fence(
        generation=plan.generation,
        step=1,
        done=True,
        plan=digits_of(plan.head),
        writer=f"restore.{secrets.token_hex(4)}",
    )
    chunks, too_large = batched(plan.changes, publisher.facts.limits, plan.zone)
    if too_large:
        raise RestoreError(f"{publisher.facts.name} takes no write that is large enough for {', '.join(too_large)}")
    stands = wanted.reading.fence
    chunks = with_room_for(stands, chunks)
    for step, changes in enumerate(chunks, 1):
        left = replace(fence, step=step, done=step == len(chunks))
        await _write(publisher, Batch(zone=plan.zone, expect=stands, fence=left, changes=changes))
        stands = left
    assert isinstance(stands, Fence)
    to = {each.name: each.to for each in wanted.restorations}
    journal.restored(plan, publisher.facts.name, stands, to=to, reason=reason)
    return plan, stands


def _restored(wanted: Draft, files: PlanFiles, now_s: float) -> Plan:
    zone, stands = wanted.known.zone, wanted.reading.fence
    base = next(
        (each.head for each in wanted.known.past if isinstance(stands, Fence) and is_of(stands, each.head)), None
    )
    plan = make_plan(
        zone=zone,
        generation=next_generation(files.newest(zone), [stands]),
        base=base,
        changes=[change for each in wanted.restorations for change in each.changes],
        made_at_s=now_s,
    )
    files.keep(plan, applied(wanted.reading.content, plan.changes))
    return plan


async def _write(publisher: Publisher, batch: Batch) -> None:
    name, zone = publisher.facts.name, batch.zone
    for _ in range(ATTEMPTS_MAX):
        match await publisher.write(batch):
            case Written():
                return
            case Refused(why=why):
                raise RestoreError(f"{name} does not take it: {why}")
            case Late() | Unclear():
                stands = await publisher.fence(zone)
                if stands == batch.fence:  # it was ours after all
                    return
                if stands != batch.expect:
                    says = f"{name} was written by somebody else meanwhile ({stands or 'the fence is gone'})"
                    raise RestoreError(f"{says}; look at it again with `standfast restore --dry-run`")
    raise RestoreError(f"{name} does not say whether it takes the write; look at what is published, and try it again")


def _recorded(path: Path, zone: Name) -> set[str]:
    """Return the hashes of the plans that whole records of a ledger name."""
    damaged: list[MalformedRecord] = []  # told of by `verify_file`
    records = read_records(path, on_damage=damaged.append)
    return {
        str(record.body["plan"])
        for record in records
        if record.kind in PLANNED_KINDS and record.body.get("zone") == zone and "plan" in record.body
    }
