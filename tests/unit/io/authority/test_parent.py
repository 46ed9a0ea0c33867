"""What the servers of a parent say of a DS, each of them real, on loopback."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from standfast.dns.servers import Server
from standfast.io.authority.parent import ds_at_parent

ORIGIN = "example.org."
OLD, NEW = "1 15 2 " + "00" * 32, "2 15 2 " + "11" * 32
Answering = Callable[[dns.message.Message], bytes]


def says(*ds: str, aa: bool = True, rcode: int = 0, id_apart: int = 0) -> Answering:
    """Return a server that has these DS records."""

    def answer(query: dns.message.Message) -> bytes:
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.Rcode(rcode))
        made.id = (made.id + id_apart) % 65_536
        if aa:
            made.flags |= dns.flags.AA
        if ds:
            made.answer = [dns.rrset.from_text(ORIGIN, 60, "IN", "DS", *ds)]
        return made.to_wire()

    return answer


@asynccontextmanager
async def parent(answering: Answering) -> AsyncIterator[Server]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        answer = answering(dns.message.from_wire(await reader.readexactly(size)))
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield Server(*server.sockets[0].getsockname()[:2])


def asked(*answering: Answering, more: Collection[Server] = ()) -> list[int] | None:
    """Return the tags of the DS records that all have."""

    async def run() -> Collection[bytes] | None:
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(parent(each)) for each in answering]
            return await ds_at_parent(ORIGIN, [*servers, *more], random.Random(1))

    found = asyncio.run(run())
    return None if found is None else sorted(int.from_bytes(rdata[:2], "big") for rdata in found)


def test_a_ds_counts_when_every_server_has_it() -> None:
    assert asked(says(OLD, NEW)) == [1, 2]
    assert asked(says(OLD, NEW), says(NEW)) == [2]
    assert asked(says(OLD), says(NEW)) == []
    assert asked(says(OLD), says()) == []


@pytest.mark.parametrize(
    "answering",
    [
        says(NEW, aa=False),  # out of a cache, which may be old or forged
        says(NEW, rcode=2),
        says(NEW, id_apart=1),
        lambda query: b"\0\1\2",
        lambda query: query.to_wire(),
        lambda query: says(NEW)(dns.message.make_query("other.example.", "DS", id=query.id)),
    ],
)
def test_nothing_is_known_where_one_gives_no_answer_of_its_own(answering: Answering) -> None:
    assert asked(says(NEW), answering) is None


def test_nothing_is_known_where_one_cannot_be_reached(free_port: Callable[[], int]) -> None:
    assert asked(says(NEW), more=[Server("127.0.0.1", free_port())]) is None
    assert asked() is None
