"""Queries of ours: from which sockets they go, and what of all that comes back is listened to."""

import asyncio
import random
import socket
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass, field, replace

import pytest

from bound_sockets import bound_pair, bound_udp
from standfast.dns.codec import decode_query, encode_response, rrset_from_text
from standfast.dns.exchange import CaseChanged, Heard, Heeded, Outbound, Unreadable
from standfast.dns.model import Query, Question, Rcode, Reply, RRset, RRType
from standfast.dns.servers import Server, Transport
from standfast.guard.events import Ask
from standfast.io.roots import Roots
from standfast.io.settings.addresses import has_ipv6
from standfast.io.upstreams.asker import Asker
from standfast.io.upstreams.datagrams import PORT_FIRST, PORT_TRIES_MAX
from standfast.io.upstreams.messages import NOT_OURS_MAX

ROOTS = Roots()
QUESTION = Question("www.example.org.", RRType.A)
OUTBOUND = Outbound(id=4711, question=QUESTION, cased_qname="wWw.Example.org.")
REPLY = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"]),))
LARGE = Reply(
    rcode=Rcode.NOERROR, answer=(RRset(owner="www.example.org.", rtype=65_280, ttl_s=1, rdatas=(b"x" * 65_000,)),)
)


@dataclass
class Report:
    """What an asker reported, in order."""

    queue: asyncio.Queue[tuple[int, Heeded | str]] = field(default_factory=asyncio.Queue)

    def take(self, ask: int, what: Heeded | str) -> None:
        self.queue.put_nowait((ask, what))

    async def next(self) -> tuple[int, Heeded | str]:
        return await asyncio.wait_for(self.queue.get(), 5)


class Datagrams:
    """A scripted server on a UDP port of loopback."""

    def __init__(self, bound: socket.socket | None = None, host: str = "127.0.0.1") -> None:
        self.socket = bound or bound_udp(host)
        self.socket.setblocking(False)
        self.server = Server(*self.socket.getsockname()[:2])

    async def query(self) -> tuple[Query, tuple[str, int]]:
        loop = asyncio.get_running_loop()
        wire, sender = await asyncio.wait_for(loop.sock_recvfrom(self.socket, 4096), 5)
        query = decode_query(wire)
        assert isinstance(query, Query)
        return query, sender


def asker_of(report: Report, rng: random.Random | None = None) -> Asker:
    return Asker(rng or random.Random(1), ROOTS, on_heard=report.take, on_failed=report.take)


def run(scene: Coroutine[None, None, None]) -> None:
    async def play() -> None:
        await asyncio.wait_for(scene, 20)

    asyncio.run(play())


def ask_udp(server: Server, ask: int = 1) -> Ask:
    return Ask(ask=ask, server=server, transport=Transport.UDP, query=OUTBOUND)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6"))],
)
def test_an_answer_is_heard_and_the_socket_closed(host: str) -> None:
    async def scene() -> None:
        report, upstream = Report(), Datagrams(host=host)
        asker = asker_of(report)
        with closing(upstream.socket):
            asker.send(ask_udp(upstream.server))
            query, sender = await upstream.query()
            assert (query.id, query.cased_qname) == (4711, "wWw.Example.org.")
            upstream.socket.sendto(encode_response(query, REPLY), sender)
            assert await report.next() == (1, Heard(reply=REPLY))
            assert len(asker) == 0

    run(scene())


def test_every_query_goes_from_a_fresh_random_port() -> None:
    async def scene() -> None:
        report, upstream = Report(), Datagrams()
        asker = asker_of(report)
        with closing(upstream.socket):
            ports = []
            for i in range(40):
                asker.send(ask_udp(upstream.server, i))
                _, sender = await upstream.query()
                ports.append(sender[1])
            asker.close()
        assert len(set(ports)) == 40
        assert min(ports) >= PORT_FIRST
        assert len([port for port in ports if port < 32_768]) > 5  # not only the kernel's own range

    run(scene())


def test_a_taken_port_is_passed_over_and_at_last_the_kernel_chooses() -> None:
    class Stuck(random.Random):
        def __init__(self, port: int) -> None:
            super().__init__()
            self.port = port
            self.drawn = 0

        def random(self) -> float:
            self.drawn += 1
            return (self.port - PORT_FIRST + 0.5) / (65_536 - PORT_FIRST)

    async def scene() -> None:
        report, upstream = Report(), Datagrams()
        stuck = Stuck(upstream.server.port)
        asker = asker_of(report, stuck)
        with closing(upstream.socket):
            asker.send(ask_udp(upstream.server))
            query, sender = await upstream.query()
            assert sender[1] != upstream.server.port
            assert stuck.drawn == PORT_TRIES_MAX
            upstream.socket.sendto(encode_response(query, REPLY), sender)
            assert await report.next() == (1, Heard(reply=REPLY))

    run(scene())


