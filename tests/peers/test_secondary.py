"""`standfast up` as a secondary of Knot, NSD and BIND: zones come, change, are refused, expire and come back."""

import base64
import json
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dns.rcode
import pytest

from bound_sockets import bound_pair
from peers.authorities import sign
from peers.primaries import PRIMARIES, bind_primary, knot_primary, nsd_primary
from peers.secondaries import ZONE, Shared
from peers.servers import dig, program
from running_guard import RunningGuard
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

KEY = Shared(name="secondary.example", secret=base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
MANY = "".join(f"n{i} A 192.0.2.{i}\n" for i in range(100))  # so that a change is smaller than the zone
NOTICED_S = 20.0  # for what takes a tenth of a second on a machine with nothing else to do


def text(serial: int, last: int = 1, *, times: str = "3600 600 86400", more: str = MANY) -> str:
    return (
        f"$ORIGIN {ZONE}\n$TTL 300\n@ SOA ns hostmaster {serial} {times} 60\n@ NS ns\nns A 192.0.2.1\n"
        f"www A 192.0.2.{last}\n{more}"
    )


def configure(folder: Path, port: int, *primaries: Server, key: Shared | None = None, more: str = "") -> Path:
    signed = f" key:{key.name}" if key else ""
    keys = f'[[authority.keys]]\nname = "{key.name}"\nsecret = "{key.secret}"\n' if key else ""
    path = folder / "standfast.toml"
    path.write_text(
        f'[authority]\nlisten = ["127.0.0.1:{port}"]\nstate_dir = "{folder}/state"\n'
        'allow_transfer = ["127.0.0.0/8"]\n'
        f'[[authority.zone]]\norigin = "{ZONE}"\n'
        f"primaries = {json.dumps([f'{each}{signed}' for each in primaries])}\n{keys}{more}"
    )
    return path


def address(of: RunningGuard, qname: str = "www.example.org") -> str:
    """Return the address at `qname`, or the response code with its extended error."""
    response = of.ask(qname)
    if response.answer:
        return str(response.answer[0][0])
    errors = [option.code for option in response.options if option.otype == 15]
    return " ".join([dns.rcode.to_text(response.rcode()), *(str(int(code)) for code in errors)])


def until(happens: Callable[[], bool], within_s: float = NOTICED_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not happens():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)


def events(of: RunningGuard, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in of.events().splitlines() if f'"{name}"' in line]


@pytest.mark.parametrize("name", PRIMARIES)
def test_a_zone_comes_and_its_change_by_notify_in_pieces_all_of_it_signed_with_a_key(
    name: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with (
        PRIMARIES[name](tmp_path / name, free_port(), text(1), told=port, key=KEY) as primary,
        RunningGuard(configure(tmp_path, port, primary.server, key=KEY)) as running,
    ):
        until(lambda: address(running) == "192.0.2.1")
        primary.change(text(2, 2))
        until(lambda: address(running) == "192.0.2.2")
        came = [(each["before"], each["serial"], each["incremental"]) for each in events(running, "zone.transferred")]
        assert came == [(None, 1, False), (1, 2, True)]
        assert records(running.address) == records(primary.server, KEY)
        assert running.stop() == 0


def test_without_notify_a_change_is_found_by_refresh_and_without_a_primary_the_zone_expires(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port, nobody = free_port(), free_port()
    times = "2 1 4"
    with ExitStack() as stack:
        primary = stack.enter_context(bind_primary(tmp_path / "bind", port, text(1, times=times), told=nobody))
        running = stack.enter_context(RunningGuard(configure(tmp_path, 0, primary.server)))
        until(lambda: address(running) == "192.0.2.1")
        primary.change(text(2, 2, times=times))
        until(lambda: address(running) == "192.0.2.2")
        primary.process.kill()
        until(lambda: address(running) == "SERVFAIL 24")
        assert events(running, "zone.primary_failed")
        assert events(running, "zone.expired")
        (tmp_path / "again").mkdir()
        again = stack.enter_context(bind_primary(tmp_path / "again", port, text(2, 2, times=times), told=nobody))
        until(lambda: address(running) == "192.0.2.2")
        assert events(running, "zone.renewed")
        assert len(events(running, "zone.transferred")) == 2  # it had the same serial: nothing came again
        assert again.process.poll() is None


def test_a_restart_without_the_primary_serves_the_last_zone_and_still_knows_how_it_came_to_be(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    running = RunningGuard(configure(tmp_path, port, Server("127.0.0.1", knot_port := free_port())))
    with knot_primary(tmp_path / "knot", knot_port, text(1), told=port) as primary, running:
        until(lambda: address(running) == "192.0.2.1")
        primary.change(text(2, 2))
        until(lambda: address(running) == "192.0.2.2")
    with running:  # which was killed
        assert address(running) == "192.0.2.2"
        deltas = dig(running.address, ZONE, "IXFR=1", "+noall", "+answer").text
        assert "192.0.2.1\n" in deltas
        assert "192.0.2.2\n" in deltas
        assert "n99" not in deltas


def test_with_another_secret_nothing_is_taken_and_the_event_says_why(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    other = Shared(name=KEY.name, secret=base64.b64encode(b"fedcba9876543210").decode())
    with (
        knot_primary(tmp_path / "knot", free_port(), text(1), told=free_port(), key=KEY) as primary,
        RunningGuard(configure(tmp_path, 0, primary.server, key=other)) as running,
    ):
        until(lambda: bool(events(running, "zone.primary_failed")))
        assert "BADSIG" in str(events(running, "zone.primary_failed")[0]["why"])
        assert address(running) == "SERVFAIL 14"


def test_a_transfer_that_is_cut_leaves_what_was_there(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    times = "2 1 60"
    with (
        knot_primary(tmp_path / "knot", free_port(), text(1, times=times), told=port) as primary,
        cutting(primary.server) as between,
        RunningGuard(configure(tmp_path, port, between.server)) as running,
    ):
        until(lambda: address(running) == "192.0.2.1")
        between.octets_max = 60
        primary.change(text(2, 2, times=times))
        until(lambda: len(events(running, "zone.primary_failed")) >= 2)  # neither in pieces nor whole
        assert "without the SOA at its end" in str(events(running, "zone.primary_failed")[0]["why"])
        assert address(running) == "192.0.2.1"
        between.octets_max = None
        until(lambda: address(running) == "192.0.2.2")


def test_serials_wrap_and_one_that_goes_back_is_told_of(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    times = "2 1 60"
    with (
        nsd_primary(tmp_path / "nsd", free_port(), text(4_294_967_290, times=times), told=port) as primary,
        RunningGuard(configure(tmp_path, port, primary.server)) as running,
    ):
        until(lambda: address(running) == "192.0.2.1")
        primary.change(text(5, 2, times=times))
        until(lambda: address(running) == "192.0.2.2")
        primary.change(text(4, 3, times=times))
        until(lambda: bool(events(running, "zone.primary_behind")))
        assert address(running) == "192.0.2.2"


def test_a_primary_that_serves_an_emptied_zone_does_not_empty_ours(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    promise = '[[authority.promise]]\nname = "www.example.org"\n'
    with (
        knot_primary(tmp_path / "knot", free_port(), text(1), told=port) as primary,
        RunningGuard(configure(tmp_path, port, primary.server, more=promise)) as running,
    ):
        until(lambda: address(running) == "192.0.2.1")
        primary.change(text(2).replace("www A 192.0.2.1\n", ""))
        until(lambda: bool(events(running, "zone.refused")))
        refused = events(running, "zone.refused")[0]
        assert (refused["cause"], refused["stays"]) == ("transfer", True)
        assert "was promised never to be empty" in str(refused["first"])
        assert address(running) == "192.0.2.1"
        primary.change(text(3, 3))
        until(lambda: address(running) == "192.0.2.3")


@pytest.mark.parametrize("nsec3", [False, True], ids=["NSEC", "NSEC3"])
def test_a_signed_zone_comes_through_whole_and_in_pieces(
    nsec3: bool, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    verify = program("ldns-verify-zone")

    def signed(serial: int, last: int) -> str:
        folder = tmp_path / f"signed{serial}"
        folder.mkdir()
        (folder / "plain").write_text(text(serial, last))
        return sign(folder, {ZONE: folder / "plain"}, nsec3=nsec3, opt_out=False)[ZONE].read_text()

    with (
        knot_primary(tmp_path / "knot", free_port(), signed(1, 1), told=port) as primary,
        RunningGuard(configure(tmp_path, port, primary.server)) as running,
    ):
        for last in (1, 2):
            if last == 2:
                primary.change(signed(2, 2))
            until(lambda last=last: address(running) == f"192.0.2.{last}")  # type: ignore[misc]
            assert records(running.address) == records(primary.server)
            served = tmp_path / "served"
            served.write_text("\n".join(sorted(records(running.address), key=lambda line: " SOA " not in line)))
            subprocess.run([verify, served], check=True, capture_output=True, timeout=NOTICED_S)
        assert events(running, "zone.transferred")[-1]["incremental"]


@dataclass
class Cutting:
    """A proxy before a primary, which ends connections after so many octets of the answer."""

    server: Server
    octets_max: int | None = None


@contextmanager
def cutting(primary: Server) -> Iterator[Cutting]:
    """Run one in threads of its own; what comes by UDP goes through."""
    udp, tcp = bound_pair()
    between = Cutting(Server(*udp.getsockname()))

    def relay_udp() -> None:
        while True:
            octets, sender = udp.recvfrom(4096)
            if not octets:
                return
            with socket.socket(type=socket.SOCK_DGRAM) as onward:
                onward.settimeout(NOTICED_S)
                onward.sendto(octets, (primary.host, primary.port))
                udp.sendto(onward.recv(4096), sender)

    def relay_tcp() -> None:
        while True:
            try:
                connection, _ = tcp.accept()
            except OSError:
                return
            target = (primary.host, primary.port)
            with suppress(ConnectionError), connection, socket.create_connection(target) as onward:
                onward.sendall(connection.recv(4096))
                left = between.octets_max
                while left != 0 and connection not in select.select([onward, connection], [], [], NOTICED_S)[0]:
                    octets = onward.recv(4096 if left is None else min(left, 4096))
                    if not octets:
                        break
                    connection.sendall(octets)
                    left = None if left is None else left - len(octets)

    threads = [threading.Thread(target=relay) for relay in (relay_udp, relay_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield between
    finally:
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            other.sendto(b"", udp.getsockname())
        tcp.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(NOTICED_S)
        udp.close()
        tcp.close()


def records(server: Server, key: Shared | None = None) -> set[str]:
    """Return all records of the zone, had by AXFR with the real dig."""
    words = ["-y", f"{key.algorithm}:{key.name}:{key.secret}"] if key else []
    found = dig(server, ZONE, "AXFR", "+noall", "+answer", *words).text
    lines = {line for line in found.splitlines() if line and not line.startswith(";") and "TSIG" not in line}
    assert len(lines) > 100
    return lines
