"""Workers as real processes beside a listener of the test's own: what they give, and what happens when one is lost."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
import structlog.testing

from standfast.dns.codec import encode_outbound, encode_response, rrset_from_text
from standfast.dns.exchange import Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.dns.prepared import PreparedAnswers
from standfast.dns.servers import Server
from standfast.guard.cache import Entry, aged
from standfast.io.clients.batch import packed_address
from standfast.io.clients.client import Client
from standfast.io.clients.datagrams import FastPath
from standfast.io.clients.limits import Gate, Limits
from standfast.io.clients.listener import Listener
from standfast.io.clock import SteadyClock
from standfast.io.settings.addresses import has_ipv6
from standfast.io.workers.team import WorkerError, Workers

TIMEOUT_S = 20.0
RETRY_S = 1.0  # a client that got no answer asks again, as stub resolvers do
CLIENTS = 32  # sockets, so that the kernel gives some to each of three processes
NAME = "www.example.org."
QUESTION = Question(NAME, RRType.A)
TTL_S = 300
AGE_S = 10.5  # of what the cache gives


class Guarded:
    """A guard's listener and its workers, with answers that a test sets."""

    def __init__(self, host: str, *, workers: int = 2, limits: Limits | None = None) -> None:
        self.clock = SteadyClock()
        self.answered = 0  # by this process, whether asked for by a worker or not
        self.told_hits = 0
        self.asked_by: set[str] = set()
        self.entry = self.entry_of("192.0.2.0")
        limits = limits or Limits(rate_limit_qps=0)
        self.gate = Gate(limits)
        fast = FastPath(PreparedAnswers(), now=self.clock.now, on_hits=self._count)
        self.listener = Listener(Server(host, 0), self._answer, fast=fast, gate=self.gate, sockets=1 + workers)
        self.workers = Workers(clock=self.clock, limits=limits, on_hits=self._count)

    def entry_of(self, address: str) -> Entry:
        """Return an entry of the cache for `NAME`."""
        reply = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text(NAME, RRType.A, TTL_S, [address]),))
        now = self.clock.now()
        return Entry(reply, now - AGE_S, now - AGE_S + TTL_S)

    def change(self, address: str) -> None:
        """Give `address` from now on."""
        self.entry.void()
        self.entry = self.entry_of(address)

    def _answer(self, client: Client, query: Query) -> None:
        self.answered += 1
        client.respond(query, self.entry.reply_at(self.clock.now()), self.entry)

    def _count(self, hits: int) -> None:
        self.told_hits += hits

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(host: str = "127.0.0.1", *, workers: int = 2, limits: Limits | None = None) -> AsyncIterator[Guarded]:
    guarded = Guarded(host, workers=workers, limits=limits)
    await guarded.listener.start()
    try:
        await guarded.workers.start([[each] for each in guarded.listener.datagrams[1:]])
        yield guarded
    finally:
        await guarded.workers.stop()
        guarded.listener.stop()


def play(scene: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scene())


class Clients:
    """Many sockets that ask the same question at once; each takes answers only from where it asks."""

    def __init__(self, stack: ExitStack, guarded: Guarded, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sockets = [
            stack.enter_context(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) for _ in range(CLIENTS)
        ]
        for each in self.sockets:
            each.connect((host, guarded.listener.bound.port))

    async def ask(self, query_id: int) -> set[bytes]:
        """Have all ask, again where no answer comes, and return the answers."""
        wire = wire_of(query_id)
        return set(await asyncio.gather(*(self._ask(each, wire) for each in self.sockets)))

    async def addresses(self, query_id: int) -> set[str]:
        return {socket.inet_ntoa(answer[-4:]) for answer in await self.ask(query_id)}

    @staticmethod
    async def _ask(client: socket.socket, wire: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TIMEOUT_S
        client.send(wire)
        while True:
            try:
                answer = await asyncio.wait_for(loop.sock_recv(client, 512), RETRY_S)
            except TimeoutError:
                assert loop.time() < deadline
                client.send(wire)
                continue
            if answer[:2] == wire[:2]:  # not a second answer to a query of before
                return answer


def wire_of(query_id: int) -> bytes:
    return encode_outbound(Outbound(id=query_id, question=QUESTION, cased_qname=NAME, edns=False))


def wire_for(query_id: int, reply: Reply) -> bytes:
    return encode_response(Query(id=query_id, question=QUESTION, cased_qname=NAME, ad=True), reply)


@pytest.mark.parametrize(
    ("listened", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.53"),
        pytest.param("::1", "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")),
        pytest.param("::", "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")),
    ],
)
def test_every_worker_answers_from_the_address_that_was_asked_and_is_counted(listened: str, asked: str) -> None:
    async def scene() -> None:
        async with running(listened) as guarded:
            with ExitStack() as stack:
                clients = Clients(stack, guarded, asked)
                rounds = 0
                while not all(guarded.workers.serving.values()):
                    assert rounds < 50
                    assert await clients.addresses(rounds) == {"192.0.2.0"}
                    rounds += 1
                answered = guarded.answered
                assert await clients.addresses(999) == {"192.0.2.0"}
                assert guarded.answered == answered, "all give what they have"
                total = CLIENTS * (rounds + 1)
            await guarded.until(lambda: guarded.told_hits + guarded.answered >= total)
            assert guarded.told_hits + guarded.answered == total

    play(scene)


