"""The control plane as people run it: real processes, answers by dig, and what goes wrong in between."""

import asyncio
import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dns.message
import dns.query
import dns.tsig
import dns.update
import pytest

from control_processes import PATIENCE_S, SECRET, ZONE_FILE, Running, authority, write_control
from standfast.control.fence import Fence, read_fence
from standfast.control.health import Reading, State, write_reading
from standfast.control.store import Override, Proposal
from standfast.io.control.stores.sqlite import SqlitePlanStore

pytestmark = pytest.mark.peers

ZONE, WWW, FENCE = "example.org.", "www.example.org.", "_standfast.example.org."
T = TypeVar("T")


def ask(port: int, qname: str, qtype: str = "A") -> list[str]:
    """Return the texts of the records that are answered with, in order."""
    answer = dns.query.udp(dns.message.make_query(qname, qtype), "127.0.0.1", port=port, timeout=PATIENCE_S)
    return sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)


def until(say: Callable[[], T], *wanted: T) -> T:
    """Wait until it says one of these."""
    end_s = time.monotonic() + PATIENCE_S
    while (said := say()) not in wanted:
        assert time.monotonic() < end_s, said
        time.sleep(0.02)
    return said


def fence_at(port: int) -> Fence:
    """Return the fence that stands."""
    (text,) = ask(port, FENCE, "TXT")
    fence = read_fence(text.strip('"'))
    assert fence is not None
    return fence


def with_store(folder: Path, act: Callable[[SqlitePlanStore], Awaitable[T]]) -> T:
    """Do something at the store that the processes of `folder` share."""

    async def play() -> T:
        async with SqlitePlanStore(folder / "state").opened() as store:
            return await act(store)

    return asyncio.run(play())


def intent(*hosts: int, ttl_s: int = 60) -> str:
    """Return what is wanted: a name of these endpoints of a pool, which nobody here looks at."""
    endpoints = ", ".join(f"{{address: 192.0.2.{host}}}" for host in hosts)
    return f"""
zones: {{example.org: {{publishers: [wire]}}}}
pools: {{here: {{check: {{kind: tcp}}, endpoints: [{endpoints}]}}}}
names: {{www.example.org: {{policy: all-healthy, pools: [here], ttl_s: {ttl_s}}}}}
"""


def report(folder: Path, **states: State) -> None:
    """Report as a vantage elsewhere would: `e1=State.WELL` is 192.0.2.1."""
    now_s = time.time()
    said = {
        f"here/192.0.2.{name[1:]}:443": write_reading(Reading(state=state, since_s=now_s, why=""))
        for name, state in states.items()
    }
    with_store(folder, lambda store: store.report("elsewhere", said, at_s=now_s))


