"""What the owner of names wants: names, the pools that serve them, and what must never happen to a name. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from standfast.dns.model import Name, RRset

ENDPOINTS_MIN = 1  # of every name: none is ever published empty
CAPACITY = 1  # of an endpoint that says nothing of it


class CheckKind(StrEnum):
    """By what an endpoint's health is measured."""

    TLS = "tls"  # a handshake that proves the name, as the guard's evidence does
    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    DNS = "dns"
    DYNAMODB = "dynamodb"
    NONE = "none"  # taken to be well


class PolicyKind(StrEnum):
    """Which endpoints of a name's pools its record holds."""

    FAILOVER = "failover"  # those of the first pool that is fit, in the order given
    WEIGHTED = "weighted"  # of every pool as many as its weight asks for
    ALL_HEALTHY = "all-healthy"  # every one that is well


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How an endpoint is looked at, how often, and how many looks in a row turn it.

    `host` is the name that is asked for (SNI, Host, the question); by default the managed name that the pool serves.
    """

    kind: CheckKind = CheckKind.TCP
    port: int | None = None  # that of the endpoint unless set
    host: str | None = None
    path: str = "/"  # http, https
    status: tuple[tuple[int, int], ...] = ((200, 399),)  # least and most of each range that is well
    text: str | None = None  # that the body must hold
    qtype: int = 1  # dns
    table: str | None = None  # dynamodb: described, and its canary item read
    key: tuple[tuple[str, str], ...] = ()  # dynamodb: attribute and string value of the canary's primary key
    region: str | None = None  # dynamodb
    interval_s: float = 10.0
    timeout_s: float = 2.0
    rise: int = 2  # looks in a row that say well until it is
    fall: int = 3  # looks in a row that say ill until it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One place that serves: an address, or a host name that a CNAME then points to."""

    address: str  # IPv4 or IPv6 as text, or an absolute name
    port: int = 443
    weight: int = 1
    capacity: int = CAPACITY
    drained: bool = False  # out by its owner's wish, which is no illness

    def __hash__(self) -> int:
        return hash(self.address)  # a text knows its own; endpoints are keys of all that is known of pools


class SourceKind(StrEnum):
    """Where endpoints come from that the intent does not list itself."""

    FILE = "file"
    DNS = "dns"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Endpoints that others list: a path, a name and type, or a URL."""

    kind: SourceKind
    where: str
    qtype: int = 1
    port: int = 443  # of endpoints that a DNS source names
    every_s: float = 30.0
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Endpoints that stand and fall together: those of one region or provider."""

    name: str
    region: str = ""
    provider: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    source: Source | None = None
    check: HealthCheck = field(default_factory=HealthCheck)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Pools by name with their weights, in order; `answers_max` bounds a record where weights decide."""

    kind: PolicyKind = PolicyKind.FAILOVER
    pools: tuple[tuple[str, int], ...] = ()
    answers_max: int = 8

    @property
    def order(self) -> tuple[str, ...]:
        """The pools by name alone."""
        return tuple(pool for pool, _ in self.pools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What holds for a name whatever happens: it is never empty, and has at least so many endpoints and so much."""

    endpoints_min: int = ENDPOINTS_MIN
    capacity_min: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedName:
    """A name whose addresses are planned from pools."""

    name: Name
    ttl_s: int = 60
    policy: Policy = field(default_factory=Policy)
    promise: Promise = field(default_factory=Promise)
    service: str = ""  # what people call that which it leads to
    replica: str | None = None  # the replica that must be proven before the name moves to another pool


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneIntent:
    """One zone that is managed: where it is published, its planned names, and records that are as they are written."""

    origin: Name
    publishers: tuple[str, ...] = ()
    names: tuple[ManagedName, ...] = ()
    records: tuple[RRset, ...] = ()
    delegated: frozenset[Name] = frozenset()  # names at which NS and DS may be changed; elsewhere they are protected


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Everything that is wanted."""

    zones: Mapping[Name, ZoneIntent]
    pools: Mapping[str, Pool]
