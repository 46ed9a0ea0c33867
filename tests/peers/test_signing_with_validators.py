"""`standfast up` signs zones; delv and Unbound judge what it serves, while it runs and through changes."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import dns.rdataclass
import dns.rdatatype
import pytest
from click.testing import CliRunner

from peers.servers import dig, program, unbound
from running_guard import RunningGuard
from standfast.cli.main import cli
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

HARD = Path(__file__).parent / "zones" / "hard.example.zone"
NSEC, COMPACT = "hard.example", "hard.compact"
NOTICED_S = 40.0  # for what takes some seconds on a machine with nothing else to do
SIGNED = """
[[authority.zone]]
origin = "{origin}"
sign = true
algorithm = "{algorithm}"
keys = "{keys}"
denial = "{denial}"
dnskey_ttl_s = 60
{more}
"""

# What is asked, and what a validator says of it: for a zone with NSEC, and for one with compact denial.
ASKED = [
    ("www.{}", "A", "NOERROR", "NOERROR"),
    ("any.wild.{}", "A", "NOERROR", "NOERROR"),  # a wildcard's
    ("any.wild.{}", "MX", "NOERROR", "NOERROR"),  # no data, by a wildcard
    ("www.{}", "TYPE65281", "NOERROR", "NOERROR"),  # no data
    ("{}", "AAAA", "NOERROR", "NOERROR"),
    ("b.c.d.{}", "A", "NOERROR", "NOERROR"),  # an empty non-terminal
    ("x.y.{}", "A", "NXDOMAIN", "NOERROR"),
    ("below.exists.wild.{}", "A", "NXDOMAIN", "NOERROR"),
    ("x.dn.{}", "A", "NOERROR", "NOERROR"),  # a DNAME
    ("a.{}", "A", "NOERROR", "NOERROR"),  # three CNAMEs
    ("dangling.{}", "A", "NXDOMAIN", "NOERROR"),
    ("cut2.{}", "DS", "NOERROR", "NOERROR"),  # a signed delegation
    ("cut.{}", "DS", "NOERROR", "NOERROR"),  # an unsigned one
]


@dataclass(frozen=True)
class World:
    running: RunningGuard
    resolver: Server
    folder: Path

    @property
    def authority(self) -> Server:
        return self.running.address


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("signing")
    text = HARD.read_text()
    (folder / f"{NSEC}.zone").write_text(text)
    (folder / f"{COMPACT}.zone").write_text(text.replace("$ORIGIN hard.example.", f"$ORIGIN {COMPACT}."))
    config = folder / "standfast.toml"
    config.write_text(
        f'[authority]\nlisten = ["127.0.0.1:0"]\nstate_dir = "state"\n'
        f'allow_update = ["127.0.0.0/8"]\nallow_transfer = ["127.0.0.0/8"]\nzones = ["{NSEC}.zone", "{COMPACT}.zone"]\n'
        + SIGNED.format(origin=NSEC, algorithm="ecdsap256sha256", keys="ksk-zsk", denial="nsec", more="")
        + SIGNED.format(origin=COMPACT, algorithm="ed25519", keys="csk", denial="compact", more="allow_transfer = []")
    )
    with RunningGuard(config) as running:
        anchors = {f"{zone}.": anchor(running.address, zone) for zone in (NSEC, COMPACT)}
        with unbound(folder / "unbound", free_port(), running.address, anchors) as resolver:
            yield World(running, resolver, folder)


def anchor(server: Server, zone: str) -> str:
    """Return the key that is to be trusted, as a DNSKEY in text."""
    query = dns.message.make_query(zone, "DNSKEY", want_dnssec=True)
    answer = dns.query.tcp(query, server.host, port=server.port, timeout=NOTICED_S)
    (found,) = [each.to_text() for each in answer.answer[0] if each.flags == 257]
    return str(found)


@pytest.mark.parametrize(("zone", "column"), [(NSEC, 0), (COMPACT, 1)])
def test_unbound_validates_every_kind_of_answer(world: World, zone: str, column: int) -> None:
    for qname, qtype, *statuses in ASKED:
        found = dig(world.resolver, qname.format(zone), qtype, "+dnssec")
        assert (found.status, "ad" in found.flags) == (statuses[column], True), (qname, qtype, found.text)


@pytest.mark.parametrize("zone", [NSEC, COMPACT])
def test_delv_validates_every_kind_of_answer(world: World, zone: str) -> None:
    flags, protocol, algorithm, *key = anchor(world.authority, zone).split()
    trusted = world.folder / f"{zone}.key"
    trusted.write_text(f'trust-anchors {{ {zone}. static-key {flags} {protocol} {algorithm} "{"".join(key)}"; }};')
    for qname, qtype, *_ in ASKED:
        argv = [program("delv"), f"@{world.authority.host}", "-p", str(world.authority.port)]
        argv += ["-a", str(trusted), f"+root={zone}", qname.format(zone), qtype]
        said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=NOTICED_S)
        assert "fully validated" in said.stdout, (qname, qtype, said.stdout, said.stderr)


def test_a_changed_file_is_signed_anew_and_validates(world: World) -> None:
    file = world.folder / f"{NSEC}.zone"
    before = serial(world.authority, NSEC)
    file.write_text(HARD.read_text() + "$ORIGIN hard.example.\nfresh A 192.0.2.99\nnew.below.fresh A 192.0.2.98\n")
    world.running.process.send_signal(signal.SIGHUP)
    until(lambda: serial(world.authority, NSEC) == before + 1)
    for qname, status in (("new.below.fresh", "NOERROR"), ("other.below.fresh", "NXDOMAIN"), ("fresi", "NXDOMAIN")):
        found = dig(world.resolver, f"{qname}.{NSEC}", "A", "+dnssec")
        assert (found.status, "ad" in found.flags) == (status, True), found.text


def test_an_updated_zone_is_complete_when_it_is_transferred(world: World) -> None:
    orders = (
        f"server {world.authority.host} {world.authority.port}\nzone {NSEC}\n"
        f"update add added.{NSEC} 300 A 192.0.2.77\nupdate delete www.{NSEC}\n"
        f"update add cut9.{NSEC} 300 NS ns1.{NSEC}\nupdate delete cut.{NSEC} NS\nsend\n"
    )
    done = subprocess.run(
        [program("nsupdate")], input=orders, capture_output=True, text=True, check=False, timeout=NOTICED_S
    )
    assert done.returncode == 0, done.stderr
    whole = dig(world.authority, NSEC, "AXFR", "+tcp", "+onesoa").text
    assert f"added.{NSEC}." in whole
    file = world.folder / "transferred"
    file.write_text("\n".join(line for line in whole.splitlines() if line and not line.startswith(";")) + "\n")
    for argv in (["ldns-verify-zone", file], ["dnssec-verify", "-o", NSEC, file]):
        judged = subprocess.run(
            [program(str(argv[0])), *map(str, argv[1:])], capture_output=True, text=True, check=False
        )
        assert judged.returncode == 0, (argv, judged.stdout, judged.stderr)
    added = dig(world.resolver, f"added.{NSEC}", "A", "+dnssec")
    assert "ad" in added.flags, added.text


def test_a_signature_cannot_be_put_in_by_an_update(world: World) -> None:
    orders = (
        f"server {world.authority.host} {world.authority.port}\nzone {NSEC}\nupdate add {NSEC} 300 CDS 0 0 0 00\nsend\n"
    )
    done = subprocess.run(
        [program("nsupdate")], input=orders, capture_output=True, text=True, check=False, timeout=NOTICED_S
    )
    assert "REFUSED" in done.stderr


def test_a_client_that_takes_compact_answers_gets_nxdomain(world: World) -> None:
    query = dns.message.make_query(f"nope.{COMPACT}", "A", want_dnssec=True)
    answer = dns.query.udp(query, world.authority.host, port=world.authority.port, timeout=NOTICED_S)
    assert (answer.rcode(), answer.ednsflags & 0x4000) == (0, 0)
    query.ednsflags |= 0x4000
    answer = dns.query.udp(query, world.authority.host, port=world.authority.port, timeout=NOTICED_S)
    assert (answer.rcode(), answer.ednsflags & 0x4000) == (3, 0x4000)


def test_a_roll_that_an_operator_orders_begins_soon_and_everything_stays_valid(world: World) -> None:
    rolled = CliRunner().invoke(cli, ["zone", "roll", NSEC, "--role", "zsk", "--config", str(world.running.config)])
    assert rolled.exit_code == 0, rolled.output
    until(lambda: len(dnskeys(world.authority, NSEC)) == 3)
    found = dig(world.resolver, f"after-the-roll.{NSEC}", "A", "+dnssec")
    assert (found.status, "ad" in found.flags) == ("NXDOMAIN", True)
    until(lambda: '"event": "zone.keys"' in world.running.events() and "spreading" in world.running.events())


def test_keys_are_private_and_outlive_the_server_as_signatures_do(world: World) -> None:
    folder = world.folder / "state" / "keys"
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.pem")} == {0o600}
    before = {zone: (dnskeys(world.authority, zone), soa(world.authority, zone)) for zone in (NSEC, COMPACT)}
    world.running.kill()
    world.running.start()
    assert {zone: (dnskeys(world.authority, zone), soa(world.authority, zone)) for zone in (NSEC, COMPACT)} == before


def dnskeys(server: Server, zone: str) -> set[str]:
    query = dns.message.make_query(zone, "DNSKEY")
    answer = dns.query.tcp(query, server.host, port=server.port, timeout=NOTICED_S)
    return {each.to_text() for each in answer.answer[0]}


def soa(server: Server, zone: str) -> list[str]:
    """Return the SOA and its signature."""
    query = dns.message.make_query(zone, "SOA", want_dnssec=True)
    answer = dns.query.udp(query, server.host, port=server.port, timeout=NOTICED_S)
    return [rrset.to_text() for rrset in answer.answer]


def serial(server: Server, zone: str) -> int:
    answer = dns.query.udp(dns.message.make_query(zone, "SOA"), server.host, port=server.port, timeout=NOTICED_S)
    (soa,) = answer.find_rrset(answer.answer, answer.question[0].name, dns.rdataclass.IN, dns.rdatatype.SOA)
    return int(soa.serial)


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + NOTICED_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
