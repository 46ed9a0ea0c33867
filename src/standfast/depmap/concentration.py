"""How many hang on one: who uses which provider, directly or not, and whom its loss would take down.

The measures are those of Kashaf, Sekar and Agarwal, "Analyzing Third Party Service Dependencies in Modern Web Services"
(ACM IMC 2020), and the definitions those with which their published data give their published figures:

- the *concentration* of a provider is the number of its users, its *impact* that of the users it is critical for;
- the Herfindahl-Hirschman index is the sum of the squares of all providers' shares, where a share is of the *pairs* of
  a user and a provider, not of the users: whoever uses two counts twice. From nearly 0 (many of one size) to 1 (one);
- the *union* of the largest is how many are critical for at least one of them.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import reduce
from operator import or_
from typing import Final, TypeAlias

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import DependencyGraph, Kind, Need, Node
from standfast.depmap.loss import fallen

TOP: Final = 3  # providers whose union is told, as the study does

Users: TypeAlias = Mapping[str, int]  # of each provider, a one for each user, who has the same place in all


class Sort(StrEnum):
    """What it is that many may hang on."""

    PROVIDER = "provider"
    REGION = "region"
    AVAILABILITY_ZONE = "availability zone"
    DNS_OPERATOR = "DNS operator"
    NETWORK = "network"
    ZONE = "zone"  # of the DNS
    OTHER = "other cause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many use one provider: `direct` and `indirect` together are its users, as far as each is known to be one.

    `critical` are those of them that do not work without it, `critical_direct` those of these that use it directly.
    """

    name: str
    direct: int
    indirect: int
    critical: int
    critical_direct: int

    @property
    def users(self) -> int:
        """All that use it."""
        return self.direct + self.indirect


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """Who hangs on the providers of one sort, the one with the most users first.

    `users` and `critical` count each user once that has a provider, or a critical one. `hhi` and `hhi_critical` are
    the indices over pairs; None where there are no pairs. `top_critical` is the union of the first `TOP` by impact.
    """

    shares: tuple[Share, ...]
    users: int
    critical: int
    hhi: float | None
    hhi_critical: float | None
    top_critical: int


def concentration_of(direct: Users, critical: Users, indirect: Users | None = None) -> Concentration:
    """Return how concentrated these users are. Whoever is critical is a user; whoever is direct is not indirect."""
    through = indirect or {}
    everyone = {
        name: direct.get(name, 0) | through.get(name, 0) | critical.get(name, 0)
        for name in direct.keys() | critical.keys() | through.keys()
    }
    shares = [
        Share(
            name=name,
            direct=(first := direct.get(name, 0)).bit_count(),
            indirect=(users & ~first).bit_count(),
            critical=(needing := critical.get(name, 0)).bit_count(),
            critical_direct=(needing & first).bit_count(),
        )
        for name, users in everyone.items()
        if users
    ]
    top = sorted(shares, key=lambda share: (-share.critical, share.name))[:TOP]
    return Concentration(
        shares=tuple(sorted(shares, key=lambda share: (-share.users, -share.critical, share.name))),
        users=_union(everyone.values()).bit_count(),
        critical=_union(critical.values()).bit_count(),
        hhi=_index([share.users for share in shares]),
        hhi_critical=_index([share.critical for share in shares]),
        top_critical=_union(critical.get(share.name, 0) for share in top).bit_count(),
    )


def _union(users: Iterable[int]) -> int:
    return reduce(or_, users, 0)


def _index(pairs: Collection[int]) -> float | None:
    """Return the Herfindahl-Hirschman index of providers with so many pairs each."""
    everything = sum(pairs)
    return sum(number * number for number in pairs) / everything**2 if everything else None


# Users from the files of the study ------------------------------------------------------------------------------------


