"""The command line against a real running guard, in front of a scripted upstream on loopback."""

import json
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from running_guard import RunningGuard, standfast, write_config
from standfast.depmap.statements import IsGone, Loss
from standfast.guard.events import JsonValue
from standfast.io.commands.client import ControlError
from standfast.io.depmap.observations import read_guard
from unit.drills.live.scripted_dns import Script, ScriptedDns, addresses

FORGET_TIMEOUT_S = 10.0  # for a cache to forget an answer with a TTL of one second


@dataclass
class World:
    """A guard, and what its upstream says of each name."""

    guard: RunningGuard
    says: dict[str, Script] = field(default_factory=dict)

    def learn(self, qname: str, *at: str) -> None:
        """Have `qname` answered with the addresses `at`, and the guard know it."""
        self.says[qname] = addresses(*at, ttl_s=1)
        assert answered(self.guard.ask(qname)) == list(at)

    def lose(self, qname: str) -> None:
        """Have `qname` answered with nothing, and wait until the guard has noticed."""
        self.says[qname] = addresses(ttl_s=1)
        deadline = time.monotonic() + FORGET_TIMEOUT_S
        while not (reply := self.guard.ask(qname)).extended_errors():
            assert time.monotonic() < deadline, f"{qname} is not held: {reply}"
            time.sleep(0.02)


def answered(reply: dns.message.Message) -> list[str]:
    return [record.address for rrset in reply.answer for record in rrset]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    says: dict[str, Script] = {}

    def script(query: dns.message.Message, transport: str) -> dns.message.Message | bytes | None:
        qname = query.question[0].name.to_text().lower().removesuffix(".")
        return says.get(qname, addresses(rcode=dns.rcode.NXDOMAIN))(query, transport)

    with ScriptedDns(script) as upstream:
        config = write_config(tmp_path_factory.mktemp("guard"), f"{upstream.endpoint.address}:{upstream.endpoint.port}")
        with RunningGuard(config) as guard:
            yield World(guard, says)


def test_up_says_in_one_line_where_it_serves_and_whom_it_asks(world: World) -> None:
    assert re.fullmatch(
        r"standfast: serving on 127\.0\.0\.1:\d+ \(UDP and TCP\), asking 127\.0\.0\.1:\d+\n", world.guard.said
    )


def test_what_the_guard_has_resolved_is_a_map_while_it_runs_and_a_denied_name_is_gone_in_it(world: World) -> None:
    world.learn("mapped.example.org", "192.0.2.31", "192.0.2.32")
    state = str(world.guard.config.parent / "state")
    out = world.guard.config.parent / "map.json"
    made = standfast("map", "import", "--out", out, "--guard", state)
    assert made.returncode == 0, made.stderr
    shown = json.loads(standfast("map", "show", "mapped.example.org", "--file", out, "--json").stdout)
    assert "zone:example.org" in shown["single_points"]
    world.lose("mapped.example.org")
    lost = read_guard(Path(state))
    assert IsGone("mapped.example.org", Loss.EMPTIED) in [told.statement for told in lost.told]
    assert world.guard.run("release", "mapped.example.org").returncode == 0  # others count what is held


def test_state_is_for_its_owner_alone(world: World) -> None:
    state = world.guard.config.parent / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for path in state.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_status_tells_how_the_guard_does(world: World) -> None:
    status = world.guard.json("status")
    assert status["pid"] == world.guard.process.pid
    assert status["listen"] == [f"127.0.0.1:{world.guard.port}"]
    assert status["enabled"] is True
    assert status["store"]["failure"] is None
    assert status["ledger"]["failure"] is None
    shown = world.guard.run("status")
    assert shown.returncode == 0
    assert f"guard       on, process {world.guard.process.pid}, up " in shown.stdout
    assert "UPSTREAM" in shown.stdout


