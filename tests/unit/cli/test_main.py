"""The command line as a whole: its verbs, its help, its exit codes, and what it loads."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from running_guard import standfast
from standfast.cli.exits import exit_code_of
from standfast.cli.main import VERBS, cli
from standfast.cli.map import VERBS as MAP_VERBS
from standfast.dns.servers import Server
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.errors import StandfastError
from standfast.io.clients.listener import ListenError
from standfast.io.commands.client import ControlError
from standfast.io.settings.places import ConfigError, Finding
from standfast.io.state.state_dir import StoreError


def commands(group: click.Group = cli) -> Iterator[tuple[str, click.Command]]:
    """Yield every command and subcommand by its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", each) for below, each in commands(command))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, arguments, prog_name="standfast")
    return result.exit_code, result.stdout, result.stderr


def test_the_lists_of_verbs_say_of_each_what_its_own_help_says() -> None:
    found = dict(commands())
    listed = {verb.name: verb.help for verb in VERBS} | {f"map {verb.name}": verb.help for verb in MAP_VERBS}
    for name, said in listed.items():
        assert (found[name].help or "").partition("\n")[0] == said


def test_every_command_teaches_with_an_example() -> None:
    helps = {name: command.help or "" for name, command in commands()}
    for name, text in helps.items():
        group = name.partition(" ")[0]
        assert f"  standfast {name}" in text + helps[group], f"the help of {name} has no example"


def test_every_option_has_its_help() -> None:
    for name, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts[0]}"


def test_help_lists_every_verb_and_loads_no_resolver() -> None:
    script = (
        "import sys\n"
        "from standfast.cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'asyncio', 'dns', 'pydantic', 'rich', 'structlog', 'cryptography', 'standfast.guard.resolver'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"--help loads {done.stderr}"
    assert all(f"\n  {verb.name} " in done.stdout for verb in VERBS)


def test_a_typo_in_a_verb_gets_a_suggestion() -> None:
    code, _, err = run("stauts")
    assert code == 2
    assert 'no command "stauts" - did you mean "status"?' in err


def test_an_unknown_verb_is_a_usage_error() -> None:
    code, _, err = run("xyzzy")
    assert code == 2
    assert "No such command 'xyzzy'" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(Finding(file="standfast.toml", text="wrong")), 2),
        (ControlError("bad_params", "no such type"), 2),
        (ControlError("not_running", "none"), 3),
        (ControlError("permission", "not yours"), 3),
        (ControlError("timeout", "stuck"), 3),
        (ControlError("internal", "a bug"), 4),
        (StoreError(Path("state"), "is in use", "Stop it."), 4),
        (ListenError(Server("127.0.0.1"), "taken"), 4),
    ],
)
def test_each_error_has_its_exit_code(error: StandfastError, code: int) -> None:
    assert exit_code_of(error) == code


def test_the_version_is_told() -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("standfast ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "_STANDFAST_COMPLETE" in out


def test_completion_offers_the_verbs() -> None:
    environ = {"_STANDFAST_COMPLETE": "bash_complete", "COMP_WORDS": "standfast st", "COMP_CWORD": "1"}
    done = standfast(env=environ)
    assert done.stdout.split() == ["plain,status"]


@pytest.mark.parametrize(
    ("begun", "offered"), [("us", ["plain,us-east-1-nxdomain", "plain,us-east-1"]), ("./us", ["file,./us"])]
)
def test_completion_offers_drills_and_where_none_fits_files(begun: str, offered: list[str]) -> None:
    words = f"standfast drill run {begun}"
    environ = {"_STANDFAST_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
    assert standfast(env=environ).stdout.split() == offered


# Without a running guard


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["names"],
        ["explain", "www.example.org"],
        ["hold", "www.example.org"],
        ["release", "www.example.org"],
        ["guard", "off"],
    ],
)
def test_what_needs_a_guard_says_that_none_is_running(tmp_path: Path, arguments: list[str]) -> None:
    config = tmp_path / "standfast.toml"
    config.write_text('[guard]\nstate_dir = "state"\n')
    code, out, err = run(*arguments, "--config", str(config))
    assert code == 3
    assert out == ""
    assert err.startswith(f"standfast: no guard is running on {tmp_path}/state. Start one with `standfast up`")


def test_a_configuration_that_is_named_and_missing_is_told(tmp_path: Path) -> None:
    code, _, err = run("status", "--config", str(tmp_path / "none.toml"))
    assert code == 2
    assert err == f"standfast: {tmp_path}/none.toml: there is no such file - --config names it\n"


# check, and the dry run of up


@pytest.fixture
def bad_config(tmp_path: Path) -> Path:
    path = tmp_path / "standfast.toml"
    path.write_text('[guard]\nupsteams = ["192.0.2.1"]\nupstreams = ["192.0.2.1"]\n[guard.tls]\nca_file = "ca.pem"\n')
    return path


