"""What records of the control plane's ledger say, in a sentence each."""

from collections.abc import Mapping
from typing import Any, Final

from standfast.cli.common import count, moment
from standfast.ledger.record import Record

SHOWN_MAX: Final = 3  # changes or findings in one sentence


def control_record_in_words(record: Record) -> str | None:
    """Return what a record says; None for one of another kind than `io.control.journal` writes, or in its shape."""
    body: Mapping[str, Any] = record.body
    try:
        return _in_words(record.kind, body)
    except (KeyError, TypeError, AttributeError):
        return None


def _in_words(kind: str, body: Mapping[str, Any]) -> str | None:
    match kind:
        case "planned":
            return f"{_plan(body)}: {_changes(body)}{_findings(body)}"
        case "proposed":
            return f"{_plan(body)} waits for approval: {_changes(body)}{_findings(body)}"
        case "refused":
            return f"not published{_findings(body)}"
        case "approved":
            return f"{_plan(body)} by {body['person']}: {body['reason']}"
        case "overridden":
            until = moment(body["until_ms"])
            return f"{body['rule']} for {body['scope']} until {until} by {body['person']}: {body['reason']}"
        case "published":
            done = "" if body["done"] else ", more to come"
            return (
                f"{_plan(body)} at {body['publisher']}: write {body['step']}, {count(body['changes'], 'change')}{done}"
            )
        case "visible":
            return f"{_plan(body)} at {body['server']} of {body['publisher']} after {body['after_ms']} ms"
        case "drift":
            return f"{body['publisher']}: {body['why']}; to be mended: {_changes(body)}"
        case "restored":
            to = ", ".join(f"{each['name']} as at generation {each['generation']}" for each in body["to"][:SHOWN_MAX])
            return f"{to}, by {_plan(body)} at {body['publisher']}: {_changes(body)}; {body['reason']}"
        case "health":
            return f"{body['what']}: {body['before']} -> {body['after']}: {body['why']}"
        case "alarm":
            return f"{body['event']}: {body['text']}"
        case _:
            return None


def _plan(body: Mapping[str, Any]) -> str:
    return f"generation {body['generation']} ({body['plan'][:16]})"


def _changes(body: Mapping[str, Any]) -> str:
    said = [_change(change) for change in body["listed"][:SHOWN_MAX]]
    more = body["changes"] - len(said)
    return "; ".join([*said, *([f"{more} more"] if more else [])]) or "no change"


def _change(change: Mapping[str, Any]) -> str:
    before, after = (" ".join(change[side]) or "nothing" for side in ("before", "after"))
    return f"{change['name']} {change['type']} {before} -> {after}"


def _findings(body: Mapping[str, Any]) -> str:
    found = body.get("found", ())
    said = [f"{each['rule']} ({each['severity']}) {each['text']}" for each in found[:SHOWN_MAX]]
    more = body.get("findings", 0) - len(said)
    return "; " + "; ".join([*said, *([f"{more} findings more"] if more else [])]) if said else ""
