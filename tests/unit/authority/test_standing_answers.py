"""What an authority has prepared: the very octets of the slow way, for every name and after every change."""

import struct

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from standfast.authority.diff import apply, difference
from standfast.authority.lookup import trace
from standfast.authority.voided import names_touched
from standfast.authority.zone import Zone
from standfast.dns.codec import decode_query, encode_response
from standfast.dns.model import Name, Query, RRType
from standfast.dns.standing import ANSWER_OCTETS, SHARED_LABELS_MAX, SHARED_MAX, Made, StandingAnswers
from standfast.dns.wire import name_from_text
from zones import HEAD, UNFIT, UNFIT_LINES, draft, unfit, zone

ORIGIN = "example.org."


class Authority:
    """Zones, and what was prepared of them."""

    def __init__(self, *zones: Zone, octets_max: int = 1 << 20) -> None:
        self.zones = {each.origin: each for each in zones}
        self.answers = StandingAnswers(octets_max)
        self.answers.begin(self.zones)

    def slow(self, wire: bytes) -> tuple[bytes, Made] | None:
        query = decode_query(wire)
        if not isinstance(query, Query):
            return None
        reply, made = trace(self.zones, query)
        return encode_response(query, reply, recursion=False), made

    def ask(self, wire: bytes) -> bool:
        """See that the fast way gives what the slow one does, or nothing; say whether it gave something."""
        fast, slow = self.answers.get(wire, 0.0), self.slow(wire)
        assert fast is None or (slow is not None and fast == slow[0])
        if fast is None and slow is not None:
            self.answers.put_made(wire, *slow, 0.0)
        return fast is not None

    def change(self, new: Zone) -> frozenset[Name] | None:
        """Serve `new` in the place of the zone with the same origin; return the names that this touched."""
        old = self.zones[new.origin]
        changes = difference(old, new)
        after = apply(old, changes)  # the order of records is no difference
        touched = names_touched(old, after, changes)
        self.zones[new.origin] = after
        if touched is None:
            self.answers.clear()
        else:
            self.answers.void(new.origin, touched)
        return touched


def wire_of(
    name: Name | bytes, rtype: int = RRType.A, *, qid: int = 7, flags: int = 0, payload: int = 0, do: bool = False
) -> bytes:
    octets = name_from_text(name) if isinstance(name, str) else name
    opt = struct.pack("!BHHIH", 0, RRType.OPT, payload, do << 15, 0) if payload else b""
    return struct.pack("!6H", qid, flags, 1, 0, 0, payload > 0) + octets + struct.pack("!2H", rtype, 1) + opt


_LABELS = st.one_of(
    st.sampled_from(
        [b"a", b"b", b"c", b"d", b"x", b"y", b"zz", b"*", b"ns", b"hostmaster", b"example", b"aa", b"a\0b"]
    ),
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b"q" * 63, b"\x01a", b".", b"\\", b"a.b", b"\0", b"\0A", b"A\0"]),
)
_SUFFIXES = st.sampled_from([ORIGIN, ORIGIN, "b.example.org.", "b.example.org.", "example.net.", "org.", "."])


def _name(labels: list[bytes], suffix: Name, *, upper: bool) -> bytes:
    octets = b"".join(bytes((len(label),)) + label for label in labels) + name_from_text(suffix)
    return octets.upper() if upper else octets


_NAMES = st.builds(_name, st.lists(_LABELS, max_size=SHARED_LABELS_MAX + 1), _SUFFIXES, upper=st.booleans()).filter(
    lambda octets: len(octets) <= 255
)
_FORMS = st.fixed_dictionaries(
    {
        "rtype": st.sampled_from([1, 1, 1, 2, 5, 6, 15, 16, 28, 39, 43, 46, 47, 64, 255]),
        "flags": st.sampled_from([0, 0x0100, 0x0110]),
        "payload": st.sampled_from([0, 0, 1232, 1232, 512]),
        "do": st.booleans(),
    }
)
# Many names in few forms, or they would have nothing in common.
_QUERIES = st.builds(
    lambda names, forms: [wire_of(name, qid=len(name), **form) for name in names for form in forms],
    st.lists(_NAMES, min_size=8, max_size=24, unique=True),
    st.lists(_FORMS, min_size=1, max_size=2),
)


def child(lines: str = "") -> Zone:
    return zone("a A 192.0.2.7\n*.d CNAME a.example.org.\n" + lines, origin="b.example.org.")


def net(lines: str = "") -> Zone:
    return zone("far A 192.0.2.8\n* MX 5 far\n" + lines, origin="example.net.")


@settings(max_examples=200, deadline=None)
@given(UNFIT, st.booleans(), _QUERIES)
def test_the_fast_way_gives_the_very_octets_of_the_slow_one(of: Zone, has_child: bool, queries: list[bytes]) -> None:
    authority = Authority(of, net(), *([child()] if has_child else []))
    for wire in queries * 2:
        event(f"fast: {authority.ask(wire)}")


