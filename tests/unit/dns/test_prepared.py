"""Prepared answers: the same octets as the slow way gives, for as long as they are right, and no longer."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import decode_query, encode_outbound, encode_response, rrset_from_text
from standfast.dns.exchange import Outbound
from standfast.dns.model import ExtendedError, Query, Question, Rcode, Reply, RRType
from standfast.dns.prepared import WITH_COOKIE_MAX, PreparedAnswers, split_cookie
from standfast.guard.cache import aged

NAME = "www.example.org."
COOKIE = bytes(range(100, 124))
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


def wire_of(
    name: str = NAME, *, qid: int = 7, do: bool = False, edns: bool = True, cd: bool = False, cookie: bytes = b""
) -> bytes:
    question = Question(NAME, RRType.A)
    return encode_outbound(
        Outbound(id=qid, question=question, cased_qname=name, do=do, edns=edns, cd=cd, cookie=cookie)
    )


def answered(wire: bytes, reply: Reply) -> bytes:
    query = decode_query(wire)
    assert isinstance(query, Query)
    return encode_response(query, reply, size_max=1232, cookie=query.cookie)


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
    wire = wire_of(cookie=COOKIE[:8])  # of a client that has not got ours yet
    assert answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0) is None
    assert len(answers) == 0


@given(
    upper=st.sets(st.integers(0, len(NAME) - 1)),
    later_s=st.floats(0, 59.9),
    reply=st.sampled_from([REPLY, DENIAL]),
    do=st.booleans(),
    before=st.sampled_from([b"", COOKIE]),
    cookie=st.sampled_from([b"", COOKIE, COOKIE[::-1]]),
)
def test_with_a_cookie_or_without_the_octets_are_those_of_the_slow_way(
    upper: set[int], later_s: float, reply: Reply, do: bool, before: bytes, cookie: bytes
) -> None:
    answers = PreparedAnswers()
    first = wire_of(do=do, cookie=before)
    answers.put(first, answered(first, reply), stored_at_s=0.0, expires_at_s=60, now=0.0)
    cased = "".join(c.upper() if i in upper else c for i, c in enumerate(NAME))
    again = wire_of(cased, qid=99, do=do, cookie=cookie)
    plain, found = split_cookie(again)
    assert (plain, found) == (wire_of(cased, qid=99, do=do), cookie)
    fast = answers.get_with_cookie(plain, cookie, later_s) if cookie else answers.get(again, later_s)
    assert fast == answered(again, aged(reply, later_s))


def test_what_a_cookie_left_no_room_for_is_not_prepared() -> None:
    answers = PreparedAnswers()
    wire = wire_of(cookie=COOKIE)
    large = replace(REPLY, answer=(rrset_from_text(NAME, RRType.TXT, 60, [f'"{"x" * 250}"', f'"{"y" * 200}"']),))
    assert len(answered(wire, large)) > WITH_COOKIE_MAX
    assert answers.put(wire, answered(wire, large), stored_at_s=0.0, expires_at_s=60.0, now=0.0) is None
    cut = answered(wire, REPLY)[:2] + b"\x83" + answered(wire, REPLY)[3:]
    assert answers.put(wire, cut, stored_at_s=0.0, expires_at_s=60.0, now=0.0) is None
    plain = wire_of()
    answers.put(plain, answered(plain, large), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    assert answers.get_with_cookie(plain, COOKIE, 1.0) is None


def test_the_same_answer_is_prepared_once_however_many_clients_have_cookies() -> None:
    answers = PreparedAnswers()
    wires = [wire_of(cookie=bytes((number,)) * 24) for number in range(3)]
    kept = [answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0) for wire in wires]
    assert [each is not None for each in kept] == [True, False, False]
    assert kept[0] is not None
    kept[0].void()
    assert answers.put(wires[1], answered(wires[1], REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0) is not None


@given(st.binary(max_size=80))
def test_no_octets_trouble_the_look_up(octets: bytes) -> None:
    answers = PreparedAnswers()
    wire = wire_of()
    answers.put(wire, answered(wire, REPLY), stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    assert answers.get(octets, 1.0) is None
    plain, cookie = split_cookie(octets)
    assert answers.get_with_cookie(plain, cookie, 1.0) is None


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
