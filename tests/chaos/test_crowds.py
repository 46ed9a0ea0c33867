"""Thousands of clients at one moment, and clients that are slow on purpose beside them."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chaos.load import Load, Mix
from chaos.stage import Upstream, guard_before
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

CLIENTS = 2000
SLOW = 100
DESCRIPTORS = CLIENTS + 500
LEARNED_ONLY = Mix(cold=0.0, absent=0.0, tcp=0.02)


def test_thousands_of_clients_at_once_are_answered_beside_slow_ones(tmp_path: Path, upstream: Upstream) -> None:
    with descriptors(DESCRIPTORS), guard_before(tmp_path, upstream.address) as guard, slow_clients(guard.address):
        with Load(guard.address, seed=41) as load:
            load.wait_until_fresh()
        with Load(guard.address, seed=42, clients=CLIENTS, mix=LEARNED_ONLY, once_each=True) as load:
            load.wait(f"{CLIENTS} answers", lambda: load.book.answered == CLIENTS)


@contextmanager
def slow_clients(server: Server) -> Iterator[None]:
    """Connect `SLOW` clients by TCP: some say nothing, some stop in the middle of a query, some never read."""
    query = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\x09learned-1\x05chaos\x07example\0\0\1\0\1"
    framed = len(query).to_bytes(2, "big") + query
    with ExitStack() as connections:
        for n in range(SLOW):
            connection = connections.enter_context(socket.create_connection((server.host, server.port)))
            connection.sendall([b"", framed[:7], framed * 60][n % 3])
        yield


@contextmanager
def descriptors(number: int) -> Iterator[None]:
    """Let this process have `number` descriptors open, or skip the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        pytest.skip(f"{hard} descriptors are too few for {number} clients; ulimit -Hn says more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
