"""Queries that share connections: how many there are, what goes over them, and what becomes of those that are lost."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pooled import Pooled, address_in, answer_one, reply_to
from scripted_streams import StreamConnection, StreamServer, framed, listening
from standfast.dns.codec import encode_response
from standfast.dns.exchange import Heard
from standfast.dns.model import Query, Rcode, Reply, RRset
from standfast.dns.servers import Server
from standfast.io.roots import Roots
from standfast.io.upstreams import connection as upstream_connection
from standfast.io.upstreams import lines as upstream_lines
from standfast.io.upstreams import pool as upstream_pool
from standfast.io.upstreams.messages import NOT_OURS_MAX, PIPELINE_MAX
from standfast.io.upstreams.pool import CONNECTIONS_MAX, QUEUE_MAX

ROOTS = Roots()
CLOSED = "the connection was closed without an answer"
LARGE = Reply(
    rcode=Rcode.NOERROR, answer=(RRset(owner="n1.example.org.", rtype=65_280, ttl_s=1, rdatas=(b"x" * 65_000,)),)
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no connection for dead because this machine is busy: where silence is the point, the test says how long."""
    monkeypatch.setattr(upstream_connection, "STALL_S", 60.0)
    monkeypatch.setattr(upstream_connection, "FIRST_ANSWER_S", 60.0)


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Pooled, StreamServer]]:
    async with listening() as server:
        asked = Pooled(Server("127.0.0.1", server.port), ROOTS)
        try:
            yield asked, server
        finally:
            asked.pool.close()
            await asyncio.sleep(0)


def play(scene: Callable[[Pooled, StreamServer], Coroutine[None, None, None]]) -> None:
    """Run a scene with a pool and the one server that it asks; nothing may be left over or go wrong unseen."""
    faults: list[dict[str, object]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with asking() as (asked, server):
            await scene(asked, server)

    asyncio.run(run())
    assert not faults, faults


# One connection


def test_many_queries_cost_one_connection() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        await answer_one(connection)
        assert address_in(await asked.report(1)) == 1
        for number in range(2, 100):
            asked.ask(number)
            await answer_one(connection)
            assert address_in(await asked.report(number)) == number
        assert server.accepted == 1

    play(scene)


def test_queries_go_out_without_waiting_for_answers_which_may_come_in_any_order() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in range(1, 51):
            asked.ask(number)
        connection = await server.connection()
        queries = [await connection.query() for _ in range(50)]
        for query in reversed(queries):
            connection.answer(query, reply_to(query))
        assert [address_in(await asked.report(number)) for number in range(1, 51)] == list(range(1, 51))
        assert server.accepted == 1

    play(scene)


def test_queries_under_way_have_different_ids_on_the_wire_whatever_they_have_elsewhere() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in range(1, 6):
            asked.ask(number, id_=65_535)
        connection = await server.connection()
        queries = [await connection.query() for _ in range(5)]
        assert [query.id for query in queries] == [65_535, 0, 1, 2, 3]
        for query in reversed(queries):
            connection.answer(query, reply_to(query))
        assert [address_in(await asked.report(number)) for number in range(1, 6)] == [1, 2, 3, 4, 5]

    play(scene)


def test_a_late_answer_to_an_abandoned_query_is_not_taken_for_one_to_another() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1, id_=7)
        connection = await server.connection()
        abandoned = await connection.query()
        asked.pool.abandon(1)
        asked.pool.abandon(1)  # the core may say so twice
        asked.ask(2, id_=7)
        query = await connection.query()
        assert query.id != abandoned.id
        connection.answer(abandoned, reply_to(abandoned))
        connection.answer(query, reply_to(query))
        assert address_in(await asked.report(2)) == 2
        assert asked.is_open(1)
        assert len(asked.pool) == 0

    play(scene)


def test_who_hears_an_answer_may_ask_on_and_abandon_while_others_have_come_with_it() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in (1, 2, 3):
            asked.ask(number)
        connection = await server.connection()
        queries = [await connection.query() for _ in range(3)]

        def go_on() -> None:
            asked.ask(4, id_=2)  # the ID of an answer that is here already
            asked.pool.abandon(3)

        asked.then[1] = go_on
        connection.write(b"".join(framed(encode_response(query, reply_to(query), tcp=True)) for query in queries))
        assert address_in(await asked.report(2)) == 2
        await answer_one(connection)
        assert address_in(await asked.report(4)) == 4
        assert asked.is_open(3)
        assert len(asked.pool) == 0

    play(scene)


