"""A world: what is published, what its owners mean, and who holds which address. Knows the truth; asks nobody.

What is published is kept as versions, each immutable, so that a resolver's cache can be worked out for any time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import assert_never

from standfast.dns.codec import rrset_from_text
from standfast.dns.model import (
    CNAME_CHAIN_MAX,
    Ede,
    ExtendedError,
    Name,
    Question,
    Rcode,
    Reply,
    RRset,
    RRType,
    addresses_of,
)
from standfast.dns.name import ROOT, ancestors, is_below, parent
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.sim.events import (
    BreakResolver,
    BreakSigning,
    DropDelegation,
    DropName,
    EmptyRecord,
    Event,
    FlushResolver,
    GiveAway,
    MendResolver,
    MendSigning,
    Note,
    Party,
    Restart,
    RestoreDelegation,
    RestoreRecord,
    Retire,
    ReviveServers,
    SetAddresses,
    StartServers,
    StopServers,
)
from standfast.sim.scoring import Truth

PARENT_NEGATIVE_TTL_S = 900  # of zones that a world does not describe; what .com's SOA amounts to
FAILURE_TTL_S = 5  # how long resolvers cache a failure; between the 1 s and 5 min of RFC 9520 section 3.2
NS_TTL_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSpec:
    """A zone at the start: `negative_ttl_s` is its SOA's TTL and MINIMUM (RFC 2308 section 4)."""

    name: Name
    negative_ttl_s: int = 900
    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSpec:
    """A name at the start.

    Args:
        addresses: where the owner's servers for it are; empty for an alias.
        alias_of: the name that it is a CNAME of.
        tls: its servers show a certificate for it.
        qtypes: what clients ask for; empty for a name that only others point to.
        needs: names without which its service is down, whatever its own record says.
        known_for_s: how long the guard has known it at the start; 0 means not yet.
    """

    name: Name
    zone: Name
    addresses: tuple[str, ...] = ()
    alias_of: Name | None = None
    ttl_s: int = 60
    tls: bool = True
    qtypes: tuple[int, ...] = (RRType.A,)
    needs: tuple[Name, ...] = ()
    known_for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as the authoritative servers, or validation, make it, and how long it may be cached."""

    reply: Reply
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Host:
    """Who answers at an address: for which names it serves the owner's service, and shows a certificate."""

    party: Party
    serves: frozenset[Name] = frozenset()
    certificate: frozenset[Name] = frozenset()
    up: bool = True


@dataclass(frozen=True, slots=True)
class _Zone:
    spec: ZoneSpec
    delegated: bool = True
    validates: bool = True


@dataclass(frozen=True, slots=True)
class _Record:
    """What is published at a name. `exists` without addresses or alias is NODATA."""

    ttl_s: int
    addresses: tuple[str, ...] = ()
    alias_of: Name | None = None
    exists: bool = True


