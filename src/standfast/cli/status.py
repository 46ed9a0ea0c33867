"""`standfast status`: how the running guard does."""

from pathlib import Path
from typing import Any

import click

from standfast.cli.common import ask, config_option, count, duration, json_option, print_json
from standfast.cli.tables import print_facts, print_table


@click.command()
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> None:
    """Show how the running guard does.

    Whether it is on, what it was asked, which names it holds, how its upstreams are, and what is wrong with its
    files if anything is.

    \b
    Examples:
      standfast status
      standfast status --json | jq .held
    """
    answer = ask(config, "status")
    if as_json:
        print_json(answer)
        return
    print_facts(_facts(answer))
    click.echo()
    head = ("UPSTREAM", "STATE", "ROUND TRIP", "FAILURES", "THE LAST")
    print_table(head, [_upstream(u) for u in answer["upstreams"]])


def _facts(answer: dict[str, Any]) -> list[tuple[str, str]]:
    queries = answer["queries"]
    at_once = f", {100 * answer['answered_at_once'] / queries:.1f} % answered at once" if queries else ""
    verdicts = ", ".join(f"{number} {kind}" for kind, number in answer["verdicts"].items())
    return [
        (
            "guard",
            f"{'on' if answer['enabled'] else 'OFF'}, process {answer['pid']}, up {duration(answer['uptime_s'])}",
        ),
        ("listens on", ", ".join(answer["listen"])),
        ("queries", f"{queries}{at_once}"),
        *_workers_facts(answer["workers"], answer["pid"]),
        *_turned_away_facts(answer["turned_away"]),
        ("asked", f"{count(answer['asked'], 'time')}, {answer['late']} late; {count(answer['probes'], 'probe')}"),
        ("known-good", f"{count(answer['known_good'], 'question')}, {answer['known_good_bytes'] / 1e6:.1f} MB"),
        ("lost", f"{answer['lost']}, held: {answer['held']}"),
        ("verdicts", verdicts or "none yet"),
        *_store_facts(answer["store"]),
        *_ledger_facts(answer["ledger"]),
    ]


def _workers_facts(workers: dict[str, Any], pid: int) -> list[tuple[str, str]]:
    if workers["number"] == 1:
        return []
    processes = [str(pid), *(f"{each['pid']} ({each['hits']} answered)" for each in workers["others"])]
    lost = f"; {workers['lost']} lost so far" if workers["lost"] else ""
    return [("workers", f"{len(processes)} of {workers['number']} serve: process {', '.join(processes)}{lost}")]


def _turned_away_facts(turned_away: dict[str, int]) -> list[tuple[str, str]]:
    outside, limited = turned_away["outside"], turned_away["limited"]
    if not outside and not limited:
        return []
    return [("turned away", f"{outside} from outside allow, {limited} over rate_limit_qps")]


def _store_facts(store: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("store", f"{count(store['waiting'], 'change')} to be written, {store['file']}")]
    if store["failure"]:
        facts.append(("", f"NOT WRITTEN: {store['failure']}; names are held from memory all the same"))
    if store["refused"]:
        facts.append(("", f"refused {count(store['refused'], 'change')} while nothing could be written"))
    return [*facts, *(("", notice) for notice in store["notices"])]


def _ledger_facts(ledger: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("ledger", f"{count(ledger['records'], 'record')}, {ledger['file']}")]
    return [*facts, ("", f"NOT WRITTEN: {ledger['failure']}")] if ledger["failure"] else facts


def _upstream(upstream: dict[str, Any]) -> tuple[str, ...]:
    trip = "-" if upstream["rtt_us"] is None else f"{upstream['rtt_us'] / 1000:.1f} ms"
    state = "down" if upstream["down"] else "up"
    return upstream["server"], state, trip, str(upstream["failures"]), upstream["failure"] or "-"
