"""A worker in a thread of the test, which plays the guard: what it answers, and what it never answers again."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from standfast.io.clients.batch import OCTETS
from standfast.io.clients.limits import Admission, Limits
from standfast.io.clock import SteadyClock
from standfast.io.workers.link import (
    READY,
    TO_GUARD_OCTETS_MAX,
    Asked,
    Count,
    HandedSocket,
    Orders,
    Page,
    decode_asked,
    make_channel,
    make_page,
)
from standfast.io.workers.remote_answers import RemoteAnswers
from standfast.io.workers.worker import Orphaned, Worker

TIMEOUT_S = 20.0
NAME = b"\x03www\x07example\x03org\x00"
TAIL = b"\x00\x01\x00\x01"
QUERY = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + NAME + TAIL
ANSWER = b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + NAME + TAIL + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04"


@dataclass
class Played:
    """The guard's end of a worker, and a client of it."""

    worker: Worker
    channel: socket.socket
    page: Page
    client: socket.socket
    clock: SteadyClock = field(default_factory=SteadyClock)
    orphaned: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answers = RemoteAnswers(self.channel, self.page)
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Let the worker run, and wait until it reads its socket."""
        self.thread.start()
        assert self.said() == READY

    def _run(self) -> None:
        try:
            self.worker.run()
        except Orphaned:
            self.orphaned.set()

    def said(self) -> bytes:
        """Return what the worker says next."""
        return self.channel.recv(TO_GUARD_OCTETS_MAX)

    def asked(self) -> Asked:
        """Return the one datagram that the worker hands on next."""
        (asked,) = decode_asked(self.said())
        return asked

    def prepare(self, address: bytes, query: bytes = QUERY) -> None:
        """Have the worker answer `query` with `address`."""
        now = self.clock.now()
        answer = ANSWER.replace(NAME + TAIL, query[10:]) + address
        put = self.answers.put(b"id" + query, b"id" + answer, stored_at_s=now, expires_at_s=now + 60, now=now)
        assert put is not None

    def ask(self, query_id: bytes, query: bytes = QUERY) -> None:
        self.client.send(query_id + query)

    def answered(self) -> tuple[bytes, bytes]:
        """Return the ID and the address of the answer that comes next."""
        answer = self.client.recv(512)
        return answer[:2], answer[-4:]


@pytest.fixture
def played() -> Iterator[Played]:
    here, there = make_channel()
    here.settimeout(TIMEOUT_S)
    fd = make_page()
    udp, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    udp.bind(("127.0.0.1", 0))
    udp.setblocking(False)
    client.connect(udp.getsockname())
    client.settimeout(TIMEOUT_S)
    clock = SteadyClock()
    orders = Orders(
        sockets=(HandedSocket(fd=udp.detach(), tells_local=False, gated=False),),
        limits=Limits(),
        clock_offset_s=clock.offset_s,
    )
    with here, there, client:
        played = Played(Worker(there, Page(fd), orders), here, Page(fd), client, clock)
        os.close(fd)
        yield played
        here.close()
        if played.thread.is_alive():
            played.thread.join(TIMEOUT_S)
            assert played.orphaned.is_set()


def test_what_is_not_prepared_is_handed_on_with_its_sender_and_what_is_gets_its_answer(played: Played) -> None:
    played.start()
    played.ask(b"\0\1")
    asked = played.asked()
    assert asked.datagram.wire == b"\0\1" + QUERY
    assert asked.datagram.address == played.client.getsockname()
    assert (asked.place, asked.admission) == (0, Admission.SERVE)
    played.prepare(b"\1\2\3\4")
    played.ask(b"\0\2")
    assert played.answered() == (b"\0\2", b"\1\2\3\4")
    played.ask(b"\0\3")
    assert played.answered() == (b"\0\3", b"\1\2\3\4")


def test_what_was_answered_is_counted(played: Played) -> None:
    played.start()
    played.prepare(b"\1\2\3\4")
    for _ in range(5):
        played.ask(b"\0\1")
        played.answered()
    played.ask(b"\0\2", QUERY[:-1] + b"\2")
    played.asked()  # by then what was before it is counted
    assert played.page.numbers[Count.HITS] == 5


def test_an_answer_that_is_voided_while_the_worker_turns_to_its_socket_is_not_given(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    def void_and_ask(clock: SteadyClock) -> float:  # the worker reads the clock, then its socket
        monkeypatch.undo()
        played.answers.void(QUERY)
        played.ask(b"\0\2")
        return clock.now()

    played.prepare(b"\1\2\3\4")
    played.start()
    monkeypatch.setattr(SteadyClock, "now", void_and_ask)
    played.ask(b"\0\1")
    handed_on = list(decode_asked(played.said()))
    if len(handed_on) == 1:
        handed_on += decode_asked(played.said())
    assert [asked.datagram.wire[:2] for asked in handed_on] == [b"\0\1", b"\0\2"]


def test_no_answer_is_given_to_who_asks_after_it_was_voided(played: Played) -> None:
    played.start()
    for number in range(500):
        address = number.to_bytes(4, "big")
        played.prepare(address)
        played.ask(b"\0\1")
        assert played.answered() == (b"\0\1", address)
        played.answers.void(QUERY)
        played.ask(b"\0\2")
        assert played.asked().datagram.wire == b"\0\2" + QUERY


def test_where_the_channel_is_full_everything_is_void_and_nobody_waits(played: Played) -> None:
    played.prepare(b"\1\2\3\4")
    other = QUERY.replace(b"www", b"aaa")
    played.channel.setblocking(False)
    number = 0
    while played.answers.put(
        b"id" + other, b"id" + ANSWER, stored_at_s=0.0, expires_at_s=0.0, now=0.0
    ):  # until it is full
        number += 1
    assert number > 100
    played.answers.void(QUERY)
    assert played.page.numbers[Count.FLUSHES] == 1
    played.channel.settimeout(TIMEOUT_S)
    played.ask(b"\0\1")
    played.start()
    assert played.asked().datagram.wire == b"\0\1" + QUERY
    played.prepare(b"\4\3\2\1")
    played.ask(b"\0\2")
    assert played.answered() == (b"\0\2", b"\4\3\2\1")


def test_an_answer_that_cannot_be_kept_is_not_sent(played: Played) -> None:
    with_option = QUERY + b"\0\0\x29\x04\xd0\0\0\0\0\0\x04\0\x0a\0\0"
    assert played.answers.put(b"id" + with_option, b"", stored_at_s=0.0, expires_at_s=1.0, now=0.0) is None
    too_long = b"id" + ANSWER + bytes(4096)
    assert played.answers.put(b"id" + QUERY, too_long, stored_at_s=0.0, expires_at_s=1.0, now=0.0) is None
    played.start()
    played.ask(b"\0\1")
    assert played.asked().datagram.wire == b"\0\1" + QUERY


def test_a_query_that_the_guard_has_no_time_for_is_counted_and_the_worker_goes_on(played: Played) -> None:
    played.prepare(b"\1\2\3\4")
    played.start()
    other = QUERY[:-1] + b"\2" + bytes(OCTETS - len(QUERY) - 2)
    while played.page.numbers[Count.DROPPED] == 0:  # nobody reads the channel
        played.ask(b"\0\2", other)
        played.ask(b"\0\1")
        assert played.answered() == (b"\0\1", b"\1\2\3\4")


def test_its_loop_turns_also_when_nobody_asks(played: Played) -> None:
    played.start()
    beats = played.page.numbers[Count.BEATS]
    waiting = threading.Event()
    for _ in range(100):
        if played.page.numbers[Count.BEATS] > beats + 1:
            return
        waiting.wait(TIMEOUT_S / 100)
    pytest.fail("no beat")


def test_it_ends_when_the_guard_does(played: Played) -> None:
    played.start()
    played.channel.close()
    assert played.orphaned.wait(TIMEOUT_S)
    played.thread.join(TIMEOUT_S)


def test_it_loads_neither_the_resolver_nor_what_it_needs() -> None:
    script = "import sys, standfast.io.workers.worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"asyncio", "cryptography", "dns", "pydantic", "sqlite3", "ssl", "structlog"}
    assert not heavy & {module.partition(".")[0] for module in loaded}
    assert "standfast.guard" not in loaded
