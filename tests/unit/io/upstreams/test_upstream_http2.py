"""DNS over HTTPS as octets, against the other side of the same protocol in memory."""

import random
from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import MESSAGE_MAX, decode_query, encode_response, rrset_from_text
from standfast.dns.exchange import Heard, Outbound, Unreadable
from standfast.dns.model import Query, Question, Rcode, Reply, RRset, RRType
from standfast.io.upstreams import http2 as upstream_http2
from standfast.io.upstreams.http2 import STREAMS_MAX, UNREAD_MAX, HttpsPipeline
from standfast.io.upstreams.messages import Answer, NotAnswered

QUESTION = Question("www.example.org.", RRType.A)
OUTBOUND = Outbound(id=4711, question=QUESTION, cased_qname="www.example.org.")
REPLY = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"]),))
LARGEST = Reply(
    rcode=Rcode.NOERROR, answer=(RRset(owner="www.example.org.", rtype=65_280, ttl_s=1, rdatas=(b"x" * 65_450,)),)
)
DNS = [(":status", "200"), ("content-type", "application/dns-message")]


class Service:
    """The server's side, and both directions between the two."""

    def __init__(self, settings: dict[SettingCodes | int, int] | None = None) -> None:
        self.pipeline = HttpsPipeline("dns.example", "/dns-query")
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        self.requests: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.whole: list[int] = []  # requests that have come to their end, in order
        self.reset: list[int] = []
        self.answers: list[tuple[int, Answer]] = []

    def exchange(self) -> list[tuple[int, Answer]]:
        """Let everything arrive on both sides, and return what the client was answered in the course of it."""
        self.answers = []
        for _ in range(100):
            sent, said = self.pipeline.to_send(), self.h2.data_to_send()
            for event in self.h2.receive_data(sent):
                self._take(event)
            self.answers += self.pipeline.receive(said)
            if not sent and not said:
                return self.answers
        raise AssertionError("the two never come to rest")

    def ask(self, query: Outbound = OUTBOUND) -> int:
        """Put a query, and let it arrive."""
        key = self.pipeline.put(query)
        self.exchange()
        return key

    def query(self, stream_id: int) -> Query:
        """Return a query that arrived."""
        query = decode_query(self.bodies[stream_id])
        assert isinstance(query, Query)
        return query

    def answer(self, stream_id: int, reply: Reply = REPLY, fields: list[tuple[str, str]] = DNS) -> None:
        """Answer as a resolver does."""
        self.h2.send_headers(stream_id, fields)
        self.send(stream_id, encode_response(self.query(stream_id), reply, tcp=True))

    def send(self, stream_id: int, body: bytes, *, end: bool = True) -> None:
        """Send a body, as fast as the client's window allows."""
        at = 0
        while True:
            size = min(len(body) - at, self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            last = at + size == len(body)
            self.h2.send_data(stream_id, body[at : at + size], end_stream=end and last)
            if last:
                return
            at += size
            answers = self.exchange()
            assert not answers or stream_id in self.reset
            if stream_id in self.reset:
                self.answers = answers
                return

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream_id), headers=list(fields)):
                self.requests[stream_id] = {str(name): str(value) for name, value in fields}
                self.bodies[stream_id] = b""
            case DataReceived(stream_id=int(stream_id), data=bytes(data)):
                self.bodies[stream_id] += data
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
            case StreamEnded(stream_id=int(stream_id)):
                self.whole.append(stream_id)
            case StreamReset(stream_id=int(stream_id)):
                self.reset.append(stream_id)
            case _:
                pass


# Queries and answers


def test_an_answer_is_heard() -> None:
    service = Service()
    key = service.ask()
    assert service.whole == [key]
    service.answer(key)
    assert service.exchange() == [(key, Heard(reply=REPLY))]


def test_many_queries_are_under_way_at_once_and_answered_in_any_order() -> None:
    service = Service()
    keys = [service.pipeline.put(OUTBOUND) for _ in range(100)]
    service.exchange()
    for key in reversed(keys):
        service.answer(key)
    assert [key for key, _ in service.exchange()] == keys[::-1]
    assert all(answer == Heard(reply=REPLY) for _, answer in service.answers)


def test_the_largest_answer_comes_whole() -> None:
    service = Service()
    key = service.ask()
    service.answer(key, LARGEST)
    assert service.exchange() == [(key, Heard(reply=LARGEST))]


def test_a_thousand_large_answers_do_not_use_the_window_up() -> None:
    service = Service()
    for _ in range(1000):
        key = service.ask()
        service.answer(key, LARGEST)
        assert service.exchange() == [(key, Heard(reply=LARGEST))]


