"""Zone files (RFC 1035 section 5): names, where they lead, the zone's servers, the zones that are delegated from it.

What a name needs, `standfast.depmap.readers.records` says; what a DNAME or a wildcard stands for is an alias too. A
name that something leads to and that is not there is gone, unless the file has a fault, or is not whole.

In which zone a name is, and which zone is whose parent, is not said here but where all files are known, by
`standfast.depmap.naming`: except for servers of a zone that is delegated, whose addresses stand here as glue.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from standfast.depmap.attribution.dns_operators import operator_of_soa
from standfast.depmap.domain_names import above, node_of, zone_of
from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind, all_of
from standfast.depmap.readers.records import Owner, one_of
from standfast.depmap.statements import (
    Is,
    IsGone,
    Loss,
    Needs,
    Reading,
    Remark,
    Shares,
    Statement,
    Told,
    Witness,
)
from standfast.dns.masterfile import MasterFile, MasterFileError, Record
from standfast.dns.model import Name, RRType
from standfast.dns.name import ROOT, BadName, is_below, name_from_wire, parent, parse_name
from standfast.dns.wire import skip_name

NAME: Final = "zone file"
SUFFIXES: Final = (".zone", ".db", ".txt", ".signed")  # of file names, after the zone's

_HAS_ADDRESSES: Final = frozenset({RRType.A, RRType.AAAA, RRType.CNAME})
# An SOA, or a directive: of what else begins like a zone file nothing does.
_LOOKS_SO: Final = re.compile(
    rb"^(?:\S*[ \t]+(?:\d\w*[ \t]+)?(?:IN[ \t]+)?(?:\d\w*[ \t]+)?SOA[ \t]+\S+[ \t]+\S+|\$(?:ORIGIN|TTL)[ \t]+\S)",
    re.IGNORECASE | re.MULTILINE,
)


def suits(head: bytes, file: str) -> bool:  # noqa: ARG001  the name of a zone file says nothing for sure
    """Say whether a file that begins with `head` is a zone file."""
    return b"\0" not in head and _LOOKS_SO.search(head) is not None


def read(octets: bytes, *, file: str) -> Reading:
    """Return what the zone file `octets` tells; `file` is what it is called, and what the zone is if no record says.

    Raises:
        ModelError: it is no text, or there is no record in it.
    """
    try:
        text = octets.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"is no text: octet {error.start} is not UTF-8", file=file) from None
    named = _named_by(file)
    master = MasterFile(text, file=file, origin=named, include=_not_included)
    records = list(master)
    if not records:
        first = next(iter(master.faults), None)
        raise ModelError(
            first.text if first else "there is no record in it", file=file, line=first.line if first else 0
        )
    origin = master.soa_owner or master.origin_said or named
    if origin is None:
        raise ModelError("it has no SOA and no $ORIGIN, so nothing says which zone it is", file=file)
    remarks = [
        Remark(text=fault.text, by=Witness(reader=NAME, where=fault.file, line=fault.line)) for fault in master.faults
    ]
    zone = _Zone(origin, file, is_whole=not master.faults)
    for record in records:
        zone.take(record)
    if zone.outside:
        text = f"{zone.outside} records are of names outside of the zone {node_of(origin)}"
        remarks.append(Remark(text=text, by=Witness(reader=NAME, where=file)))
    return Reading(told=tuple(zone.told()), remarks=tuple(remarks))


class _Zone:
    def __init__(self, origin: Name, file: str, *, is_whole: bool) -> None:
        self.outside = 0
        self._origin = origin
        self._file = file
        self._is_whole = is_whole  # so that what is not there is not there
        self._owners: dict[Name, Owner] = {}
        self._operator: str | None = None  # of the zone, as its SOA says
        self._cuts: set[Name] = set()  # where other zones begin
        self._servers: dict[Name, None] = {}

    def take(self, record: Record) -> None:
        if not is_below(record.owner, self._origin):
            self.outside += 1
            return
        owner = self._owners.get(record.owner)
        if owner is None:
            owner = self._owners[record.owner] = Owner(record.line)
        owner.take(record.rtype, record.rdata)
        if record.rtype == RRType.SOA:
            primary = skip_name(record.rdata, 0)
            mailbox = record.rdata[primary : skip_name(record.rdata, primary)]
            self._operator = operator_of_soa(
                record.owner, name_from_wire(record.rdata[:primary]), name_from_wire(mailbox)
            )

    def told(self) -> Iterator[Told]:
        """Yield all that the zone says."""
        self._cuts = {name for name, owner in self._owners.items() if RRType.NS in owner.types} - {self._origin}
        self._servers = dict.fromkeys(
            target for owner in self._owners.values() for target in owner.leads.get(RRType.NS, ())
        )
        yield self._by(0, Is(zone_of(self._origin), Kind.ZONE))
        for server in self._servers:
            yield self._by(self._owners.get(server, _NOTHING).line, Is(node_of(server), Kind.NAME_SERVER))
        seen = [(name, owner) for name, owner in self._owners.items() if not self._is_hidden(name)]
        for name, owner in self._owners.items():
            if RRType.NS in owner.types and not self._is_hidden(parent(name)):
                yield from self._zone(name, owner)
        for name, owner in seen:
            yield from self._name(name, owner)
        for server in self._servers:
            yield from self._glue(server)
        for target, must_have_addresses in self._led_to(seen).items():
            yield from self._target(target, must_have_addresses=must_have_addresses)

    def _zone(self, origin: Name, owner: Owner) -> Iterator[Told]:
        zone, servers = zone_of(origin), owner.leads[RRType.NS]
        if origin != self._origin:
            yield self._by(owner.line, Is(zone, Kind.ZONE))
            yield self._by(owner.line, Needs(zone, all_of(zone_of(self._origin), role="parent")))
        yield self._by(owner.line, Needs(zone, one_of(servers, role="server")))
        if origin == self._origin and self._operator is not None:
            for server in servers:
                if is_below(server, origin):  # its name does not say whose it is
                    yield self._by(owner.line, Shares(node_of(server), self._operator))

    def _name(self, name: Name, owner: Owner) -> Iterator[Told]:
        needs = owner.needs(name)
        if needs and name not in self._servers:
            yield self._by(owner.line, Is(node_of(name), Kind.NAME))
        for need in needs:
            yield self._by(owner.line, Needs(node_of(name), need))

    def _glue(self, server: Name) -> Iterator[Told]:
        owner = self._owners.get(server, _NOTHING)
        if owner.addresses and self._is_hidden(server):
            node = node_of(server)
            yield self._by(owner.line, Needs(node, owner.address_need()))
            if server not in self._owners.get(self._origin, _NOTHING).leads.get(RRType.NS, ()):
                yield self._by(owner.line, Needs(node, all_of(zone_of(self._origin), role="zone")))

    def _led_to(self, seen: Iterable[tuple[Name, Owner]]) -> dict[Name, bool]:
        """Return the names of this zone that something leads to, and whether they must have addresses."""
        found: dict[Name, bool] = {}
        for _, owner in seen:
            for rtype, targets in owner.leads.items():
                for target in targets:
                    if rtype != RRType.DNAME and is_below(target, self._origin) and not self._is_hidden(target):
                        found[target] = found.get(target, False) or rtype != RRType.CNAME
        return found

    def _target(self, target: Name, *, must_have_addresses: bool) -> Iterator[Told]:
        """Yield what becomes of a name that something leads to, where no record of its own says it."""
        owner = self._owners.get(target)
        if owner is not None:
            if must_have_addresses and owner.types.isdisjoint(_HAS_ADDRESSES):
                yield from self._gone(target, Loss.EMPTIED)
            return
        if target in self._between:
            yield from self._gone(target, Loss.EMPTIED)
            return
        for encloser in above(target):
            it = self._owners.get(encloser, _NOTHING)
            if leads := it.leads.get(RRType.DNAME):  # RFC 6672 section 3.3
                end = "" if leads[0] == ROOT else leads[0]
                below = target.removesuffix(encloser if encloser != ROOT else "")
                yield self._by(it.line, Needs(node_of(target), all_of(node_of(below + end), role="alias")))
                return
            if encloser in self._owners or encloser in self._between:  # the closest one (RFC 4592 section 3.3.1)
                wildcard = "*." + ("" if encloser == ROOT else encloser)
                if wildcard in self._owners:
                    line = self._owners[wildcard].line
                    yield self._by(line, Needs(node_of(target), all_of(node_of(wildcard), role="alias")))
                else:
                    yield from self._gone(target, Loss.REMOVED)
                return

    def _gone(self, name: Name, how: Loss) -> Iterator[Told]:
        if self._is_whole:
            yield self._by(0, IsGone(node_of(name), how))

    @cached_property
    def _between(self) -> frozenset[Name]:
        """The names that are there for those below them alone (RFC 4592 section 2.2.2), and their like."""
        found: set[Name] = {self._origin}
        for name in self._owners:
            for each in above(name):
                if each in found or not is_below(each, self._origin):
                    break
                found.add(each)
        return frozenset(found)

    def _is_hidden(self, name: Name) -> bool:
        """Say whether `name` is delegated: what stands here of it is glue."""
        return bool(self._cuts) and (name in self._cuts or any(each in self._cuts for each in above(name)))

    def _by(self, line: int, statement: Statement) -> Told:
        return Told(statement, Witness(reader=NAME, where=self._file, line=line))


_NOTHING: Final = Owner()


def _not_included(name: str, file: str) -> tuple[str, str]:
    raise MasterFileError(f"{name} is included by {file}, and must be given as a file of its own")


def _named_by(file: str) -> Name | None:
    """Return the zone that a file is for by what it is called: `example.org.zone`."""
    base = file.rsplit("/", 1)[-1]
    stem = next((base.removesuffix(suffix) for suffix in SUFFIXES if base.endswith(suffix)), base)
    try:
        return parse_name(stem)
    except BadName:
        return None
