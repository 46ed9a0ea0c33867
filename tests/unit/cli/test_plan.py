"""`standfast plan`: what would be planned, without a running process; approvals, overrides, and what was planned."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from click.testing import CliRunner

from standfast.cli.main import cli
from standfast.control.facts import Base, Inputs
from standfast.control.fence import Unreadable
from standfast.control.finding import Finding, Severity
from standfast.control.intent import Intent
from standfast.control.plan import Plan
from standfast.control.planner import plan_zone
from standfast.control.pool_view import Health, PoolView
from standfast.control.rules.table import RULES
from standfast.control.store import Override, PlanStore, Proposal
from standfast.control.zone_index import index_zone
from standfast.io.control.intent_files import load_intent
from standfast.io.control.journal import control_ledgers
from standfast.io.control.stores.opening import open_store
from standfast.io.settings.config import load

ZONE: Final = "example.com."
TOML: Final = """
[authority]
listen = ["127.0.0.1:0"]
zones = ["example.com.zone"]
state_dir = "state/authority"
[control]
intent = ["shop.json"]
state_dir = "state/control"
[control.rules]
networks = ["192.0.2.0/24"]
[[control.publisher]]
name = "own"
kind = "authority"
"""
T = TypeVar("T")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with a configuration, a zone, and what is wanted of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "standfast.toml").write_text(TOML)
    (tmp_path / "example.com.zone").write_text(
        "@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.53\n"
    )
    want(tmp_path, "192.0.2.1", "192.0.2.2")
    return tmp_path


def want(folder: Path, *addresses: str, **more: Any) -> None:
    said = {
        "zones": {"example.com": {"publishers": ["own"]}},
        "pools": {"us": {"check": {"kind": "none"}, "endpoints": [{"address": each} for each in addresses]}},
        "names": {"db.example.com": {"pools": ["us"]}},
    }
    (folder / "shop.json").write_text(json.dumps(said | more))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["plan", *arguments], prog_name="standfast")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def document(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json")[1])


def in_store(folder: Path, act: Callable[[PlanStore], Awaitable[T]]) -> T:
    control = load(folder / "standfast.toml").control
    assert control is not None

    async def whole() -> T:
        async with open_store(control) as store:
            return await act(store)

    return asyncio.run(whole())


def planned(folder: Path) -> Plan:
    """Have what is wanted now be the newest plan, as a planner would."""
    control = load(folder / "standfast.toml").control
    assert control is not None
    intent: Intent = load_intent(control)

    async def add(store: PlanStore) -> Plan:
        head = await store.newest(ZONE)
        content = await store.content(head) if head else {}
        views = {
            name: PoolView(endpoints=dict.fromkeys(pool.endpoints, Health.WELL)) for name, pool in intent.pools.items()
        }
        base = Base(head=head, content=content or {}, published={"own": Unreadable(why="not asked")})
        found = plan_zone(index_zone(intent.zones[ZONE]), Inputs(pools=views, now_s=time.time()), base)
        assert found.plan is not None
        assert await store.add(found.plan, found.content, after=head)
        return found.plan

    return in_store(folder, add)


def proposed(folder: Path, plan: Plan) -> None:
    finding = Finding(
        rule="name-removed", severity=Severity.ASK, name="db.example.com.", text="would go", advice="look"
    )
    in_store(folder, lambda store: store.propose(ZONE, Proposal(plan=plan, findings=(finding,))))


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_the_first_plan_is_shown_before_anything_runs_and_nothing_is_made(shop: Path) -> None:
    before = files(shop)
    assert run() == (
        0,
        "example.com. would become generation 1 (the first that is known), 1 change\n"
        "  + db.example.com. 60 A 192.0.2.1\n"
        "  + db.example.com. 60 A 192.0.2.2\n",
        "",
    )
    assert run("--check")[0] == 0
    assert files(shop) == before
    (zone,) = document(ZONE)["zones"]
    assert (zone["zone"], zone["verdict"], zone["published"]) == (ZONE, "publish", {"own": None})
    assert zone["plan"]["changes"] == [
        {
            "name": "db.example.com.",
            "type": "A",
            "before": None,
            "after": {"ttl_s": 60, "data": ["192.0.2.1", "192.0.2.2"]},
        }
    ]


def test_what_a_zone_file_has_already_is_written_over_only_when_somebody_says_so(shop: Path) -> None:
    with (shop / "example.com.zone").open("a") as file:
        file.write("db 60 A 192.0.2.9\n")
    code, out, _ = run("--check", "example.com")
    assert code == 1
    assert "example.com. would wait for approval of generation 1" in out
    assert "  - db.example.com. 60 A 192.0.2.9\n" in out
    assert "  ask    unknown-publication: example.com. the zone is planned for the first time" in out


def test_a_change_is_shown_as_a_diff_of_single_records(shop: Path) -> None:
    planned(shop)
    want(shop, "192.0.2.2", "192.0.2.3")
    _, out, _ = run("--offline")
    assert out == (
        "example.com. would become generation 2 (after 1), 1 change\n"
        "  - db.example.com. 60 A 192.0.2.1\n"
        "  + db.example.com. 60 A 192.0.2.3\n"
    )
    want(shop, "192.0.2.1", "192.0.2.2")
    assert run("--offline", "--check") == (0, "example.com. nothing is to change, generation 1 is as wanted\n", "")
    assert document("--offline")["zones"][0]["verdict"] == "nothing"


def test_check_fails_where_a_rule_refuses_and_says_what_to_do(shop: Path) -> None:
    want(shop, "203.0.113.9")
    code, out, _ = run("--check", "--offline")
    assert code == 1
    assert "  refuse unknown-address: db.example.com." in out
    assert run("--offline")[0] == 0
    found = document("--offline", "--check")["zones"][0]
    assert found["verdict"] == "refuse"
    assert {each["severity"] for each in found["findings"]} == {"refuse"}
    assert all(each["advice"] for each in found["findings"])


def test_a_publisher_that_cannot_be_asked_is_told_and_keeps_no_plan_from_being_shown(shop: Path) -> None:
    planned(shop)
    (shop / "state" / "authority").mkdir()
    want(shop, "192.0.2.1", "192.0.2.3")
    code, out, _ = run("--check")
    assert code == 0
    assert "  at own nobody knows what stands: it listens on a port that only it knows" in out
    assert "+ db.example.com. 60 A 192.0.2.3" in out


def test_where_nothing_is_known_at_all_nobody_can_say(shop: Path) -> None:
    (shop / "state" / "authority").mkdir(parents=True)
    code, out, _ = run("--check")
    assert code == 1
    assert out.startswith(
        "example.com. nobody can say: publisher own cannot be read for example.com.: nothing is known"
    )
    assert document()["zones"][0]["verdict"] is None


def test_endpoints_that_nobody_measures_are_told_and_can_be_taken_to_be_well(shop: Path) -> None:
    want(shop, pools={"us": {"endpoints": [{"address": "192.0.2.1"}]}})
    _, out, _ = run("--offline")
    assert "warning: no vantage has reported how the endpoints of us are; --assume-well takes them to be well" in out
    assert "nothing is published at db.example.com." in out
    assert "  + db.example.com. 60 A 192.0.2.1\n" in run("--offline", "--assume-well")[1]


def test_a_source_that_fails_is_told(shop: Path) -> None:
    want(shop, pools={"us": {"check": {"kind": "none"}, "source": {"file": "gone.json"}}})
    code, out, _ = run()
    assert "warning: the source of pool us is not believed: " in out
    assert "gone.json cannot be read: no such file or directory; nothing is known of its endpoints" in out
    assert document()["sources"][0]["endpoints"] == []
    assert code == 0


def test_a_wrong_intent_is_told_with_its_lines_and_code_2(shop: Path) -> None:
    want(shop, "192.0.2.1", names={"db.example.com": {"pools": ["uss"]}})
    code, out, err = run("--check")
    assert (code, out) == (2, "")
    assert 'pools: there is no pool "uss" - did you mean "us"?' in err


# Approvals


def test_a_plan_that_waits_is_shown_and_approved_by_its_hash(shop: Path) -> None:
    waits = planned(shop)
    proposed(shop, waits)
    _, out, _ = run("show")
    assert out.startswith("example.com. generation 1 (the first that is known), made ")
    assert "  ask    name-removed: db.example.com. would go\n" in out
    assert f"  waits for: standfast plan approve {waits.hash[:16]} --person " in out
    assert run("list")[1].splitlines()[1].endswith("waits for approval")
    decided = ("--person", "ann", "--reason", "ticket 4711")
    code, out, _ = run("approve", waits.hash[:8].upper(), *decided)
    assert (code, out) == (0, f"approved: 1 change of example.com. ({waits.hash[:16]}), which the planner takes up\n")
    proposal = in_store(shop, lambda store: store.proposal(ZONE))
    assert proposal is not None
    assert (proposal.approved_by, proposal.reason) == ("ann", "ticket 4711")
    assert "  approved by ann: ticket 4711\n" in run("show")[1]
    assert document("show")["state"] == "approved by ann"


def test_what_does_not_wait_is_not_approved(shop: Path) -> None:
    decided = ("--person", "ann", "--reason", "because")
    code, out, err = run("approve", "0" * 16, *decided)
    assert (code, out) == (1, "")
    assert "no plan 0000000000000000 waits for approval" in err
    assert run("approve", "0" * 7, *decided)[0] == 2
    assert run("approve", "xyz45678", *decided)[0] == 2
    assert run("approve", "0" * 16, "--reason", "because")[0] == 2


def test_plans_are_listed_newest_first_and_each_is_shown(shop: Path) -> None:
    assert run("list")[:2] == (
        0,
        "nothing was planned yet: run `standfast up`, or see what would be with `standfast plan`\n",
    )
    first = planned(shop)
    want(shop, "192.0.2.2", "192.0.2.3")
    second = planned(shop)
    rows = document("list")
    assert [(row["generation"], row["changes"], row["state"]) for row in rows] == [(2, 1, "newest"), (1, 1, "")]
    assert [row["hash"] for row in document("list", ZONE, "--newest", "1")] == [second.hash]
    assert document("show")["hash"] == second.hash
    assert document("show", ZONE, "1")["hash"] == first.hash
    assert "  + db.example.com. 60 A 192.0.2.3\n" in run("show", ZONE, "2")[1]
    code, out, err = run("show", ZONE, "7")
    assert (code, out) == (1, "")
    assert "there is no plan 7 of example.com." in err


# Overrides


def test_a_rule_is_set_aside_for_some_time_and_that_is_in_the_ledger(shop: Path) -> None:
    decided = ("--person", "ann", "--reason", "moving to the new region")
    before = files(shop)
    code, out, _ = run("override", "leave-velocity", "example.com", "--for", "90m", *decided, "--dry-run")
    assert (code, files(shop)) == (0, before)
    assert out.startswith("would be: leave-velocity for example.com. set aside until ")
    now_s = time.time()
    code, out, _ = run("override", "leave-velocity", "example.com", "--for", "90m", *decided)
    assert code == 0
    (kept,) = in_store(shop, lambda store: store.overrides())
    assert isinstance(kept, Override)
    assert (kept.rule, kept.scope, kept.person, kept.reason) == ("leave-velocity", ZONE, "ann", decided[-1])
    assert 0 <= kept.until_s - now_s - 5400 < 60
    (ledger,) = control_ledgers(shop / "state" / "control")
    assert '"kind":"overridden"' in ledger.read_text().replace(" ", "")
    assert "leave-velocity  example.com.  in 90 min  ann" in run("override", "--list")[1]
    assert run("override", "leave-velocity", "example.com", "--end", *decided)[0] == 0
    assert run("override", "--list")[1] == "every rule is in force everywhere\n"
    assert document("override", "--list") == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("leave-velicity", "example.com", "--for", "1h"), 'no rule "leave-velicity" - did you mean "leave-velocity"?'),
        (("xyz", "example.com", "--for", "1h"), "there are never-empty, endpoints-min"),
        (("ttl-bounds", "example.com", "--for", "25h"), "at most 24h"),
        (("ttl-bounds", "example.com", "--for", "0s"), "more than nothing"),
        (("ttl-bounds", "example.com", "--for", "soon"), '"soon" is no time - write it like 30m or 2h'),
        (("ttl-bounds", "example.com"), "are needed; or --list"),
        (("ttl-bounds", "example.com", "--for", "1h", "--end"), "are needed; or --list"),
        (("ttl-bounds",), "are needed; or --list"),
        (("ttl-bounds", "example.org", "--for", "1h"), "example.org. is in none of the zones: example.com."),
        (("never-empty", "example.com", "--for", "1h"), "set aside for one managed name, and example.com. is none"),
        (("never-empty", ".", "--for", "1h"), "set aside for one managed name, and . is none"),
    ],
)
def test_an_override_is_of_a_rule_a_scope_and_a_day_at_most(
    arguments: tuple[str, ...], expected: str, shop: Path
) -> None:
    code, out, err = run("override", *arguments, "--person", "ann", "--reason", "because")
    assert (code, out) == (2, "")
    assert expected in " ".join(err.split())
    assert not (shop / "state").exists()


# The command line


def test_a_command_that_is_misspelt_is_no_zone(shop: Path) -> None:
    code, _, err = run("aprove", "12345678")
    assert code == 2
    assert 'no command "aprove" - did you mean "approve"?' in err
    code, _, err = run("example.org")
    assert code == 2
    assert "example.org. is no zone of the intent: it has example.com." in err
    assert "--check goes with zones, not with list" in run("--check", "list")[2]


def test_a_configuration_without_a_control_plane_has_no_plans(shop: Path) -> None:
    (shop / "standfast.toml").write_text("[guard]\n")
    code, _, err = run()
    assert code == 2
    assert "the configuration has no [control]" in err


def test_rules_and_zones_are_completed(shop: Path) -> None:
    from click.shell_completion import ShellComplete

    def completed(words: list[str], incomplete: str) -> list[str]:
        complete = ShellComplete(cli, {}, "standfast", "_STANDFAST_COMPLETE")
        return [item.value for item in complete.get_completions(words, incomplete)]

    assert completed(["plan", "override"], "leave") == ["leave-velocity"]
    assert set(completed(["plan", "override"], "")) == {rule.id for rule in RULES}
    assert completed(["plan", "show"], "exa") == [ZONE]
    assert "approve" in completed(["plan"], "a")