@settings(max_examples=200, deadline=None)
@given(UNFIT_LINES, st.sets(st.integers(0, 15), max_size=2), UNFIT_LINES, _QUERIES)
def test_after_any_change_no_prepared_answer_differs_from_that_of_the_slow_way(
    lines: list[str], gone: set[int], more: list[str], queries: list[bytes]
) -> None:
    authority = Authority(unfit(lines), net(), child())
    for wire in queries:
        authority.ask(wire)
    kept = [line for number, line in enumerate(lines) if number not in gone]
    for come in ([], more[:1], more[1:3], more):
        event(f"structural: {authority.change(unfit(kept + come)) is None}")
        event(f"kept: {len(authority.answers) > 0}")
        for wire in queries:
            authority.ask(wire)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), _QUERIES)
def test_octets_that_are_no_query_get_nothing_from_what_was_prepared(octets: bytes, queries: list[bytes]) -> None:
    authority = Authority(zone("a A 192.0.2.1\n*.d TXT x\nc NS ns.c\nns.c A 192.0.2.2\n"), net())
    for wire in queries:
        authority.ask(wire)
        at = len(octets) % len(wire)
        for hostile in (octets, wire[:at], wire[:at] + octets, wire[:at] + octets + wire[at + len(octets) :]):
            authority.ask(hostile)


def plain(count: int = 200, *, serial: int = 1, changed: str = "") -> Zone:
    lines = [f"n{number} A 192.0.2.{number % 250}\n" for number in range(count)]
    text = "".join(lines).replace("n7 A 192.0.2.7\n", changed or "n7 A 192.0.2.7\n")
    text += "mail MX 1 n7\nalias CNAME n7\n*.w A 192.0.2.9\nsub NS ns.sub\nns.sub A 192.0.2.3\n"
    return draft("$TTL 3600\n" + HEAD.replace(" 1 3600", f" {serial} 3600") + text).zone()


def test_a_change_at_one_name_leaves_the_prepared_answers_of_all_others() -> None:
    authority = Authority(plain())
    wires = [wire_of(f"n{number}.example.org.") for number in range(200)]
    wires += [wire_of("mail.example.org.", RRType.MX), wire_of("alias.example.org.")]
    for wire in wires:
        authority.ask(wire)
    assert authority.change(plain(serial=2, changed="n7 A 192.0.2.77\n")) == frozenset({ORIGIN, "n7.example.org."})
    assert [number for number, wire in enumerate(wires) if not authority.ask(wire)] == [7, 200, 201]
    assert all(authority.ask(wire) for wire in wires)


def test_a_name_that_comes_ends_its_own_denial_and_those_with_the_old_serial() -> None:
    authority = Authority(plain())
    denied = [wire_of("new.example.org."), wire_of("old.example.org."), wire_of("n1.example.org.", RRType.TXT)]
    there = wire_of("n1.example.org.")
    for wire in [*denied, there]:
        authority.ask(wire)
    assert all(authority.ask(wire) for wire in denied)
    authority.change(plain(serial=2, changed="n7 A 192.0.2.7\nnew A 192.0.2.1\n"))
    assert [authority.ask(wire) for wire in [there, *denied]] == [True, False, False, False]
    assert [authority.ask(wire) for wire in [there, *denied]] == [True] * 4


def test_what_many_names_get_alike_is_kept_once_and_given_to_those_never_seen() -> None:
    authority = Authority(plain())
    for suffix in ("example.org.", "w.example.org.", "sub.example.org.", "example.com."):
        assert not authority.ask(wire_of(f"aaaa.{suffix}"))
        assert not authority.ask(wire_of(f"aa.aaaaaa.{suffix}"))
        for label in ("bbbb", "BbBb", "c\\.cc", "d\\000dd", "\\255\\255\\255\\255"):
            assert authority.ask(wire_of(f"{label}.{suffix}", qid=9))
        assert authority.ask(wire_of(f"xx.yyyyyy.{suffix}")) == (suffix != "example.com.")
    assert not authority.ask(wire_of("n10.example.org.", RRType.TXT))
    assert authority.ask(wire_of("n11.example.org.", RRType.TXT))
    assert (authority.answers.shared, len(authority.answers)) == (10, 0)


def test_a_label_that_the_answer_spells_gets_an_answer_of_its_own() -> None:
    authority = Authority(plain())
    assert not authority.ask(wire_of("hostmestar.example.org."))
    assert not authority.ask(wire_of("hostmaster.example.org."))  # the SOA names it, and then points to the question
    assert authority.ask(wire_of("hostmaster.example.org."))
    assert authority.ask(wire_of("hostmister.example.org."))
    assert (authority.answers.shared, len(authority.answers)) == (1, 1)


def test_a_zone_of_ones_own_below_another_is_no_name_like_the_rest() -> None:
    authority = Authority(plain(), zone("", origin="zone.example.org."), zone("", origin="x.deep.example.org."))
    assert not authority.ask(wire_of("aaaa.example.org."))
    assert not authority.ask(wire_of("zone.example.org."))
    assert not authority.ask(wire_of("deep.example.org."))
    assert authority.ask(wire_of("eeee.example.org."))


