"""What a ledger's lines prove: whether any record was changed, dropped or moved, and which. Judges only.

One pass in constant memory. After damage the verifier finds its feet again, so that one wrong record is one
finding and not thousands. It goes by the numbers first (a jump ahead is judged once the next record is seen),
and by the hashes where two records stand side by side.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from standfast.ledger.record import GENESIS, ChangedRecord, Head, MalformedRecord, decode_line

FINDINGS_MAX = 1_000  # a report is for people; what is beyond is counted
EARLY_MAX = 1_000  # records ahead of their place that wait for it; beyond it, a jump is taken for a gap
GAPS_MAX = 1_000  # gaps that may yet be filled by a record further down; beyond it, the oldest is final

FindingKind: TypeAlias = Literal[
    "changed",  # the record is not the one that was written
    "dropped",  # records are missing before this line
    "reordered",  # the record is whole, and not in its place
    "duplicated",  # the record, or another with its number, was there already
    "malformed",  # the line is not a record
    "torn_tail",  # the last line is half-written
    "head_ahead",  # records are missing from the end
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    `line` counts from 1; missing records are missing before it. `seq` is the record, or the first of those up
    to `seq_last`; it is None for a line in a place where no record is missing.
    """

    kind: FindingKind
    line: int
    seq: int | None
    seq_last: int | None = None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """A record whose clock stood `back_ms` before that of the record before it. It is legal."""

    line: int
    seq: int
    back_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `verify` found. `records` counts the whole ones; `head` is the highest of them."""

    records: int
    first_at_ms: int | None
    last_at_ms: int | None
    head: Head
    findings: tuple[Finding, ...]  # by line
    findings_left_out: int = 0  # beyond FINDINGS_MAX
    clock_back: int = 0  # how often the clock went back
    clock_back_largest: ClockStep | None = None


def verify(lines: Iterable[bytes], *, head: Head | None) -> Report:
    r"""Judge a ledger, line by line; every line ends in `\n`, but for a torn last one.

    `head` is what the head file says (None: not known). It shows what the lines alone cannot: records
    dropped from the end, and a chain written anew up to its end.
    """
    verifier = _Verifier(head)
    for number, line in enumerate(lines, start=1):
        verifier.take(number, line)
    return verifier.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A whole record, as far as its neighbours care."""

    line: int
    seq: int
    hash: str
    prev: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Damage:
    """A line that is no whole record, and the number that it claims."""

    kind: FindingKind
    line: int
    claim: int | None
    reason: str


@dataclass(slots=True)
class _Stretch:
    """The damaged lines between two whole records."""

    lines: list[_Damage] = field(default_factory=list)
    beyond: int = 0  # so many more were only counted

    def __len__(self) -> int:
        return len(self.lines) + self.beyond

    def add(self, damage: _Damage) -> None:
        if len(self.lines) < FINDINGS_MAX:
            self.lines.append(damage)
        else:
            self.beyond += 1

    def joined(self, later: "_Stretch") -> "_Stretch":
        lines = self.lines + later.lines
        beyond = self.beyond + later.beyond + len(lines[FINDINGS_MAX:])
        return _Stretch(lines[:FINDINGS_MAX], beyond)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """Numbers that were passed over before `line` and may yet turn up."""

    seqs: range
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stray:
    """A run of records that stand, in order, after one that should come after them."""

    kind: Literal["reordered", "duplicated"]
    line: int
    seqs: range
    after: int


