"""Plans, findings and what stands, in words for people and as JSON for programs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import click

from standfast.cli.common import count, moment
from standfast.control.fence import Fence, Garbage, Seen, Unreadable
from standfast.control.finding import Finding, Severity, Verdict
from standfast.control.plan import Plan
from standfast.control.planner import Planned
from standfast.control.sources import SourceState
from standfast.dns.changes import Change
from standfast.dns.model import RRset, type_name
from standfast.dns.rdata import rrset_to_text
from standfast.io.control.outlook import Outlook, View

CHANGES_SHOWN: Final = 100  # RRsets; who wants more wants a program to read them
NAMES_SHOWN: Final = 10
HASH_SHOWN: Final = 16  # digits of a plan's hash, as many as a fence has

_COLOURS: Final = {Severity.REFUSE: "red", Severity.ASK: "yellow", Severity.WARN: "cyan"}


def view_in_words(view: View) -> Iterator[str]:
    """Yield the lines that tell all of it."""
    for error in view.unusable:
        yield f"warning: {error}"
    if view.unmeasured:
        what = f"no vantage has reported how the endpoints of {_named(view.unmeasured)} are"
        yield f"warning: {what}; --assume-well takes them to be well"
    for pool, state in view.sources.items():
        if state.failed:
            yield f"warning: the source of pool {pool} is not believed: {state.failed}; {_known_of(state)}"
    for outlook in view.zones:
        yield from _outlook_in_words(outlook)


def changes_in_words(changes: Sequence[Change]) -> Iterator[str]:
    """Yield a line for each record that goes or comes, as a diff has it; of very many, the first."""
    shown = changes[:CHANGES_SHOWN]
    for change in shown:
        for sign, rrset, rdatas in (("-", change.before, change.removed), ("+", change.after, change.added)):
            if rrset is None or not rdatas:
                continue
            part = RRset(owner=rrset.owner, rtype=rrset.rtype, ttl_s=rrset.ttl_s, rdatas=tuple(sorted(rdatas)))
            for text in rrset_to_text(part):
                line = f"  {sign} {part.owner} {part.ttl_s} {type_name(part.rtype)} {text}"
                yield click.style(line, fg="green" if sign == "+" else "red")
    if len(changes) > len(shown):
        yield f"  ... and {count(len(changes) - len(shown), 'other RRset')}; --json has all of them"


def findings_in_words(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield two lines for each finding, the worst first: what is wrong, and what to do."""
    order = list(Severity)
    for finding in sorted(findings, key=lambda each: order.index(each.severity)):
        severity = click.style(f"{finding.severity:6}", fg=_COLOURS[finding.severity])
        yield f"  {severity} {finding.rule}: {finding.name} {finding.text}"
        yield f"         {finding.advice}"


def view_as_json(view: View) -> dict[str, Any]:
    """Return all of it as JSON."""
    return {
        "zones": [_outlook_as_json(outlook) for outlook in view.zones],
        "sources": [
            {
                "pool": pool,
                "endpoints": [endpoint.address for endpoint in state.endpoints],
                "read_at_ms": None if state.read_at_s is None else round(state.read_at_s * 1000),
                "failed": state.failed or None,
            }
            for pool, state in view.sources.items()
        ],
        "unmeasured": [*view.unmeasured],
        "unusable": [{"publisher": error.publisher, "why": error.why} for error in view.unusable],
    }


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON."""
    return {
        "zone": plan.zone,
        "generation": plan.generation,
        "hash": plan.hash,
        "base": {"generation": plan.base.generation, "hash": plan.base.hash} if plan.base else None,
        "made_at_ms": round(plan.made_at_s * 1000),
        "changes": [_change_as_json(change) for change in plan.changes],
    }


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return findings as JSON."""
    return [
        {"rule": each.rule, "severity": each.severity, "name": each.name, "text": each.text, "advice": each.advice}
        for each in findings
    ]


def is_negative(outlook: Outlook) -> bool:
    """Say whether somebody has to look at it: it cannot be planned, is refused, or waits for somebody."""
    return outlook.planned is None or any(each.severity is not Severity.WARN for each in outlook.planned.findings)