def test_prepared_answers_take_no_more_memory_than_they_may_and_the_oldest_go() -> None:
    each = ANSWER_OCTETS + 200
    authority = Authority(plain(), octets_max=100 * each)
    for number in range(200):
        authority.ask(wire_of(f"n{number}.example.org."))
    assert 100 <= len(authority.answers) < 200
    assert authority.answers.octets <= 100 * each
    assert not authority.ask(wire_of("n0.example.org."))
    assert authority.ask(wire_of("n199.example.org."))
    authority.change(plain(serial=2, changed="n7 TXT x\n"))
    authority.answers.void(ORIGIN, {f"n{number}.example.org." for number in range(200)})
    assert (len(authority.answers), authority.answers.octets) == (0, 0)


def test_shared_answers_are_bounded_too() -> None:
    authority = Authority(plain())
    for payload in range(SHARED_MAX + 10):
        authority.ask(wire_of("aaaa.example.org.", payload=payload))
    assert authority.answers.shared <= SHARED_MAX


def test_a_zero_within_a_label_is_no_end_of_the_name() -> None:
    authority = Authority(zone("a\\000b A 192.0.2.1\n"))
    assert not authority.ask(wire_of("xyz.example.org."))
    assert not any(authority.ask(wire_of(f"{label}.example.org.")) for label in ("a\\000b", "a\\000B", "A\\000b"))
    assert authority.ask(wire_of("a\\000C.example.org."))


def test_what_is_no_label_is_none_of_a_name_that_is_alike() -> None:
    authority = Authority(zone(""))
    suffix = name_from_text(ORIGIN)
    assert not authority.ask(wire_of(b"\x3f" + b"a" * 63 + b"\x10" + b"b" * 16 + suffix))
    assert authority.ask(wire_of(b"\x10" + b"a" * 16 + b"\x3f" + b"b" * 63 + suffix))
    assert not authority.ask(wire_of(b"\x40" + b"a" * 64 + b"\x0f" + b"b" * 15 + suffix))  # as long in all


def test_a_name_that_comes_below_a_wildcard_or_in_the_place_of_a_lack_gets_its_own_answer() -> None:
    authority = Authority(plain())
    wild, lack = [wire_of(f"{label}.w.example.org.") for label in ("aaa", "new")], wire_of("n8.example.org.", RRType.MX)
    assert [authority.ask(wire) for wire in wild] == [False, True]
    assert [authority.ask(wire_of("n9.example.org.", RRType.MX)), authority.ask(lack)] == [False, True]
    authority.change(plain(changed="n7 A 192.0.2.7\nnew.w A 192.0.2.99\nn8 MX 1 n9\n"))  # with the serial as it was
    assert [authority.ask(wire) for wire in [*wild, lack]] == [False, False, False]


def test_who_lacks_a_type_is_not_who_has_an_alias_or_is_a_delegation() -> None:
    authority = Authority(zone("a A 192.0.2.1\nb CNAME a\nc NS ns.c\nns.c A 192.0.2.2\nd.d A 192.0.2.3\n"))
    asked = [authority.ask(wire_of(f"{label}.example.org.", RRType.TXT)) for label in "abcd"]
    assert asked == [False, False, False, True]


def test_a_denial_that_is_proven_belongs_to_the_name() -> None:
    signed = draft("$TTL 3600\n" + HEAD + "@ NSEC f SOA NS NSEC\nf A 192.0.2.1\nf NSEC @ A NSEC\n").zone()
    authority = Authority(signed)
    for payload, do in ((0, False), (1232, False), (1232, True)):
        asked = [authority.ask(wire_of(f"{label}.example.org.", payload=payload, do=do)) for label in ("b", "x", "b")]
        assert asked == [False, not do, True]


@pytest.mark.parametrize(
    ("qname", "rtype", "names"),
    [
        ("a", RRType.A, {"a"}),
        ("a", RRType.TXT, {"a", ""}),
        ("x.y", RRType.A, {"y", "*", ""}),
        ("x.b.c", RRType.A, {"x.b.c", "b.c", "*.b.c", ""}),
        ("x.y.w", RRType.MX, {"y.w", "*.w", "a"}),
        ("x.w", RRType.A, {"x.w", "*.w", ""}),
        ("x.sub", RRType.A, {"sub", "ns.sub", "gone"}),
        ("al", RRType.A, {"al", "a"}),
        ("q.d", RRType.A, {"d", "q.e"}),
        ("s", RRType.SRV, {"s", "gone"}),
    ],
)
def test_an_answer_is_made_of_all_names_that_were_looked_at_there_or_not(
    qname: str, rtype: int, names: set[str]
) -> None:
    authority = Authority(
        draft(
            "$TTL 3600\n" + HEAD + "a A 192.0.2.1\na.b.c A 192.0.2.2\n*.w MX 1 a\nsub NS ns.sub\nsub NS gone\n"
            "ns.sub A 192.0.2.3\nal CNAME a\nd DNAME e\nq.e A 192.0.2.4\ns SRV 1 1 1 gone\n"
        ).zone()
    )
    slow = authority.slow(wire_of(f"{qname}.example.org.", rtype))
    assert slow is not None
    assert {name.removesuffix("example.org.").rstrip(".") for name in slow[1].names} == names
