"""A zone as an immutable snapshot: made of records, looked up by name, replaced whole.

Holds and finds; what must be so for a zone to be served stands in `checks`, what is answered in `lookup`.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from standfast.authority.denial import Denial, Nsec3Denial, NsecDenial, is_of_chain
from standfast.dns.masterfile import Fault, Record
from standfast.dns.model import Name, RRset, RRType, type_name
from standfast.dns.name import is_below, name_from_wire, parent
from standfast.dns.wire import WireError

Node = Mapping[int, RRset]  # all of one owner, by type; empty where a name is there for those below it alone

SERIAL_AT: Final = -20  # of an SOA's data: five numbers of four octets at their end (RFC 1035 section 3.3.13)
MINIMUM_AT: Final = -4
LEADING: Final = (RRType.NS, RRType.CNAME)  # what a zone cannot be without knowing where it leads
EMPTY: Final[Node] = MappingProxyType({})
_SPECIAL: Final = frozenset({RRType.NS, RRType.CNAME, RRType.DNAME})
_RRSIG: Final = int(RRType.RRSIG)  # a plain number is compared faster, and that is done for every record


def serial_of(soa: bytes) -> int:
    """Return the serial number that an SOA's data hold."""
    return int.from_bytes(soa[SERIAL_AT : SERIAL_AT + 4], "big")


def with_serial(soa: RRset, serial: int) -> RRset:
    """Return the SOA `soa` with another serial number."""
    rdata = soa.rdatas[0]
    return replace(soa, rdatas=(rdata[:SERIAL_AT] + serial.to_bytes(4, "big") + rdata[SERIAL_AT + 4 :],))


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
    children: Mapping[Name, int]  # how many names are directly below one, where any are
    leads: Mapping[Name, tuple[Name, ...]]  # whose NS or CNAME leads to a name of this zone, there or not
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
        return self.nodes.get(owner, EMPTY).get(rtype)

    def signature(self, owner: Name, covered: int) -> RRset | None:
        """Return the signatures of the RRset at `owner` of the type `covered`; None where there are none."""
        return self.signatures.get(owner, EMPTY).get(covered)

    def rrsets(self) -> Iterator[RRset]:
        """Yield every RRset, names in the order of the zone file."""
        for owner, node in self.nodes.items():
            yield from node.values()
            yield from self.signatures.get(owner, EMPTY).values()
        for owner, rrset in self.nsec3.items():
            yield rrset
            yield from self.signatures.get(owner, EMPTY).values()


class Places:
    """Where RRsets begin: file and line of each, found again only where something is wrong with one."""

    def __init__(self) -> None:
        self._rrsets: list[RRset] = []
        self._lines = array("L")
        self._files: list[tuple[int, str]] = []  # from which RRset on
        self._found: dict[tuple[Name, int], int] = {}

    def note(self, rrset: RRset, file: str, line: int) -> None:
        """Remember where `rrset` begins."""
        if not self._files or self._files[-1][1] != file:
            self._files.append((len(self._rrsets), file))
        self._rrsets.append(rrset)
        self._lines.append(line)

    def find(self, owner: Name, rtype: int) -> tuple[str, int] | None:
        """Return file and line of that RRset."""
        if len(self._found) != len(self._rrsets):
            self._found = {(rrset.owner, rrset.rtype): at for at, rrset in enumerate(self._rrsets)}
        at = self._found.get((owner, rtype))
        if at is None:
            return None
        began = bisect_right(self._files, at, key=itemgetter(0)) - 1
        return self._files[began][1], self._lines[at]


@dataclass(slots=True, kw_only=True)
class Draft:
    """The records of a zone that nobody has judged yet, and what was wrong with them one by one."""

    origin: Name
    file: str
    nodes: Mapping[Name, Node] = field(default_factory=dict)
    signatures: Mapping[Name, Node] = field(default_factory=dict)
    places: Places = field(default_factory=Places)
    faults: list[Fault] = field(default_factory=list)  # that forbid to serve it
    warnings: list[Fault] = field(default_factory=list)
    _zone: Zone | None = None

    @classmethod
    def of(cls, zone: Zone) -> "Draft":
        """Return the draft that `zone` could have been made of, for a new judgement."""
        return cls(origin=zone.origin, file="", nodes=zone.nodes, signatures=zone.signatures, _zone=zone)

    def at(self, owner: Name, rtype: int, text: str) -> Fault:
        """Return a fault on the line where that RRset begins."""
        file, line = self.places.find(owner, rtype) or (self.file, 0)
        return Fault(file=file, line=line, text=text)

    def zone(self) -> Zone:
        """Return the snapshot. Judge it first: what has faults gives answers that nobody should get."""
        if self._zone is not None:
            return self._zone
        origin = self.origin
        nodes: dict[Name, Node] = {origin: EMPTY}
        nsec3: dict[Name, RRset] = {}
        special = []  # the few that more than their own name depends on
        for owner, node in self.nodes.items():
            if RRType.NSEC3 in node:
                nsec3[owner] = node[RRType.NSEC3]
                if not (node := {rtype: rrset for rtype, rrset in node.items() if rtype != RRType.NSEC3}):
                    continue
            if node:
                nodes[owner] = node
                if not _SPECIAL.isdisjoint(node):
                    special.append((owner, node))
        children: dict[Name, int] = {}
        for owner in list(nodes):
            child = owner
            while child != origin:
                above = parent(child)
                children[above] = children.get(above, 0) + 1
                if above in nodes:
                    break
                nodes[above] = EMPTY
                child = above
        leading: dict[Name, list[Name]] = {}
        for owner, node in special:
            for target in targets_of(node, origin):
                leading.setdefault(target, []).append(owner)
        self._zone = Zone(
            origin=origin,
            nodes=nodes,
            signatures=self.signatures,
            cuts=frozenset(owner for owner, node in special if RRType.NS in node and owner != origin),
            dnames=frozenset(owner for owner, node in special if RRType.DNAME in node),
            wildcards=frozenset(parent(owner) for owner in nodes if owner.startswith("*.")),
            children=children,
            leads={target: tuple(owners) for target, owners in leading.items()},
            nsec3=nsec3,
            denial=denial_of(nodes, nsec3, origin),
        )
        return self._zone


