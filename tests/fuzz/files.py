"""Laws of files and certificates: what an operator, another program or a stranger's server may have written."""

import contextlib
import datetime as dt
import sqlite3
import tempfile
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from fuzz.messages import OUTBOUND, REPLIES
from fuzz.target import Target
from standfast.depmap.errors import ModelError
from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import assess
from standfast.depmap.loss import blast_radius, reach
from standfast.depmap.merging import merge
from standfast.depmap.readers import handwritten
from standfast.depmap.readers.kinds import read_files
from standfast.dns.codec import encode_response
from standfast.dns.masterfile import FAULTS_MAX, MasterFile, MasterFileError
from standfast.dns.model import Query, Reply
from standfast.dns.rdata import check_rdata
from standfast.dns.wire import name_from_text
from standfast.guard.packed import is_whole, key_of, pack, question_of, unpack
from standfast.io import probes
from standfast.io.settings import config_file, config_rules
from standfast.io.settings.addresses import parse_upstream, read_resolv_conf
from standfast.io.settings.toml_lines import find_lines
from standfast.io.state import store_file
from standfast.ledger.record import GENESIS, Head, MalformedRecord, Record, chain, decode_line, encode_line
from standfast.ledger.verify import FINDINGS_MAX, verify
from state_format_1 import SCHEMA, body_of, sealed

FAULT_TREE: Final = b"""<opsa-mef>
<define-fault-tree name="t"><define-component name="c">
<define-gate name="g"><or><basic-event name="a"/><gate name="h"/><not><house-event name="i"/></not></or></define-gate>
<define-gate name="h"><xor><basic-event name="b"/><event name="a"/></xor></define-gate></define-component>
<define-house-event name="i"><constant value="true"/></define-house-event></define-fault-tree>
<model-data><define-basic-event name="a"><float value="0.1"/></define-basic-event><define-basic-event name="b">
<exponential><parameter name="l"/><int value="2"/></exponential></define-basic-event>
<define-parameter name="l"><mul><float value="1e-3"/><pi/></mul></define-parameter></model-data></opsa-mef>
"""
MAP: Final = b"""nodes:
  a: {needs: [b, {any: [c, d], soft: true}], causes: [x]}
  b: {needs: [{at-least: 2, of: [b, c, d]}]}
  c: {causes: [x, y]}
  d:
"""
MANIFESTS: Final = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: n}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: a}}
    spec:
      nodeSelector: {topology.kubernetes.io/zone: us-east-1a}
      containers:
      - {args: ["--url=http://b:80"], env: [{name: DB_HOST, value: "$(X).c"}], envFrom: [{configMapRef: {name: x}}]}
---
{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: {app: a}}}]}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {A_URL: "amqp://u:p@d,e:1/x"}}
"""
COMPOSED: Final = b"""services:
  a: {extends: b, environment: {A_URL: "${X:-http://b}"}, depends_on: {b: {condition: service_started}}}
  b: &b {links: ["a:c"], networks: {n: {aliases: [d]}}, command: --db b:1}
  c: {<<: *b, profiles: [p], environment: ["A_HOST=d"]}
