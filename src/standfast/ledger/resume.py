"""How a chain goes on after a stop, from the end of the file and from the head file. Decides only.

The chain goes on after the later of the two. So where records are gone from the end, the next one leaves a
gap in the numbers that no restart can hide, and the verifier names it.
"""

from dataclasses import dataclass

from standfast.ledger.backlog import BATCH_BYTES_MAX
from standfast.ledger.record import GENESIS, LINE_BYTES_MAX, Head, MalformedRecord, Record, decode_line

# As much of the end of a file as is read: a batch that a power loss may have left as zeros, and a whole line.
TAIL_BYTES = BATCH_BYTES_MAX + 2 * LINE_BYTES_MAX

_LINE_START = b'{"at_ms":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What to do with a ledger that is opened.

    `start` is what the next record is chained to. `torn` is a half-written line at the end, to be set aside;
    `foreign` says that the file is no ledger and is to be set aside whole. `reasons` says in words what was
    not as a clean stop leaves it.
    """

    start: Head
    torn: bytes = b""
    foreign: bool = False
    reasons: tuple[str, ...] = ()


def resume(tail: bytes, *, is_whole: bool, head: Head | None) -> Resumption:
    """Decide how to go on.

    `tail` is the last `TAIL_BYTES` of the file, or the whole of it (`is_whole`); `head` what its head file
    says, None if there is none.
    """
    *lines, torn = tail.split(b"\n")
    last, damaged = _last_whole(lines)
    end = Head(seq=last.seq, hash=last.hash) if last else GENESIS
    start = head if head and head.seq >= end.seq else end
    is_first_line = is_whole and not lines and len(torn) <= LINE_BYTES_MAX
    if tail and not last and not (is_first_line and torn[: len(_LINE_START)] == _LINE_START[: len(torn)]):
        return Resumption(start=start, foreign=True, reasons=("the file was not a ledger",))

    reasons: list[str] = []
    if torn:
        reasons.append(f"the last line was half-written ({len(torn)} bytes)")
    if damaged:
        reasons.append(f"{damaged} damaged lines stand after record {end.seq}")
    if start.seq > end.seq:
        reasons.append(f"the head file names record {start.seq}, the last whole one is {end.seq}")
    elif start != end:
        reasons.append(f"record {end.seq} is not the one that the head file names")
    return Resumption(start=start, torn=torn, reasons=tuple(reasons))


def _last_whole(lines: list[bytes]) -> tuple[Record | None, int]:
    """Return the last record, and how many lines after it are none."""
    for damaged, line in enumerate(reversed(lines)):
        try:
            return decode_line(line + b"\n"), damaged
        except MalformedRecord:
            continue
    return None, len(lines)
