"""What all stores of plans keep alike: contents as octets, and which plan stands for itself."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from standfast.control.finding import Finding, Severity
from standfast.control.panel import VANTAGES_MAX
from standfast.control.plan import Content, Plan
from standfast.dns.model import Name, RRset
from standfast.dns.stored import unpack_rrsets

FORGOTTEN_ALWAYS: Final = 1 << 20  # octets of forgotten plans that are never worth writing a whole for
REPORTS_MAX: Final = VANTAGES_MAX  # one of each that a planner hears; the clocks of vantages bound nothing


def is_alone(plan: Plan, content: Content) -> bool:
    """Say whether the plan's changes are all that is planned, as they are of the first one."""
    if plan.base is not None or any(change.before for change in plan.changes):
        return False
    return len(plan.changes) == sum(map(len, content.values()))


def rrsets_of(content: Content) -> Iterable[RRset]:
    """Return all RRsets of a content, name by name."""
    return chain.from_iterable(node.values() for node in content.values())


def nodes_of(octets: bytes) -> Content:
    """Return the content that `dns.stored.pack_rrsets` packed."""
    nodes: dict[Name, dict[int, RRset]] = {}
    for rrset in unpack_rrsets(octets):
        nodes.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    return nodes


def finding_of(said: Mapping[str, str]) -> Finding:
    """Return the finding whose fields were kept."""
    severity, others = Severity(said["severity"]), {key: each for key, each in said.items() if key != "severity"}
    return Finding(severity=severity, **others)
