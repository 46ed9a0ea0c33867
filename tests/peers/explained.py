"""Why other servers may answer otherwise than ours: each explanation by its name, as docs/authority.md has it.

An explanation takes what both said and gives it back without what it explains. What is left must be the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from peers.said import Records, Said
from standfast.authority.denial import nsec3_hash
from standfast.authority.finding import Wild, Zones, closest, find
from standfast.authority.zone import Zone
from standfast.dns.model import Name, Question, Rcode, RRType
from standfast.dns.name import ancestors, is_below, name_from_wire

PROOFS: Final = frozenset({RRType.NSEC, RRType.NSEC3, RRType.RRSIG})
LINKS_MAX: Final = 8  # of a chain by CNAME in any of these zones that has an end; only those by DNAME have none
BINDINGS: Final = frozenset({RRType.SVCB, RRType.HTTPS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and the zones that it was asked about; `denial` is how they were signed."""

    question: Question
    zones: Zones
    denial: str | None


Explanation = Callable[[Asked, Said, Said], tuple[Said, Said]]


def explain(asked: Asked, we: Said, they: Said, explanations: Mapping[str, Explanation]) -> tuple[set[str], Said, Said]:
    """Return which explanations changed anything, and what is left of both."""
    used = set()
    for name, forgive in explanations.items():
        if we == they:
            break
        left = forgive(asked, we, they)
        if left != (we, they):
            used.add(name)
            we, they = left
    return used, we, they


