"""Every command that the README shows is run here as it stands, but for ports, the folder, and the number of worlds."""

import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from readme_parts import REST
from running_guard import RunningGuard, standfast, write_config
from standfast.io.authority.zone_files import ZoneFileError, read_zone
from standfast.io.settings.config import load

CHECKOUT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```sh\n(.*?)^```", REST, flags=re.MULTILINE | re.DOTALL)
LINES = [line.split(" #")[0].split() for block in BLOCKS for line in block.splitlines() if line.strip()]
CONFIGURATIONS = re.findall(r"^```toml\n(.*?)^```", REST, flags=re.MULTILINE | re.DOTALL)
INLINE = [command.split() for command in re.findall(r"`standfast ([^`]+)`", REST)]

MADE = {"drill", "test"}
NEEDS_GUARD = {"names", "explain", "release", "guard", "ledger"}


class Upstream(socketserver.BaseRequestHandler):
    """Answers every A question."""

    def handle(self) -> None:
        wire, udp = self.request
        answer = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
        if answer.question[0].rdtype == dns.rdatatype.A:
            answer.answer = [dns.rrset.from_text(answer.question[0].name, 60, "IN", "A", "192.0.2.1")]
        udp.sendto(answer.to_wire(), self.client_address)


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGuard]:
    """A running guard that was asked for the README's name."""
    with socketserver.UDPServer(("127.0.0.1", 0), Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = write_config(tmp_path_factory.mktemp("readme"), f"127.0.0.1:{server.server_address[1]}")
        with RunningGuard(config) as running:
            assert running.ask("www.example.org").answer
            yield running
        server.shutdown()


def test_every_line_of_the_readme_is_of_a_kind_that_is_tested_here() -> None:
    for words in LINES:
        assert words[0] in ("make", "dig", ".venv/bin/standfast"), words
    assert [words[1] for words in LINES if words[0] == "make"] == ["drill", "test"]


def test_what_one_sees_of_a_drill_has_the_rows_that_a_drill_prints() -> None:
    shown = REST.split("This is what one sees", 1)[1].split("```")[1].splitlines()
    rows = [line.split("  ")[0] for line in shown if line and not line.startswith(" ")]
    done = subprocess.run(
        [CHECKOUT / ".venv/bin/standfast", "drill", "run", "us-east-1", "--mode", "sim"],
        capture_output=True,
        text=True,
        check=True,
    )
    # The simulated one has no services, only names; all else is called the same.
    assert [row for row in rows if row != "outage of DynamoDB"] == [
        line.split("  ")[0]
        for line in done.stdout.split("\n\n")[1].splitlines()
        if not line.startswith((" ", "outage of"))
    ]


@pytest.mark.parametrize("target", sorted(MADE))
def test_its_make_targets_are_there(target: str) -> None:
    # What they run is this very test run, and the live drill, which has its own tests.
    done = subprocess.run(["make", "-n", target], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [words for words in LINES if words[0].endswith("standfast")], ids=" ".join)
def test_its_commands_do_what_they_say(words: list[str], guard: RunningGuard, tmp_path: Path) -> None:
    if words[1] == "up":
        assert f"serving on 127.0.0.1:{guard.port}" in guard.said
        return
    if words[1] == "map":
        (tmp_path / "examples").symlink_to(CHECKOUT / "examples")
        done = standfast(*words[1:], cwd=tmp_path)
    else:
        assert words[1] in NEEDS_GUARD
        done = guard.run(*words[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() or (tmp_path / "map.html").exists()


@pytest.mark.parametrize("words", [words for words in LINES if words[0] == "dig"], ids=" ".join)
def test_its_dig_gets_an_answer(words: list[str], guard: RunningGuard) -> None:
    if shutil.which("dig") is None:
        pytest.skip("dig is not installed: apt-get install bind9-dnsutils")
    asked = [word.replace("5300", str(guard.port)) for word in words]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    assert "status: NOERROR" in done.stdout
    assert "192.0.2.1" in done.stdout


@pytest.mark.parametrize("words", INLINE, ids=" ".join)
def test_commands_in_its_text_work(words: list[str], guard: RunningGuard) -> None:
    if words[:2] == ["drill", "sim"]:
        words = ["drill", "sim", "--worlds", "20", *words[4:]]
    done = standfast(*words, cwd=guard.config.parent)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_its_configurations_serve_what_keeps_the_promise_and_refuse_what_breaks_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "standfast.toml").write_text(text)
    zone = tmp_path / "zones/example.com.zone"
    zone.parent.mkdir()
    apex = "@ 300 SOA ns1 hostmaster 1 3600 600 86400 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\nwww 300 A 192.0.2.10\n"
    zone.write_text(apex + "www 300 A 192.0.2.11\n")
    assert standfast("check", "standfast.toml", cwd=tmp_path).returncode == 0
    authority = load(tmp_path / "standfast.toml").authority
    assert authority is not None
    promises = authority.default_rules.promises
    assert read_zone(zone, promises=promises).zone.serial == 1
    zone.write_text(apex)
    with pytest.raises(ZoneFileError, match=r"www\.example\.com\. was promised 2 addresses"):
        read_zone(zone, promises=promises)