def targets_of(node: Node, origin: Name) -> frozenset[Name]:
    """Return the names of the zone at `origin` that the NS and CNAME records of `node` lead to."""
    rdatas = [rdata for rtype in LEADING if rtype in node for rdata in node[rtype].rdatas]
    return frozenset(target for target in map(name_from_wire, rdatas) if is_below(target, origin))


def denial_of(nodes: Mapping[Name, Node], nsec3: Mapping[Name, RRset], origin: Name) -> Denial | None:
    """Return what a zone of these nodes and NSEC3 records proves denials by; None where it is not signed."""
    parameters = nodes[origin].get(RRType.NSEC3PARAM)
    for each in parameters.rdatas if parameters is not None else ():
        if any(is_of_chain(rrset, each) for rrset in nsec3.values()):
            return Nsec3Denial(each, nsec3, origin)
    return NsecDenial(nodes) if RRType.NSEC in nodes[origin] else None


def draft_of(records: Iterable[Record], *, origin: Name, file: str) -> Draft:
    """Gather `records` into RRsets. What stands outside of the zone is left out, and is a fault.

    Where TTLs differ within an RRset the smallest holds (RFC 2181 section 5.2); a record that is there twice counts
    once (section 5).
    """
    nodes: dict[Name, dict[int, RRset]] = {}
    signatures: dict[Name, dict[int, RRset]] = {}
    draft = Draft(origin=origin, file=file, nodes=nodes, signatures=signatures)
    gathered: dict[tuple[Name, int, int], dict[bytes, None]] = {}  # data of the RRsets of more records than one
    outside = "." + origin if origin != "." else "."
    for owner, rtype, ttl_s, rdata, name, line in records:
        node = nodes.get(owner)
        if node is None:
            if (not owner.endswith(outside) and owner != origin) or ("\\" in owner and not is_below(owner, origin)):
                draft.faults.append(Fault(file=name, line=line, text=f"{owner} is not in the zone {origin}"))
                continue
            node = nodes[owner] = {}
        key = rtype
        if rtype == _RRSIG:
            node, key = signatures.setdefault(owner, {}), int.from_bytes(rdata[:2], "big")
        there = node.get(key)
        if there is None:
            node[key] = rrset = RRset(owner=owner, rtype=rtype, ttl_s=ttl_s, rdatas=(rdata,))
            if rtype != _RRSIG:
                draft.places.note(rrset, name, line)
            continue
        if ttl_s != there.ttl_s:
            text = f"the TTL of {owner} {type_name(rtype)} is {ttl_s} here and {there.ttl_s} above; the smallest holds"
            draft.warnings.append(Fault(file=name, line=line, text=text))
            node[key] = replace(there, ttl_s=min(ttl_s, there.ttl_s))
        rdatas = gathered.get((owner, rtype, key))
        if rdatas is None:
            rdatas = gathered[owner, rtype, key] = dict.fromkeys(there.rdatas)
        if rdata in rdatas:
            draft.warnings.append(Fault(file=name, line=line, text=f"{owner} {type_name(rtype)} has this record twice"))
        rdatas[rdata] = None
    for (owner, rtype, key), rdatas in gathered.items():
        node = (signatures if rtype == _RRSIG else nodes)[owner]
        node[key] = replace(node[key], rdatas=tuple(rdatas))
    return draft


def zone_of(origin: Name, rrsets: Iterable[RRset]) -> Zone:
    """Return the zone that has these RRsets, which was judged before it was kept."""
    nodes: dict[Name, dict[int, RRset]] = {}
    signatures: dict[Name, dict[int, RRset]] = {}
    for rrset in rrsets:
        if rrset.rtype == RRType.RRSIG:
            covered = int.from_bytes(rrset.rdatas[0][:2], "big")
            signatures.setdefault(rrset.owner, {})[covered] = rrset
        else:
            nodes.setdefault(rrset.owner, {})[rrset.rtype] = rrset
    if RRType.SOA not in nodes.get(origin, {}):
        raise WireError(f"{origin} has no SOA")
    return Draft(origin=origin, file="", nodes=nodes, signatures=signatures).zone()
