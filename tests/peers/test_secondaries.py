"""Knot, NSD and BIND as secondaries of `standfast up`: what they take, when, and that it is what we have."""

import base64
import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.xfr
import dns.zone
import pytest

from bound_sockets import bound_pair
from peers.authorities import sign
from peers.secondaries import DOCUMENTED, SECONDARIES, ZONE, Shared, knot_secondary
from peers.servers import program
from peers.test_authority_serving import NOTICED_S, ZONES, until
from running_guard import RunningGuard
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

LAST = (1 << 32) - 1  # of all serials; the next one is 1
KEY = Shared(name="secondary.example.", secret=base64.b64encode(b"s" * 32).decode())
WRONG = Shared(name="secondary.example.", secret=base64.b64encode(b"t" * 32).decode())
PRIMARY = DOCUMENTED[DOCUMENTED.index("## Secondaries") :].split("```")[1].removeprefix("toml\n")
HEAD = "$TTL 300\n@ SOA ns hostmaster {serial} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"
NAMES = 600
Content = set[tuple[str, str, int, str]]


def configure(folder: Path, *files: Path, notify: Iterable[int] = (), key: Shared | None = None) -> Path:
    """Write a configuration; with a key it is that of docs/authority.md but for places and the secret."""
    path = folder / "standfast.toml"
    told = [f"127.0.0.1:{port}{f' key:{key.name}' if key else ''}" for port in notify]
    text = PRIMARY if key else '[authority]\nallow_transfer = ["127.0.0.0/8"]\n'
    text = re.sub("^(listen|zones|notify) = .*\n", "", text, flags=re.MULTILINE)
    own = (
        '[authority]\nlisten = ["127.0.0.1:0"]\nstate_dir = "state"\nmetrics = "127.0.0.1:0"\n'
        f"zones = {json.dumps([str(file) for file in files])}\nnotify = {json.dumps(told)}\n"
    )
    text = text.replace("[authority]\n", own)
    path.write_text(re.sub('(?<=secret = )".*"', f'"{key.secret}"', text) if key else text)
    return path


def write(file: Path, serial: int, records: str) -> None:
    file.write_text(HEAD.format(serial=serial) + records)


def many(last: int) -> str:
    return "".join(f"n{number} A 192.0.2.{last}\n" for number in range(NAMES))


def change(running: RunningGuard, file: Path, serial: int, records: str) -> None:
    write(file, serial, records)
    running.process.send_signal(signal.SIGHUP)


def content(server: Server, zone: str = ZONE, key: Shared | None = None) -> Content:
    """Return all records that `server` gives, but for the second SOA."""
    keyring = {dns.name.from_text(key.name): dns.tsig.Key(key.name, key.secret, key.algorithm)} if key else None
    messages = dns.query.xfr(server.host, zone, port=server.port, keyring=keyring, relativize=False, timeout=NOTICED_S)
    return {
        (rrset.name.to_text().lower(), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, rdata.to_text().lower())
        for each in messages
        for rrset in each.answer
        for rdata in rrset
    }


def serial_at(server: Server, zone: str = ZONE) -> int:
    query = dns.message.make_query(zone, "SOA")
    with contextlib.suppress(OSError, dns.exception.Timeout):
        for rrset in dns.query.udp(query, server.host, port=server.port, timeout=1).answer:
            return int(rrset[0].serial)
    return 0


def told(running: RunningGuard, event: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in running.events().splitlines() if line.startswith("{")]
    return [each for each in found if each["event"] == event]


def counted(running: RunningGuard) -> dict[str, float]:
    """Return its metrics, labels as they are written there."""
    (where,) = told(running, "authority.metrics")
    with urllib.request.urlopen(f"http://{where['address']}/metrics", timeout=NOTICED_S) as page:
        lines = page.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
