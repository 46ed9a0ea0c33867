"""What came of a live drill, put into words and figures once it is over: scores, verdicts, ledger, versions."""

import asyncio
import platform
import time
from importlib.metadata import version

from standfast.drills.account import Account, Contestant, Moment, without_clock
from standfast.drills.live.parts import Parts
from standfast.drills.live.scores import LiveScores
from standfast.drills.live.setting import Setting
from standfast.drills.scenario import Scenario
from standfast.ledger.record import LedgerError

PACKAGES = ("standfast", "boto3", "ministack")


async def tell(
    scenario: Scenario,
    setting: Setting,
    parts: Parts,
    scores: LiveScores,
    *,
    failures: tuple[str, ...],
    began_s: float,
) -> Account:
    """Return the account of a drill that has just ended; its guard is stopped, so that its ledger is whole."""
    ends_at_s = setting.script.ends_at_s
    await parts.guard.stop()
    decisions = await asyncio.to_thread(parts.guard.decisions, parts.clock)
    ledger, wrong = await asyncio.to_thread(_verify, parts)
    titles = {name: "DynamoDB" if name.startswith("dynamodb.") else name.removesuffix(".") for name in setting.names}
    return Account(
        drill=scenario.name,
        title=scenario.title,
        description=scenario.description,
        lesson=scenario.lesson,
        sources=scenario.sources,
        mode="live",
        scale=parts.clock.scale,
        starts_at=scenario.starts_at,
        zone=scenario.zone_name,
        ends_at_s=ends_at_s,
        moments=tuple(Moment(at_s=timed.at_s, text=without_clock(timed.title)) for timed in setting.script.timeline),
        background=scores.background(ends_at_s),
        contestants=tuple(
            Contestant(name=way.title, what=way.what, suffered=scores.suffered(way.key, ends_at_s, titles))
            for way in parts.ways
        ),
        absent=parts.absent,
        decisions=tuple(decision for decision in decisions if 0 <= decision.at_s <= ends_at_s),
        ledger=ledger,
        versions=_versions(parts),
        notes=_notes(parts),
        took_s=time.monotonic() - began_s,
        failures=(*failures, *wrong),
    )


def _verify(parts: Parts) -> tuple[str, tuple[str, ...]]:
    """Return what a verification of the guard's ledger says, and what is wrong with it."""
    try:
        report = parts.guard.verify_ledger()
    except LedgerError as error:
        return str(error), (f"the guard's ledger: {error}",)
    if not report.findings:
        return (
            f"The {report.records} records of the guard's ledger are whole: every hash fits, none is missing, none was "
            f"changed or moved. Head: record {report.head.seq}, {report.head.hash}.",
            (),
        )
    wrong = tuple(f"the guard's ledger, line {finding.line}: {finding.text}" for finding in report.findings)
    return "The guard's ledger is damaged.", wrong


def _versions(parts: Parts) -> dict[str, str]:
    return {
        **{package: version(package) for package in PACKAGES},
        **{rival.child.name: rival.version for rival in parts.rivals},
        "Python": platform.python_version(),
        "system": platform.platform(terse=True),
    }


def _notes(parts: Parts) -> tuple[str, ...]:
    scale = parts.clock.scale
    return (
        f"The story ran {scale:g} times as fast as it tells. TTLs in answers, the zone's negative TTL included, and "
        f"the guard's own times were divided by {scale:g}. A TTL is a second at least, which is {scale:g} s of the "
        "story: so much later than in life do caches notice a change. Time-outs of clients, resolvers and probes "
        "stayed as they are.",
        "All of it was real: sockets, TLS handshakes with certificates of a throw-away authority, unmodified boto3, "
        "the resolvers in the versions above, the guard as standfast up runs it. The upstream is scripted: it answers "
        "as a resolver with a warm cache did at that time of the story, and the same to everybody.",
        "Nothing left this machine: every socket was on 127.0.0.0/8, which was checked while it ran.",
    )
