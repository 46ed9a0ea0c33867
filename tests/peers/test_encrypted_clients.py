"""A real guard, asked by real kdig, dig and Unbound over TLS and over HTTPS, and by clients that mean no good."""

import base64
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from peers.servers import dig, forwarder, program
from running_guard import RunningGuard, standfast, write_config
from standfast.cli.exits import UNUSABLE
from standfast.dns.servers import Server
from standfast.drills.live.authority import Certificate, ThrowawayAuthority
from unit.drills.live.scripted_dns import ScriptedDns, addresses

pytestmark = pytest.mark.peers

NAME = "ns.example.org"
ADDRESS = "192.0.2.1"
TTL_S = 3600
DEADLINE_S = 20.0
HALF_OPEN = 400
RESETS = 10_000
GROWTH_MAX_KIB = 64 * 1024  # of the guard's memory, whatever strangers do


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A guard that listens in all ways, and whom its certificate is signed by."""

    running: RunningGuard
    authority: ThrowawayAuthority
    folder: Path

    def port(self, scheme: str) -> int:
        found = re.search(rf"{scheme}://127\.0\.0\.1:(\d+)", self.running.said)
        assert found, self.running.said
        return int(found[1])

    @property
    def verified(self) -> list[str]:
        """What kdig and dig are told, to verify who answers."""
        return [f"+tls-ca={self.authority.ca_file}", f"+tls-hostname={NAME}"]

    def kdig(self, *words: str) -> str:
        scheme = "tls" if "+tls" in words else "https"
        argv = [program("kdig"), "@127.0.0.1", "-p", str(self.port(scheme)), "+retry=0", *self.verified, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30).stdout

    def connect(self, scheme: str, alpn: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.authority.ca_file)
        context.set_alpn_protocols([alpn])
        plain = socket.create_connection(("127.0.0.1", self.port(scheme)), DEADLINE_S)
        return context.wrap_socket(plain, server_hostname=NAME)

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.running.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1])

    def answers(self) -> bool:
        """Say whether a query by UDP is answered now."""
        return str(self.running.ask("www.example.org").answer[0][0]) == ADDRESS


def install(certificate: Certificate, folder: Path) -> None:
    """Put a certificate where the guard reads its own."""
    for source, target in ((certificate.cert_file, "own.pem"), (certificate.key_file, "own.key")):
        shutil.copy(source, folder / f"{target}.new")
        (folder / f"{target}.new").replace(folder / target)


def configure(folder: Path, *upstreams: str, listen: str) -> Path:
    config = write_config(folder, *upstreams)
    text = config.read_text().replace('listen = ["127.0.0.1:0"]', f"listen = [{listen}]")
    config.write_text(text + '[guard.tls]\ncertificate = "own.pem"\nkey = "own.key"\n')
    return config


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, authority: ThrowawayAuthority) -> Iterator[Guarded]:
    with listening(tmp_path_factory.mktemp("guard"), authority) as found:
        yield found


@contextmanager
def listening(folder: Path, authority: ThrowawayAuthority) -> Iterator[Guarded]:
    """Run a guard that listens in all ways."""
    install(authority.issue([NAME]), folder)
    with ScriptedDns(addresses(ADDRESS, ttl_s=TTL_S)) as upstream:
        listen = '"127.0.0.1:0", "tls://127.0.0.1:0", "https://127.0.0.1:0/dns-query"'
        config = configure(folder, f"{upstream.endpoint.address}:{upstream.endpoint.port}", listen=listen)
        with RunningGuard(config) as running:
            yield Guarded(running=running, authority=authority, folder=folder)


# Clients that mean it.


@pytest.mark.parametrize("how", ["+tls", "+https", "+https-get"])
def test_kdig_gets_a_verified_padded_answer(guarded: Guarded, how: str) -> None:
    said = guarded.kdig(how, "+padding", "www.example.org")
    assert re.search(rf"^www\.example\.org\.\s+{TTL_S}\s+IN\s+A\s+{ADDRESS}$", said, re.MULTILINE), said
    assert "TLS session (TLS1.3)" in said
    assert "Received 468 B" in said
    if how != "+tls":
        assert f"(HTTP/2-{'GET' if how == '+https-get' else 'POST'})" in said
        assert "(status: 200)" in said


@pytest.mark.parametrize("how", ["+tls", "+https", "+https-get"])
def test_dig_gets_a_verified_answer(guarded: Guarded, how: str) -> None:
    server = Server("127.0.0.1", guarded.port("tls" if how == "+tls" else "https"))
    for qname in ("www.example.org", "other.example.org"):
        assert dig(server, how, *guarded.verified, qname).answer == (f"{qname}. IN A {ADDRESS}",)


def test_unbound_forwards_to_it_over_verified_tls(guarded: Guarded, free_port: Callable[[], int]) -> None:
    upstream = f"127.0.0.1@{guarded.port('tls')}#{NAME}"
    with forwarder(guarded.folder / "unbound", free_port(), upstream, guarded.authority.ca_file) as server:
        for i in range(20):
            assert dig(server, f"host{i}.example.org").answer == (f"host{i}.example.org. IN A {ADDRESS}",)
    assert guarded.running.call("status")["queries"] >= 20


# Certificates are renewed.


def test_a_new_certificate_is_shown_without_a_restart_and_a_bad_one_never(
    tmp_path: Path, authority: ThrowawayAuthority
) -> None:
    with listening(tmp_path, authority) as guarded:
        before = shown(guarded)
        install(authority.issue([NAME]), tmp_path)
        guarded.running.process.send_signal(signal.SIGHUP)
        wait_for(guarded, "certificate.renewed")
        renewed = shown(guarded)
        assert renewed != before
        (tmp_path / "own.key").write_text("no key")
        guarded.running.process.send_signal(signal.SIGHUP)
        wait_for(guarded, "certificate.refused")
        assert "holds no private key in PEM form" in guarded.running.events()
        assert shown(guarded) == renewed
        assert ADDRESS in guarded.kdig("+https", "www.example.org")


def shown(guarded: Guarded) -> bytes | None:
    with guarded.connect("tls", "dot") as connected:
        return connected.getpeercert(binary_form=True)


def wait_for(guarded: Guarded, event: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while event not in guarded.running.events():
        assert time.monotonic() < deadline, guarded.running.events()
        time.sleep(0.02)


def test_an_expired_certificate_is_told_of_and_the_guard_serves_all_the_same(
    tmp_path: Path, authority: ThrowawayAuthority
) -> None:
    now = datetime.now(UTC)
    install(authority.issue([NAME], not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)), tmp_path)
    with ScriptedDns(addresses(ADDRESS)) as upstream:
        endpoint = f"{upstream.endpoint.address}:{upstream.endpoint.port}"
        config = configure(tmp_path, endpoint, listen='"127.0.0.1:0", "tls://127.0.0.1:0"')
        checked = standfast("check", config)
        assert checked.returncode == 1
        assert re.search(r"standfast\.toml:\d+: certificate: .*own\.pem expired on .* - renew it", checked.stdout)
        with RunningGuard(config) as running:
            assert running.ask("www.example.org").answer
            assert '"certificate.time"' in running.events()


def test_a_port_that_another_program_has_is_told_of(tmp_path: Path, authority: ThrowawayAuthority) -> None:
    install(authority.issue([NAME]), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        started = standfast("up", "--config", configure(tmp_path, "127.0.0.1:9", listen=f'"tls://127.0.0.1:{port}"'))
    assert started.returncode == UNUSABLE
    assert f"cannot listen on 127.0.0.1:{port}: another program listens there" in started.stderr


# Clients that do not.


def test_half_open_handshakes_and_garbage_by_the_hundred_keep_nobody_out(guarded: Guarded) -> None:
    assert guarded.answers()
    before_kib = guarded.resident_kib()
    with ExitStack() as strangers:
        for i in range(HALF_OPEN):
            for scheme in ("tls", "https"):
                stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", guarded.port(scheme))))
                with suppress(OSError):
                    stranger.send(b"\x16\x03\x01\x02\x00\x01" if i % 2 else b"GET / HTTP/1.1\r\n\r\n")
        assert ADDRESS in guarded.kdig("+tls", "www.example.org")
        assert ADDRESS in guarded.kdig("+https", "www.example.org")
        assert guarded.answers()
    assert guarded.resident_kib() - before_kib < GROWTH_MAX_KIB


def test_ten_thousand_resets_cost_one_connection(guarded: Guarded) -> None:
    http = H2Connection(H2Configuration())
    http.initiate_connection()
    query = dns.message.make_query("www.example.org", "A").to_wire()
    path = f"/dns-query?dns={base64.urlsafe_b64encode(query).decode().rstrip('=')}"
    for stream_id in range(1, 2 * RESETS, 2):
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", NAME), (":path", path)]
        http.send_headers(stream_id, fields, end_stream=True)
        http.reset_stream(stream_id)
    before = guarded.running.call("status")["queries"]
    with guarded.connect("https", "h2") as stranger, suppress(OSError):
        stranger.sendall(http.data_to_send())
        while stranger.recv(65_536):
            pass
    assert guarded.answers()
    assert ADDRESS in guarded.kdig("+https", "www.example.org")
    assert guarded.running.call("status")["queries"] - before < RESETS / 10


def test_a_client_that_never_reads_costs_bounded_memory(guarded: Guarded) -> None:
    assert guarded.answers()
    before_kib = guarded.resident_kib()
    wire = dns.message.make_query("www.example.org", "A", use_edns=0, pad=128).to_wire()
    stranger = guarded.connect("tls", "dot")
    with stranger, suppress(OSError):
        stranger.settimeout(2.0)  # the guard reads no more from whom it cannot write to
        for _ in range(100_000):
            stranger.sendall(len(wire).to_bytes(2, "big") + wire)
    assert guarded.answers()
    assert guarded.resident_kib() - before_kib < GROWTH_MAX_KIB