def test_a_worker_gives_the_octets_that_the_guard_would_give_while_ttls_count_down() -> None:
    async def scene() -> None:
        async with running() as guarded:
            with ExitStack() as stack:
                clients = Clients(stack, guarded)
                seen: set[bytes] = set()
                begun = guarded.clock.now()
                while len(seen) < 3 or guarded.clock.now() < begun + 2.5:
                    before = guarded.clock.now() - guarded.entry.stored_at_s
                    answers = await clients.ask(7)
                    after = guarded.clock.now() - guarded.entry.stored_at_s
                    ages_s = range(int(before), int(after) + 1)
                    right = {wire_for(7, aged(guarded.entry.reply, age_s)) for age_s in ages_s}
                    assert answers <= right
                    seen |= answers
            assert sum(guarded.workers.serving.values()) > 0

    play(scene)


def test_no_worker_gives_a_former_answer_to_who_asks_after_it_was_voided() -> None:
    async def scene() -> None:
        async with running() as guarded:
            with ExitStack() as stack:
                clients = Clients(stack, guarded)
                for number in range(100):
                    assert await clients.addresses(2 * number) == {f"192.0.2.{number}"}
                    assert await clients.addresses(2 * number + 1) == {f"192.0.2.{number}"}
                    guarded.change(f"192.0.2.{number + 1}")
            assert all(guarded.workers.serving.values())

    play(scene)


def test_who_is_not_served_is_told_so_by_every_worker_and_counted() -> None:
    limits = Limits(allow=(ip_network("192.0.2.0/24"),), rate_limit_qps=0)

    async def scene() -> None:
        async with running("0.0.0.0", limits=limits) as guarded:
            with ExitStack() as stack:
                clients = Clients(stack, guarded)
                assert {answer[3] & 0xF for answer in await clients.ask(1)} == {Rcode.REFUSED}
            assert guarded.answered == 0
            assert guarded.workers.tally.outside + guarded.gate.outside == CLIENTS
            assert guarded.workers.tally.outside > 0
            assert not guarded.gate.allows(packed_address("127.0.0.1"))

    play(scene)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_lost_worker_is_noticed_and_replaced_and_every_client_gets_its_answer(by: signal.Signals) -> None:
    async def scene() -> None:
        async with running() as guarded:
            with ExitStack() as stack:
                clients = Clients(stack, guarded)
                first = list(guarded.workers.serving)
                assert await clients.addresses(1) == {"192.0.2.0"}
                os.kill(first[0], by)
                for number in range(20):
                    guarded.change(f"192.0.2.{number}")
                    assert await clients.addresses(2 + number) == {f"192.0.2.{number}"}
                await guarded.until(lambda: guarded.workers.lost == 1 and len(guarded.workers.serving) == 2)
                now = list(guarded.workers.serving)
                assert first[0] not in now
                assert first[1] in now
                rounds = 0
                while not all(guarded.workers.serving.values()):
                    assert rounds < 50
                    assert await clients.addresses(100 + rounds) == {"192.0.2.19"}
                    rounds += 1

    with structlog.testing.capture_logs() as logs:
        play(scene)
    (lost,) = [each for each in logs if each["event"] == "worker.lost"]
    assert lost["reason"] == ("it ended" if by == signal.SIGKILL else "it hung, and was killed")


def test_the_guard_never_waits_for_a_worker_that_reads_nothing() -> None:
    async def scene() -> None:
        async with running(workers=1) as guarded:
            (worker,) = guarded.workers.serving
            os.kill(worker, signal.SIGSTOP)
            (datagrams,) = guarded.listener.datagrams[1:]
            keeper, wire = datagrams.keeper, wire_of(1)
            begun = time.process_time()
            given = 0
            for _ in range(20_000):
                entry = guarded.entry_of("192.0.2.1")
                entry.prepare(keeper, wire, wire_for(1, entry.reply), guarded.clock.now())
                given += len(entry.prepared)
                entry.void()
            assert 0 < given < 20_000, "the channel was full"
            assert time.process_time() - begun < TIMEOUT_S
            os.kill(worker, signal.SIGCONT)
            with ExitStack() as stack:
                assert await Clients(stack, guarded).addresses(3) == {"192.0.2.0"}

    play(scene)


def test_while_no_worker_can_be_started_the_guard_serves_its_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with running(workers=1) as guarded:
            (worker,) = guarded.workers.serving
            monkeypatch.setattr(sys, "executable", "/bin/false")
            os.kill(worker, signal.SIGKILL)
            await guarded.until(lambda: guarded.workers.lost >= 3)
            monkeypatch.setattr(sys, "executable", "/nonexistent")
            with ExitStack() as stack:
                clients = Clients(stack, guarded)
                assert await clients.addresses(1) == {"192.0.2.0"}
                await guarded.until(lambda: guarded.workers.lost >= 4)
                assert await clients.addresses(2) == {"192.0.2.0"}
                assert not guarded.workers.serving
                monkeypatch.undo()
                await guarded.until(lambda: len(guarded.workers.serving) == 1)
                assert await clients.addresses(3) == {"192.0.2.0"}

    with structlog.testing.capture_logs() as logs:
        play(scene)
    pauses = [each["next_in_s"] for each in logs if each["event"] == "worker.lost"]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]


def test_a_worker_that_does_not_start_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with running():
            pytest.fail("it started")

    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkerError, match="a worker does not start: it ended"):
        play(scene)
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with pytest.raises(WorkerError, match="no such file or directory"):
        play(scene)


def test_a_stop_leaves_no_process_and_no_file_behind() -> None:
    pids: list[int] = []

    async def scene() -> None:
        before = open_files()
        async with running() as guarded:
            pids.extend(guarded.workers.serving)
            os.kill(pids[0], signal.SIGKILL)
            await guarded.until(lambda: len({*guarded.workers.serving} - {*pids}) == 1)
            pids.extend(guarded.workers.serving)
        await asyncio.sleep(0)
        assert open_files() == before

    play(scene)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def open_files() -> int:
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))