def read_users(octets: bytes, *, file: str, places: dict[str, int]) -> dict[str, int]:
    """Return the users of each provider, from lines `provider,user:user:...`.

    Args:
        octets: the file.
        file: what errors call it.
        places: of each user that is known already; new ones are added. One for all files that belong together.

    Raises:
        ModelError: it is none such, with the line.
    """
    found: dict[str, int] = {}
    for at, line in enumerate(octets.decode("utf-8", "replace").splitlines(), 1):
        provider, comma, users = line.strip().partition(",")
        if comma and provider:
            bits = bytearray((len(places) + len(users)) // 8 + 1)  # each user has a character at least
            for user in filter(None, users.split(":")):
                place = places.setdefault(user, len(places))
                bits[place // 8] |= 1 << place % 8
            found[provider] = found.get(provider, 0) | int.from_bytes(bits, "little")
        elif provider:
            raise ModelError("here must be a provider, a comma, and its users with colons between", file=file, line=at)
    if not found:
        raise ModelError("lists no provider", file=file)
    return found


# Users from a map -----------------------------------------------------------------------------------------------------


def concentrations(graph: DependencyGraph, users: Collection[str]) -> dict[Sort, Concentration]:
    """Return for each sort of provider that `graph` has how concentrated `users`, which are nodes, are on it.

    A user uses what anything shares that it needs, however far below. It does so *directly* by what it chose itself:
    its names, their aliases, addresses, zones and name servers, and its resources; *indirectly* by what those hang on
    that it chose (`_further`). A provider is critical for it if it does not work without.

    Raises:
        ModelError: there is no node of that name.
    """
    for user in users:
        if user not in graph.nodes:
            raise ModelError(f'there is no "{user}"')
    sorts = {name: sort_of(name) for name in graph.causes}
    sorts |= {node.name: Sort.ZONE for node in graph.nodes.values() if node.kind is Kind.ZONE}
    direct, indirect = _used(graph, users, sorts)
    critical = _critical(graph, users, list(sorts))
    return {
        sort: concentration_of(
            *({name: who[name] for name in who if sorts[name] is sort} for who in (direct, critical, indirect))
        )
        for sort in Sort
        if sort in sorts.values()
    }


def users_of(graph: DependencyGraph) -> list[str]:
    """Return what is asked about where nobody says: the services of the map; without any, all that nobody needs."""
    services = [node.name for node in graph.nodes.values() if node.kind is Kind.SERVICE]
    return services or [name for name, dependents in graph.dependents.items() if not dependents]


def sort_of(cause: str) -> Sort:
    """Return which sort of shared cause it is, by its name."""
    return _SORTS.get(cause.partition(":")[0], Sort.OTHER) if ":" in cause else Sort.OTHER


_SORTS: Final = {
    "provider": Sort.PROVIDER,
    "region": Sort.REGION,
    "az": Sort.AVAILABILITY_ZONE,
    "dns": Sort.DNS_OPERATOR,
    "as": Sort.NETWORK,
}


def _critical(graph: DependencyGraph, users: Collection[str], providers: Collection[str]) -> dict[str, int]:
    """Return for each of `providers` the users that its loss takes down."""
    names = list(providers)
    down = fallen(graph, [(name,) for name in names])
    found = dict.fromkeys(names, 0)
    for place, user in enumerate(users):
        for name in _chosen(names, down[user]):
            found[name] |= 1 << place
    return found


def _chosen(names: list[str], bits: int) -> Iterator[str]:
    while bits:
        at = bits.bit_length() - 1
        yield names[at]
        bits ^= 1 << at


class _Way(IntEnum):
    """How a user came to need something. A better way leads on to all that a worse one does."""

    OTHERS = 0  # what it hangs on did choose it
    ALIAS = 1  # it chose it, by an alias of its names
    OWN = 2


def _used(
    graph: DependencyGraph, users: Collection[str], providers: Collection[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return for each of `providers` those who use it directly, and those who use it otherwise."""
    came = {name: [0] * len(_Way) for name in graph.nodes}  # by each way or a better one: a one for each user
    for place, user in enumerate(users):
        for way in _Way:
            came[user][way] |= 1 << place
    waiting = deque(reversed(graph.bottom_up))
    queued = set(waiting)
    while waiting:  # ends: what is queued again has got more users by some way
        name = waiting.popleft()
        queued.discard(name)
        node = graph.nodes[name]
        for need in node.needs:
            for part in need.parts:
                more = list(came[part])
                for way in _Way:
                    for further in range(_further(way, node, need, graph.nodes[part]) + 1):
                        more[further] |= came[name][way]
                if more != came[part]:
                    came[part] = more
                    if part not in queued:
                        queued.add(part)
                        waiting.append(part)
    direct = dict.fromkeys(providers, 0)
    anyhow = dict.fromkeys(providers, 0)
    for node in graph.nodes.values():
        for provider in (*node.causes, *([node.name] if node.name in direct else [])):
            direct[provider] |= came[node.name][_Way.ALIAS]
            anyhow[provider] |= came[node.name][_Way.OTHERS]
    return direct, {name: anyhow[name] & ~direct[name] for name in anyhow}


def _further(way: _Way, node: Node, need: Need, part: Node) -> _Way:
    """Return how one who needs `node` by `way` needs its `part`.

    Others choose what another service needs, what an API of a provider needs, the zone of a name that only an alias
    leads to or of a name server, and parent zones.
    """
    by_api = node.kind is Kind.RESOURCE and ":" in node.name
    zone_of_others = part.kind is Kind.ZONE and (way is _Way.ALIAS or node.kind is Kind.NAME_SERVER)
    if way is _Way.OTHERS or part.kind is Kind.SERVICE or need.role == "parent" or by_api or zone_of_others:
        return _Way.OTHERS
    return _Way.ALIAS if need.role == "alias" else way
