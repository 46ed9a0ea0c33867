"""What answers AXFR and IXFR: which records, in which order, in which messages."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.xfr
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.authority.diff import apply, difference
from standfast.authority.journal import Journal, delta_of
from standfast.authority.transfer_out import (
    MESSAGE_OCTETS,
    Form,
    Outgoing,
    serial_asked_for,
    since,
    since_by_datagram,
    whole,
)
from standfast.authority.zone import Zone
from standfast.dns.codec import RD
from standfast.dns.model import RRset, RRType
from standfast.dns.requests import Request, message, question_octets, raws, read_request
from standfast.dns.tsig import TsigKey, sign
from zones import draft, zone

ORIGIN = "example.org."
KEY = TsigKey(name="key.example.", algorithm="hmac-sha512", secret=bytes(32))
Line = str
SIZE_MAX = 1232


def at(serial: int, text: str = "") -> Zone:
    """Return the zone of `text` with this serial."""
    head = f"$TTL 3600\n@ SOA ns hostmaster {serial} 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
    return draft(head + text).zone()


def history(*zones: Zone) -> Journal:
    """Return the journal of a zone that was each of `zones` in turn."""
    journal = Journal()
    for old, new in pairwise(zones):
        delta = delta_of(old.serial, new.serial, tuple(difference(old, new)))
        journal.add(delta, zone_records=1000)
    return journal


def asked(
    qtype: int = RRType.AXFR,
    *,
    serial: int | None = None,
    flags: int = 0,
    edns: bool = False,
    key: TsigKey | None = None,
    qname: str = ORIGIN,
) -> Request:
    """Return a request as it is read."""
    authority = list(raws(at(serial).soa)) if serial is not None else []
    opt = b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0) if edns else b""
    wire = message(id_=7, flags=flags, question=question_octets(qname, qtype), authority=authority, opt=opt)
    if key is not None:
        wire = sign(wire, key, now=0).wire
    found = read_request(wire, {KEY.name: KEY}, now=0)
    assert isinstance(found, Request)
    return found


def lines(outgoing: Outgoing) -> list[Line]:
    """Return all records of an answer, in order, the SOA as its serial alone."""
    return [
        f"SOA {rdata.serial}" if rrset.rdtype == dns.rdatatype.SOA else f"{rrset.name} {rrset.ttl} {rdata.to_text()}"
        for wire in outgoing.messages
        for rrset in dns.message.from_wire(wire, one_rr_per_rrset=True).answer
        for rdata in rrset
    ]


def records(rrsets: Iterable[RRset]) -> set[tuple[str, int, int, bytes]]:
    return {(r.owner, r.rtype, r.ttl_s, data) for r in rrsets for data in r.rdatas}


# All of it


HARD = """
www 60 A 192.0.2.1
www 60 A 192.0.2.2
cut NS ns.cut
ns.cut A 192.0.2.3
cut DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
dn DNAME target.example.net.
a.b.c.d TXT "x"
*.wild MX 10 www
odd TYPE65280 \\# 3 010203
www 60 RRSIG A 13 3 60 20300101000000 20200101000000 1 example.org. AAAA
"""


def test_axfr_is_every_record_between_two_soas_glue_and_what_is_hidden_too() -> None:
    served = at(5, HARD)
    below = zone("x.dn A 192.0.2.9\n").nodes["x.dn.example.org."]
    hidden = replace(served, nodes={**served.nodes, "x.dn.example.org.": below})
    found = lines(whole(asked(), hidden))
    assert (found[0], found[-1]) == ("SOA 5", "SOA 5")
    assert len(found) == len(set(found)) + 1
    assert len(found) == len(records(hidden.rrsets())) + 1
    for line in (
        "ns.cut.example.org. 3600 192.0.2.3",
        "x.dn.example.org. 3600 192.0.2.9",
        'a.b.c.d.example.org. 3600 "x"',
        "odd.example.org. 3600 \\# 3 010203",
        "www.example.org. 60 A 13 3 60 20300101000000 20200101000000 1 example.org. AAAA",
    ):
        assert line in found


def test_a_signed_zone_goes_with_its_signatures_and_nsec3_records() -> None:
    text = (
        "@ NSEC3PARAM 1 0 0 -\n"
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A\n"
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom RRSIG NSEC3 13 3 60 20300101000000 20200101000000 1 example.org. AAAA\n"
    )
    served = at(5, text)
    assert served.nsec3
    found = [line for line in lines(whole(asked(), served)) if line.startswith("0p9m")]
    assert len(found) == 2


def test_header_question_and_edns_of_each_message_are_as_asked() -> None:
    served = at(5, "".join(f"n{number} A 192.0.2.1\n" for number in range(3000)))
    messages = [dns.message.from_wire(wire) for wire in whole(asked(flags=RD, edns=True), served).messages]
    assert len(messages) > 2
    for each in messages:
        assert each.id == 7
        assert each.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD
        assert each.question[0].to_text() == "example.org. IN AXFR"
        assert not each.authority
    assert [each.edns for each in messages] == [0] + [-1] * (len(messages) - 1)
    (plain,) = whole(asked(), at(5)).messages
    assert dns.message.from_wire(plain).edns == -1
    assert not dns.message.from_wire(plain).flags & dns.flags.RD


def test_messages_hold_many_records_and_leave_room_for_a_signature() -> None:
    served = at(5, "".join(f"n{number} TXT {'x' * 200}\n" for number in range(500)))
    sizes = [len(wire) for wire in whole(asked(key=KEY), served).messages]
    assert all(MESSAGE_OCTETS - 512 < size <= MESSAGE_OCTETS for size in sizes[:-1])
    large = at(5, f"n TYPE65280 \\# 65300 {'00' * 65300}\n")
    assert max(len(wire) + KEY.octets for wire in whole(asked(key=KEY), large).messages) <= 65_535


def test_a_stream_is_made_as_it_is_read_and_of_the_zone_that_it_was_begun_with() -> None:
    served = at(5, "".join(f"n{number} A 192.0.2.1\n" for number in range(3000)))
    read = []

    class Watched(Zone):
        __slots__ = ()

        def rrsets(self) -> Iterator[RRset]:
            for rrset in super().rrsets():
                read.append(rrset.owner)
                yield rrset

    watched = Watched(**{name: getattr(served, name) for name in Zone.__slots__})
    outgoing = whole(asked(), watched)
    assert read == []
    next(outgoing.messages)
    assert 100 < len(read) < 1500


# Differences


def test_ixfr_is_the_differences_one_after_the_other_each_behind_its_soa() -> None:
    first, second, third = (
        at(1, "www A 192.0.2.1\nwww A 192.0.2.2\nttl 60 A 192.0.2.5\n"),
        at(2, "www A 192.0.2.2\nwww A 192.0.2.3\nttl 61 A 192.0.2.5\n"),
        at(3, "www A 192.0.2.2\nwww A 192.0.2.3\nmail A 192.0.2.4\n"),
    )
    journal = history(first, second, third)
    outgoing = since(1, asked(RRType.IXFR, serial=1), third, journal)
    assert outgoing.form is Form.DIFFERENCES
    assert lines(outgoing) == [
        "SOA 3",
        "SOA 1",
        "www.example.org. 3600 192.0.2.1",
        "ttl.example.org. 60 192.0.2.5",
        "SOA 2",
        "www.example.org. 3600 192.0.2.3",
        "ttl.example.org. 61 192.0.2.5",
        "SOA 2",
        "ttl.example.org. 61 192.0.2.5",
        "SOA 3",
        "mail.example.org. 3600 192.0.2.4",
        "SOA 3",
    ]
    assert lines(since(2, asked(RRType.IXFR, serial=2), third, journal))[:2] == ["SOA 3", "SOA 2"]


@pytest.mark.parametrize("serial", [5, 6, 5 + (1 << 31) - 1], ids=["same", "newer", "newest"])
def test_who_has_the_same_or_a_newer_serial_gets_the_soa_alone(serial: int) -> None:
    outgoing = since(serial, asked(RRType.IXFR, serial=serial), at(5), history(at(4), at(5)))
    assert (outgoing.form, lines(outgoing)) == (Form.SOA, ["SOA 5"])


@pytest.mark.parametrize("serial", [2, 5 + (1 << 31)], ids=["forgotten", "incomparable"])
def test_who_has_a_serial_that_is_not_known_gets_the_whole_zone(serial: int) -> None:
    for journal in (history(at(3), at(4), at(5)), Journal()):
        outgoing = since(serial, asked(RRType.IXFR, serial=serial), at(5), journal)
        assert outgoing.form is Form.ZONE
        assert lines(outgoing) == lines(whole(asked(), at(5)))


def test_a_journal_that_does_not_lead_to_the_zone_as_it_is_is_not_used() -> None:
    outgoing = since(3, asked(RRType.IXFR, serial=3), at(6), history(at(3), at(4), at(5)))
    assert outgoing.form is Form.ZONE


def test_serials_wrap() -> None:
    last, first = at((1 << 32) - 1, "old A 192.0.2.1\n"), at(1, "new A 192.0.2.1\n")
    outgoing = since(last.serial, asked(RRType.IXFR, serial=last.serial), first, history(last, first))
    assert outgoing.form is Form.DIFFERENCES
    assert lines(outgoing) == [
        "SOA 1",
        "SOA 4294967295",
        "old.example.org. 3600 192.0.2.1",
        "SOA 1",
        "new.example.org. 3600 192.0.2.1",
        "SOA 1",
    ]
    assert since(1, asked(RRType.IXFR, serial=1), last, history(first, last)).form is Form.SOA


_TEXT = st.lists(
    st.builds(
        "{} {} {}\n".format,
        st.sampled_from(["www", "a.b", "*.w", "x.y.z", "@"]),
        st.sampled_from([60, 300]),
        st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", 'TXT "x"', "MX 1 ns"]),
    ),
    max_size=8,
).map("".join)


@given(st.lists(_TEXT, min_size=2, max_size=4))
def test_dnspython_makes_our_zone_out_of_the_differences_and_of_the_whole(texts: list[str]) -> None:
    zones = [at(serial, text) for serial, text in enumerate(texts, 1)]
    for rdtype, outgoing, begin in (
        (dns.rdatatype.IXFR, since(1, asked(RRType.IXFR, serial=1), zones[-1], history(*zones)), zones[0]),
        (dns.rdatatype.AXFR, whole(asked(), zones[-1]), None),
    ):
        theirs = dns.zone.Zone(ORIGIN, relativize=False)
        if begin is not None:
            (everything,) = whole(asked(), begin).messages
            with dns.xfr.Inbound(theirs, dns.rdatatype.AXFR) as inbound:
                inbound.process_message(dns.message.from_wire(everything, xfr=True))
        with dns.xfr.Inbound(theirs, rdtype, serial=1 if begin else None) as inbound:
            done = [inbound.process_message(dns.message.from_wire(wire, xfr=True)) for wire in outgoing.messages]
        assert done[-1]
        held = {
            (name.to_text(), int(rdataset.rdtype), rdataset.ttl, rdata.to_wire())
            for name, rdataset in theirs.iterate_rdatasets()
            for rdata in rdataset
        }
        assert held == records(zones[-1].rrsets())
    assert records(apply(zones[0], difference(zones[0], zones[-1])).rrsets()) == records(zones[-1].rrsets())


# By UDP


def test_differences_that_fit_go_by_udp_and_others_are_to_be_fetched_by_tcp() -> None:
    small, large = at(2, "www A 192.0.2.1\n"), at(2, "".join(f"n{number} A 192.0.2.1\n" for number in range(60)))
    request = asked(RRType.IXFR, serial=1, edns=True)
    outgoing = since_by_datagram(1, request, small, history(at(1), small), SIZE_MAX)
    assert outgoing.form is Form.DIFFERENCES
    assert lines(outgoing) == ["SOA 2", "SOA 1", "SOA 2", "www.example.org. 3600 192.0.2.1", "SOA 2"]
    outgoing = since_by_datagram(1, request, large, history(at(1), large), SIZE_MAX)
    assert (outgoing.form, lines(outgoing)) == (Form.SOA, ["SOA 2"])


def test_what_a_client_takes_by_udp_and_a_signature_count() -> None:
    new = at(2, "".join(f"n{number} A 192.0.2.1\n" for number in range(30)))
    journal = history(at(1), new)
    (wire,) = since_by_datagram(1, asked(RRType.IXFR, serial=1, edns=True), new, journal, 1 << 16).messages
    assert 600 < len(wire) < 1100
    for request, size_max, form in (
        (asked(RRType.IXFR, serial=1), SIZE_MAX, Form.SOA),  # 512 octets
        (asked(RRType.IXFR, serial=1, edns=True), len(wire), Form.DIFFERENCES),
        (asked(RRType.IXFR, serial=1, edns=True), len(wire) - 1, Form.SOA),
        (asked(RRType.IXFR, serial=1, edns=True, key=KEY), len(wire) + KEY.octets, Form.DIFFERENCES),
        (asked(RRType.IXFR, serial=1, edns=True, key=KEY), len(wire) + KEY.octets - 1, Form.SOA),
    ):
        assert since_by_datagram(1, request, new, journal, size_max).form is form


@pytest.mark.parametrize("serial", [0, 2, 3], ids=["unknown", "same", "newer"])
def test_by_udp_there_is_never_a_whole_zone(serial: int) -> None:
    outgoing = since_by_datagram(serial, asked(RRType.IXFR, serial=serial), at(2), history(at(1), at(2)), SIZE_MAX)
    assert (outgoing.form, lines(outgoing)) == (Form.SOA, ["SOA 2"])


# What is asked


def test_the_serial_of_a_client_is_that_of_the_soa_in_its_authority_section() -> None:
    assert serial_asked_for(asked(RRType.IXFR, serial=4_000_000_000)) == 4_000_000_000
    assert serial_asked_for(asked(RRType.IXFR)) is None
    assert serial_asked_for(asked(RRType.IXFR, serial=3, qname="example.net.")) is None