def test_secondaries_take_the_zone_and_then_differences_as_far_as_they_are_known(
    tmp_path: Path, free_port: Callable[[], int], key: Shared | None
) -> None:
    ports = {kind: free_port() for kind in SECONDARIES}
    file = tmp_path / "example.org.zone"
    write(file, LAST - 1, many(1))
    with (
        RunningGuard(configure(tmp_path, file, notify=ports.values(), key=key)) as running,
        contextlib.ExitStack() as stack,
    ):
        secondaries = [
            stack.enter_context(SECONDARIES[kind](tmp_path / kind, port, running.address, key=key))
            for kind, port in ports.items()
        ]

        def arrives(serial: int, form: str) -> None:
            for secondary in secondaries:
                until(lambda secondary=secondary: serial_at(secondary) == serial)  # type: ignore[misc]
            sent = [each for each in told(running, "transfer.sent") if each["serial"] == serial]
            assert [(each["form"], each["key"]) for each in sent] == [(form, key.name if key else None)] * len(ports)
            ours = content(running.address, key=key)
            assert all(content(secondary, key=key) == ours for secondary in secondaries)

        def acknowledged(serial: int) -> set[object]:
            return {each["secondary"] for each in told(running, "notify.acknowledged") if each["serial"] == serial}

        arrives(LAST - 1, "zone")
        change(running, file, LAST, many(1) + "www A 192.0.2.2\n")
        arrives(LAST, "differences")
        until(lambda: acknowledged(LAST) == {f"127.0.0.1:{port}" for port in ports.values()})
        change(running, file, 1, many(1).replace("n7 A", "n7 60 A"))  # the serial wraps
        arrives(1, "differences")
        change(running, file, 2, many(9))  # more than the journal keeps
        arrives(2, "zone")
        assert not told(running, "request.refused")
        found = counted(running)
        assert found["standfast_authority_zones"] == 1
        assert found['standfast_authority_transfers_total{outcome="differences"}'] == 2 * len(ports)
        assert found['standfast_authority_notices_total{outcome="acknowledged"}'] >= 2 * len(ports)


# One primary for all that follows: a zone for everybody on this machine, one for a key, and a signed one


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGuard]:
    folder = tmp_path_factory.mktemp("primary")
    write(folder / "example.org.zone", 1, many(1))
    write(folder / "example.net.zone", 1, "www A 192.0.2.1\n")
    signed = sign(folder, {"hard.example.": ZONES[0]}, nsec3=True)["hard.example."]
    config = configure(folder, folder / "example.org.zone", folder / "example.net.zone", signed)
    with config.open("a") as more:
        more.write(f'[[authority.keys]]\nname = "{KEY.name}"\nsecret = "{KEY.secret}"\n')
        more.write(f'[[authority.zone]]\norigin = "example.net"\nallow_transfer = ["key:{KEY.name}"]\n')
    with RunningGuard(config) as running:
        yield running


