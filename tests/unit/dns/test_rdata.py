"""Record data as text for people, and from text for scenarios."""

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.authority.signing import bitmap
from standfast.dns.codec import RdataError, rrset_from_text, rrset_to_text
from standfast.dns.model import RRset, RRType
from standfast.dns.name import BadName
from standfast.dns.rdata import SHAPES


@pytest.mark.parametrize(
    ("rtype", "text"),
    [
        (RRType.A, "192.0.2.1"),
        (RRType.AAAA, "2001:db8::1"),
        (RRType.CNAME, "target.example.org."),
        (RRType.MX, "10 mail.example.org."),
        (RRType.SOA, "ns.example.org. admin.example.org. 1 3600 600 86400 60"),
        (RRType.TXT, '"one" "two; three"'),
        (RRType.SRV, "0 5 5060 sip.example.org."),
        (RRType.HTTPS, '1 . alpn="h2,h3" ipv4hint="192.0.2.1"'),
        (RRType.DS, "12345 13 2 " + "ab" * 32),
        (65_280, r"\# 3 010203"),
    ],
)
def test_text_leads_to_record_data_and_back(rtype: int, text: str) -> None:
    rrset = rrset_from_text("www.Example.org", rtype, 60, [text])
    assert (rrset.owner, rrset.rtype, rrset.ttl_s) == ("www.example.org.", rtype, 60)
    assert rrset_to_text(rrset) == [text]


@settings(deadline=None)
@given(rtype=st.one_of(st.sampled_from(sorted(SHAPES)), st.integers(0, 65_535)), rdata=st.binary(max_size=60))
def test_any_octets_have_a_text(rtype: int, rdata: bytes) -> None:
    (text,) = rrset_to_text(RRset(owner="example.org.", rtype=rtype, ttl_s=0, rdatas=(rdata,)))
    assert text.isprintable()


def test_the_same_record_twice_is_one_record() -> None:
    assert len(rrset_from_text("example.org.", RRType.A, 60, ["192.0.2.1", "192.0.2.1"]).rdatas) == 1


@pytest.mark.parametrize(
    ("rtype", "text"),
    [(RRType.A, "192.0.2.256"), (RRType.AAAA, "192.0.2.1"), (RRType.MX, "mail"), (RRType.A, r"\# 3 010203")],
)
def test_a_text_that_is_no_record_data_is_refused_with_its_reason(rtype: int, text: str) -> None:
    with pytest.raises(RdataError) as caught:
        rrset_from_text("example.org.", rtype, 60, [text])
    assert (caught.value.rtype, caught.value.text) == (rtype, text)
    assert caught.value.reason


def test_an_owner_that_is_no_name_is_refused() -> None:
    with pytest.raises(BadName):
        rrset_from_text("a..b", RRType.A, 60, ["192.0.2.1"])


NAMES = st.lists(st.binary(min_size=1, max_size=5), max_size=3).map(
    lambda labels: b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
)
BITMAPS = st.lists(st.integers(1, 600), min_size=1, max_size=6).map(bitmap)
SHAPED = {
    RRType.A: st.binary(min_size=4, max_size=4),
    RRType.AAAA: st.binary(min_size=16, max_size=16),
    RRType.NS: NAMES,
    RRType.DNAME: NAMES,
    RRType.RRSIG: st.tuples(st.binary(min_size=18, max_size=18), NAMES, st.binary(max_size=70)).map(b"".join),
    RRType.NSEC: st.tuples(NAMES, BITMAPS).map(b"".join),
}


@pytest.mark.parametrize("rtype", SHAPED)
@given(data=st.data())
def test_text_of_the_commonest_types_is_that_of_another_implementation(rtype: RRType, data: st.DataObject) -> None:
    rdata = data.draw(SHAPED[rtype] | st.binary(max_size=40))
    (ours,) = rrset_to_text(RRset(owner="x.", rtype=rtype, ttl_s=1, rdatas=(rdata,)))
    try:
        theirs = dns.rdata.from_wire(
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), rdata, 0, len(rdata)
        ).to_text()
    except Exception:  # whatever octets of another shape make it raise
        assert ours == f"\\# {len(rdata)} {rdata.hex()}".rstrip()
        return
    assert "".join(ours.split()) == "".join(theirs.split())  # signatures come in one piece
