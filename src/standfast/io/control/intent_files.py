"""What is wanted, out of the files that say it; everything that is wrong with them at once, each with its line.

The files are read as one: zones, pools, names and records may stand in any of them, each once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from standfast.control.cuts import AT_CUT, GLUE, Cuts, servers_in
from standfast.control.fence import fence_name
from standfast.control.intent import (
    Endpoint,
    Intent,
    ManagedName,
    Policy,
    PolicyKind,
    Pool,
    Promise,
    ZoneIntent,
)
from standfast.dns.model import Name, RRset, RRType, type_from_name, type_name
from standfast.dns.name import BadName, ancestors, is_below, parent, parse_name
from standfast.dns.rdata import RdataError, rdatas_from_text
from standfast.io.bulk import in_the_background
from standfast.io.control.intent_keys import INTENT_FORM, NameKeys, RecordKeys, ZoneKeys
from standfast.io.control.intent_parts import FAULTS_MAX, Part, read_parts
from standfast.io.control.intent_pools import is_address, pool_of
from standfast.io.control.keyed_texts import KeyedText
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.forms import hold, meant
from standfast.io.settings.places import ConfigError, Finding
from standfast.io.settings.toml_lines import Where

LARGE_OCTETS: Final = 1 << 20  # of all files: from then on, what reads them must not stand in the way of others
ADDRESSES: Final = frozenset({RRType.A, RRType.AAAA})
SINGLE: Final = frozenset({RRType.CNAME, RRType.DNAME})  # one record of a name at most (RFC 2181 section 10.1)
SIGNERS: Final = frozenset(
    {RRType.RRSIG, RRType.NSEC, RRType.NSEC3, RRType.NSEC3PARAM, RRType.DNSKEY, RRType.CDS, RRType.CDNSKEY}
)  # made by whoever signs the zone
ASKED: Final = frozenset(
    {RRType.OPT, RRType.TSIG, 249, RRType.IXFR, RRType.AXFR, RRType.MAILB, RRType.MAILA, RRType.ANY, RRType.NXNAME, 0}
)  # never in a zone (RFC 6895 section 3.1)

_Spot = tuple[Part, Where]


def load_intent(control: ControlConfig) -> Intent:
    """Return what the files of `control` want.

    Raises:
        ConfigError: with everything that is wrong, in the order of files and lines.
    """
    return read_intent(control)[0]


def read_intent(control: ControlConfig) -> tuple[Intent, Sequence[Part]]:
    """Return the same, and the files as they were read.

    Raises:
        ConfigError: with everything that is wrong, in the order of files and lines.
    """
    if sum(path.stat().st_size for path in control.intent if path.exists()) >= LARGE_OCTETS:
        with in_the_background():
            return _read_intent(control)
    return _read_intent(control)


def records_alone(items: list[Any]) -> list[RRset] | None:
    """Return the RRsets of some of `records`, plain data, as far as one by one nothing is wrong; None where it is.

    Who else has them, and what stands above them, is not looked at.
    """
    held = hold({"records": items}, INTENT_FORM)
    part = Part(file="", base=Path(), text=KeyedText(content={}, lines=lambda _: {}), held=held)
    reader = _Reader([part], {})
    found = [reader.record((part, ("records", at)), keys) for at, keys in enumerate(held.content.records)]
    return None if held.faults or any(reader.findings()) else [rrset for _, _, rrset in found if rrset is not None]


def _read_intent(control: ControlConfig) -> tuple[Intent, Sequence[Part]]:
    parts, findings = read_parts(control)
    reader = _Reader(parts, {publisher.name: publisher for publisher in control.publishers})
    intent = reader.intent()
    findings += [finding for part in parts for finding in part.own_findings()]
    findings += reader.findings()
    if findings:
        files = [str(path) for path in control.intent]
        order = {file: at for at, file in enumerate(files)}
        raise ConfigError(*sorted(findings, key=lambda each: (order.get(each.file, len(files)), each.line or 0)))
    return intent, parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    where: Where
    text: str
    other: _Spot | None = None  # where the same stands already


@dataclass(slots=True)
class _Zone:
    keys: ZoneKeys
    delegated: frozenset[Name]
    names: dict[Name, ManagedName] = field(default_factory=dict)
    records: dict[tuple[Name, int], RRset] = field(default_factory=dict)


class _Reader:
    """Makes one intent of all parts, and keeps what is wrong with it."""

    def __init__(self, parts: list[Part], publishers: Mapping[str, PublisherSettings]) -> None:
        self._parts = parts
        self._publishers = publishers
        self._faults: dict[str, list[_Fault]] = {part.file: [] for part in parts}
        self._first: dict[object, _Spot] = {}
        self._zones: dict[Name, _Zone] = {}
        self._pools: dict[str, Pool] = {}
        self._pools_said = frozenset(name for part in parts for name in part.keys("pools"))
        self._zones_said = frozenset(
            name for part in parts for key in part.keys("zones") if (name := _name_or_none(key)) is not None
        )
        self._is_whole = not any(part.held.faults for part in parts)  # nothing of the pools was left out
        self._cnames: set[Name] = set()  # at which a CNAME stands, or may come to stand
        self._types: dict[str, int | None] = {}
        self._origins: dict[Name, Name] = {}  # the zone that names directly below belong to

    def intent(self) -> Intent:
        """Read all parts; what is wrong with them is in `findings` afterwards."""
        for part in self._parts:
            self._read_zones(part)
            self._read_pools(part)
        for part in self._parts:
            self._read_names(part)
        for part in self._parts:
            self._read_records(part)
        for spot, owner, rtype in self._beside_cname():
            self._fault(spot, f"{owner} has a CNAME, beside which nothing can stand, and this is {type_name(rtype)}")
        for origin, zone in self._zones.items():
            for spot, text in self._below_cuts(origin, zone):
                self._fault(spot, text)
        zones = {
            origin: ZoneIntent(
                origin=origin,
                publishers=tuple(zone.keys.publishers),
                names=tuple(zone.names.values()),
                records=tuple(zone.records.values()),
                delegated=zone.delegated,
            )
            for origin, zone in self._zones.items()
        }
        return Intent(zones=zones, pools=self._pools)

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, beside what is wrong with single parts by themselves."""
        told = {part.file: self._faults[part.file][:FAULTS_MAX] for part in self._parts}
        wanted: dict[str, set[Where]] = {part.file: {fault.where for fault in told[part.file]} for part in self._parts}
        for other in [fault.other for faults in told.values() for fault in faults if fault.other is not None]:
            wanted[other[0].file].add(other[1])
        lines = {part.file: part.lines(wanted[part.file]) if wanted[part.file] else {} for part in self._parts}
        for file, faults in told.items():
            for fault in faults:
                text = fault.text
                if fault.other is not None:
                    there, line = fault.other[0].file, lines[fault.other[0].file][fault.other[1]]
                    text += f", in line {line}" if there == file else f", in {there}:{line}"
                yield Finding(file=file, line=lines[file][fault.where], text=text)
            if len(self._faults[file]) > len(faults):
                yield Finding(file=file, text=f"and {len(self._faults[file]) - len(faults)} more")

    def _fault(self, spot: _Spot, text: str, other: _Spot | None = None) -> None:
        part, where = spot
        self._faults[part.file].append(_Fault(where=where, text=text, other=other))

    def _is_first(self, what: object, spot: _Spot, shown: str) -> bool:
        first = self._first.setdefault(what, spot)
        if first is not spot:
            self._fault(spot, f"{shown} is there already", first)
        return first is spot

    def _name(self, spot: _Spot, text: str) -> Name | None:
        try:
            return parse_name(text)
        except BadName as error:
            self._fault(spot, str(error))
            return None

    def _zone_of(self, spot: _Spot, name: Name) -> tuple[Name, _Zone] | None:
        above = parent(name)
        origin = name if name in self._zones_said else self._origins.get(above)
        if origin is None:
            origin = next((each for each in ancestors(above) if each in self._zones_said), None)
            if origin is not None:
                self._origins[above] = origin
        if origin is None:
            known = ", ".join(sorted(self._zones_said)[:3]) or "none"
            self._fault(spot, f"{name} is in none of the zones, which are {known} - add its zone, or take it out")
        elif name == fence_name(origin):
            self._fault(spot, f"{name} is where the fence of the zone stands - take it out")
        elif origin in self._zones:
            return origin, self._zones[origin]
        return None

    # Zones and pools ------------------------------------------------------------------------------------------------

    def _read_zones(self, part: Part) -> None:
        for key, keys in part.held.content.zones.items():
            here = ("zones", key)
            origin = self._name((part, here), key)
            if origin is None or not self._is_first(("zone", origin), (part, here), f"the zone {origin}"):
                continue
            for at, publisher in enumerate(keys.publishers):
                spot = part, (*here, "publishers", at)
                if publisher not in self._publishers:
                    hint = meant(publisher, self._publishers) or " - add it with [[control.publisher]]"
                    self._fault(spot, f'publishers: there is no "{publisher}"{hint}')
                elif publisher in keys.publishers[:at]:
                    self._fault(spot, f'publishers: "{publisher}" is there already')
                elif (served := self._publishers[publisher].zones) is not None and origin not in served:
                    hint = "name a file with its SOA and NS in zones of [authority]"
                    self._fault(spot, f'publishers: "{publisher}" has no zone {origin} - {hint}')
            for at, name in enumerate(keys.delegated):
                if name == origin or not is_below(name, origin):
                    self._fault((part, (*here, "delegated", at)), f"delegated: {name} is not below {origin}")
            self._zones[origin] = _Zone(keys, frozenset(keys.delegated))

    def _read_pools(self, part: Part) -> None:
        for name, keys in part.held.content.pools.items():
            here = ("pools", name)
            if self._is_first(("pool", name), (part, here), f'the pool "{name}"'):
                faults: list[tuple[Where, str]] = []
                self._pools[name] = pool_of(name, keys, here, part.base, faults)
                is_whole = not any(where[:2] == here for where, _ in part.held.faults)
                for where, text in faults:
                    if is_whole or where != here:  # an endpoint that was left out may be what it lacks
                        self._fault((part, where), text)

    # Names ----------------------------------------------------------------------------------------------------------

    def _read_names(self, part: Part) -> None:
        for key, keys in part.held.content.names.items():
            here = ("names", key)
            name = self._name((part, here), key)
            if name is None or not self._is_first(("name", name), (part, here), f"the name {name}"):
                continue
            for where, text in self._policy_faults(keys):
                self._fault((part, (*here, *where)), text)
            pools = [self._pools[pool] for pool in keys.pools if pool in self._pools]
            if len(pools) == len(keys.pools) and self._is_whole:
                for where, text in _promise_faults(keys, pools):
                    self._fault((part, (*here, *where)), text)
            found = self._zone_of((part, here), name)
            if found is None:
                continue
            origin, zone = found
            if any(not is_address(each.address) for pool in pools for each in pool.endpoints):
                self._cnames.add(name)
                if name == origin:
                    what = f"{name} is the apex of its zone, where no CNAME can stand (RFC 1912 section 2.4)"
                    self._fault((part, (*here, "pools")), f"pools: {what} - use pools of addresses")
            zone.names[name] = ManagedName(
                name=name,
                ttl_s=keys.ttl_s,
                policy=Policy(
                    kind=keys.policy,
                    pools=tuple((pool, keys.weights.get(pool, 1)) for pool in keys.pools),
                    answers_max=keys.answers_max,
                ),
                promise=Promise(endpoints_min=keys.promise.endpoints_min, capacity_min=keys.promise.capacity_min),
                service=keys.service,
                replica=keys.replica,
            )

    def _policy_faults(self, keys: NameKeys) -> Iterator[tuple[Where, str]]:
        for at, pool in enumerate(keys.pools):
            if pool not in self._pools_said:
                yield ("pools", at), f'pools: there is no pool "{pool}"{meant(pool, self._pools_said)}'
            if pool in keys.pools[:at]:
                yield ("pools", at), f'pools: "{pool}" is there already'
        if keys.weights and keys.policy is not PolicyKind.WEIGHTED:
            yield ("weights",), f'weights count for the policy "weighted" only, and this is "{keys.policy}"'
        for pool in keys.weights:
            if pool not in keys.pools:
                yield ("weights", pool), f'weights: "{pool}" is none of the pools of this name'
        if "answers_max" in keys.model_fields_set and keys.policy is not PolicyKind.WEIGHTED:
            yield ("answers_max",), f'answers_max counts for the policy "weighted" only, and this is "{keys.policy}"'

    # Records --------------------------------------------------------------------------------------------------------

    def _read_records(self, part: Part) -> None:
        for at, keys in enumerate(part.held.content.records):
            spot = part, ("records", at)
            owner, rtype, rrset = self.record(spot, keys)
            found = None if owner is None else self._zone_of(spot, owner)
            if owner is None or rtype is None or found is None:
                continue
            origin, zone = found
            key = owner, rtype
            first = self._first.setdefault(key, spot)
            if first is not spot:
                self._fault(spot, f"{keys.type.upper()} of {owner} is there already", first)
            if first is not spot or rrset is None:
                continue
            if owner == origin and rtype in (RRType.SOA, RRType.NS, RRType.CNAME):
                what = (
                    "no CNAME can stand at the apex" if rtype == RRType.CNAME else "this belongs to whoever serves it"
                )
                self._fault(spot, f"{keys.type.upper()} of the zone {origin} itself: {what} - take it out")
            if owner in zone.names and (rtype in ADDRESSES or rtype == RRType.CNAME):
                self._fault(
                    spot, f"{keys.type.upper()} of {owner} is planned from its pools", self._first[("name", owner)]
                )
            elif rtype == RRType.CNAME:
                self._cnames.add(owner)
            zone.records[key] = rrset

    def record(self, spot: _Spot, keys: RecordKeys) -> tuple[Name | None, int | None, RRset | None]:
        """Return owner, type and RRset of one of `records`, as far as nothing is wrong with them."""
        owner, rtype = self._name(spot, keys.name), self._type(spot, keys.type)
        rrset = None if owner is None or rtype is None else self._rrset(spot, owner, rtype, keys)
        return owner, rtype, rrset

    def _type(self, spot: _Spot, text: str) -> int | None:
        if text not in self._types:
            self._types[text] = type_from_name(text)
        rtype = self._types[text]
        if rtype is None:
            self._fault(spot, f'type: "{text}" is no record type')
        elif rtype in ASKED or rtype in SIGNERS:
            why = "is made by whoever signs the zone" if rtype in SIGNERS else "never stands in a zone"
            self._fault(spot, f"type: {text.upper()} {why} - take it out")
            return None
        return rtype

    def _rrset(self, spot: _Spot, owner: Name, rtype: int, keys: RecordKeys) -> RRset | None:
        part, where = spot
        try:
            rdatas = rdatas_from_text(rtype, keys.data)
        except RdataError as error:
            bad = keys.data.index(error.text)
            self._fault((part, (*where, "data", bad)), f"data: {error}")
            return None
        if len(rdatas) < len(keys.data):
            self._fault(spot, f"data: one of them is there twice, of {keys.type.upper()} of {owner}")
        if len(rdatas) > 1 and rtype in SINGLE:
            self._fault(spot, f"data: {owner} can have one {keys.type.upper()} only (RFC 2181 section 10.1)")
        return RRset(owner=owner, rtype=rtype, ttl_s=keys.ttl_s, rdatas=rdatas)

    def _beside_cname(self) -> Iterator[tuple[_Spot, Name, int]]:
        for zone in self._zones.values() if self._cnames else ():
            for owner, rtype in zone.records:
                if owner in self._cnames and rtype != RRType.CNAME:
                    yield self._first[owner, rtype], owner, rtype

    def _below_cuts(self, origin: Name, zone: _Zone) -> Iterator[tuple[_Spot, str]]:
        begins = {owner for owner, rtype in zone.records if rtype == RRType.NS and owner != origin}
        cuts = Cuts(origin, (begins | zone.delegated).__contains__)
        if not begins and not zone.delegated:
            return
        servers = servers_in(zone.records.values())
        for name in zone.names:
            cut = cuts.above(name)
            if cut is not None and name not in servers:
                yield self._first["name", name], f"{name} is below {cut}, where another zone begins - plan it there"
        for owner, rtype in zone.records:
            cut = cuts.above(owner)
            if cut is None:
                cut = owner if owner in begins and rtype not in AT_CUT else None
            elif owner in servers and rtype in GLUE:
                cut = None
            if cut is not None:
                text = f"{type_name(rtype)} of {owner} belongs to {cut}, where another zone begins - plan it there"
                yield self._first[owner, rtype], text


