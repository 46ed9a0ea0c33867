"""What operators see and do: hold, release, switch, status, names, explain. Words and numbers; the resolver decides."""

from dataclasses import dataclass

from standfast.dns.model import Name, Question, RRset, type_name
from standfast.guard.events import Action, JsonValue, Record
from standfast.guard.known import KnownGood
from standfast.guard.outcome import Negative, outcome_name
from standfast.guard.resolver import Resolver
from standfast.guard.verdict import Serve
from standfast.guard.words import evidence_words, milliseconds

JsonObject = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Operated:
    """What a command did: the actions to carry out, and the answer for whoever gave it."""

    actions: list[Action]
    answer: JsonObject


def hold(resolver: Resolver, now: float, qname: Name, qtype: int | None) -> Operated:
    """Hold the known-good answers of `qname` against negatives, for the longest time that its policy allows.

    With `qtype` None, all types that are remembered. An empty `questions` in the answer: nothing is remembered, and
    `until_ms` is None.
    """
    actions: list[Action] = []
    held: list[JsonValue] = []
    until_s: float | None = None
    for question in remembered(resolver, qname, qtype):
        until_s = now + resolver.policy(question).hold_max_s
        actions += resolver.hold(now, question, until_s=until_s)
        held.append(str(question))
    answer: JsonObject = {"questions": held, "until_ms": None if until_s is None else milliseconds(until_s)}
    return _commanded(now, "hold", qname, actions, answer)


def release(resolver: Resolver, now: float, qname: Name, qtype: int | None) -> Operated:
    """Give up the known-good answers of `qname`: from now on it gets what upstream says."""
    actions: list[Action] = []
    released: list[JsonValue] = []
    for question in remembered(resolver, qname, qtype):
        actions += resolver.release(now, question)
        released.append(str(question))
    return _commanded(now, "release", qname, actions, {"questions": released})


def switch(resolver: Resolver, now: float, *, enabled: bool) -> Operated:
    """Turn the guard on or off, at once and across restarts."""
    actions = resolver.switch(now, enabled=enabled)
    answer: JsonObject = {"enabled": enabled}
    record = Record(kind="command", at_s=now, body={"command": "guard on" if enabled else "guard off"})
    return Operated([record, *actions], answer)


def status(resolver: Resolver, now: float) -> JsonObject:
    """Return how the guard is: counters, sizes, verdicts, upstreams."""
    watches = [resolver.losses.get(question) for question in resolver.losses.questions()]
    held = sum(w is not None and w.verdict is not None and w.verdict.serve is Serve.KNOWN_GOOD for w in watches)
    return {
        "enabled": resolver.enabled,
        "uptime_s": round(now - resolver.started_at_s),
        "queries": resolver.queries,
        "answered_at_once": resolver.hits,
        "asked": resolver.asking.sent,
        "late": resolver.asking.timeouts,
        "probes": resolver.gathering.prober.sent,
        "cached": len(resolver.positive) + len(resolver.negative),
        "known_good": len(resolver.memory),
        "known_good_bytes": resolver.memory.bytes,
        "lost": len(watches),
        "held": held,
        "verdicts": {
            f"{action}/{cause}": number for (action, cause), number in sorted(resolver.losses.verdicts.items())
        },
        "upstreams": [
            {
                "server": str(server),
                "rtt_us": None if state.rtt_s is None else round(state.rtt_s * 1e6),
                "failures": state.failures,
                "failure": state.failure,
                "down": state.down_until_s > now,
                "keeps_case": state.no_case_until_s <= now,
                "edns": state.no_edns_until_s <= now,
            }
            for server in resolver.settings.upstreams
            for state in [resolver.upstreams.state(server)]
        ],
    }


def names(resolver: Resolver, *, held: bool, limit: int = 10_000) -> list[JsonObject]:
    """Return what is known of each question; with `held` only those lost now. At most `limit`, lost ones first."""
    lost = [known for question in resolver.losses.questions() if (known := resolver.memory.get(question))]
    out = [_summary(resolver, known) for known in lost[:limit]]
    if not held:
        rest = (known for known in resolver.memory if resolver.losses.get(known.question) is None)
        for known in rest:
            if len(out) >= limit:
                break
            out.append(_summary(resolver, known))
    return out


def losses(resolver: Resolver) -> dict[str, JsonValue]:
    """Return for each question that is denied now what is said of it: `NODATA` or `NXDOMAIN`."""
    return {
        str(question): outcome_name(watch.outcome)
        for question in resolver.losses.questions()
        if (watch := resolver.losses.get(question)) and isinstance(watch.outcome, Negative)
    }


