"""Domain names as nodes of a map: without the dot at the end that names have elsewhere in the house."""

from collections.abc import Iterator
from typing import Final

from standfast.dns.model import Name
from standfast.dns.name import ROOT, is_below, parent

ZONE: Final = "zone:"  # what the name of a zone's node begins with


def node_of(name: Name) -> str:
    """Return the node of the absolute name `name`; the root is "."."""
    return name if name == ROOT else name[:-1]


def name_of(node: str) -> Name:
    """Return the absolute name of `node`; the inverse of `node_of`."""
    return node if node == ROOT else f"{node}."


def zone_of(origin: Name) -> str:
    """Return the node of the zone that begins at `origin`."""
    return ZONE + node_of(origin)


def origin_of(zone: str) -> Name:
    """Return where the zone of the node `zone` begins."""
    return name_of(zone.removeprefix(ZONE))


def lies_in(node: str, zone: str) -> bool:
    """Say whether the domain name `node` is that of the zone's origin, or below it."""
    return is_below(name_of(node), origin_of(zone))


def above(name: Name) -> Iterator[Name]:
    """Yield the parent of `name`, that one's, and so on up to and with the root; nothing for the root."""
    while name != ROOT:
        name = parent(name)
        yield name
