"""Our look-up, Knot and NSD about the same zones: they differ in what docs/authority.md explains, and nothing else."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import pytest

from peers.authorities import knot_with_files, nsd_with_files
from standfast.authority.lookup import Zones, answer, closest
from standfast.dns.codec import rrset_to_text
from standfast.dns.model import Query, Question, RRset, RRType, type_name
from standfast.dns.name import is_below
from standfast.guard.events import Server
from standfast.io.zone_files import read_zone

pytestmark = pytest.mark.peers

FILES = {f"{path.stem}.": path for path in sorted((Path(__file__).parent / "zones").glob("*.zone"))}
PREFIXES = ("x.", "a.b.", "*.", "x.*.", "ns.", "0123456789012345678901234567890123456789.")
TYPES = ("A", "AAAA", "NS", "MX", "TXT", "CNAME", "SOA", "DS", "DNAME", "SRV", "SVCB", "HTTPS", "TYPE65280", "CAA")
QUESTIONS_MIN = 2_000  # below that the corpus has lost something

Records = frozenset[tuple[str, int, int, str]]  # owner, type, TTL, data


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, its records in no order."""

    rcode: int
    aa: bool
    answer: Records
    authority: Records
    additional: Records


@pytest.fixture(scope="module")
def zones() -> Zones:
    return {origin: read_zone(path).zone for origin, path in FILES.items()}


@pytest.fixture(scope="module")
def corpus(zones: Zones) -> list[Question]:
    owners = {owner for zone in zones.values() for owner in zone.nodes}
    names = owners | {prefix + owner for prefix in PREFIXES for owner in owners} | {"example.", "other.test."}
    questions = [Question(name, dns.rdatatype.from_text(each)) for name in sorted(names) for each in TYPES]
    assert len(questions) > QUESTIONS_MIN
    return [question for question in questions if len(question.qname) < 250]


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Server]:
    with knot_with_files(tmp_path_factory.mktemp("knot"), free_port(), FILES) as server:
        yield server


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Server]:
    with nsd_with_files(tmp_path_factory.mktemp("nsd"), free_port(), FILES) as server:
        yield server


def ours(zones: Zones, question: Question) -> Said:
    reply = answer(zones, Query(id=1, question=question, cased_qname=question.qname))
    return Said(
        rcode=reply.rcode,
        aa=reply.aa,
        answer=records(reply.answer),
        authority=records(reply.authority),
        additional=records(reply.glue + reply.additional),
    )


def records(rrsets: tuple[RRset, ...]) -> Records:
    return frozenset((r.owner, r.rtype, r.ttl_s, text.lower()) for r in rrsets for text in rrset_to_text(r))


def theirs(server: Server, question: Question) -> Said:
    query = dns.message.make_query(question.qname, type_name(question.qtype), use_edns=0, payload=4096, flags=0)
    response = dns.query.udp(query, server.host, port=server.port, timeout=20)
    sections = [
        frozenset(
            (rrset.name.to_text().lower(), int(rrset.rdtype), rrset.ttl, rdata.to_text().lower())
            for rrset in section
            for rdata in rrset
        )
        for section in (response.answer, response.authority, response.additional)
    ]
    return Said(
        rcode=response.rcode(),
        aa=bool(response.flags & dns.flags.AA),
        answer=sections[0],
        authority=sections[1],
        additional=sections[2],
    )


def test_knot_answers_the_same_but_for_what_is_explained(zones: Zones, corpus: list[Question], knot: Server) -> None:
    explained = Counter[str]()
    for question in corpus:
        we, they = ours(zones, question), theirs(knot, question)
        if we == they:
            continue
        if crosses_zones(zones, we):  # it answers out of one zone, and leaves the rest of the chain to the client
            assert they.answer < we.answer or (they.answer == we.answer and they.authority), question
            explained["across zones"] += 1
        elif question.qtype == RRType.HTTPS:  # "." stands for the owner, whose addresses it does not add
            assert they.additional < we.additional, question
            assert (we.rcode, we.aa, we.answer, we.authority) == (they.rcode, they.aa, they.answer, they.authority)
            explained["HTTPS of itself"] += 1
        else:
            pytest.fail(f"{question}:\nours {we}\nKnot {they}")
    assert set(explained) == {"across zones", "HTTPS of itself"}


def test_nsd_answers_the_same_but_for_what_is_explained(zones: Zones, corpus: list[Question], nsd: Server) -> None:
    explained = Counter[str]()
    for question in corpus:
        we, they = ours(zones, question), theirs(nsd, question)
        if we == they:
            continue
        more = they.authority - we.authority  # the zone's name servers beside a positive answer, with their addresses
        assert we.answer, f"{question}:\nours {we}\nNSD  {they}"
        assert (we.rcode, we.aa, we.answer) == (they.rcode, they.aa, they.answer), question
        assert we.authority == they.authority - more, question
        assert {rtype for _, rtype, _, _ in more} <= {RRType.NS}, question
        explained["name servers"] += bool(more)
        if question.qtype in (RRType.SVCB, RRType.HTTPS):  # it adds no addresses to them
            explained["SVCB"] += 1
        else:
            assert we.additional <= they.additional, question
    assert all(explained.values())
    assert set(explained) == {"name servers", "SVCB"}


def crosses_zones(zones: Zones, said: Said) -> bool:
    """Say whether a chain of CNAMEs begins in one zone and goes on in another of those that are served."""
    chain = [(owner, data) for owner, rtype, _, data in said.answer if rtype == RRType.CNAME]
    found = False
    for owner, target in chain:
        here, there = closest(zones, owner, RRType.A), closest(zones, target, RRType.A)
        found |= there is not None and here is not there
        assert here is not None
        assert is_below(owner, here.origin)
    return found
