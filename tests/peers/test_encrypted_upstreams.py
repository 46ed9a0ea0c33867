"""A real guard that asks a real Unbound over TLS and over HTTPS, and is asked by real dig."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from peers.servers import Dug, Encrypted, dig, knot, unbound
from running_guard import RunningGuard, write_config
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.guard.events import Server

pytestmark = pytest.mark.peers

NAME = "dns.example.org"
LARGE = "".join(f"large 60 TXT {i:03d}{'x' * 200}\n" for i in range(200))
ZONE = f"www 60 A 192.0.2.1\n*.wild 60 A 192.0.2.3\n{LARGE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Unbound, plain and encrypted, and whom its certificate is signed by."""

    plain: Server
    tls: str
    https: str
    ca_file: Path


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Peer]:
    authority = ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))
    tls_port, https_port = free_port(), free_port()
    encrypted = Encrypted(tls_port=tls_port, https_port=https_port, certificate=authority.issue([NAME]))
    with knot(tmp_path_factory.mktemp("knot"), free_port(), {"example.org.": ZONE}) as served:
        key = dig(served, "example.org", "DNSKEY").answer[0].partition(" DNSKEY ")[2]
        folder = tmp_path_factory.mktemp("unbound")
        with unbound(folder, free_port(), served, {"example.org.": key}, encrypted=encrypted) as plain:
            yield Peer(
                plain=plain,
                tls=f"tls://127.0.0.1:{tls_port}#{NAME}",
                https=f"https://127.0.0.1:{https_port}/dns-query#{NAME}",
                ca_file=authority.ca_file,
            )


@pytest.fixture(params=["tls", "https"])
def upstream(request: pytest.FixtureRequest, peer: Peer) -> str:
    found: str = getattr(peer, request.param)
    return found


def trusting(folder: Path, peer: Peer, *upstreams: str) -> Path:
    """Write a configuration that trusts who signed for Unbound."""
    config = write_config(folder, *upstreams)
    config.write_text(config.read_text() + f'[guard.tls]\nca_file = "{peer.ca_file}"\n')
    return config


def asked(running: RunningGuard, *words: str) -> Dug:
    return dig(Server("127.0.0.1", running.port), *words)


def test_answers_come_over_an_encrypted_upstream(tmp_path: Path, peer: Peer, upstream: str) -> None:
    with RunningGuard(trusting(tmp_path, peer, upstream)) as running:
        assert asked(running, "www.example.org", "A").answer == ("www.example.org. IN A 192.0.2.1",)
        missing = asked(running, "missing.example.org", "A", "+dnssec")
        assert missing.status == "NXDOMAIN"
        assert "ad" in missing.flags
        assert len(asked(running, "large.example.org", "TXT").answer) == 200
        assert running.json("status")["upstreams"][0]["server"] == upstream
        assert upstream in running.said
