"""The same updates at BIND, Knot and ours: the same codes, and the same zone in the end; and their clients at ours."""

import base64
import random
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone
import pytest

from peers.servers import dig, program
from peers.updatable import KEY_NAME, SECRET, bind, knot, ours
from standfast.dns.servers import Server

pytestmark = pytest.mark.peers

WAIT_S: Final = 30.0
UPDATES: Final = 25
KEY: Final = dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256")
ZONE: Final = """$ORIGIN example.org.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ NS ns2
ns A 192.0.2.1
ns2 A 192.0.2.2
kept A 192.0.2.3
a A 192.0.2.4
a TXT "x"
b CNAME far.example.net.
c.ent A 192.0.2.5
"""


OWNERS: Final = ("a", "b", "c", "c.ent", "ent", "A", "d.a", "@")
DATA: Final = {
    "A": ["192.0.2.8", "192.0.2.9"],
    "TXT": ['"x"', '"y" "z"'],
    "MX": ["1 mail.example.net.", "1 MAIL.example.net.", "2 mail.example.net."],
    "CNAME": ["far.example.net.", "FAR.example.net.", "farther.example.net."],
    "NS": ["ns.example.org.", "ns2.example.org."],
}


def soa(serial: int) -> str:
    return f"ns.example.org. hostmaster.example.org. {serial % 2**32} 3600 600 86400 60"


def change(seed: int, serial: int) -> dns.update.UpdateMessage:
    """Return an update of a few records to a zone with that serial; nothing that ours would refuse to serve."""
    rng = random.Random(seed)
    made = dns.update.UpdateMessage("example.org", keyring=KEY)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        owner, rtype = rng.choice(OWNERS), rng.choice(["A", "TXT", "MX", "CNAME"])
        match rng.randrange(5):
            case 0:
                made.present(owner)
            case 1:
                made.absent(owner)
            case 2:
                made.present(owner, rtype)
            case 3:
                made.absent(owner, rtype)
            case _:
                made.present(owner, rtype, *rng.sample(DATA[rtype], rng.choice([1, 1, 2])))
    for _ in range(rng.choice([1, 1, 2, 3, 4])):
        owner, rtype = rng.choice(OWNERS), rng.choice(["A", "A", "TXT", "MX", "CNAME", "NS", "SOA"])
        if rtype in ("NS", "SOA") or owner == "@":
            owner, rtype = "@", rng.choice(["NS", "SOA", "MX"])
        step = rng.choice([-7, -1, 1, 2, 40, 2**31 - 1, 2**31 + 1])
        data = soa(serial + step) if rtype == "SOA" else rng.choice(DATA[rtype])
        ttl_s = 300 if rtype == "NS" else rng.choice([300, 300, 60])
        match rng.randrange(6):
            case 0 | 1 | 2:
                made.add(owner, ttl_s, rtype, data)
            case 3:
                made.delete(owner, rtype, data)
            case 4:
                made.delete(owner, rtype)
            case _:
                made.delete(owner)
    return made


def reset() -> dns.update.UpdateMessage:
    """Return what makes any of the zones what it was at first, but for its serial."""
    made = dns.update.UpdateMessage("example.org", keyring=KEY)
    for owner in OWNERS:
        made.delete(owner)
    for line in ZONE.splitlines()[3:]:
        made.add(*line.split(" ")[:1], 300, *line.split(" ", 2)[1:])
    return made


def sent(server: Server, update: dns.message.Message) -> str:
    return dns.rcode.to_text(dns.query.tcp(update, server.host, port=server.port, timeout=WAIT_S).rcode())


def transferred(server: Server) -> tuple[int, frozenset[str]]:
    """Return serial and records of the zone as `server` gives it away."""
    messages = dns.query.xfr(
        server.host,
        "example.org",
        port=server.port,
        keyring={KEY.name: KEY},
        relativize=False,
        timeout=WAIT_S,
        lifetime=WAIT_S,
    )
    zone = dns.zone.from_xfr(messages, relativize=False)
    rows = [
        f"{name.to_text()} {ttl} {dns.rdatatype.to_text(data.rdtype)} {data.to_text()}".lower()
        for name, ttl, data in zone.iterate_rdatas()
        if data.rdtype != dns.rdatatype.SOA
    ]
    return zone.get_soa().serial, frozenset(rows)