@dataclass(kw_only=True)
class Plane:
    """A planner and two enactors of one store, and the authority that they publish at."""

    folder: Path
    port: int
    processes: dict[str, Running]
    stack: ExitStack

    def begin(self, *wanted: tuple[str, str]) -> None:
        """Start these, by verb and name, at the same time."""
        for verb, name in wanted:
            config = write_control(self.folder, name, self.port, self.intent(), verify_every_s=1.0)
            self.processes[name] = Running(verb, config)
            self.stack.push(self.processes[name])  # which ends it, unless it was ended before
        with ThreadPoolExecutor() as threads:
            started = [threads.submit(self.processes[name].start) for _, name in wanted]
        for each in started:
            each.result()

    def intent(self) -> str:
        """Return what is wanted now."""
        path = self.folder / "intent.yaml"
        return path.read_text() if path.exists() else intent(1, 2, 3)

    def proposal(self) -> Proposal | None:
        """Return the plan that waits for its approval."""
        return with_store(self.folder, lambda store: store.proposal(ZONE))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Run them; each test goes on from where the one before it ended."""
    base = tmp_path_factory.mktemp("plane")
    with authority(base / "authority") as served, ExitStack() as stack:
        plane = Plane(folder=base / "control", port=served.port, processes={}, stack=stack)
        plane.begin(("planner", "p"), ("enactor", "a"), ("enactor", "b"))
        report(plane.folder, e1=State.WELL, e2=State.WELL, e3=State.WELL)
        until(lambda: ask(plane.port, WWW), ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        yield plane


def test_each_process_says_what_it_does(plane: Plane) -> None:
    assert plane.processes["p"].said == "standfast: control plane (planner) for 1 zone as p\n"
    assert plane.processes["a"].said == "standfast: control plane (enactor) for 1 zone as a\n"


def test_an_endpoint_that_dies_leaves_the_answer_and_comes_back(plane: Plane) -> None:
    report(plane.folder, e1=State.WELL, e2=State.ILL, e3=State.WELL)
    until(lambda: ask(plane.port, WWW), ["192.0.2.1", "192.0.2.3"])
    report(plane.folder, e1=State.WELL, e2=State.WELL, e3=State.WELL)
    until(lambda: ask(plane.port, WWW), ["192.0.2.1", "192.0.2.2", "192.0.2.3"])


@pytest.mark.parametrize("names", [(WWW,), (WWW, FENCE)], ids=["the-name", "the-name-and-the-fence"])
def test_a_name_that_was_emptied_by_hand_is_filled_again(plane: Plane, names: tuple[str, ...]) -> None:
    key = dns.tsig.Key("updater.example.", SECRET, "hmac-sha256")
    update = dns.update.UpdateMessage(ZONE, keyring=key)
    for name in names:
        update.delete(name)
    answer = dns.query.tcp(update, "127.0.0.1", port=plane.port, timeout=PATIENCE_S)
    assert answer.rcode() == 0
    until(lambda: ask(plane.port, WWW), ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    until(lambda: fence_at(plane.port).done, True)
    assert ask(plane.port, "hand.example.org.", "TXT") == ['"foreign"']


def lose_an_enactor_and_want_more(plane: Plane) -> None:
    """Kill "a", and have "b" publish a fourth endpoint; once, as each worker of a run may have a plane of its own."""
    if plane.intent() == intent(1, 2, 3, 4):
        return
    plane.processes["a"].kill()
    (plane.folder / "intent.yaml").write_text(intent(1, 2, 3, 4))
    plane.processes["p"].reload()
    report(plane.folder, e1=State.WELL, e2=State.WELL, e3=State.WELL, e4=State.WELL)
    until(lambda: len(ask(plane.port, WWW)), 4)


def test_when_one_enactor_is_killed_the_other_publishes_what_is_wanted_next(plane: Plane) -> None:
    lose_an_enactor_and_want_more(plane)
    assert fence_at(plane.port).writer.startswith("b.")


def test_after_a_lost_store_it_goes_on_from_the_fence_and_asks_before_it_changes_anything(plane: Plane) -> None:
    lose_an_enactor_and_want_more(plane)
    assert [plane.processes[name].stop() for name in ("p", "b")] == [0, 0]
    shutil.rmtree(plane.folder / "state")
    before = fence_at(plane.port)
    (plane.folder / "intent.yaml").write_text(intent(1, 2, 3, 4, ttl_s=30))
    plane.begin(("planner", "p"), ("enactor", "a"))
    until(lambda: plane.proposal() is not None, True)
    assert fence_at(plane.port) == before
    proposal = plane.proposal()
    assert proposal is not None
    assert "unknown-publication" in {finding.rule for finding in proposal.findings}
    assert with_store(
        plane.folder, lambda store: store.approve(ZONE, proposal.plan.hash, person="ada", reason="the disk was lost")
    )
    until(lambda: fence_at(plane.port).generation, before.generation + 1)
    assert len(ask(plane.port, WWW)) == 4


# All of it in one process.


@contextmanager
def listening(host: str, port: int = 0) -> Iterator[socket.socket]:
    """Listen there, for whoever looks whether anybody does."""
    with socket.create_server((host, port)) as listener:
        yield listener


def test_one_process_that_does_it_all_leaves_an_endpoint_that_closes_and_takes_it_back(tmp_path: Path) -> None:
    async def allow(store: SqlitePlanStore) -> None:  # addresses of this machine are not for others, and refused
        override = Override(
            rule="unknown-address", scope=ZONE, person="test", reason="loopback", until_s=time.time() + 3_600
        )
        await store.override(override)

    with_store(tmp_path / "control", allow)
    with listening("127.0.0.2") as one, ExitStack() as stack:
        port: int = one.getsockname()[1]
        others = {host: stack.enter_context(listening(host, port)) for host in ("127.0.0.3", "127.0.0.4")}
        with Running("up", _everything(tmp_path, port)) as running:
            until(lambda: ask(running.port, WWW), ["127.0.0.2", "127.0.0.3", "127.0.0.4"])
            others["127.0.0.4"].close()
            until(lambda: ask(running.port, WWW), ["127.0.0.2", "127.0.0.3"])
            stack.enter_context(listening("127.0.0.4", port))
            until(lambda: ask(running.port, WWW), ["127.0.0.2", "127.0.0.3", "127.0.0.4"])
            metrics = _metrics(running)
            assert metrics['standfast_control_publications{kind="settled"}'] == 1
            assert metrics["standfast_control_leads"] == 1
            assert running.stop() == 0


def test_a_damaged_store_keeps_no_name_from_being_answered_and_is_taken_up_once_it_is_mended(tmp_path: Path) -> None:
    config = _everything(tmp_path, 443)
    state = tmp_path / "control" / "state"
    state.mkdir(parents=True)
    damaged = state / "plans.sqlite"
    damaged.write_bytes(b"no plans" * 1_000)
    with Running("up", config) as running:
        until(lambda: ask(running.port, "hand.example.org.", "TXT"), ['"foreign"'])
        assert "control.waits" in running.events()
        damaged.unlink()
        until(lambda: "control.begins" in running.events(), True)
        assert running.stop() == 0


def _everything(folder: Path, port: int) -> Path:
    (folder / "example.org.zone").write_text(ZONE_FILE)
    endpoints = ", ".join(f"{{address: 127.0.0.{host}, port: {port}}}" for host in (2, 3, 4))
    (folder / "intent.yaml").write_text(f"""
