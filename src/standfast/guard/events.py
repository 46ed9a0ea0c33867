"""What the resolver core asks its shell to do. Data only.

The shell (`io`, or the simulator) carries the actions out and reports back by the `on_...` methods of
`guard.resolver.Resolver`.
"""

from collections.abc import Hashable, Mapping
from dataclasses import field

from standfast.dns.exchange import Outbound
from standfast.dns.model import Name, Query, Question, Reply
from standfast.dns.servers import Server, Transport
from standfast.evidence.model import ProbeSpec
from standfast.guard.cache import Entry
from standfast.guard.known import KnownGood
from standfast.guard.packed import Packed, pack, unpack
from standfast.values import value

JsonValue = bool | int | str | None | list["JsonValue"] | dict[str, "JsonValue"]


@value
class Respond:
    """Send `reply` to the client that `client` stands for.

    While `entry`, of a cache or of a held answer, stands, the very same query may be given the same answer without
    asking the core.
    """

    client: Hashable
    query: Query
    reply: Reply
    entry: Entry | None = None


@value
class Ask:
    """Send `query` to `server`; report by `on_heard` or `on_ask_failed` with `ask`.

    By UDP it goes from a fresh random port. Over connections that many queries share, its ID is of no account.
    """

    ask: int
    server: Server
    transport: Transport
    query: Outbound


@value
class Abandon:
    """Stop waiting for `ask`."""

    ask: int


@value
class Probe:
    """Look who answers at `address` for `qname`; report by `on_probed` with `probe`, within `timeout_s`."""

    probe: int
    qname: Name
    address: str
    spec: ProbeSpec
    timeout_s: float


@value
class Record:
    """Write one ledger record."""

    kind: str
    at_s: float
    body: Mapping[str, JsonValue]


@value
class Remember:
    """Persist the known-good answer of `question`, replacing the one that is there.

    `packed` is the memory's own, of `guard.packed`: whoever keeps it keeps no second one. What `may_wait` is confirmed
    and has not changed. What is `for_map` is the survey's, which is kept apart.
    """

    question: Question
    packed: Packed
    may_wait: bool = False
    for_map: bool = False

    @classmethod
    def of(cls, known: KnownGood) -> "Remember":
        """Return what persists `known`."""
        return cls(question=known.question, packed=pack(known))

    @property
    def known(self) -> KnownGood:
        """The answer itself."""
        return unpack(self.question, self.packed)


@value
class Forget:
    """Drop the known-good answer of this question, or the survey's, from the disk."""

    question: Question
    for_map: bool = False


@value
class Switch:
    """Persist whether the guard is on."""

    enabled: bool


@value
class Alarm:
    """Tell the operator; `event` is a stable name, `fields` say what and where."""

    event: str
    fields: Mapping[str, JsonValue] = field(default_factory=dict)


Action = Respond | Ask | Abandon | Probe | Record | Remember | Forget | Switch | Alarm