class World:
    """The world, from `start_s` (seconds since the epoch) on."""

    def __init__(self, zones: Iterable[ZoneSpec], names: Iterable[NameSpec], *, start_s: float) -> None:
        self.names: dict[Name, NameSpec] = {spec.name: spec for spec in names}
        self.hosts: dict[str, Host] = {}
        self.retired: set[Name] = set()
        self._zones = {spec.name: _Zone(spec) for spec in zones}
        for zone in list(self._zones):
            top = list(ancestors(zone))[-2]
            self._zones.setdefault(top, _Zone(ZoneSpec(name=top, negative_ttl_s=PARENT_NEGATIVE_TTL_S)))
        self._records: dict[Name, _Record] = {}
        self._last_good: dict[Name, tuple[str, ...]] = {}
        for spec in self.names.values():
            self._records[spec.name] = _Record(spec.ttl_s, spec.addresses, spec.alias_of)
            self._last_good[spec.name] = spec.addresses
            served = self._resolve_addresses(spec)
            self._start_servers(spec.name, served, tls=spec.tls)
        self._times: list[float] = []
        self._versions: list[Snapshot] = []
        self._truths: dict[Question, Truth] = {}
        self._publish(start_s)

    def apply(self, event: Event, now: float) -> None:
        """Let `event` happen at `now`; events that are not the world's own change nothing here."""
        self._truths.clear()
        match event:
            case SetAddresses() | EmptyRecord() | DropName() | RestoreRecord():
                self._change_record(event)
                self._publish(now)
            case DropDelegation() | RestoreDelegation() | BreakSigning() | MendSigning():
                self._change_zone(event)
                self._publish(now)
            case Retire() | StartServers() | StopServers() | ReviveServers() | GiveAway():
                self._change_hosts(event)
            case BreakResolver() | MendResolver() | FlushResolver() | Restart() | Note():
                pass
            case _:
                assert_never(event)

    def truth(self, question: Question) -> Truth:
        """Return what is true of `question` now."""
        found = self._truths.get(question)
        if found is None:
            found = self._truths[question] = self._truth(question)
        return found

    def is_published_right(self, question: Question) -> bool:
        """Say whether what is published agrees with what is meant: a live server of the owner and nobody else's."""
        truth = self.truth(question)
        addresses = addresses_of(self._versions[-1].answer(question).reply.answer)
        if not truth.intended:
            return not addresses
        return not truth.alive.isdisjoint(addresses) and not (truth.strangers | truth.attackers).intersection(addresses)

    def version_at(self, at_s: float) -> tuple["Snapshot", float]:
        """Return what was published at `at_s`, and until when (infinity for what still is)."""
        place = max(bisect_right(self._times, at_s) - 1, 0)
        until_s = self._times[place + 1] if place + 1 < len(self._times) else float("inf")
        return self._versions[place], until_s

    @property
    def start_s(self) -> float:
        """When the world began."""
        return self._times[0]

    def is_in_zone(self, qname: Name, zone: Name) -> bool:
        """Say whether `qname`, or what it is an alias of, lies below `zone`."""
        spec = self.names.get(qname)
        chain = [qname]
        while spec is not None and spec.alias_of is not None:
            chain.append(spec.alias_of)
            spec = self.names[spec.alias_of]
        return any(is_below(name, zone) for name in chain)

    def proves_identity(self, qname: Name, address: str) -> bool:
        """Say whether somebody with a certificate for `qname` answers at `address`."""
        host = self.hosts.get(address)
        return host is not None and host.up and qname in host.certificate

    def look_at(self, address: str, qname: Name, spec: ProbeSpec, at_s: float) -> ProbeResult:
        """Return what a probe of `address` for `qname` finds."""
        host = self.hosts.get(address)
        listens = host is not None and host.up and (bool(host.certificate) or spec.kind == "tcp")
        if host is None or not listens:
            identity, detail = Identity.ABSENT, "connection refused"
        elif spec.kind == "tcp":
            identity, detail = Identity.UNKNOWN, "connected"
        elif qname in host.certificate:
            identity, detail = Identity.PROVEN, "a certificate for the name"
        else:
            identity, detail = Identity.CONTRADICTED, f"a certificate for {', '.join(sorted(host.certificate))}"
        return ProbeResult(address=address, identity=identity, at_s=at_s, reachable=listens, detail=detail)

    def _truth(self, question: Question) -> Truth:
        version = 4 if question.qtype == RRType.A else 6
        alive = (
            address
            for address, host in self.hosts.items()
            if host.up and host.party is Party.OWNER and question.qname in host.serves
        )
        return Truth(
            intended=question.qname not in self.retired,
            alive=frozenset(address for address in alive if ip_address(address).version == version),
            strangers=self._held_by(Party.STRANGER),
            attackers=self._held_by(Party.ATTACKER),
        )

    def _held_by(self, party: Party) -> frozenset[str]:
        return frozenset(address for address, host in self.hosts.items() if host.party is party)

    def _is_owners(self, address: str) -> bool:
        host = self.hosts.get(address)
        return host is not None and host.party is Party.OWNER

    def _resolve_addresses(self, spec: NameSpec) -> tuple[str, ...]:
        for _ in range(CNAME_CHAIN_MAX):
            if spec.alias_of is None:
                break
            spec = self.names[spec.alias_of]
        return spec.addresses

    def _start_servers(self, name: Name, addresses: Iterable[str], *, tls: bool) -> None:
        for address in addresses:
            host = self.hosts.get(address, Host(Party.OWNER))
            self.hosts[address] = Host(
                Party.OWNER,
                serves=host.serves | {name},
                certificate=host.certificate | {name} if tls else host.certificate,
            )

    def _change_hosts(self, event: Retire | StartServers | StopServers | ReviveServers | GiveAway) -> None:
        match event:
            case Retire(name=name):
                self.retired.add(name)
            case StartServers(name=name, addresses=addresses, tls=tls):
                self._start_servers(name, addresses, tls=tls)
            case StopServers(addresses=addresses):
                self.hosts |= {address: replace(self.hosts[address], up=False) for address in addresses}
            case ReviveServers(addresses=addresses):
                self.hosts |= {address: replace(self.hosts[address], up=True) for address in addresses}
            case GiveAway(addresses=addresses, party=party, certificate=certificate):
                shown = frozenset() if certificate is None else frozenset({certificate})
                self.hosts |= {address: Host(party, certificate=shown) for address in addresses}

    def _change_record(self, event: SetAddresses | EmptyRecord | DropName | RestoreRecord) -> None:
        record = self._records[event.name]
        match event:
            case SetAddresses(name=name, addresses=addresses):
                if all(self._is_owners(address) for address in addresses):
                    self._last_good[name] = addresses
                record = replace(record, addresses=addresses, exists=True)
            case EmptyRecord():
                record = replace(record, addresses=(), exists=True)
            case DropName():
                record = replace(record, addresses=(), exists=False)
            case RestoreRecord(name=name):
                record = replace(record, addresses=self._last_good[name], exists=True)
        self._records[event.name] = record

    def _change_zone(self, event: DropDelegation | RestoreDelegation | BreakSigning | MendSigning) -> None:
        zone = self._zones[event.zone]
        match event:
            case DropDelegation() | RestoreDelegation():
                zone = replace(zone, delegated=isinstance(event, RestoreDelegation))
            case BreakSigning() | MendSigning():
                zone = replace(zone, validates=isinstance(event, MendSigning))
        self._zones[event.zone] = zone

    def _publish(self, now: float) -> None:
        self._times.append(now)
        self._versions.append(Snapshot(dict(self._zones), dict(self._records)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is published at one time."""

    zones: Mapping[Name, _Zone]
    records: Mapping[Name, _Record]
    _answers: dict[tuple[Question, bool], Said] = field(default_factory=dict)

    def answer(self, question: Question, *, validate: bool = True) -> Said:
        """Return what a resolver that asks now gets for `question`; `validate` is False for CD queries."""
        key = (question, validate)
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = self._answer(question, validate=validate)
        return found

    def _answer(self, question: Question, *, validate: bool) -> Said:
        chain: list[RRset] = []
        owner = question.qname
        for _ in range(CNAME_CHAIN_MAX):
            zone, in_reach = self._zone_of(owner, question.qtype)
            if validate and not zone.validates:
                return _bogus()
            if not in_reach:
                return _negative(chain, zone.spec, exists=False)
            record = self.records.get(owner)
            if record is not None and record.alias_of is not None and record.exists:
                chain.append(rrset_from_text(owner, RRType.CNAME, record.ttl_s, [record.alias_of]))
                owner = record.alias_of
                continue
            found = self._rrset(owner, question.qtype, zone, record)
            if found is not None:
                chain.append(found)
                return _positive(chain, signed=zone.spec.signed)
            return _negative(chain, zone.spec, exists=self._exists(owner, record))
        return _bogus()  # a loop; no world makes one

    def _zone_of(self, owner: Name, qtype: int) -> tuple[_Zone, bool]:
        """Return the zone that is asked about `owner`, and whether it is the right one; DS is its parent's.

        Below a lost delegation nothing is reached: it is the zone above that says so.
        """
        start = parent(owner) if qtype == RRType.DS else owner
        path = [zone for name in ancestors(start) if (zone := self.zones.get(name))]
        reached = _Zone(ZoneSpec(name=ROOT, negative_ttl_s=PARENT_NEGATIVE_TTL_S))
        for zone in reversed(path):
            if not zone.delegated:
                return reached, False
            reached = zone
        return reached, True

    def _rrset(self, owner: Name, qtype: int, zone: _Zone, record: _Record | None) -> RRset | None:
        if owner == zone.spec.name and qtype == RRType.SOA:
            return _soa(zone.spec)
        if owner == zone.spec.name and qtype == RRType.NS:
            return rrset_from_text(owner, RRType.NS, NS_TTL_S, [f"ns1.{owner}" if owner != ROOT else "ns1."])
        if record is None or qtype not in (RRType.A, RRType.AAAA):
            return None
        version = 4 if qtype == RRType.A else 6
        rdatas = tuple(ip.packed for text in record.addresses if (ip := ip_address(text)).version == version)
        return RRset(owner=owner, rtype=qtype, ttl_s=record.ttl_s, rdatas=rdatas) if rdatas else None

    def _exists(self, owner: Name, record: _Record | None) -> bool:
        if record is not None and record.exists:
            return True
        if record is None and (zone := self.zones.get(owner)) is not None and zone.delegated:
            return True
        return any(is_below(name, owner) and name != owner for name in self.records)


def _positive(chain: list[RRset], *, signed: bool) -> Said:
    reply = Reply(rcode=Rcode.NOERROR, answer=tuple(chain), ad=signed)
    return Said(reply, min(rrset.ttl_s for rrset in chain))


def _negative(chain: list[RRset], zone: ZoneSpec, *, exists: bool) -> Said:
    reply = Reply(
        rcode=Rcode.NOERROR if exists else Rcode.NXDOMAIN,
        answer=tuple(chain),
        authority=(_soa(zone),),
        ad=zone.signed,
    )
    return Said(reply, min([zone.negative_ttl_s, *(rrset.ttl_s for rrset in chain)]))


def _bogus() -> Said:
    error = ExtendedError(code=Ede.DNSSEC_BOGUS, text="signature does not verify")
    return Said(Reply(rcode=Rcode.SERVFAIL, errors=(error,)), FAILURE_TTL_S)


@lru_cache(maxsize=1024)  # record data from text are slow to make, and the same few SOAs are in every denial
def _soa(zone: ZoneSpec) -> RRset:
    master = "ns1." if zone.name == ROOT else f"ns1.{zone.name}"
    text = f"{master} hostmaster.{zone.name.lstrip('.')} 1 3600 600 604800 {zone.negative_ttl_s}"
    return rrset_from_text(zone.name, RRType.SOA, zone.negative_ttl_s, [text])
