"""A circuit made smaller before it is analysed: gates in gates of their kind are one, parts that go together are one.

What stays is the same function. Modules are found by the dates of first and last visit of one walk (Dutuit and Rauzy,
"A linear-time algorithm to find modules of fault trees", IEEE Transactions on Reliability 45, 1996).
"""

from collections import defaultdict
from typing import Final

from standfast.depmap.faults.circuit import Circuit, Kind, Literal

_ROUNDS_MAX: Final = 100  # of coalescing; each leaves fewer leaves, and published trees take three


def simplify(circuit: Circuit, top: Literal) -> Literal:
    """Return a smaller top of the same function, in the same circuit: a gate, or a constant."""
    top = _flatten(circuit, top)
    for _ in range(_ROUNDS_MAX):
        before, top = top, _coalesce(circuit, top)
        if top == before:
            break
    return circuit.wrap(top) if top >> 1 in circuit.names else top


def modules(circuit: Circuit, top: Literal) -> list[int]:
    """Return the gates that share nothing with what is not below them, each after those below it; the top is the last.

    What a module does to the rest is told by whether it happens, so each can be analysed by itself.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    left: dict[int, int] = {}
    order: list[int] = []
    todo = [(top >> 1, False)]
    date = 0
    while todo:
        date += 1
        node, done = todo.pop()
        last[node] = date
        if done:
            left[node] = date
            order.append(node)
        elif node not in first:
            first[node] = date
            todo.append((node, True))
            todo += [(part >> 1, False) for part in reversed(circuit.parts[node])]
    found = []
    earliest, latest = dict(first), dict(last)  # of a node and all below it
    for node in order:
        below = [part >> 1 for part in circuit.parts[node]]
        if not below:
            continue
        begin, end = min(earliest[each] for each in below), max(latest[each] for each in below)
        if first[node] < begin and end < left[node]:
            found.append(node)
        earliest[node], latest[node] = min(begin, first[node]), max(end, last[node])
    return found


def _flatten(circuit: Circuit, top: Literal) -> Literal:
    """Put the parts of a gate that only one gate of the same kind has into that gate."""
    order = circuit.below(top)
    parents = circuit.parents(order)
    made: dict[int, Literal] = {}
    for node in order:
        kind = circuit.kinds[node]
        if kind is Kind.VARIABLE:
            made[node] = 2 * node
            continue
        parts: list[Literal] = []
        for part in circuit.parts[node]:
            inner = made[part >> 1] ^ (part & 1)
            if len(parents[part >> 1]) == 1 and _joins(circuit, inner, kind):
                parts += [each ^ (inner & 1) for each in circuit.parts[inner >> 1]]
            else:
                parts.append(inner)
        made[node] = circuit.make(kind, parts, circuit.numbers[node])
    return made[top >> 1] ^ (top & 1)


def _joins(circuit: Circuit, inner: Literal, outer: Kind) -> bool:
    """Return whether `inner` is a gate of the kind `outer`; a negated one is of the other kind, by De Morgan."""
    kind = circuit.kinds[inner >> 1]
    if not {kind, outer} <= {Kind.ALL, Kind.ANY}:
        return False
    return (kind is outer) != bool(inner & 1)


def _coalesce(circuit: Circuit, top: Literal) -> Literal:
    """Make one gate of leaves that always stand beside each other in gates of one kind (Faunet's rule).

    A leaf is a variable or a module. That makes more modules, and fewer variables to order.
    """
    order = circuit.below(top)
    parents = circuit.parents(order)
    leaves = {node for node in order if circuit.kinds[node] is Kind.VARIABLE}.union(modules(circuit, top))
    groups: defaultdict[tuple[Kind, frozenset[tuple[int, int]]], list[int]] = defaultdict(list)
    for node in order:
        if node not in leaves or node == top >> 1:
            continue
        kinds = {_seen_as(circuit.kinds[parent], negated) for parent, negated in parents[node]}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None:
            groups[kind, frozenset(parents[node])].append(node)
    group_of: dict[int, tuple[Kind, list[int]]] = {}
    for (kind, gates), members in groups.items():
        is_all_of_a_gate = len(gates) == 1 and len(circuit.parts[next(iter(gates))[0]]) == len(members)
        if len(members) > 1 and not is_all_of_a_gate:
            group_of |= dict.fromkeys(members, (kind, members))
    if not group_of:
        return top
    made: dict[int, Literal] = {}
    for node in order:
        if circuit.kinds[node] is Kind.VARIABLE:
            made[node] = 2 * node
            continue
        parts: list[Literal] = []
        for part in circuit.parts[node]:
            literal = made[part >> 1]
            if part >> 1 in group_of:
                kind, members = group_of[part >> 1]
                literal = circuit.make(kind, [made[member] for member in members], 0)
            parts.append(literal ^ (part & 1))
        made[node] = circuit.make(circuit.kinds[node], parts, circuit.numbers[node])
    return made[top >> 1] ^ (top & 1)


def _seen_as(parent: Kind, negated: int) -> Kind | None:
    """Return the kind of gate that a part of `parent` could be put in one of; None: of no kind."""
    if parent not in (Kind.ALL, Kind.ANY):
        return None
    return parent if not negated else Kind.ANY if parent is Kind.ALL else Kind.ALL
