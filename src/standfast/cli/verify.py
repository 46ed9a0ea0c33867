"""`standfast verify`: what servers answer, once, beside what is planned."""

import asyncio
from pathlib import Path
from typing import Any

import click

from standfast.cli.common import config_option, count, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.parameters import NameType
from standfast.cli.tables import print_table
from standfast.control.fence import Fence, standing_told
from standfast.control.verifier import Sight, finding_of
from standfast.dns.model import Name, RRset, type_name
from standfast.dns.name import is_below
from standfast.dns.rdata import rrset_to_text
from standfast.io.control.intent_files import load_intent
from standfast.io.control.outlook import has_store
from standfast.io.control.stores.opening import open_store
from standfast.io.control.verifying import Looked, Verified
from standfast.io.control.verifying import verify as look
from standfast.io.settings.config import load
from standfast.io.settings.places import find_config


@click.command()
@click.argument("names", metavar="[NAME]...", type=NameType(), nargs=-1)
@click.option("--resolvers", is_flag=True, help="Ask the resolvers of [control] too: what the world sees.")
@config_option
@json_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[Name, ...], resolvers: bool, config: Path | None, as_json: bool) -> None:
    """Compare what is published, and what servers answer, with the newest plan.

    Reads each publisher whole, and asks every server that must show it for each NAME; without names, for some of
    each zone. Changes nothing. Exit code 1 if anything is not as planned.

    \b
    Examples:
      standfast verify
      standfast verify db.example.org --resolvers --json
    """
    settings = load(find_config(config))
    control = settings.control
    if control is None:
        raise click.UsageError("the configuration has no [control]: name one with --config")
    intent = load_intent(control)
    if strangers := [name for name in names if all(not is_below(name, zone) for zone in intent.zones)]:
        raise click.BadParameter(
            f"{strangers[0]} is in none of the zones: {', '.join(intent.zones)}", param_hint="NAME"
        )

    async def run() -> list[Verified]:
        async with open_store(control) as store:
            return await look(control, settings.authority, intent, store, names, resolvers=resolvers)

    found = asyncio.run(run()) if has_store(control) else []
    is_right = bool(found) and all(each.is_right for each in found)
    if as_json:
        print_json({"right": is_right, "zones": [_document(each) for each in found]})
    elif found:
        rows = [row for each in found for row in _rows(each)]
        print_table(("ZONE", "AT", "WHAT", "IS"), rows)
    else:
        click.echo("nothing is planned yet: there is nothing to compare with", err=True)
    if not is_right:
        ctx.exit(NEGATIVE)


def _rows(found: Verified) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (found.zone, found.publisher, f"generation {found.newest.generation}", _standing(found))
    ]
    for each in found.looked:
        name, rtype = each.seen.asked
        rows.append((found.zone, each.seen.server, f"{name} {type_name(rtype)}", _sight(each)))
    return rows


def _standing(found: Verified) -> str:
    if found.failure:
        return f"unread: {found.failure}"
    if found.drift is not None:
        return f"drift: {found.drift.why}; {count(len(found.drift.repairs), 'RRset')} to be written"
    if found.is_newest:
        return "published, all as planned"
    state = "" if not isinstance(found.fence, Fence) else ", done" if found.fence.done else ", half written"
    return f"not published: {standing_told(found.fence)} stands{state}"


def _sight(looked: Looked) -> str:
    finding = finding_of(looked.seen, looked.sight, looked.planned)
    if finding is None:
        return f"{looked.sight}: {' '.join(_texts(looked.seen.rrset)) or 'nothing'}"
    return f"{looked.sight}: {finding.text.removeprefix(looked.seen.server).lstrip(': ')}; {finding.advice}"


def _texts(rrset: RRset | None) -> list[str]:
    return sorted(rrset_to_text(rrset)) if rrset else []


def _document(found: Verified) -> dict[str, Any]:
    return {
        "zone": found.zone,
        "publisher": found.publisher,
        "right": found.is_right,
        "newest": {"generation": found.newest.generation, "plan": found.newest.hash},
        "fence": str(found.fence) if found.fence else None,
        "drift": found.drift and {"why": found.drift.why, "repairs": len(found.drift.repairs)},
        "failure": found.failure or None,
        "answers": [
            {
                "server": each.seen.server,
                "name": each.seen.asked[0],
                "type": type_name(each.seen.asked[1]),
                "is": each.sight.value,
                "answer": _texts(each.seen.rrset) if each.sight is not Sight.SILENT else None,
                "planned": _texts(each.planned),
                "failure": each.seen.failure or None,
            }
            for each in found.looked
        ],
    }
