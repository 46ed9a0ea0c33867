"""What is taken where witnesses differ of one thing, and the contradiction that says so.

What a hand wrote counts more than what files say. Of files, the worse is taken: a need is hard, the larger number is
needed, one region more is shared, the promise is higher. Of unavailabilities, measured ones count more than claimed
ones, and these more than assumed ones; of the same kind, the larger.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, TypeVar

from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need
from standfast.depmap.statements import Loss, Witness

HANDWRITTEN: Final = "handwritten"  # the reader whose word counts more than any other's

_KINDS: Final = tuple(Kind)  # a later one says more
_GRADES: Final = (Source.ASSUMED, Source.CLAIMED, Source.MEASURED)  # a later one is believed more
_INSTEAD: Final = frozenset({"address", "server"})  # roles the parts of which stand in for each other
_ONE_PLACE: Final = ("region:", "az:")  # causes of which a node has one of each provider

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What witnesses say differently of `name`, or of an edge "a -> b"; `taken` is what the map says now."""

    name: str
    said: tuple[tuple[str, Witness], ...]
    taken: str


def needs_of(node: str, said: Sequence[tuple[Need, Witness]]) -> tuple[tuple[Need, ...], list[Contradiction]]:
    """Return the needs of `node`: one of each role, one of each set of parts, and no part of these alone as well.

    A need of several that covers a part is the better word than that of the part alone, unless a hand wrote the latter.
    """
    groups: dict[str | frozenset[str], list[tuple[Need, Witness]]] = {}
    for need, by in said:
        for one in _apart(need):
            groups.setdefault(one.role or frozenset(one.parts), []).append((one, by))
    if len(groups) > 1:
        _join_roles(groups)
    found: list[tuple[Need, bool]] = []  # and whether a hand wrote it
    differ: list[Contradiction] = []
    for group in groups.values():
        need, contradictions = _one_need(node, group)
        found.append((need, any(by.reader == HANDWRITTEN for _, by in group)))
        differ += contradictions
    covers: dict[str, list[tuple[Need, bool]]] = {}
    for need, by_hand in found:
        if not _is_bare(need):
            for part in need.parts:
                covers.setdefault(part, []).append((need, by_hand))
    kept = []
    for need, by_hand in found:
        over = (
            [each for each in covers.get(need.parts[0], ()) if _covers(each, need, by_hand)] if _is_bare(need) else []
        )
        if not over:
            kept.append(need)
        elif over[0][1]:
            said_both = tuple((str(each), by) for each, by in said if need.parts[0] in each.parts)
            differ.append(Contradiction(name=f"{node} -> {need.parts[0]}", said=said_both, taken=str(over[0][0])))
    return tuple(kept), differ


def causes_of(node: str, said: Sequence[tuple[str, Witness]]) -> tuple[tuple[str, ...], list[Contradiction]]:
    """Return the causes that `node` shares: all that are said, but a hand's region of a provider, or zone, alone."""
    places: dict[str, list[tuple[str, Witness]]] = {}
    for cause, by in said:
        if cause.startswith(_ONE_PLACE):
            places.setdefault(cause.rpartition("/")[0], []).append((cause, by))
    dropped: set[str] = set()
    differ: list[Contradiction] = []
    for of_one in places.values():
        if len({cause for cause, _ in of_one}) == 1:
            continue
        taken = list(dict.fromkeys(cause for cause, _ in _weightiest(of_one)))
        dropped.update(cause for cause, _ in of_one if cause not in taken)
        if len({tuple(causes) for causes in _by_file(of_one).values()}) > 1:
            differ.append(Contradiction(name=node, said=tuple(of_one), taken=" and ".join(taken)))
    return tuple(dict.fromkeys(cause for cause, _ in said if cause not in dropped)), differ


def kind_of(name: str, said: Sequence[tuple[Kind, Witness]]) -> tuple[Kind, list[Contradiction]]:
    """Return what `name` is: a service, or what it looks like, only where nobody says more."""
    looks = kind_by_name(name)
    better = [each for each in said if each[0] not in (Kind.SERVICE, looks)]
    if not better:
        return looks if not said or any(kind is looks for kind, _ in said) else Kind.SERVICE, []
    taken = max((kind for kind, _ in _weightiest(better)), key=_KINDS.index)
    return taken, _differing(name, better, taken, lambda kind: kind.value)


