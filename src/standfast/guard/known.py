"""A known-good answer: the last positive answer to one question, whole, with its history. Data only."""

from collections.abc import Hashable

from standfast.dns.model import Name, Question, RRset, RRType, addresses_of
from standfast.values import value

SEEN_ADDRESSES_MAX = 64  # addresses remembered a question; enough for a rotating pool, bounded for a hostile zone

NEVER_REMEMBERED = frozenset(
    {
        RRType.ANY,  # a sample, not an answer (RFC 8482)
        RRType.AXFR,
        RRType.IXFR,
        RRType.MAILA,
        RRType.MAILB,
        RRType.OPT,
        RRType.RRSIG,  # meaningless without what they sign
        RRType.NSEC,
        RRType.NSEC3,
    }
)


@value
class Answer:
    """A positive answer whole: the CNAME chain from the question's name and the records at its end.

    `ad` says that the upstream validated it. Signatures, when they were asked for, are RRsets of type RRSIG.
    """

    rrsets: tuple[RRset, ...]
    ad: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The A and AAAA addresses of the answer."""
        return addresses_of(self.rrsets)

    @property
    def signed(self) -> bool:
        """Whether signatures came with the answer."""
        return any(rrset.rtype == RRType.RRSIG for rrset in self.rrsets)

    @property
    def ttl_s(self) -> int:
        """The smallest TTL of the answer, in seconds."""
        return min([rrset.ttl_s for rrset in self.rrsets], default=0)


@value
class Baseline:
    """What probes said while the name was well: without this, silence on a port proves nothing.

    `proven_at_s` is None when the name was asked but has never proved its identity.
    """

    asked_at_s: float
    proven_at_s: float | None = None


@value
class KnownGood:
    """What is known to be good for one question. Times are seconds since the epoch.

    `seen` are the addresses that were ever answered, newest last, at most `SEEN_ADDRESSES_MAX`. `changed_at_s` is
    when an address never seen before last came. `zone` is the zone that holds the name, once known.
    `released_at_s` is set when a verdict or an operator gave the name up: it is then no longer served.
    `lost_at_s` is set while the name is lost, so that a restart does not begin the hold anew.
    """

    question: Question
    answer: Answer
    first_seen_s: float
    confirmed_at_s: float
    changed_at_s: float
    confirmations: int = 1
    seen: tuple[str, ...] = ()
    baseline: Baseline | None = None
    zone: Name | None = None
    released_at_s: float | None = None
    lost_at_s: float | None = None
    proven_at_s: float | None = None
    operator_hold_until_s: float | None = None


def is_mere_confirmation(before: KnownGood, known: KnownGood) -> bool:
    """Say whether `known` differs from `before` in nothing but times and counts that move with each confirmation.

    An answer is the same with other TTLs or in another order; caches and servers change those all the time.
    """
    return _lasting(before) == _lasting(known)


def was_proven(known: KnownGood) -> bool:
    """Say whether the name's servers have proven their identity while it was well."""
    return known.baseline is not None and known.baseline.proven_at_s is not None


def was_ever_doubtful(known: KnownGood) -> bool:
    """Say whether the servers failed to prove identity even while the name was well: then failing says nothing."""
    return known.baseline is not None and known.baseline.proven_at_s is None


def vouches_for(known: KnownGood, addresses: tuple[str, ...]) -> bool:
    """Say whether the history of a name has any of `addresses`, where there are addresses at all."""
    return not addresses or not {*known.seen, *known.answer.addresses}.isdisjoint(addresses)


def _lasting(known: KnownGood) -> Hashable:
    return (
        frozenset((rrset.owner, rrset.rtype, frozenset(rrset.rdatas)) for rrset in known.answer.rrsets),
        known.answer.ad,
        known.first_seen_s,
        known.changed_at_s,
        frozenset(known.seen),
        known.baseline is None,
        was_proven(known),
        known.zone,
        known.released_at_s,
        known.lost_at_s,
        known.proven_at_s is None,
        known.operator_hold_until_s,
    )
