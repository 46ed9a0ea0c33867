"""A whole control plane in one process: an endpoint, and then a region, is lost, and the name follows."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest

from standfast.control.store import Override
from standfast.io.control.stores.sqlite import SqlitePlanStore

pytestmark = pytest.mark.peers
PATIENCE_S = 60.0  # for what takes seconds, on a machine that is busy
HOSTS = {"us": (2, 3, 4, 5), "eu": (6, 7)}  # of 127.0.0.0/8
NAME = "www.example.org."


@contextmanager
def listening() -> Iterator[dict[int, socket.socket]]:
    """Listen at one port of every host."""
    sockets: dict[int, socket.socket] = {}
    port = 0
    for host in (host for hosts in HOSTS.values() for host in hosts):
        sockets[host] = socket.create_server((f"127.0.0.{host}", port))
        port = sockets[host].getsockname()[1]
    try:
        yield sockets
    finally:
        for each in sockets.values():
            each.close()


def configured(folder: Path, port: int) -> Path:
    (folder / "example.org.zone").write_text(
        "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"
    )
    check = {"kind": "tcp", "interval_s": 1, "timeout_s": 1, "rise": 1, "fall": 2}
    pools = {
        name: {"check": check, "endpoints": [{"address": f"127.0.0.{host}", "port": port} for host in hosts]}
        for name, hosts in HOSTS.items()
    }
    names = {"www.example.org": {"pools": ["us", "eu"], "promise": {"endpoints_min": 1}}}
    intent = {"zones": {"example.org": {"publishers": ["own"]}}, "pools": pools, "names": names}
    (folder / "intent.json").write_text(json.dumps(intent))
    config = folder / "standfast.toml"
    config.write_text(
        '[authority]\nlisten = ["127.0.0.1:0"]\nzones = ["example.org.zone"]\nstate_dir = "state"\n'
        '[control]\nintent = ["intent.json"]\nstate_dir = "control"\nname = "eu-1"\n'
        '[[control.publisher]]\nname = "own"\nkind = "authority"\n'
    )
    return config


async def allow_loopback(state_dir: Path) -> None:
    """Set the rule aside that lets no name lead to loopback, as these endpoints do."""
    async with SqlitePlanStore(state_dir).opened() as store:
        until_s = time.time() + 3_600.0
        await store.override(
            Override(rule="unknown-address", scope=".", person="test", reason="on loopback", until_s=until_s)
        )


def answer(port: int) -> set[int]:
    reply = dns.query.udp(dns.message.make_query(NAME, "A"), "127.0.0.1", port=port, timeout=10.0)
    return {int(str(record).rpartition(".")[2]) for rrset in reply.answer for record in rrset}


def until(port: int, hosts: set[int]) -> list[set[int]]:
    """Wait until the answer is `hosts`; return all other answers before."""
    deadline = time.monotonic() + PATIENCE_S
    seen: list[set[int]] = []
    while (found := answer(port)) != hosts:
        if found not in seen:
            seen.append(found)
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen


def test_a_lost_endpoint_leaves_and_when_its_region_is_lost_the_name_moves(tmp_path: Path) -> None:
    asyncio.run(allow_loopback(tmp_path / "control"))
    with listening() as sockets:
        port = sockets[2].getsockname()[1]
        command = [str(Path(sys.executable).with_name("standfast")), "up", "--config", str(configured(tmp_path, port))]
        with (
            (tmp_path / "log").open("w") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                assert process.stdout
                first = process.stdout.readline()
                found = re.search(r"127\.0\.0\.1:(\d+)", first)
                assert found, first
                at = int(found[1])
                until(at, {2, 3, 4, 5})
                sockets[3].close()
                until(at, {2, 4, 5})
                for host in (2, 4, 5):
                    sockets[host].close()
                seen = until(at, {6, 7})
                assert set() not in seen
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) == 0, (tmp_path / "log").read_text()
