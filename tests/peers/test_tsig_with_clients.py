"""Real clients that sign: dig and kdig get signed answers; what nsupdate and knsupdate changed outlives a kill -9."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from peers.servers import dig, program
from running_guard import RunningGuard
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

NOTICED_S: Final = 20.0
SECRET: Final = "c2VjcmV0LXRoYXQtaXMtbG9uZy1lbm91Z2gtZm9yLXVzZQ=="
OTHER: Final = "b3RoZXItc2VjcmV0LXRoYXQtbm9ib2R5LWVsc2UtaGFz"
ALGORITHMS: Final = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
ZONE: Final = "$TTL 300\n@ SOA ns hostmaster {} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"


def config(folder: Path, port: int) -> Path:
    """Write a guard and an authority in one process, both with their state in one directory."""
    (folder / "example.org.zone").write_text(ZONE.format(1))
    (folder / "other.key").write_text(OTHER + "\n")
    keys = "".join(
        f'[[authority.keys]]\nname = "{algorithm}.example"\nalgorithm = "{algorithm}"\nsecret = "{SECRET}"\n'
        for algorithm in ALGORITHMS
    )
    path = folder / "standfast.toml"
    path.write_text(
        f'[authority]\nlisten = ["127.0.0.1:{port}"]\nzones = ["example.org.zone"]\n'
        f'allow_update = ["key:hmac-sha256.example", "key:other.example"]\n{keys}'
        '[[authority.keys]]\nname = "other.example"\nsecret_file = "other.key"\n'
        '[guard]\nlisten = ["127.0.0.1:0"]\nupstreams = ["192.0.2.1"]\nstate_dir = "state"\n'
    )
    return path


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[tuple[RunningGuard, Server]]:
    port = free_port()
    with RunningGuard(config(tmp_path_factory.mktemp("tsig"), port)) as running:
        yield running, Server("127.0.0.1", port)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("more", ["+notcp", "+tcp"])
def test_dig_verifies_our_signature(served: tuple[RunningGuard, Server], algorithm: str, more: str) -> None:
    found = dig(served[1], "-y", f"{algorithm}:{algorithm}.example:{SECRET}", "www.example.org", "A", more)
    assert found.answer == ("www.example.org. IN A 192.0.2.2",)
    assert "TSIG PSEUDOSECTION" in found.text
    assert "NOERROR" in found.text.partition("TSIG PSEUDOSECTION")[2]
    assert "Couldn't verify" not in found.text


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (f"hmac-sha256:nobody.example:{SECRET}", "BADKEY"),
        (f"hmac-sha512:hmac-sha256.example:{SECRET}", "BADKEY"),
        (f"hmac-sha256:hmac-sha256.example:{OTHER}", "BADSIG"),
        (f"hmac-sha256-128:hmac-sha256.example:{SECRET}", "BADTRUNC"),
    ],
)
def test_dig_is_told_what_is_wrong_with_its_signature(served: tuple[RunningGuard, Server], key: str, said: str) -> None:
    found = dig(served[1], "-y", key, "www.example.org", "A")
    assert found.status == "NOTAUTH", found.text
    assert said in found.text


def test_kdig_verifies_our_signature(served: tuple[RunningGuard, Server]) -> None:
    for more in ("+notcp", "+tcp"):
        key = f"hmac-sha384:hmac-sha384.example:{SECRET}"
        argv = [program("kdig"), "@127.0.0.1", "-p", str(served[1].port), "-y", key, "www.example.org", "A", more]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=NOTICED_S)
        assert "192.0.2.2" in done.stdout
        assert "TSIG PSEUDOSECTION" in done.stdout
        assert "WARNING" not in done.stdout + done.stderr


def test_what_is_not_allowed_gets_the_code_for_it(served: tuple[RunningGuard, Server]) -> None:
    key = ("-y", f"hmac-sha512:hmac-sha512.example:{SECRET}")
    assert "Transfer failed" in dig(served[1], *key, "example.org", "AXFR").text
    assert dig(served[1], *key, "example.org", "SOA", "+opcode=NOTIFY").status == "REFUSED"
    assert dig(served[1], *key, "example.net", "SOA", "+opcode=NOTIFY").status == "NOTAUTH"
    assert dig(served[1], *key, "example.org", "SOA", "+opcode=STATUS").status == "NOTIMP"
    refused = update(
        served[1], "nsupdate", f"hmac-sha512:hmac-sha512.example:{SECRET}", "update add x.example.org 60 A 192.0.2.9"
    )
    assert "REFUSED" in refused


def test_updates_outlive_a_kill_9_and_a_file_that_does_not_know_of_them(served: tuple[RunningGuard, Server]) -> None:
    running, server = served
    assert not update(
        server, "nsupdate", f"hmac-sha256:hmac-sha256.example:{SECRET}", "update add new.example.org 60 A 192.0.2.7"
    )
    assert not update(
        server, "knsupdate", f"hmac-sha256:other.example:{OTHER}", "update add more.example.org 60 A 192.0.2.8"
    )
    running.kill()
    running.start()
    assert dig(server, "new.example.org", "A").answer == ("new.example.org. IN A 192.0.2.7",)
    assert dig(server, "more.example.org", "A").answer == ("more.example.org. IN A 192.0.2.8",)
    assert dig(server, "example.org", "SOA", "+short").text.split()[2] == "3"

    file = running.config.parent / "example.org.zone"
    file.write_text(ZONE.format(2))
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "zone.refused" in running.events())
    refused = json.loads(next(line for line in running.events().splitlines() if "zone.refused" in line))
    assert "serial 2 is not later than 3" in refused["first"]
    assert dig(server, "new.example.org", "A").status == "NOERROR"

    file.write_text(ZONE.format(4))
    running.process.send_signal(signal.SIGHUP)
    until(lambda: dig(server, "new.example.org", "A").status == "NXDOMAIN")
    assert SECRET not in running.events()
    assert SECRET not in running.run("check", "--json").stdout


def update(server: Server, client: str, key: str, line: str) -> str:
    """Have a real client change the zone; return what it complains of."""
    script = f"server 127.0.0.1 {server.port}\nzone example.org\n{line}\nsend\n"
    argv = [program(client), "-y", key]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False, timeout=NOTICED_S)
    return done.stdout + done.stderr


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + NOTICED_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
