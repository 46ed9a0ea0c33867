"""What must be so before a zone is served: a tuple of named checks, each over the whole draft.

All of them look, so that all faults are told at once. A fault forbids to serve; a warning does not. To change what is
demanded, change a line of `CHECKS`.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from itertools import islice
from typing import Final

from standfast.authority.defaults import LOSS_MAX
from standfast.authority.denial import wildcard_of
from standfast.authority.signed_checks import hashed_cheaply, signatures_last
from standfast.authority.zone import Draft, Node, Zone
from standfast.dns.masterfile import FAULTS_MAX, Fault
from standfast.dns.model import CNAME_CHAIN_MAX, Name, RRset, RRType, addresses_of, type_name
from standfast.dns.name import ancestors, is_below, name_from_wire, parent

# Where in the data of a type the name stands that is looked up next, in octets (RFC 1035, 2782, 9460, 6672).
TARGET_AT: Final[Mapping[int, int]] = {
    RRType.NS: 0,
    RRType.CNAME: 0,
    RRType.MX: 2,
    RRType.SRV: 6,
    RRType.SVCB: 2,
    RRType.HTTPS: 2,
}
ADDRESSES: Final = (RRType.A, RRType.AAAA)
BESIDE_CNAME: Final = frozenset({RRType.CNAME, RRType.NSEC})  # RFC 2181 section 10.1, RFC 4034 section 4
AT_CUT: Final = frozenset({RRType.NS, RRType.DS, RRType.NSEC, *ADDRESSES})  # RFC 4035 section 2.6
RECORD_OCTETS: Final = 12  # of a record beside its data: its owner as a pointer, type, class, TTL, length
RRSET_OCTETS_MAX: Final = 65_535 - 12 - 259 - 11  # beside header, question and OPT (RFC 1035 section 4.2.2)
_MANY: Final = frozenset({RRType.A, RRType.AAAA, RRType.TXT})  # types that no check asks for by themselves
SINGLE: Final = frozenset({RRType.SOA, RRType.CNAME, RRType.DNAME})
REFRESH_AT: Final = -16  # of an SOA's data (RFC 1035 section 3.3.13); retry and expire follow
ADDRESS_LABELS: Final = 4  # of an IPv4 address that was taken for a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the owner of `name` promised of it: at least so many addresses, 1 for never empty."""

    name: Name
    addresses_min: int = 1


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A draft, what was promised of it, what it is to take the place of, and what several checks ask for.

    Each check looks at the names `only`; None: at all of them. What it finds of a name may depend on others. `now` is
    the time in seconds, None where no signature is to be held against it; `loss_max` is which part of the names of
    `before` may go.
    """

    draft: Draft
    promises: Sequence[Promise] = ()
    before: Zone | None = None
    loss_max: float = LOSS_MAX
    now: float | None = None
    only: Collection[Name] | None = None

    @cached_property
    def cuts(self) -> frozenset[Name]:
        """Where other zones begin."""
        return self.draft.zone().cuts

    @cached_property
    def names(self) -> Collection[Name]:
        """Every name there is, empty non-terminals too."""
        return self.draft.zone().nodes

    def is_server(self, owner: Name) -> bool:
        """Say whether `owner` is a name server that the zone names; its addresses are glue wherever they stand."""
        referrers = self.draft.zone().leads.get(owner, ())
        return any(RRType.NS in self.draft.nodes[each] for each in referrers)

    def cut_above(self, owner: Name) -> Name | None:
        """Return the highest cut at or above `owner`, a name of the zone."""
        if not self.cuts or owner == self.draft.origin:
            return None
        above = parent(owner)
        if above not in self.cuts_above:
            self.cuts_above[above] = self.cut_above(above)
        return self.cuts_above[above] or (owner if owner in self.cuts else None)

    @cached_property
    def cuts_above(self) -> dict[Name, Name | None]:
        """What `cut_above` said of the names that others are directly below."""
        return {self.draft.origin: None}

    def nodes(self) -> Iterable[tuple[Name, Node]]:
        """Return the names to look at, with what stands there."""
        nodes = self.draft.nodes
        if self.only is None:
            return nodes.items()
        return [(owner, nodes[owner]) for owner in self.only if owner in nodes]

    @cached_property
    def _by_type(self) -> Mapping[int, Sequence[RRset]]:
        """The RRsets of the types that few names have, of the names to look at."""
        found: dict[int, list[RRset]] = {}
        for _, node in self.nodes():
            for rtype, rrset in node.items():
                if rtype not in _MANY:
                    found.setdefault(rtype, []).append(rrset)
        return found

    def has_addresses(self, owner: Name) -> bool:
        """Say whether any address stands at `owner` itself."""
        node = self.draft.nodes.get(owner, {})
        return any(rtype in node for rtype in ADDRESSES)

    def answering(self, owner: Name) -> Name:
        """Return `owner`, or the wildcard that speaks for it: where it is of this zone and not there."""
        if owner in self.names or not is_below(owner, self.draft.origin):
            return owner
        return wildcard_of(next(above for above in ancestors(owner) if above in self.names))

    def leads_nowhere(self, target: Name) -> bool:
        """Say whether `target` is a name of this very zone that is not there, not even by a wildcard or DNAME."""
        if not is_below(target, self.draft.origin) or self.cut_above(target) is not None or target in self.names:
            return False
        for above in ancestors(target):
            if above in self.names:
                return wildcard_of(above) not in self.names
            if RRType.DNAME in self.draft.nodes.get(parent(above), {}):
                return False
        return True

    def wrong_as_target(self, target: Name, rtype: int) -> str | None:
        """Say what is wrong with `target` as that of a record of type `rtype`; None where nothing is, or can be seen.

        MX and SRV must lead to addresses, and not by a CNAME (RFC 2181 section 10.3, RFC 2782).
        """
        if self.leads_nowhere(target):
            return "is not there"
        if rtype not in (RRType.MX, RRType.SRV) or target not in self.names or self.cut_above(target) is not None:
            return None
        if RRType.CNAME in self.draft.nodes.get(target, {}):
            return "has a CNAME"
        return None if self.has_addresses(target) else "has no address"

    def of_types(self, rtypes: Iterable[int]) -> Iterator[RRset]:
        """Yield the RRsets of these types, none of which is an address or a text, at the names to look at."""
        for rtype in rtypes:
            yield from self._by_type.get(rtype, ())

    def rrsets(self, rtypes: Iterable[int]) -> Iterator[RRset]:
        """Yield those of them that this zone answers for."""
        for rrset in self.of_types(rtypes):
            if rrset.rtype == RRType.NS or self.cut_above(rrset.owner) is None:
                yield rrset


@dataclass(frozen=True, slots=True)
class Check:
    """One demand: its name, whether breaking it forbids to serve the zone, and who looks for what breaks it."""

    id: str
    forbids: bool
    look: Callable[[Subject], Iterator[Fault]]


def judge(
    draft: Draft,
    promises: Sequence[Promise] = (),
    *,
    before: Zone | None = None,
    loss_max: float = LOSS_MAX,
    now: float | None = None,
) -> tuple[list[Fault], list[Fault]]:
    """Return the faults and the warnings of a draft, those of its single records first; the rest as in `Subject`.

    No more of either than FAULTS_MAX, and one that says so.
    """
    subject = Subject(draft=draft, promises=promises, before=before, loss_max=loss_max, now=now)
    faults, warnings = list(draft.faults), list(draft.warnings)
    for check in CHECKS:
        (faults if check.forbids else warnings).extend(islice(check.look(subject), FAULTS_MAX + 1))
    return bounded(faults, draft.file), bounded(warnings, draft.file)


def bounded(faults: list[Fault], file: str) -> list[Fault]:
    """Return the first FAULTS_MAX of `faults`, and one that says that there are more, if there are."""
    if len(faults) <= FAULTS_MAX:
        return faults
    return [*faults[:FAULTS_MAX], Fault(file=file, line=0, text=f"there is more; the first {FAULTS_MAX} are told")]


def _soa(subject: Subject) -> Iterator[Fault]:
    draft = subject.draft
    if RRType.SOA not in draft.nodes.get(draft.origin, {}):
        yield draft.at(draft.origin, RRType.SOA, f"{draft.origin} has no SOA")
    for rrset in subject.of_types([RRType.SOA]):
        if rrset.owner != draft.origin:
            yield draft.at(rrset.owner, RRType.SOA, f"an SOA at {rrset.owner}; the zone begins at {draft.origin}")


def _ns(subject: Subject) -> Iterator[Fault]:
    draft = subject.draft
    if RRType.NS not in draft.nodes.get(draft.origin, {}):
        yield draft.at(draft.origin, RRType.SOA, f"{draft.origin} has no NS")


def _single(subject: Subject) -> Iterator[Fault]:
    for rrset in subject.of_types(SINGLE):
        if (count := len(rrset.rdatas)) > 1:
            text = f"{rrset.owner} has {count} {type_name(rrset.rtype)} records; there can be one"
            yield subject.draft.at(rrset.owner, rrset.rtype, text)


def _cname_alone(subject: Subject) -> Iterator[Fault]:
    for owner in (rrset.owner for rrset in subject.of_types([RRType.CNAME])):
        if others := sorted(subject.draft.nodes[owner].keys() - BESIDE_CNAME):
            text = f"{owner} has a CNAME, and {', '.join(map(type_name, others))} beside it"
            yield subject.draft.at(owner, RRType.CNAME, text)


def _size(subject: Subject) -> Iterator[Fault]:
    for owner, node in subject.nodes():
        for rtype, rrset in node.items():
            if len(rrset.rdatas) == 1 and len(rrset.rdatas[0]) <= RRSET_OCTETS_MAX - RECORD_OCTETS:
                continue
            octets = sum(RECORD_OCTETS + len(rdata) for rdata in rrset.rdatas)
            if octets > RRSET_OCTETS_MAX:
                text = f"{owner} {type_name(rtype)} has {octets} octets; no message holds more than {RRSET_OCTETS_MAX}"
                yield subject.draft.at(owner, rtype, text)


def _below_cut(subject: Subject) -> Iterator[Fault]:
    if not subject.cuts:
        return
    above = subject.cuts_above
    for owner, node in subject.nodes():
        if owner not in subject.cuts and above.get(parent(owner), owner) is None:
            continue  # nearly all, without a walk up
        cut = subject.cut_above(owner)
        if cut is None:
            continue
        allowed = AT_CUT if owner == cut else frozenset(ADDRESSES) if subject.is_server(owner) else frozenset[int]()
        for rtype in sorted(node.keys() - allowed):
            text = f"{owner} {type_name(rtype)} belongs to the zone {cut}, which is delegated"
            yield subject.draft.at(owner, rtype, text)


def _below_dname(subject: Subject) -> Iterator[Fault]:
    if not subject.draft.zone().dnames:
        return
    for owner, node in subject.nodes():
        if owner == subject.draft.origin or not node or RRType.NSEC3 in node:  # the hash of a name is none itself
            continue
        for above in ancestors(parent(owner)):
            if RRType.DNAME in subject.draft.nodes.get(above, {}):
                text = f"{owner} is below the DNAME of {above}, which hides it"
                yield subject.draft.at(owner, min(node), text)
                break
            if above == subject.draft.origin:
                break


def _ds(subject: Subject) -> Iterator[Fault]:
    for rrset in subject.of_types([RRType.DS]):
        if rrset.owner not in subject.cuts:
            text = f"a DS at {rrset.owner}, where no other zone begins"
            yield subject.draft.at(rrset.owner, RRType.DS, text)


def _wildcard_ns(subject: Subject) -> Iterator[Fault]:
    """What it means is not defined (RFC 4592 section 4.2): BIND refuses it, Knot delegates, NSD gives it as data."""
    for owner in (rrset.owner for rrset in subject.of_types([RRType.NS])):
        if owner.startswith("*."):
            text = f"a name server at the wildcard {owner}, which is a delegation to some servers and none to others"
            yield subject.draft.at(owner, RRType.NS, text)


def _wildcard_dname(subject: Subject) -> Iterator[Fault]:
    """RFC 4592 section 4.4, RFC 6672 section 3.3: what is cached of it and what is asked next may be at odds."""
    for owner in (rrset.owner for rrset in subject.of_types([RRType.DNAME])):
        if owner.startswith("*."):
            text = f"a DNAME at the wildcard {owner}, of which servers and caches make different things"
            yield subject.draft.at(owner, RRType.DNAME, text)


def _servers(subject: Subject) -> Iterator[Fault]:
    """Name servers inside of what they serve cannot be found without an address beside them (RFC 9471)."""
    draft = subject.draft
    for rrset in subject.rrsets((RRType.NS,)):
        for target in map(name_from_wire, rrset.rdatas):
            if not is_below(target, draft.origin) or subject.has_addresses(target):
                continue
            cut = subject.cut_above(target)
            if cut is None and subject.has_addresses(subject.answering(target)):
                continue
            if cut is None or is_below(target, rrset.owner):
                text = f"{rrset.owner} has the name server {target}, and that has no address here"
                yield draft.at(rrset.owner, RRType.NS, text)


def _targets(subject: Subject) -> Iterator[Fault]:
    """NS is looked at in `_servers`."""
    for rrset in subject.rrsets([rtype for rtype in TARGET_AT if rtype != RRType.NS]):
        for rdata in rrset.rdatas:
            target = name_from_wire(rdata[TARGET_AT[rrset.rtype] :])
            wrong = subject.wrong_as_target(target, rrset.rtype) if target != "." else None
            if wrong:
                text = f"{rrset.owner} {type_name(rrset.rtype)} leads to {target}, which {wrong}"
                yield subject.draft.at(rrset.owner, rrset.rtype, text)


def _addresses_as_names(subject: Subject) -> Iterator[Fault]:
    """`MX 10 192.0.2.1` asks for the addresses of a name of four numbers."""
    for rrset in subject.rrsets((RRType.NS, RRType.MX, RRType.SRV)):
        for rdata in rrset.rdatas:
            target = name_from_wire(rdata[TARGET_AT[rrset.rtype] :])
            text = ".".join(target.split(".")[:ADDRESS_LABELS])
            if target in (f"{text}.", f"{text}.{subject.draft.origin}") and _is_address(text):
                said = f"{rrset.owner} {type_name(rrset.rtype)} leads to {target}, a name that looks like an address"
                yield subject.draft.at(rrset.owner, rrset.rtype, said)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _soa_times(subject: Subject) -> Iterator[Fault]:
    """A secondary that fails to refresh once must have time to try again (RFC 1912 section 2.2)."""
    draft = subject.draft
    soa = draft.nodes.get(draft.origin, {}).get(RRType.SOA)
    if soa is None:
        return
    refresh_s, retry_s, expire_s = struct.unpack_from("!3I", soa.rdatas[0], len(soa.rdatas[0]) + REFRESH_AT)
    if expire_s <= refresh_s + retry_s:
        text = f"secondaries give the zone up after {expire_s} s, before they have tried twice to refresh it"
        yield draft.at(draft.origin, RRType.SOA, text)


def _loss(subject: Subject) -> Iterator[Fault]:
    """Half a file can be a whole zone, and so can the wrong file: names do not go by the dozen unasked."""
    draft, before = subject.draft, subject.before
    if before is None or before.origin != draft.origin:
        return
    if subject.loss_max == 1:
        return
    looked_at = before.nodes if subject.only is None else subject.only
    lost = [owner for owner in looked_at if before.nodes.get(owner) and not draft.nodes.get(owner)]
    if not lost:
        return
    had = sum(1 for node in before.nodes.values() if node) - 1  # but for the origin, which nothing can take away
    if len(lost) > subject.loss_max * had:
        text = (
            f"{len(lost)} of {had} names would go, {lost[0]} among them; at once no more than "
            f"{subject.loss_max:.0%} may. Is the file whole? Else raise loss_max, or let them go bit by bit"
        )
        yield draft.at(draft.origin, RRType.SOA, text)


def _loops(subject: Subject) -> Iterator[Fault]:
    nodes = subject.draft.nodes
    told: set[Name] = set()
    for first in subject.rrsets((RRType.CNAME,)):
        chain, at = [first.owner], first
        while (target := name_from_wire(at.rdatas[0])) not in chain and len(chain) <= CNAME_CHAIN_MAX:
            following = nodes.get(subject.answering(target), {}).get(RRType.CNAME)
            if following is None:
                break
            chain.append(target)
            at = following
        else:
            if not told.intersection(chain):
                what = "leads back to itself" if target in chain else f"has more than {CNAME_CHAIN_MAX} links"
                text = f"the CNAME chain {' -> '.join([*chain, target])} {what}"
                yield subject.draft.at(first.owner, RRType.CNAME, text)
            told.update(chain)


def _promises(subject: Subject) -> Iterator[Fault]:
    draft = subject.draft
    for promise in subject.promises:
        if not is_below(promise.name, draft.origin):
            continue
        rrsets = tuple(draft.nodes.get(_end_of_chain(draft, promise.name), {}).values())
        count = len(addresses_of(rrsets))
        if count < promise.addresses_min:
            promised = "never to be empty" if promise.addresses_min == 1 else f"{promise.addresses_min} addresses"
            text = f"{promise.name} was promised {promised}, and has {count or 'no'} address{'es'[: 2 * (count != 1)]}"
            yield draft.at(promise.name, RRType.A, text)


def _end_of_chain(draft: Draft, name: Name) -> Name:
    for _ in range(CNAME_CHAIN_MAX):
        alias = draft.nodes.get(name, {}).get(RRType.CNAME)
        if alias is None:
            break
        name = name_from_wire(alias.rdatas[0])
    return name


CHECKS: Final = (
    Check("soa", True, _soa),
    Check("ns", True, _ns),
    Check("single", True, _single),
    Check("cname-alone", True, _cname_alone),
    Check("size", True, _size),
    Check("below-cut", True, _below_cut),
    Check("below-dname", True, _below_dname),
    Check("ds", True, _ds),
    Check("wildcard-ns", True, _wildcard_ns),
    Check("servers", True, _servers),
    Check("loops", True, _loops),
    Check("promises", True, _promises),
    Check("loss", True, _loss),
    Check("targets", False, _targets),  # names come and go one after the other; a chain that ends is an answer
    Check("addresses-as-names", False, _addresses_as_names),
    Check("wildcard-dname", False, _wildcard_dname),
    Check("soa-times", False, _soa_times),
    Check("hashing", False, lambda subject: hashed_cheaply(subject.draft)),
    Check("signatures", False, lambda subject: signatures_last(subject.draft, subject.now)),
)