def test_names_lists_what_was_learned_and_what_is_held(world: World) -> None:
    world.learn("well.example.org", "127.0.0.21")
    world.learn("lost.example.org", "127.0.0.22")
    world.lose("lost.example.org")
    everything = world.guard.json("names")
    assert {"well.example.org.", "lost.example.org."} <= {name["qname"] for name in everything["names"]}
    held = world.guard.json("names", "--held")["names"]
    assert [name["qname"] for name in held] == ["lost.example.org."]
    shown = world.guard.run("names").stdout.splitlines()
    assert re.search(r"lost\.example\.org\.  +A +127\.0\.0\.22 +\d+ s ago +lost for \d+ s, hold/unknown: ", shown[1])
    few = world.guard.run("names", "--limit", "1")
    assert len(few.stdout.splitlines()) == 2
    assert re.fullmatch(r"1 of \d+; more with --limit\n", few.stderr)


def test_explain_tells_what_is_known_every_verdict_and_what_is_answered(world: World) -> None:
    world.learn("why.example.org", "127.0.0.31", "127.0.0.32")
    world.lose("why.example.org")
    explained = world.guard.json("explain", "Why.Example.Org")
    assert explained["known_good"]["addresses"] == ["127.0.0.31", "127.0.0.32"]
    assert explained["lost"]["outcome"] == "NODATA"
    assert explained["answer_now"] == "the known-good answer"
    assert [verdict["action"] for verdict in explained["verdicts"]] == ["hold"]
    shown = world.guard.run("explain", "why.example.org").stdout
    assert "known-good    127.0.0.31, 127.0.0.32\n" in shown
    assert "\nanswered now  the known-good answer: NODATA" in shown
    assert re.search(
        r"Verdicts, from the ledger, the newest last:\n\n  .* ago\)  record \d+\n    hold/unknown: NODATA", shown
    )


def test_explain_of_an_unknown_name_is_no_error(world: World) -> None:
    shown = world.guard.run("explain", "never.example.org", "AAAA")
    assert shown.returncode == 0
    assert "known-good    nothing" in shown.stdout
    assert "No verdicts: it was never lost." in shown.stdout


def test_release_gives_a_name_up_and_hold_takes_it_back(world: World) -> None:
    world.learn("hand.example.org", "127.0.0.41")
    world.lose("hand.example.org")
    rehearsed = world.guard.run("release", "hand.example.org", "--dry-run")
    assert rehearsed.stdout == "would release hand.example.org. A\n"
    assert answered(world.guard.ask("hand.example.org")) == ["127.0.0.41"]

    released = world.guard.run("release", "hand.example.org")
    assert (released.returncode, released.stdout) == (0, "released hand.example.org. A\n")
    assert answered(world.guard.ask("hand.example.org")) == []

    assert world.guard.run("hold", "hand.example.org", "--dry-run").stdout == "would hold hand.example.org. A\n"
    assert answered(world.guard.ask("hand.example.org")) == []
    held = world.guard.json("hold", "hand.example.org", "A")
    assert held["questions"] == ["hand.example.org. A"]
    assert held["saved"] is True
    assert answered(world.guard.ask("hand.example.org")) == ["127.0.0.41"]

    commands = world.guard.json("ledger", "show", "hand.example.org", "--kind", "command")
    assert [record["body"]["command"] for record in commands] == ["release", "hold"]


@pytest.mark.parametrize("command", ["hold", "release"])
def test_a_name_that_nothing_is_known_of_ends_with_code_1(world: World, command: str) -> None:
    done = world.guard.run(command, "nothing.example.org")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("nothing is known of nothing.example.org")
    document = json.loads(world.guard.run(command, "nothing.example.org", "--json").stdout)
    assert (document["questions"], document.get("until_ms")) == ([], None)


def test_guard_off_obeys_upstream_at_once_and_guard_on_holds_again(world: World) -> None:
    world.learn("switch.example.org", "127.0.0.51")
    world.lose("switch.example.org")
    try:
        assert world.guard.run("guard", "off").stdout == "the guard is OFF: every name gets what upstream says\n"
        assert answered(world.guard.ask("switch.example.org")) == []
        assert "guard       OFF" in world.guard.run("status").stdout
    finally:
        assert world.guard.run("guard", "on").stdout == "the guard is on\n"
    assert answered(world.guard.ask("switch.example.org")) == ["127.0.0.51"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "a..b"], '"a..b" is not a domain name: A DNS label is empty.'),
        (["explain", "www.example.org", "AAA"], '"AAA" is not a record type - did you mean AAAA?'),
        (
            ["hold", "www.example.org", "TYPE65536"],
            '"TYPE65536" is not a record type - write it like A, AAAA or TYPE257',
        ),
    ],
)
def test_a_wrong_name_or_type_is_wrong_usage(world: World, arguments: list[str], message: str) -> None:
    done = world.guard.run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"standfast: {message}\n")


