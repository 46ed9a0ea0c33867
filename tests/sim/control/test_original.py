"""The design that made the outage makes it here too, by the steps that its operator told."""

from standfast.sim.control.explorer import explore
from standfast.sim.control.original import original


def test_the_original_design_empties_the_name_by_the_steps_of_the_incident() -> None:
    explored = explore(original())
    assert explored.exhaustive
    trace = explored.broken["no-promised-name-empty"]
    late, fast = ("A", "B") if trace[1].startswith("enactor A") else ("B", "A")
    begins = [
        "the planner makes plan 2",
        f"enactor {late} takes plan 2, and checks, once,",
        "the planner makes plan 3",
        f"enactor {fast} takes plan 3, and checks, once,",
        f"enactor {fast} takes the lock, points db.example.com at plan 3",
        f"enactor {late}, whose check was made while plan 2 stood or earlier,",
        f"enactor {fast} is done, and its clean-up deletes what is older than plan 3: plan 1 and plan 2",
        "db.example.com points at plan 2, which is gone: it has no address",
    ]
    assert len(trace) == len(begins)
    for line, begin in zip(trace, begins, strict=True):
        assert line.startswith(begin)


def test_after_it_no_enactor_of_the_original_design_can_repair_the_name() -> None:
    trace = explore(original()).broken["newest-plan-installable"]
    assert trace[-1].endswith("refuses to go on with db.example.com: plan 2 is gone")


def test_its_lock_does_not_order_plans() -> None:
    assert "goes back from plan 3 to plan 2" in explore(original()).broken["generation-never-goes-back"][-1]


def test_one_enactor_alone_never_makes_the_incident() -> None:
    explored = explore(original(enactors=1, names=2, plans=4))
    assert explored.exhaustive
    assert "no-promised-name-empty" not in explored.broken
