"""Messages of zone transfers for tests, as a primary writes them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from standfast.authority.diff import difference
from standfast.authority.zone import Zone, serial_of
from standfast.dns.changes import Change
from standfast.dns.codec import AA, QR
from standfast.dns.model import Name, RRType
from standfast.dns.rdata import canonical_rdata, rrset_from_text
from standfast.dns.requests import Raw, message, question_octets, raws, read_message
from zones import HEAD, draft

ORIGIN = "example.org."


def version(serial: int, text: str = "", *, times: str = "3600 600 86400") -> Zone:
    """Return a version of example.org; `text` stands below an SOA, an NS and its address."""
    head = HEAD.replace("hostmaster 1 3600 600 86400 ", f"hostmaster {serial} {times} ")
    return draft("$TTL 3600\n" + head + text).zone()


def content(zone: Zone) -> dict[tuple[Name, int], tuple[int, frozenset[bytes]]]:
    """Return what a zone holds; names in data may come in other letters, as they are compressed."""
    return {
        (rrset.owner, rrset.rtype): (
            rrset.ttl_s,
            frozenset(canonical_rdata(rrset.rtype, each) for each in rrset.rdatas),
        )
        for rrset in zone.rrsets()
    }


def soa(serial: int) -> Raw:
    """Return the SOA of `version(serial)`."""
    return record(f"@ SOA ns.example.org. hostmaster.example.org. {serial} 3600 600 86400 300")


def record(text: str) -> Raw:
    """Return a record whose owner is relative to the zone, and whose data are not."""
    name, rtype, rdata = text.split(" ", 2)
    owner = ORIGIN if name == "@" else name if name.endswith(".") else f"{name}.{ORIGIN}"
    return next(raws(rrset_from_text(owner, RRType[rtype], 3600, [rdata])))


def whole(zone: Zone) -> list[Raw]:
    """Return all records of an AXFR."""
    start = next(raws(zone.soa))
    rest = [raw for rrset in zone.rrsets() if rrset.rtype != RRType.SOA for raw in raws(rrset)]
    return [start, *rest, start]


def deltas(*versions: Zone) -> list[Raw]:
    """Return all records of an IXFR from the first of `versions` to the last."""
    last = next(raws(versions[-1].soa))
    steps = [step for old, new in pairwise(versions) for step in _delta(old, new, difference(old, new))]
    return [last, *steps, last]


def wire(
    records: Iterable[Raw], qtype: int = RRType.AXFR, *, id_: int, flags: int = QR | AA, qname: Name | None = ORIGIN
) -> bytes:
    """Return one message of a transfer; without a question where `qname` is None."""
    question = b"" if qname is None else question_octets(qname, qtype)
    return message(id_=id_, flags=flags, question=question, answer=records)


def _delta(old: Zone, new: Zone, changes: Sequence[Change]) -> Iterable[Raw]:
    yield from raws(old.soa)
    for change in changes:
        if change.before is not None and change.before.rtype != RRType.SOA:
            yield from raws(replace(change.before, rdatas=change.removed))
    yield from raws(new.soa)
    for change in changes:
        if change.after is not None and change.after.rtype != RRType.SOA:
            yield from raws(replace(change.after, rdatas=change.added))


class ScriptedPrimary:
    """Answers for the last of `versions`, by deltas from the others; `asked` are the types of what it was asked."""

    def __init__(self, *versions: Zone) -> None:
        self.versions = list(versions)
        self.asked: list[int] = []
        self.silent = False

    def __call__(self, octets: bytes, tcp: bool) -> list[bytes]:
        """Return the answer to a query, as `peers.servers.hostile` sends it."""
        query = read_message(octets)
        self.asked.append(query.qtype)
        if self.silent:
            return []
        last = self.versions[-1]
        records = [next(raws(last.soa))]
        if query.qtype == RRType.AXFR:
            records = whole(last)
        elif query.qtype == RRType.IXFR:
            serial = serial_of(query.authority[0].rdata)
            since = [at for at, zone in enumerate(self.versions) if zone.serial == serial]
            if not since:
                records = whole(last)
            elif serial != last.serial:
                records = deltas(*self.versions[since[0] :])
        return [wire(records, query.qtype, id_=query.id)]
