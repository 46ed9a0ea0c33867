"""The fence: one record of a zone that says which plan is published there, and that every write must replace.

A write says which fence it expects and which it leaves, and whoever holds the records refuses it, as a whole, where
another stands: the look and the write are one operation. Fences only grow, so what was late stays late for ever.
"""

import re
from typing import Final, TypeAlias, assert_never

from standfast.dns.model import Name, RRset, RRType
from standfast.values import value

FENCE_LABEL: Final = "_standfast"
FENCE_TTL_S: Final = 60  # part of what Route 53 compares; nobody else reads it
PLAN_DIGITS: Final = 16  # of the plan's hash: enough to tell two plans of one generation apart
WRITER_MAX: Final = 64  # letters

_TEXT = re.compile(
    r"standfast=1 generation=([1-9][0-9]{0,14}) step=([1-9][0-9]{0,8}) state=(open|done)"
    rf" plan=([0-9a-f]{{{PLAN_DIGITS}}}) writer=([a-zA-Z0-9._-]{{1,{WRITER_MAX}}})"
)


@value
class Fence:
    """Which plan a zone stands at, and how far: `step` counts the writes of its generation; `done` is the last.

    `writer` is whose write it was, and the number of that write: two writers never leave the same fence.
    """

    generation: int
    step: int
    done: bool
    plan: str
    writer: str

    @property
    def order(self) -> tuple[int, int]:
        """What only grows."""
        return self.generation, self.step

    def __str__(self) -> str:
        state = "done" if self.done else "open"
        return (
            f"standfast=1 generation={self.generation} step={self.step} state={state} plan={self.plan}"
            f" writer={self.writer}"
        )


@value
class Garbage:
    """What stands in a fence's place and is none. No write leaves it, so only one that has seen it may replace it."""

    ttl_s: int  # part of what Route 53 compares
    rdatas: tuple[bytes, ...]  # all that stands, sorted: servers give them in any order

    def __str__(self) -> str:
        return "a TXT that is no fence"


@value
class Unreadable:
    """Nobody knows what fence stands: whoever holds it could not be asked."""

    why: str


Standing: TypeAlias = Fence | Garbage | None  # what is at the fence's place; None: nothing is
Seen: TypeAlias = Standing | Unreadable


def read_fence(text: str) -> Fence | None:
    """Return the fence that a record's text says; None where it says none."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    generation, step, state, plan, writer = found.groups()
    return Fence(generation=int(generation), step=int(step), done=state == "done", plan=plan, writer=writer)


def fence_name(zone: Name) -> Name:
    """Return the owner of the zone's fence."""
    return f"{FENCE_LABEL}.{zone}" if zone != "." else f"{FENCE_LABEL}."


def fence_rrset(zone: Name, fence: Fence) -> RRset:
    """Return the record that stands for `fence`: one TXT of one string (RFC 1035 section 3.3.14)."""
    text = str(fence).encode()
    return RRset(owner=fence_name(zone), rtype=RRType.TXT, ttl_s=FENCE_TTL_S, rdatas=(bytes((len(text),)) + text,))


def standing_rrset(zone: Name, standing: Fence | Garbage) -> RRset:
    """Return the record that stands for a fence, or the very records that stand in its place."""
    match standing:
        case Fence():
            return fence_rrset(zone, standing)
        case Garbage(ttl_s=ttl_s, rdatas=rdatas):
            return RRset(owner=fence_name(zone), rtype=RRType.TXT, ttl_s=ttl_s, rdatas=rdatas)
        case _:
            assert_never(standing)


def standing_in(rrset: RRset | None) -> Standing:
    """Return what stands by the TXT RRset at a fence's place; None where there is no RRset."""
    if rrset is None:
        return None
    return fence_in(rrset) or Garbage(ttl_s=rrset.ttl_s, rdatas=tuple(sorted(rrset.rdatas)))


def fence_in(rrset: RRset | None) -> Fence | None:
    """Return the fence that a TXT RRset holds; None where it holds none, or anything beside it."""
    if rrset is None or len(rrset.rdatas) != 1 or rrset.rdatas[0][:1] != bytes((len(rrset.rdatas[0]) - 1,)):
        return None
    return read_fence(rrset.rdatas[0][1:].decode("ascii", errors="replace"))


def standing_told(standing: Standing) -> str:
    """Return what stands in a few words: `generation 42`, `no fence`."""
    match standing:
        case Fence(generation=generation):
            return f"generation {generation}"
        case Garbage():
            return str(standing)
        case None:
            return "no fence"
        case _:
            assert_never(standing)
