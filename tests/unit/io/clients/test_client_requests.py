"""Requests: told from queries, many by UDP, one at a time of a connection, and at the pace at which a client reads."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from typing import Final

import dns.message
import dns.rcode
import pytest

from standfast.dns.model import Query, Rcode, Reply
from standfast.dns.servers import Server
from standfast.io.clients import connections
from standfast.io.clients.client import Client
from standfast.io.clients.connections import WRITE_OCTETS_MAX
from standfast.io.clients.listener import Listener
from standfast.io.clients.requests import OnRequest, Peer, Requests, Send

NOTICED_S: Final = 20.0
TRANSFER: Final = dns.message.make_query("example.org", "AXFR", id=7).to_wire()
QUERY: Final = dns.message.make_query("example.org", "A", id=8).to_wire()


@asynccontextmanager
async def serving(on_request: OnRequest, *, datagrams_max: int = 64) -> AsyncIterator[tuple[Listener, Requests]]:
    requests = Requests(on_request, datagrams_max=datagrams_max)
    listener = Listener(Server("127.0.0.1", 0), answer, requests=requests)
    await listener.start()
    try:
        yield listener, requests
    finally:
        listener.stop()
        await requests.stop()


def answer(client: Client, query: Query) -> None:
    client.respond(query, Reply(rcode=Rcode.NOERROR))


async def echo(wire: bytes, peer: Peer, send: Send) -> None:
    assert (peer.address, peer.encrypted) == ("127.0.0.1", False)
    await send(wire[:2] + (b"tcp" if peer.tcp else b"udp"))


def framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


async def read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def client_of(listener: Listener) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    client.connect((listener.bound.host, listener.bound.port))
    return client


async def received(client: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(client, 65_535)


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


def run(scene: Coroutine[None, None, None]) -> None:
    async def play() -> None:
        await asyncio.wait_for(scene, NOTICED_S)

    asyncio.run(play())


def test_requests_and_queries_part_by_udp_and_by_tcp() -> None:
    async def scene() -> None:
        async with serving(echo) as (listener, _):
            with closing(client_of(listener)) as client:
                client.send(TRANSFER)
                assert await received(client) == b"\0\7udp"
                client.send(QUERY)
                assert dns.message.from_wire(await received(client)).rcode() == dns.rcode.NOERROR
            reader, writer = await asyncio.open_connection(listener.bound.host, listener.bound.port)
            writer.write(framed(TRANSFER) + framed(QUERY) + framed(TRANSFER))
            assert await read(reader) == b"\0\7tcp"
            assert dns.message.from_wire(await read(reader)).rcode() == dns.rcode.NOERROR
            assert await read(reader) == b"\0\7tcp"
            writer.close()

    run(scene())


def test_beyond_so_many_by_udp_requests_are_dropped_until_one_is_done() -> None:
    async def scene() -> None:
        gate = asyncio.Event()

        async def held(wire: bytes, peer: Peer, send: Send) -> None:
            await gate.wait()
            await echo(wire, peer, send)

        async with serving(held, datagrams_max=2) as (listener, requests):
            with closing(client_of(listener)) as client:
                for _ in range(3):
                    client.send(TRANSFER)
                await until(lambda: requests.dropped == 1)
                gate.set()
                assert await received(client) == await received(client) == b"\0\7udp"
                client.send(TRANSFER)
                assert await received(client) == b"\0\7udp"
            assert requests.dropped == 1

    run(scene())


def test_what_comes_behind_a_request_of_the_same_connection_waits_for_it() -> None:
    async def scene() -> None:
        gate = asyncio.Event()

        async def held(wire: bytes, peer: Peer, send: Send) -> None:
            await gate.wait()
            await echo(wire, peer, send)

        async with serving(held) as (listener, _):
            reader, writer = await asyncio.open_connection(listener.bound.host, listener.bound.port)
            writer.write(framed(TRANSFER) + framed(QUERY))
            writer.write_eof()
            with closing(client_of(listener)) as client:  # others do not
                client.send(QUERY)
                await received(client)
            gate.set()
            assert await read(reader) == b"\0\7tcp"
            assert (await read(reader))[:2] == b"\0\x08"
            assert await reader.read() == b""

    run(scene())


def test_a_transfer_goes_at_the_pace_of_who_reads_it() -> None:
    async def scene() -> None:
        sent = 0

        async def transfer(wire: bytes, peer: Peer, send: Send) -> None:
            nonlocal sent
            for _ in range(200):
                await send(bytes(60_000))
                sent += 1

        async with serving(transfer) as (listener, _):
            reader, writer = await asyncio.open_connection(listener.bound.host, listener.bound.port)
            assert isinstance(writer.transport, asyncio.ReadTransport)
            writer.transport.pause_reading()
            writer.write(framed(TRANSFER))
            before = -1
            while before < sent or not sent:  # until it has come to a halt, as it must
                before = sent
                await asyncio.sleep(0.2)
            assert sent < 200
            (connection,) = listener.connections._seats._taken
            assert connection._transport.get_write_buffer_size() <= WRITE_OCTETS_MAX
            writer.transport.resume_reading()
            for _ in range(200):
                assert len(await read(reader)) == 60_000
            await until(lambda: sent == 200)
            writer.close()

    run(scene())


def endless(ended: asyncio.Event) -> OnRequest:
    """Return a transfer without an end, which tells when it was ended."""

    async def transfer(wire: bytes, peer: Peer, send: Send) -> None:
        try:
            while True:
                await send(bytes(60_000))
        finally:
            ended.set()

    return transfer


def test_a_request_whose_client_is_gone_ends() -> None:
    async def scene() -> None:
        ended = asyncio.Event()
        async with serving(endless(ended)) as (listener, requests):
            _, writer = await asyncio.open_connection(listener.bound.host, listener.bound.port)
            writer.write(framed(TRANSFER))
            await writer.drain()
            await until(lambda: bool(requests._running))
            writer.transport.abort()
            await ended.wait()
            await until(lambda: not requests._running)

    run(scene())


def test_a_client_that_takes_nothing_in_for_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SLOW_S", 0.1)

    async def scene() -> None:
        ended = asyncio.Event()
        async with serving(endless(ended)) as (listener, _):
            _, writer = await asyncio.open_connection(listener.bound.host, listener.bound.port)
            assert isinstance(writer.transport, asyncio.ReadTransport)
            writer.transport.pause_reading()
            writer.write(framed(TRANSFER))
            await ended.wait()
            writer.transport.abort()

    run(scene())


def test_a_request_that_takes_longer_than_idleness_may_is_answered() -> None:
    async def scene() -> None:
        async def slow(wire: bytes, peer: Peer, send: Send) -> None:
            await asyncio.sleep(0.5)
            await echo(wire, peer, send)

        async with serving(slow) as (listener, _):
            listener.connections.idle_s = 0.1
            reader, writer = await asyncio.open_connection(listener.bound.host, listener.bound.port)
            writer.write(framed(TRANSFER))
            assert await read(reader) == b"\0\7tcp"
            assert await reader.read() == b""  # and idle from then on
            writer.close()

    run(scene())


def test_a_request_that_fails_leaves_the_others_alone() -> None:
    async def scene() -> None:
        failed = asyncio.Event()

        async def fails(wire: bytes, peer: Peer, send: Send) -> None:
            if not failed.is_set():
                failed.set()
                raise ValueError("a fault of ours")
            await echo(wire, peer, send)

        async with serving(fails) as (listener, _):
            with closing(client_of(listener)) as client:
                client.send(TRANSFER)
                await failed.wait()
                client.send(TRANSFER)
                assert await received(client) == b"\0\7udp"

    run(scene())


def test_without_anybody_for_requests_they_get_their_error() -> None:
    async def scene() -> None:
        listener = Listener(Server("127.0.0.1", 0), answer)
        await listener.start()
        with closing(client_of(listener)) as client:
            client.send(TRANSFER)
            assert dns.message.from_wire(await received(client)).rcode() == dns.rcode.REFUSED
        listener.stop()

    run(scene())
