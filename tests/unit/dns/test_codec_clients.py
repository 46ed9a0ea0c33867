"""What a client gets, octet for octet: flags, letter case, size and truncation."""

from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from standfast.dns.codec import encode_response, rrset_from_text
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRset, RRType

QUESTION: Final = Question("www.example.org.", RRType.A)
QUERY: Final = Query(id=7, question=QUESTION, cased_qname="wWw.eXample.ORG.")
ADDRESSES: Final = rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1", "192.0.2.2"])


def test_the_question_comes_back_in_the_clients_letters() -> None:
    wire = encode_response(QUERY, Reply(rcode=Rcode.NOERROR, answer=(ADDRESSES,)))
    assert b"\x03wWw\x07eXample\x03ORG\x00" in wire
    assert dns.message.from_wire(wire).answer[0].name.to_text() == "wWw.eXample.ORG."


@pytest.mark.parametrize(("rd", "cd"), [(True, False), (False, True)])
def test_rd_and_cd_are_copied_ra_is_set_and_aa_is_not(rd: bool, cd: bool) -> None:
    query = Query(id=7, question=QUESTION, cased_qname="www.example.org.", rd=rd, cd=cd)
    flags = dns.message.from_wire(encode_response(query, Reply(rcode=Rcode.NOERROR))).flags
    assert flags == dns.flags.QR | dns.flags.RA | (dns.flags.RD if rd else 0) | (dns.flags.CD if cd else 0)


def test_a_client_without_edns_never_takes_an_extended_code_for_success() -> None:
    assert dns.message.from_wire(encode_response(QUERY, Reply(rcode=16))).rcode() == dns.rcode.SERVFAIL


def test_an_extended_error_loses_its_text_before_the_answer_loses_its_records() -> None:
    texts = [f'"{"x" * 200}"' for _ in range(1)] + ['"' + "y" * 120 + '"']
    answer = rrset_from_text("www.example.org.", RRType.TXT, 60, texts)
    query = Query(id=7, question=QUESTION, cased_qname="www.example.org.", edns=True)
    errors = (ExtendedError(code=3, text="z" * 150),)
    read = dns.message.from_wire(encode_response(query, Reply(rcode=0, answer=(answer,), errors=errors)))
    assert not read.flags & dns.flags.TC
    assert len(read.answer[0]) == 2
    (option,) = read.options
    assert isinstance(option, dns.edns.EDEOption)
    assert (option.code, option.text) == (3, None)


def test_what_does_not_fit_a_datagram_is_cut_whole_and_fits_tcp() -> None:
    many = rrset_from_text("www.example.org.", RRType.A, 60, [f"192.0.2.{i}" for i in range(200)])
    cut = dns.message.from_wire(encode_response(QUERY, Reply(rcode=0, answer=(many,), ad=True)))
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    whole = dns.message.from_wire(encode_response(QUERY, Reply(rcode=0, answer=(many,)), tcp=True))
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 200


def test_what_does_not_even_fit_tcp_is_a_failure() -> None:
    huge = RRset(owner="www.example.org.", rtype=65_280, ttl_s=1, rdatas=(b"a" * 40_000, b"b" * 40_000))
    read = dns.message.from_wire(encode_response(QUERY, Reply(rcode=0, answer=(huge,), aa=True), tcp=True))
    assert read.rcode() == dns.rcode.SERVFAIL
    assert not read.flags & dns.flags.AA
    assert not read.answer


def test_an_extended_errors_text_is_cut_between_letters() -> None:
    query = Query(id=7, question=QUESTION, cased_qname="www.example.org.", edns=True, payload_max=1232)
    reply = Reply(rcode=0, errors=(ExtendedError(code=3, text="€" * 100),))
    (option,) = dns.message.from_wire(encode_response(query, reply)).options
    assert isinstance(option, dns.edns.EDEOption)
    assert option.text == "€" * 85
