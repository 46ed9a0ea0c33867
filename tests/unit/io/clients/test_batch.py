"""Datagrams in batches: both ways of doing it, on real sockets of both families, give and give back the same."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from standfast.dns.prepared import PreparedAnswers
from standfast.io.clients.batch import SLOTS, Batch, ManyBatch, PlainBatch, Served, ask_for_local, batch_on, send
from standfast.io.clients.limits import Admission, Gate, Limits

QUESTION = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01"
ANSWER = (
    b"\x81\x80\x00\x01\x00\x01" + QUESTION[6:] + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
)


@pytest.fixture
def answers() -> PreparedAnswers:
    prepared = PreparedAnswers()
    assert prepared.put(b"id" + QUESTION, b"id" + ANSWER, stored_at_s=0.0, expires_at_s=60.0, now=0.0)
    return prepared


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server's socket and a client's that is connected to it."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        try:
            server.bind((request.param, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        server.setblocking(False)
        client.connect(server.getsockname())
        client.settimeout(2)
        yield server, client


@pytest.fixture(params=["many", "plain"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def batch(kind: str, pair: tuple[socket.socket, socket.socket]) -> Batch:
    return batch_of(kind, pair[0])


def batch_of(kind: str, udp: socket.socket, gate: Gate | None = None, *, tells_local: bool = False) -> Batch:
    if kind == "plain":
        return PlainBatch(udp, tells_local=tells_local, gate=gate)
    made = batch_on(udp, tells_local=tells_local, gate=gate)
    if not isinstance(made, ManyBatch):
        pytest.skip("the C library of this machine has no recvmmsg")
    return made


def serve(batch: Batch, answers: PreparedAnswers, now: float = 0.5) -> Served:
    return batch.serve(answers, now)


def test_what_is_prepared_is_answered_with_the_id_that_came(
    pair: tuple[socket.socket, socket.socket], batch: Batch, answers: PreparedAnswers
) -> None:
    _, client = pair
    for number in range(5):
        client.send(number.to_bytes(2, "big") + QUESTION)
    served = serve(batch, answers)
    assert (served.hits, served.lost, served.missed) == (5, 0, [])
    assert [client.recv(512) for _ in range(5)] == [number.to_bytes(2, "big") + ANSWER for number in range(5)]


def test_the_rest_is_given_back_whole_with_its_sender_and_hits_around_it_are_answered(
    pair: tuple[socket.socket, socket.socket], batch: Batch, answers: PreparedAnswers
) -> None:
    _, client = pair
    others = [b"", b"x", b"\x00\x01" + QUESTION[:-1] + b"\x02", bytes(600)]
    for other in others:
        client.send(b"\x00\x07" + QUESTION)
        client.send(other)
    client.send(b"\x00\x08" + QUESTION)
    served = serve(batch, answers)
    assert served.hits == len(others) + 1
    assert [datagram.wire for datagram in served.missed] == others
    assert {datagram.address[:2] for datagram in served.missed} == {client.getsockname()[:2]}
    ids = [client.recv(512)[:2] for _ in range(len(others) + 1)]
    assert ids == [b"\x00\x07"] * len(others) + [b"\x00\x08"]


def test_letter_case_comes_back_as_it_came(
    pair: tuple[socket.socket, socket.socket], batch: Batch, answers: PreparedAnswers
) -> None:
    _, client = pair
    client.send(b"\x00\x09" + QUESTION.replace(b"www", b"wWw").replace(b"org", b"OrG"))
    client.send(b"\x00\x0a" + QUESTION)
    assert serve(batch, answers).hits == 2
    assert client.recv(512) == b"\x00\x09" + ANSWER.replace(b"www", b"wWw").replace(b"org", b"OrG")
    assert client.recv(512) == b"\x00\x0a" + ANSWER


def test_ttls_count_down_where_they_lie(
    pair: tuple[socket.socket, socket.socket], batch: Batch, answers: PreparedAnswers
) -> None:
    _, client = pair
    for now, ttl_s in ((0.9, 60), (1.0, 59), (31.5, 29), (59.9, 1)):
        client.send(b"\x00\x0b" + QUESTION)
        assert serve(batch, answers, now).hits == 1
        assert int.from_bytes(client.recv(512)[-10:-6], "big") == ttl_s
    client.send(b"\x00\x0b" + QUESTION)
    assert len(serve(batch, answers, 60.0).missed) == 1


def test_a_batch_has_an_end_and_nothing_waiting_is_an_empty_one(
    pair: tuple[socket.socket, socket.socket], batch: Batch, answers: PreparedAnswers
) -> None:
    _, client = pair
    assert serve(batch, answers).count == 0
    for _ in range(SLOTS + 3):
        client.send(b"\x00\x0c" + QUESTION)
    assert serve(batch, answers).count == SLOTS
    assert serve(batch, answers).count == 3
    for _ in range(SLOTS + 3):
        assert client.recv(512) == b"\x00\x0c" + ANSWER


@pytest.mark.parametrize(("everywhere", "asked"), [("0.0.0.0", "127.{}.2.1"), ("::", "::1")])
def test_on_all_addresses_an_answer_leaves_from_the_one_that_was_asked(
    kind: str, everywhere: str, asked: str, answers: PreparedAnswers
) -> None:
    family = socket.AF_INET6 if ":" in everywhere else socket.AF_INET
    with ExitStack() as stack:
        server, *clients = [stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in range(SLOTS // 2)]
        try:
            server.bind((everywhere, 0))
            for number, client in enumerate(clients):
                client.settimeout(2)
                client.connect((asked.format(number), server.getsockname()[1]))  # takes nothing from another address
        except OSError:
            pytest.skip("this machine has no IPv6")
        server.setblocking(False)
        ask_for_local(server)
        batch = batch_of(kind, server, tells_local=True)
        for turn in range(3):
            for number, client in enumerate(clients):
                client.send(bytes((turn, number)) + QUESTION)
                client.send(bytes((turn, number)) + b"missed")
            served = serve(batch, answers)
            assert (served.hits, len(served.missed)) == (len(clients), len(clients))
            for datagram in served.missed:
                assert send(server, datagram.wire, datagram)
            for number, client in enumerate(clients):
                come = {client.recv(512) for _ in range(2)}
                assert come == {bytes((turn, number)) + ANSWER, bytes((turn, number)) + b"missed"}
            clients.reverse()  # so that a slot is another address's the next time


def test_only_who_may_ask_gets_what_is_prepared_and_the_rest_is_told_or_dropped(
    kind: str, pair: tuple[socket.socket, socket.socket], answers: PreparedAnswers
) -> None:
    server, client = pair
    host, other = ("127.0.0.1", "127.0.0.2/32") if server.family == socket.AF_INET else ("::1", "::2/128")
    for allow, let_in in ((f"{host}/128" if ":" in host else f"{host}/32", True), (other, False)):
        batch = batch_of(kind, server, Gate(Limits(allow=(ip_network(allow),), rate_limit_qps=0)))
        for number in range(3):
            client.send(number.to_bytes(2, "big") + QUESTION)
        client.send(b"\x00\x09missed")
        served = serve(batch, answers)
        assert served.count == 4
        if let_in:
            assert [client.recv(512) for _ in range(3)] == [number.to_bytes(2, "big") + ANSWER for number in range(3)]
            assert (served.hits, [each.wire for each in served.missed], served.notices) == (3, [b"\x00\x09missed"], [])
        else:
            assert (served.hits, served.lost, served.missed, served.turned_away) == (0, 0, [], 4)
            assert [each.wire for each, _ in served.notices] == [
                *(number.to_bytes(2, "big") + QUESTION for number in range(3)),
                b"\x00\x09missed",
            ]
            assert {each.address[:2] for each, _ in served.notices} == {client.getsockname()[:2]}
            assert {admission for _, admission in served.notices} == {Admission.REFUSE}
            assert nothing_comes(client)


def test_hits_of_others_around_those_who_are_turned_away_are_answered(kind: str, answers: PreparedAnswers) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for each, host in ((server, "127.0.0.1"), (client, "127.0.0.7"), (stranger, "127.0.0.8")):
            each.bind((host, 0))
            each.settimeout(2)
        server.setblocking(False)
        gate = Gate(Limits(allow=(ip_network("127.0.0.7/32"),), rate_limit_qps=0))
        for number in range(SLOTS // 2):
            stranger.sendto(b"\xff\xff" + QUESTION, server.getsockname())
            client.sendto(number.to_bytes(2, "big") + QUESTION, server.getsockname())
        served = serve(batch_of(kind, server, gate), answers)
        assert (served.hits, served.turned_away, served.count) == (SLOTS // 2, SLOTS // 2, SLOTS)
        for number in range(SLOTS // 2):
            assert client.recv(512) == number.to_bytes(2, "big") + ANSWER
        assert nothing_comes(stranger)


def nothing_comes(client: socket.socket) -> bool:
    """Say whether nothing is there for `client`: on loopback what was sent has arrived."""
    client.setblocking(False)
    try:
        return not client.recv(512)
    except BlockingIOError:
        return True
    finally:
        client.settimeout(2)