def test_with_json_a_command_prints_one_document_and_nothing_else(world: World) -> None:
    world.learn("json.example.org", "127.0.0.61")
    for arguments in (
        ["status"],
        ["names"],
        ["explain", "json.example.org"],
        ["hold", "json.example.org", "--dry-run"],
        ["release", "json.example.org", "--dry-run"],
        ["guard", "on"],
        ["ledger", "show"],
        ["ledger", "verify"],
    ):
        done = world.guard.run(*arguments, "--json")
        json.loads(done.stdout)
        assert done.stderr == ""


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("names", {"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ("names", {"hold": True}, "hold: Extra inputs are not permitted"),
        ("explain", {}, "name: Field required"),
        ("switch", {"enabled": "no"}, "enabled: Input should be a valid boolean"),
        ("status", {"x": 1}, "x: Extra inputs are not permitted"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(
    world: World, method: str, params: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ControlError) as caught:
        world.guard.call(method, **params)
    assert (caught.value.code, caught.value.message) == (
        "bad_params",
        f"these parameters cannot be used: {message}",
    )


# Starting and ending


def test_a_second_guard_on_the_same_state_is_refused(world: World) -> None:
    second = world.guard.run("up")
    assert (second.returncode, second.stdout) == (4, "")
    state = world.guard.config.parent / "state"
    assert second.stderr == (
        f"standfast: {state}: is in use by process {world.guard.process.pid}. Stop that one first, or give this one a "
        "state_dir of its own.\n"
    )


def test_a_port_that_is_taken_is_told_and_nothing_is_left_behind(world: World, tmp_path: Path) -> None:
    config = write_config(tmp_path, "127.0.0.1:1")
    config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{world.guard.port}"))
    done = standfast("up", "--config", config)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"cannot listen on 127.0.0.1:{world.guard.port}: another program listens there" in done.stderr
    assert not (tmp_path / "state" / "control.sock").exists()


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Callable[..., RunningGuard]]:
    """Start guards whose upstream nobody is; they are ended at the end."""
    begun: list[RunningGuard] = []

    def start(**environ: str) -> RunningGuard:
        begun.append(RunningGuard(write_config(tmp_path, "127.0.0.1:1"), environ=environ))
        return begun[-1].start()

    yield start
    for guard in begun:
        guard.__exit__()


def test_sigterm_ends_it_cleanly(lone: Callable[..., RunningGuard]) -> None:
    guard = lone()
    state = guard.config.parent / "state"
    assert (state / "control.sock").exists()
    assert guard.stop() == 0
    assert not (state / "control.sock").exists()
    assert not (state / "known-good.sqlite-wal").exists()
    records = json.loads(standfast("ledger", "show", "--json", "--config", guard.config).stdout)
    assert [record["kind"] for record in records] == ["start", "stop"]
    assert standfast("status", "--config", guard.config).returncode == 3


def test_systemd_is_told_when_it_serves_and_when_it_stops(lone: Callable[..., RunningGuard], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        guard = lone(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert systemd.recv(100) == b"READY=1"
        guard.stop()
        assert systemd.recv(100) == b"STOPPING=1"


def test_an_unusable_state_file_is_told_by_status(lone: Callable[..., RunningGuard], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "known-good.sqlite").write_text("no database " * 100)
    guard = lone()
    assert "it was set aside as" in guard.run("status").stdout
    assert json.loads(guard.events().splitlines()[0])["event"] == "store.set_aside"
    assert (tmp_path / "state" / "known-good.sqlite.set-aside-1").exists()