def test_an_answer_that_is_older_than_its_connection_has_less_time_to_live() -> None:
    service = Service()
    key = service.ask()
    service.answer(key, fields=[*DNS, ("age", "25")])
    ((_, heard),) = service.exchange()
    assert isinstance(heard, Heard)
    assert heard.reply.answer[0].ttl_s == 35


@pytest.mark.parametrize("age", ["", "-3", "soon", "9" * 40, "٣"])
def test_an_age_that_is_none_is_no_age(age: str) -> None:
    service = Service()
    key = service.ask()
    service.answer(key, fields=[*DNS, ("age", age)])
    assert service.exchange() == [(key, Heard(reply=REPLY))]


def test_fields_before_and_after_the_answer_do_no_harm() -> None:
    service = Service()
    key = service.ask()
    service.h2.send_headers(key, [(":status", "103")])
    service.h2.send_headers(key, [(":status", "200"), ("content-type", "Application/DNS-Message; charset=x")])
    service.h2.send_data(key, encode_response(service.query(key), REPLY, tcp=True), pad_length=200)
    service.h2.send_headers(key, [("trailer", "value")], end_stream=True)
    assert service.exchange() == [(key, Heard(reply=REPLY))]


# Answers that are none


@pytest.mark.parametrize("status", ["204", "302", "400", "404", "413", "429", "500", "503"])
def test_any_other_status_is_a_failure_that_says_so(status: str) -> None:
    service = Service()
    key = service.ask()
    service.h2.send_headers(key, [(":status", status), ("content-type", "application/dns-message")])
    service.send(key, encode_response(service.query(key), REPLY, tcp=True))
    assert service.exchange() == [(key, NotAnswered(f"HTTP status {status} for /dns-query"))]


def test_a_status_without_a_body_is_a_failure() -> None:
    service = Service()
    key = service.ask()
    service.h2.send_headers(key, [(":status", "403")], end_stream=True)
    assert service.exchange() == [(key, NotAnswered("HTTP status 403 for /dns-query"))]


@pytest.mark.parametrize("media_type", ["text/html", "application/dns-json", "a" * 300])
def test_a_page_is_no_answer(media_type: str) -> None:
    service = Service()
    key = service.ask()
    service.h2.send_headers(key, [(":status", "200"), ("content-type", media_type)])
    service.send(key, b"<html>")
    shown = media_type[: upstream_http2._WORD_MAX]
    assert service.exchange() == [(key, NotAnswered(f'no DNS message but "{shown}" at /dns-query'))]


@pytest.mark.parametrize("body", [b"", b"noise", bytes(12)])
def test_a_body_that_answers_nothing_is_a_failure(body: bytes) -> None:
    service = Service()
    key = service.ask()
    service.h2.send_headers(key, DNS)
    service.send(key, body)
    assert service.exchange() == [(key, NotAnswered("an answer to something that was not asked"))]


def test_an_answer_that_is_cut_off_cannot_be_read() -> None:
    service = Service()
    key = service.ask()
    service.h2.send_headers(key, DNS)
    service.send(key, encode_response(service.query(key), REPLY, tcp=True)[:-15])
    ((_, answer),) = service.exchange()
    assert isinstance(answer, Unreadable)


def test_a_body_without_end_is_refused_and_the_connection_goes_on() -> None:
    service = Service()
    endless, other = service.ask(), service.ask()
    service.h2.send_headers(endless, DNS)
    service.send(endless, bytes(10 * MESSAGE_MAX), end=False)
    assert service.answers == [(endless, NotAnswered(f"more than {MESSAGE_MAX} octets for an answer"))]
    assert service.reset == [endless]
    service.answer(other)
    assert service.exchange() == [(other, Heard(reply=REPLY))]


def test_a_stream_that_the_server_breaks_off_fails_alone() -> None:
    service = Service()
    broken, refused, other = (service.ask() for _ in range(3))
    service.h2.reset_stream(broken, ErrorCodes.INTERNAL_ERROR)
    service.h2.reset_stream(refused, ErrorCodes.REFUSED_STREAM)
    service.answer(other)
    assert service.exchange() == [
        (broken, NotAnswered("HTTP/2: INTERNAL_ERROR")),
        (refused, NotAnswered("HTTP/2: REFUSED_STREAM", untouched=True)),
        (other, Heard(reply=REPLY)),
    ]


# What the server allows


