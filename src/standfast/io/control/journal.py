"""What of the control plane goes into the ledger: one method a kind, and the plans themselves as files beside it.

The ledger is the control plane's own, in `[control] state_dir`, hash-chained as the guard's is. One process writes
one ledger, so a second process in the same directory has `ledger-2.jsonl`, and so on; the plans are everybody's.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from standfast.control.fence import Fence, Standing
from standfast.control.finding import Finding
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.store import Override
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, type_name
from standfast.dns.rdata import rrset_to_text
from standfast.io.control.plan_files import PlanFiles, PlanFilesError
from standfast.io.settings.places import LEDGER_NAME
from standfast.io.state.ledger_disk import has_writer
from standfast.io.state.ledger_file import Alarm, LedgerFile
from standfast.ledger.record import JsonValue, LedgerError

PLANS_NAME: Final = "plans"  # of the folder beside the ledger
WRITERS_MAX: Final = 64  # processes that write a ledger in one directory
LISTED_MAX: Final = 20  # changes, names or findings in one record; the plan's own file has them all
TEXTS_MAX: Final = 10  # data of one RRset in one record, before and after
TEXT_MAX: Final = 200  # letters of each

log = structlog.get_logger("standfast")


class ControlJournal:
    """The ledger of a control plane, being written. Nothing waits for its disk but `planned`, for the plan's file."""

    def __init__(self, ledger: LedgerFile, files: PlanFiles, *, now: Callable[[], float] = time.time) -> None:
        """Write to `ledger`; `now` gives seconds since the epoch. `open` is the way in."""
        self.ledger = ledger
        self.files = files
        self._now = now

    @classmethod
    def open(cls, state_dir: Path, *, now: Callable[[], float] = time.time) -> Self:
        """Open or begin this process's ledger in `state_dir`, which is made where it is not there.

        Raises:
            LedgerError: no ledger can be opened there.
        """
        try:
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LedgerError(f"{state_dir}: cannot be made: {error.strerror}") from error
        return cls(_free_ledger(state_dir), PlanFiles(state_dir / PLANS_NAME), now=now)

    def started(self, *, version: str, roles: Iterable[str]) -> None:
        """This process begins, in these roles."""
        self._write("start", {"version": version, "roles": [*roles]})

    def stopped(self) -> None:
        """It ends."""
        self._write("stop", {})

    async def planned(self, plan: Plan, content: Content, findings: Sequence[Finding] = ()) -> None:
        """A plan is the newest of its zone; `content` is all that is planned with it. It is kept as a file first.

        A file that cannot be written keeps nobody from publishing: it is an alarm, and the record says so.
        """
        kept = True
        try:
            await asyncio.to_thread(self.files.keep, plan, content)
        except PlanFilesError as error:
            kept = False
            self.alarm("plan-file", plan.zone, str(error))
        self._write("planned", {**_plan(plan), "kept": kept, **_findings(findings)})

    def proposed(self, plan: Plan, findings: Sequence[Finding]) -> None:
        """A plan waits until somebody approves it by its hash."""
        self._write("proposed", {**_plan(plan), **_findings(findings)})

    def refused(self, zone: Name, findings: Sequence[Finding], plan: Plan | None = None) -> None:
        """Nothing was planned, or what was planned may not be published."""
        self._write("refused", {**(_plan(plan) if plan else {"zone": zone}), **_findings(findings)})

    def approved(self, plan: PlanHead, *, person: str, reason: str) -> None:
        """Somebody approved a plan."""
        self._write("approved", {**_head(plan), "person": person, "reason": reason})

    def overridden(self, override: Override) -> None:
        """Somebody set a rule aside."""
        body: dict[str, JsonValue] = {
            "rule": override.rule,
            "scope": override.scope,
            "person": override.person,
            "reason": override.reason,
            "until_ms": round(override.until_s * 1000),
        }
        self._write("overridden", body)

    def published(self, plan: PlanHead, publisher: str, fence: Fence, *, changes: int) -> None:
        """A publisher took a write; `changes` is how many RRsets were in it."""
        self._write("published", {**_head(plan), "publisher": publisher, **_fence(fence), "changes": changes})

    def visible(self, plan: PlanHead, publisher: str, server: str, *, after_s: float) -> None:
        """A server shows all that a plan changed, so long after it was published."""
        body: dict[str, JsonValue] = {"publisher": publisher, "server": server, "after_ms": round(after_s * 1000)}
        self._write("visible", {**_head(plan), **body})

    def drift(self, zone: Name, publisher: str, fence: Standing, repairs: Sequence[Change], *, why: str) -> None:
        """What is published is not what is planned; `repairs` would mend it."""
        body: dict[str, JsonValue] = {"zone": zone, "publisher": publisher, "why": why}
        self._write("drift", {**body, **(_fence(fence) if isinstance(fence, Fence) else {}), **_changes(repairs)})

    def restored(self, plan: Plan, publisher: str, fence: Fence, *, to: Mapping[Name, PlanHead], reason: str) -> None:
        """Somebody brought names back to what they were at the plans `to`, by a plan and a write of its own."""
        back: list[JsonValue] = [
            {"name": name, "generation": head.generation, "plan": head.hash} for name, head in to.items()
        ]
        body: dict[str, JsonValue] = {"publisher": publisher, "to": back[:LISTED_MAX], "reason": reason}
        self._write("restored", {**_plan(plan), **_fence(fence), **body, **_names(to)})

    def health_turned(self, what: str, before: str, after: str, *, why: str) -> None:
        """An endpoint, a pool or a whole measurement is taken for another than it was."""
        self._write("health", {"what": what, "before": before, "after": after, "why": why})

    def alarm(self, event: str, zone: Name | None, text: str) -> None:
        """Something that somebody should look at."""
        self._write("alarm", {"event": event, **({"zone": zone} if zone else {}), "text": text})

    def close(self) -> None:
        """Write what is left, as far as the disk takes it."""
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, kind: str, body: dict[str, JsonValue]) -> None:
        self.ledger.append(kind, body, round(self._now() * 1000))


