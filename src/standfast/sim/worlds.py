"""Seeded random worlds: names, servers, owners' intents and faults, each a script of some hours.

`STORIES` is the mix, by weight: a choice, not a measurement, so scores of many worlds mean something beside it only.
Removals run on for hours, so that whoever holds too long pays for it; in one removal of six the servers stay up and go
on proving identity, where no evidence can tell the removal from a mistake.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from standfast.dns.model import Name, Question, RRType
from standfast.sim.events import (
    BreakResolver,
    BreakSigning,
    DropDelegation,
    DropName,
    EmptyRecord,
    Event,
    Fault,
    FlushResolver,
    GiveAway,
    MendResolver,
    MendSigning,
    Party,
    Restart,
    RestoreDelegation,
    RestoreRecord,
    Retire,
    ReviveServers,
    SetAddresses,
    StartServers,
    StopServers,
    Timed,
)
from standfast.sim.resolvers import ResolverSpec
from standfast.sim.script import Script
from standfast.sim.world import NameSpec, ZoneSpec

CALM_S = (500.0, 1000.0)  # before anything happens: what is known is learned in it
FAULTS_S = (60.0, 300.0, 900.0, 1800.0, 3600.0, 9420.0)  # how long a fault lasts; the last is the incident's 2 h 37 min
AFTERMATH_S = (1000.0, 2000.0)  # after the last event: negative answers and holds run out
AFTER_REMOVAL_S = (5400.0, 12_600.0)
STEADY_S = 30 * 86_400.0  # a guard that has known a name for a month watches it for wholesale changes
STRANGERS_NAME: Name = "shop.stranger.example."
MUST_NOT_PROBE = ("169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1", "ff02::1")  # noqa: S104


def make_script(seed: str) -> Script:
    """Return the world of `seed`."""
    draft = Draft(Random(seed))  # noqa: S311  chance in a game, not a secret
    rng = draft.rng
    _draw_resolvers(draft)
    ends_s = [0.0]
    for number in range(1 if rng.random() < 0.75 else 2):
        spec = _draw_name(draft, number)
        story = rng.choices([story for _, story in STORIES], [weight for weight, _ in STORIES])[0]
        ends_s.append(story(draft, spec, rng.uniform(*CALM_S)))
    ends_at_s = max(*ends_s, *(timed.at_s for timed in draft.timeline)) + rng.uniform(*AFTERMATH_S)
    if rng.random() < 0.2:
        draft.at(rng.uniform(CALM_S[0], ends_at_s), Restart())
    if rng.random() < 0.1:
        host = rng.choice(draft.upstreams).host
        draft.at(rng.uniform(CALM_S[0], ends_at_s), FlushResolver(host=host))
    small = rng.random() < 0.05
    return Script(
        title=" and ".join(draft.titles),
        seed=seed,
        zones=tuple(draft.zones),
        names=tuple(draft.names),
        upstreams=tuple(draft.upstreams),
        second_opinions=tuple(draft.second_opinions),
        policies=tuple(draft.policies),
        timeline=tuple(sorted(draft.timeline, key=lambda timed: timed.at_s)),
        ends_at_s=ends_at_s,
        strays=tuple(_draw_strays(draft)),
        on_the_wire=rng.random() < 1 / 16,
        cache_max=4 if small else 10_000,
        known_max=4 if small else 10_000,
    )


@dataclass(slots=True)
class Draft:
    """A script in the making."""

    rng: Random
    titles: list[str] = field(default_factory=list)
    zones: list[ZoneSpec] = field(default_factory=list)
    names: list[NameSpec] = field(default_factory=list)
    upstreams: list[ResolverSpec] = field(default_factory=list)
    second_opinions: list[ResolverSpec] = field(default_factory=list)
    policies: list[tuple[Name, dict[str, Any]]] = field(default_factory=list)
    timeline: list[Timed] = field(default_factory=list)
    _given: int = 0

    def at(self, at_s: float, event: Event) -> None:
        """Let `event` happen at `at_s`."""
        self.timeline.append(Timed(at_s=at_s, event=event))

    def addresses(self, like: Sequence[str]) -> tuple[str, ...]:
        """Return as many fresh addresses as `like` has, of the same families."""
        return tuple(self._address(v6=":" in each) for each in like)

    def fault_s(self) -> float:
        """Return how long a fault lasts."""
        return self.rng.choice(FAULTS_S) * self.rng.uniform(0.7, 1.0)

    def soon_s(self, longest_s: float = 900.0) -> float:
        """Return a while, at once in one case of three."""
        return 0.0 if self.rng.random() < 1 / 3 else self.rng.uniform(0.0, longest_s)

    def _address(self, *, v6: bool) -> str:
        self._given += 1
        if v6:
            return f"2001:db8::{self._given:x}"
        network = ("192.0.2", "198.51.100", "203.0.113")[self._given // 250 % 3]
        return f"{network}.{1 + self._given % 250}"


# Names ------------------------------------------------------------------------------------------------------


def _draw_name(draft: Draft, number: int) -> NameSpec:
    rng = draft.rng
    zone: Name = f"zone{number}.example."
    draft.zones.append(ZoneSpec(name=zone, negative_ttl_s=rng.choice((60, 300, 900, 3600)), signed=rng.random() < 0.3))
    families = rng.choices(("4", "6", "46"), (7, 1, 2))[0]
    count = rng.choices(range(1, 9), (6, 5, 4, 3, 1, 1, 1, 1))[0]
    like = [":" if family == "6" else "." for family in families for _ in range(count)]
    shared = draft.names[0].addresses if draft.names and rng.random() < 0.2 else ()
    addresses = shared or draft.addresses(like)
    if rng.random() < 0.03:
        addresses = (*addresses, rng.choice(MUST_NOT_PROBE))
    spec = NameSpec(
        name=f"api.{zone}",
        zone=zone,
        addresses=addresses,
        ttl_s=rng.choice((1, 5, 30, 60, 60, 300, 300, 3600)),
        tls=rng.random() < 0.8,
        qtypes=_qtypes(addresses),
        known_for_s=STEADY_S if rng.random() < 0.5 else 0.0,
    )
    if rng.random() < 0.2:
        _draw_alias(draft, spec)
    draft.names.append(spec)
    _draw_policy(draft, spec)
    return spec


def _draw_alias(draft: Draft, spec: NameSpec) -> None:
    """Let a second name be an alias of `spec`, in another zone, behind the same servers."""
    zone: Name = f"alias.{spec.zone.split('.')[0]}.test."
    draft.zones.append(ZoneSpec(name=zone, negative_ttl_s=300))
    draft.names.append(replace(spec, name=f"www.{zone}", zone=zone, addresses=(), alias_of=spec.name, known_for_s=0.0))


def _draw_policy(draft: Draft, spec: NameSpec) -> None:
    rng = draft.rng
    settings: dict[str, Any] = {}
    if rng.random() < 0.15:
        settings |= {"pinned": True, "addresses_min": rng.choice((0, 1, 2))}
    if rng.random() < 0.1:
        settings |= {"grace_s": rng.choice((60.0, 300.0, 3600.0))}
    if rng.random() < 0.05:
        settings |= {"hold_max_s": 1800.0}
    if rng.random() < 0.04:
        settings |= {"mode": rng.choice(("observe", "off"))}
    if rng.random() < 0.05:
        settings |= {"held_ttl_s": rng.choice((5, 300)), "negative_ttl_max_s": rng.choice((1, 30))}
    if settings:
        draft.policies.append((spec.zone, settings))


def _draw_resolvers(draft: Draft) -> None:
    rng = draft.rng
    counts = rng.choices((1, 2, 3), (3, 5, 1))[0], rng.choice((0, 0, 1))
    for resolvers, count in zip((draft.upstreams, draft.second_opinions), counts, strict=True):
        for _ in range(count):
            resolvers.append(
                ResolverSpec(
                    host=f"10.0.0.{1 + len(draft.upstreams) + len(draft.second_opinions)}",
                    latency_s=rng.uniform(0.003, 0.06),
                    loss=rng.choices((0.0, 0.01, 0.05), (6, 3, 1))[0],
                    truncates=rng.random() < 0.05,
                )
            )


def _draw_strays(draft: Draft) -> list[Question]:
    """Return questions whose answer is negative: names that never were, types that a name never had."""
    strays = [Question(f"x{draft.rng.getrandbits(32):x}.{draft.zones[0].name}", RRType.A) for _ in range(3)]
    for spec in draft.names:
        strays += [
            Question(spec.name, qtype)
            for qtype in (RRType.A, RRType.AAAA)
            if qtype not in spec.qtypes and spec.alias_of is None
        ]
    return strays


def _qtypes(addresses: Sequence[str]) -> tuple[int, ...]:
    v6 = any(":" in address for address in addresses)
    v4 = any(":" not in address for address in addresses)
    return (RRType.A,) * v4 + (RRType.AAAA,) * v6


# Stories: each puts its events into the draft from `at_s` on, and returns when its last one is ---------------------


def calm(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """Nothing happens."""
    draft.titles.append(f"{spec.name} is well")
    return at_s


def emptied(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The record is emptied by mistake, and restored."""
    draft.titles.append(f"{spec.name} is emptied by mistake")
    draft.at(at_s, EmptyRecord(name=spec.name))
    return _restored(draft, spec, at_s)


