"""A zone as an immutable snapshot: made of records, looked up by name, replaced whole.

Holds and finds; what must be so for a zone to be served stands in `checks`, what is answered in `lookup`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from standfast.authority.denial import Denial, Nsec3Denial, NsecDenial
from standfast.dns.masterfile import Fault, Record
from standfast.dns.model import Name, RRset, RRType, type_name
from standfast.dns.name import is_below, parent

Node = Mapping[int, RRset]  # all of one owner, by type; empty where a name is there for those below it alone

SERIAL_AT: Final = -20  # of an SOA's data: five numbers of four octets at their end (RFC 1035 section 3.3.13)
MINIMUM_AT: Final = -4
_EMPTY: Final[Node] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """All records of a zone. `nodes` has every name there is, empty non-terminals too (RFC 4592 section 2.2.2).

    Signatures stand apart, by owner and the type that they cover: as records they are no RRset of their own (RFC 4035
    section 2.2). So do NSEC3 records, whose owners are no names that anybody can ask for (RFC 5155 section 7.2.8).
    """

    origin: Name
    nodes: Mapping[Name, Node]
    signatures: Mapping[Name, Node]
    cuts: frozenset[Name]  # where other zones begin: owners of NS but for the origin
    dnames: frozenset[Name]
    wildcards: frozenset[Name]  # closest enclosers that have a wildcard, so that others need no look
    nsec3: Mapping[Name, RRset]
    denial: Denial | None  # proves what is not there; None where the zone is not signed

    @property
    def soa(self) -> RRset:
        """The start of authority."""
        return self.nodes[self.origin][RRType.SOA]

    @property
    def serial(self) -> int:
        """The serial number of the SOA."""
        return serial_of(self.soa.rdatas[0])

    def rrset(self, owner: Name, rtype: int) -> RRset | None:
        """Return what stands at `owner`, wherever in the zone that is; None where nothing does."""
        return self.nodes.get(owner, _EMPTY).get(rtype)

    def signature(self, owner: Name, covered: int) -> RRset | None:
        """Return the signatures of the RRset at `owner` of the type `covered`; None where there are none."""
        return self.signatures.get(owner, _EMPTY).get(covered)

    def rrsets(self) -> Iterator[RRset]:
        """Yield every RRset, names in the order of the zone file."""
        for owner, node in self.nodes.items():
            yield from node.values()
            yield from self.signatures.get(owner, _EMPTY).values()
        for owner, rrset in self.nsec3.items():
            yield rrset
            yield from self.signatures.get(owner, _EMPTY).values()


@dataclass(slots=True, kw_only=True)
class Draft:
    """The records of a zone that nobody has judged yet, and what was wrong with them one by one."""

    origin: Name
    file: str
    nodes: dict[Name, dict[int, RRset]] = field(default_factory=dict)
    signatures: dict[Name, dict[int, RRset]] = field(default_factory=dict)
    places: dict[tuple[Name, int], tuple[str, int]] = field(default_factory=dict)  # file and line
    faults: list[Fault] = field(default_factory=list)  # that forbid to serve it
    warnings: list[Fault] = field(default_factory=list)

    def at(self, owner: Name, rtype: int, text: str) -> Fault:
        """Return a fault on the line where that RRset begins."""
        file, line = self.places.get((owner, rtype), (self.file, 0))
        return Fault(file=file, line=line, text=text)

    def cuts(self) -> frozenset[Name]:
        """Return where other zones begin."""
        return frozenset(owner for owner, node in self.nodes.items() if RRType.NS in node and owner != self.origin)

    def zone(self) -> Zone:
        """Return the snapshot. Judge it first: what has faults gives answers that nobody should get."""
        nsec3 = {owner: node[RRType.NSEC3] for owner, node in self.nodes.items() if RRType.NSEC3 in node}
        nodes: dict[Name, Node] = {owner: node for owner, node in self.nodes.items() if owner not in nsec3}
        for owner in list(nodes):
            above = parent(owner)
            while owner != self.origin and above not in nodes:  # stops at the origin, since its SOA is there
                nodes[above] = _EMPTY
                above = parent(above)
        return Zone(
            origin=self.origin,
            nodes=nodes,
            signatures=dict(self.signatures),
            cuts=self.cuts(),
            dnames=frozenset(owner for owner, node in nodes.items() if RRType.DNAME in node),
            wildcards=frozenset(parent(owner) for owner in nodes if owner.startswith("*.")),
            nsec3=nsec3,
            denial=_denial(nodes, nsec3, self.origin),
        )


def _denial(nodes: Mapping[Name, Node], nsec3: Mapping[Name, RRset], origin: Name) -> Denial | None:
    parameters = nodes[origin].get(RRType.NSEC3PARAM)
    for each in parameters.rdatas if parameters is not None else ():
        chain = [rrset for rrset in nsec3.values() if _is_of_chain(rrset.rdatas[0], each)]
        if chain:
            return Nsec3Denial(each, chain)
    return NsecDenial(nodes) if RRType.NSEC in nodes[origin] else None


def _is_of_chain(nsec3: bytes, parameters: bytes) -> bool:
    """Say whether algorithm, iterations and salt are the same: a zone can have two chains (RFC 5155 section 7.3)."""
    return nsec3[0] == parameters[0] and nsec3[2:].startswith(parameters[2:])


def serial_of(soa: bytes) -> int:
    """Return the serial number in the data of an SOA."""
    return int.from_bytes(soa[SERIAL_AT : SERIAL_AT + 4], "big")


def draft_of(records: Iterable[Record], *, origin: Name, file: str) -> Draft:
    """Gather `records` into RRsets. What stands outside of the zone is left out, and is a fault.

    Where TTLs differ within an RRset the smallest holds (RFC 2181 section 5.2); a record that is there twice counts
    once (section 5).
    """
    draft = Draft(origin=origin, file=file)
    gathered: dict[Name, dict[int, tuple[int, dict[bytes, None]]]] = {}
    signatures: dict[Name, dict[int, tuple[int, dict[bytes, None]]]] = {}
    outside = "." + origin if origin != "." else "."
    escaped = "\\" in origin
    for owner, rtype, ttl_s, rdata, name, line in records:
        node = gathered.get(owner)
        if node is None:
            if (not owner.endswith(outside) and owner != origin) or (escaped and not is_below(owner, origin)):
                text = f"{owner} is not in the zone {origin}"
                draft.faults.append(Fault(file=name, line=line, text=text))
                continue
            node = gathered[owner] = {}
        key = rtype
        if rtype == RRType.RRSIG:
            node, key = signatures.setdefault(owner, {}), int.from_bytes(rdata[:2], "big")
        rrset = node.get(key)
        if rrset is None:
            node[key] = (ttl_s, {rdata: None})
            if rtype != RRType.RRSIG:
                draft.places[owner, rtype] = (name, line)
            continue
        before_s, rdatas = rrset
        if ttl_s != before_s:
            text = f"the TTL of {owner} {type_name(rtype)} is {ttl_s} here and {before_s} above; the smallest holds"
            draft.warnings.append(Fault(file=name, line=line, text=text))
            node[key] = (min(ttl_s, before_s), rdatas)
        if rdata in rdatas:
            draft.warnings.append(Fault(file=name, line=line, text=f"{owner} {type_name(rtype)} has this record twice"))
        rdatas[rdata] = None
    for owner, by_type in gathered.items():
        draft.nodes[owner] = {
            rtype: RRset(owner=owner, rtype=rtype, ttl_s=ttl_s, rdatas=tuple(rdatas))
            for rtype, (ttl_s, rdatas) in by_type.items()
        }
    for owner, by_covered in signatures.items():
        draft.signatures[owner] = {
            covered: RRset(owner=owner, rtype=RRType.RRSIG, ttl_s=ttl_s, rdatas=tuple(rdatas))
            for covered, (ttl_s, rdatas) in by_covered.items()
        }
    return draft
