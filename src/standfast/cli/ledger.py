"""`standfast ledger show|verify`: the record of every verdict and plan, read from its file; needs nothing running."""

import heapq
import re
import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import config_option, count, json_option, moment, print_json, state_dir
from standfast.cli.control_records import control_record_in_words
from standfast.cli.exits import NEGATIVE
from standfast.cli.tables import print_table
from standfast.dns.name import BadName, parse_name
from standfast.io.control.journal import control_ledgers
from standfast.io.settings.places import LEDGER_NAME, find_config, find_control_dir
from standfast.io.state.ledger_file import read_records, verify_file
from standfast.ledger.record import MalformedRecord, Record
from standfast.ledger.verify import Finding, Report

LAST_MAX = 10_000  # records; more are for a program that reads the file itself, a line each
NAMES_SHOWN_MAX = 3  # of a record that is about many
control_option = click.option("--control", is_flag=True, help="The control plane's ledgers, not the guard's.")
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@click.group()
def ledger() -> None:
    """Show or verify the record of every verdict, and of every plan.

    \b
    Examples:
      standfast ledger show www.example.org
      standfast ledger show --control db.example.org
      standfast ledger verify
    """


class _Since(click.ParamType[int]):
    """A point in time: so long ago (`90s`, `30m`, `2h`, `7d`), or `2026-11-23` with or without `T08:41`, in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the point in Unix milliseconds."""
        if match := re.fullmatch(r"(\d{1,9})([smhd])", value):
            return time.time_ns() // 1_000_000 - int(match[1]) * UNITS_S[match[2]] * 1_000
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f'"{value}" is no time - write 90s, 30m, 2h, 7d, 2026-11-23 or 2026-11-23T08:41', param, ctx)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


@ledger.command()
@click.argument("name", required=False)
@click.option("--kind", help="Only records of this kind: verdict, command, planned, published, ...")
@click.option(
    "--since", type=_Since(), help="Only records since then: 90s, 30m, 2h, 7d ago, or 2026-11-23T08:41 (UTC)."
)
@click.option(
    "--last", type=click.IntRange(1, LAST_MAX), default=50, show_default=True, help="So many at most, the newest."
)
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="This ledger, not the guard's own.")
@control_option
@config_option
@json_option
def show(
    name: str | None,
    kind: str | None,
    since: int | None,
    last: int,
    file: Path | None,
    control: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show the newest records, the oldest of them first.

    With NAME, only those about that name.

    \b
    Examples:
      standfast ledger show
      standfast ledger show www.example.org --since 2h
      standfast ledger show --kind verdict --json | jq .[].body.reason
    """
    damaged: list[MalformedRecord] = []
    qname = _qname(name)
    found = [
        read_records(path, qname=qname, kind=kind, since_ms=since, on_damage=damaged.append)
        for path in _paths(file, config, control=control)
    ]
    records = deque(heapq.merge(*found, key=lambda record: record.at_ms) if len(found) > 1 else found[0], maxlen=last)
    if as_json:
        print_json([asdict(record) for record in records])
    elif records:
        print_table(("RECORD", "TIME", "KIND", "NAME", "WHAT"), [_row(record) for record in records])
    else:
        click.echo("no records")
    if damaged:
        lines = count(len(damaged), "damaged line")
        click.echo(f"passed over {lines}; `standfast ledger verify` says which", err=True)


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@control_option
@config_option
@json_option
@click.pass_context
def verify(ctx: click.Context, file: Path | None, control: bool, config: Path | None, as_json: bool) -> None:
    """Verify that no record was changed, dropped or moved.

    Says of each that was. Without FILE, the guard's own ledger. Exit code 1 if there is a finding.

    \b
    Examples:
      standfast ledger verify
      standfast ledger verify --control
      standfast ledger verify whole.jsonl
    """
    reports = {path: verify_file(path) for path in _paths(file, config, control=control)}
    if as_json:
        documents = [{"file": str(path), **asdict(report)} for path, report in reports.items()]
        print_json({"ledgers": documents} if control else documents[0])
    else:
        for path, report in reports.items():
            _tell(path, report)
    if any(report.findings for report in reports.values()):
        ctx.exit(NEGATIVE)


def _tell(path: Path, report: Report) -> None:
    for finding in report.findings:
        click.echo(_in_words(finding))
    if report.findings_left_out:
        click.echo(f"... and {report.findings_left_out} findings more")
    state = f"{'DAMAGED' if report.findings else 'whole'}, {count(report.records, 'record')}"
    click.echo(f"{path}: {state}, the last is {report.head.seq} ({report.head.hash[:16]})")


def what(record: Record) -> str:
    """Return a record's content in one sentence."""
    body = record.body
    match record.kind:
        case "verdict":
            provisional = ", provisional" if body.get("provisional") else ""
            return f"{body.get('action')}/{body.get('cause')}{provisional}: {body.get('reason')}"
        case "command":
            return str(body.get("command"))
        case _ if (told := control_record_in_words(record)) is not None:
            return told
        case _:
            return ", ".join(f"{key} {value}" for key, value in body.items())


def _row(record: Record) -> tuple[str, ...]:
    match record.body:
        case {"names": [_, *_] as names}:
            more = f" +{len(names) - NAMES_SHOWN_MAX}" if len(names) > NAMES_SHOWN_MAX else ""
            name = " ".join(map(str, names[:NAMES_SHOWN_MAX])) + more
        case {"zone": zone}:
            name = str(zone)
        case body:
            name = " ".join(str(body[key]) for key in ("qname", "qtype") if key in body)
    return str(record.seq), moment(record.at_ms), record.kind, name or "-", what(record)


def _in_words(finding: Finding) -> str:
    if finding.seq is None:
        place = f"line {finding.line}"
    elif finding.seq_last in (None, finding.seq):
        place = f"line {finding.line}, record {finding.seq}"
    else:
        place = f"line {finding.line}, records {finding.seq} to {finding.seq_last}"
    return f"{place}: {finding.kind}: {finding.text}"


def _paths(file: Path | None, config: Path | None, *, control: bool) -> list[Path]:
    """Return the ledgers that are meant, one at least; whether it is there shows when it is read."""
    if file and control:
        raise click.UsageError("a file and --control are two ledgers: name one")
    if file or not control:
        return [file or state_dir(config) / LEDGER_NAME]
    folder = find_control_dir(find_config(config))
    return control_ledgers(folder) or [folder / LEDGER_NAME]


def _qname(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return parse_name(name)
    except BadName as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
