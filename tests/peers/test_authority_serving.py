"""`standfast up` as an authority, asked by dig, kdig, and by Unbound as a validator of what others signed."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from peers.authorities import sign
from peers.servers import dig, program, unbound
from running_guard import RunningGuard, standfast
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

ZONES = sorted((Path(__file__).parent / "zones").glob("*.zone"))
SMALL = "$TTL 300\n@ SOA ns hostmaster {serial} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.{last}\n"
NOTICED_S = 20.0  # for what takes a tenth of a second on a machine with nothing else to do


def configure(folder: Path, *files: Path, more: str = "") -> Path:
    path = folder / "standfast.toml"
    names = json.dumps([str(file) for file in files])
    path.write_text(f'[authority]\nlisten = ["127.0.0.1:0"]\nzones = {names}\n{more}')
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with RunningGuard(configure(tmp_path_factory.mktemp("authority"), *ZONES)) as running:
        assert running.said.startswith("standfast: authority for 2 zones on 127.0.0.1:")
        yield Server("127.0.0.1", running.port)


def test_dig_gets_authoritative_answers_and_no_offer_of_recursion(served: Server) -> None:
    found = dig(served, "www.hard.example", "A", "+norec")
    assert found.status == "NOERROR"
    assert found.flags == {"qr", "aa"}
    assert found.answer == ("www.hard.example. IN CNAME hard.example.", "hard.example. IN A 192.0.2.10")
    assert dig(served, "nope.hard.example", "A").status == "NXDOMAIN"
    refused = dig(served, "www.example.net", "A")
    assert (refused.status, refused.errors[0][:2]) == ("REFUSED", "20")
    assert dig(served, "hard.example", "A", "+opcode=NOTIFY").status == "NOTIMP"
    assert dig(served, "hard.example", "AXFR", "+tcp").answer == ()


def test_answers_given_again_are_the_same_with_ttls_that_stand(served: Server) -> None:
    query = dns.message.make_query("WwW.hard.EXAMPLE", "A", use_edns=0, payload=1232)
    first = dns.query.udp(query, served.host, port=served.port, timeout=NOTICED_S)
    for _ in range(3):
        query.id = (query.id + 1) % 65_536
        again = dns.query.udp(query, served.host, port=served.port, timeout=NOTICED_S)
        again.id = first.id
        assert again.to_wire() == first.to_wire()
    assert first.question[0].name.to_text() == "WwW.hard.EXAMPLE."
    assert first.answer[0].ttl == 3600


def test_any_is_answered_by_tcp_alone(served: Server) -> None:
    query = dns.message.make_query("hard.example", "ANY", use_edns=False)
    by_udp = dns.query.udp(query, served.host, port=served.port, timeout=NOTICED_S)
    assert by_udp.flags & dns.flags.TC
    assert not by_udp.answer
    by_tcp = dns.query.tcp(query, served.host, port=served.port, timeout=NOTICED_S)
    assert {int(rrset.rdtype) for rrset in by_tcp.answer} == {6, 2, 15, 1, 257, 16, 65}


def test_kdig_gets_glue_and_what_goes_along(served: Server) -> None:
    argv = [program("kdig"), f"@{served.host}", "-p", str(served.port), "x.cut.hard.example", "A", "+norec"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=NOTICED_S).stdout
    assert re.search(r"^ns\.cut\.hard\.example\.\s+3600\s+IN\s+AAAA\s+2001:db8::50$", text, re.MULTILINE)
    assert "Flags: qr;" in text


@pytest.mark.parametrize("nsec3", [False, True], ids=["NSEC", "NSEC3"])
def test_unbound_validates_what_is_there_and_what_is_not(
    tmp_path: Path, free_port: Callable[[], int], nsec3: bool
) -> None:
    signed = sign(tmp_path, {"hard.example.": ZONES[0]}, nsec3=nsec3, opt_out=False)["hard.example."]
    key = next(tmp_path.glob("*.key")).read_text().split("DNSKEY")[1].partition(";")[0].strip()
    with RunningGuard(configure(tmp_path, signed)) as running:
        authority = Server("127.0.0.1", running.port)
        with unbound(tmp_path / "unbound", free_port(), authority, {"hard.example.": key}) as resolver:
            for qname, qtype, status in (
                ("www.hard.example", "A", "NOERROR"),
                ("any.wild.hard.example", "A", "NOERROR"),  # a wildcard's
                ("any.wild.hard.example", "MX", "NOERROR"),  # no data, by a wildcard
                ("www.hard.example", "TYPE65281", "NOERROR"),  # no data
                ("b.c.d.hard.example", "A", "NOERROR"),  # an empty non-terminal
                ("x.y.hard.example", "A", "NXDOMAIN"),
                ("below.exists.wild.hard.example", "A", "NXDOMAIN"),
                ("x.dn.hard.example", "A", "NOERROR"),  # a DNAME
            ):
                found = dig(resolver, qname, qtype, "+dnssec")
                assert (found.status, "ad" in found.flags) == (status, True), (qname, qtype, found.text)


def test_a_file_that_breaks_a_promise_changes_nothing_and_a_good_one_does_at_once(tmp_path: Path) -> None:
    file = tmp_path / "example.org.zone"
    file.write_text(SMALL.format(serial=1, last=1))
    other = tmp_path / "example.net.zone"
    other.write_text(SMALL.format(serial=1, last=9))
    promise = '[[authority.promise]]\nname = "www.example.org"\n'
    with RunningGuard(configure(tmp_path, file, other, more=promise)) as running:
        assert address(running, "www.example.org") == "192.0.2.1"
        file.write_text(SMALL.format(serial=2, last=2).replace("www A", "www.old A"))
        other.write_text(SMALL.format(serial=2, last=8))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: address(running, "www.example.net") == "192.0.2.8")
        assert address(running, "www.example.org") == "192.0.2.1"
        refused = json.loads(next(line for line in running.events().splitlines() if "zone.refused" in line))
        assert (refused["faults"], refused["stays"]) == (1, True)
        assert "was promised never to be empty" in refused["first"]
        file.write_text(SMALL.format(serial=3, last=3))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: address(running, "www.example.org") == "192.0.2.3")
        assert running.stop() == 0


def test_a_zone_that_is_refused_at_the_start_keeps_no_other_from_being_served(tmp_path: Path) -> None:
    bad, good = tmp_path / "example.org.zone", tmp_path / "example.net.zone"
    bad.write_text("www A 192.0.2.1\n")
    good.write_text(SMALL.format(serial=1, last=9))
    with RunningGuard(configure(tmp_path, bad, good)) as running:
        assert address(running, "www.example.net") == "192.0.2.9"
        assert running.ask("www.example.org").rcode() == dns.rcode.REFUSED


def test_two_files_of_one_zone_do_not_take_turns(tmp_path: Path) -> None:
    first, second = tmp_path / "example.org.zone", tmp_path / "other.zone"
    first.write_text(SMALL.format(serial=1, last=1))
    second.write_text("$ORIGIN example.org.\n" + SMALL.format(serial=9, last=9))
    with RunningGuard(configure(tmp_path, first, second)) as running:
        assert address(running, "www.example.org") == "192.0.2.1"
        assert "zone.twice" in running.events()


def test_guard_and_authority_run_in_one_process(tmp_path: Path, free_port: Callable[[], int]) -> None:
    file = tmp_path / "example.org.zone"
    file.write_text(SMALL.format(serial=1, last=1))
    port = free_port()
    config = tmp_path / "standfast.toml"
    config.write_text(
        f'[authority]\nlisten = ["127.0.0.1:{port}"]\nzones = ["{file}"]\n'
        f'[guard]\nlisten = ["127.0.0.1:0"]\nupstreams = ["127.0.0.1:{port}"]\nstate_dir = "state"\n'
        '[[guard.policy]]\nsuffix = "."\nprobe = { kind = "none" }\n'
    )
    with RunningGuard(config) as running:
        assert running.said.startswith(f"standfast: authority for 1 zone on 127.0.0.1:{port}")
        assert dig(Server("127.0.0.1", port), "www.example.org").flags == {"qr", "aa", "rd"}
        assert running.process.stdout is not None
        guard = int(running.process.stdout.readline().split("127.0.0.1:")[1].split()[0])
        assert dig(Server("127.0.0.1", guard), "www.example.org").answer == ("www.example.org. IN A 192.0.2.1",)


def test_check_finds_what_is_wrong_with_an_authority(tmp_path: Path) -> None:
    config = configure(tmp_path, tmp_path / "none.zone", more='[[authority.promise]]\nname = "a..b"\n')
    said = standfast("check", config)
    assert said.returncode == 1
    assert f"standfast.toml:3: zones: {tmp_path}/none.zone cannot be read: no such file or directory" in said.stdout
    assert 'standfast.toml:5: name: "a..b" is not a domain name' in said.stdout
    file = tmp_path / "example.org.zone"
    file.write_text(SMALL.format(serial=1, last=1))
    config.write_text(
        f'[authority]\nlisten = ["127.0.0.1:5300"]\nzones = ["{file}"]\n[guard]\nupstreams = ["192.0.2.1"]\n'
    )
    assert '2: listen: "127.0.0.1:5300" is taken by the guard (127.0.0.1:5300)' in standfast("check", config).stdout
    fine = standfast("check", configure(tmp_path, file)).stdout
    assert fine.endswith("standfast.toml: fine. It serves 1 zone file on 127.0.0.1:0.\n")


def address(running: RunningGuard, qname: str) -> str:
    return str(running.ask(qname).answer[0][0])


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + NOTICED_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
