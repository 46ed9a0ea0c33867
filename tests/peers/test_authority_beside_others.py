"""Our answers beside those of Knot, NSD, BIND and PowerDNS about the same zones: all that differs is explained.

The zones are two that are hard by hand, and many that are hard by machine. STANDFAST_HARD_ZONES=500 makes more of
those, STANDFAST_HARD_SEED=x others.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from peers.authorities import (
    NSEC3_PARAMETERS,
    bind_with_files,
    knot_with_files,
    nsd_with_files,
    pdns_with_files,
    sign,
)
from peers.explained import BIND, KNOT, NSD, POWERDNS, Asked, Explanation, explain
from peers.hard_zones import hard_zones, questions, write
from peers.said import Said, ours, query, theirs, told
from standfast.authority.finding import Zones
from standfast.dns.model import Question, type_from_name
from standfast.dns.servers import Server
from standfast.io.authority.zone_files import read_zone

pytestmark = pytest.mark.peers

BY_HAND = {f"{path.stem}.": path for path in sorted((Path(__file__).parent / "zones").glob("*.zone"))}
PREFIXES = ("x.", "a.b.", "*.", "0123456789012345678901234567890123456789.")
TYPES = ("A", "NS", "MX", "CNAME", "DS", "DNAME", "SVCB", "HTTPS", "TYPE65280", "NSEC")
QNAME_MAX = 250  # letters; prefixes make some names longer than names can be

ZONES = int(os.environ.get("STANDFAST_HARD_ZONES", "20"))
SEED = os.environ.get("STANDFAST_HARD_SEED", "standfast")
QUESTIONS_PER_ZONE = 100
QUESTIONS_MIN = 5_000  # below that the corpus has lost something
SHOWN_MAX = 20  # of what is not explained
BATCH = 50_000  # questions at once; their IDs have 16 bits

DENIALS = (None, "NSEC", "NSEC3", "opt-out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The same zones as files and as snapshots, how they deny if they are signed, and all that was asked of ours."""

    files: Mapping[str, Path]
    zones: Zones
    denial: str | None
    asked: tuple[Question, ...]
    answered: tuple[Said, ...]


@pytest.fixture(scope="module", params=DENIALS, ids=str)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    denial: str | None = request.param
    folder = tmp_path_factory.mktemp("zones")
    files: Mapping[str, Path] = BY_HAND | write(folder, hard_zones(ZONES, SEED))
    if denial:
        signed = tmp_path_factory.mktemp("signed")
        files = sign(signed, files, nsec3=denial != "NSEC", opt_out=denial == "opt-out")
    zones = {origin: read_zone(path, origin=origin).zone for origin, path in files.items()}
    asked = [*by_hand(zones), *by_machine(zones)]
    assert len(asked) > QUESTIONS_MIN
    return Served(
        files=files, zones=zones, denial=denial, asked=tuple(asked), answered=tuple(ours(zones, wires(asked, denial)))
    )


def by_hand(zones: Zones) -> Iterator[Question]:
    """Every name of the zones and names around it, for every type."""
    owners = {owner for origin, zone in zones.items() if origin in BY_HAND for owner in zone.nodes}
    names = owners | {prefix + owner for prefix in PREFIXES for owner in owners} | {"example.", "other.test."}
    for name in sorted(name for name in names if len(name) < QNAME_MAX):
        for each in TYPES:
            rtype = type_from_name(each)
            assert rtype
            yield Question(name, rtype)


def by_machine(zones: Zones) -> Iterator[Question]:
    """So many of each zone's, drawn by lot; what can be asked of one zone is asked about three times as often."""
    random = Random(SEED)
    for origin, zone in zones.items():
        if origin not in BY_HAND:
            possible = list(questions(zone, zones))
            yield from random.sample(possible, min(len(possible), QUESTIONS_PER_ZONE))


def wires(asked: list[Question], denial: str | None) -> Iterator[bytes]:
    return (query(question, number % BATCH, do=denial is not None) for number, question in enumerate(asked))


def knot(folder: Path, free_port: Callable[[], int], served: Served) -> AbstractContextManager[Server]:
    return knot_with_files(folder, free_port(), served.files)


def nsd(folder: Path, free_port: Callable[[], int], served: Served) -> AbstractContextManager[Server]:
    return nsd_with_files(folder, free_port(), served.files)


def bind(folder: Path, free_port: Callable[[], int], served: Served) -> AbstractContextManager[Server]:
    return bind_with_files(folder, free_port(), free_port(), served.files)


def powerdns(folder: Path, free_port: Callable[[], int], served: Served) -> AbstractContextManager[Server]:
    nsec3 = NSEC3_PARAMETERS if served.denial not in (None, "NSEC") else ""
    return pdns_with_files(folder, free_port(), served.files, signed=served.denial is not None, nsec3=nsec3)


@pytest.mark.parametrize(
    ("start", "explanations"),
    [(knot, KNOT), (nsd, NSD), (bind, BIND), (powerdns, POWERDNS)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_others_answer_the_same_but_for_what_is_explained(
    served: Served,
    start: Callable[[Path, Callable[[], int], Served], AbstractContextManager[Server]],
    explanations: Mapping[str, Explanation],
    tmp_path: Path,
    free_port: Callable[[], int],
) -> None:
    if start is powerdns and served.denial in ("NSEC3", "opt-out"):
        pytest.skip("its BIND backend gives no records of NSEC3 that others have made")
    asked = list(served.asked)
    they: list[Said] = []
    with start(tmp_path, free_port, served) as server:
        all_wires = list(wires(asked, served.denial))
        for at in range(0, len(asked), BATCH):
            they += theirs(server, all_wires[at : at + BATCH])
    used, unexplained = Counter[str](), []
    for question, our, their in zip(asked, served.answered, they, strict=True):
        found = Asked(question=question, zones=served.zones, denial=served.denial)
        names, we_left, they_left = explain(found, our, their, explanations)
        used.update(names)
        if we_left != they_left:
            unexplained.append(f"{question}: {told(we_left, they_left)}")
    head = f"{len(unexplained)} of {len(asked)} differ without an explanation; with one: {used}"
    assert not unexplained, "\n".join([head, *unexplained[:SHOWN_MAX]])
