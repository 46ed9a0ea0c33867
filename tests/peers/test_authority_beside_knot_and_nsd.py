"""Our look-up, Knot and NSD about the same zones: they differ in what docs/authority.md explains, and nothing else."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import pytest

from peers.authorities import knot_with_files, nsd_with_files, sign
from standfast.authority.lookup import Zones, answer, closest
from standfast.dns.codec import rrset_to_text
from standfast.dns.model import Query, Question, RRset, RRType, type_name
from standfast.dns.servers import Server
from standfast.io.authority.zone_files import read_zone

pytestmark = pytest.mark.peers

FILES = {f"{path.stem}.": path for path in sorted((Path(__file__).parent / "zones").glob("*.zone"))}
PREFIXES = ("x.", "a.b.", "*.", "0123456789012345678901234567890123456789.")
TYPES = ("A", "NS", "MX", "CNAME", "DS", "DNAME", "SVCB", "HTTPS", "TYPE65280", "NSEC")
QUESTIONS_MIN = 2_000  # below that the corpus has lost something
QNAME_MAX = 250  # letters; prefixes make some names longer than names can be

Records = frozenset[tuple[str, int, int, str]]  # owner, type, TTL, data


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, its records in no order."""

    rcode: int
    aa: bool
    answer: Records
    authority: Records
    additional: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The same zones as files and as snapshots; `signed` is how ldns-signzone denies in them, if it signed them."""

    files: Mapping[str, Path]
    zones: Zones
    signed: str | None

    @property
    def questions(self) -> Iterator[Question]:
        """Every name of the zones and names around it, for every type."""
        owners = {owner for zone in self.zones.values() for owner in zone.nodes}
        names = owners | {prefix + owner for prefix in PREFIXES for owner in owners} | {"example.", "other.test."}
        for name in sorted(name for name in names if len(name) < QNAME_MAX):
            yield from (Question(name, dns.rdatatype.from_text(each)) for each in TYPES)


@pytest.fixture(scope="module", params=[None, "NSEC", "NSEC3"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    files: Mapping[str, Path] = FILES
    if request.param:
        files = sign(tmp_path_factory.mktemp("signed"), FILES, nsec3=request.param == "NSEC3")
    zones = {origin: read_zone(path, origin=origin).zone for origin, path in files.items()}
    found = Served(files=files, zones=zones, signed=request.param)
    assert len(list(found.questions)) > QUESTIONS_MIN
    return found


@pytest.fixture
def knot(served: Served, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Server]:
    with knot_with_files(tmp_path, free_port(), served.files) as server:
        yield server


@pytest.fixture
def nsd(served: Served, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Server]:
    with nsd_with_files(tmp_path, free_port(), served.files) as server:
        yield server


def differences(served: Served, server: Server) -> Iterator[tuple[Question, Said, Said]]:
    """Yield each question that is not answered the same, with our answer and theirs."""
    for question in served.questions:
        we, they = ours(served, question), theirs(server, question, do=served.signed is not None)
        if we != they:
            yield question, we, they


def ours(served: Served, question: Question) -> Said:
    query = Query(id=1, question=question, cased_qname=question.qname, do=served.signed is not None)
    reply = answer(served.zones, query)
    return Said(
        rcode=reply.rcode,
        aa=reply.aa,
        answer=records(reply.answer),
        authority=records(reply.authority),
        additional=records(reply.glue + reply.additional),
    )


def records(rrsets: tuple[RRset, ...]) -> Records:
    return frozenset((r.owner, r.rtype, r.ttl_s, text.lower()) for r in rrsets for text in rrset_to_text(r))


def theirs(server: Server, question: Question, *, do: bool) -> Said:
    asked = dns.message.make_query(question.qname, type_name(question.qtype), use_edns=0, payload=4096, flags=0)
    asked.want_dnssec(do)
    response, _ = dns.query.udp_with_fallback(asked, server.host, port=server.port, timeout=20)
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


def test_knot_answers_the_same_but_for_what_is_explained(served: Served, knot: Server) -> None:
    explained = Counter[str]()
    for question, we, they in differences(served, knot):
        if crosses_zones(
            served.zones, we
        ):  # it answers out of one zone, and leaves the rest of the chain to the client
            assert they.answer < we.answer or (they.answer == we.answer and they.authority), question
            explained["across zones"] += 1
        elif question.qtype == RRType.NSEC:  # it follows no CNAME for it, and proves no wildcard that gives it
            assert they.answer <= we.answer, question
            explained["NSEC asked for"] += 1
        else:  # it adds none for ".", which stands for the owner, and to others a proof that ours does without
            assert (we.rcode, we.aa, we.answer, we.authority) == (they.rcode, they.aa, they.answer, they.authority), (
                question
            )
            assert question.qtype in (RRType.SVCB, RRType.HTTPS), question
            explained["SVCB"] += 1
    assert set(explained) == {"across zones", "SVCB", "NSEC asked for"}


def test_nsd_answers_the_same_but_for_what_is_explained(served: Served, nsd: Server) -> None:
    explained = Counter[str]()
    for question, we, they in differences(served, nsd):
        assert (we.rcode, we.aa, we.answer) == (they.rcode, they.aa, they.answer), question
        more, less = they.authority - we.authority, we.authority - they.authority
        if less:  # behind a DNAME it does not prove that the new name is not there
            assert {rtype for _, rtype, _, _ in less} == {RRType.NSEC, RRType.RRSIG}, question
            assert RRType.DNAME in {rtype for _, rtype, _, _ in we.answer}, question
            explained["behind a DNAME"] += 1
        if {rtype for _, rtype, _, _ in more} & {RRType.NS}:  # the zone's own, beside a positive answer
            assert we.answer, question
            explained["name servers"] += 1
        elif more:  # the name of a wildcard itself is asked for, and it proves that there is none
            assert served.signed == "NSEC3", question
            assert question.qname.startswith("*."), question
            explained["wildcard itself"] += 1
        if question.qtype in (RRType.SVCB, RRType.HTTPS):  # it adds no addresses to them
            explained["SVCB"] += 1
        elif not served.signed:  # with signatures, less of it goes into what NSD takes for the size of a datagram
            assert we.additional <= they.additional, question
    of_the_denial = {None: set[str](), "NSEC": {"behind a DNAME"}, "NSEC3": {"wildcard itself"}}
    assert set(explained) == {"name servers", "SVCB"} | of_the_denial[served.signed]


def crosses_zones(zones: Zones, said: Said) -> bool:
    """Say whether a chain of CNAMEs begins in one zone and goes on in another of those that are served."""
    chain = [(owner, data) for owner, rtype, _, data in said.answer if rtype == RRType.CNAME]
    return any(
        (there := closest(zones, target, RRType.A)) is not None and closest(zones, owner, RRType.A) is not there
        for owner, target in chain
    )
