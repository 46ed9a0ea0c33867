"""Small worlds for the tests of the planner and its rules: pools in a line of text, and a name that they serve."""

from collections.abc import Mapping, Sequence
from typing import Final

from standfast.control.facts import Base, Facts, Inputs, Left, Proof
from standfast.control.intent import Endpoint, ManagedName, Policy, PolicyKind, Promise, ZoneIntent
from standfast.control.members import grouped, target_of, targets_of
from standfast.control.plan import Content, PlanHead, make_plan
from standfast.control.planner import Planned
from standfast.control.pool_view import Health, PoolView
from standfast.control.rules.bounds import Bounds
from standfast.control.rules.table import check
from standfast.control.store import Override
from standfast.control.zone_index import ZoneIndex, index_zone
from standfast.dns.changes import Change, same
from standfast.dns.model import Name, RRset
from standfast.dns.rdata import rrset_to_text

ZONE: Final = "example.com."
NAME: Final = "www.example.com."
NOW_S: Final = 1_790_000_000.0
KNOWN: Final = Base(head=PlanHead(zone=ZONE, generation=1, hash="f" * 64))
_HEALTH: Final = {"+": Health.WELL, "-": Health.ILL, "?": Health.UNKNOWN}


def pool(text: str = "", *, broken: str = "", source_failed: str = "", capacity: int = 1, weight: int = 1) -> PoolView:
    """Return a pool of endpoints such as `+192.0.2.1 -192.0.2.2 ?192.0.2.3 +192.0.2.4/drained`."""
    endpoints = {}
    for word in text.split():
        address, _, drained = word[1:].partition("/")
        endpoint = Endpoint(address=address, capacity=capacity, weight=weight, drained=bool(drained))
        endpoints[endpoint] = _HEALTH[word[0]]
    return PoolView(endpoints=endpoints, broken=broken, source_failed=source_failed)


def managed(
    name: Name = NAME,
    *pools: str,
    kind: PolicyKind = PolicyKind.FAILOVER,
    least: int = 1,
    capacity: int = 0,
    ttl_s: int = 60,
    answers_max: int = 8,
    weights: Mapping[str, int] | None = None,
    replica: str | None = None,
) -> ManagedName:
    """Return a name that `pools` serve, in order."""
    order = tuple((each, (weights or {}).get(each, 1)) for each in pools or ("a", "b"))
    return ManagedName(
        name=name,
        ttl_s=ttl_s,
        policy=Policy(kind=kind, pools=order, answers_max=answers_max),
        promise=Promise(endpoints_min=least, capacity_min=capacity),
        replica=replica,
    )


def zone(*names: ManagedName, records: Sequence[RRset] = (), delegated: Sequence[Name] = ()) -> ZoneIndex:
    """Return the index of `example.com.` with these names."""
    intent = ZoneIntent(origin=ZONE, names=names, records=tuple(records), delegated=frozenset(delegated))
    return index_zone(intent)


def inputs(
    pools: Mapping[str, PoolView],
    *,
    now_s: float = NOW_S,
    bounds: Bounds | None = None,
    proofs: Mapping[str, Proof] | None = None,
    left: Sequence[Left] = (),
    overrides: Sequence[Override] = (),
) -> Inputs:
    """Return what a plan is made from; addresses for documentation are as good as any."""
    return Inputs(
        pools=pools,
        now_s=now_s,
        bounds=bounds or Bounds(networks=("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32")),
        proofs=proofs or {},
        left=left,
        overrides=overrides,
    )


def standing(name: Name = NAME, *addresses: str, ttl_s: int = 60) -> dict[Name, dict[int, RRset]]:
    """Return content where a name holds these endpoints."""
    targets = grouped(target_of(address) for address in addresses)
    return {name: {rtype: RRset(owner=name, rtype=rtype, ttl_s=ttl_s, rdatas=rdatas) for rtype, rdatas in targets}}


def said(rule: str, index: ZoneIndex, facts: Inputs, before: Content, then: Content, base: Base = KNOWN) -> list[str]:
    """Return what one rule says of a plan that leads from one content to the other: `severity name`, in order."""
    owners = before.keys() | then.keys()
    pairs = [
        (before.get(owner, {}).get(rtype), then.get(owner, {}).get(rtype))
        for owner in owners
        for rtype in before.get(owner, {}).keys() | then.get(owner, {}).keys()
    ]
    changes = [Change(before=old, after=new) for old, new in pairs if not same(old, new)]
    plan = make_plan(zone=ZONE, generation=2, base=base.head, changes=changes, made_at_s=NOW_S)
    found = check(before, plan, Facts(zone=index, inputs=facts, base=base))
    return sorted(f"{finding.severity} {finding.name}" for finding in found if finding.rule == rule)


def after(planned: Planned) -> Base:
    """Return what the next plan is made after, once this one is published."""
    assert planned.plan is not None
    return Base(head=planned.plan.head, content=planned.content)


def held_at(content: Content, name: Name = NAME) -> list[str]:
    """Return the endpoints of a name in words, in order."""
    rrsets = [
        RRset(owner=name, rtype=rtype, ttl_s=0, rdatas=rdatas) for rtype, rdatas in targets_of(content.get(name, {}))
    ]
    return sorted(text for rrset in rrsets for text in rrset_to_text(rrset))