def across_zones(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """It answers out of one zone: where a chain leads into another of its own, it stops, or refers to that."""
    chain = [(owner, name_from_wire(data)) for owner, rtype, _, data in we.answer if rtype == RRType.CNAME]
    crosses = any(
        (there := closest(asked.zones, target, RRType.A)) is not None
        and closest(asked.zones, owner, RRType.A) is not there
        for owner, target in chain
    )
    return (they, they) if crosses and they.answer <= we.answer else (we, they)


def wildcards_address(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """It adds the addresses that a wildcard has for a name server; with signatures, without the proof that it may."""
    made = frozenset(
        (owner, rtype, ttl_s, data)
        for owner, rtype, ttl_s, data in they.additional - we.additional
        if (zone := closest(asked.zones, owner, RRType.A)) is not None and owner not in zone.nodes
    )
    return we, replace(they, additional=they.additional - made)


def starred_target(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Where a CNAME leads to a name that begins with an asterisk and is not there, it does not prove that it is not."""
    _, last = _end(asked, we)
    starred = last.startswith("*.") and last != asked.question.qname
    return (_without_proofs(we, we.authority - they.authority), they) if starred else (we, they)


def dname_at_a_wildcard(_asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """It makes DNAMEs out of that of a wildcard, where RFC 4592 section 4.4 leaves open what to do."""
    found = any(rtype == RRType.DNAME and owner.startswith("*.") for owner, rtype, _, _ in we.answer)
    return (they, they) if found else (we, they)


def loop_is_a_failure(_asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """It gives no part of a chain that leads back to itself, or of one that has no end."""
    targets = {owner: name_from_wire(data) for owner, rtype, _, data in we.answer if rtype == RRType.CNAME}
    loops = targets and all(target in targets for target in targets.values())
    return (they, they) if (loops or _is_endless(we)) and they.rcode == Rcode.SERVFAIL else (we, they)


def endless(_asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Of a chain that has no end it gives fewer links, or more."""
    found = (_is_endless(we) or _is_endless(they)) and they.rcode == we.rcode
    return (they, they) if found and (they.answer <= we.answer or we.answer <= they.answer) else (we, they)


def no_proof_of_an_empty_wildcard(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Where the wildcard is there for the sake of names below it alone, it does not prove that it has no records."""
    zone, last = _end(asked, we)
    if zone is None or asked.denial != "NSEC":
        return we, they
    found = find(zone, last, asked.question.qtype)
    empty = isinstance(found, Wild) and not found.node
    return (_without_proofs(we, we.authority - they.authority), they) if empty else (we, they)


def opted_out(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """At and below an empty non-terminal that has no record, since all below it opted out, nothing can be proven."""
    zone, last = _end(asked, we)
    if zone is None or asked.denial != "opt-out":
        return we, they
    found = find(zone, last, asked.question.qtype)
    names = [*ancestors(last), *([found.owner] if isinstance(found, Wild) else [])]
    unproven = any(_is_unproven(zone, name) for name in names)
    return (they, they) if unproven and they.answer <= we.answer and we.rcode == they.rcode else (we, they)


def no_proof_of_the_encloser(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Where a wildcard answers that it lacks the type, it does not prove that the closest encloser is there."""
    zone, last = _end(asked, we)
    found = find(zone, last, asked.question.qtype) if zone else None
    no_data = isinstance(found, Wild) and asked.question.qtype not in found.node
    return (_without_proofs(we, we.authority - they.authority), they) if no_data else (we, they)


def nsec_asked_for(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """What it does is its own: it may follow no CNAME, speak for a delegation, or know nothing of a wildcard's."""
    return (they, they) if asked.question.qtype == RRType.NSEC else (we, they)


def addresses_of_services(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """To SVCB and HTTPS it adds less, or a proof that the target has no addresses."""
    if asked.question.qtype not in BINDINGS:
        return we, they
    return replace(we, additional=frozenset()), replace(they, additional=frozenset())


def services_misread(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """It takes the names in SVCB and HTTPS of a zone file as they stand there, without the origin."""
    same = {each[:3] for each in we.answer} == {each[:3] for each in they.answer}
    return (they, they) if asked.question.qtype in BINDINGS and same else (we, they)


def less_along(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Where it is to send minimal responses, it leaves out of them what is no glue."""
    cuts = {owner for owner, rtype, _, _ in we.authority if rtype == RRType.NS}
    less = frozenset(
        each for each in we.additional - they.additional if not any(is_below(each[0], cut) for cut in cuts)
    )
    return replace(we, additional=we.additional - less), they


def name_servers_along(_asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Beside a positive answer it sends the zone's name servers, and what belongs to them."""
    servers = frozenset(each for each in they.authority if each[1] == RRType.NS or _covers(each, RRType.NS))
    if not we.answer or not servers or any(each[1] in (RRType.SOA, RRType.NS) for each in we.authority):
        return we, they
    more = they.additional - we.additional
    return we, replace(they, authority=they.authority - servers, additional=they.additional - more)


def no_proof_behind_a_dname(_asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Behind a DNAME that leads into another zone it proves something else than that the new name is not there."""
    if RRType.DNAME not in {rtype for _, rtype, _, _ in we.answer}:
        return we, they
    return _without_proofs(we, we.authority - they.authority), _without_proofs(they, they.authority - we.authority)


def wildcard_itself(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Where a chain ends at the name of a wildcard, which was matched as it is, it proves that there is none for it."""
    _, last = _end(asked, we)
    more = they.authority - we.authority
    return (we, _without_proofs(they, more)) if last.startswith("*.") and asked.denial else (we, they)


def soa_along(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """To a CNAME of a wildcard that was asked for it adds the zone's SOA, or a proof about where it leads to."""
    if asked.question.qtype != RRType.CNAME or not we.answer:
        return we, they
    return we, replace(they, authority=they.authority & we.authority, additional=they.additional & we.additional)


def cname_behind_a_dname(asked: Asked, we: Said, they: Said) -> tuple[Said, Said]:
    """Asked for the CNAME that it makes of a DNAME, it follows that."""
    made = asked.question.qtype == RRType.CNAME and RRType.DNAME in {rtype for _, rtype, _, _ in we.answer}
    return (they, they) if made and (we.answer <= they.answer or they.rcode == Rcode.SERVFAIL) else (we, they)


def _is_endless(said: Said) -> bool:
    return sum(rtype == RRType.CNAME for _, rtype, _, _ in said.answer) > LINKS_MAX


def _end(asked: Asked, said: Said) -> tuple[Zone | None, Name]:
    """Return the name that the chain in `said` ends at, and its zone."""
    targets = {owner: data for owner, rtype, _, data in said.answer if rtype == RRType.CNAME}
    last, seen = asked.question.qname, set[Name]()
    while last in targets and last not in seen and asked.question.qtype != RRType.CNAME:
        seen.add(last)
        last = name_from_wire(targets[last])
    return closest(asked.zones, last, asked.question.qtype), last


def _is_unproven(zone: Zone, name: Name) -> bool:
    parameters = zone.nodes[zone.origin].get(RRType.NSEC3PARAM)
    if parameters is None or zone.nodes.get(name) != {}:
        return False
    (rdata,) = parameters.rdatas
    label = nsec3_hash(name, rdata[5:], int.from_bytes(rdata[2:4], "big")).decode().lower()
    return f"{label}.{zone.origin}" not in zone.nsec3


def _without_proofs(said: Said, records: Records) -> Said:
    proofs = frozenset(each for each in records if each[1] in PROOFS)
    return replace(said, authority=said.authority - proofs)


def _covers(record: tuple[Name, int, int, bytes], rtype: int) -> bool:
    return record[1] == RRType.RRSIG and int.from_bytes(record[3][:2], "big") == rtype


ONE_ZONE: Final = {"across zones": across_zones}

# What explains each server's differences. The names are those of the lines in docs/authority.md.
KNOT: Final[Mapping[str, Explanation]] = {
    "DNAME at a wildcard": dname_at_a_wildcard,
    **ONE_ZONE,
    "NSEC asked for": nsec_asked_for,
    "empty wildcard": no_proof_of_an_empty_wildcard,
    "asterisk": starred_target,
    "endless": endless,
    "wildcard's address": wildcards_address,
    "opted out": opted_out,
    "services": addresses_of_services,
}
NSD: Final[Mapping[str, Explanation]] = {
    "name servers": name_servers_along,
    "behind a DNAME": no_proof_behind_a_dname,
    "wildcard itself": wildcard_itself,
    "wildcard without the type": no_proof_of_the_encloser,
    "wildcard's address": wildcards_address,
    "endless": endless,
    "opted out": opted_out,
    "services": addresses_of_services,
}
BIND: Final[Mapping[str, Explanation]] = {
    **ONE_ZONE,
    "NSEC asked for": nsec_asked_for,
    "loop": loop_is_a_failure,
    "empty wildcard": no_proof_of_an_empty_wildcard,
    "less along": less_along,
    "opted out": opted_out,
    "services": addresses_of_services,
}
POWERDNS: Final[Mapping[str, Explanation]] = {
    "CNAME behind a DNAME": cname_behind_a_dname,
    "NSEC asked for": nsec_asked_for,
    "SOA along": soa_along,
    "loop": loop_is_a_failure,
    "services": services_misread,
}