def test_no_more_streams_are_opened_than_the_server_allows() -> None:
    service = Service({SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    service.exchange()
    keys, room = [], []
    for _ in range(2):
        room.append(service.pipeline.has_room)
        keys.append(service.ask())
    room.append(service.pipeline.has_room)
    service.answer(keys[0])
    service.exchange()
    room.append(service.pipeline.has_room)
    assert room == [True, True, False, True]
    service.answer(service.ask())
    assert [answer for _, answer in service.exchange()] == [Heard(reply=REPLY)]


def test_there_is_room_for_so_many_and_no_more() -> None:
    for settled in (False, True):  # before the server has said how many it takes, and after
        service = Service({SettingCodes.MAX_CONCURRENT_STREAMS: 10 * STREAMS_MAX})
        if settled:
            service.exchange()
        asked = 0
        while service.pipeline.has_room:
            service.pipeline.put(OUTBOUND)
            asked += 1
        assert asked == STREAMS_MAX


def test_a_connection_is_not_used_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_http2, "QUERIES_MAX", 3)
    service = Service()
    for _ in range(3):
        assert service.pipeline.has_room
        service.answer(service.ask())
        service.exchange()
    assert not service.pipeline.has_room


def test_a_query_waits_for_the_window_that_it_needs() -> None:
    service = Service({SettingCodes.INITIAL_WINDOW_SIZE: 50})
    service.exchange()
    key = service.pipeline.put(OUTBOUND)
    service.pipeline.put(OUTBOUND)
    sent = service.pipeline.to_send()
    for event in service.h2.receive_data(sent):
        service._take(event)
    assert len(service.bodies[key]) == 50
    service.exchange()  # the server acknowledges, and so opens its window
    assert service.whole == [key, key + 2]
    assert service.query(key).question == QUESTION


def test_a_query_whose_answer_came_before_it_was_sent_is_not_sent_on() -> None:
    service = Service({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    service.exchange()
    key = service.ask()
    assert service.bodies[key] == b""
    service.h2.send_headers(key, [(":status", "503")], end_stream=True)
    assert service.exchange() == [(key, NotAnswered("HTTP status 503 for /dns-query"))]
    assert service.reset == [key]


# The end of a connection


def test_what_a_server_that_closes_did_not_look_at_may_be_asked_again() -> None:
    service = Service()
    first, second = service.ask(), service.ask()
    service.h2.close_connection(last_stream_id=first)
    why = "HTTP/2: the server closes the connection, NO_ERROR"
    assert service.pipeline.receive(service.h2.data_to_send()) == [(second, NotAnswered(why, untouched=True))]
    assert service.pipeline.ended == why
    assert not service.pipeline.has_room


def test_what_came_whole_before_the_end_counts() -> None:
    service = Service()
    key = service.ask()
    service.answer(key)
    service.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
    assert service.pipeline.receive(service.h2.data_to_send()) == [(key, Heard(reply=REPLY))]
    assert service.pipeline.ended == "HTTP/2: the server closes the connection, ENHANCE_YOUR_CALM"


@pytest.mark.parametrize(
    "octets",
    [
        bytes(9) + b"\xff" * 100,
        b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # WINDOW_UPDATE by 0
        b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x82",  # a response whose fields are a request's
        b"\x00\x00\x05\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x82",  # PUSH_PROMISE, which was turned off
    ],
)
def test_a_server_that_breaks_the_rules_is_left(octets: bytes) -> None:
    service = Service()
    service.ask()
    assert service.pipeline.receive(octets) == []
    assert service.pipeline.ended is not None
    assert service.pipeline.ended.startswith("it broke the rules of HTTP/2: ")
    assert not service.pipeline.has_room


def test_a_frame_that_never_ends_is_not_waited_for() -> None:
    service = Service()
    service.ask()
    service.pipeline.receive(b"\xff\xff\xff\xff")  # of a kind that nobody knows
    received = 0
    while service.pipeline.ended is None:
        service.pipeline.receive(bytes(1 << 14))
        received += 1 << 14
    assert service.pipeline.ended == "what it sends is not HTTP/2"
    assert received <= UNREAD_MAX + (1 << 14)


@given(st.integers(0, 2**32), st.binary(max_size=200))
def test_whatever_comes_is_taken_without_an_exception(seed: int, noise: bytes) -> None:
    rng = random.Random(seed)
    service = Service()
    for _ in range(3):
        service.ask()
    changes: list[Callable[[], None]] = [
        lambda: service.h2.ping(bytes(8)),
        lambda: service.answer(1),
        lambda: service.h2.reset_stream(3, rng.randrange(16)),
        lambda: service.h2.close_connection(rng.randrange(16), last_stream_id=rng.choice([0, 1, 3])),
        lambda: service.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: rng.randrange(70_000)}),
    ]
    for change in rng.sample(changes, k=rng.randrange(1, 4)):
        try:
            change()
        except ProtocolError:  # nothing more can be said after the end
            break
    said = bytearray(service.h2.data_to_send())
    if said and rng.random() < 0.5:
        said[rng.randrange(len(said))] ^= 1 << rng.randrange(8)
    for octets in (said[: len(said) // 2], said[len(said) // 2 :], noise):
        for key, _ in service.pipeline.receive(bytes(octets)):
            assert key in (1, 3, 5)
    service.pipeline.to_send()
