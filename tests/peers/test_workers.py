"""A real guard with workers: commands hold for all of them at once, and no way to end a process leaves one behind."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from running_guard import RunningGuard, write_config
from unit.drills.live.scripted_dns import ScriptedDns, addresses, silence

pytestmark = pytest.mark.peers

NAME = "db.amazonaws.com"  # in the zone that the scripted upstream has a SOA of, so that its denials are cached
WORKERS = 3
CLIENTS = 24  # sockets, so that the kernel gives some to each process
TIMEOUT_S = 20.0
RETRY_S = 1.0


class Scene:
    """A guard with workers, its upstream, and clients at many ports."""

    def __init__(self, guard: RunningGuard, upstream: ScriptedDns, stack: ExitStack) -> None:
        self.guard = guard
        self.upstream = upstream
        self._clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(CLIENTS)]
        for client in self._clients:
            client.connect(("127.0.0.1", guard.port))
            client.settimeout(RETRY_S)

    def answers(self, name: str = NAME) -> set[tuple[str, ...]]:
        """Have all clients ask at once, again where nothing comes, and return what they got."""
        queries = [dns.message.make_query(name, "A") for _ in self._clients]
        for client, query in zip(self._clients, queries, strict=True):
            client.send(query.to_wire())
        pairs = zip(self._clients, queries, strict=True)
        return {answered(received(client, query)) for client, query in pairs}

    def workers(self) -> dict[int, int]:
        """Return the workers by process id, and how many queries each has answered."""
        return {each["pid"]: each["hits"] for each in self.guard.call("status")["workers"]["others"]}

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, self.guard.events()
            time.sleep(0.02)


def received(client: socket.socket, query: dns.message.Message) -> dns.message.Message:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            reply = dns.message.from_wire(client.recv(512))
        except TimeoutError:
            assert time.monotonic() < deadline, "no answer"
            client.send(query.to_wire())
            continue
        if reply.id == query.id:
            return reply


def answered(reply: dns.message.Message) -> tuple[str, ...]:
    return tuple(record.address for rrset in reply.answer for record in rrset)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ScriptedDns(silence) as upstream, ExitStack() as stack:
        config = write_config(tmp_path, f"{upstream.endpoint.address}:{upstream.endpoint.port}")
        config.write_text(config.read_text().replace("[guard]", f"[guard]\nworkers = {WORKERS}"))
        guard = stack.enter_context(RunningGuard(config))
        yield Scene(guard, upstream, stack)


def test_it_is_ready_when_all_workers_are_and_each_answers_its_share(scene: Scene) -> None:
    assert len(scene.workers()) == WORKERS - 1
    scene.upstream.script = addresses("127.0.0.9", ttl_s=300)
    rounds = 0
    while not all(scene.workers().values()):
        assert scene.answers() == {("127.0.0.9",)}
        rounds += 1
        assert rounds < 50
    scene.wait(lambda: scene.guard.call("status")["queries"] == rounds * CLIENTS)
    shown = scene.guard.run("status").stdout
    assert f"{WORKERS} of {WORKERS} serve: process {scene.guard.process.pid}, " in shown


def test_a_released_name_is_given_by_no_worker_once_the_command_has_returned(scene: Scene) -> None:
    for number in range(25):
        scene.upstream.script = addresses(f"127.0.1.{number}", ttl_s=300)
        if number:
            scene.guard.call("release", name=NAME)
        for _ in range(3):  # from upstream, from the cache, and as it was prepared
            assert scene.answers() == {(f"127.0.1.{number}",)}
    assert all(scene.workers().values())


def test_a_held_name_and_the_switch_hold_for_every_worker_once_the_command_has_returned(scene: Scene) -> None:
    scene.upstream.script = addresses("127.0.0.9", ttl_s=1)
    assert scene.answers() == {("127.0.0.9",)}
    scene.upstream.script = addresses(ttl_s=300)
    scene.wait(lambda: scene.answers() == {("127.0.0.9",)} and scene.guard.call("status")["held"] == 1)
    for _ in range(10):
        scene.guard.call("switch", enabled=False)
        for _ in range(3):
            assert scene.answers() == {()}
        scene.guard.call("switch", enabled=True)
        for _ in range(2):
            assert scene.answers() == {("127.0.0.9",)}
        scene.guard.call("release", name=NAME)
        for _ in range(3):
            assert scene.answers() == {()}
        scene.guard.call("hold", name=NAME)
        for _ in range(2):
            assert scene.answers() == {("127.0.0.9",)}
    assert all(scene.workers().values())


def test_workers_that_are_killed_under_load_leave_no_client_without_an_answer(scene: Scene) -> None:
    scene.upstream.script = addresses("127.0.0.9", ttl_s=300)
    assert scene.answers() == {("127.0.0.9",)}
    over = threading.Event()

    def kill() -> None:
        try:
            for _ in range(3):
                scene.wait(lambda: bool(scene.workers()))
                os.kill(next(iter(scene.workers())), signal.SIGKILL)
                over.wait(0.3)
        finally:
            over.set()

    killer = threading.Thread(target=kill)
    killer.start()
    while not over.is_set():
        assert scene.answers() == {("127.0.0.9",)}
    killer.join()
    scene.wait(lambda: len(scene.workers()) == WORKERS - 1)
    assert scene.guard.call("status")["workers"]["lost"] == 3
    assert scene.guard.events().count('"worker.lost"') == 3


@pytest.mark.parametrize("stopped", [False, True], ids=["all well", "a worker stopped"])
def test_a_guard_that_is_killed_takes_its_workers_along_and_starts_again_on_its_port(
    scene: Scene, stopped: bool
) -> None:
    scene.upstream.script = addresses("127.0.0.9", ttl_s=300)
    scene.answers()
    workers = list(scene.workers())
    config, port = scene.guard.config, scene.guard.port
    config.write_text(config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'))
    if stopped:
        os.kill(workers[0], signal.SIGSTOP)
    scene.guard.kill()
    scene.guard.start()
    assert scene.guard.port == port
    scene.upstream.script = addresses("127.0.0.10", ttl_s=300)
    assert scene.answers("other.example.org") == {("127.0.0.10",)}
    scene.wait(lambda: not any(is_running(pid) for pid in workers))


def test_a_stop_that_every_process_is_told_of_ends_all_and_loses_none(scene: Scene) -> None:
    workers = list(scene.workers())
    for pid in workers:  # as systemd does, and a terminal
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    scene.upstream.script = addresses("127.0.0.9")
    assert scene.answers() == {("127.0.0.9",)}
    assert list(scene.workers()) == workers
    assert scene.guard.stop() == 0
    assert not any(is_running(pid) for pid in workers)
    assert "worker.lost" not in scene.guard.events()


def is_running(pid: int) -> bool:
    """Say whether `pid` is a process that has not ended, whether or not anybody has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