def _promise_faults(keys: NameKeys, pools: list[Pool]) -> Iterator[tuple[Where, str]]:
    """What its pools can never hold, however well they are; what sources list is not known here."""
    hosts = [pool.name for pool in pools if any(not is_address(each.address) for each in pool.endpoints)]
    if hosts and len(pools) > 1 and keys.policy is not PolicyKind.FAILOVER:
        what = f'"{hosts[0]}" is a host name, which becomes a CNAME and stands alone'
        yield ("pools",), f'pools: {what} - take policy "failover", where one pool serves at a time'
    known = {pool.name: pool.endpoints for pool in pools if pool.source is None}
    if keys.policy is PolicyKind.FAILOVER:
        together = [(f'the pool "{name}"', endpoints) for name, endpoints in known.items()]
    else:
        everything = [each for endpoints in known.values() for each in endpoints]
        if keys.policy is PolicyKind.WEIGHTED:
            everything = sorted(everything, key=lambda each: -each.capacity)[: keys.answers_max]
            if keys.promise.endpoints_min > keys.answers_max:
                what = f"endpoints_min ({keys.promise.endpoints_min}) is more than answers_max ({keys.answers_max})"
                yield ("promise", "endpoints_min"), what
        together = [("all pools together", tuple(everything))] if len(known) == len(pools) else []
    for what, endpoints in together:
        yield from _never_held(keys, what, endpoints)


def _never_held(keys: NameKeys, what: str, endpoints: tuple[Endpoint, ...]) -> Iterator[tuple[Where, str]]:
    capacity = sum(endpoint.capacity for endpoint in endpoints)
    if keys.promise.endpoints_min > len(endpoints):
        has = f"{what} never holds more than {len(endpoints)}"
        yield ("promise", "endpoints_min"), f"endpoints_min: {keys.promise.endpoints_min} are promised, and {has}"
    if keys.promise.capacity_min > capacity:
        has = f"{what} never has more than {capacity}"
        yield ("promise", "capacity_min"), f"capacity_min: {keys.promise.capacity_min} is promised, and {has}"


def _name_or_none(text: str) -> Name | None:
    try:
        return parse_name(text)
    except BadName:
        return None
