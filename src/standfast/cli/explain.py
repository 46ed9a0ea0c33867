"""`standfast explain`: all that there is to know of one name, from the running guard and from the ledger."""

import time
from collections import deque
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import ask, config_option, count, duration, json_option, moment, print_json, state_dir
from standfast.cli.ledger import what
from standfast.cli.tables import print_facts
from standfast.io.settings.places import LEDGER_NAME
from standfast.io.state.ledger_file import read_records
from standfast.ledger.record import LedgerError, Record

Facts = list[tuple[str, str]]


@click.command()
@click.argument("name")
@click.argument("type", default="A")
@click.option(
    "--last", type=click.IntRange(1, 10_000), default=10, show_default=True, help="So many verdicts, the newest."
)
@config_option
@json_option
def explain(name: str, type: str, last: int, config: Path | None, as_json: bool) -> None:  # noqa: A002
    """Explain one name: what is known, every verdict, what is answered.

    Shows the answer that is known to be good and since when, what a client would get now and why, and from the
    ledger every verdict on the name with the evidence that it rests on. TYPE is A if left out.

    \b
    Examples:
      standfast explain www.example.org
      standfast explain www.example.org AAAA --last 100
      standfast explain www.example.org --json | jq .known_good
    """
    answer = ask(config, "explain", name=name, type=type)
    verdicts, trouble = _verdicts(state_dir(config) / LEDGER_NAME, answer, last)
    if as_json:
        print_json({**answer, "verdicts": [{"seq": v.seq, "at_ms": v.at_ms, **v.body} for v in verdicts]})
        return
    now_ms = time.time_ns() // 1_000_000
    print_facts([*_known_facts(answer, now_ms), *_lost_facts(answer["lost"], now_ms), *_answer_facts(answer)])
    click.echo()
    click.echo("Verdicts, from the ledger, the newest last:" if verdicts else "No verdicts: it was never lost.")
    for verdict in verdicts:
        click.echo(f"\n  {moment(verdict.at_ms, now_ms)}  record {verdict.seq}\n    {what(verdict)}")
        evidence = verdict.body.get("evidence")
        for piece in evidence if isinstance(evidence, list) else []:
            click.echo(f"      - {piece}")
    if trouble:
        click.echo(trouble, err=True)


def _verdicts(path: Path, answer: dict[str, Any], last: int) -> tuple[list[Record], str]:
    """Return the newest verdicts on the question that `answer` is about, and what was wrong with the ledger."""
    try:
        records = read_records(path, qname=answer["qname"], kind="verdict")
        return list(deque((r for r in records if r.body.get("qtype") == answer["qtype"]), maxlen=last)), ""
    except LedgerError as error:
        return [], f"the verdicts cannot be read: {error}"


def _known_facts(answer: dict[str, Any], now_ms: int) -> Facts:
    policy = answer["policy"]
    times = ", ".join(f"{word} {duration(policy[key])}" for word, key in _TIMES.items())
    facts = [
        ("name", f"{answer['qname']} {answer['qtype']}"),
        ("policy", f"{policy['mode']}{', pinned' if policy['pinned'] else ''}, {times}, probe {policy['probe']}"),
    ]
    known = answer["known_good"]
    if known is None:
        return [*facts, ("known-good", "nothing: it was never answered well, or long ago")]
    facts += [
        ("known-good", ", ".join(known["addresses"]) or "; ".join(known["answer"])),
        ("first seen", moment(known["first_seen_ms"], now_ms)),
        ("confirmed", f"{moment(known['confirmed_at_ms'], now_ms)}, {count(known['confirmations'], 'time')} in all"),
        ("identity", f"last proven: {moment(known['identity_proven_at_ms'], now_ms)}"),
    ]
    if known["zone"]:
        facts.append(("zone", known["zone"]))
    if known["released_at_ms"] is not None:
        facts.append(("given up", moment(known["released_at_ms"], now_ms)))
    if known["held_by_operator_until_ms"] is not None:
        facts.append(("held by hand", f"until {moment(known['held_by_operator_until_ms'], now_ms)}"))
    return facts


_TIMES = {"grace": "grace_s", "hold at most": "hold_max_s", "stale at most": "stale_max_s"}


def _lost_facts(lost: dict[str, Any] | None, now_ms: int) -> Facts:
    if lost is None:
        return [("lost", "no")]
    facts = [
        ("lost", f"{lost['outcome']} since {moment(lost['since_ms'], now_ms)}"),
        ("verdict", f"{lost['action']}/{lost['cause']} (rule {lost['rule']}): {lost['reason']}"),
    ]
    return [*facts, *(("" if at else "evidence", piece) for at, piece in enumerate(lost["evidence"]))]


def _answer_facts(answer: dict[str, Any]) -> Facts:
    off = [("guard", "OFF: names are judged, and not held")] if answer["guard"] == "off" else []
    return [*off, ("answered now", f"{answer['answer_now']}: {answer['answer_why']}")]
