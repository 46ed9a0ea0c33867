"""Clients by UDP: who gets an answer, from which address, and who gets silence."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import pytest

from standfast.dns.codec import decode_incoming, encode_outbound, rrset_from_text
from standfast.dns.exchange import Heard, Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.guard.events import Server
from standfast.io.addresses import has_ipv6
from standfast.io.batch import OCTETS
from standfast.io.client import Client
from standfast.io.listener import Listener, ListenError

OUTBOUND = Outbound(id=7, question=Question("www.example.org.", RRType.A), cased_qname="wWw.example.org.")
REPLY = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"]),))


def answer(client: Client, query: Query) -> None:
    client.respond(query, REPLY)


@asynccontextmanager
async def listening(server: Server, *, size_max: int = 1232) -> AsyncIterator[Listener]:
    listener = Listener(server, answer, size_max=size_max)
    await listener.start()
    try:
        yield listener
    finally:
        listener.stop()


async def asked(listener: Listener, host: str, *wires: bytes) -> bytes:
    """Send each of `wires` to the listener at `host`, and return the first answer that comes from there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as client:
        client.connect((host, listener.bound.port))  # takes nothing from any other address
        for wire in wires:
            client.send(wire)
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65_535), 5)


def run(server: Server, scene: Callable[[Listener], Awaitable[bytes]], *, size_max: int = 1232) -> bytes:
    async def play() -> bytes:
        async with listening(server, size_max=size_max) as listener:
            return await scene(listener)

    return asyncio.run(play())


def test_a_query_gets_its_reply() -> None:
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", encode_outbound(OUTBOUND)))
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=REPLY)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_is_served() -> None:
    wire = run(Server("::1", 0), lambda listener: asked(listener, "::1", encode_outbound(OUTBOUND)))
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=REPLY)


@pytest.mark.parametrize(
    ("anywhere", "host"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.53"),
        pytest.param("::", "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")),
    ],
)
def test_a_reply_comes_from_the_address_that_was_asked(anywhere: str, host: str) -> None:
    wire = run(Server(anywhere, 0), lambda listener: asked(listener, host, encode_outbound(OUTBOUND)))
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=REPLY)


@pytest.mark.parametrize(
    "noise",
    [b"", b"\0", b"\0" * 11, bytes((0, 9, 0x80, 0)) + bytes(8)],
    ids="empty one-octet short-header response".split(),
)
def test_what_is_no_query_gets_silence_and_the_next_query_its_reply(noise: bytes) -> None:
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", noise, encode_outbound(OUTBOUND)))
    assert wire[:2] == b"\0\7"


@pytest.mark.parametrize(
    ("malformed", "rcode"),
    [
        (encode_outbound(OUTBOUND) + b"\0", Rcode.FORMERR),
        (encode_outbound(OUTBOUND)[:20], Rcode.FORMERR),
        (encode_outbound(OUTBOUND) + bytes(OCTETS), Rcode.FORMERR),
        (bytes((0, 7, 0x20, 0)) + encode_outbound(OUTBOUND)[4:], Rcode.NOTIMP),
    ],
    ids="trailing cut oversized notify".split(),
)
def test_a_malformed_query_gets_its_error(malformed: bytes, rcode: Rcode) -> None:
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", malformed))
    assert (wire[:2], wire[3] & 0xF) == (b"\0\7", rcode)


def test_no_datagram_is_larger_than_the_listener_may_send() -> None:
    query = encode_outbound(OUTBOUND)[:-11] + b"\x00\x00\x29\xff\xff" + bytes(6)  # takes 65,535 octets
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", query), size_max=50)
    assert len(wire) <= 50
    assert wire[2] & 0x02  # TC


def test_any_free_port_is_one_for_udp_and_tcp() -> None:
    async def scene(listener: Listener) -> bytes:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.bound.port)
        writer.close()
        return await asked(listener, "127.0.0.1", encode_outbound(OUTBOUND))

    assert run(Server("127.0.0.1", 0), scene)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_that_is_taken_is_refused_with_advice_and_nothing_stays_open(kind: socket.SocketKind) -> None:
    async def scene() -> None:
        with closing(socket.socket(socket.AF_INET, kind)) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            server = Server("127.0.0.1", taken.getsockname()[1])
            with pytest.raises(ListenError, match="another program listens there"):
                await Listener(server, answer).start()
        async with listening(server):  # no socket of the failed start is in the way
            pass

    asyncio.run(scene())


def test_an_address_of_another_machine_is_refused_with_its_reason() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1 is not an address of this machine"):
        asyncio.run(Listener(Server("192.0.2.1", 0), answer).start())


def test_a_reply_after_the_stop_is_dropped() -> None:
    async def scene() -> None:
        late: list[tuple[Client, Query]] = []
        listener = Listener(Server("127.0.0.1", 0), lambda client, query: late.append((client, query)))
        await listener.start()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
            client.sendto(encode_outbound(OUTBOUND), ("127.0.0.1", listener.bound.port))
            while not late:
                await asyncio.sleep(0)
        listener.stop()
        late[0][0].respond(late[0][1], REPLY)
        assert listener.dropped == 1

    asyncio.run(scene())
