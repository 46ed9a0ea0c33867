"""Small scripts of one plot each, for tests and for the sabotage list: one name, three servers, two upstreams."""

from standfast.dns.model import Name
from standfast.sim.events import (
    BreakResolver,
    DropDelegation,
    DropName,
    EmptyRecord,
    Event,
    Fault,
    GiveAway,
    MendResolver,
    Party,
    Restart,
    RestoreRecord,
    Retire,
    SetAddresses,
    StopServers,
    Timed,
)
from standfast.sim.resolvers import ResolverSpec
from standfast.sim.script import Pace, Script
from standfast.sim.world import NameSpec, ZoneSpec

ZONE: Name = "zone.example."
NAME: Name = "api.zone.example."
SERVERS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
THEIRS = ("203.0.113.66", "203.0.113.67")
UPSTREAMS = (ResolverSpec(host="10.0.0.1"), ResolverSpec(host="10.0.0.2"))
MONTH_S = 30 * 86_400.0


def plot(
    title: str, *timeline: tuple[float, Event], names: tuple[NameSpec, ...] = (), entries_max: int = 10_000
) -> Script:
    """Return a script of `timeline` that ends ten minutes after it; names are looked up every ten seconds."""
    named = names or (NameSpec(name=NAME, zone=ZONE, addresses=SERVERS, known_for_s=MONTH_S),)
    return Script(
        title=title,
        seed=title,
        zones=(ZoneSpec(name=ZONE, negative_ttl_s=300, signed=True),),
        names=named,
        upstreams=UPSTREAMS,
        timeline=tuple(Timed(at_s=at_s, event=event) for at_s, event in timeline),
        ends_at_s=timeline[-1][0] + 600,
        pace=Pace(first_s=10, longest_s=10),
        cache_max=entries_max,
        known_max=entries_max,
    )


def lost() -> Script:
    """The record is emptied by mistake for an hour; the servers are well."""
    return plot("lost", (300, EmptyRecord(name=NAME)), (3900, RestoreRecord(name=NAME)))


def removed() -> Script:
    """The owner removes the name, and stops its servers."""
    return plot(
        "removed",
        (300, Retire(name=NAME)),
        (300, DropName(name=NAME)),
        (330, StopServers(addresses=SERVERS)),
        (5000, DropName(name=NAME)),
    )


def reassigned() -> Script:
    """The owner removes the name, and its addresses are given to a stranger."""
    return plot(
        "reassigned",
        (300, Retire(name=NAME)),
        (300, DropName(name=NAME)),
        (330, GiveAway(addresses=SERVERS, certificate="www.stranger.example.")),
        (2000, DropName(name=NAME)),
    )


def ghost() -> Script:
    """The owner gives the domain up; the servers stay."""
    return plot(
        "ghost",
        (300, Retire(name=NAME)),
        (300, DropDelegation(zone=ZONE)),
        (2000, DropDelegation(zone=ZONE)),
    )


def restarted() -> Script:
    """The machine restarts in the middle of a loss by mistake."""
    return plot("restarted", (300, EmptyRecord(name=NAME)), (900, Restart()), (1800, RestoreRecord(name=NAME)))


def hijack() -> Script:
    """An attacker replaces all addresses of a steady name by his own."""
    return plot(
        "hijack",
        (200, GiveAway(addresses=THEIRS, party=Party.ATTACKER, certificate="www.attacker.example.")),
        (300, SetAddresses(name=NAME, addresses=THEIRS)),
        (1800, RestoreRecord(name=NAME)),
    )


def unanswered() -> Script:
    """Both upstreams time out."""
    broken = [(300.0, BreakResolver(host=each.host, fault=Fault.TIMEOUT)) for each in UPSTREAMS]
    mended = [(900.0, MendResolver(host=each.host)) for each in UPSTREAMS]
    return plot("unanswered", *broken, *mended)


def many_names(count: int = 24) -> Script:
    """More names than the guard may remember, all lost at once."""
    names = tuple(
        NameSpec(name=f"n{number}.{ZONE}", zone=ZONE, addresses=(f"198.51.100.{number + 1}",))
        for number in range(count)
    )
    lost_all = [(300.0, EmptyRecord(name=spec.name)) for spec in names]
    found_all = [(900.0, RestoreRecord(name=spec.name)) for spec in names]
    return plot("many names", *lost_all, *found_all, names=names, entries_max=8)