def control_ledgers(state_dir: Path) -> list[Path]:
    """Return the ledgers that there are in a control plane's directory, that of the first process first."""
    return [path for path in _ledger_paths(state_dir) if path.exists()]


def _free_ledger(state_dir: Path) -> LedgerFile:
    for path in _ledger_paths(state_dir):
        if path.exists() and has_writer(path):
            continue
        try:
            return LedgerFile.open(path, alarm=_log_alarm)
        except LedgerError:
            if not has_writer(path):  # else another process was quicker
                raise
    raise LedgerError(f"{state_dir}: {WRITERS_MAX} processes write ledgers there; give this one a state_dir of its own")


def _ledger_paths(state_dir: Path) -> list[Path]:
    first = state_dir / LEDGER_NAME
    return [first, *(first.with_stem(f"{first.stem}-{number}") for number in range(2, WRITERS_MAX + 1))]


def _log_alarm(alarm: Alarm) -> None:
    log.warning(f"ledger.{alarm.event}", detail=alarm.text)


# What records are made of ---------------------------------------------------------------------------------------


def _head(head: PlanHead) -> dict[str, JsonValue]:
    return {"zone": head.zone, "generation": head.generation, "plan": head.hash}


def _plan(plan: Plan) -> dict[str, JsonValue]:
    base: JsonValue = plan.base.generation if plan.base else None
    return {**_head(plan.head), "base": base, **_changes(plan.changes)}


def _fence(fence: Fence) -> dict[str, JsonValue]:
    return {"step": fence.step, "done": fence.done, "writer": fence.writer}


def _changes(changes: Sequence[Change]) -> dict[str, JsonValue]:
    listed: list[JsonValue] = [_change(change) for change in changes[:LISTED_MAX]]
    return {"changes": len(changes), "listed": listed, **_names(change.key[0] for change in changes)}


def _change(change: Change) -> dict[str, JsonValue]:
    name, rtype = change.key
    return {"name": name, "type": type_name(rtype), "before": _texts(change.before), "after": _texts(change.after)}


def _texts(rrset: RRset | None) -> list[JsonValue]:
    if rrset is None:
        return []
    texts: list[JsonValue] = [text[:TEXT_MAX] for text in rrset_to_text(rrset)[:TEXTS_MAX]]
    return texts if len(rrset.rdatas) <= TEXTS_MAX else [*texts, f"and {len(rrset.rdatas) - TEXTS_MAX} more"]


def _names(names: Iterable[Name]) -> dict[str, JsonValue]:
    """Return what `standfast ledger show NAME` finds a record by."""
    return {"names": [*islice(dict.fromkeys(names), LISTED_MAX)]}


def _findings(findings: Sequence[Finding]) -> dict[str, JsonValue]:
    listed: list[JsonValue] = [
        {"rule": each.rule, "severity": each.severity.value, "name": each.name, "text": each.text}
        for each in findings[:LISTED_MAX]
    ]
    return {"findings": len(findings), "found": listed} if findings else {}
