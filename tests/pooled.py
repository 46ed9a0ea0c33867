"""Questions put to a server through a pool of connections, and answers that tell which question they are for."""

import asyncio
from collections.abc import Callable

from scripted_streams import WAIT_S, StreamConnection
from standfast.dns.codec import rrset_from_text
from standfast.dns.exchange import Heard, Heeded, Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.dns.servers import Server, Transport
from standfast.guard.events import Ask
from standfast.io.roots import Roots
from standfast.io.upstreams.pool import Pool


class Pooled:
    """A pool and one server that it asks; what it reports, each ask by its number."""

    def __init__(self, server: Server, roots: Roots) -> None:
        self.pool = Pool(roots, on_heard=self._take, on_failed=self._take)
        self._server = server
        self.then: dict[int, Callable[[], None]] = {}  # what is done as soon as an ask is reported, within the report
        self._reports: dict[int, asyncio.Future[Heeded | str]] = {}

    def ask(self, number: int, *, id_: int | None = None) -> None:
        """Ask for `n<number>.example.org.`, with the same number as its ID if there is no other."""
        qname = f"n{number}.example.org."
        query = Outbound(
            id=number if id_ is None else id_, question=Question(qname, RRType.A), cased_qname=qname.upper()
        )
        self._reports[number] = asyncio.get_running_loop().create_future()
        transport = Transport.TCP if self._server.over is Transport.UDP else self._server.over
        self.pool.send(Ask(ask=number, server=self._server, transport=transport, query=query))
        assert not self._reports[number].done(), "reported from within the call"

    async def report(self, number: int) -> Heeded | str:
        """Return what came of an ask."""
        async with asyncio.timeout(WAIT_S):
            return await self._reports[number]

    def is_open(self, number: int) -> bool:
        """Say whether nothing was reported of an ask."""
        return not self._reports[number].done()

    def _take(self, number: int, what: Heeded | str) -> None:
        self._reports[number].set_result(what)  # a second report would raise
        self.then.pop(number, lambda: None)()


def reply_to(query: Query) -> Reply:
    """Return an answer that tells by its address which question it is for."""
    number = int(query.question.qname.partition(".")[0][1:])
    address = f"192.0.2.{number % 256}"
    return Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text(query.question.qname, RRType.A, 60, [address]),))


def address_in(what: Heeded | str) -> int:
    """Return the last octet of the answered address."""
    assert isinstance(what, Heard), what
    return what.reply.answer[0].rdatas[0][3]


async def answer_one(connection: StreamConnection) -> None:
    query = await connection.query()
    connection.answer(query, reply_to(query))