def test_an_answer_from_another_port_is_never_seen() -> None:
    async def scene() -> None:
        report, upstream, forger = Report(), Datagrams(), Datagrams()
        asker = asker_of(report)
        with closing(upstream.socket), closing(forger.socket):
            asker.send(ask_udp(upstream.server))
            query, sender = await upstream.query()
            forger.socket.sendto(encode_response(query, Reply(rcode=Rcode.NXDOMAIN)), sender)
            upstream.socket.sendto(encode_response(query, REPLY), sender)
            assert await report.next() == (1, Heard(reply=REPLY))

    run(scene())


def test_answers_with_another_id_or_question_are_passed_over() -> None:
    async def scene() -> None:
        report, upstream = Report(), Datagrams()
        asker = asker_of(report)
        with closing(upstream.socket):
            asker.send(ask_udp(upstream.server))
            query, sender = await upstream.query()
            others = [
                replace(query, id=4712),
                replace(query, question=Question("www.example.org.", RRType.AAAA)),
                replace(query, cased_qname="www.example.net."),
            ]
            for other in others:
                upstream.socket.sendto(encode_response(other, Reply(rcode=Rcode.NXDOMAIN)), sender)
            upstream.socket.sendto(b"noise", sender)
            upstream.socket.sendto(encode_response(query, REPLY), sender)
            assert await report.next() == (1, Heard(reply=REPLY))

    run(scene())


def test_guessing_is_given_only_so_many_tries() -> None:
    async def scene() -> None:
        report, upstream = Report(), Datagrams()
        asker = asker_of(report)
        with closing(upstream.socket):
            asker.send(ask_udp(upstream.server))
            query, sender = await upstream.query()
            for guess in range(NOT_OURS_MAX):
                upstream.socket.sendto(encode_response(replace(query, id=guess), REPLY), sender)
            ask, what = await report.next()
            assert (ask, what) == (1, f"{NOT_OURS_MAX} answers to something that was not asked")
            assert len(asker) == 0

    run(scene())


def test_other_letters_and_broken_answers_are_reported_as_what_they_are() -> None:
    async def scene() -> None:
        report, upstream = Report(), Datagrams()
        asker = asker_of(report)
        with closing(upstream.socket):
            asker.send(ask_udp(upstream.server, 1))
            query, sender = await upstream.query()
            lower = replace(query, cased_qname="www.example.org.")
            upstream.socket.sendto(encode_response(lower, REPLY), sender)
            assert await report.next() == (1, CaseChanged())
            asker.send(ask_udp(upstream.server, 2))
            query, sender = await upstream.query()
            upstream.socket.sendto(encode_response(query, REPLY)[:-20], sender)
            ask, what = await report.next()
            assert ask == 2
            assert isinstance(what, Unreadable)

    run(scene())


def test_a_port_where_nobody_listens_is_reported_at_once() -> None:
    async def scene() -> None:
        report, upstream = Report(), Datagrams()
        upstream.socket.close()
        asker = asker_of(report)
        asker.send(ask_udp(upstream.server))
        assert await report.next() == (1, "connection refused")
        assert len(asker) == 0

    run(scene())


@pytest.mark.parametrize("transport", list(Transport))
def test_a_server_that_cannot_be_sent_to_is_reported_later_and_not_from_within_the_call(transport: Transport) -> None:
    async def scene() -> None:
        report = Report()
        broadcast = Server("255.255.255.255", 53)  # refused by the kernel before anything leaves
        asker_of(report).send(Ask(ask=1, server=broadcast, transport=transport, query=OUTBOUND))
        assert report.queue.empty()
        ask, what = await report.next()
        assert ask == 1
        assert what in ("permission denied", "network is unreachable")

    run(scene())


@pytest.mark.parametrize("transport", list(Transport))
def test_what_comes_for_an_abandoned_query_is_not_reported(transport: Transport) -> None:
    async def scene() -> None:
        datagrams, listening = bound_pair()
        report, upstream = Report(), Datagrams(datagrams)
        asker = asker_of(report)
        with closing(upstream.socket), closing(listening):
            asker.send(Ask(ask=1, server=upstream.server, transport=transport, query=OUTBOUND))
            await asyncio.sleep(0)
            asker.abandon(1)
            asker.abandon(1)  # the core may say so twice
            assert len(asker) == 0
            asker.send(ask_udp(upstream.server, 2))
            query, sender = await upstream.query()
            while sender[1] not in ports_of(asker):
                query, sender = await upstream.query()
            upstream.socket.sendto(encode_response(query, REPLY), sender)
            assert await report.next() == (2, Heard(reply=REPLY))
            assert report.queue.empty()

    run(scene())


def ports_of(asker: Asker) -> list[int]:
    return [datagram.socket.getsockname()[1] for datagram in asker._datagrams._asked.values()]


def test_a_refused_connection_is_reported() -> None:
    async def scene() -> None:
        report = Report()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            server = Server("127.0.0.1", closed.getsockname()[1])
        asker_of(report).send(Ask(ask=1, server=server, transport=Transport.TCP, query=OUTBOUND))
        assert await report.next() == (1, "connection refused")

    run(scene())
