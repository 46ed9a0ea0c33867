"""What can happen to a world: a closed set of events. Data only; `world`, `resolvers` and `simulation` apply them.

Times are not in here: a script says when, the simulator in virtual seconds and the live drill in scaled ones.
"""

from dataclasses import dataclass
from enum import StrEnum

from standfast.dns.model import Name


class Party(StrEnum):
    """Who holds an address."""

    OWNER = "owner"
    STRANGER = "stranger"
    ATTACKER = "attacker"


class Fault(StrEnum):
    """What is wrong with a recursive resolver."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    SLOW = "slow"  # answers after two to three seconds
    DENY = "deny"  # says NXDOMAIN to a name that is there
    EMPTY = "empty"  # says NODATA to a name that is there
    FORGE = "forge"  # answers with somebody else's addresses
    MALFORMED = "malformed"


# What is published -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAddresses:
    """The record of `name` is published with exactly `addresses`; by whomever."""

    name: Name
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyRecord:
    """The name stays, its addresses go: NODATA (RFC 2308 section 2.2)."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DropName:
    """The name itself goes: NXDOMAIN (RFC 2308 section 2.1)."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRecord:
    """The record is published again as it last was with addresses of the owner."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDelegation:
    """The parent no longer delegates `zone`: everything below is NXDOMAIN, said by the parent."""

    zone: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreDelegation:
    """The parent delegates `zone` again."""

    zone: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakSigning:
    """The signatures of `zone` no longer validate: resolvers say SERVFAIL with extended error 6."""

    zone: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class MendSigning:
    """The signatures of `zone` validate again."""

    zone: Name


# What is meant, and who is there -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """From now on the owner means `name` to be gone. Changes nothing that can be seen."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class StartServers:
    """Servers of the owner begin to serve `name` at `addresses`; `tls` says whether with a certificate for it."""

    name: Name
    addresses: tuple[str, ...]
    tls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StopServers:
    """Nobody answers at `addresses` any more."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviveServers:
    """Those who answered at `addresses` before answer again."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveAway:
    """`addresses` now belong to `party`, who shows a certificate for `certificate`, or has no TLS when it is None."""

    addresses: tuple[str, ...]
    party: Party = Party.STRANGER
    certificate: Name | None = None


# The resolvers that everybody asks ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakResolver:
    """The recursive resolver at `host` goes wrong; `addresses` are what it answers with when it forges."""

    host: str
    fault: Fault
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MendResolver:
    """The recursive resolver at `host` is well again."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushResolver:
    """The recursive resolver at `host` forgets its cache, and learns what is published just then."""

    host: str


# The contestants, and the reader -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """The machine that the contestants run on is killed and comes back at once; what is not on disk is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Nothing happens; a line for the timeline."""

    text: str


Event = (
    SetAddresses
    | EmptyRecord
    | DropName
    | RestoreRecord
    | DropDelegation
    | RestoreDelegation
    | BreakSigning
    | MendSigning
    | Retire
    | StartServers
    | StopServers
    | ReviveServers
    | GiveAway
    | BreakResolver
    | MendResolver
    | FlushResolver
    | Restart
    | Note
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An event and when it happens, in seconds from the start of its script."""

    at_s: float
    event: Event
    title: str = ""
