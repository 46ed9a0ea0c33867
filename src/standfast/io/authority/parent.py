"""Asks the servers of a zone's parent which DS records they have. By TCP alone: a key hangs on the answer."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

from standfast.dns.codec import AA, QR
from standfast.dns.model import Name, Rcode, RRType
from standfast.dns.requests import Message, message, question_octets, read_message
from standfast.dns.servers import Server
from standfast.dns.wire import WireError
from standfast.ports import Random

TIMEOUT_S: Final = 10.0  # for each server; there is no hurry


async def ds_at_parent(origin: Name, servers: Sequence[Server], rng: Random) -> Collection[bytes] | None:
    """Return the data of the DS records that all of `servers` have; None where one did not say."""
    answers = await asyncio.gather(*(_ask(origin, server, rng.getrandbits(16)) for server in servers))
    if not answers or None in answers:
        return None
    return frozenset.intersection(*(each for each in answers if each is not None))


async def _ask(origin: Name, server: Server, id_: int) -> frozenset[bytes] | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            try:
                wire = message(id_=id_, flags=0, question=question_octets(origin, RRType.DS))
                writer.write(len(wire).to_bytes(2, "big") + wire)
                await writer.drain()
                size = int.from_bytes(await reader.readexactly(2), "big")
                found = read_message(await reader.readexactly(size))
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, EOFError, TimeoutError, WireError):
        return None
    return _read(found, origin, id_)


def _read(found: Message, origin: Name, id_: int) -> frozenset[bytes] | None:
    said = found.id == id_ and found.flags & QR and found.flags & AA and found.rcode == Rcode.NOERROR
    if not said or (found.qname, found.qtype) != (origin, RRType.DS):
        return None
    return frozenset(raw.rdata for raw in found.answer if (raw.owner, raw.rtype) == (origin, RRType.DS))
