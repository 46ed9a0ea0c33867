"""Names that are thought through together: what comes of it is what comes of each of them alone."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from hypothesis import example, given
from hypothesis import strategies as st

from planning import managed, pool, standing, zone
from standfast.control.changing import beginning, changing
from standfast.control.desired import desired
from standfast.control.intent import PolicyKind
from standfast.control.members import ENDPOINT_TYPES, Pools, target_of, targets_of
from standfast.control.plan import Content, applied
from standfast.control.pool_view import PoolView
from standfast.control.rules.subject import Group, groups_of
from standfast.control.zone_index import ZoneIndex
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType

NAMES = tuple(f"{label}.example.com." for label in ("a", "b", "c", "d", "e"))
ADDRESSES = ("192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "lb.example.net.")
POOLS: Mapping[str, PoolView] = {
    "a": pool("+192.0.2.1 -192.0.2.2 +2001:db8::1"),
    "b": pool("+198.51.100.1 ?192.0.2.2"),
    "c": pool("+lb.example.net."),
}

written = st.builds(
    lambda name, rtype: RRset(owner=name, rtype=rtype, ttl_s=300, rdatas=(b"\0\0\0\1",)),
    st.sampled_from(NAMES),
    st.sampled_from([int(RRType.A), int(RRType.TXT), int(RRType.MX)]),
)
indexes = st.builds(
    lambda names, records: zone(*names, records=records),
    st.lists(
        st.builds(
            lambda name, order, kind, ttl_s: managed(name, *order, kind=kind, ttl_s=ttl_s),
            st.sampled_from(NAMES),
            st.sampled_from([("a",), ("a", "b"), ("c", "a"), ("gone",)]),
            st.sampled_from(list(PolicyKind)),
            st.sampled_from([60, 300]),
        ),
        unique_by=lambda each: each.name,
    ),
    st.lists(written, max_size=3, unique_by=lambda each: (each.owner, each.rtype)),
)
contents = st.builds(
    lambda held, others: applied(
        {
            name: node
            for each, (addresses, ttl_s) in held.items()
            for name, node in standing(each, *addresses, ttl_s=ttl_s).items()
        },
        [Change(before=None, after=rrset) for rrset in others],
    ),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.tuples(
            st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3, unique=True), st.sampled_from([60, 300])
        ),
    ),
    st.lists(written, max_size=3),
)


def plainly(index: ZoneIndex, content: Content) -> tuple[Sequence[Change], Sequence[Name]]:
    """Return what is to change and which names wait, name by name: what should stand there less what does."""
    changes: list[Change] = []
    waiting: list[Name] = []
    for name in NAMES:
        node, wanted, shape = content.get(name, {}), dict(index.records.get(name, {})), index.shapes.get(name)
        if shape is not None:
            wanted = {rtype: rrset for rtype, rrset in wanted.items() if rtype not in ENDPOINT_TYPES}
            for rtype, rdatas in (targets := desired(shape, targets_of(node), Pools(POOLS))):
                wanted[rtype] = RRset(owner=name, rtype=rtype, ttl_s=shape.ttl_s, rdatas=rdatas)
            if not targets:
                waiting.append(name)
        pairs = [(node.get(rtype), wanted.get(rtype)) for rtype in node.keys() | wanted.keys()]
        changes.extend(Change(before=before, after=after) for before, after in pairs if before != after)
    return changes, waiting


def in_order(changes: Sequence[Change]) -> list[Change]:
    return sorted(changes, key=repr)


def ways(groups: Sequence[Group]) -> set[tuple[object, ...]]:
    """Return the groups name by name."""
    return {
        (name, group.shape, group.before, group.after, group.stood, group.stands)
        for group in groups
        for name in group.names
    }


@given(indexes, contents)
def test_names_that_are_alike_change_as_each_of_them_does_alone(index: ZoneIndex, content: Content) -> None:
    made, (changes, waiting) = changing(index, NAMES, content, Pools(POOLS)), plainly(index, content)
    assert in_order(made.changes) == in_order(changes)
    assert list(made.waiting) == waiting


@given(indexes, contents)
def test_the_groups_that_are_planned_are_those_that_the_changes_make(index: ZoneIndex, content: Content) -> None:
    made = changing(index, NAMES, content, Pools(POOLS))
    after = applied(content, made.changes)
    assert ways(made.groups) == ways(groups_of(made.together, content, after, index.shapes))
    names: list[Name] = [name for group in made.groups for name in group.names]
    assert len(names) == len(set(names))


@given(indexes)
def test_a_zone_of_which_nothing_stands_begins_as_its_names_do(index: ZoneIndex) -> None:
    begun, made = beginning(index, Pools(POOLS)), changing(index, NAMES, {}, Pools(POOLS))
    assert (in_order(begun.changes), begun.waiting) == (in_order(made.changes), made.waiting)
    assert ways(begun.groups) == ways(made.groups)


@given(st.text("0123456789. +-_x", max_size=16) | st.ip_addresses(v=4).map(str))
@example("1.2.3.99999999999999999999")
@example("1.2.3.\u0664")
@example("1.2.3")
@example("1.2.3.4.5")
def test_an_address_is_read_as_the_library_reads_it(text: str) -> None:
    try:
        packed: bytes | None = IPv4Address(text).packed
    except ValueError:
        packed = None
    try:
        rtype, data = target_of(text)
    except Exception:  # no name either
        assert packed is None
        return
    assert (data if rtype == RRType.A else None) == packed
