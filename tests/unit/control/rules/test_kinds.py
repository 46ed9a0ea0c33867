"""Rules that look at groups and kinds of names: what they find is what they find of each name by itself."""

from collections.abc import Mapping, Sequence

from hypothesis import event, given, settings
from hypothesis import strategies as st

from planning import KNOWN, NOW_S, ZONE, inputs, managed, pool, zone
from standfast.control.facts import Base, Facts, Inputs, Left, Proof
from standfast.control.fence import fence_name
from standfast.control.intent import PolicyKind
from standfast.control.members import Pools, target_of
from standfast.control.plan import Content, applied
from standfast.control.pool_view import PoolView
from standfast.control.rules.bounds import Bounds
from standfast.control.rules.subject import Kind, Subject, form_of, group_of, groups_of, owner_of
from standfast.control.rules.table import findings_on
from standfast.control.zone_index import ZoneIndex
from standfast.dns.changes import Change, same
from standfast.dns.model import RRset, RRType
from standfast.dns.wire import name_from_text

NAMES = (
    ZONE,
    fence_name(ZONE),
    "a.example.com.",
    "b.example.com.",
    "sub.example.com.",
    "a.sub.example.com.",
    "ns.sub.example.com.",
    "deep.er.example.com.",
    "a\\.b.example.com.",
    "a.example.net.",
    "aexample.com.",
    "com.",
)
DATA: Mapping[int, Sequence[bytes]] = {
    RRType.A: (*(target_of(f"192.0.2.{last}")[1] for last in (1, 2, 3)), target_of("127.0.0.1")[1], b"\1\2\3"),
    RRType.AAAA: (target_of("2001:db8::1")[1], b"\1\2\3\4"),
    RRType.CNAME: (name_from_text("lb.example.net."), name_from_text("cdn.example.net.")),
    RRType.NS: (name_from_text("ns.sub.example.com."), name_from_text("ns.example.net.")),
    RRType.TXT: (b"\1a", b"\1b"),
    RRType.DS: (b"\0\1\10\2\0",),
}
POOLS: Mapping[str, PoolView] = {
    "a": pool("+192.0.2.1 -192.0.2.2 +2001:db8::1"),
    "b": pool("+192.0.2.3 ?127.0.0.1", broken="so it is"),
    "c": pool("+lb.example.net.", source_failed="so it is"),
}

rrsets = st.sampled_from(list(DATA)).flatmap(
    lambda rtype: st.builds(
        lambda owner, ttl_s, rdatas: RRset(owner=owner, rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas)),
        st.sampled_from(NAMES),
        st.sampled_from([1, 60, 3_601, 604_801]),
        st.lists(st.sampled_from(DATA[rtype]), min_size=1, unique=True),
    )
)
contents = st.lists(rrsets, max_size=12).map(
    lambda held: applied({}, [Change(before=None, after=rrset) for rrset in held])
)
zones = st.builds(
    lambda names, records, delegated: zone(*names, records=records, delegated=delegated),
    st.lists(
        st.builds(
            lambda name, order, kind, least, replica: managed(
                name, *order, kind=kind, least=least, capacity=least, replica=replica
            ),
            st.sampled_from(NAMES),
            st.sampled_from([("a",), ("a", "b"), ("c", "a"), ("gone",)]),
            st.sampled_from(list(PolicyKind)),
            st.integers(0, 3),
            st.sampled_from([None, "proven", "unproven"]),
        ),
        max_size=6,
        unique_by=lambda each: each.name,
    ),
    st.lists(rrsets, max_size=2),
    st.sampled_from([(), ("sub.example.com.",), ("er.example.com.",)]),
)
facts = st.builds(
    lambda networks, count, head, found, left: (
        inputs(
            POOLS,
            bounds=Bounds(networks=networks, name_leave_per_minute_max=count, leave_per_minute_max=count),
            proofs={"proven": Proof(until_s=NOW_S + 1)},
            left=left,
        ),
        Base(head=head, delegations=found),
    ),
    st.sampled_from([(), ("192.0.2.0/24",)]),
    st.integers(0, 3),
    st.sampled_from([KNOWN.head, None]),
    st.sampled_from([frozenset(), frozenset({"sub.example.com."}), frozenset({"com."})]),
    st.lists(
        st.builds(
            lambda names: Left(at_s=NOW_S - 1, names=names, targets=frozenset({target_of("192.0.2.9")}), count=1),
            st.frozensets(st.sampled_from(NAMES), max_size=4),
        ),
        max_size=2,
    ),
)


class EachAlone(Subject):
    """A plan's changes, looked at name by name."""

    @property
    def kinds(self) -> Sequence[Kind]:
        return [
            Kind(
                before=[(rtype, ttl_s) for rtype, ttl_s, _ in group.before],
                after=[(rtype, ttl_s) for rtype, ttl_s, _ in group.after],
                is_managed=group.shape is not None,
                groups=[group],
            )
            for group in self.groups
        ]


def subjects(index: ZoneIndex, before: Content, then: Content, given_: Facts) -> tuple[Subject, Subject]:
    """Return the plan that leads from one to the other, by what is alike, and name by name."""
    pairs = [
        (before.get(name, {}).get(rtype), then.get(name, {}).get(rtype))
        for name in NAMES
        for rtype in before.get(name, {}).keys() | then.get(name, {}).keys()
    ]
    changes = [Change(before=old, after=new) for old, new in pairs if not same(old, new)]
    after = applied(before, changes)
    groups = groups_of(changes, before, after, index.shapes)
    owners = dict.fromkeys(owner_of(change) for change in changes)
    alone = [
        group_of(index.shapes.get(name), form_of(before.get(name)), form_of(after.get(name)), [name]) for name in owners
    ]
    pools = Pools(POOLS)
    return (
        Subject(before=before, after=after, changes=changes, facts=given_, pools=pools, groups=groups),
        EachAlone(before=before, after=after, changes=changes, facts=given_, pools=pools, groups=alone),
    )


@settings(max_examples=300)  # a world has many parts, and fourteen rules are to speak
@given(zones, contents, contents, facts)
def test_every_rule_finds_of_names_that_are_alike_what_it_finds_of_each_alone(
    index: ZoneIndex, before: Content, then: Content, given_: tuple[Inputs, Base]
) -> None:
    together, alone = subjects(index, before, then, Facts(zone=index, inputs=given_[0], base=given_[1]))
    found = findings_on(together)
    assert found == findings_on(alone)
    for finding in found:
        event(finding.rule)