def test_an_answer_is_put_together_from_whatever_pieces_it_comes_in() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in (1, 2):
            asked.ask(number)
        connection = await server.connection()
        queries = [await connection.query() for _ in range(2)]
        octets = b"".join(framed(encode_response(query, reply_to(query), tcp=True)) for query in queries)
        for at in range(len(octets)):
            connection.write(octets[at : at + 1])
            await asyncio.sleep(0)
        assert [address_in(await asked.report(number)) for number in (1, 2)] == [1, 2]

    play(scene)


def test_the_largest_answer_comes_whole() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        connection.answer(await connection.query(), LARGE)
        assert await asked.report(1) == Heard(reply=LARGE)

    play(scene)


def test_answers_to_something_else_are_passed_over() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        query = await connection.query()
        for other in (replace(query, id=2), replace(query, cased_qname="other.example.org.")):
            connection.answer(other, Reply(rcode=Rcode.NXDOMAIN))
        connection.write(framed(b""))
        connection.answer(query, reply_to(query))
        assert address_in(await asked.report(1)) == 1

    play(scene)


def test_a_server_that_only_talks_of_something_else_is_hung_up_on() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        query = await connection.query()
        for id_ in range(2, 2 + NOT_OURS_MAX):
            connection.answer(replace(query, id=id_), Reply(rcode=Rcode.NXDOMAIN))
        assert await asked.report(1) == f"{NOT_OURS_MAX} answers to something that was not asked"
        await connection.closed()

    play(scene)


# Connections that end


def test_a_connection_that_nothing_goes_over_is_closed_and_the_next_query_opens_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream_lines, "IDLE_S", 0.3)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in (1, 2):
            asked.ask(number)
            connection = await server.connection()
            await answer_one(connection)
            assert address_in(await asked.report(number)) == number
            await connection.closed()
        assert server.accepted == 2

    play(scene)


def test_a_connection_that_a_query_waits_on_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_lines, "IDLE_S", 0.3)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        query = await connection.query()
        await asyncio.sleep(1.0)
        connection.answer(query, reply_to(query))
        assert address_in(await asked.report(1)) == 1

    play(scene)


def test_a_server_may_close_what_is_idle_at_any_time() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in range(1, 6):
            asked.ask(number)
            connection = await server.connection()
            await answer_one(connection)
            assert address_in(await asked.report(number)) == number
            connection.close()

    play(scene)


@pytest.mark.parametrize("broken_off", [True, False])
def test_queries_that_a_used_connection_loses_go_once_again_over_a_new_one(broken_off: bool) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        first = await server.connection()
        await answer_one(first)
        await asked.report(1)
        for number in (2, 3):
            asked.ask(number)
            await first.query()
        if broken_off:
            first.abort()
        else:
            first.write(b"\0\x20half an answer")
            first.close()
        second = await server.connection()
        for _ in range(2):
            await answer_one(second)
        assert [address_in(await asked.report(number)) for number in (2, 3)] == [2, 3]
        assert server.accepted == 2

    play(scene)


def test_they_are_not_sent_a_third_time() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        first = await server.connection()
        await answer_one(first)
        await asked.report(1)
        asked.ask(2)
        await first.query()
        first.close()
        second = await server.connection()
        await second.query()
        asked.ask(3)
        await answer_one(second)
        assert address_in(await asked.report(3)) == 3  # so that the second one is used as well
        second.close()
        assert await asked.report(2) == CLOSED

    play(scene)


@pytest.mark.parametrize("piece", [b"", b"\0", b"\0\x20", b"\0\x20abc"])
def test_a_server_that_closes_every_new_connection_without_an_answer_fails(piece: bytes) -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in (1, 2):
            asked.ask(number)
            connection = await server.connection()
            await connection.query()
            connection.write(piece)
            connection.close()
            assert await asked.report(number) == CLOSED
        assert server.accepted == 2

    play(scene)


