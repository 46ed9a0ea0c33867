"""Verdicts and evidence as records and sentences, for the ledger and for `standfast explain`. Words only."""

from standfast.dns.model import Question, type_name
from standfast.evidence.model import Evidence, ProbeResult
from standfast.guard.events import JsonValue
from standfast.guard.known import KnownGood
from standfast.guard.outcome import Outcome, Positive, outcome_name
from standfast.guard.verdict import Verdict


def verdict_record(
    question: Question, outcome: Outcome, known: KnownGood | None, verdict: Verdict
) -> dict[str, JsonValue]:
    """Return the ledger's record of `verdict`: everything that it rests on, in words."""
    record: dict[str, JsonValue] = {
        "qname": question.qname,
        "qtype": type_name(question.qtype),
        "outcome": outcome_name(outcome),
        "action": verdict.action,
        "cause": verdict.cause,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "served": verdict.serve,
        "provisional": verdict.provisional,
        "evidence": list[JsonValue](evidence_words(verdict.evidence)),
        "lost_at_ms": milliseconds(verdict.evidence.lost_at_s),
    }
    if known is not None:
        record["known_good"] = list[JsonValue](known.answer.addresses)
        record["known_since_ms"] = milliseconds(known.first_seen_s)
        record["confirmed_at_ms"] = milliseconds(known.confirmed_at_s)
    if isinstance(outcome, Positive):
        record["answered"] = list[JsonValue](outcome.answer.addresses)
    return record


def evidence_words(evidence: Evidence) -> list[str]:
    """Return one sentence for each piece of evidence."""
    words = [_probe_words("known-good", probe) for probe in evidence.known]
    words += [_probe_words("new", probe) for probe in evidence.candidates]
    words += [f"{opinion.resolver} says {opinion.detail}" for opinion in evidence.opinions]
    words += [f"delegation of {d.zone}: {d.state}, says {d.resolver} ({d.detail})" for d in evidence.delegations]
    if evidence.tombstone is not None:
        words.append(f"removal notice signed by {evidence.tombstone.signer}")
    words += [f"waiting for {word}" for word in sorted(evidence.awaited)]
    return words


def milliseconds(at_s: float) -> int:
    """Return seconds as whole milliseconds, as the ledger writes times."""
    return round(at_s * 1000)


def _probe_words(side: str, probe: ProbeResult) -> str:
    detail = f" ({probe.detail})" if probe.detail else ""
    return f"{side} {probe.address}: identity {probe.identity}{detail}"
