"""Many messages on one stream of octets: whatever comes in whatever pieces."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import decode_query, encode_response, rrset_from_text
from standfast.dns.exchange import Heard, Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.io.upstreams.messages import NOT_OURS_MAX, PIPELINE_MAX, MessagePipeline

OUTBOUND = Outbound(id=65_530, question=Question("www.example.org.", RRType.A), cased_qname="wWw.example.org.")
REPLY = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"]),))


def queries_in(octets: bytes) -> list[Query]:
    queries = []
    while octets:
        size = int.from_bytes(octets[:2], "big")
        query = decode_query(octets[2 : 2 + size])
        assert isinstance(query, Query)
        queries.append(query)
        octets = octets[2 + size :]
    return queries


def framed(query: Query) -> bytes:
    wire = encode_response(query, REPLY, tcp=True)
    return len(wire).to_bytes(2, "big") + wire


@given(st.integers(1, 20), st.randoms(use_true_random=False))
def test_every_answer_finds_its_query_in_whatever_order_and_pieces_they_come(number: int, rng: Random) -> None:
    pipeline = MessagePipeline()
    keys = [pipeline.put(OUTBOUND) for _ in range(number)]
    queries = queries_in(pipeline.to_send())
    assert [query.id for query in queries] == keys
    assert len(set(keys)) == number
    rng.shuffle(queries)
    octets = b"".join(map(framed, queries))
    found = []
    while octets:
        size = rng.randint(1, len(octets))
        found += pipeline.receive(octets[:size])
        octets = octets[size:]
    assert found == [(query.id, Heard(reply=REPLY)) for query in queries]


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_noise_answers_nothing_and_raises_nothing(pieces: list[bytes]) -> None:
    pipeline = MessagePipeline()
    key = pipeline.put(OUTBOUND)
    for piece in pieces:
        pipeline.receive(piece)
    assert pipeline.ended is None
    fresh = MessagePipeline()
    fresh.put(OUTBOUND)
    for piece in pieces:  # in whole messages, that is
        fresh.receive(len(piece).to_bytes(2, "big") + piece)
    (query,) = queries_in(fresh.to_send())
    assert query.id == key
    assert fresh.receive(framed(query)) == [(key, Heard(reply=REPLY))]


def test_there_is_room_for_so_many_and_each_has_an_id_of_its_own() -> None:
    pipeline = MessagePipeline()
    keys = []
    while pipeline.has_room:
        keys.append(pipeline.put(replace(OUTBOUND, id=0)))
    assert keys == list(range(PIPELINE_MAX))
    pipeline.receive(framed(queries_in(pipeline.to_send())[5]))
    assert pipeline.put(replace(OUTBOUND, id=0)) == 5


def test_what_is_sent_is_sent_once() -> None:
    pipeline = MessagePipeline()
    pipeline.put(OUTBOUND)
    assert len(queries_in(pipeline.to_send())) == 1
    assert pipeline.to_send() == b""


def test_nothing_counts_after_too_many_answers_to_nothing_however_it_comes() -> None:
    pipeline = MessagePipeline()
    pipeline.put(OUTBOUND)
    (query,) = queries_in(pipeline.to_send())
    strange = framed(replace(query, id=query.id ^ 1)) * NOT_OURS_MAX
    assert pipeline.receive(strange + framed(query)) == []
    assert pipeline.ended is not None
