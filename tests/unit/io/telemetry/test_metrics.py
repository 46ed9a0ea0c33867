"""Metrics, health and systemd's watchdog of a real running guard, in front of a scripted upstream on loopback."""

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import dns.message
import dns.rcode
import pytest
from prometheus_client.parser import text_string_to_metric_families

from running_guard import POLICY, RunningGuard, write_config
from standfast.io.settings.config import load
from standfast.io.settings.places import ConfigError
from standfast.io.telemetry.metrics import METRICS
from unit.drills.live.scripted_dns import Script, ScriptedDns, addresses

DEADLINE_S = 10.0


@dataclass
class World:
    """A guard, where its pages are, and what its upstream says of each name."""

    guard: RunningGuard
    port: int
    says: dict[str, Script] = field(default_factory=dict)

    def page(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def metrics(self) -> dict[str, float]:
        """Return every sample by its name and labels, as Prometheus reads them."""
        _, text = self.page("/metrics")
        return {
            sample.name + "".join(f" {key}={value}" for key, value in sample.labels.items()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    says: dict[str, Script] = {}

    def script(query: dns.message.Message, transport: str) -> dns.message.Message | bytes | None:
        qname = query.question[0].name.to_text().lower().removesuffix(".")
        return says.get(qname, addresses(rcode=dns.rcode.NXDOMAIN))(query, transport)

    with ScriptedDns(script) as upstream:
        config = write_config(tmp_path, f"{upstream.endpoint.address}:{upstream.endpoint.port}")
        config.write_text(config.read_text().replace("[guard]", '[guard]\nmetrics = "127.0.0.1:0"'))
        with RunningGuard(config) as guard:
            told = re.search(r"guard\.metrics.*?127\.0\.0\.1:(\d+)|127\.0\.0\.1:(\d+).*?guard\.metrics", guard.events())
            assert told
            yield World(guard, int(told[1] or told[2]), says)


def test_what_happened_is_counted_and_no_name_is_told(world: World) -> None:
    world.says["secret.example.org"] = addresses("192.0.2.1", ttl_s=1)
    world.guard.ask("secret.example.org")
    world.says["secret.example.org"] = addresses(ttl_s=1)
    deadline = time.monotonic() + DEADLINE_S
    while not world.guard.ask("secret.example.org").extended_errors():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    found = world.metrics()
    assert found["standfast_guard_queries_total transport=udp"] >= 2
    assert found["standfast_guard_known_good"] == found["standfast_guard_lost"] == found["standfast_guard_held"] == 1
    assert [number for key, number in found.items() if key.startswith("standfast_guard_upstream_up")] == [1]
    assert any(key.startswith("standfast_guard_verdicts_total action=hold") for key in found)
    assert found["process_open_fds"] > 0
    assert "secret" not in world.page("/metrics")[1]


def test_every_metric_is_served_with_its_help(world: World) -> None:
    text = world.page("/metrics")[1]
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.help}\n" in text


def test_metrics_and_status_agree(world: World) -> None:
    world.says["www.example.org"] = addresses("192.0.2.1")
    for _ in range(3):
        world.guard.ask("www.example.org")
    found, status = world.metrics(), world.guard.call("status")
    assert found["standfast_guard_queries_total transport=udp"] == status["queries"] == 3
    assert found["standfast_guard_answered_at_once_total"] == status["answered_at_once"] == 2
    assert found["standfast_guard_upstream_queries_total"] == status["asked"]


def test_it_is_healthy_until_no_upstream_answers_and_nothing_is_known_good(world: World) -> None:
    assert world.page("/healthz") == (200, '{"healthy": true, "troubles": []}\n')
    world.says["www.example.org"] = lambda _query, _transport: None
    deadline = time.monotonic() + DEADLINE_S
    while world.page("/healthz")[0] != 503:
        assert time.monotonic() < deadline
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            query = dns.message.make_query("www.example.org", "A")
            client.sendto(query.to_wire(), ("127.0.0.1", world.guard.port))
        time.sleep(0.1)
    status, body = world.page("/healthz")
    assert (status, json.loads(body)["healthy"]) == (503, False)


def test_nothing_is_served_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert load(write_config(tmp_path, "192.0.2.1")).metrics is None


@pytest.mark.parametrize("address", ["192.0.2.7:9153", "0.0.0.0:9153", "[::]:9153"])
def test_others_can_read_metrics_only_where_that_is_said(tmp_path: Path, address: str) -> None:
    config = write_config(tmp_path, "192.0.2.1")
    text = config.read_text().replace("[guard]", f'[guard]\nmetrics = "{address}"')
    config.write_text(text)
    with pytest.raises(ConfigError, match=r":3: metrics: others can reach .* add metrics_beyond_loopback = true"):
        load(config)
    config.write_text(text.replace("[guard]", "[guard]\nmetrics_beyond_loopback = true"))
    assert str(load(config).metrics) == address


def test_metrics_cannot_have_the_port_of_dns(tmp_path: Path) -> None:
    config = write_config(tmp_path, "192.0.2.1")
    config.write_text(config.read_text().replace("[guard]", '[guard]\nmetrics = "127.0.0.1"'))
    with pytest.raises(ConfigError, match="would be port 53"):
        load(config)


def test_metrics_cannot_have_an_address_that_is_listened_on(tmp_path: Path) -> None:
    config = tmp_path / "standfast.toml"
    config.write_text('[guard]\nlisten = ["0.0.0.0:5300"]\nupstreams = ["192.0.2.1"]\nmetrics = "127.0.0.1:5300"\n')
    with pytest.raises(ConfigError, match="is taken by listen"):
        load(config)


def test_systemds_watchdog_is_told_again_and_again(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(DEADLINE_S)
        environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "300000"}
        with RunningGuard(write_config(tmp_path, "192.0.2.1", policy=POLICY), environ=environ):
            told = [systemd.recv(100) for _ in range(4)]
    assert told.count(b"WATCHDOG=1") == 3
    assert b"READY=1" in told