def test_a_signed_zone_arrives_with_its_signatures_and_proofs(
    primary: RunningGuard, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with knot_secondary(tmp_path, free_port(), primary.address, zone="hard.example.") as secondary:
        theirs = content(secondary, "hard.example.")
    assert theirs == content(primary.address, "hard.example.")
    assert {"RRSIG", "NSEC3", "DNSKEY", "DNAME"} <= {rdtype for _, rdtype, _, _ in theirs}


def test_a_wrong_or_missing_key_gets_nothing_and_the_log_says_so(primary: RunningGuard) -> None:
    right, wrong = (f"hmac-sha256:{each.name}:{each.secret}" for each in (KEY, WRONG))
    unknown = f"hmac-sha256:nobody.example.:{KEY.secret}"
    for tool in ("dig", "kdig"):
        assert "www.example.net." in asked(tool, primary, "AXFR", "-y", right, zone="example.net")
        for words in (["-y", wrong], ["-y", unknown], []):
            assert "www.example.net." not in asked(tool, primary, "AXFR", *words, zone="example.net")
    assert {each["error"] for each in told(primary, "request.unproven")} == {"BADSIG", "BADKEY"}
    assert [each["zone"] for each in told(primary, "request.refused")] == ["example.net."]


def test_dig_and_kdig_read_zones_and_differences(primary: RunningGuard) -> None:
    file = primary.config.parent / "example.org.zone"
    change(primary, file, 2, many(1).replace("n7 A 192.0.2.1", "n7 A 192.0.2.7"))
    until(lambda: serial_at(primary.address) == 2)
    for tool in ("dig", "kdig"):
        everything = asked(tool, primary, "AXFR")
        assert everything.count("\tA\t") == NAMES + 1
        assert everything.count("SOA") == 2
        by_tcp = asked(tool, primary, "IXFR=1", "+tcp")
        assert (by_tcp.count("SOA"), by_tcp.count("\tA\t")) == (4, 2)
        assert asked(tool, primary, "IXFR=2", "+tcp").count("SOA") == 1
    by_udp = asked("dig", primary, "IXFR=1", "+notcp")
    assert (by_udp.count("SOA"), by_udp.count("\tA\t")) == (4, 2)


def asked(tool: str, running: RunningGuard, qtype: str, *words: str, zone: str = ZONE) -> str:
    """Return the records that dig or kdig prints, their fields with tabs between them."""
    argv = [program(tool), "@127.0.0.1", "-p", str(running.port), *words, zone, qtype]
    argv += ["+noall", "+answer"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=NOTICED_S).stdout
    return "\n".join(
        "\t".join(line.split(None, 4)) if line[:1] not in (";", "") else line for line in said.splitlines()
    )


def test_a_secondary_that_was_cut_in_the_middle_comes_again(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    file = tmp_path / "example.org.zone"
    write(file, 1, many(1))
    with (
        RunningGuard(configure(tmp_path, file, notify=[port])) as running,
        relay(running.address) as (between, cut),
        knot_secondary(tmp_path / "knot", port, between) as secondary,
    ):
        cut.set()
        change(running, file, 2, many(2))
        until(lambda: not cut.is_set())
        assert serial_at(secondary) == 1
        change(running, file, 3, many(3))
        until(lambda: serial_at(secondary) == 3)
        assert content(secondary) == content(running.address)


CUT_AT = 5000  # octets of an answer by TCP, after which a relay that is told to closes its connection


@contextlib.contextmanager
def relay(primary: Server) -> Iterator[tuple[Server, threading.Event]]:
    """Stand between a secondary and `primary`; while the event is set the next long answer by TCP is cut, once."""
    udp, tcp = bound_pair()
    cut = threading.Event()

    def datagrams() -> None:
        while True:
            wire, sender = udp.recvfrom(65_535)
            if not wire:
                return
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
                asker.settimeout(NOTICED_S)
                asker.connect((primary.host, primary.port))
                asker.send(wire)
                udp.sendto(asker.recv(65_535), sender)

    def connections() -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                client, _ = tcp.accept()
                with client, socket.create_connection((primary.host, primary.port), NOTICED_S) as server:
                    forward(client, server)

    def forward(client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            asking = threading.Thread(target=pump, args=(client, server))
            asking.start()
            octets = 0
            while data := server.recv(1000):
                octets += len(data)
                if octets > CUT_AT and cut.is_set():
                    cut.clear()
                    break
                client.sendall(data)
            for each in (client, server):
                each.shutdown(socket.SHUT_RDWR)
            asking.join()

    def pump(client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1000):
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    threads = [threading.Thread(target=each) for each in (datagrams, connections)]
    with udp, tcp:
        for each in threads:
            each.start()
        try:
            yield Server(*udp.getsockname()), cut
        finally:
            udp.sendto(b"", udp.getsockname())
            tcp.shutdown(socket.SHUT_RDWR)
            for each in threads:
                each.join()


def test_an_update_of_a_zone_that_is_signed_here_goes_on_as_a_difference(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    ports = {kind: free_port() for kind in SECONDARIES}
    file = tmp_path / "example.org.zone"
    write(file, 1, many(1))
    config = configure(tmp_path, file, notify=ports.values())
    with config.open("a") as more:
        more.write('[[authority.zone]]\norigin = "example.org"\nsign = true\nallow_update = ["127.0.0.0/8"]\n')
    with RunningGuard(config) as running, contextlib.ExitStack() as stack:
        secondaries = [
            stack.enter_context(SECONDARIES[kind](tmp_path / kind, port, running.address))
            for kind, port in ports.items()
        ]
        update = dns.update.UpdateMessage(ZONE)
        update.add("new", 300, "A", "192.0.2.9")
        update.delete("n7")
        answer = dns.query.udp(update, running.address.host, port=running.port, timeout=NOTICED_S)
        assert answer.rcode() == dns.rcode.NOERROR
        before, serial = told(running, "transfer.sent")[0]["serial"], serial_at(running.address)
        for secondary in secondaries:
            until(lambda secondary=secondary: serial_at(secondary) == serial)  # type: ignore[misc]
        sent = [each for each in told(running, "transfer.sent") if each["serial"] == serial]
        assert [each["form"] for each in sent] == ["differences"] * len(ports)
        ours = content(running.address)
        assert {rdtype for owner, rdtype, *_ in ours if owner == "new.example.org."} == {"A", "NSEC", "RRSIG"}
        assert all(content(secondary) == ours for secondary in secondaries)
        running.stop()
        running.start()
        assert asked("dig", running, f"IXFR={before}", "+tcp").count("\tSOA\t") >= 4  # what it knew, it knows
