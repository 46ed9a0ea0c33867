"""Rules on what comes: addresses that are ours, times to live, aliases that stand alone, and copies that are proven."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Final

from standfast.control.finding import Finding, Severity
from standfast.control.members import ADDRESS_OCTETS, ENDPOINT_TYPES, Target
from standfast.control.rules.losses import enters
from standfast.control.rules.subject import Subject, shown
from standfast.dns.model import RRType, type_name
from standfast.evidence.aim import may_probe

ADDRESSES_MAX: Final = 65_536  # addresses whose judgement is kept

_Fault = tuple[Severity, str]
_Ranges = Mapping[int, Sequence[tuple[int, int]]]

_NO_ADDRESS: Final[_Fault] = (Severity.REFUSE, "is no address of its type")
_DOCUMENTATION: Final = tuple(
    ip_network(text)
    for text in (
        "192.0.2.0/24",  # RFC 5737
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8::/32",  # RFC 3849
        "3fff::/20",  # RFC 9637
    )
)


def unknown_address(subject: Subject) -> Iterator[Finding]:
    """What comes is an endpoint of the name's pools, and lies where addresses of ours may lie."""
    fault = (
        partial(_outside, ranges=_ranges(networks)) if (networks := subject.facts.inputs.bounds.networks) else _fault
    )
    for group in subject.groups:
        gained = group.gained
        if not gained:
            continue
        if group.shape is not None:
            strangers = gained - subject.pools.together(group.pools).keys()
            if strangers:
                text = f"would get {shown(strangers)}, which none of its pools has"
                advice = "put the endpoint into one of the name's pools, or mend the plan"
                yield from group.findings("unknown-address", text, advice)
        faults: dict[Target, _Fault] = {}
        for rtype, rdata in gained:
            octets = ADDRESS_OCTETS.get(rtype)
            found = None if octets is None else fault(rdata) if len(rdata) == octets else _NO_ADDRESS
            if found is not None:
                faults[rtype, rdata] = found
        for target, names in group.names_with(faults, subject.after).items():
            severity, why = faults[target]
            text = f"would get {shown([target])}, which {why}"
            advice = "take it out of the pool, or put its network into [control.rules] networks"
            yield from group.findings("unknown-address", text, advice, severity, names=names)


def ttl_bounds(subject: Subject) -> Iterator[Finding]:
    """A time to live is neither so short that it is a load, nor so long that a mistake outlives its repair."""
    bounds = subject.facts.inputs.bounds
    for kind in subject.kinds:
        for rtype, ttl_s in kind.after:
            if (rtype, ttl_s) in kind.before:
                continue
            planned = kind.is_managed and rtype in ENDPOINT_TYPES
            least = bounds.managed_ttl_s_min if planned else 0
            most = bounds.managed_ttl_s_max if planned else bounds.ttl_s_max
            if not least <= ttl_s <= most:
                text = f"{type_name(rtype)} would have a TTL of {ttl_s} s, outside {least} to {most} s"
                advice = "change its ttl_s, or the bounds in [control.rules]"
                for group in kind.groups:
                    yield from group.findings("ttl-bounds", text, advice)


def cname_alone(subject: Subject) -> Iterator[Finding]:
    """An alias is the only record of its name, and never stands at the zone's apex."""
    origin = subject.facts.zone.intent.origin
    kinds = (kind for kind in subject.kinds if any(rtype == RRType.CNAME for rtype, _ in kind.after))
    for group in chain.from_iterable(kind.groups for kind in kinds):
        aliases = sum(len(rdatas) for rtype, _, rdatas in group.after if rtype == RRType.CNAME)
        others = sorted(type_name(rtype) for rtype, _, _ in group.after if rtype != RRType.CNAME)
        beside = [*([f"{aliases} aliases"] if aliases > 1 else []), *others]
        advice = "give the pool addresses, or take the other records of the name away"
        if beside:
            text = f"would have an alias beside others: {', '.join(beside)} (RFC 2181 section 10.1)"
            yield from group.findings("cname-alone", text, advice)
        elif origin in group.names:
            text = "would have an alias at the apex, beside SOA and NS (RFC 1912 section 2.4)"
            yield Finding(rule="cname-alone", severity=Severity.REFUSE, name=origin, text=text, advice=advice)


def replica_unproven(subject: Subject) -> Iterator[Finding]:
    """A name whose data are copied moves to another pool only while the copy is proven."""
    proofs, now_s = subject.facts.inputs.proofs, subject.facts.inputs.now_s
    for group in subject.managed:
        assert group.shape is not None
        replica = group.shape.replica
        if replica is None or not enters(group, subject):
            continue
        proof = proofs.get(replica)
        if proof is None or proof.until_s <= now_s:
            missing = "was never proven" if proof is None else f"is proven no more since {now_s - proof.until_s:.0f} s"
            text = f"would move to {shown(group.gained)}, while its replica {replica} {missing}"
            advice = "prove the replica, or override the rule for this name where losing writes is the lesser evil"
            yield from group.findings("replica-unproven", text, advice)


def _ranges(networks: Iterable[str]) -> _Ranges:
    """Return the networks as numbers, the first and the mask of each, by the octets of an address."""
    found: dict[int, list[tuple[int, int]]] = {}
    for network in map(ip_network, networks):
        octets = len(network.network_address.packed)
        found.setdefault(octets, []).append((int(network.network_address), int(network.netmask)))
    return found


def _outside(packed: bytes, ranges: _Ranges) -> _Fault | None:
    """Return what speaks against an address that may lie in some networks alone; `in` of the library takes tenfold."""
    number = int.from_bytes(packed, "big")
    for first, mask in ranges.get(len(packed), ()):
        if number & mask == first:
            return None
    return Severity.REFUSE, "lies in none of the networks in [control.rules]"


@lru_cache(maxsize=ADDRESSES_MAX)
def _fault(packed: bytes) -> _Fault | None:
    """Return what speaks against publishing an address wherever the Internet routes it; None: nothing does."""
    address = ip_address(packed)
    if address.is_loopback:
        return Severity.REFUSE, "leads every client to itself (RFC 1122 section 3.2.1.3)"
    if not may_probe(str(address)):
        return Severity.REFUSE, "is of special use: no client reaches a service there"
    if any(address in network for network in _DOCUMENTATION if network.version == address.version):
        return Severity.WARN, "is for documentation alone (RFC 5737, RFC 3849, RFC 9637)"
    return None
