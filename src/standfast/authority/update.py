"""What an update of RFC 2136 asks for: whether its prerequisites hold, and the changes that it comes to.

Pure, and all or nothing: a zone and the records of the message in, changes or the code of the refusal out. Who may
update, and whether the zone stays fit to be served, is judged elsewhere.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from standfast.authority.checks import BESIDE_CNAME as CNAME_AND_NSEC
from standfast.authority.checks import SINGLE
from standfast.authority.serials import following, later
from standfast.authority.zone import SERIAL_AT, Zone, serial_of
from standfast.dns.changes import Change, same
from standfast.dns.master_text import TTL_MAX_S
from standfast.dns.model import Name, Rcode, RRset, RRType, type_name
from standfast.dns.name import is_below
from standfast.dns.rdata import canonical_rdata, check_known, check_rdata
from standfast.dns.requests import CLASS_ANY, CLASS_IN, CLASS_NONE, Raw
from standfast.dns.wire import WireError
from standfast.values import value

_QUERIES_ONLY: Final = frozenset({0, RRType.OPT, *range(128, 255)})  # RFC 6895 section 3.1
BESIDE_CNAME: Final = CNAME_AND_NSEC | {RRType.RRSIG}  # of records, where signatures are some too
_WKS: Final = 11
_WKS_SAME_OCTETS: Final = 5  # address and protocol (RFC 1035 section 3.4.2)

_Key = tuple[int, int]  # type, and for a signature the type that it covers
_Records = tuple[int, dict[bytes, bytes]]  # of an RRset: its TTL in seconds, and its data by what they replace


@value
class Denied:
    """Why nothing changes: the response code, and words for people."""

    rcode: Rcode
    text: str


def update(
    zone: Zone, prerequisites: Sequence[Raw], updates: Sequence[Raw], *, made: frozenset[int] = frozenset()
) -> tuple[Change, ...] | Denied:
    """Return what the update section changes in `zone`; nothing where it asks for what is so already.

    The serial number advances with every change, by the update's own SOA or without it (RFC 2136 section 3.6).

    Args:
        zone: what the prerequisites are judged on, and what is changed.
        prerequisites: the records of that section.
        updates: the records of that section, which take effect one after the other.
        made: the types that this server makes itself, and that nobody else may touch.
    """
    denied = _unmet(zone, prerequisites) or _unfit(zone, updates, made)
    if denied is not None:
        return denied
    edited = _Edited(zone, made)
    for record in updates:
        edited.take(record)
    return edited.changes()


# Prerequisites (RFC 2136 section 3.2) -------------------------------------------------------------------------------


def _unmet(zone: Zone, records: Sequence[Raw]) -> Denied | None:
    """Return why the first prerequisite that does not hold does not; whole RRsets are compared at the end."""
    wanted: dict[tuple[Name, int], set[bytes]] = {}
    for record in records:
        if not is_below(record.owner, zone.origin):
            return _outside(zone, record)
        wrong = _malformed_prerequisite(record)
        if wrong is not None:
            return Denied(rcode=Rcode.FORMERR, text=f"the prerequisite {_told(record)} {wrong}")
        if record.rclass == CLASS_IN:
            wanted.setdefault((record.owner, record.rtype), set()).add(canonical_rdata(record.rtype, record.rdata))
            continue
        there = {rtype for rtype, _ in _node(zone, record.owner)}
        is_name = record.rtype == RRType.ANY
        is_there = bool(there) if is_name else record.rtype in there
        if record.rclass == CLASS_ANY and not is_there:
            rcode = Rcode.NXDOMAIN if is_name else Rcode.NXRRSET
            return Denied(rcode=rcode, text=f"{_told(record)} is not there")
        if record.rclass == CLASS_NONE and is_there:
            rcode = Rcode.YXDOMAIN if is_name else Rcode.YXRRSET
            return Denied(rcode=rcode, text=f"{_told(record)} is there")
    for (owner, rtype), rdatas in wanted.items():
        rrsets = [rrset for (there, _), rrset in _node(zone, owner).items() if there == rtype]
        if {canonical_rdata(rtype, rdata) for rrset in rrsets for rdata in rrset.rdatas} != rdatas:
            return Denied(rcode=Rcode.NXRRSET, text=f"{owner} {type_name(rtype)} is not what was expected")
    return None


def _malformed_prerequisite(record: Raw) -> str | None:
    if record.ttl_s:
        return "has a TTL"
    if record.rclass == CLASS_IN:
        return _malformed_record(record)
    if record.rclass not in (CLASS_NONE, CLASS_ANY):
        return f"has the class {record.rclass}"
    return "has data" if record.rdata else None


def _malformed_record(record: Raw) -> str | None:
    if record.rtype in _QUERIES_ONLY or record.rtype == RRType.ANY:
        return "has a type that no record has"
    try:
        check_rdata(record.rtype, record.rdata)
        check_known(record.rtype, record.rdata)
    except WireError as error:
        return f"is malformed: {error.reason}"
    return None


# The update section, looked through before any of it is done (RFC 2136 section 3.4.1) -------------------------------


def _unfit(zone: Zone, records: Sequence[Raw], made: frozenset[int]) -> Denied | None:
    for record in records:
        if not is_below(record.owner, zone.origin):
            return _outside(zone, record)
        wrong = _malformed_update(record)
        if wrong is not None:
            return Denied(rcode=Rcode.FORMERR, text=f"the update {_told(record)} {wrong}")
    for record in records:
        if record.rtype in made:
            text = f"{type_name(record.rtype)} records of {zone.origin} are made by this server alone"
            return Denied(rcode=Rcode.REFUSED, text=text)
    return None


def _malformed_update(record: Raw) -> str | None:
    if record.rclass not in (CLASS_IN, CLASS_NONE, CLASS_ANY):
        return f"has the class {record.rclass}"
    if record.rclass != CLASS_IN and record.ttl_s:
        return "takes something away, and has a TTL"
    if record.rclass != CLASS_ANY:
        return _malformed_record(record)
    if record.rtype in _QUERIES_ONLY:
        return "has a type that no record has"
    return "takes everything away, and has data" if record.rdata else None


# What it does (RFC 2136 section 3.4.2) ------------------------------------------------------------------------------


class _Edited:
    """The names that were touched, as they are to be; for all others, the zone."""

    def __init__(self, zone: Zone, made: frozenset[int]) -> None:
        self._zone = zone
        self._made = made
        self._nodes: dict[Name, dict[_Key, _Records]] = {}

    def take(self, record: Raw) -> None:
        """Do what one record says, or nothing where a rule forbids it."""
        node = self._node(record.owner)
        if record.rclass == CLASS_IN:
            self._add(node, record)
        elif record.rclass == CLASS_NONE:
            self._remove(node, record)
        else:
            for key in [key for key in node if self._may_go(record, key[0])]:
                del node[key]

    def changes(self) -> tuple[Change, ...]:
        """Return all that is different now; the serial number is advanced, where the update did not do it."""
        found = tuple(self._differences())
        if not found:
            return ()
        key = (RRType.SOA, 0)
        ttl_s, rdatas = self._node(self._zone.origin)[key]
        (soa,) = rdatas.values()
        if not later(serial_of(soa), self._zone.serial):
            advanced = soa[:SERIAL_AT] + following(self._zone.serial).to_bytes(4, "big") + soa[SERIAL_AT + 4 :]
            self._node(self._zone.origin)[key] = (ttl_s, {b"": advanced})
            found = tuple(self._differences())
        return found

    def _node(self, owner: Name) -> dict[_Key, _Records]:
        node = self._nodes.get(owner)
        if node is None:
            node = self._nodes[owner] = {
                key: (rrset.ttl_s, {_replaces(key[0], rdata): rdata for rdata in rrset.rdatas})
                for key, rrset in _node(self._zone, owner).items()
            }
        return node

    def _differences(self) -> Iterator[Change]:
        for owner, node in self._nodes.items():
            before = _node(self._zone, owner)
            for key in dict.fromkeys((*before, *node)):
                old = before.get(key)
                new = None
                if key in node:
                    ttl_s, rdatas = node[key]
                    new = RRset(owner=owner, rtype=key[0], ttl_s=ttl_s, rdatas=tuple(rdatas.values()))
                if not same(old, new):
                    yield Change(before=old, after=new)

    def _add(self, node: dict[_Key, _Records], record: Raw) -> None:
        """Put a record in, in the place of the one that is the same but for its TTL and letter case (section 3.4.2.2).

        The TTL that comes last is that of its whole RRset (RFC 2181 section 5.2).
        """
        rtype, rdata = record.rtype, record.rdata
        if rtype == RRType.CNAME and any(there not in BESIDE_CNAME for there, _ in node):
            return
        if rtype not in BESIDE_CNAME and (RRType.CNAME, 0) in node:
            return
        key = _key(rtype, rdata)
        _, rdatas = node.get(key, (0, {}))
        if rtype == RRType.SOA and not any(_not_earlier(rdata, there) for there in rdatas.values()):
            return
        rdatas[_replaces(rtype, rdata)] = rdata
        node[key] = (record.ttl_s if record.ttl_s <= TTL_MAX_S else 0, rdatas)  # RFC 2181 section 8

    def _remove(self, node: dict[_Key, _Records], record: Raw) -> None:
        """Take one record away; the SOA stays, and so does the last name server of the zone (section 3.4.2.4)."""
        rtype, rdata = record.rtype, record.rdata
        key = _key(rtype, rdata)
        _, rdatas = node.get(key, (0, {}))
        same_rdata = rdatas.get(_replaces(rtype, rdata))
        if (
            rtype == RRType.SOA
            or same_rdata is None
            or canonical_rdata(rtype, same_rdata) != canonical_rdata(rtype, rdata)
        ):
            return
        if rtype == RRType.NS and record.owner == self._zone.origin and len(rdatas) == 1:
            return
        del rdatas[_replaces(rtype, rdata)]
        if not rdatas:
            del node[key]

    def _may_go(self, record: Raw, there: int) -> bool:
        """Say whether the type `there` is meant by the deletion of a whole RRset or name (section 3.4.2.3)."""
        if record.owner == self._zone.origin and there in (RRType.SOA, RRType.NS):
            return False
        return there == record.rtype or (record.rtype == RRType.ANY and there not in self._made)


def _replaces(rtype: int, rdata: bytes) -> bytes:
    """Return what is the same of a record and of the one that it takes the place of."""
    if rtype in SINGLE:
        return b""
    return rdata[:_WKS_SAME_OCTETS] if rtype == _WKS else canonical_rdata(rtype, rdata)


def _not_earlier(soa: bytes, there: bytes) -> bool:
    """RFC 2136 section 3.4.2.2; what RFC 1982 leaves undefined is taken for earlier."""
    return serial_of(soa) == serial_of(there) or later(serial_of(soa), serial_of(there))


def _node(zone: Zone, owner: Name) -> dict[_Key, RRset]:
    """Return all that stands at `owner`; nothing where a name is there for those below it alone (section 2.4.4)."""
    node: dict[_Key, RRset] = {(rtype, 0): rrset for rtype, rrset in zone.nodes.get(owner, {}).items()}
    node |= {(RRType.RRSIG, covered): rrset for covered, rrset in zone.signatures.get(owner, {}).items()}
    if owner in zone.nsec3:
        node[RRType.NSEC3, 0] = zone.nsec3[owner]
    return node


def _key(rtype: int, rdata: bytes) -> _Key:
    return rtype, int.from_bytes(rdata[:2], "big") if rtype == RRType.RRSIG else 0


def _outside(zone: Zone, record: Raw) -> Denied:
    return Denied(rcode=Rcode.NOTZONE, text=f"{record.owner} is not in the zone {zone.origin}")


def _told(record: Raw) -> str:
    return f"{record.owner} {type_name(record.rtype)}" if record.rtype != RRType.ANY else record.owner
