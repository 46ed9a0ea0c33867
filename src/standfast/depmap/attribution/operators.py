"""Whose a name server is: a step that gives each the cause `dns:operator`, by operator and not by spelling.

Servers are of one operator if

- the table of `dns_operators` says so, or the SOA of a zone that they serve under a name of that zone;
- their names have one registrable domain;
- in one zone, their names have the same label before different public suffixes: ns1.trs-dns.com, ns1.trs-dns.net;
- they have an address in common.

A server with a name of a zone that it serves has a name that its customer gave it: that says nothing of others, and it
is of whoever has its address. Whatever the evidence, the table's operators never become one.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Final

from standfast.depmap.assembly import Step
from standfast.depmap.attribution.dns_operators import OPERATOR, known_operator
from standfast.depmap.domain_names import lies_in
from standfast.depmap.merging import DependencyMap
from standfast.depmap.naming import PublicSuffixes, zones_by_server
from standfast.depmap.statements import Reading, Shares, Told, Witness

NAME: Final = "operators"

# Labels before a public suffix that many have for themselves: nic.fr and nic.uk are two.
COMMON_LABELS: Final = frozenset({"nic", "dns", "ns", "registry"})


def operators(suffixes: PublicSuffixes) -> Step:
    """Return the step; registrable domains are told by `suffixes`."""
    return partial(_operators, suffixes)


def _operators(suffixes: PublicSuffixes, found: DependencyMap) -> Reading:
    nodes = found.graph.nodes
    served = dict(sorted(zones_by_server(found.graph).items()))
    said = {server: cause for server in served for cause in nodes[server].causes if cause.startswith(OPERATOR)}
    known = {server: operator for server in served if (operator := said.get(server) or known_operator(server))}
    domains = {server: suffixes.registrable(server) or server for server in served}
    addresses = {
        server: [part for need in nodes[server].needs if need.role == "address" for part in need.parts]
        for server in served
    }
    groups = _Groups(known)
    outside = {server: None for server, zones in served.items() if not any(lies_in(server, zone) for zone in zones)}
    groups.join((domains[server], server) for server in outside)
    groups.join(
        ((zone, label), server)
        for server in outside
        for zone in served[server]
        if (label := domains[server].partition(".")[0]) not in COMMON_LABELS
    )
    first = groups.join((address, server) for server in outside for address in addresses[server])
    own = []
    for server in sorted(served.keys() - outside.keys()):
        strangers = [first[address] for address in addresses[server] if address in first]
        if strangers:
            groups.unite(server, strangers[0])
        else:
            own.append(server)
    groups.join((domains[server], server) for server in own)
    groups.join((address, server) for server in own for address in addresses[server])
    weights = {server: len(served[server]) if server in outside else 0 for server in served}
    names = groups.names(domains, weights)
    by = Witness(reader=NAME, where=suffixes.edition)
    return Reading(told=tuple(Told(Shares(server, names[server]), by) for server in served if server not in said))


class _Groups:
    """Servers that are of one operator each (union-find); `known` are operators that never become one."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._leaders: dict[str, str] = {}
        self._known = dict(known)  # of leaders

    def join(self, servers: Iterable[tuple[Hashable, str]]) -> dict[Hashable, str]:
        """Make one group of all that come with one key; return the first one of each key."""
        first: dict[Hashable, str] = {}
        for key, server in servers:
            self.unite(server, first.setdefault(key, server))
        return first

    def unite(self, one: str, other: str) -> None:
        """Make one group of those of `one` and `other`, unless these are known to be two operators'."""
        one, other = self._leader(one), self._leader(other)
        known = {self._known[each] for each in (one, other) if each in self._known}
        if one != other and len(known) < 2:
            self._leaders[one] = other
            for operator in known:
                self._known[other] = operator

    def names(self, domains: Mapping[str, str], zones: Mapping[str, int]) -> dict[str, str]:
        """Return each server's operator: the known one, else the domain by which its group serves the most zones."""
        weights: dict[str, Counter[str]] = {}  # of domains, by leader
        for server, domain in domains.items():
            weights.setdefault(self._leader(server), Counter())[domain] += zones[server]
        called = {
            leader: self._known.get(leader) or OPERATOR + _heaviest(by_domain) for leader, by_domain in weights.items()
        }
        return {server: called[self._leader(server)] for server in domains}

    def _leader(self, server: str) -> str:
        while (leader := self._leaders.get(server, server)) != server:
            self._leaders[server] = self._leaders.get(leader, leader)
            server = leader
        return server


def _heaviest(weights: Mapping[str, int]) -> str:
    return min(weights, key=lambda each: (-weights[each], each))
