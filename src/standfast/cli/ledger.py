"""`standfast ledger show|verify`: the record of every verdict, read from its file; needs no running guard."""

import re
import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import config_option, count, json_option, moment, print_json, state_dir
from standfast.cli.exits import NEGATIVE
from standfast.cli.tables import print_table
from standfast.dns.name import BadName, parse_name
from standfast.io.settings.places import LEDGER_NAME
from standfast.io.state.ledger_file import read_records, verify_file
from standfast.ledger.record import MalformedRecord, Record
from standfast.ledger.verify import Finding

LAST_MAX = 10_000  # records; more are for a program that reads the file itself, a line each
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@click.group()
def ledger() -> None:
    """Show or verify the record of every verdict.

    \b
    Examples:
      standfast ledger show www.example.org
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
@click.option("--kind", help="Only records of this kind: verdict, command, start, stop, ...")
@click.option(
    "--since", type=_Since(), help="Only records since then: 90s, 30m, 2h, 7d ago, or 2026-11-23T08:41 (UTC)."
)
@click.option(
    "--last", type=click.IntRange(1, LAST_MAX), default=50, show_default=True, help="So many at most, the newest."
)
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="This ledger, not the guard's own.")
@config_option
@json_option
def show(
    name: str | None,
    kind: str | None,
    since: int | None,
    last: int,
    file: Path | None,
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
    records = deque(
        read_records(_path(file, config), qname=_qname(name), kind=kind, since_ms=since, on_damage=damaged.append),
        maxlen=last,
    )
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
@config_option
@json_option
@click.pass_context
def verify(ctx: click.Context, file: Path | None, config: Path | None, as_json: bool) -> None:
    """Verify that no record was changed, dropped or moved.

    Says of each that was. Without FILE, the guard's own ledger. Exit code 1 if there is a finding.

    \b
    Examples:
      standfast ledger verify
      standfast ledger verify whole.jsonl
    """
    path = _path(file, config)
    report = verify_file(path)
    if as_json:
        print_json({"file": str(path), **asdict(report)})
    else:
        for finding in report.findings:
            click.echo(_in_words(finding))
        if report.findings_left_out:
            click.echo(f"... and {report.findings_left_out} findings more")
        state = f"{'DAMAGED' if report.findings else 'whole'}, {count(report.records, 'record')}"
        click.echo(f"{path}: {state}, the last is {report.head.seq} ({report.head.hash[:16]})")
    if report.findings:
        ctx.exit(NEGATIVE)


def what(record: Record) -> str:
    """Return a record's content in one sentence."""
    body = record.body
    match record.kind:
        case "verdict":
            provisional = ", provisional" if body.get("provisional") else ""
            return f"{body.get('action')}/{body.get('cause')}{provisional}: {body.get('reason')}"
        case "command":
            return str(body.get("command"))
        case _:
            return ", ".join(f"{key} {value}" for key, value in body.items())


def _row(record: Record) -> tuple[str, ...]:
    name = " ".join(str(record.body[key]) for key in ("qname", "qtype") if key in record.body)
    return str(record.seq), moment(record.at_ms), record.kind, name or "-", what(record)


def _in_words(finding: Finding) -> str:
    if finding.seq is None:
        place = f"line {finding.line}"
    elif finding.seq_last in (None, finding.seq):
        place = f"line {finding.line}, record {finding.seq}"
    else:
        place = f"line {finding.line}, records {finding.seq} to {finding.seq_last}"
    return f"{place}: {finding.kind}: {finding.text}"


def _path(file: Path | None, config: Path | None) -> Path:
    return file or state_dir(config) / LEDGER_NAME


def _qname(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return parse_name(name)
    except BadName as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
