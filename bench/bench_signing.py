"""A zone signed whole, ours beside ldns-signzone and BIND's dnssec-signzone; and one change of it signed, by ours.

Each is a command that reads a file, signs it with one ECDSA P-256 key and an NSEC chain, and writes it. Processor time
counts. What changes of a signed zone is signed by the code that the server runs.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import click
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench import report
from bench.peers import Missing

from standfast.authority.diff import apply
from standfast.authority.keys import ECDSAP256SHA256, Key, LocalSigner, one_key
from standfast.authority.signing import Signing, SigningPolicy, sign
from standfast.authority.zone import Zone
from standfast.dns.changes import Change
from standfast.dns.model import RRType
from standfast.dns.rdata import rrset_from_text
from standfast.io.authority.zone_files import read_zone

ORIGIN: Final = "bench.example"
HEAD: Final = f"$ORIGIN {ORIGIN}.\n$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
CHANGES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a command took."""

    label: str
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What it takes to sign what one changed record, and one new name, touch: medians of processor time."""

    record_ms: float
    name_ms: float
    signatures: tuple[int, int]


@click.command()
@click.option("--names", type=click.IntRange(10), default=100_000, help="In the zone, with an address each.")
@click.option("--quick", is_flag=True, help="10,000 names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(names: int, quick: bool, as_json: bool) -> None:
    """Sign a zone, and what changes of it."""
    names = 10_000 if quick else names
    console = report.console(as_json=as_json)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "zone").write_text(HEAD + "".join(f"n{at} A 192.0.2.{at % 256}\n" for at in range(names)))
        signed = [_ours(folder), *(make(folder) for command, make in PEERS.items() if _is_there(command))]
        changed = _changed(read_zone(folder / "zone").zone)
    if as_json:
        report.print_json({"names": names, "signed": signed, "changed": changed})
        return
    table = report.table(f"a zone of {names:,} names signed", "", "seconds", "CPU s", "CPU x ours")
    for each in signed:
        ratio = each.cpu_s / signed[0].cpu_s
        table.add_row(each.label, f"{each.wall_s:.1f}", f"{each.cpu_s:.1f}", f"{ratio:.2f}")
    console.print(table)
    one, other = changed.signatures
    console.print(f"one changed record: {changed.record_ms:.2f} CPU ms, {one} signatures; ", end="")
    console.print(f"one new name: {changed.name_ms:.2f} CPU ms, {other} signatures")


def _ours(folder: Path) -> Signed:
    command = [sys.executable, "-m", "standfast.cli.main", "zone", "sign", "zone", "--generate", "--output", "ours"]
    return _timed("standfast zone sign", command, folder)


def _ldns(folder: Path) -> Signed:
    made = ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", ORIGIN]
    key = subprocess.run(made, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    return _timed("ldns-signzone", ["ldns-signzone", "-f", "ldns", "zone", key], folder)


def _bind(folder: Path) -> Signed:
    made = ["dnssec-keygen", "-a", "ECDSAP256SHA256", "-f", "KSK", ORIGIN]
    key = subprocess.run(made, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    command = ["dnssec-signzone", "-z", "-n", "1", "-P", "-o", ORIGIN, "-f", "bind", "-S", "zone", key]
    return _timed("dnssec-signzone", command, folder)


def _is_there(command: str) -> bool:
    if shutil.which(command) is None:
        print(Missing(label=command, install=PACKAGES[command]), file=sys.stderr)
        return False
    return True


def _timed(label: str, command: Sequence[str], folder: Path) -> Signed:
    before, started_s = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Signed(label=label, wall_s=time.perf_counter() - started_s, cpu_s=cpu_s)


def _changed(source: Zone) -> Changed:
    key = Key(LocalSigner(generate_private_key(SECP256R1())), "csk")
    signing = Signing(keys=one_key(key), policy=SigningPolicy(algorithm=ECDSAP256SHA256), now=time.time())
    zone = apply(source, sign(source, [], signing, served_serial=None))
    record_s, names_s, counts = [], [], (0, 0)
    for at in range(CHANGES):
        after = rrset_from_text(f"n{at % 10}.{ORIGIN}", RRType.A, 3600, [f"198.51.100.{at}"])
        taken_s, zone, one = _signed_once(zone, Change(before=zone.rrset(after.owner, RRType.A), after=after), signing)
        record_s.append(taken_s)
        new = rrset_from_text(f"new{at}.{ORIGIN}", RRType.A, 3600, ["198.51.100.1"])
        taken_s, zone, other = _signed_once(zone, Change(before=None, after=new), signing)
        names_s.append(taken_s)
        counts = one, other
    return Changed(record_ms=median(record_s) * 1000, name_ms=median(names_s) * 1000, signatures=counts)


def _signed_once(zone: Zone, change: Change, signing: Signing) -> tuple[float, Zone, int]:
    """Return how long it took, with the new snapshot made, what that is, and how many signatures it took."""
    started_s = time.process_time()
    changes = sign(zone, [change], signing, served_serial=zone.serial)
    after = apply(zone, changes)
    taken_s = time.process_time() - started_s
    made = sum(1 for each in changes if each.after is not None and each.after.rtype == RRType.RRSIG)
    return taken_s, after, made


PEERS: Final[dict[str, Callable[[Path], Signed]]] = {"ldns-signzone": _ldns, "dnssec-signzone": _bind}
PACKAGES: Final = {"ldns-signzone": "ldnsutils", "dnssec-signzone": "bind9-utils"}

if __name__ == "__main__":
    main()
