"""What the README says of the control plane is done here as it stands, but for the port, probes and dig's server."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from click.testing import CliRunner

from readme_parts import CONTROL
from running_guard import RunningGuard
from standfast.cli.main import cli

BLOCKS: Final = dict(re.findall(r"^```(yaml|toml|sh)\n(.*?)^```", CONTROL, flags=re.MULTILINE | re.DOTALL))
LINES: Final = [line.split(" #")[0].split() for line in BLOCKS["sh"].splitlines()]
INLINE: Final = [command.split() for command in re.findall(r"`standfast ([^`]+)`", CONTROL)]
NOTICED_S: Final = 40.0


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[RunningGuard]:
    """A control plane of the README's files, not yet running."""
    folder = tmp_path_factory.mktemp("control")
    toml = BLOCKS["toml"].replace("5310", str(free_port()))
    (folder / "standfast.toml").write_text(toml.replace("[authority]", '[authority]\nstate_dir = "state/authority"', 1))
    text = (folder / "standfast.toml").read_text()
    (folder / "standfast.toml").write_text(text.replace("[control]", '[control]\nstate_dir = "state/control"', 1))
    # Nothing is probed: nobody else's addresses are asked anything by a test
    (folder / "shop.yaml").write_text(re.sub(r"check: \{.*?\}", "check: {kind: none}", BLOCKS["yaml"]))
    (folder / "example.com.zone").write_text(
        "@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.53\n"
    )
    running = RunningGuard(folder / "standfast.toml")
    yield running
    running.__exit__()


def until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + NOTICED_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def addresses(plane: RunningGuard, name: str = "www.example.com") -> set[str]:
    return {str(rdata) for rrset in plane.ask(name).answer for rdata in rrset}


def publish(plane: RunningGuard) -> None:
    """Have it run, and wait until its name is published."""
    if not plane.port:
        plane.start()
    until(lambda: addresses(plane) == {"192.0.2.1", "192.0.2.2"})


def test_every_line_is_of_a_kind_that_is_done_here() -> None:
    assert [words[1:] for words in LINES if words[0] == ".venv/bin/standfast"] == [
        ["plan"],
        ["up"],
        ["plan", "list"],
        ["plan", "show"],
    ]
    assert [words[0] for words in LINES if words[0] != ".venv/bin/standfast"] == ["dig"]
    assert INLINE == [["plan", "--check", "--offline", "--assume-well"]]


def test_what_is_wanted_is_planned_published_changed_and_approved_as_it_says(
    plane: RunningGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plane.config.parent
    monkeypatch.chdir(folder)

    def done(*words: str, code: int = 0) -> str:
        found = CliRunner().invoke(cli, words, prog_name="standfast")
        assert found.exit_code == code, found.output
        return found.stdout

    assert "Wanted are 1 name" in done("check")

    # Before anything runs: the plan, and the check of a pipeline
    would_be = done("plan")
    assert "example.com. would become generation 1" in would_be
    assert "  + www.example.com. 60 A 192.0.2.1\n" in would_be
    assert done(*INLINE[0])
    assert not (folder / "state").exists()

    # It is published, and nothing is to change any more
    publish(plane)
    assert done("plan") == "example.com. nothing is to change, generation 1 is as wanted\n"
    assert "newest" in done("plan", "list")
    assert "  + www.example.com. 60 A 192.0.2.2\n" in done("plan", "show")

    # A name that goes waits for somebody, and goes when they say so
    wanted = (folder / "shop.yaml").read_text()
    (folder / "shop.yaml").write_text(wanted + "  api.example.com: {pools: [eu-west-1]}\n")
    plane.process.send_signal(signal.SIGHUP)
    until(lambda: addresses(plane, "api.example.com") == {"192.0.2.101", "192.0.2.102"})
    (folder / "shop.yaml").write_text(wanted)
    plane.process.send_signal(signal.SIGHUP)
    until(lambda: "waits for approval" in done("plan", "list"))
    assert addresses(plane, "api.example.com")
    assert "name-removed" in done("plan", "--check", code=1)
    command = re.search(r"standfast (plan approve [0-9a-f]+) --person", done("plan", "show"))
    assert command is not None
    done(*command[1].split(), "--person", "ann", "--reason", "it moved")
    until(lambda: not addresses(plane, "api.example.com"))
    assert addresses(plane) == {"192.0.2.1", "192.0.2.2"}
    assert "it moved" in done("ledger", "show", "--control", "--kind", "approved")


def test_its_dig_gets_the_answer(plane: RunningGuard) -> None:
    if shutil.which("dig") is None:
        pytest.skip("dig is not installed: apt-get install bind9-dnsutils")
    publish(plane)
    (words,) = [words for words in LINES if words[0] == "dig"]
    asked = [word.replace("5310", str(plane.port)) for word in words]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    assert "status: NOERROR" in found.stdout
    assert "192.0.2.1" in found.stdout
