"""What needs what: services, names, zones and hosts, what of each other they cannot do without, and what they share.

A node works if it is not lost, none of its shared causes is, and each of its hard needs is met. Where nodes need each
other in a circle that is the *least* such state: what could only hold itself up does not work.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from standfast.depmap.errors import ModelError


class Kind(StrEnum):
    """What a node is. Whoever knows no better says `SERVICE`; any other kind is the better word."""

    SERVICE = "service"
    NAME = "name"  # a domain name that something is reached by
    ADDRESS = "address"
    ZONE = "zone"  # of the DNS
    NAME_SERVER = "name server"
    RESOURCE = "resource"  # what a provider runs: a table, a load balancer, an API


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """At least `number` of `parts`, which are nodes, must work. Without a soft need a node works, but is degraded.

    `role` says what the parts are to the node where a node has one such need at the most ("address": the addresses of
    a name, "server": the servers of a zone, "alias"): what several files say of one role is one need. Else it is empty.
    """

    parts: tuple[str, ...]
    number: int
    soft: bool = False
    role: str = ""

    def __str__(self) -> str:
        """Return it in words: "one of a, b"."""
        which = "" if self.number == len(self.parts) else "one of " if self.number == 1 else f"{self.number} of "
        return f"{which}{', '.join(self.parts)}{' (degraded without)' if self.soft else ''}"


def all_of(*parts: str, soft: bool = False, role: str = "") -> Need:
    """Return the need of all of `parts`."""
    return Need(parts=parts, number=len(parts), soft=soft, role=role)


def any_of(*parts: str, soft: bool = False, role: str = "") -> Need:
    """Return the need of one of `parts`, whichever."""
    return Need(parts=parts, number=1, soft=soft, role=role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A thing that works or does not.

    `causes` are what it shares with others and goes down with: its region, zone, provider, the operator of its DNS, its
    parent zone. They are no nodes themselves.
    """

    name: str
    needs: tuple[Need, ...] = ()
    causes: tuple[str, ...] = ()
    kind: Kind = Kind.SERVICE


@dataclass(frozen=True, kw_only=True)
class DependencyGraph:
    """Nodes by their names. Made by `graph_of_nodes`, which sees to it that what they need is there. Never changed."""

    nodes: Mapping[str, Node]

    @cached_property
    def causes(self) -> dict[str, tuple[str, ...]]:
        """For each shared cause the nodes that go down with it."""
        found: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for cause in node.causes:
                found.setdefault(cause, []).append(node.name)
        return {cause: tuple(names) for cause, names in found.items()}

    @cached_property
    def dependents(self) -> dict[str, tuple[str, ...]]:
        """For each node those that need it."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.nodes}
        for node in self.nodes.values():
            for need in node.needs:
                for part in need.parts:
                    found[part][node.name] = None
        return {name: tuple(names) for name, names in found.items()}

    @cached_property
    def bottom_up(self) -> tuple[str, ...]:
        """All names, each after those that it needs, as far as they do not go round in circles."""
        order: dict[str, None] = {}
        seen: set[str] = set()
        for start in self.nodes:
            todo = [(start, False)]
            while todo:
                name, done = todo.pop()
                if done:
                    order[name] = None
                elif name not in seen:
                    seen.add(name)
                    todo.append((name, True))
                    todo += [
                        (part, False) for need in self.nodes[name].needs for part in need.parts if part not in seen
                    ]
        return tuple(order)


def graph_of_nodes(nodes: Iterable[Node]) -> DependencyGraph:
    """Return the graph of `nodes`.

    Raises:
        ModelError: two have one name, one has the name of a cause, or needs what is not there or cannot be met.
    """
    by_name: dict[str, Node] = {}
    for node in nodes:
        if node.name in by_name:
            raise ModelError(f'"{node.name}" is there twice')
        by_name[node.name] = node
    for node in by_name.values():
        for cause in node.causes:
            if cause in by_name:
                raise ModelError(f'"{cause}" is a shared cause of "{node.name}", and a node as well')
        for need in node.needs:
            if unknown := [part for part in need.parts if part not in by_name]:
                raise ModelError(f'"{node.name}" needs "{unknown[0]}", which is not there')
            if not 1 <= need.number <= len(set(need.parts)) == len(need.parts):
                raise ModelError(f'"{node.name}" needs {need.number} of {len(need.parts)}, each named once')
    return DependencyGraph(nodes=by_name)
