"""`standfast restore` at real servers: with one publisher and the ledger's directory, and nothing else there is."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.query
import dns.tsig
import dns.update
import pytest
from click.testing import CliRunner, Result

from peers.updatable import KEY_NAME, SECRET, SECRET_OCTETS, UPDATABLE
from standfast.cli.main import cli
from standfast.control.fence import Fence, Garbage
from standfast.control.plan import Content, Plan, applied, make_plan
from standfast.control.publishing import Batch, Reading, Written
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.authority.primaries import Primary
from standfast.io.control.journal import ControlJournal, control_ledgers
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher
from standfast.io.state.ledger_file import read_records, verify_file

pytestmark = pytest.mark.peers

ZONE, DB, WWW = "example.org.", "db.example.org.", "www.example.org."
TEXT = "$ORIGIN example.org.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"
KEY = TsigKey(name=f"{KEY_NAME}.", algorithm="hmac-sha256", secret=SECRET_OCTETS)


def a(owner: str, *hosts: int) -> RRset:
    return RRset(owner=owner, rtype=RRType.A, ttl_s=60, rdatas=tuple(bytes((192, 0, 2, host)) for host in hosts))


@dataclass
class ControlPlane:
    """What a planner and an enactor leave behind; none of them runs while names are restored."""

    server: Server
    config: Path
    content: Content
    plans: list[Plan]

    @property
    def state_dir(self) -> Path:
        return self.config.parent / "control"

    @property
    def publisher(self) -> Rfc2136Publisher:
        primary = Primary(server=self.server, key=KEY)
        return Rfc2136Publisher("there", primary, rng=random.SystemRandom(), wall=time.time)

    def publish(self, *rrsets: RRset) -> Plan:
        """Plan, keep, publish and write down, as the services do."""
        changes = [Change(before=self.content.get(each.owner, {}).get(RRType.A), after=each) for each in rrsets]
        base = self.plans[-1].head if self.plans else None
        generation = base.generation + 1 if base else 1
        plan = make_plan(zone=ZONE, generation=generation, base=base, changes=changes, made_at_s=time.time())
        self.content = applied(self.content, plan.changes)
        self.plans.append(plan)
        fence = Fence(generation=generation, step=1, done=True, plan=plan.hash[:16], writer="eu-1.1.1")
        with ControlJournal.open(self.state_dir) as journal:
            asyncio.run(journal.planned(plan, self.content))
            stands = asyncio.run(self.publisher.fence(ZONE))
            batch = Batch(zone=ZONE, expect=stands, fence=fence, changes=plan.changes)
            assert asyncio.run(self.publisher.write(batch)) == Written()
            journal.published(plan.head, "there", fence, changes=len(plan.changes))
        return plan

    def by_hand(self, *deleted: str, **added: tuple[str, str]) -> None:
        """Change the zone as anybody with the key can, past every fence."""
        key = dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256.")
        update = dns.update.UpdateMessage(ZONE, keyring=key)
        for name in deleted:
            update.delete(name)
        for name, (rtype, text) in added.items():
            update.replace(name, 60, rtype, text)
        answer = dns.query.tcp(update, self.server.host, port=self.server.port, timeout=30)
        assert answer.rcode() == 0

    def read(self) -> Reading:
        return asyncio.run(self.publisher.read(ZONE))

    def hosts(self, owner: str) -> list[int]:
        rrset = self.read().content.get(owner, {}).get(RRType.A)
        return sorted(data[3] for data in rrset.rdatas) if rrset else []

    def restore(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["restore", *arguments, "--config", str(self.config)], prog_name="standfast")

    def records(self, kind: str) -> list[dict[str, object]]:
        (path,) = control_ledgers(self.state_dir)
        assert not verify_file(path).findings
        return [dict(record.body) for record in read_records(path, kind=kind)]


@pytest.fixture(params=[name for name in UPDATABLE if name in ("ours", "bind", "knot")])
def plane(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[ControlPlane]:
    config = tmp_path / "standfast.toml"
    with UPDATABLE[request.param](tmp_path / "server", free_port(), TEXT) as run:
        config.write_text(
            '[control]\nintent = ["lost.yaml"]\nstate_dir = "control"\n'
            f'[[control.publisher]]\nname = "there"\nkind = "rfc2136"\nserver = "{run.server} key:{KEY_NAME}"\n'
            f'[[control.keys]]\nname = "{KEY_NAME}"\nsecret = "{SECRET}"\n'
        )
        yield ControlPlane(server=run.server, config=config, content={}, plans=[])


def test_a_name_is_brought_back_from_whatever_became_of_it(plane: ControlPlane) -> None:
    plane.publish(a(DB, 1), a(WWW, 9))
    plane.publish(a(DB, 1, 2))
    plane.publish(a(DB, 66))

    # A wrong plan: back to what it was before, by a generation of its own.
    dry = plane.restore(DB, "--dry-run")
    assert (dry.exit_code, plane.hosts(DB)) == (0, [66]), dry.output
    assert "db.example.org. as at generation 2" in dry.output
    assert "A 192.0.2.66 (60 s) -> 192.0.2.1 192.0.2.2 (60 s)" in dry.output
    asked = plane.restore(DB)  # there is nobody to say yes
    assert (asked.exit_code, plane.hosts(DB)) == (1, [66])
    done = plane.restore(DB, "--yes", "--reason", "plan 3 was wrong")
    assert done.exit_code == 0, done.output
    assert plane.hosts(DB) == [1, 2]
    fence = plane.read().fence
    assert isinstance(fence, Fence)
    assert (fence.generation, fence.done) == (4, True)
    (record,) = plane.records("restored")
    assert (record["generation"], record["base"], record["reason"]) == (4, 3, "plan 3 was wrong")

    # The whole zone emptied by hand, its fence too; two names at once.
    plane.by_hand(DB, WWW, f"_standfast.{ZONE}")
    assert plane.read().fence is None
    done = plane.restore(DB, WWW, "--yes")
    assert done.exit_code == 0, done.output
    assert (plane.hosts(DB), plane.hosts(WWW)) == ([1, 2], [9])
    fence = plane.read().fence
    assert isinstance(fence, Fence)
    assert fence.generation == 5

    # The plan that one would go back to is gone: it says which there are, and what was before can still be told.
    (missing,) = plane.state_dir.glob(f"plans/*/*2-{plane.plans[1].hash}.plan")
    missing.unlink()
    gone = plane.restore(DB, "--to", "2", "--yes")
    assert gone.exit_code == 1
    assert "nothing is known of it at generation 2; it can be had as at generation 5, 4, 3, 1" in gone.output
    plane.by_hand(**{DB: ("A", "192.0.2.77")})
    done = plane.restore(DB, "--to", "1", "--yes", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["done"]["generation"] == 6
    assert plane.hosts(DB) == [1]
    assert len(plane.records("restored")) == 3

    # Something else in the place of its fence: it is replaced by a write that names just that.
    plane.by_hand(DB, f"_standfast.{ZONE}")
    plane.by_hand(**{f"_standfast.{ZONE}": ("TXT", '"hello"')})
    assert isinstance(plane.read().fence, Garbage)
    done = plane.restore(DB, "--to", "4", "--yes")
    assert done.exit_code == 0, done.output
    assert "where a TXT that is no fence stands" in done.output
    assert plane.hosts(DB) == [1, 2]
    fence = plane.read().fence
    assert isinstance(fence, Fence)
    assert (fence.generation, fence.step, fence.done) == (7, 2, True)
