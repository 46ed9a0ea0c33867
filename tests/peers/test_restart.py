"""A real guard that is killed, cut off from its disk or given a broken one, in the middle of an outage."""

import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from running_guard import RunningGuard, write_config
from unit.drills.live.scripted_dns import ScriptedDns, addresses, silence

pytestmark = pytest.mark.peers

NAME = "db.example.org"
ADDRESS = "127.0.0.9"
TIMEOUT_S = 15.0
STALE_ANSWER = 3  # RFC 8914 section 4.4


@dataclass
class Outage:
    """A guard and its upstream, and what to do to them."""

    guard: RunningGuard
    upstream: ScriptedDns

    def learn(self, *names: str) -> None:
        """Have `names` answered well once."""
        self.upstream.script = addresses(ADDRESS, ttl_s=1)
        for name in names:
            assert answered(self.guard.ask(name)) == [ADDRESS]

    def begin(self, *names: str) -> None:
        """Let every record vanish, and wait until the guard holds `names`."""
        self.upstream.script = addresses(ttl_s=1)
        for name in names:
            self.wait(lambda name=name: is_held(self.guard.ask(name)))

    def wait_until_saved(self) -> None:
        """Wait until nothing is left to be written."""
        self.wait(lambda: self.status()["store"]["waiting"] == 0)

    def status(self) -> Any:
        return self.guard.call("status")

    def wait(self, condition: Any) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, self.guard.events()
            time.sleep(0.02)

    def restart(self) -> None:
        """End the guard as by a loss of its process, and start it again."""
        self.guard.kill()
        self.guard.start()


def answered(reply: dns.message.Message) -> list[str]:
    return [record.address for rrset in reply.answer for record in rrset]


def is_held(reply: dns.message.Message) -> bool:
    return answered(reply) == [ADDRESS] and [error.code for error in reply.extended_errors()] == [STALE_ANSWER]


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    with ScriptedDns(silence) as upstream:
        config = write_config(tmp_path, f"{upstream.endpoint.address}:{upstream.endpoint.port}")
        with RunningGuard(config) as guard:
            yield Outage(guard, upstream)


def test_a_name_still_answers_after_kill_9_in_the_middle_of_an_outage(outage: Outage) -> None:
    outage.learn(NAME)
    outage.begin(NAME)
    outage.wait_until_saved()
    before = outage.guard.call("explain", name=NAME)
    outage.restart()
    assert is_held(outage.guard.ask(NAME)), "the first question after the restart"
    after = outage.guard.call("explain", name=NAME)
    assert after["known_good"] == before["known_good"]
    assert after["lost"]["since_ms"] == before["lost"]["since_ms"], "the time of grace does not begin anew"


def test_a_name_still_answers_after_kill_9_when_no_upstream_does(outage: Outage) -> None:
    outage.learn(NAME)
    outage.wait_until_saved()
    outage.upstream.script = silence
    outage.restart()
    assert is_held(outage.guard.ask(NAME))


def test_the_name_is_well_again_after_the_outage_and_a_restart(outage: Outage) -> None:
    outage.learn(NAME)
    outage.begin(NAME)
    outage.wait_until_saved()
    outage.restart()
    assert is_held(outage.guard.ask(NAME))
    outage.upstream.script = addresses("127.0.0.10", ttl_s=60)
    outage.guard.call("release", name=NAME)  # as an operator would, rather than wait for the next look
    assert answered(outage.guard.ask(NAME)) == ["127.0.0.10"]
    assert outage.guard.call("explain", name=NAME)["lost"] is None


@pytest.mark.parametrize("enabled", [False, True])
def test_the_switch_survives_kill_9(outage: Outage, enabled: bool) -> None:
    if enabled:
        outage.guard.call("switch", enabled=False)
    assert outage.guard.call("switch", enabled=enabled)["saved"] is True
    outage.restart()
    assert outage.status()["enabled"] is enabled


def test_a_command_is_on_the_disk_when_it_returns(outage: Outage) -> None:
    outage.learn(NAME)
    outage.begin(NAME)
    assert outage.guard.call("release", name=NAME)["saved"] is True
    outage.restart()
    reply = outage.guard.ask(NAME)
    assert (reply.rcode(), answered(reply)) == (dns.rcode.NOERROR, [])


def test_the_ledger_is_whole_over_restarts_by_kill_9(outage: Outage) -> None:
    outage.learn(NAME)
    outage.begin(NAME)
    outage.wait(lambda: outage.status()["ledger"]["records"] >= 2)  # the start and the verdict, on the disk
    outage.restart()
    outage.guard.ask(NAME)
    outage.restart()
    verified = outage.guard.run("ledger", "verify")
    assert verified.returncode == 0, verified.stdout
    kinds = [record["kind"] for record in outage.guard.json("ledger", "show")]
    assert kinds.count("start") == 3
    assert "verdict" in kinds


def test_a_half_written_state_file_is_set_aside_and_the_guard_serves(outage: Outage) -> None:
    outage.learn(NAME)
    outage.guard.stop()
    path = outage.guard.config.parent / "state" / "known-good.sqlite"
    os.truncate(path, path.stat().st_size // 2)
    outage.guard.start()
    outage.learn("other.example.org")
    assert (path.parent / "known-good.sqlite.set-aside-1").exists()
    (notice,) = outage.status()["store"]["notices"]
    assert "set aside" in notice


def test_a_full_disk_stops_no_answer_and_loses_nothing_when_there_is_room_again(outage: Outage) -> None:
    outage.learn(NAME)
    outage.wait_until_saved()
    pid = outage.guard.process.pid
    # No file of the guard may grow beyond 4 KiB from now on: to the guard, the disk is full.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    names = [f"host{n}.example.org" for n in range(20)]
    outage.learn(*names)
    outage.wait(lambda: outage.status()["store"]["failure"] is not None)
    outage.begin(NAME, *names)
    assert "NOT WRITTEN" in outage.guard.run("status").stdout

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    outage.wait(lambda: outage.status()["store"]["failure"] is None and outage.status()["ledger"]["failure"] is None)
    outage.wait_until_saved()
    events = [json.loads(line)["event"] for line in outage.guard.events().splitlines()]
    assert events.count("store.write_failed") == 1
    assert events.count("store.write_recovered") == 1

    outage.restart()
    assert all(is_held(outage.guard.ask(name)) for name in (NAME, *names))
    assert outage.guard.run("ledger", "verify").returncode == 0


def test_a_disk_that_is_full_from_the_start_stops_no_guard(tmp_path: Path) -> None:
    with RunningGuard(write_config(tmp_path, "127.0.0.1:1"), disk_full=True) as guard:
        assert guard.call("status")["ledger"]["failure"] is not None
        resource.prlimit(guard.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert guard.call("switch", enabled=False)["saved"] is True
        guard.kill()
    with RunningGuard(guard.config) as guard:
        assert guard.call("status")["enabled"] is False


def test_what_no_longer_fits_in_memory_goes_from_the_disk_as_well(outage: Outage) -> None:
    outage.learn(*(f"host{n}.example.org" for n in range(5)))
    outage.guard.stop()
    config = outage.guard.config
    whole = config.read_text()
    config.write_text(whole.replace("[guard]", "[guard]\nknown_max = 2"))
    outage.guard.start()
    assert outage.status()["known_good"] == 2
    outage.guard.stop()
    config.write_text(whole)
    outage.guard.start()
    assert outage.status()["known_good"] == 2