def test_a_used_connection_that_falls_silent_is_given_up_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_connection, "STALL_S", 0.05)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        first = await server.connection()
        await answer_one(first)
        await asked.report(1)
        asked.ask(2)
        await first.query()
        second = await server.connection()
        await answer_one(second)
        assert address_in(await asked.report(2)) == 2
        await first.closed()

    play(scene)


def test_a_new_connection_is_given_time_however_silent_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_connection, "STALL_S", 0.05)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        query = await connection.query()
        await asyncio.sleep(0.2)
        connection.answer(query, reply_to(query))
        assert address_in(await asked.report(1)) == 1
        assert server.accepted == 1

    play(scene)


def test_a_new_connection_that_never_answers_is_given_up_when_nobody_waits_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream_connection, "FIRST_ANSWER_S", 0.05)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        first = await server.connection()
        await first.query()
        assert await asked.report(1) == "nothing came for 0.05 s"
        await first.closed()
        monkeypatch.setattr(upstream_connection, "FIRST_ANSWER_S", 60.0)
        asked.ask(2)
        await answer_one(await server.connection())
        assert address_in(await asked.report(2)) == 2

    play(scene)


def test_a_server_that_was_started_again_is_asked_again() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        await answer_one(await server.connection())
        await asked.report(1)
        asked.ask(2)
        server.stop()
        assert await asked.report(2) in ("connection refused", "connection reset by peer")
        await server.start()
        await asyncio.sleep(upstream_pool.PAUSE_S)
        asked.ask(3)
        await answer_one(await server.connection())
        assert address_in(await asked.report(3)) == 3

    play(scene)


# Bounds


def test_a_flood_goes_over_few_connections_and_every_query_is_answered() -> None:
    number_of = 2 * CONNECTIONS_MAX * PIPELINE_MAX

    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in range(number_of):
            asked.ask(number)
        connections = [await server.connection() for _ in range(CONNECTIONS_MAX)]

        async def serve(connection: StreamConnection) -> None:
            # No answer until the connection is full.
            held.extend([(connection, await connection.query()) for _ in range(PIPELINE_MAX)])
            full.release()
            while True:
                query = await connection.query()
                connection.answer(query, reply_to(query))

        held: list[tuple[StreamConnection, Query]] = []
        full = asyncio.Semaphore(0)
        servers = [asyncio.create_task(serve(connection)) for connection in connections]
        for _ in connections:
            await full.acquire()
        for connection, query in held:
            connection.answer(query, reply_to(query))
        answers = [address_in(await asked.report(number)) for number in range(number_of)]
        assert answers == [number % 256 for number in range(number_of)]
        assert server.accepted == CONNECTIONS_MAX
        for task in servers:
            task.cancel()

    play(scene)


def test_more_queries_than_can_wait_fail_at_once() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        for number in range(QUEUE_MAX + 1):  # nothing is connected before the event loop comes to it
            asked.ask(number)
        assert await asked.report(QUEUE_MAX) == f"{QUEUE_MAX} queries wait for it already"
        assert asked.is_open(QUEUE_MAX - 1)

    play(scene)


def test_a_server_that_cannot_be_reached_is_not_tried_for_every_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_pool, "PAUSE_S", 60.0)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        server.stop()
        asked.ask(1)
        assert await asked.report(1) == "connection refused"
        await server.start()
        asked.ask(2)
        assert await asked.report(2) == "connection refused"
        assert server.accepted == 0

    play(scene)


def test_a_server_that_does_not_even_connect_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_pool, "CONNECT_S", 0.1)

    async def scene(asked: Pooled, server: StreamServer) -> None:
        del server
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            filler = [socket.socket() for _ in range(4)]  # the kernel answers no more, once its backlog is full
            for each in filler:
                each.setblocking(False)
                each.connect_ex(address)
            elsewhere = Pooled(Server("127.0.0.1", address[1]), ROOTS)
            elsewhere.ask(1)
            assert await elsewhere.report(1) == "no connection within 0.1 s"
            for each in filler:
                each.close()

    play(scene)


def test_nothing_is_reported_after_the_end() -> None:
    async def scene(asked: Pooled, server: StreamServer) -> None:
        asked.ask(1)
        connection = await server.connection()
        await answer_one(connection)
        await asked.report(1)
        asked.ask(2)
        await connection.query()
        asked.pool.close()
        await connection.closed()
        assert asked.is_open(2)
        assert server.accepted == 1

    play(scene)
