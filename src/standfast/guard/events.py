"""What the resolver core asks its shell to do. Data only.

The shell (`io`, or the simulator) carries the actions out and reports back by the `on_...` methods of
`guard.resolver.Resolver`.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from standfast.dns.exchange import Outbound
from standfast.dns.model import Name, Query, Question, Reply
from standfast.evidence.model import ProbeSpec
from standfast.guard.cache import Entry
from standfast.guard.known import KnownGood

JsonValue = bool | int | str | None | list["JsonValue"] | dict[str, "JsonValue"]


class Transport(StrEnum):
    """How a query goes to a server."""

    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """A resolver that is asked: an IP address as text, and a port."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Send `reply` to the client that `client` stands for.

    While `entry`, the cache's, stands, the very same query may be given the same answer without asking the core.
    """

    client: Hashable
    query: Query
    reply: Reply
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Send `query` to `server` from a fresh random port; report by `on_heard` or `on_ask_failed` with `ask`."""

    ask: int
    server: Server
    transport: Transport
    query: Outbound


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    """Stop waiting for `ask` and close its socket."""

    ask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Look who answers at `address` for `qname`; report by `on_probed` with `probe`, within `timeout_s`."""

    probe: int
    qname: Name
    address: str
    spec: ProbeSpec
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write one ledger record."""

    kind: str
    at_s: float
    body: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Persist this known-good answer, replacing the one of the same question."""

    known: KnownGood


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Drop the known-good answer of this question from the disk."""

    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Persist whether the guard is on."""

    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Tell the operator; `event` is a stable name, `fields` say what and where."""

    event: str
    fields: Mapping[str, JsonValue] = field(default_factory=dict)


Action = Respond | Ask | Abandon | Probe | Record | Remember | Forget | Switch | Alarm