def dropped(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The name is deleted by mistake, and restored."""
    draft.titles.append(f"{spec.name} is deleted by mistake")
    draft.at(at_s, DropName(name=spec.name))
    return _restored(draft, spec, at_s)


def undelegated(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The parent loses the zone's delegation by mistake: no guard can tell that from an end of the domain."""
    draft.titles.append(f"{spec.zone} loses its delegation")
    ends_s = at_s + draft.fault_s()
    draft.at(at_s, DropDelegation(zone=spec.zone))
    draft.at(ends_s, RestoreDelegation(zone=spec.zone))
    return ends_s


def unsigned(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The zone's signatures break, and are mended."""
    draft.titles.append(f"{spec.zone} is bogus")
    ends_s = at_s + draft.fault_s()
    draft.at(at_s, BreakSigning(zone=spec.zone))
    draft.at(ends_s, MendSigning(zone=spec.zone))
    return ends_s


def resolvers_fail(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """All upstreams fail in the same way, and come back."""
    failures = (Fault.SERVFAIL, Fault.REFUSED, Fault.TIMEOUT, Fault.TIMEOUT, Fault.SLOW, Fault.MALFORMED)
    fault = draft.rng.choice(failures)
    draft.titles.append(f"all upstreams: {fault}, while {spec.name} is well")
    ends_s = at_s + draft.fault_s()
    for resolver in draft.upstreams:
        draft.at(at_s, BreakResolver(host=resolver.host, fault=fault))
        draft.at(ends_s, MendResolver(host=resolver.host))
    return ends_s


def one_resolver_wrong(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """One upstream alone is wrong, in whatever way but forging."""
    fault = draft.rng.choice([fault for fault in Fault if fault is not Fault.FORGE])
    draft.titles.append(f"one upstream: {fault}, while {spec.name} is well")
    host = draft.rng.choice(draft.upstreams).host
    ends_s = at_s + draft.fault_s()
    draft.at(at_s, BreakResolver(host=host, fault=fault))
    draft.at(ends_s, MendResolver(host=host))
    return ends_s


def region_down(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """All servers die and come back; in half of the cases the record is emptied meanwhile, and restored later."""
    draft.titles.append(f"the servers of {spec.name} die and come back")
    ends_s = at_s + draft.fault_s()
    draft.at(at_s, StopServers(addresses=spec.addresses))
    draft.at(ends_s, ReviveServers(addresses=spec.addresses))
    if draft.rng.random() < 0.5:
        return ends_s
    draft.at(at_s + draft.soon_s(), EmptyRecord(name=spec.name))
    return _restored(draft, spec, ends_s)


def drained(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """Half of the addresses of each family are withdrawn, their servers are stopped, and both come back."""
    families = [[a for a in spec.addresses if (":" in a) is v6] for v6 in (False, True)]
    gone = tuple(address for family in families for address in family[: len(family) // 2])
    rest = tuple(address for address in spec.addresses if address not in gone)
    draft.titles.append(f"{spec.name} drains {len(gone)} of {len(spec.addresses)} addresses")
    ends_s = at_s + draft.fault_s()
    settled_s = 2 * spec.ttl_s + 60
    draft.at(at_s, SetAddresses(name=spec.name, addresses=rest))
    draft.at(at_s + settled_s, StopServers(addresses=gone))
    draft.at(ends_s + settled_s, ReviveServers(addresses=gone))
    draft.at(ends_s + settled_s, SetAddresses(name=spec.name, addresses=spec.addresses))
    return ends_s + settled_s


def rotating(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The pool changes every few minutes, one address at a time, as a load balancer's does; then it is emptied."""
    draft.titles.append(f"{spec.name} rotates, and is emptied by mistake")
    now = spec.addresses
    for _ in range(6):
        fresh = draft.addresses(now[:1])
        draft.at(at_s, StartServers(name=spec.name, addresses=fresh, tls=spec.tls))
        draft.at(at_s, SetAddresses(name=spec.name, addresses=(*now[1:], *fresh)))
        draft.at(at_s + 2 * spec.ttl_s + 30, StopServers(addresses=now[:1]))
        now = (*now[1:], *fresh)
        at_s += draft.rng.uniform(200, 900)
    draft.at(at_s, EmptyRecord(name=spec.name))
    return _restored(draft, spec, at_s)


def migrated(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The name moves to all-new servers, and the old ones are stopped, or given to a stranger, when nobody is left."""
    tls = spec.tls and draft.rng.random() < 0.8
    draft.titles.append(f"{spec.name} migrates {'with' if tls else 'without'} certificates")
    fresh = draft.addresses(spec.addresses)
    for name in _names_of(draft, spec):
        draft.at(at_s - 60, StartServers(name=name, addresses=fresh, tls=tls))
    draft.at(at_s, SetAddresses(name=spec.name, addresses=fresh))
    ends_s = at_s + 2 * spec.ttl_s + draft.rng.uniform(60, 1800)
    draft.at(ends_s, StopServers(addresses=spec.addresses))
    if draft.rng.random() < 0.3:
        draft.at(ends_s + 60, GiveAway(addresses=spec.addresses, certificate=STRANGERS_NAME))
    return ends_s


def removed(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The owner removes the name; its servers go a little before or after, or stay in one case of four."""
    draft.titles.append(f"{spec.name} is removed")
    _retire(draft, spec, at_s)
    if draft.rng.random() < 0.75:
        draft.at(at_s + draft.rng.uniform(-300, 900), StopServers(addresses=spec.addresses))
    return at_s + draft.rng.uniform(*AFTER_REMOVAL_S)


def reassigned(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The owner removes the name, and its addresses go to a stranger, mostly one with certificates of his own."""
    draft.titles.append(f"{spec.name} is removed and its addresses are given to a stranger")
    _retire(draft, spec, at_s)
    certificate = STRANGERS_NAME if draft.rng.random() < 0.8 else None
    draft.at(at_s + draft.soon_s(1800), GiveAway(addresses=spec.addresses, certificate=certificate))
    return at_s + draft.rng.uniform(*AFTER_REMOVAL_S)


def hijacked(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """The record is replaced by an attacker's addresses, and restored."""
    draft.titles.append(f"{spec.name} is hijacked")
    theirs = draft.addresses(spec.addresses)
    certificate = STRANGERS_NAME if draft.rng.random() < 0.5 else None
    draft.at(at_s - 60, GiveAway(addresses=theirs, party=Party.ATTACKER, certificate=certificate))
    draft.at(at_s, SetAddresses(name=spec.name, addresses=theirs))
    return _restored(draft, spec, at_s)


def poisoned(draft: Draft, spec: NameSpec, at_s: float) -> float:
    """One upstream answers with an attacker's address, and is mended."""
    draft.titles.append(f"one upstream forges answers for {spec.name}")
    theirs = draft.addresses((".",))
    host = draft.rng.choice(draft.upstreams).host
    draft.at(at_s - 60, GiveAway(addresses=theirs, party=Party.ATTACKER))
    draft.at(at_s, BreakResolver(host=host, fault=Fault.FORGE, addresses=theirs))
    ends_s = at_s + draft.fault_s()
    draft.at(ends_s, MendResolver(host=host))
    return ends_s


Story = Callable[[Draft, NameSpec, float], float]

STORIES: tuple[tuple[int, Story], ...] = (
    (4, calm),
    (17, emptied),
    (10, dropped),
    (4, undelegated),
    (4, unsigned),
    (12, resolvers_fail),
    (8, one_resolver_wrong),
    (4, region_down),
    (8, drained),
    (4, rotating),
    (10, migrated),
    (10, removed),
    (4, reassigned),
    (5, hijacked),
    (2, poisoned),
)


def _restored(draft: Draft, spec: NameSpec, at_s: float) -> float:
    ends_s = at_s + draft.fault_s()
    draft.at(ends_s, RestoreRecord(name=spec.name))
    return ends_s


def _retire(draft: Draft, spec: NameSpec, at_s: float) -> None:
    """Remove `spec` and its aliases, one by NODATA, another by NXDOMAIN."""
    gone = EmptyRecord if draft.rng.random() < 0.2 else DropName
    for name in _names_of(draft, spec):
        draft.at(at_s, Retire(name=name))
    draft.at(at_s, gone(name=spec.name))


def _names_of(draft: Draft, spec: NameSpec) -> list[Name]:
    return [spec.name, *(each.name for each in draft.names if each.alias_of == spec.name)]
