"""What it takes to bring a name back to what it was: which generation, and which changes. Decides only.

Needs what is published and what was planned at each generation that is still known; no store, no planner, no intent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from standfast.control.difference import repair
from standfast.control.history import Past
from standfast.control.plan import Content, Node, PlanHead
from standfast.dns.changes import Change
from standfast.dns.model import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """A name, the plan at which it was as it shall be again, and what has to change for that."""

    name: Name
    to: PlanHead
    made_at_s: float  # when that was planned, seconds since the epoch
    changes: tuple[Change, ...]  # none: it is as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """A name that cannot be brought back, and what to do. `generations` are those that it can be brought back to."""

    name: Name
    why: str
    generations: tuple[int, ...] = ()


Choice: TypeAlias = Restoration | Impossible


def choose(
    name: Name, past: Sequence[Past], found: Content, *, to: int | None, recorded: Collection[str] | None
) -> Choice:
    """Return how to bring `name` back.

    Args:
        name: one name of the zone.
        past: what was planned, the newest first.
        found: what is published.
        to: the generation; None: the newest at which it was there, and other than it is published now.
        recorded: hashes of plans that the ledger names. None: there is no ledger; any plan will do. A plan that it
            does not name is used only where `to` asks for it.
    """
    known = [each for each in past if name in each.nodes]
    usable = [each for each in known if each.nodes[name]]
    generations = tuple(dict.fromkeys(each.head.generation for each in usable))
    if not known:
        return Impossible(name=name, why="no plan that is kept says anything of it")
    if to is not None:
        chosen = next((each for each in known if each.head.generation == to), None)
        if chosen is None:
            return Impossible(name=name, why=f"nothing is known of it at generation {to}", generations=generations)
        if not chosen.nodes[name]:
            why = f"it had no records at generation {to}, and no name is ever restored to nothing"
            return Impossible(name=name, why=why, generations=generations)
        return _to(chosen, name, known, found)
    for each in usable:
        if recorded is None or each.head.hash in recorded:
            restoration = _to(each, name, known, found)
            if restoration.changes:
                return restoration
    if usable:
        why = "it is published as it always was; name a generation with --to to have it another way"
        return Impossible(name=name, why=why, generations=generations)
    return Impossible(name=name, why="it never had any records")


def _to(chosen: Past, name: Name, known: Sequence[Past], found: Content) -> Restoration:
    ever: dict[int, object] = {}
    for each in known:
        ever.update(each.nodes[name])
    there: Node = found.get(name, {})
    before = {rtype: rrset for rtype, rrset in there.items() if rtype in ever}
    return Restoration(
        name=name,
        to=chosen.head,
        made_at_s=chosen.made_at_s,
        changes=repair({name: chosen.nodes[name]}, {name: before}, found),
    )
