"""What a zone went through, so that who has an older version needs the differences alone (RFC 1995). Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from standfast.dns.changes import Change, counted

DELTAS_MAX: Final = 1000  # steps that are remembered; a secondary that is further behind was away for long
RECORDS_ALWAYS: Final = 1000  # that any zone may remember: of a small one, a step is soon as large as the whole


STEP_PART: Final = 0.75  # of a zone: a step that is larger is hardly shorter than the zone itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One step from the serial `before` to the serial `after`; the change of the SOA is among the changes."""

    before: int
    after: int
    changes: tuple[Change, ...]
    records: int  # that go and come


def delta_of(before: int, after: int, changes: tuple[Change, ...]) -> Delta:
    """Return the step that `changes` are, counted."""
    return Delta(before=before, after=after, changes=changes, records=sum(counted(changes)))


def worth_a_step(records: int, *, zone_records: int) -> bool:
    """Say whether a step of so many records is kept as one; else a transfer of the whole is about as short."""
    return records <= max(RECORDS_ALWAYS, STEP_PART * zone_records)


class Journal:
    """The last steps of a zone, each of which begins where the one before ends.

    When they hold more records than the zone, a transfer of the whole is the shorter one (RFC 1995 section 5).
    """

    def __init__(self, deltas: Iterable[Delta] = (), *, zone_records: int = 0) -> None:
        """Begin with what is remembered; `zone_records` is how many records the zone has."""
        self._deltas: deque[tuple[Delta, int]] = deque()
        self._records = 0
        for delta in deltas:
            self.add(delta, zone_records=zone_records)

    def __len__(self) -> int:
        return len(self._deltas)

    def add(self, delta: Delta, *, zone_records: int) -> None:
        """Remember one step, and forget the oldest ones where they are too many.

        One that does not begin where the last one ended makes what was before it useless.
        """
        if self._deltas and self._deltas[-1][0].after != delta.before:
            self.clear()
        self._deltas.append((delta, delta.records))
        self._records += self._deltas[-1][1]
        records_max = max(RECORDS_ALWAYS, zone_records)
        while self._deltas and (len(self._deltas) > DELTAS_MAX or self._records > records_max):
            self._records -= self._deltas.popleft()[1]

    def clear(self) -> None:
        """Forget all."""
        self._deltas.clear()
        self._records = 0

    def since(self, serial: int) -> tuple[Delta, ...] | None:
        """Return the steps that lead from `serial` to now, the oldest first; None where that is not remembered.

        A serial that came up twice, by hand, counts from its last time.
        """
        if not self._deltas:
            return None
        found: list[Delta] = []
        for delta, _ in reversed(self._deltas):
            if delta.after == serial:
                return tuple(reversed(found))
            found.append(delta)
        return tuple(reversed(found)) if found[-1].before == serial else None
