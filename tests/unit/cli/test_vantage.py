"""`standfast vantage`: what checks say now, and a process that reports what it sees."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from standfast.cli.main import cli
from standfast.io.control.stores.sqlite import SqlitePlanStore

PATIENCE_S = 30.0


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Return a port that somebody listens at, and one that nobody does."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
        taken.close()
        yield server.getsockname()[1], closed


def configured(folder: Path, *ports: int) -> Path:
    endpoints = [{"address": f"127.0.0.{at}", "port": port} for at, port in enumerate(ports, 1)]
    pool = {"check": {"kind": "tcp", "interval_s": 1, "timeout_s": 1}, "endpoints": endpoints}
    (folder / "shop.json").write_text(json.dumps({"pools": {"us": pool}}))
    config = folder / "standfast.toml"
    config.write_text('[control]\nintent = ["shop.json"]\nstate_dir = "control"\nname = "eu-1"\n')
    return config


def once(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["vantage", "--once", "--config", str(config), *arguments], prog_name="standfast")


def test_once_shows_what_each_check_says_and_fails_where_one_is_not_well(
    tmp_path: Path, ports: tuple[int, int]
) -> None:
    result = once(configured(tmp_path, *ports))
    head, well, ill, total = result.output.splitlines()
    assert head.split() == ["POOL", "ENDPOINT", "CHECK", "LOOK", "TOOK", "WHY"]
    assert well.split()[:6] == ["us", "127.0.0.1", "port", str(ports[0]), "tcp", "well"]
    assert ill.split()[:6] == ["us", "127.0.0.2", "port", str(ports[1]), "tcp", "ill"]
    assert ill.endswith("connection refused")
    assert total == "1 of 2 endpoints is well"
    assert result.exit_code == 1


def test_once_as_json(tmp_path: Path, ports: tuple[int, int]) -> None:
    result = once(configured(tmp_path, ports[0]), "--json")
    assert result.exit_code == 0
    (seen,) = json.loads(result.output)
    assert seen.pop("took_ms") >= 0
    assert seen == {"pool": "us", "address": "127.0.0.1", "port": ports[0], "look": "well", "why": None}


def test_without_a_control_plane_it_says_what_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "standfast.toml"
    config.write_text("[guard]\n")
    result = once(config)
    assert "has no [control]" in result.output
    assert result.exit_code == 2


def test_a_process_reports_what_it_sees_until_it_is_told_to_stop(tmp_path: Path, ports: tuple[int, int]) -> None:
    config = configured(tmp_path, *ports)
    command = [str(Path(sys.executable).with_name("standfast")), "vantage", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "standfast: control plane (vantage) for 0 zones as eu-1\n"
            report = asyncio.run(reported(tmp_path / "control"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    assert {key: text.split()[0] for key, text in report.items() if not key.endswith("/")} == {
        f"us/127.0.0.1:{ports[0]}": "well",
        f"us/127.0.0.2:{ports[1]}": "never",
    }


async def reported(state_dir: Path) -> dict[str, str]:
    """Return what the vantage says of both endpoints, once it does."""
    deadline = time.monotonic() + PATIENCE_S
    async with SqlitePlanStore(state_dir).opened() as store:
        while True:
            _, report = (await store.reports()).get("eu-1", (0.0, {}))
            if sum(not key.endswith("/") for key in report) == 2:
                return dict(report)
            assert time.monotonic() < deadline, report
            await asyncio.sleep(0.05)