@pytest.fixture(scope="module")
def us(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    promise = '[[authority.promise]]\nname = "kept.example.org"\n'
    with ours(tmp_path_factory.mktemp("updates") / "ours", 0, ZONE, promise) as run:
        yield run.server


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("updates")
    with bind(folder / "bind", free_port(), ZONE) as bind_, knot(folder / "knot", free_port(), ZONE) as knot_:
        yield bind_.server, knot_.server


def outcome(server: Server, make: Callable[[int], dns.update.UpdateMessage]) -> tuple[str, int, frozenset[str]]:
    """Return what comes of an update that is made for a serial: code, by how much it advances, all other records."""
    assert sent(server, reset()) == "NOERROR"
    before, _ = transferred(server)
    code = sent(server, make(before))
    after, rows = transferred(server)
    return code, (after - before) % 2**32, rows


def without_ttls(rows: Iterable[str]) -> set[str]:
    """Return records without what Knot does not always change: the TTL of an RRset that it has."""
    return {re.sub(r" \d+ ", " ", row, count=1) for row in rows}


def test_the_same_updates_come_to_the_same_codes_and_the_same_zone(us: Server, peers: tuple[Server, Server]) -> None:
    for seed in range(UPDATES):
        make = partial(change, seed)
        bind_, knot_ = (outcome(server, make) for server in peers)
        mine = outcome(us, make)
        assert mine == bind_, seed
        assert (knot_[0], without_ttls(knot_[2])) == (mine[0], without_ttls(mine[2])), seed
        assert knot_[1] == mine[1] or knot_[2] != mine[2], seed


def test_what_differs_is_what_the_documentation_says(us: Server, peers: tuple[Server, Server]) -> None:
    def same_serial(serial: int) -> dns.update.UpdateMessage:
        made = dns.update.UpdateMessage("example.org", keyring=KEY)
        made.add("@", 61, "SOA", soa(serial))
        return made

    def other_ttl(_: int) -> dns.update.UpdateMessage:
        made = dns.update.UpdateMessage("example.org", keyring=KEY)
        made.add("@", 61, "NS", "ns.example.org.")
        return made

    assert [outcome(server, same_serial)[1] for server in (us, *peers)] == [1, 0, 0]
    bind_, knot_ = peers
    assert outcome(us, other_ttl) == outcome(bind_, other_ttl)
    assert outcome(knot_, other_ttl)[1] == 0


SCRIPT: Final = """server 127.0.0.1 {port}
zone example.org.
key hmac-sha256:client.example {secret}
{lines}
send
"""


@pytest.mark.parametrize("client", ["nsupdate", "knsupdate"])
def test_real_clients_update_and_are_told_why_not(us: Server, client: str) -> None:
    assert sent(us, reset()) == "NOERROR"

    def said(*lines: str, secret: str = SECRET) -> str:
        script = SCRIPT.format(port=us.port, secret=secret, lines="\n".join(lines))
        done = subprocess.run(
            [program(client)], input=script, capture_output=True, text=True, check=False, timeout=WAIT_S
        )
        return done.stdout + done.stderr

    assert said("prereq nxdomain new.example.org.", "update add new.example.org. 60 A 192.0.2.77") == ""
    assert dig(us, "new.example.org", "A").answer == ("new.example.org. IN A 192.0.2.77",)
    assert "YXDOMAIN" in said("prereq nxdomain new.example.org.", "update delete new.example.org.")
    assert "NXRRSET" in said("prereq yxrrset new.example.org. A 192.0.2.78", "update delete new.example.org. A")
    assert said("update delete new.example.org. A 192.0.2.77") == ""
    assert dig(us, "new.example.org", "A").status == "NXDOMAIN"
    assert "REFUSED" in said("update delete kept.example.org. A")
    assert dig(us, "kept.example.org", "A").answer == ("kept.example.org. IN A 192.0.2.3",)
    assert "BADSIG" in said("update delete a.example.org.", secret=base64.b64encode(b"t" * 32).decode())
    assert dig(us, "a.example.org", "A").status == "NOERROR"
