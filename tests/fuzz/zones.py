"""Laws of zones that come from others: what is taken of them can be judged, served and asked for anything."""

from collections.abc import Iterator
from typing import Final

from fuzz.target import Target
from standfast.authority.checks import judge
from standfast.authority.diff import apply
from standfast.authority.lookup import answer
from standfast.authority.reach import judge_changes
from standfast.authority.transfer_in import Changed, TransferIn, Whole
from standfast.authority.zone import Draft, Zone
from standfast.dns.model import Query, Question, RRType
from transfers import ORIGIN, content, deltas, version, whole, wire

ID: Final = 1
RECORDS: Final = """
@ NSEC3PARAM 1 0 2 abcd
2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 1 2 abcd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG
@ NSEC www A NS SOA NSEC RRSIG
@ HTTPS 1 . alpn=h2
@ CAA 0 issue "x"
@ RRSIG A 8 2 300 20300101000000 20200101000000 1 example.org. AAAA
www A 192.0.2.1
_s._tcp SRV 1 1 1 www
alias CNAME www
renamed DNAME example.net.
*.w A 192.0.2.2
sub NS ns.sub
sub DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub A 192.0.2.5
"""
OLD: Final = version(1)
NEW: Final = version(2, RECORDS.lstrip())
QNAMES: Final = ("", "www.", "nope.", "x.w.", "a.sub.", "alias.", "x.renamed.", "_s._tcp.", "_tcp.")
QTYPES: Final = (RRType.A, RRType.ANY, RRType.HTTPS, RRType.DS, RRType.RRSIG, RRType.SRV)


def transfer(octets: bytes) -> None:
    """Of a transfer nothing is taken that cannot be served; the first octet says whether we have the zone."""
    incremental = octets[:1] == b"i"
    reading = TransferIn(ORIGIN, id_=ID, held=OLD if incremental else None, incremental=incremental, source="primary")
    came = reading.take(octets[1:])
    if isinstance(came, Whole):
        faults, _ = judge(came.draft)
        if not faults:
            _answers(came.draft.zone())
    elif isinstance(came, Changed):
        made = apply(OLD, came.changes)
        faults = judge_changes(OLD, made, came.changes)
        assert bool(faults) == bool(judge(Draft.of(made))[0])
        if not faults:
            _answers(made)


def _answers(zone: Zone) -> None:
    assert content(zone)
    for name in QNAMES:
        for qtype in QTYPES:
            question = Question(name + ORIGIN, qtype)
            answer({ORIGIN: zone}, Query(id=ID, question=question, cased_qname=question.qname, edns=True, do=True))


def _transfers() -> Iterator[bytes]:
    yield b"a" + wire(whole(NEW), id_=ID)
    yield b"i" + wire(whole(NEW), RRType.IXFR, id_=ID)
    yield b"i" + wire(deltas(OLD, NEW), RRType.IXFR, id_=ID)


ZONES: Final = {"transfer": Target(law=transfer, seeds=_transfers)}
