"""Which settings are in force for a name: key by key, from the most specific suffix up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.name import ancestors
from standfast.evidence.model import ProbeSpec
from standfast.guard.policy import DEFAULTS, NEVER_HELD, BogusMode, Mode, Policy, PolicyTable


def test_the_most_specific_suffix_wins_key_by_key() -> None:
    table = PolicyTable(
        [
            (".", {"grace_s": 60.0, "held_ttl_s": 10}),
            ("example.org.", {"grace_s": 120.0, "pinned": True}),
            ("db.example.org.", {"probe": ProbeSpec(port=5432)}),
        ]
    )
    found = table.lookup("a.db.example.org.")
    assert (found.grace_s, found.held_ttl_s, found.pinned, found.probe.port) == (120.0, 10, True, 5432)
    assert table.lookup("example.net.") == Policy(grace_s=60.0, held_ttl_s=10)


def test_without_settings_the_defaults_hold() -> None:
    assert PolicyTable().lookup("www.example.org.") == DEFAULTS
    assert DEFAULTS.mode is Mode.HOLD


@pytest.mark.parametrize("qname", ["x.svc.cluster.local.", "printer.local.", "4.3.2.1.in-addr.arpa.", "8.ip6.arpa."])
def test_names_that_change_by_design_are_off_by_default(qname: str) -> None:
    assert PolicyTable().lookup(qname).mode is Mode.OFF


def test_a_setting_of_ones_own_turns_them_on() -> None:
    table = PolicyTable([("db.svc.cluster.local.", {"mode": Mode.HOLD})])
    assert table.lookup("db.svc.cluster.local.").mode is Mode.HOLD
    assert table.lookup("other.svc.cluster.local.").mode is Mode.OFF


def test_a_policy_for_everything_does_not_turn_them_on() -> None:
    assert PolicyTable([(".", {"mode": Mode.HOLD})]).lookup("x.local.").mode is Mode.OFF


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(KeyError, match="gracious_s"):
        PolicyTable([(".", {"gracious_s": 1})])


def test_modes_may_be_given_as_text_and_a_wrong_one_is_an_error() -> None:
    found = PolicyTable([(".", {"mode": "off", "bogus": "servfail"})]).lookup("example.org.")
    assert found.mode is Mode.OFF
    assert found.bogus is BogusMode.SERVFAIL
    with pytest.raises(ValueError, match="hodl"):
        PolicyTable([(".", {"mode": "hodl"})])


def test_a_guard_that_is_off_observes_what_it_would_hold_and_leaves_the_rest() -> None:
    table = PolicyTable([("org.", {"grace_s": 7.0})]).observing()
    assert table.lookup("example.org.") == Policy(mode=Mode.OBSERVE, grace_s=7.0)
    assert table.lookup("example.net.").mode is Mode.OBSERVE
    assert table.lookup("x.local.").mode is Mode.OFF


SUFFIXES = st.sampled_from([".", "org.", "example.org.", "a.example.org.", "local.", "b.a.example.org."])


@given(
    st.lists(st.tuples(SUFFIXES, st.dictionaries(st.sampled_from(["grace_s", "stale_max_s"]), st.integers(1, 9)))),
    SUFFIXES,
)
def test_each_key_comes_from_the_nearest_suffix_that_sets_it(rules: list[tuple[str, dict[str, int]]], at: str) -> None:
    qname = "x." + at if at != "." else "x."
    by_suffix: dict[str, dict[str, int]] = {}
    for suffix, keys in rules:
        by_suffix.setdefault(suffix, {}).update(keys)
    found = PolicyTable(rules).lookup(qname)
    for key in ("grace_s", "stale_max_s"):
        nearest = (by_suffix[above][key] for above in ancestors(qname) if key in by_suffix.get(above, {}))
        assert getattr(found, key) == next(nearest, getattr(DEFAULTS, key))
    assert (found.mode is Mode.OFF) == any(above in NEVER_HELD for above in ancestors(qname))