def test_check_prints_every_finding_and_ends_with_code_1(bad_config: Path) -> None:
    code, out, err = run("check", str(bad_config))
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        f'{bad_config}:2: unknown key "upsteams" in [guard] - did you mean "upstreams"?',
        f"{bad_config}:5: ca_file: {bad_config.parent}/ca.pem cannot be read: No such file or directory",
    ]


def test_check_prints_findings_as_json(bad_config: Path) -> None:
    code, out, _ = run("check", str(bad_config), "--json")
    assert code == 1
    document = json.loads(out)
    assert [finding["line"] for finding in document["findings"]] == [2, 5]
    assert document["settings"] is None


def test_check_tells_of_a_certificate_that_has_expired_and_shows_the_settings(tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    own = ThrowawayAuthority.create(tmp_path).issue(["a.example"], not_before=past, not_after=past)
    path = tmp_path / "standfast.toml"
    path.write_text(
        '[guard]\nlisten = ["tls://127.0.0.1"]\nupstreams = ["192.0.2.1"]\n'
        f'[guard.tls]\ncertificate = "{own.cert_file}"\nkey = "{own.key_file}"\n'
    )
    code, out, _ = run("check", str(path), "--json")
    found = json.loads(out)
    assert (code, found["settings"]["listen"]) == (1, ["tls://127.0.0.1:853"])
    assert [(each["line"], "expired on" in each["text"]) for each in found["findings"]] == [(5, True)]
    assert "expired on" in run("check", str(path))[1]


def test_check_of_a_good_file_says_what_it_does(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text('[guard]\nlisten = ["127.0.0.1:53"]\nupstreams = ["192.0.2.1"]\n')
    assert run("check", str(path)) == (0, f"{path}: fine. It listens on 127.0.0.1:53 and asks 192.0.2.1:53.\n", "")
    assert json.loads(run("check", str(path), "--json")[1])["settings"]["upstreams"] == ["192.0.2.1:53"]


def test_up_refuses_a_bad_configuration_with_code_2(bad_config: Path) -> None:
    code, out, err = run("up", "--config", str(bad_config))
    assert (code, out) == (2, "")
    assert "did you mean" in err
    assert not (bad_config.parent / "state").exists()


def test_a_dry_run_of_up_shows_the_settings_and_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "standfast.toml"
    path.write_text(
        '[guard]\nupstreams = ["192.0.2.1"]\nstate_dir = "state"\n'
        '[[guard.policy]]\nsuffix = "example.org"\nmode = "observe"\n'
    )
    code, out, _ = run("up", "--config", str(path), "--dry-run")
    assert code == 0
    assert f"state_dir         {tmp_path}/state\n" in out
    code, out, _ = run("up", "--config", str(path), "--dry-run", "--json")
    document = json.loads(out)
    modes = {policy["suffix"]: policy["mode"] for policy in document["policy"]}
    assert modes == {
        ".": "hold",
        "example.org.": "observe",
        "cluster.local.": "off",
        "local.": "off",
        "in-addr.arpa.": "off",
        "ip6.arpa.": "off",
    }
    assert list(tmp_path.iterdir()) == [path]


def test_a_control_plane_alone_is_checked_and_shown_without_a_guard(tmp_path: Path) -> None:
    path = tmp_path / "standfast.toml"
    path.write_text('[control]\nrun = ["planner"]\nstate_dir = "state"\n[intent.zones]\n')
    nothing = "Wanted are 0 names and 0 records in 0 zones."
    assert run("check", str(path)) == (0, f"{path}: fine. It runs planner and publishes to nowhere. {nothing}\n", "")
    code, out, _ = run("up", "--config", str(path), "--dry-run")
    assert (code, "upstreams" in out) == (0, False)
    assert ["state_dir", f"{tmp_path}/state"] in [line.split() for line in out.splitlines()]
    assert list(tmp_path.iterdir()) == [path]


def test_output_that_is_piped_has_no_colour_and_no_broken_lines(tmp_path: Path) -> None:
    path = tmp_path / "standfast.toml"
    path.write_text('[guard]\nupstreams = ["192.0.2.1"]\nlisten = ["127.0.0.1:53"' + ', "127.0.0.1:0"' * 40 + "]\n")
    done = standfast("up", "--dry-run", "--config", path)
    assert "\x1b" not in done.stdout
    (listen,) = [line for line in done.stdout.splitlines() if line.startswith("listen")]
    assert listen.count("127.0.0.1:0") == 40


def test_no_group_lists_a_verb_twice() -> None:
    for verbs in (VERBS, MAP_VERBS):
        assert len({verb.name for verb in verbs}) == len(verbs)


def test_a_name_that_no_octets_are_of_is_shown_escaped(tmp_path: Path) -> None:
    map_file = tmp_path / "map.json"
    map_file.write_text(
        '{"standfast_map": 1, "statements": [{"node": "\\ud800", "is": "service", "by": [["x", "y", 0]]}]}'
    )
    command = [str(Path(sys.executable).with_name("standfast")), "map", "show", "--file", str(map_file)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\\ud800" in shown.stdout