class _Verifier:
    def __init__(self, head: Head | None) -> None:
        self._head = head
        self._lines = 0
        self._records = 0
        self._first: _Place | None = None
        self._last: _Place | None = None
        # Up to here every number is accounted for.
        self._tip = _Place(line=0, seq=GENESIS.seq, hash=GENESIS.hash, prev="", at_ms=0)
        self._damage = _Stretch()  # since the tip, or since the jump
        self._jump: tuple[_Place, _Stretch] | None = None  # beyond a gap; the next record tells why
        self._early: dict[int, _Place] = {}
        self._gaps: list[_Gap] = []
        self._stray: _Stray | None = None
        self._blamed: int | None = None  # the last record named as changed for its hash; once is enough
        self._findings: list[Finding] = []
        self._left_out = 0
        self._clock_back = 0
        self._clock_back_largest: ClockStep | None = None

    def take(self, number: int, line: bytes) -> None:
        self._lines = number
        try:
            record = decode_line(line)
        except MalformedRecord as error:
            claim = error.seq if isinstance(error, ChangedRecord) else None
            kind: FindingKind = "malformed" if claim is None else "changed"
            if not line.endswith(b"\n"):
                kind = "torn_tail"
            self._damage.add(_Damage(kind=kind, line=number, claim=claim, reason=error.reason))
            return
        place = _Place(line=number, seq=record.seq, hash=record.hash, prev=record.prev, at_ms=record.at_ms)
        self._records += 1
        self._first = self._first or place
        self._last = place
        if self._head and place.seq == self._head.seq and place.hash != self._head.hash:
            self._blame(place, f"record {place.seq} is not the one that the head file names")
        self._place(place)

    def end(self) -> Report:
        if self._jump:
            self._advance(*self._jump)
        self._close_stray()
        for seq in sorted(self._early):
            if seq in self._early and (self._head is None or seq <= self._head.seq):
                self._advance(self._early.pop(seq), self._damage)
                self._damage = _Stretch()
        # What is damaged at the very end can only be named by its place.
        end = self._tip.seq + len(self._damage)
        self._name(self._damage, [range(self._tip.seq + 1, end + 1)])
        for gap in self._gaps:
            self._add_dropped(gap)
        if self._head and self._head.seq > end:
            lost = range(end + 1, self._head.seq + 1)
            text = f"{_are_missing(lost)} from the end: the head file names record {lost[-1]}"
            self._add("head_ahead", self._lines + 1, lost, text)
        return Report(
            records=self._records,
            first_at_ms=self._first.at_ms if self._first else None,
            last_at_ms=self._last.at_ms if self._last else None,
            head=Head(seq=self._tip.seq, hash=self._tip.hash),
            findings=tuple(sorted(self._findings, key=lambda finding: finding.line)),
            findings_left_out=self._left_out,
            clock_back=self._clock_back,
            clock_back_largest=self._clock_back_largest,
        )

    # Where a whole record belongs.

    def _place(self, place: _Place) -> None:
        if self._jump:
            (jumper, damage), self._jump = self._jump, None
            if self._tip.seq < place.seq < jumper.seq and len(self._early) < EARLY_MAX:
                # The chain goes on where it was before the jump: one record is too early.
                self._early[jumper.seq] = jumper
                self._damage = damage.joined(self._damage)
                text = f"record {jumper.seq} stands before record {place.seq}"
                self._add("reordered", jumper.line, range(jumper.seq, jumper.seq + 1), text)
            else:
                self._advance(jumper, damage)
        if place.seq <= self._tip.seq or place.seq in self._early:
            self._note_stray(place)
            return
        self._close_stray()
        if sum(map(len, self._missing_before(place))) <= len(self._damage):
            self._advance(place, self._damage)
        else:
            self._jump = place, self._damage
        self._damage = _Stretch()

    def _advance(self, place: _Place, damage: _Stretch) -> None:
        missing = self._missing_before(place)
        for seq in [seq for seq in self._early if seq < place.seq]:
            del self._early[seq]
        for seqs in self._name(damage, missing):
            self._gaps.append(_Gap(seqs=seqs, line=place.line))
            if len(self._gaps) > GAPS_MAX:
                self._add_dropped(self._gaps.pop(0))
        following: _Place | None = place
        while following:
            self._check_neighbours(self._tip, following)
            self._tip = following
            following = self._early.pop(following.seq + 1, None)

    def _missing_before(self, place: _Place) -> list[range]:
        return _without([range(self._tip.seq + 1, place.seq)], sorted(self._early))

    def _check_neighbours(self, before: _Place, after: _Place) -> None:
        back_ms = before.at_ms - after.at_ms
        if before.seq and back_ms > 0:
            self._clock_back += 1
            if self._clock_back_largest is None or back_ms > self._clock_back_largest.back_ms:
                self._clock_back_largest = ClockStep(line=after.line, seq=after.seq, back_ms=back_ms)
        if after.seq != before.seq + 1 or after.prev == before.hash:
            return
        if before.seq == GENESIS.seq:
            self._blame(after, "record 1 is not chained to the beginning")
        else:
            # Records before it may have been forged along with it; the one where it shows is named.
            text = f"record {before.seq} is not the one that record {after.seq} was chained to"
            self._blame(before, text)

    def _blame(self, place: _Place, text: str) -> None:
        if self._blamed != place.seq:
            self._blamed = place.seq
            self._add("changed", place.line, range(place.seq, place.seq + 1), f"{text}: it was written anew")

    # What fills the numbers that no whole record has.

    def _name(self, damage: _Stretch, missing: list[range]) -> list[range]:
        """Tell the damaged lines which of the missing numbers they had; return the numbers left over."""
        self._left_out += damage.beyond
        count = sum(map(len, missing))
        claims = [line.claim for line in damage.lines if line.claim is not None]
        fitting = [seq for seq in sorted(set(claims)) if any(seq in seqs for seqs in missing)]
        if count == len(damage):
            seqs_in_order = (seq for seqs in missing for seq in seqs)
            for line, seq in zip(damage.lines, seqs_in_order, strict=False):
                self._add_damage(line, range(seq, seq + 1))
            return []
        if count > len(damage) == len(fitting) and fitting == claims:
            for line, seq in zip(damage.lines, fitting, strict=True):
                self._add_damage(line, range(seq, seq + 1))
            return _without(missing, fitting)
        for line in damage.lines:  # a line was split or two were joined: each may be any of them
            self._add_damage(line, range(missing[0].start, missing[-1].stop) if missing else None)
        return []

    def _note_stray(self, place: _Place) -> None:
        gap = next((gap for gap in self._gaps if place.seq in gap.seqs), None)
        kind: Literal["reordered", "duplicated"] = "reordered" if gap else "duplicated"
        if gap:
            at = self._gaps.index(gap)
            left = _without([gap.seqs], [place.seq])
            self._gaps[at : at + 1] = [_Gap(seqs=seqs, line=gap.line) for seqs in left]
        run = self._stray
        if run and run.kind == kind and run.seqs.stop == place.seq:
            self._stray = replace(run, seqs=range(run.seqs.start, place.seq + 1))
        else:
            self._close_stray()
            seqs = range(place.seq, place.seq + 1)
            self._stray = _Stray(kind=kind, line=place.line, seqs=seqs, after=self._tip.seq)

    def _close_stray(self) -> None:
        if run := self._stray:
            self._stray = None
            word = "stand" if len(run.seqs) > 1 else "stands"
            where = "again" if run.kind == "duplicated" else f"after record {run.after}"
            self._add(run.kind, run.line, run.seqs, f"{_records(run.seqs)} {word} {where}")

    # Findings in words.

    def _add_damage(self, damage: _Damage, seqs: range | None) -> None:
        place = f"where {_records(seqs)} should stand" if seqs else "in a place where no record is missing"
        match damage.kind:
            case "changed" if seqs:
                text = f"{_records(seqs)} was changed: {damage.reason}"
            case "changed" if damage.claim:
                seqs = range(damage.claim, damage.claim + 1)
                text = f"a changed copy of record {damage.claim}, {place}: {damage.reason}"
            case "torn_tail":
                text = f"a half-written line, {place}"
            case _:
                text = f"an unreadable line, {place}: {damage.reason}"
        self._add(damage.kind, damage.line, seqs, text)

    def _add_dropped(self, gap: _Gap) -> None:
        text = _are_missing(gap.seqs)
        if gap.line == 1:
            text += "; if they were archived, verify all parts in one, the oldest first"
        self._add("dropped", gap.line, gap.seqs, text)

    def _add(self, kind: FindingKind, line: int, seqs: range | None, text: str) -> None:
        if len(self._findings) == FINDINGS_MAX:
            self._left_out += 1
            return
        last = seqs[-1] if seqs and len(seqs) > 1 else None
        self._findings.append(Finding(kind=kind, line=line, seq=seqs[0] if seqs else None, seq_last=last, text=text))


def _without(ranges: list[range], seqs: Iterable[int]) -> list[range]:
    """Return the ascending `ranges` less the ascending `seqs`."""
    left = [*ranges]
    for seq in seqs:
        for at, candidate in enumerate(left):
            if seq in candidate:
                halves = range(candidate.start, seq), range(seq + 1, candidate.stop)
                left[at : at + 1] = [half for half in halves if half]
                break
    return [seqs for seqs in left if seqs]


def _records(seqs: range) -> str:
    return f"record {seqs[0]}" if len(seqs) == 1 else f"records {seqs[0]} to {seqs[-1]}"


def _are_missing(seqs: range) -> str:
    return f"{_records(seqs)} {'is' if len(seqs) == 1 else 'are'} missing"
