"""Seeded random worlds: sound, varied, and no invariant broken in any."""

from collections import Counter

import pytest

from standfast.dns.model import RRType
from standfast.dns.name import is_below
from standfast.sim.events import BreakResolver, SetAddresses, StartServers
from standfast.sim.fleet import run_batch
from standfast.sim.simulation import CONTESTANTS, GUARD
from standfast.sim.worlds import STORIES, make_script

BATCHES, BATCH = 25, 80
SEED = "make test"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_invariant_is_broken_in_any_world(batch: int) -> None:
    fleet = run_batch(SEED, batch * BATCH, (batch + 1) * BATCH)
    assert fleet.broken == [], f"standfast drill sim --world '{fleet.broken[0].seed}'"
    assert fleet.worlds == BATCH


def test_the_guard_costs_its_clients_least() -> None:
    scores = run_batch("scores", 0, 300).scores
    for name in CONTESTANTS:
        if name != GUARD:
            assert scores[GUARD].outage_s < scores[name].outage_s
            assert scores[GUARD].attack_s < scores[name].attack_s
    assert scores[GUARD].wrong_hold_s < scores["prefer_positive"].wrong_hold_s


def test_worlds_are_sound() -> None:
    for number in range(500):
        script = make_script(f"sound/{number}")
        times = [timed.at_s for timed in script.timeline]
        zones = {zone.name for zone in script.zones}
        hosts = [spec.host for spec in (*script.upstreams, *script.second_opinions)]
        assert times == sorted(times)
        assert all(0 < at_s <= script.ends_at_s for at_s in times)
        assert len({spec.name for spec in script.names}) == len(script.names)
        assert all(spec.zone in zones and is_below(spec.name, spec.zone) for spec in script.names)
        assert all(spec.addresses or spec.alias_of for spec in script.names)
        assert len(set(hosts)) == len(hosts)


def test_worlds_are_of_every_kind() -> None:
    scripts = [make_script(f"kinds/{number}") for number in range(600)]
    kinds = Counter(type(timed.event).__name__ for script in scripts for timed in script.timeline)
    assert len(kinds) == 17, kinds
    assert any(script.on_the_wire for script in scripts)
    assert any(script.second_opinions for script in scripts)
    assert any(script.known_max < 100 for script in scripts)
    names = [spec for script in scripts for spec in script.names]
    assert any(spec.alias_of for spec in names)
    assert any(not spec.tls for spec in names)
    assert any(RRType.AAAA in spec.qtypes for spec in names)
    assert any(len(spec.qtypes) == 2 for spec in names)
    assert any(spec.known_for_s for spec in names)
    faults = {
        timed.event.fault for script in scripts for timed in script.timeline if isinstance(timed.event, BreakResolver)
    }
    assert len(faults) == 8


def test_every_story_has_its_share() -> None:
    titles = [make_script(f"share/{number}").title for number in range(1500)]
    for phrase, weight in (("is emptied by mistake", 17), ("is removed", 14), ("is hijacked", 5), ("is well", 4)):
        found = sum(title.startswith("api.zone0.example.") and phrase in title for title in titles)
        assert found > len(titles) * weight / sum(weight for weight, _ in STORIES) / 2


def test_what_a_name_moves_to_was_never_somebody_elses() -> None:
    for number in range(300):
        script = make_script(f"moves/{number}")
        first = {address for spec in script.names for address in spec.addresses}
        started = {
            address
            for timed in script.timeline
            if isinstance(timed.event, StartServers)
            for address in timed.event.addresses
        }
        published = {
            address
            for timed in script.timeline
            if isinstance(timed.event, SetAddresses)
            for address in timed.event.addresses
        }
        assert not first & started
        if "hijacked" not in script.title:
            assert published <= first | started
