"""Fenced writes to BIND, Knot, PowerDNS and ours: the same for all four, whatever happens on the way to them."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from bound_sockets import nobody_listening
from faulty_path import Fault, faulty_path
from peers.updatable import KEY_NAME, SECRET, SECRET_OCTETS, UPDATABLE, Updatable
from standfast.control.batches import batched
from standfast.control.difference import repair
from standfast.control.fence import Fence, Garbage, Standing
from standfast.control.plan import Content, applied
from standfast.control.publishing import Batch, Late, PublisherError, Reading, Refused, Unclear, Written
from standfast.control.updates import update_message
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.authority.primaries import Primary
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher

pytestmark = pytest.mark.peers

ZONE = "example.org."
TEXT = """$ORIGIN example.org.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ NS ns2
ns A 192.0.2.1
ns2 A 192.0.2.2
foreign A 192.0.2.3
foreign TXT "mine"
*.wild A 192.0.2.4
db A 192.0.2.5
"""
KEY = TsigKey(name=f"{KEY_NAME}.", algorithm="hmac-sha256", secret=SECRET_OCTETS)
ROUNDS = 8  # of two writers at once
FULL_OCTETS = 63_000  # of 65,535 that a message can have, with a fence and a signature
MANY = 1_000  # names, more than one write can hold


@pytest.fixture(scope="module", params=UPDATABLE)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("publishing") / request.param
    with UPDATABLE[request.param](folder, free_port(), TEXT) as run:
        yield run.server


def publisher(server: Server, *, key: TsigKey | None = KEY, answer_s: float = 30.0) -> Rfc2136Publisher:
    primary = Primary(server=server, key=key)
    return Rfc2136Publisher("there", primary, rng=random.SystemRandom(), wall=time.time, answer_s=answer_s)


def by_hand(server: Server, *words: str) -> None:
    """Take the RRset `words`, owner and type, away without a look at the fence; or add it, with TTL and data."""
    update = dns.update.UpdateMessage("example.org", keyring=dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256"))
    owner, rtype, *rest = words
    if rest:
        update.add(owner, int(rest[0]), rtype, *rest[1:])
    else:
        update.delete(owner, rtype)
    answer = dns.query.tcp(update, server.host, port=server.port, timeout=30)
    assert answer.rcode() == dns.rcode.NOERROR


def after(fence: Standing, writer: str = "a.1.1", *, later: int = 1) -> Fence:
    """Return a fence that may follow `fence`."""
    generation = (fence.generation if isinstance(fence, Fence) else 0) + later
    return Fence(generation=generation, step=1, done=True, plan=f"{generation:016x}", writer=writer)


def to(owner: str, rtype: RRType, *texts: str) -> Change:
    name = f"{owner}.{ZONE}"
    if not texts:
        return Change(
            before=rrset_from_text(name, rtype, 60, ["gone." if rtype == RRType.CNAME else "192.0.2.9"]), after=None
        )
    return Change(before=None, after=rrset_from_text(name, rtype, 60, texts))


def write(expect: Standing, fence: Fence, *changes: Change) -> Batch:
    return Batch(zone=ZONE, expect=expect, fence=fence, changes=changes)


def seen(content: Content) -> dict[tuple[Name, int], tuple[int, frozenset[bytes]]]:
    """Return what is published so that it can be compared."""
    return {
        (rrset.owner, rtype): (rrset.ttl_s, frozenset(rrset.rdatas))
        for node in content.values()
        for rtype, rrset in node.items()
    }


def data(reading: Reading, owner: str, rtype: RRType) -> set[bytes]:
    found = reading.content.get(f"{owner}.{ZONE}", {}).get(rtype)
    return set(found.rdatas) if found else set()


def address(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


def test_the_first_fence_is_written_where_there_is_none_and_only_there(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        by_hand(server, "_standfast", "TXT")
        assert await there.fence(ZONE) is None
        before = await there.read(ZONE)
        assert before.fence is None
        assert seen(before.content)["foreign.example.org.", RRType.TXT] == (300, frozenset({b"\x04mine"}))
        assert (ZONE, RRType.NS) not in seen(before.content)
        first = after(None)
        assert await there.write(write(None, first, to("first", RRType.A, "192.0.2.10"))) == Written()
        assert await there.fence(ZONE) == first
        second = write(None, after(None, "b.1.1"), to("first", RRType.A, "192.0.2.11"))
        assert await there.write(second) == Late()
        found = await there.read(ZONE)
        assert (found.fence, data(found, "first", RRType.A)) == (first, {address("192.0.2.10")})

    asyncio.run(run())


def test_a_late_writer_changes_nothing(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        old = await there.fence(ZONE)
        new = after(old)
        assert await there.write(write(old, new, to("late", RRType.A, "192.0.2.10"))) == Written()
        before = await there.read(ZONE)
        same_generation = replace(new, writer="b.1.1")
        for expect in (old, same_generation, replace(new, step=9), replace(new, done=False), after(new)):
            late = write(
                expect,
                after(new, "b.1.2"),
                to("late", RRType.A),
                to("foreign", RRType.A),
                to("x", RRType.A, "192.0.2.66"),
            )
            assert await there.write(late) == Late()
        found = await there.read(ZONE)
        assert (found.fence, seen(found.content)) == (new, seen(before.content))

    asyncio.run(run())


def test_of_two_writers_at_once_exactly_one_wins_each_round(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        stands = await there.fence(ZONE)
        for number in range(ROUNDS):
            writes = [
                write(stands, after(stands, f"{writer}.1.{number}"), to("race", RRType.A, f"192.0.2.{last}"))
                for writer, last in (("a", 10), ("b", 20))
            ]
            outcomes = await asyncio.gather(*map(there.write, writes))
            assert sorted(map(repr, outcomes)) == sorted(map(repr, [Written(), Late()]))
            won = writes[outcomes.index(Written())]
            found = await there.read(ZONE)
            change = won.changes[0].after
            assert change is not None
            assert (found.fence, data(found, "race", RRType.A)) == (won.fence, set(change.rdatas))
            stands = won.fence

    asyncio.run(run())


def test_a_name_becomes_an_alias_and_addresses_again_whoever_put_what_there(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        stands = await there.fence(ZONE)

        async def done(*changes: Change) -> dict[int, RRset]:
            nonlocal stands
            batch = write(stands, after(stands), *changes)
            assert await there.write(batch) == Written()
            stands = batch.fence
            return dict((await there.read(ZONE)).content[f"turn.{ZONE}"])

        assert set(await done(to("turn", RRType.A, "192.0.2.10"), to("turn", RRType.AAAA, "2001:db8::1"))) == {1, 28}
        by_hand(server, "turn", "TXT", "60", '"not in any plan"')
        alias = await done(to("turn", RRType.A), to("turn", RRType.CNAME, "far.example.net."))
        assert set(alias) == {RRType.CNAME}
        again = await done(to("turn", RRType.CNAME, "farther.example.net."))
        assert again[RRType.CNAME].rdatas == (b"\x07farther\x07example\x03net\0",)
        addresses = await done(to("turn", RRType.A, "192.0.2.10", "192.0.2.11"))
        assert {rtype: set(rrset.rdatas) for rtype, rrset in addresses.items()} == {
            RRType.A: {address("192.0.2.10"), address("192.0.2.11")}
        }
        by_hand(server, "turn", "A")
        by_hand(server, "turn", "CNAME", "60", "stranger.example.net.")
        healed = await done(to("turn", RRType.A, "192.0.2.12"))
        assert {rtype: set(rrset.rdatas) for rtype, rrset in healed.items()} == {RRType.A: {address("192.0.2.12")}}

    asyncio.run(run())


def test_what_was_read_is_repaired_whoever_put_what_there(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        for owner, rtype, data in (
            ("alias", "CNAME", "stranger.example.net."),
            ("turned", "A", "192.0.2.66"),
            ("turned", "TXT", '"not in any plan"'),
            ("more", "A", "192.0.2.66"),
            ("beside", "TXT", '"somebody else\'s"'),
        ):
            by_hand(server, owner, rtype, "60", data)
        wanted = (
            to("alias", RRType.A, "192.0.2.10"),
            to("turned", RRType.CNAME, "far.example.net."),
            to("more", RRType.A, "192.0.2.10", "192.0.2.11"),
            to("beside", RRType.AAAA, "2001:db8::1"),
            to("new", RRType.A, "192.0.2.10"),
        )
        planned = applied({}, wanted)
        read = await there.read(ZONE)
        changes = repair(planned, {}, read.content)
        assert await there.write(replace(write(read.fence, after(read.fence), *changes), seen=True)) == Written()
        now = (await there.read(ZONE)).content
        assert repair(planned, {}, now) == ()
        assert set(now[f"beside.{ZONE}"]) == {RRType.TXT, RRType.AAAA}
        assert {name: seen({name: node}) for name, node in now.items() if name not in planned} == {
            name: seen({name: node}) for name, node in read.content.items() if name not in planned
        }

    asyncio.run(run())


def test_as_many_names_as_a_message_can_hold_change_in_one_write_and_no_other(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        before = await there.read(ZONE)
        fences = [after(before.fence), after(before.fence, later=2)]
        many = [to(f"many{number}", RRType.A, "192.0.2.10", "192.0.2.11") for number in range(MANY)]
        (come, *_), _too_large = batched(many, there.facts.limits, ZONE)
        assert len(update_message(write(before.fence, fences[0], *come), id_=1)) > FULL_OCTETS
        go = [Change(before=change.after, after=None) for change in come]
        assert await there.write(write(before.fence, fences[0], *come)) == Written()
        found = seen((await there.read(ZONE)).content)
        assert {key: rrset for key, rrset in found.items() if not key[0].startswith("many")} == seen(before.content)
        there_now = {rrset for (owner, _), rrset in found.items() if owner.startswith("many")}
        assert there_now == {(60, frozenset({address("192.0.2.10"), address("192.0.2.11")}))}
        assert len(found) == len(seen(before.content)) + len(come)
        assert await there.write(write(fences[0], fences[1], *go)) == Written()
        last = await there.read(ZONE)
        assert (last.fence, seen(last.content)) == (fences[1], seen(before.content))

    asyncio.run(run())


@pytest.mark.parametrize(
    "fault", [Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.SILENT, Fault.HALF_AN_ANSWER]
)
def test_an_outcome_that_is_not_known_is_read_back_and_the_same_write_is_safe_again(
    server: Server, fault: Fault
) -> None:
    async def run() -> None:
        there = publisher(server)
        stands = await there.fence(ZONE)
        batch = write(stands, after(stands), to("unclear", RRType.A, "192.0.2.10"))
        async with faulty_path(server, fault) as path:
            outcome = await publisher(path.server, answer_s=0.5 if fault is Fault.SILENT else 30.0).write(batch)
        assert isinstance(outcome, Unclear)
        found = await there.fence(ZONE)
        assert found == (stands if fault in (Fault.CUT_BEFORE, Fault.CUT_WITHIN) else batch.fence)
        assert await there.write(batch) == (Written() if found == stands else Late())
        last = await there.read(ZONE)
        assert (last.fence, data(last, "unclear", RRType.A)) == (batch.fence, {address("192.0.2.10")})

    asyncio.run(run())


def test_a_message_that_arrives_twice_is_done_once(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        stands = await there.fence(ZONE)
        batch = write(stands, after(stands), to("twice", RRType.A, "192.0.2.10"))
        async with faulty_path(server, Fault.TWICE) as path:
            assert await publisher(path.server).write(batch) == Late()  # the answer to the second comes first
            assert [answer[5] & 0xF for answer in path.answers] == [0, 8]
        last = await there.read(ZONE)
        assert (last.fence, data(last, "twice", RRType.A)) == (batch.fence, {address("192.0.2.10")})

    asyncio.run(run())


def test_the_order_of_the_incident_leaves_the_newer_content(server: Server) -> None:
    """A writer stalls with an old plan, others publish newer ones and clean up, and then its write arrives."""

    async def run() -> None:
        there = publisher(server)
        first = await there.fence(ZONE)
        stands = after(first)
        assert await there.write(write(first, stands)) == Written()
        old = write(stands, after(stands, "stalled.1.1"), to("db", RRType.A, "192.0.2.10"))
        async with faulty_path(server, Fault.HELD) as path:
            stalled = asyncio.create_task(publisher(path.server, answer_s=0.1).write(old))
            await asyncio.wait_for(path.arrived.wait(), 20)
            for number in range(3):
                newer = write(stands, after(stands, f"b.1.{number}"), to("db", RRType.A, f"192.0.2.{20 + number}"))
                assert await there.write(newer) == Written()
                stands = newer.fence
            assert isinstance(await stalled, Unclear)
            await path.all_delivered()
            assert [answer[5] & 0xF for answer in path.answers] == [8]
        found = await there.read(ZONE)
        assert (found.fence, data(found, "db", RRType.A)) == (stands, {address("192.0.2.22")})

    asyncio.run(run())


def test_somebody_without_the_key_reads_and_writes_nothing(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        stands = await there.fence(ZONE)
        batch = write(stands, after(stands), to("stranger", RRType.A, "192.0.2.66"))
        other = publisher(server, key=replace(KEY, secret=b"t" * 32))
        assert isinstance(await other.write(batch), Unclear)
        assert isinstance(await publisher(server, key=None).write(batch), Refused)
        with pytest.raises(PublisherError):
            await other.fence(ZONE)
        with pytest.raises(PublisherError):
            await publisher(server, key=None).read(ZONE)
        found = await there.read(ZONE)
        assert (found.fence, data(found, "stranger", RRType.A)) == (stands, set())

    asyncio.run(run())


def test_a_zone_that_is_not_there_is_told(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        elsewhere = Batch(zone="example.net.", expect=None, fence=after(None), changes=())
        assert isinstance(await there.write(elsewhere), Refused | Unclear)  # Knot does not sign that it has it not
        for reading in (there.fence, there.read):
            with pytest.raises(PublisherError, match=r"example\.net\."):
                await reading("example.net.")

    asyncio.run(run())


@pytest.mark.parametrize("kind", UPDATABLE)
def test_a_server_killed_within_a_write_has_all_of_it_or_nothing(
    kind: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    start, folder = UPDATABLE[kind], tmp_path / kind
    first, second = after(None), after(None, later=2)

    async def before(run: Updatable) -> None:
        there = publisher(run.server)
        come = [to(f"n{number}", RRType.A, "192.0.2.10") for number in range(MANY)]
        assert await there.write(write(None, first, *come)) == Written()
        turn = [to(f"n{number}", RRType.A, "192.0.2.20") for number in range(MANY)]
        writing = asyncio.create_task(there.write(write(first, second, *turn)))
        await asyncio.sleep(0.01)  # about when it has come in: any moment is right
        run.kill()
        assert isinstance(await writing, Written | Unclear)

    async def later(run: Updatable) -> None:
        there = publisher(run.server)
        found = await there.read(ZONE)
        assert await there.fence(ZONE) == found.fence
        assert found.fence in (first, second)
        last = {address("192.0.2.10" if found.fence == first else "192.0.2.20")}
        assert all(data(found, f"n{number}", RRType.A) == last for number in range(MANY))
        assert await there.write(write(found.fence, after(second), to("n0", RRType.A, "192.0.2.30"))) == Written()

    with start(folder, free_port(), TEXT) as run:
        asyncio.run(before(run))
    with start(folder, free_port(), TEXT) as run:
        asyncio.run(later(run))


def test_nobody_listens_is_nothing_written() -> None:
    async def run(there: Rfc2136Publisher) -> None:
        outcome = await there.write(write(None, after(None), to("a", RRType.A, "192.0.2.1")))
        assert isinstance(outcome, Refused)
        with pytest.raises(PublisherError, match="refused"):
            await there.fence(ZONE)

    with nobody_listening() as server:
        asyncio.run(run(publisher(server)))


def test_something_else_in_the_fences_place_is_replaced_by_who_saw_it_and_by_no_late_writer(server: Server) -> None:
    async def run() -> None:
        there = publisher(server)
        by_hand(server, "_standfast", "TXT")
        for text in ('"hello"', '"and more"'):
            by_hand(server, "_standfast", "TXT", "60", text)
        found = await there.fence(ZONE)
        assert found == Garbage(ttl_s=60, rdatas=(b"\x05hello", b"\x08and more"))
        assert (await there.read(ZONE)).fence == found
        change = to("a", RRType.A, "192.0.2.1")
        assert isinstance(await there.write(write(None, after(None), change)), Late), "it expected none"
        other = Garbage(ttl_s=60, rdatas=(b"\x05hello",))
        assert isinstance(await there.write(write(other, after(None), change)), Late), "it saw but one of two"
        assert await there.fence(ZONE) == found
        assert await there.write(write(found, after(found), change)) == Written()
        assert await there.fence(ZONE) == after(found)

    asyncio.run(run())
