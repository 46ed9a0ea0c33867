"""A plan: the one next version of a zone's names, numbered, chained to the one before it, and told by its hash."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.stored import pack_changes, unpack_changes
from standfast.dns.wire import WireError
from standfast.layered import changed

Node = Mapping[int, RRset]  # all planned RRsets of one name, by type
Content = Mapping[Name, Node]  # all that is planned of a zone; nothing else of the zone is ever touched

NOTHING_HASH: Final = "0" * 64  # what the first plan of all is chained to
_CNAME: Final = int(RRType.CNAME)
_HEAD_LINES: Final = 4  # of a plan's octets, before its changes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHead:
    """What tells a plan from all others. Generations of a zone begin at 1, and never repeat."""

    zone: Name
    generation: int
    hash: str  # 64 hexadecimal digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to change from the plan before, in the order in which it is to be published.

    `base` is None where nothing is known of what was planned before, the first time of all or after a lost store:
    then `changes` are all that is planned, of which some may be published as it is, and what goes of what was found
    published, so that no two plans of one hash are of different content. `made_at_s` (seconds since the epoch) is no
    part of the hash: what is planned from the same is the same. `hash`, a SHA-256, is over `octets`, which say all of
    the plan and, by the hash of its base, all that led to it. They are all that has to be kept of it (`read_plan`),
    and are made once: half a million changes take their time.
    """

    zone: Name
    generation: int
    base: PlanHead | None
    changes: tuple[Change, ...]
    made_at_s: float = field(compare=False)
    hash: str
    octets: bytes = field(compare=False, repr=False)

    @property
    def head(self) -> PlanHead:
        """What tells it from all others."""
        return PlanHead(zone=self.zone, generation=self.generation, hash=self.hash)


def make_plan(
    *, zone: Name, generation: int, base: PlanHead | None, changes: Iterable[Change], made_at_s: float
) -> Plan:
    """Return the plan with its changes in order, its octets and its hash."""
    in_order = ordered(changes)
    octets = _head(zone, generation, base) + pack_changes(in_order)
    return _plan(zone, generation, base, in_order, made_at_s, octets)


def read_plan(octets: bytes, *, made_at_s: float) -> Plan:
    """Return the plan that these are the `octets` of.

    Raises:
        WireError: they are none, or not what they were.
    """
    head, base, packed = _read_head(octets)
    return _plan(head.zone, head.generation, base, tuple(unpack_changes(packed)), made_at_s, octets)


def read_heads(octets: bytes) -> tuple[PlanHead, PlanHead | None]:
    """Return which plan these are the `octets` of, and its base, without reading its changes.

    Raises:
        WireError: they are none.
    """
    head, base, _ = _read_head(octets)
    return head, base


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return `changes` so that a name is there before others point to it, and goes after they do; else by name."""
    turns: tuple[list[Change], ...] = ([], [], [], [])
    come, lead, leave, go = turns
    for change in changes:
        after, before = change.after, change.before
        if after is not None:
            (lead if after.rtype == _CNAME else come).append(change)
        elif before is not None:
            (leave if before.rtype == _CNAME else go).append(change)
    for those, of in zip(turns, ("after", "after", "before", "before"), strict=True):
        # By one key after the other, as sorts are stable: pairs of both take three times as long to compare.
        those.sort(key=attrgetter(f"{of}.rtype"))
        those.sort(key=attrgetter(f"{of}.owner"))
    return (*come, *lead, *leave, *go)


def applied(content: Content, changes: Iterable[Change]) -> Content:
    """Return `content` with `changes` made; what they say was there before is not looked at."""
    nodes: dict[Name, dict[int, RRset] | None] = {}
    for change in changes:
        after = change.after
        rrset = change.before if after is None else after
        assert rrset is not None
        owner = rrset.owner
        node = nodes.get(owner)
        if node is None:
            there = content.get(owner) if owner not in nodes else None
            if there is None and after is not None:  # as all are of a first plan
                nodes[owner] = {rrset.rtype: rrset}
                continue
            node = nodes[owner] = dict(there or {})
        if after is None:
            node.pop(rrset.rtype, None)
            nodes[owner] = node or None
        else:
            node[rrset.rtype] = rrset
    return changed(content, nodes)


def _head(zone: Name, generation: int, base: PlanHead | None) -> bytes:
    generation_before, hash_before = (base.generation, base.hash) if base else (0, NOTHING_HASH)
    return f"standfast plan 1\n{zone}\n{generation}\n{generation_before} {hash_before}\n".encode()


def _read_head(octets: bytes) -> tuple[PlanHead, PlanHead | None, bytes]:
    lines = octets.split(b"\n", _HEAD_LINES)
    if len(lines) != _HEAD_LINES + 1:
        raise WireError("this is no plan")
    try:
        zone, generation = lines[1].decode("ascii"), int(lines[2])
        before, base_hash = lines[3].decode("ascii").split(" ")
        base = PlanHead(zone=zone, generation=int(before), hash=base_hash) if int(before) else None
    except ValueError:
        raise WireError("this is no plan") from None
    if not octets.startswith(_head(zone, generation, base)):
        raise WireError("this is no plan")
    return PlanHead(zone=zone, generation=generation, hash=_hash_of(octets)), base, lines[_HEAD_LINES]


def _plan(
    zone: Name, generation: int, base: PlanHead | None, changes: tuple[Change, ...], made_at_s: float, octets: bytes
) -> Plan:
    return Plan(
        zone=zone,
        generation=generation,
        base=base,
        changes=changes,
        made_at_s=made_at_s,
        hash=_hash_of(octets),
        octets=octets,
    )


def _hash_of(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
