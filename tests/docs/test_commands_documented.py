"""Every command, option, configuration key and event is in the documents; a new one fails here until it is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

from standfast.authority.checks import CHECKS
from standfast.cli.main import cli
from standfast.guard.policy import DEFAULTS
from standfast.io.settings import config_file
from standfast.io.settings.config_rules import RULES
from standfast.io.state import ledger_file

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
EVENT = r"(?:event=|log\.(?:debug|info|warning|error|exception)\(|_notice\()\s*\"([a-z]+\.[a-z_]+)\""


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below `group` by its full name."""
    context = click.Context(group)
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        yield f"{name} {verb}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {verb}")


def section(text: str, title: str) -> str:
    """Return what stands below the heading `title`, up to the next one."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f'no section "{title}"'
    return match[1]


def test_every_command_and_every_option_of_it_is_documented() -> None:
    text = (DOCS / "commands.md").read_text()
    for name, command in commands(cli, "standfast"):
        described = section(text, f"`{name}`")
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[-1]}" in described, f"{name} {parameter.opts[-1]}"


def test_every_documented_option_exists() -> None:
    text = (DOCS / "commands.md").read_text()
    for name, command in commands(cli, "standfast"):
        options = {option for parameter in command.params for option in parameter.opts}
        for option in re.findall(r"^\| `(--[a-z-]+)", section(text, f"`{name}`"), re.MULTILINE):
            assert option in options, f"{name} {option}"


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, key in config_file.FORM.every_key() if table])
def test_every_key_of_the_configuration_is_documented(table: str, key: str) -> None:
    lists = config_file.LISTED | {"guard.policy.probe"}
    title = f"`[[{table.removesuffix('.probe')}]]`" if table in lists else f"`[{table}]`"
    if f"{table}.{key}" in config_file.FORM.tables.keys() - {"guard.policy.probe"}:
        title = f"`[[{table}.{key}]]`" if f"{table}.{key}" in lists else f"`[{table}.{key}]`"
        assert section((DOCS / "configuration.md").read_text(), title)
        return
    assert f"`{key}`" in section((DOCS / "configuration.md").read_text(), title)


@pytest.mark.parametrize("key", [key for table, key in config_file.FORM.every_key() if "." in table])
def test_every_key_is_in_the_example(key: str) -> None:
    assert re.search(rf"\b{key} = ", (CHECKOUT / "standfast.example.toml").read_text())


def test_the_documented_defaults_are_the_real_ones() -> None:
    text = section((DOCS / "configuration.md").read_text(), "`[[guard.policy]]`")
    for key, default in re.findall(r"^\| `([a-z_]+)` \| `?\"?([\w ]+?)\"?`?(?: \([^)]*\))? \|", text, re.MULTILINE):
        if key not in ("suffix", "probe"):
            real = getattr(DEFAULTS, key)
            assert default.replace(" ", "") == (str(real).lower() if isinstance(real, bool | str) else f"{real:g}"), key


def test_every_event_is_documented() -> None:
    source = "\n".join(path.read_text() for path in (CHECKOUT / "src").rglob("*.py"))
    events = set(re.findall(EVENT, source)) | {f"ledger.{word}" for word in get_args(ledger_file.AlarmEvent)}
    table = section((DOCS / "operations.md").read_text(), "Events")
    documented = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", table, re.MULTILINE))
    assert documented == events


def test_every_check_of_a_zone_is_documented_with_whether_it_forbids_to_serve() -> None:
    table = section((DOCS / "authority.md").read_text(), "What a zone file must keep")
    documented = re.findall(r"^\| `([a-z-]+)` \|.*\| (fault|warning) \|$", table, re.MULTILINE)
    assert documented == [(check.id, "fault" if check.forbids else "warning") for check in CHECKS]


def test_every_rule_of_the_configuration_says_why_it_is_one() -> None:
    assert all(rule.__doc__ for rule in RULES)