zones: {{example.org: {{publishers: [own]}}}}
pools:
  here: {{check: {{kind: tcp, interval_s: 1, timeout_s: 0.5, rise: 1, fall: 1}}, endpoints: [{endpoints}]}}
names: {{www.example.org: {{policy: all-healthy, pools: [here], ttl_s: 5}}}}
""")
    config = folder / "standfast.toml"
    config.write_text("""
[authority]
listen = ["127.0.0.1:0"]
state_dir = "authority"
zones = ["example.org.zone"]
[control]
intent = ["intent.yaml"]
state_dir = "control/state"
name = "all"
metrics = "127.0.0.1:0"
[[control.publisher]]
name = "own"
kind = "authority"
""")
    return config


def _metrics(running: Running) -> Mapping[str, float]:
    address = running.events().split('"control.metrics"')[0].rsplit('"address": "', 1)[1].split('"')[0]
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = b"".join(iter(lambda: sock.recv(1 << 16), b"")).decode()
    lines = [line.rpartition(" ") for line in page.splitlines() if line.startswith("standfast_")]
    return {name: float(number) for name, _, number in lines}


def test_what_is_planned_is_answered_after_a_kill_before_anybody_plans_again(tmp_path: Path) -> None:
    def config(run: str) -> Path:
        path = tmp_path / "standfast.toml"
        path.write_text(
            '[authority]\nlisten = ["127.0.0.1:0"]\nstate_dir = "authority"\nzones = ["example.org.zone"]\n'
            f'[control]\nintent = ["intent.yaml"]\nstate_dir = "control"\nrun = [{run}]\n'
            '[[control.publisher]]\nname = "own"\nkind = "authority"\n'
        )
        return path

    (tmp_path / "example.org.zone").write_text(ZONE_FILE)
    (tmp_path / "intent.yaml").write_text(intent(1, 2).replace("wire", "own").replace("kind: tcp", "kind: none"))
    with Running("up", config('"planner", "enactor"')) as first:
        until(lambda: ask(first.port, WWW), ["192.0.2.1", "192.0.2.2"])
        first.kill()
    with Running("up", config('"verifier"')) as second:
        assert ask(second.port, WWW) == ["192.0.2.1", "192.0.2.2"]