def _outlook_in_words(outlook: Outlook) -> Iterator[str]:
    origin, planned = outlook.zone.origin, outlook.planned
    if planned is None:
        yield f"{origin} nobody can say: {outlook.failure}"
        yield from _standing_in_words(outlook)
        return
    yield f"{origin} {_what_becomes(outlook, planned)}"
    yield from _standing_in_words(outlook)
    if planned.plan is not None:
        yield from changes_in_words(planned.plan.changes)
    yield from findings_in_words(planned.findings)
    if planned.held:
        yield f"  held back until then: {_named(sorted(planned.held))}"
    if planned.waiting:
        yield f"  nothing is published at {_named(planned.waiting)}: of none of the endpoints is it known how it is"
    proposal = outlook.proposal
    if proposal is not None and proposal.approved_by is None:
        what = f"{count(len(proposal.plan.changes), 'change')} (standfast plan show {origin})"
        command = f'standfast plan approve {proposal.plan.hash[:HASH_SHOWN]} --person YOU --reason "..."'
        yield f"  waits for somebody: {what}: {command}"


def _what_becomes(outlook: Outlook, planned: Planned) -> str:
    plan = planned.plan
    if plan is None:
        stands = f"generation {outlook.base.head.generation}" if outlook.base.head else "what is published"
        return f"nothing is to change, {stands} is as wanted"
    before = f"after {plan.base.generation}" if plan.base else "the first that is known"
    what = f"generation {plan.generation} ({before}), {count(len(plan.changes), 'change')}"
    match planned.verdict:
        case Verdict.PUBLISH:
            return f"would become {what}" + (", without the names that are held back" if planned.held else "")
        case Verdict.ASK:
            return f"would wait for approval of {what}"
        case Verdict.REFUSE:
            return f"would stay as it is: refused is {what}"


def _standing_in_words(outlook: Outlook) -> Iterator[str]:
    for publisher, seen in outlook.base.published.items():
        if (trouble := _about_standing(outlook, seen)) is not None:
            yield f"  at {publisher} {trouble}"


def _about_standing(outlook: Outlook, seen: Seen) -> str | None:
    if isinstance(seen, Unreadable):
        return f"nobody knows what stands: {seen.why}"
    if isinstance(seen, Garbage):
        return f"stands {seen} in the place of one: an enactor is to replace it"
    newest = outlook.base.head.generation if outlook.base.head else 0
    if seen is None or (seen.generation == newest and seen.done):
        return None
    if seen.generation > newest:
        return f"stands generation {seen.generation}, which was not planned here"
    return f"stands generation {seen.generation}{'' if seen.done else ', half written'}: an enactor is to go on"


def _known_of(state: SourceState) -> str:
    if state.read_at_s is None:
        return "nothing is known of its endpoints"
    return f"{count(len(state.endpoints), 'endpoint')} of {moment(round(state.read_at_s * 1000))} stand"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _outlook_as_json(outlook: Outlook) -> dict[str, Any]:
    planned, proposal = outlook.planned, outlook.proposal
    return {
        "zone": outlook.zone.origin,
        "verdict": None if planned is None else planned.verdict if planned.plan or planned.findings else "nothing",
        "failure": outlook.failure or None,
        "plan": plan_as_json(planned.plan) if planned and planned.plan else None,
        "findings": findings_as_json(planned.findings) if planned else [],
        "held": sorted(planned.held) if planned else [],
        "waiting": [*planned.waiting] if planned else [],
        "published": {name: _seen_as_json(seen) for name, seen in outlook.base.published.items()},
        "proposed": proposal.plan.hash if proposal and proposal.approved_by is None else None,
    }


def _seen_as_json(seen: Seen) -> dict[str, Any] | None:
    match seen:
        case None:
            return None
        case Unreadable(why=why):
            return {"unreadable": why}
        case Garbage():
            return {"garbage": True}
        case Fence():
            return {"generation": seen.generation, "step": seen.step, "done": seen.done, "plan": seen.plan}


def _change_as_json(change: Change) -> dict[str, Any]:
    owner, rtype = change.key
    return {
        "name": owner,
        "type": type_name(rtype),
        "before": _rrset_as_json(change.before),
        "after": _rrset_as_json(change.after),
    }


def _rrset_as_json(rrset: RRset | None) -> dict[str, Any] | None:
    return None if rrset is None else {"ttl_s": rrset.ttl_s, "data": rrset_to_text(rrset)}
