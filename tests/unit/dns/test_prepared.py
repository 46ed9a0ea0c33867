"""Prepared answers: the same octets as the slow way gives, for as long as they are right, and no longer."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import decode_query, encode_outbound, encode_response, rrset_from_text
from standfast.dns.exchange import Outbound
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRType
from standfast.dns.prepared import PreparedAnswers
from standfast.guard.cache import aged

NAME = "www.example.org."
TTL_S = 300
REPLY = Reply(
    rcode=Rcode.NOERROR,
    answer=(
        rrset_from_text(NAME, RRType.CNAME, TTL_S, ["Edge.example.net."]),
        rrset_from_text("edge.example.net.", RRType.A, 60, ["192.0.2.1", "192.0.2.2"]),
    ),
)
DENIAL = Reply(
    rcode=Rcode.NXDOMAIN,
    authority=(rrset_from_text("example.org.", RRType.SOA, 900, ["ns.example.org. admin.example.org. 1 2 3 4 900"]),),
    errors=(ExtendedError(code=0, text="words"),),
)


def wire_of(name: str = NAME, *, qid: int = 7, do: bool = False, edns: bool = True, cd: bool = False) -> bytes:
    question = Question(NAME, RRType.A)
    return encode_outbound(Outbound(id=qid, question=question, cased_qname=name, do=do, edns=edns, cd=cd))


def answered(wire: bytes, reply: Reply) -> bytes:
    query = decode_query(wire)
    assert isinstance(query, Query)
    return encode_response(query, reply, size_max=1232)


@given(
    qid=st.integers(0, 0xFFFF),
    upper=st.sets(st.integers(0, len(NAME) - 1)),
    later_s=st.floats(0, 59.9),
    stored_s=st.floats(0, 0.999),
    reply=st.sampled_from([REPLY, DENIAL]),
    do=st.booleans(),
    edns=st.booleans(),
    cd=st.booleans(),
)
def test_the_fast_way_gives_the_octets_that_the_slow_way_gives(
    qid: int, upper: set[int], later_s: float, stored_s: float, reply: Reply, do: bool, edns: bool, cd: bool
) -> None:
    answers = PreparedAnswers()
    first = wire_of(do=do, edns=edns, cd=cd)
    answers.put(first, answered(first, reply), stored_at_s=-stored_s, expires_at_s=60, now=0.0)
    cased = "".join(c.upper() if i in upper else c for i, c in enumerate(NAME))
    again = wire_of(cased, qid=qid, do=do, edns=edns, cd=cd)
    slow = answered(again, aged(reply, later_s + stored_s))
    assert answers.get(again, later_s) == slow


def test_an_answer_is_over_when_its_time_is_and_when_it_is_voided() -> None:
    answers = PreparedAnswers()
    wire = wire_of()
    prepared = answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    assert prepared is not None
    assert answers.get(wire, 59.99) is not None
    assert answers.get(wire, 60.0) is None
    prepared = answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    assert prepared is not None
    prepared.void()
    assert answers.get(wire, 0.0) is None
    assert answers.get(wire_of("WWW.example.org."), 0.0) is None


def test_another_flag_another_size_another_type_is_another_query() -> None:
    answers = PreparedAnswers()
    wire = wire_of()
    answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    for place in range(2, len(wire)):
        changed = bytearray(wire)
        changed[place] ^= 0x01
        assert answers.get(bytes(changed), 1.0) is None, place
    assert answers.get(wire_of(do=True), 1.0) is None
    assert answers.get(wire_of(edns=False), 1.0) is None


def test_a_query_with_edns_options_is_not_kept() -> None:
    answers = PreparedAnswers()
    option = bytes.fromhex("000a00080123456789abcdef")  # a client cookie, RFC 7873
    plain = wire_of()
    wire = plain[:-2] + len(option).to_bytes(2, "big") + option
    assert answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0) is None
    assert len(answers) == 0


@given(st.binary(max_size=80))
def test_no_octets_trouble_the_look_up(octets: bytes) -> None:
    answers = PreparedAnswers()
    wire = wire_of()
    answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    assert answers.get(octets, 1.0) is None


def test_there_are_never_more_than_the_bound_and_the_newest_stay() -> None:
    answers = PreparedAnswers(entries_max=3)
    wires = []
    for number in range(5):
        question = Question(f"n{number}.example.org.", RRType.A)
        wire = encode_outbound(Outbound(id=1, question=question, cased_qname=question.qname))
        reply = replace(REPLY, answer=(rrset_from_text(question.qname, RRType.A, 60, ["192.0.2.1"]),))
        answers.put(wire, answered(wire, reply), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
        wires.append(wire)
    assert [answers.get(wire, 1.0) is not None for wire in wires] == [False, False, True, True, True]
