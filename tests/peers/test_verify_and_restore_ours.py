"""`standfast verify` and `standfast restore` beside a running `standfast up` that plans, publishes and serves."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.tsig
import dns.update
import pytest
from click.testing import CliRunner, Result

from control_processes import PATIENCE_S, SECRET, ZONE_FILE, Running
from standfast.cli.main import cli

pytestmark = pytest.mark.peers

WWW = "www.example.org."


class Site:
    """One process that does it all, and looks at what it published but once an hour."""

    def __init__(self, folder: Path, port: int, *, verify_every_s: float = 3600.0) -> None:
        self.port = port
        self.folder = folder
        self.config = folder / "standfast.toml"
        (folder / "example.org.zone").write_text(ZONE_FILE)
        self.want(1, 2)
        self.config.write_text(
            f'[authority]\nlisten = ["127.0.0.1:{port}"]\nstate_dir = "authority"\nzones = ["example.org.zone"]\n'
            'allow_update = ["key:hand"]\nallow_transfer = ["key:hand", "127.0.0.1"]\n'
            f'[[authority.keys]]\nname = "hand"\nsecret = "{SECRET}"\n'
            '[control]\nintent = ["intent.yaml"]\nstate_dir = "control"\nname = "one"\n'
            f"verify_every_s = {verify_every_s}\n"
            '[control.rules]\nnetworks = ["192.0.2.0/24"]\n'
            '[[control.publisher]]\nname = "own"\nkind = "authority"\n'
        )

    def want(self, *hosts: int) -> None:
        endpoints = ", ".join(f"{{address: 192.0.2.{host}}}" for host in hosts)
        (self.folder / "intent.yaml").write_text(
            "zones: {example.org: {publishers: [own]}}\n"
            f"pools: {{here: {{check: {{kind: none}}, endpoints: [{endpoints}]}}}}\n"
            "names: {www.example.org: {policy: all-healthy, pools: [here]}}\n"
        )

    def answer(self) -> list[str]:
        query = dns.message.make_query(WWW, "A")
        answer = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=PATIENCE_S).answer
        return sorted(rdata.to_text() for rrset in answer for rdata in rrset)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--config", str(self.config)], prog_name="standfast")

    def verified(self, *arguments: str) -> dict[str, object]:
        said: dict[str, object] = json.loads(self.run("verify", *arguments, "--json").stdout)
        return said

    def by_hand(self, *change: str) -> None:
        update = dns.update.UpdateMessage("example.org", keyring=dns.tsig.Key("hand", SECRET, "hmac-sha256"))
        name, *data = change
        if data:
            update.replace(name, *data)
        else:
            update.delete(name)
        assert dns.query.tcp(update, "127.0.0.1", port=self.port, timeout=PATIENCE_S).rcode() == 0


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Site]:
    site = Site(tmp_path, free_port())
    with Running("up", site.config):
        yield site


def test_what_somebody_did_by_hand_is_seen_and_brought_back(site: Site) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not site.verified()["right"]:
        assert time.monotonic() < end_s, site.run("verify").output
    right = site.run("verify")
    assert right.exit_code == 0
    assert "published, all as planned" in right.output
    assert "right: 192.0.2.1 192.0.2.2" in right.output

    site.by_hand(WWW, "60", "A", "192.0.2.66")
    wrong = site.run("verify", WWW)
    assert wrong.exit_code == 1
    assert "drift: 1 RRset is not as planned" in wrong.output
    assert (
        "wrong: A answers 192.0.2.66 (60 s), which was never planned; 192.0.2.1 192.0.2.2 (60 s) is planned"
        in wrong.output
    )

    site.by_hand(WWW)
    assert f"drift: empty: {WWW}" in site.run("verify").output
    restored = site.run("restore", WWW, "--yes")
    assert restored.exit_code == 0, restored.output
    after = site.run("verify", WWW)
    assert after.exit_code == 1  # it answers again, and by a generation that the planner does not know
    assert "not published: generation 2 stands, done" in after.output
    assert "right: 192.0.2.1 192.0.2.2" in after.output


def test_a_name_that_is_in_no_zone_is_told(site: Site) -> None:
    result = site.run("verify", "www.example.net")
    assert result.exit_code == 2
    assert "www.example.net. is in none of the zones: example.org." in result.output


def test_a_name_that_was_restored_stays_so_until_somebody_approves_another_plan(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    site = Site(tmp_path, free_port(), verify_every_s=1.0)
    with Running("up", site.config) as up:
        until(site.answer, ["192.0.2.1", "192.0.2.2"])
        site.want(1, 2, 3)
        up.reload()
        until(site.answer, ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        restored = site.run("restore", WWW, "--to", "1", "--yes")
        assert restored.exit_code == 0, restored.output
        until(lambda: "unknown-publication" in site.run("plan", "example.org").output, True)
        until(lambda: "waits" in site.run("plan", "list").output, True)
        assert site.answer() == ["192.0.2.1", "192.0.2.2"]


def until(say: Callable[[], object], wanted: object) -> None:
    """Wait until it says so."""
    end_s = time.monotonic() + PATIENCE_S
    while (said := say()) != wanted:
        assert time.monotonic() < end_s, said
        time.sleep(0.05)
