"""The closed set of things that asking upstream can end in."""

from dataclasses import field

from standfast.dns.model import ExtendedError, Name, Reply, RRset
from standfast.guard.known import Answer
from standfast.values import value


@value
class Positive:
    """Records of the asked type. `wholesale_change` and `short` are set against the known-good answer."""

    answer: Answer
    reply: Reply
    wholesale_change: bool = False  # of a watched name: every address is new and never seen
    short: bool = False  # of a pinned name: fewer addresses than its minimum


@value
class NoData:
    """The name exists, the type does not (RFC 2308 section 2.2). `reply` is what a client would get."""

    reply: Reply
    soa: RRset | None = None


@value
class NxDomain:
    """The name does not exist (RFC 2308 section 2.1)."""

    reply: Reply
    soa: RRset | None = None


@value
class ServFail:
    """The upstream failed, or gave an answer that is no answer (a referral, an odd response code)."""

    detail: str = "SERVFAIL"
    errors: tuple[ExtendedError, ...] = ()


@value
class Refused:
    """The upstream would not answer."""

    detail: str = "REFUSED"
    errors: tuple[ExtendedError, ...] = ()


@value
class Timeout:
    """Nobody answered in time."""

    detail: str = "no upstream answered in time"


@value
class Bogus:
    """The upstream's DNSSEC validation failed (RFC 8914 codes 5 to 12)."""

    detail: str = "DNSSEC bogus"
    errors: tuple[ExtendedError, ...] = ()


@value
class Malformed:
    """The upstream's answers could not be read, or did not match the question."""

    detail: str = "malformed answer"
    errors: tuple[ExtendedError, ...] = field(default=())


Negative = NoData | NxDomain
Failure = ServFail | Refused | Timeout | Bogus | Malformed
Outcome = Positive | Negative | Failure


def outcome_name(outcome: Outcome) -> str:
    """Return the outcome's name in the field's words."""
    match outcome:
        case Positive(wholesale_change=True):
            return "wholesale change"
        case Positive(short=True):
            return "too few addresses"
        case Positive():
            return "positive"
        case NoData():
            return "NODATA"
        case NxDomain():
            return "NXDOMAIN"
        case ServFail():
            return "SERVFAIL"
        case Refused():
            return "REFUSED"
        case Timeout():
            return "timeout"
        case Bogus():
            return "bogus"
        case Malformed():
            return "malformed"


def soa_owner(outcome: Outcome) -> Name | None:
    """Return the zone that a negative answer names in its SOA, if it names one."""
    match outcome:
        case NoData(soa=soa) | NxDomain(soa=soa) if soa is not None:
            return soa.owner
        case _:
            return None
