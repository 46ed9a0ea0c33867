"""RFC 7766: DNS over TCP, as a client sees it. Its bounds are tested in unit/io/clients/test_connections.py."""

import socket

import dns.message
import dns.rcode
import pytest

from rfc.conftest import Wire


def framed(query: dns.message.Message) -> bytes:
    octets = query.to_wire()
    return len(octets).to_bytes(2, "big") + octets


def responses(client: socket.socket, count: int) -> list[dns.message.Message]:
    with client.makefile("rb") as read:
        return [dns.message.from_wire(read.read(int.from_bytes(read.read(2), "big"))) for _ in range(count)]


@pytest.fixture
def client(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=20)


def test_5_any_query_may_come_by_tcp_first(client: socket.socket) -> None:
    with client:
        client.sendall(framed(dns.message.make_query("first.example.org", "A")))
        (response,) = responses(client, 1)
    assert response.rcode() == dns.rcode.NOERROR


def test_6_2_1_a_connection_is_used_again_and_not_closed_by_us(client: socket.socket) -> None:
    with client:
        for number in range(3):
            client.sendall(framed(dns.message.make_query(f"n{number}.again.example.org", "A", id=number)))
            (response,) = responses(client, 1)
            assert response.id == number


def test_6_2_1_1_queries_may_be_sent_before_responses_have_come(client: socket.socket) -> None:
    queries = [dns.message.make_query(f"n{number}.pipe.example.org", "A", id=number) for number in range(20)]
    with client:
        client.sendall(b"".join(map(framed, queries)))
        found = {response.id: response for response in responses(client, len(queries))}
    for query in queries:  # in whatever order
        assert found[query.id].question == query.question
        assert found[query.id].answer


def test_6_2_4_who_closes_his_side_after_asking_still_gets_his_response(client: socket.socket) -> None:
    with client:
        client.sendall(framed(dns.message.make_query("closed.example.org", "A")))
        client.shutdown(socket.SHUT_WR)
        (response,) = responses(client, 1)
        assert response.answer
        assert client.recv(1) == b""


def test_8_a_message_may_come_in_any_number_of_segments(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client:
        for octet in framed(dns.message.make_query("segments.example.org", "A")):
            client.sendall(bytes((octet,)))
        (response,) = responses(client, 1)
    assert response.answer


def test_8_edns_sizes_do_not_bind_tcp(wire: Wire) -> None:
    response = wire.tcp(dns.message.make_query("large.example.org", "TXT", use_edns=0, payload=512))
    assert len(response.answer[0]) == 8
