"""A look by DNS: the server answers a question with records of its type, by UDP, and by TCP what does not fit."""

import asyncio

from standfast.control.health import Ill, Look, Well
from standfast.control.intent import HealthCheck
from standfast.dns.codec import decode_incoming, encode_outbound
from standfast.dns.exchange import CaseChanged, Heard, Incoming, NotOurs, Outbound, Unreadable
from standfast.dns.model import Question, Rcode, rcode_name, type_name
from standfast.dns.name import BadName, parse_name
from standfast.dns.servers import Server
from standfast.io.dns_over_tcp import LENGTH_OCTETS, connection, send
from standfast.io.upstreams.messages import NOT_OURS_MAX
from standfast.ports import Random


async def look_by_dns(address: str, check: HealthCheck, rng: Random) -> Look:
    """Ask for the host of `check` and its type.

    Raises:
        OSError: the server cannot be reached.
    """
    assert check.port is not None
    assert check.host is not None
    try:
        qname = parse_name(check.host)
    except BadName as error:
        return Ill(why=str(error))
    asked = Outbound(id=rng.getrandbits(16), question=Question(qname, check.qtype), cased_qname=qname)
    answer = await _by_udp(address, check.port, asked)
    if isinstance(answer, Heard) and answer.truncated:
        try:
            answer = await _by_tcp(Server(host=address, port=check.port), asked)
        except EOFError:
            return Ill(why="its answer is truncated, and by TCP it closed the connection")
    return _said(answer, check.qtype)


def _said(answer: Incoming, qtype: int) -> Look:
    match answer:
        case Heard(truncated=True):
            return Ill(why="its answer is truncated, by TCP too")
        case Heard(reply=reply) if reply.rcode != Rcode.NOERROR:
            return Ill(why=f"it answers {rcode_name(reply.rcode)}")
        case Heard(reply=reply) if not any(rrset.rtype == qtype for rrset in reply.answer):
            return Ill(why=f"it answers without a record of type {type_name(qtype)}")
        case Heard():
            return Well()
        case Unreadable(detail=detail):
            return Ill(why=f"its answer is malformed: {detail}")
        case CaseChanged() | NotOurs():
            return Ill(why="it answers what was not asked")


class _Answers(asyncio.DatagramProtocol):
    """Waits for the answer to one question; what answers another is dropped (RFC 5452 section 9)."""

    def __init__(self, asked: Outbound) -> None:
        self.answer: asyncio.Future[Incoming] = asyncio.get_running_loop().create_future()
        self._asked = asked
        self._not_ours = 0

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Take in an answer."""
        found = decode_incoming(data, self._asked)
        if isinstance(found, NotOurs):
            self._not_ours += 1
            if self._not_ours < NOT_OURS_MAX:
                return
        if not self.answer.done():
            self.answer.set_result(found)

    def error_received(self, exc: Exception) -> None:
        """Take in what the system says, such as that the port is closed."""
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _by_udp(address: str, port: int, asked: Outbound) -> Incoming:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Answers(asked), remote_addr=(address, port)
    )
    try:
        transport.sendto(encode_outbound(asked))
        return await protocol.answer
    finally:
        transport.abort()


async def _by_tcp(server: Server, asked: Outbound) -> Incoming:
    async with connection(server) as (reader, writer):
        send(writer, encode_outbound(asked))
        size = int.from_bytes(await reader.readexactly(LENGTH_OCTETS), "big")
        return decode_incoming(await reader.readexactly(size), asked)
