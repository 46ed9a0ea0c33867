"""A real guard that asks a real Unbound over TLS and over HTTPS, and is asked by real dig."""

import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from peers.servers import Dug, Encrypted, dig, hostile, knot, unbound
from running_guard import RunningGuard, write_config
from standfast.dns.servers import Server
from standfast.drills.live.authority import ThrowawayAuthority

pytestmark = pytest.mark.peers

NAME = "dns.example.org"
LARGE = "".join(f"large 60 TXT {i:03d}{'x' * 200}\n" for i in range(200))
ZONE = f"www 60 A 192.0.2.1\n*.wild 60 A 192.0.2.3\n{LARGE}"
ADDRESS = "www.example.org. IN A 192.0.2.1"
QUERIES = 200
WAIT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Unbound, which is yet to be started, and whom its certificate is signed by."""

    run: Callable[[], AbstractContextManager[Server]]
    tls: str
    https: str
    ca_file: Path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Callable[[], Peer]]:
    """Prepare an Unbound, each time another one, in front of one Knot."""
    authority = ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))
    with knot(tmp_path_factory.mktemp("knot"), free_port(), {"example.org.": ZONE}) as served:
        key = dig(served, "example.org", "DNSKEY").answer[0].partition(" DNSKEY ")[2]

        def prepare() -> Peer:
            ports = Encrypted(tls_port=free_port(), https_port=free_port(), certificate=authority.issue([NAME]))
            port, folder = free_port(), tmp_path_factory.mktemp("unbound")
            return Peer(
                run=lambda: unbound(folder, port, served, {"example.org.": key}, encrypted=ports),
                tls=f"tls://127.0.0.1:{ports.tls_port}#{NAME}",
                https=f"https://127.0.0.1:{ports.https_port}/dns-query#{NAME}",
                ca_file=authority.ca_file,
            )

        yield prepare


@pytest.fixture(scope="module")
def peer(prepared: Callable[[], Peer]) -> Iterator[Peer]:
    running = prepared()
    with running.run():
        yield running


@pytest.fixture(params=["tls", "https"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def trusting(folder: Path, peer: Peer, *upstreams: str, also: str = "") -> Path:
    """Write a configuration that trusts who signed for Unbound; `also` are further keys of `[guard]`."""
    config = write_config(folder, *upstreams)
    text = config.read_text().replace("[guard]\n", f"[guard]\n{also}\n")
    config.write_text(f'{text}[guard.tls]\nca_file = "{peer.ca_file}"\n')
    return config


def asked(running: RunningGuard, *words: str) -> Dug:
    return dig(Server("127.0.0.1", running.port), *words)


def test_answers_come_over_an_encrypted_upstream(tmp_path: Path, peer: Peer, kind: str) -> None:
    upstream = getattr(peer, kind)
    with RunningGuard(trusting(tmp_path, peer, upstream)) as running:
        assert asked(running, "www.example.org", "A").answer == (ADDRESS,)
        missing = asked(running, "missing.example.org", "A", "+dnssec")
        assert missing.status == "NXDOMAIN"
        assert "ad" in missing.flags
        assert len(asked(running, "large.example.org", "TXT").answer) == 200
        assert running.json("status")["upstreams"][0]["server"] == upstream
        assert upstream in running.said


def test_many_queries_cost_few_connections(tmp_path: Path, peer: Peer, kind: str, free_port: Callable[[], int]) -> None:
    metrics = free_port()
    upstream = getattr(peer, kind)
    port = int(upstream.partition("127.0.0.1:")[2].partition("#")[0].partition("/")[0])
    with (
        relay(port) as between,
        RunningGuard(
            trusting(
                tmp_path,
                peer,
                upstream.replace(str(port), str(between.port)),
                also=f'metrics = "127.0.0.1:{metrics}"',
            )
        ) as running,
    ):
        for number in range(QUERIES):
            (rrset,) = running.ask(f"n{number}.wild.example.org").answer
            assert rrset[0].to_text() == "192.0.2.3"
        assert running.json("status")["asked"] >= QUERIES
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as page:
            assert f"standfast_guard_upstream_connections_total {between.accepted:.1f}" in page.read().decode()
        assert between.accepted <= 3  # one, but where a busy machine is silent for so long that it looks dead


def test_a_certificate_for_another_name_is_a_failure_that_says_so(tmp_path: Path, peer: Peer, kind: str) -> None:
    upstream = getattr(peer, kind).replace(NAME, "dns.example.net")
    with RunningGuard(trusting(tmp_path, peer, upstream)) as running:
        dug = asked(running, "www.example.org", "A")
        assert (dug.status, dug.answer) == ("SERVFAIL", ())
        told = "no trust in its certificate: Hostname mismatch, certificate is not valid for 'dns.example.net'"
        assert any(upstream in error and told in error for error in dug.errors), dug.errors
        assert running.json("status")["upstreams"][0]["failure"] == told
        assert told in running.run("status").stdout


def test_an_upstream_that_is_not_trusted_is_passed_over_for_one_that_is(tmp_path: Path, peer: Peer) -> None:
    stranger = peer.tls.replace(NAME, "dns.example.net")
    with RunningGuard(trusting(tmp_path, peer, stranger, peer.https)) as running:
        assert asked(running, "www.example.org", "A").answer == (ADDRESS,)


def test_an_upstream_that_is_started_again_is_asked_again(
    tmp_path: Path, prepared: Callable[[], Peer], kind: str
) -> None:
    peer = prepared()
    with RunningGuard(trusting(tmp_path, peer, getattr(peer, kind))) as running:
        for round_ in range(2):
            with peer.run():
                deadline_s = time.monotonic() + WAIT_S
                while not (dug := asked(running, f"round{round_}.wild.example.org", "A")).answer:
                    assert time.monotonic() < deadline_s, dug.text
        assert asked(running, "unasked.wild.example.org", "A").status == "SERVFAIL"


def test_second_opinions_are_asked_over_tls(tmp_path: Path, peer: Peer) -> None:
    lost = threading.Event()

    def answers(wire: bytes, over_tcp: bool) -> list[bytes]:
        reply = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
        if not lost.is_set():
            reply.answer = [dns.rrset.from_text(reply.question[0].name, 1, "IN", "A", "192.0.2.1")]
        return [reply.to_wire()]

    with (
        hostile(answers) as upstream,
        RunningGuard(trusting(tmp_path, peer, str(upstream), also=f'second_opinions = ["{peer.tls}"]')) as running,
    ):
        assert asked(running, "www.example.org", "A").answer == (ADDRESS,)
        lost.set()
        deadline_s = time.monotonic() + WAIT_S
        while peer.tls not in running.run("explain", "www.example.org", "--json").stdout:
            assert time.monotonic() < deadline_s, running.run("explain", "www.example.org").stdout
            assert asked(running, "www.example.org", "A").answer == (ADDRESS,)


# Between the guard and its upstream


class Relay:
    """Hands octets on, both ways, and counts the connections that it was asked to."""

    def __init__(self, listening: socket.socket, port: int) -> None:
        self.port: int = listening.getsockname()[1]
        self.accepted = 0
        self._listening = listening
        self._behind = port
        self._open: list[socket.socket] = []

    def serve(self) -> None:
        """Run until the listening socket is shut down."""
        while True:
            try:
                before, _ = self._listening.accept()
            except OSError:
                break
            self.accepted += 1
            behind = socket.create_connection(("127.0.0.1", self._behind))
            for each in (before, behind):  # else Nagle's algorithm here would wait for delayed acknowledgements there
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [before, behind]
            for source, sink in ((before, behind), (behind, before)):
                threading.Thread(target=self._hand_on, args=(source, sink)).start()
        for each in self._open:
            each.close()

    def _hand_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while octets := source.recv(65_536):
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other direction has ended it
            return


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """Relay connections to `port` as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        between = Relay(listening, port)
        thread = threading.Thread(target=between.serve)
        thread.start()
        try:
            yield between
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT_S)