def explain(resolver: Resolver, now: float, question: Question) -> JsonObject:
    """Return all that is known of `question`: the known-good answer, the verdict, and what a client would get now."""
    known = resolver.memory.get(question)
    watch = resolver.losses.get(question)
    policy = resolver.policy(question)
    out: JsonObject = {
        "qname": question.qname,
        "qtype": type_name(question.qtype),
        "guard": "on" if resolver.enabled else "off",
        "policy": {
            "mode": policy.mode,
            "grace_s": round(policy.grace_s),
            "hold_max_s": round(policy.hold_max_s),
            "stale_max_s": round(policy.stale_max_s),
            "probe": f"{policy.probe.kind} {policy.probe.port}" if policy.probe.kind != "none" else "none",
            "pinned": policy.pinned,
        },
        "known_good": None if known is None else _known_words(known),
        "lost": None,
    }
    if watch is not None and watch.verdict is not None:
        out["lost"] = {
            "outcome": outcome_name(watch.outcome),
            "since_ms": milliseconds(watch.lost_at_s),
            "action": watch.verdict.action,
            "cause": watch.verdict.cause,
            "rule": watch.verdict.rule,
            "reason": watch.verdict.reason,
            "evidence": list[JsonValue](evidence_words(watch.evidence().worth_at(now))),
        }
    out["answer_now"], out["answer_why"] = _answer_now(resolver, question)
    return out


def remembered(resolver: Resolver, qname: Name, qtype: int | None) -> list[Question]:
    """Return the questions for `qname` that have a known-good answer; with `qtype`, at most the one."""
    if qtype is None:
        return resolver.memory.of_name(qname)
    question = Question(qname, qtype)
    return [] if resolver.memory.get(question) is None else [question]


def _answer_now(resolver: Resolver, question: Question) -> tuple[str, str]:
    watch = resolver.losses.get(question)
    if watch is not None and watch.verdict is not None:
        match watch.verdict.serve:
            case Serve.KNOWN_GOOD:
                return "the known-good answer", watch.verdict.reason
            case Serve.OPINION:
                return "the second opinion's answer", watch.verdict.reason
            case _:
                return "what the upstream says", watch.verdict.reason
    known = resolver.memory.get(question)
    if known is not None and known.released_at_s is not None:
        return "what the upstream says", "the known-good answer was given up"
    return "what the upstream says", "the name is not lost"


def _known_words(known: KnownGood) -> JsonObject:
    baseline = known.baseline
    return {
        "answer": [_rrset_words(rrset) for rrset in known.answer.rrsets],
        "addresses": list[JsonValue](known.answer.addresses),
        "first_seen_ms": milliseconds(known.first_seen_s),
        "confirmed_at_ms": milliseconds(known.confirmed_at_s),
        "confirmations": known.confirmations,
        "zone": known.zone,
        "identity_proven_at_ms": (
            milliseconds(baseline.proven_at_s) if baseline and baseline.proven_at_s is not None else None
        ),
        "released_at_ms": None if known.released_at_s is None else milliseconds(known.released_at_s),
        "held_by_operator_until_ms": (
            None if known.operator_hold_until_s is None else milliseconds(known.operator_hold_until_s)
        ),
    }


def _rrset_words(rrset: RRset) -> str:
    return f"{rrset.owner} {rrset.ttl_s} {type_name(rrset.rtype)} ({len(rrset.rdatas)})"


def _summary(resolver: Resolver, known: KnownGood) -> JsonObject:
    watch = resolver.losses.get(known.question)
    verdict = watch.verdict if watch else None
    return {
        "qname": known.question.qname,
        "qtype": type_name(known.question.qtype),
        "addresses": list[JsonValue](known.answer.addresses),
        "first_seen_ms": milliseconds(known.first_seen_s),
        "confirmed_at_ms": milliseconds(known.confirmed_at_s),
        "confirmations": known.confirmations,
        "released": known.released_at_s is not None,
        "lost_since_ms": None if watch is None else milliseconds(watch.lost_at_s),
        "verdict": None if verdict is None else f"{verdict.action}/{verdict.cause}",
        "served": None if verdict is None else verdict.serve,
        "reason": None if verdict is None else verdict.reason,
    }


def _commanded(now: float, command: str, qname: Name, actions: list[Action], answer: JsonObject) -> Operated:
    record = Record(kind="command", at_s=now, body={"command": command, "qname": qname, **answer})
    return Operated([record, *actions] if answer["questions"] else [], answer)