"""
TRACES: Final = b"""{"resourceSpans": [{
"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]},
"scopeSpans": [{"spans": [{"traceId": "0a", "spanId": "0b", "parentSpanId": "0b", "kind": 3,
"links": [{"traceId": "a"}], "attributes": [{"key": "server.address", "value": {"stringValue": "b:1"}}]}]}]}]}
{"resourceSpans": []}
"""
EXAMPLE: Final = Path(__file__).parents[2] / "standfast.example.toml"


def config(octets: bytes) -> None:
    """Any text is read: what is wrong with it comes as findings on lines that it has, and the rest can be used."""
    text = octets.decode("utf-8", "replace")
    draft = config_file.read(text, name="standfast.toml", base=Path("/nowhere"))
    findings = config_rules.check(draft)
    lines = text.count("\n") + 1
    assert all(finding.line is None or 1 <= finding.line <= lines for finding in findings)
    assert all(finding.text for finding in findings)
    config_rules.policies_of(draft)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError):
        assert findings
        return
    places = find_lines(text)
    assert all((key,) in places for key in data)
    assert all(1 <= line <= lines for line in places.values())


def dependency_map(octets: bytes) -> None:
    """What is wrong with a map is told with the file; in any other, what a node takes with it is what reach counts."""
    try:
        graph = merge([handwritten.read(octets, file="m.yaml")]).graph
    except ModelError as error:
        assert str(error).startswith("m.yaml:")  # noqa: PT017  the law is about what it says
        return
    for loss, number in reach(graph).items():
        assert len(blast_radius(graph, [loss]).down) == number


def map_source(octets: bytes) -> None:
    """Whatever a file is taken for, what it tells makes a map, and nothing of it is told where it is broken."""
    readings, errors = read_files([("s", octets)])
    assert len(readings) + len(errors) == 1
    merge(readings)


def open_psa(octets: bytes) -> None:
    """What is wrong with a fault tree is told with the file; of any other the probability lies between its bounds."""
    try:
        tree = read_open_psa(octets, file="t.xml").tree
    except ModelError as error:
        assert str(error).startswith("t.xml:")  # noqa: PT017  the law is about what it says
        return
    tight, exact = assess(tree, Limits(nodes_max=40)), assess(tree, Limits(nodes_max=20_000), cut_sets_max=2)
    assert 0 <= tight.probability_low <= tight.probability_high <= 1
    assert tight.probability_low - 1e-12 <= exact.probability_high
    assert exact.probability_low <= tight.probability_high + 1e-12


def resolv_conf(octets: bytes) -> None:
    """Three servers at the most are found, each one that can be asked and written again."""
    path = Path(_scratch().name) / "resolv.conf"
    path.write_bytes(octets)
    servers = read_resolv_conf(path)
    assert len(servers) <= 3
    assert all(parse_upstream(str(server)) == server for server in servers)


def ledger(octets: bytes) -> None:
    """Of all texts, just the one that was written is found whole; each line that is read is written the same again."""
    lines = octets.splitlines(keepends=True)
    lines = [
        line if line.endswith(b"\n") or number == len(lines) else line + b"\n" for number, line in enumerate(lines, 1)
    ]
    for line in lines:
        with contextlib.suppress(MalformedRecord):
            assert encode_line(decode_line(line)) == line
    report = verify(lines, head=_head_of(_records()[-1]))
    assert len(report.findings) <= FINDINGS_MAX
    assert (not report.findings) == (b"".join(lines) == _ledger())
    assert all(1 <= finding.line <= len(lines) + 1 for finding in report.findings)


def store_row(octets: bytes) -> None:
    """A row of a state file of format 1 is passed over, or gives an answer that can be served and is packed the same.

    The input: the length of the name, the name, the length of the addresses, they, and the packed answer's body.
    """
    qname, rest = _cut(octets)
    seen, body = _cut(rest)
    connection = _state()
    connection.execute("DELETE FROM known_good")
    connection.execute(
        "INSERT INTO known_good (qname, qtype, answer, ad, first_seen_s, confirmed_at_s, changed_at_s, confirmations,"
        " seen) VALUES (CAST(? AS TEXT), 1, ?, 1, 1.0, 2.0, 1.0, 3, CAST(? AS TEXT))",
        (qname, sealed(body), seen),
    )
    skipped = store_file.Skipped()
    found = list(store_file.read_known(connection, skipped))
    assert len(found) + skipped.count == 1
    for key, packed in found:
        assert is_whole(key, packed)
        known = unpack(question_of(key), packed)
        name_from_text(known.question.qname)
        query = Query(id=7, question=known.question, cased_qname=known.question.qname, edns=True, do=True)
        encode_response(query, Reply(rcode=0, answer=known.answer.rrsets), tcp=True)
        assert (key_of(known.question), pack(known)) == (key, packed)


def zone(octets: bytes) -> None:
    """A master file comes to records that fit the wire and to faults on its own lines, no more than it may."""

    def include(_name: str, _file: str) -> tuple[str, str]:
        raise MasterFileError("none here")

    text = octets.decode("utf-8", "replace")
    file = MasterFile(text, file="zone", origin="example.org.", include=include)
    for number, record in enumerate(file):
        check_rdata(record.rtype, record.rdata)
        name_from_text(record.owner)
        assert 0 <= record.ttl_s < 1 << 31
        if number > 2_000:  # of one $GENERATE
            return
    assert len(file.faults) <= FAULTS_MAX + 1
    assert all(0 <= fault.line <= text.count("\n") + 1 for fault in file.faults)


def certificate(octets: bytes) -> None:
    """A certificate is for host names, or cannot be read."""
    try:
        names = probes._names(octets)
    except ValueError:
        return
    assert all(isinstance(name, str) for name in names)
    assert not any(probes._matches(name, "") for name in names if name)


# What the laws begin from ---------------------------------------------------------------------------------------------


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="standfast-fuzz-")  # removed with the process


@cache
def _state() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.text_factory = bytes
    for statement in SCHEMA:
        connection.execute(statement)
    return connection


@cache
def _records() -> tuple[Record, ...]:
    made: list[Record] = []
    for number in range(1, 5):
        head = _head_of(made[-1]) if made else GENESIS
        made.append(chain(head, at_ms=1_790_000_000_000 + number, kind="verdict", body={"n": number, "q": "é"}))
    return tuple(made)


@cache
def _ledger() -> bytes:
    return b"".join(map(encode_line, _records()))


def _head_of(record: Record) -> Head:
    return Head(seq=record.seq, hash=record.hash)


def _cut(octets: bytes) -> tuple[bytes, bytes]:
    size = octets[0] if octets else 0
    return octets[1 : 1 + size], octets[1 + size :]


def _rows() -> Iterator[bytes]:
    for name in (OUTBOUND.question.qname, "edge.example.net."):
        yield bytes((len(name),)) + name.encode() + b"\x09192.0.2.1" + body_of(REPLIES[1].answer)


def _certificates() -> Iterator[bytes]:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.org")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + dt.timedelta(days=99))
    yield builder.sign(key, None).public_bytes(Encoding.DER)
    names = x509.SubjectAlternativeName([x509.DNSName("www.example.org"), x509.DNSName("*.example.net")])
    named = builder.add_extension(names, critical=False).sign(key, None).public_bytes(Encoding.DER)
    yield named
    yield named.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09")  # of a version that there is not
    text, bits = b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x03"  # a name that is a string of bits
    yield builder.sign(key, None).public_bytes(Encoding.DER).replace(text, bits)


def _configs() -> Iterator[bytes]:
    yield EXAMPLE.read_bytes()
    yield b'[guard]\nlisten = ["[::1]:53"]\n[[guard.policy]]\n'
    yield b"[suffix]\n[name]\n[zones]\n"
    yield b"[authority]\nname = 1\nsuffix = 2\n[[authority.promise]]\n"
    yield b"a = " + b"1" * 5_000  # more digits than Python turns into a number
    yield b"a = " + b"[" * 5_000
    yield b"a = " + b"[" * 120 + b"]" * 120
    yield b"a = " + b"{a=" * 200 + b"1" + b"}" * 200


FILES: Final = {
    "config": Target(law=config, seeds=_configs),
    "resolv-conf": Target(law=resolv_conf, seeds=lambda: (b"nameserver 192.0.2.1\nnameserver 2001:db8::1 # x\n",)),
    "ledger": Target(law=ledger, seeds=lambda: (_ledger(), _ledger()[:-9])),
    "store-row": Target(law=store_row, seeds=_rows),
    "zone": Target(
        law=zone,
        seeds=lambda: (b"$TTL 1h\n@ SOA ns h ( 1 2 3\n 4 5 )\nwww 60 IN A 192.0.2.1\n$GENERATE 1-9 h$ A 192.0.2.$\n",),
    ),
    "map": Target(law=dependency_map, seeds=lambda: (MAP,)),
    "map-source": Target(law=map_source, seeds=lambda: (MANIFESTS, COMPOSED, TRACES)),
    "open-psa": Target(law=open_psa, seeds=lambda: (FAULT_TREE, FAULT_TREE.replace(b"0.1", b"1"))),
    "certificate": Target(law=certificate, seeds=_certificates),
}
