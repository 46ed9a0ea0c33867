"""A question as it comes before the judge, and what can be read off it: standings, times, words. Decides nothing."""

from collections import Counter
from collections.abc import Callable
from string import Formatter

from standfast.evidence.model import (
    Evidence,
    Identity,
    Opinion,
    OpinionState,
    ProbeResult,
    Standing,
    contradicted,
    opinion_addresses,
    standing,
)
from standfast.guard.known import KnownGood, vouches_for
from standfast.guard.outcome import Outcome, Positive, outcome_name
from standfast.guard.policy import Policy
from standfast.values import value


@value
class Case:
    """One question before the judge."""

    outcome: Outcome
    known: KnownGood | None
    evidence: Evidence
    policy: Policy
    now: float


def is_usable(known: KnownGood | None, policy: Policy, *, lost_at_s: float) -> bool:
    """Say whether `known` may stand in: not given up, and not already too old when the name was lost."""
    if known is None or known.released_at_s is not None:
        return False
    return lost_at_s - known.confirmed_at_s <= policy.stale_max_s


def trusted_opinion(evidence: Evidence, known: KnownGood | None) -> Opinion | None:
    """Return the first positive second opinion that can be believed, if there is one.

    Its addresses must not all be known to be somebody else's, and one of them must be in the name's history, or they
    must prove identity: some resolvers answer with addresses of their own for any name that does not exist.
    """
    if known is None:
        return None
    strangers = contradicted(evidence.known)
    for opinion in evidence.opinions:
        if opinion.state is not OpinionState.POSITIVE:
            continue
        addresses = opinion_addresses(opinion)
        if addresses and strangers.issuperset(addresses):
            continue
        if vouches_for(known, addresses) or standing(addresses, evidence.candidates) is Standing.PROVEN:
            return opinion
    return None


def known_standing(case: Case) -> Standing:
    """Return what the probes of the known-good addresses say together."""
    if case.known is None:
        return Standing.UNDECIDED
    return standing(case.known.answer.addresses, case.evidence.known)


def candidate_standing(case: Case) -> Standing:
    """Return what the probes of the newly answered addresses say together."""
    if not isinstance(case.outcome, Positive):
        return Standing.UNDECIDED
    return standing(case.outcome.answer.addresses, case.evidence.candidates)


def grace_ends_s(case: Case) -> float:
    """Grace runs from the loss, or from the last proof: a proof that can no longer be renewed is not a loss yet."""
    return max(case.evidence.lost_at_s, case.evidence.proven_at_s or 0.0) + case.policy.grace_s


WORDS: dict[str, Callable[[Case], str]] = {
    "probes": lambda case: _count(case.evidence.known),
    "new_probes": lambda case: _count(case.evidence.candidates),
    "opinion": lambda case: _opinion_words(trusted_opinion(case.evidence, case.known)),
    "zone": lambda case: str(case.known.zone if case.known else None),
    "signer": lambda case: case.evidence.tombstone.signer if case.evidence.tombstone else "",
    "awaited": lambda case: ", ".join(sorted(case.evidence.awaited)),
    "grace": lambda case: f"{case.policy.grace_s:g} s",
    "hold_max": lambda case: f"{case.policy.hold_max_s:g} s",
    "stale_max": lambda case: f"{case.policy.stale_max_s:g} s",
    "minimum": lambda case: str(case.policy.addresses_min),
}


def says(text: str) -> Callable[[Case], str]:
    """Return a reason that begins with the outcome and goes on with `text`; what is in braces there is of `WORDS`."""
    words = {name: WORDS[name] for _, name, _, _ in Formatter().parse(text) if name}
    if not words:
        return lambda case: f"{outcome_name(case.outcome)}: {text}"

    def reason(case: Case) -> str:
        return f"{outcome_name(case.outcome)}: " + text.format(**{name: word(case) for name, word in words.items()})

    return reason


def _count(probes: tuple[ProbeResult, ...]) -> str:
    if not probes:
        return "identity not asked"
    counts = Counter(probe.identity for probe in probes)
    said = ", ".join(f"{counts[identity]} {identity}" for identity in Identity if counts[identity])
    return f"{said} of {len(probes)} asked"


def _opinion_words(opinion: Opinion | None) -> str:
    return f"{opinion.resolver} still answers" if opinion else "no second opinion"
