"""`standfast zone`: look at zone files, and change nothing; what signs zones is in `zone_signing`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from standfast.authority.diff import difference
from standfast.authority.lookup import answer
from standfast.cli.common import config_option, count, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.parameters import FILE, NameType, RecordType, origin_option
from standfast.cli.zone_signing import keys, roll, sign
from standfast.dns.changes import Change
from standfast.dns.codec import rrset_to_text
from standfast.dns.masterfile import Fault
from standfast.dns.model import Name, Query, Question, Rcode, RRset, type_name
from standfast.io.authority.zone_files import ZoneFileError, read_zone
from standfast.io.settings.config import load
from standfast.io.settings.places import find_config


@click.group()
def zone() -> None:
    """Check, show, compare and sign zone files, and see to the keys of signed zones.

    \b
    Examples:
      standfast zone check zones/*.zone
      standfast zone show www.example.org
      standfast zone diff example.org.zone example.org.zone.new
      standfast zone sign example.org.zone --generate
    """


for _command in (sign, keys, roll):
    zone.add_command(_command)


@zone.command()
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@origin_option
@json_option
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...], origin: Name | None, as_json: bool) -> None:
    """Say everything that is wrong with zone files, each with its line.

    Faults forbid to serve a zone, warnings do not. Exit code 1 if there is a fault.

    \b
    Examples:
      standfast zone check example.org.zone
      standfast zone check --origin example.org db.example --json | jq .[].faults
    """
    reports = [_report(path, origin) for path in files]
    if as_json:
        print_json(reports)
    else:
        for report in reports:
            for kind in ("faults", "warnings"):
                for fault in report[kind]:
                    click.echo(f"{'' if kind == 'faults' else 'warning: '}{Fault(**fault)}")
            click.echo(_summary(report))
    if any(report["faults"] for report in reports):
        ctx.exit(NEGATIVE)


@zone.command()
@click.argument("name", type=NameType())
@click.argument("type", required=False, default="ANY", type=RecordType())
@click.option("--file", "files", type=FILE, multiple=True, help="These zone files, not those of the configuration.")
@config_option
@json_option
@click.pass_context
def show(
    ctx: click.Context,
    name: Name,
    type: int,  # noqa: A002  the command's own word
    files: tuple[Path, ...],
    config: Path | None,
    as_json: bool,
) -> None:
    """Say what NAME gets, by the zone files as they are now.

    Without TYPE, all that stands at NAME. Nothing is asked over the network. Exit code 1 if there is no such name.

    \b
    Examples:
      standfast zone show www.example.org
      standfast zone show www.example.org A --file example.org.zone
    """
    zones = {read.zone.origin: read.zone for read in map(read_zone, files or _configured(config))}
    reply = answer(zones, Query(id=0, question=Question(name, type), cased_qname=name, do=True))
    sections = {
        "answer": reply.answer,
        "authority": reply.authority,
        "additional": reply.glue + reply.additional,
    }
    lines = {
        title: [line for rrset in rrsets for line in _lines(rrset, rrset.rdatas)] for title, rrsets in sections.items()
    }
    rcode = Rcode(reply.rcode).name
    if as_json:
        print_json({"name": name, "type": type_name(type), "rcode": rcode, "authoritative": reply.aa, **lines})
    else:
        click.echo(f"{name} {type_name(type)}: {rcode}, {'authoritative' if reply.aa else 'not authoritative'}")
        for title, records in lines.items():
            if records:
                click.echo("\n".join([f"{title}:", *(f"  {record}" for record in records)]))
    if reply.rcode != Rcode.NOERROR:
        ctx.exit(NEGATIVE)


@zone.command()
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@origin_option
@json_option
@click.pass_context
def diff(ctx: click.Context, old: Path, new: Path, origin: Name | None, as_json: bool) -> None:
    """Say which records go (-) and come (+) from one zone file to another.

    Both are checked first. Exit code 1 if there is a difference.

    \b
    Example:
      standfast zone diff example.org.zone example.org.zone.new
    """
    before, after = (read_zone(path, origin=origin).zone for path in (old, new))
    changes = difference(before, after)
    if as_json:
        print_json([_change(change) for change in changes])
    else:
        for change in changes:
            for sign, lines in (("-", _removed(change)), ("+", _added(change))):
                for line in lines:
                    click.echo(f"{sign} {line}")
        click.echo(f"{before.origin} {before.serial} -> {after.serial}: {count(len(changes), 'changed RRset')}")
    if changes:
        ctx.exit(NEGATIVE)


def _configured(config: Path | None) -> tuple[Path, ...]:
    authority = load(find_config(config)).authority
    if authority is None:
        raise click.UsageError("the configuration has no [authority] - name zone files with --file")
    return authority.zones


def _report(path: Path, origin: Name | None) -> dict[str, Any]:
    try:
        read = read_zone(path, origin=origin, now=time.time())
    except ZoneFileError as error:
        faults, warnings = map(list, (error.faults, error.warnings))
        found: dict[str, Any] = {"origin": None, "serial": None, "records": None}
    else:
        faults, warnings = [], list(read.warnings)
        records = sum(len(rrset.rdatas) for rrset in read.zone.rrsets())
        found = {"origin": read.zone.origin, "serial": read.zone.serial, "records": records}
    return {
        "file": str(path),
        **found,
        "faults": [asdict(f) for f in faults],
        "warnings": [asdict(w) for w in warnings],
    }


def _summary(report: dict[str, Any]) -> str:
    warned = f", {count(len(report['warnings']), 'warning')}" if report["warnings"] else ""
    if report["faults"]:
        return f"{report['file']}: not to be served, {count(len(report['faults']), 'fault')}{warned}"
    what = f"{report['origin']} serial {report['serial']}, {count(report['records'], 'record')}"
    return f"{report['file']}: fine, {what}{warned}"


def _change(change: Change) -> dict[str, Any]:
    rrset = change.before or change.after
    assert rrset is not None
    return {
        "owner": rrset.owner,
        "type": type_name(rrset.rtype),
        "removed": _removed(change),
        "added": _added(change),
    }


def _removed(change: Change) -> list[str]:
    return _lines(change.before, change.removed)


def _added(change: Change) -> list[str]:
    return _lines(change.after, change.added)


def _lines(rrset: RRset | None, rdatas: tuple[bytes, ...]) -> list[str]:
    if rrset is None:
        return []
    head = f"{rrset.owner} {rrset.ttl_s} {type_name(rrset.rtype)}"
    return sorted(
        f"{head} {text}" for rdata, text in zip(rrset.rdatas, rrset_to_text(rrset), strict=True) if rdata in rdatas
    )