def event_of(name: str, said: Sequence[tuple[Event, Witness]]) -> tuple[Event, list[Contradiction]]:
    """Return how `name` fails by itself. A default beside what somebody knows is no contradiction."""
    known = [each for each in said if each[0].source is not Source.ASSUMED] or said
    taken = max(
        (event for event, _ in _weightiest(known)), key=lambda each: (_GRADES.index(each.source), each.unavailability)
    )
    return taken, _differing(name, known, taken, lambda event: f"{event.unavailability:g} {event.source}")


def claim_of(name: str, said: Sequence[tuple[float, Witness]]) -> tuple[float, list[Contradiction]]:
    """Return the availability that is promised of `name`."""
    taken = max(availability for availability, _ in _weightiest(said))
    return taken, _differing(name, said, taken, lambda availability: f"{availability * 100:.10g} % available")


def loss_of(name: str, said: Sequence[tuple[Loss, Witness]]) -> tuple[Loss, list[Contradiction]]:
    """Return how `name` is gone."""
    losses = [how for how, _ in _weightiest(said)]
    taken = Loss.REMOVED if Loss.REMOVED in losses else Loss.EMPTIED
    return taken, _differing(name, said, taken, lambda how: how.value)


def kind_by_name(name: str) -> Kind:
    """Return what a node of which nobody said more looks like."""
    if name.startswith("zone:"):
        return Kind.ZONE
    if ":" in name or name[-1:].isdigit():
        try:
            ip_address(name)
        except ValueError:
            return Kind.RESOURCE if ":" in name else Kind.SERVICE
        return Kind.ADDRESS
    return Kind.NAME if "." in name and "/" not in name else Kind.SERVICE


def _apart(need: Need) -> list[Need]:
    """Return a need of all as one for each part, so that what two say of one part meets."""
    if need.number != len(need.parts) or need.role or len(need.parts) == 1:
        return [need]
    return [replace(need, parts=(part,), number=1) for part in need.parts]


def _join_roles(groups: dict[str | frozenset[str], list[tuple[Need, Witness]]]) -> None:
    """Count a need without a role among those with one where these have just its parts: they mean the same."""
    for role in [key for key in groups if isinstance(key, str)]:
        parts = frozenset(part for need, _ in groups[role] for part in need.parts)
        if len(parts) > 1 and parts in groups:
            groups[role] += [(replace(need, role=role), by) for need, by in groups.pop(parts)]


def _one_need(node: str, group: Sequence[tuple[Need, Witness]]) -> tuple[Need, list[Contradiction]]:
    """Return what is needed, of needs that have one role or the same parts."""
    if len(group) == 1:
        return group[0][0], []
    weighty = [need for need, _ in _weightiest(group)]
    parts = tuple(dict.fromkeys(part for need in weighty for part in need.parts))
    number = len(parts) if any(_is_of_all(need) for need in weighty) else max(need.number for need in weighty)
    taken = Need(parts=parts, number=number, soft=all(need.soft for need in weighty), role=weighty[0].role)
    name = f"{node} -> {', '.join(taken.parts)}"
    same = {(frozenset(need.parts), need.number, need.soft) for need, _ in group}
    if len(same) == 1:
        return taken, []
    return taken, [Contradiction(name=name, said=tuple((str(need), by) for need, by in group), taken=str(taken))]


def _is_of_all(need: Need) -> bool:
    return need.number == len(need.parts) and (need.number > 1 or need.role not in _INSTEAD)


def _is_bare(need: Need) -> bool:
    return len(need.parts) == 1 and not need.role


def _covers(other: tuple[Need, bool], bare: Need, by_hand: bool) -> bool:
    need, need_by_hand = other
    if by_hand or need_by_hand:
        return need_by_hand and not by_hand
    return bare.soft or not need.soft


def _weightiest(said: Sequence[tuple[T, Witness]]) -> Sequence[tuple[T, Witness]]:
    """Return what hands wrote, if any did, else all."""
    return [each for each in said if each[1].reader == HANDWRITTEN] or said


def _by_file(said: Iterable[tuple[str, Witness]]) -> dict[tuple[str, str], list[str]]:
    """Return what each file says, sorted."""
    found: dict[tuple[str, str], set[str]] = {}
    for each, by in said:
        found.setdefault((by.reader, by.where), set()).add(each)
    return {file: sorted(those) for file, those in found.items()}


def _differing(
    name: str, said: Sequence[tuple[H, Witness]], taken: H, in_words: Callable[[H], str]
) -> list[Contradiction]:
    """Return the contradiction in `said`, if there is one."""
    if len({each for each, _ in said}) == 1:
        return []
    return [Contradiction(name=name, said=tuple((in_words(each), by) for each, by in said), taken=in_words(taken))]
