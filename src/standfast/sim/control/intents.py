"""The intent and health from which the product's planner makes the plans that a small world wants."""

from typing import Final

from standfast.control.facts import Inputs
from standfast.control.intent import Endpoint, ManagedName, Policy, ZoneIntent
from standfast.control.plan import Content
from standfast.control.pool_view import Health, PoolView
from standfast.control.rules.bounds import Bounds
from standfast.dns.model import RRset, RRType
from standfast.dns.wire import name_to_text
from standfast.sim.control.parts import ZONE, Records, Setting

# Every endpoint of these little names is exchanged at once, and lies in a network for documentation.
BOUNDS: Final = Bounds(leave_ratio_max=1.0, name_leave_ratio_max=1.0, networks=("192.0.2.0/24",))
TTL_S: Final = 60


def intent_of(setting: Setting) -> ZoneIntent:
    """Return an intent of names that each have a pool of their own."""
    names = [ManagedName(name=name, ttl_s=TTL_S, policy=Policy(pools=((name, 1),))) for name in sorted(setting.managed)]
    return ZoneIntent(origin=ZONE, names=tuple(names))


def inputs_of(want: Records, *, has_source: bool = True) -> Inputs:
    """Return the health by which exactly `want` is wanted; without a source, nobody knows any endpoint."""
    pools = {
        rrset.owner: _view(rrset) if has_source else FAILED for rrset in sorted(want, key=lambda rrset: rrset.owner)
    }
    return Inputs(pools=pools, now_s=0.0, bounds=BOUNDS)


FAILED: Final = PoolView(endpoints={}, source_failed="it names nobody")


def records_of(content: Content) -> Records:
    """Return all RRsets of `content`."""
    return frozenset(rrset for node in content.values() for rrset in node.values())


def _view(rrset: RRset) -> PoolView:
    return PoolView(endpoints={Endpoint(address=_address(rrset, each)): Health.WELL for each in rrset.rdatas})


def _address(rrset: RRset, rdata: bytes) -> str:
    return ".".join(map(str, rdata)) if rrset.rtype == RRType.A else name_to_text(rdata)
