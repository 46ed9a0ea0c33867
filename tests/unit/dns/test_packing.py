"""Messages full of records: all of them, in order, as small as they are to be, letters as they were."""

import struct

import dns.message
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import MESSAGE_MAX
from standfast.dns.model import Name, RRset
from standfast.dns.name import name_from_wire
from standfast.dns.packing import pack
from standfast.dns.rdata import rrset_from_text
from standfast.dns.wire import WireError, name_from_text

QUESTION = name_from_text("example.org.") + struct.pack("!2H", 252, 1)
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)

_NAMES = st.sampled_from(
    [
        ".",
        "example.org.",
        "www.example.org.",
        "a.b.www.example.org.",
        "*.example.org.",
        "net.",
        "x.net.",
        "\\..example.org.",
    ]
)
_RRSETS = st.one_of(
    st.builds(
        lambda owner, last: rrset_from_text(owner, 1, 60, [f"192.0.2.{each}" for each in last]),
        _NAMES,
        st.lists(st.integers(0, 255), min_size=1, max_size=5),
    ),
    st.builds(lambda owner, target: rrset_from_text(owner, 15, 300, [f"10 {target}"]), _NAMES, _NAMES),
    st.builds(lambda owner, target: rrset_from_text(owner, 33, 300, [f"1 2 3 {target}"]), _NAMES, _NAMES),
    st.builds(lambda owner, t: rrset_from_text(owner, 6, 9, [f"{t} {t} 1 2 3 4 5"]), _NAMES, _NAMES),
    st.builds(lambda owner, octets: RRset(owner=owner, rtype=65280, ttl_s=1, rdatas=(octets,)), _NAMES, st.binary()),
)


def packed(rrsets: list[RRset], *, octets: int, opt: bytes = b"", octets_max: int = MESSAGE_MAX) -> list[bytes]:
    return list(
        pack(rrsets, head=(7, 0x8400), question=QUESTION, opt=opt, octets=octets, octets_max=octets_max),
    )


def records(messages: list[bytes]) -> list[tuple[Name, int, int, bytes]]:
    """Return all records of all messages, in order, as dnspython reads them."""
    return [
        (rrset.name.to_text(), int(rrset.rdtype), rrset.ttl, rdata.to_wire() or b"")
        for wire in messages
        for rrset in dns.message.from_wire(wire, one_rr_per_rrset=True).answer
        for rdata in rrset
    ]


@given(st.lists(_RRSETS, max_size=40), st.integers(100, 3000), st.sampled_from([b"", OPT]))
def test_all_records_are_there_in_order_whatever_the_size_of_the_messages(
    rrsets: list[RRset], octets: int, opt: bytes
) -> None:
    messages = packed(rrsets, octets=octets, opt=opt)
    assert records(messages) == [(r.owner, r.rtype, r.ttl_s, data) for r in rrsets for data in r.rdatas]
    for wire in messages:
        assert len(wire) <= octets or len(records([wire])) == 1
        assert wire[12 : 12 + len(QUESTION)] == QUESTION
    assert [wire.endswith(OPT) for wire in messages] == [opt != b""] + [False] * (len(messages) - 1)


def test_names_are_compressed_letter_for_letter() -> None:
    (message,) = packed(
        [rrset_from_text("www.example.org.", 15, 300, ["1 a.example.org.", "2 A.Example.org."])], octets=4096
    )
    assert message.count(b"\x07example") == 1  # in the question
    assert message.count(b"\x07Example") == 1
    assert [name_from_wire(data[2:]) for *_, data in records([message])] == ["a.example.org."] * 2
    assert [data[2:4] for *_, data in records([message])] == [b"\x01a", b"\x01A"]


def test_a_question_in_other_letters_does_not_lend_them_to_the_records() -> None:
    question = QUESTION.replace(b"example", b"eXample")
    (message,) = pack(
        [rrset_from_text("example.org.", 1, 300, ["192.0.2.1"])],
        head=(7, 0x8400),
        question=question,
        opt=b"",
        octets=512,
        octets_max=512,
    )
    assert records([message])[0][0] == "example.org."


def test_a_record_larger_than_a_message_is_to_be_has_one_of_its_own() -> None:
    small = rrset_from_text("www.example.org.", 1, 60, ["192.0.2.1"])
    large = RRset(owner="www.example.org.", rtype=65280, ttl_s=1, rdatas=(bytes(2000),))
    assert [len(records([each])) for each in packed([small, small, large, small], octets=512)] == [2, 1, 1]


def test_a_record_that_no_message_holds_is_an_error() -> None:
    with pytest.raises(WireError, match="does not fit"):
        packed(
            [RRset(owner="www.example.org.", rtype=65280, ttl_s=1, rdatas=(bytes(2000),))], octets=512, octets_max=1999
        )


def test_no_pointer_leads_beyond_what_one_can_reach() -> None:
    rrsets = [rrset_from_text(f"n{number}.example.org.", 5, 60, [f"t{number}.example.net."]) for number in range(5000)]
    messages = packed(rrsets, octets=MESSAGE_MAX)
    assert len(messages) > 1
    assert len(records(messages)) == 5000


def test_messages_are_made_when_they_are_asked_for() -> None:
    taken = []

    def endless() -> object:
        number = 0
        while True:
            taken.append(number)
            yield rrset_from_text("www.example.org.", 1, 60, ["192.0.2.1"])
            number += 1

    messages = pack(endless(), head=(7, 0), question=QUESTION, opt=b"", octets=512, octets_max=512)  # type: ignore[arg-type]
    next(messages)
    assert len(taken) < 40


def test_the_zone_of_the_root_has_its_names() -> None:
    rrsets = [rrset_from_text(owner, 2, 60, ["a.nic.example."]) for owner in (".", "org.", "net.", ".")]
    (message,) = pack(rrsets, head=(7, 0), question=b"\0\0\xfc\0\1", opt=b"", octets=512, octets_max=512)
    assert [owner for owner, *_ in records([message])] == [".", "org.", "net.", "."]
