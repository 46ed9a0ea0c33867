"""What single changes win: none makes anything worse, and each wins what losing and failing say of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dependency_maps import map_of, maps
from standfast.depmap.changes import changes_against, changes_for
from standfast.depmap.claims import Verdict, judge_claim
from standfast.depmap.faults.budget import Limits
from standfast.depmap.faults.model import Event, Source
from standfast.depmap.gains import gains_for, savings_in
from standfast.depmap.graph import Kind, all_of, any_of, graph_of_nodes
from standfast.depmap.loss import blast_radius
from standfast.depmap.merging import DependencyMap
from standfast.depmap.node_risk import risk_of
from standfast.depmap.statements import Fails, Is, IsGone, Loss, Needs, Shares, Statement

SERVERS = [f"ns{number}.example.net" for number in range(4)]
ONE_OPERATOR: list[Statement] = [
    Needs("shop", all_of("www.example.com")),
    Needs("www.example.com", all_of("zone:example.com", role="zone")),
    Needs("zone:example.com", any_of(*SERVERS, role="server")),
    *(Is(server, Kind.NAME_SERVER) for server in SERVERS),
]
EAST = "region:aws/us-east-1"
WEST = "region:aws/us-west-2"


def claimed(name: str, unavailability: float) -> Fails:
    return Fails(name, Event(unavailability=unavailability))


def certain(found: DependencyMap, unavailability: float = 0.0) -> DependencyMap:
    """Return the map with nothing that is assumed: what nobody spoke of is failed for `unavailability`."""
    graph = found.graph
    names = [*graph.nodes, *graph.causes]
    told = [each.statement for each in found.told]
    return map_of(*told, *(claimed(name, unavailability) for name in names if name not in found.events))


# What holds of every change.


@given(maps(events_max=10))
@settings(max_examples=60)
def test_no_change_makes_a_node_fail_more_often(found: DependencyMap) -> None:
    before = risk_of(found, "n0").probability_low
    for change in changes_for(found, "n0"):
        graph_of_nodes(change.found.graph.nodes.values())  # raises where it means nothing
        assert risk_of(change.found, "n0").probability_low <= before * (1 + 1e-9), change.what


@given(maps(events_max=12), st.data())
@settings(max_examples=60)
def test_no_change_makes_a_loss_worse(found: DependencyMap, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from([*found.graph.nodes, *found.graph.causes]))
    before = blast_radius(found.graph, [lost]).down
    for change in changes_against(found, [lost]):
        graph = change.found.graph
        down = blast_radius(graph, [change.first.get(lost, lost)]).down
        assert {name for name in down if name in found.graph.nodes} <= set(before), change.what


# A second DNS operator.


def test_a_second_operator_removes_what_four_servers_of_one_share() -> None:
    found = certain(map_of(*ONE_OPERATOR, *(Shares(server, "dns:one") for server in SERVERS)), 0.01)
    gains = gains_for(found, "shop", risk_of(found, "shop").probability_high, Limits())
    assert gains.single_points == ("shop", "www.example.com", "zone:example.com", "dns:one")
    second = next(each for each in gains.gains if each.what == "a second DNS operator for example.com")
    assert second.removed == ("dns:one",)
    assert second.unavailability_high < risk_of(found, "shop").probability_low


def test_zones_of_two_operators_and_top_level_domains_need_no_second_one() -> None:
    operators = ["dns:one", "dns:one", "dns:two", "dns:two"]
    two = map_of(*ONE_OPERATOR, *map(Shares, SERVERS, operators))
    assert not [each.what for each in changes_for(two, "shop") if "DNS operator" in each.what]
    top = map_of(Needs("zone:com", any_of("a.example.net", role="server")), Shares("a.example.net", "dns:one"))
    assert not [each.what for each in changes_for(top, "zone:com") if "DNS operator" in each.what]


# Copies elsewhere.


def test_a_copy_in_a_second_region_saves_those_above_it_and_shares_what_stays_up() -> None:
    found = map_of(
        Needs("shop", all_of("table")),
        Needs("bell", all_of("table")),
        Needs("table", all_of("keys")),
        Shares("table", EAST),
        Shares("keys", "provider:aws"),
    )
    first, *others = savings_in(found, [EAST], Limits())
    assert (first.what, first.size, set(first.saved)) == ("table also in a second region", 1, {"shop", "bell", "table"})
    assert {each.what: each.saved for each in others}["bell also in a second region"] == ("bell",)
    changed = next(change for change in changes_against(found, [EAST]) if change.what == first.what)
    assert "table" in blast_radius(changed.found.graph, ["keys"]).down


def test_a_service_fails_by_its_own_faults_in_all_its_copies_and_a_table_in_each_alone() -> None:
    found = certain(
        map_of(
            Needs("shop", all_of("table")),
            Is("table", Kind.RESOURCE),
            Shares("shop", EAST),
            Shares("table", EAST),
            claimed("shop", 0.1),
            claimed("table", 0.2),
            claimed(EAST, 0.3),
        )
    )
    change = next(each for each in changes_for(found, "shop") if each.what == "shop also in a second region")
    risk = risk_of(change.found, "shop")
    one_side = 1 - 0.8 * 0.7
    assert risk.probability_low == pytest.approx(1 - 0.9 * (1 - one_side**2))
    gains = gains_for(found, "shop", 1.0, Limits())
    both = next(each for each in gains.gains if each.what == "shop also in a second region")
    assert both.removed == ("table", EAST)


def test_who_uses_another_region_than_his_own_without_need_is_told_to_use_his_own() -> None:
    found = map_of(
        Needs("shop", all_of("tokens")), Is("tokens", Kind.RESOURCE), Shares("shop", WEST), Shares("tokens", EAST)
    )
    saving = savings_in(found, [EAST], Limits())
    assert next(each.what for each in saving if each.saved == ("shop",)) == (
        "shop uses the tokens of its own region, aws/us-west-2"
    )
    gains = gains_for(found, "shop", risk_of(found, "shop").probability_high, Limits())
    own = next(each for each in gains.gains if "of its own region" in each.what)
    assert EAST in own.removed


def test_the_loss_of_a_name_is_survived_by_the_one_of_another_region() -> None:
    name = "dynamodb.us-east-1.amazonaws.com"
    found = map_of(
        Needs("shop", all_of(name)),
        Shares(name, EAST),
        Needs(name, all_of("zone:amazonaws.com", role="zone")),
        IsGone(name, Loss.EMPTIED),
    )
    savings = {each.what: set(each.saved) for each in savings_in(found, [name], Limits())}
    assert savings[f"{name} also in a second region"] == {"shop", name}
    assert savings["shop also in a second region"] == {"shop"}
    assert savings[f"shop works, degraded, without {name}"] == {"shop"}
    copied = next(each for each in changes_for(found, "shop") if each.what == f"{name} also in a second region")
    assert risk_of(found, "shop").probability_low == 1.0
    assert risk_of(copied.found, "shop").probability_high < 0.01


# Claims.


def test_a_claim_is_met_or_not_by_what_is_known() -> None:
    found = certain(map_of(Needs("shop", all_of("table")), claimed("shop", 4e-5), claimed("table", 5e-5)))
    assert judge_claim(found, "shop", 0.9999, Limits()).verdict is Verdict.MET
    not_met = judge_claim(found, "shop", 0.99999, Limits())
    assert (not_met.verdict, not_met.assumptions) == (Verdict.NOT_MET, ())
    assert not_met.changes.gains[0].what == "shop works, degraded, without table"


def test_a_claim_that_is_met_to_the_last_digit_is_met() -> None:
    found = map_of(Is("shop", Kind.SERVICE), claimed("shop", 1e-4))
    assert judge_claim(found, "shop", 0.9999, Limits()).verdict is Verdict.MET


def test_what_is_only_assumed_decides_nothing() -> None:
    assumed = Event(unavailability=5e-5, source=Source.ASSUMED)
    found = map_of(Needs("shop", all_of("table")), claimed("shop", 4e-5), Fails("table", assumed))
    undecided = judge_claim(found, "shop", 0.9999, Limits())
    assert undecided.verdict is Verdict.UNDECIDED
    assert undecided.best.low == pytest.approx(4e-5)
    assert "met as assumed" in undecided.reason
    (assumption,) = undecided.assumptions
    assert assumption.unavailability_max == pytest.approx(6e-5, rel=1e-3)
    assert judge_claim(found, "shop", 0.999, Limits()).verdict is Verdict.MET  # even where it is ten times as long
    assert judge_claim(found, "shop", 0.99999, Limits()).verdict is Verdict.NOT_MET  # even where it never is


def test_a_claim_between_the_bounds_of_what_could_be_worked_out_is_undecided() -> None:
    names = [f"n{number}" for number in range(12)]
    found = certain(
        map_of(
            *(Needs("shop", any_of(*names[start : start + 4])) for start in range(9)),
            *(claimed(name, 0.5) for name in names),
        ),
        0.0,
    )
    exact = risk_of(found, "shop").probability_low
    claim = judge_claim(found, "shop", 1 - exact, Limits(nodes_max=10))
    assert claim.as_it_is.low < exact < claim.as_it_is.high
    assert claim.verdict is Verdict.UNDECIDED
