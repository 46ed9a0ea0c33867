"""Fenced writes to Route 53, of which ministack refuses a batch whose fence is another, as the service itself does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest

from bound_sockets import nobody_listening
from faulty_path import Fault, FaultyPath, faulty_path, http_message
from peers.aws import BUSY_ANSWER, ENVIRON, ministack
from standfast.control.fence import Fence, Garbage, Standing
from standfast.control.plan import Content
from standfast.control.publishing import Batch, Late, PublisherError, Reading, Refused, Unclear, Written
from standfast.dns.changes import Change
from standfast.dns.model import Name, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.servers import Server
from standfast.io.control.publishers import route53
from standfast.io.control.publishers.route53 import PAGE_MAX, Route53Publisher

pytestmark = pytest.mark.peers

ROUNDS = 5  # of two writers at once
NUMBERS = count(1)  # each test has a zone of its own
MANY = 450  # record sets: more than a page has


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Server]:
    with (
        pytest.MonkeyPatch.context() as patched,
        ministack(tmp_path_factory.mktemp("route53"), free_port(), "route53") as run,
    ):
        for key, text in ENVIRON.items():
            patched.setenv(key, text)
        yield run


class Hosted:
    """A hosted zone of a test's own, as its owner sees it beside every publisher."""

    def __init__(self, server: Server, zone: Name) -> None:
        self.server = server
        self.zone = zone
        self.api: Any = boto3.session.Session().client(
            "route53", endpoint_url=f"http://{server}", region_name="us-east-1"
        )
        self.id = self.api.create_hosted_zone(Name=zone, CallerReference=zone)["HostedZone"]["Id"]

    def publisher(self, path: FaultyPath | None = None, **options: Any) -> Route53Publisher:
        return Route53Publisher("aws", endpoint_url=f"http://{path.server if path else self.server}", **options)

    def by_hand(self, action: str, owner: str, rtype: str, *values: str, **more: object) -> None:
        """Change one record set without a look at the fence."""
        record_set: dict[str, object] = {"Name": f"{owner}.{self.zone}", "Type": rtype, **more}
        if values:
            record_set = {"TTL": 60, "ResourceRecords": [{"Value": value} for value in values], **record_set}
        changes = [{"Action": action, "ResourceRecordSet": record_set}]
        self.api.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": changes})

    def record_sets(self, owner: str) -> list[Mapping[str, Any]]:
        """Return what stands at a name."""
        found = self.api.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return [each for each in found if each["Name"] == f"{owner}.{self.zone}"]

    def to(self, owner: str, rtype: RRType, *texts: str, before: tuple[str, ...] = ()) -> Change:
        rrsets = [
            rrset_from_text(f"{owner}.{self.zone}", rtype, 60, each) if each else None for each in (before, texts)
        ]
        return Change(before=rrsets[0], after=rrsets[1])

    def write(self, expect: Standing, fence: Fence, *changes: Change) -> Batch:
        return Batch(zone=self.zone, expect=expect, fence=fence, changes=changes)


@pytest.fixture
def hosted(server: Server) -> Hosted:
    return Hosted(server, f"zone{next(NUMBERS)}.example.org.")


def after(fence: Standing, writer: str = "a.1.1") -> Fence:
    """Return a fence that may follow `fence`."""
    generation = (fence.generation if isinstance(fence, Fence) else 0) + 1
    return Fence(generation=generation, step=1, done=True, plan=f"{generation:016x}", writer=writer)


def seen(content: Content) -> dict[tuple[Name, int], tuple[int, frozenset[bytes]]]:
    """Return what is published so that it can be compared."""
    return {
        (rrset.owner, rtype): (rrset.ttl_s, frozenset(rrset.rdatas))
        for node in content.values()
        for rtype, rrset in node.items()
    }


def data(reading: Reading, owner: str, rtype: RRType) -> set[bytes]:
    found = reading.content.get(owner, {}).get(rtype)
    return set(found.rdatas) if found else set()


def address(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


@asynccontextmanager
async def path_to(hosted: Hosted, *script: Fault) -> AsyncIterator[FaultyPath]:
    async with faulty_path(hosted.server, *script, reads=http_message, busy=BUSY_ANSWER) as path:
        yield path


def test_the_first_fence_is_written_where_there_is_none_and_only_there(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        hosted.by_hand("CREATE", "foreign", "TXT", '"mine"')
        before = await there.read(hosted.zone)
        assert (await there.fence(hosted.zone), before.fence) == (None, None)
        assert set(seen(before.content)) == {(f"foreign.{hosted.zone}", RRType.TXT)}
        first = after(None)
        assert await there.write(hosted.write(None, first, hosted.to("a", RRType.A, "192.0.2.1"))) == Written()
        assert await there.fence(hosted.zone) == first
        other = hosted.write(None, after(None, "b.1.1"), hosted.to("a", RRType.A, "192.0.2.2"))
        assert await hosted.publisher().write(other) == Late(found=first)
        found = await there.read(hosted.zone)
        assert (found.fence, data(found, f"a.{hosted.zone}", RRType.A)) == (first, {address("192.0.2.1")})

    asyncio.run(run())


def test_a_late_writer_changes_nothing(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        old = after(None)
        new = after(old)
        assert await there.write(hosted.write(None, old, hosted.to("a", RRType.A, "192.0.2.1"))) == Written()
        assert await there.write(hosted.write(old, new)) == Written()
        before = await there.read(hosted.zone)
        for expect in (None, old, replace(new, writer="b.1.1"), replace(new, step=9), replace(new, done=False)):
            changes = (hosted.to("a", RRType.A, before=("192.0.2.1",)), hosted.to("x", RRType.A, "192.0.2.66"))
            assert await there.write(hosted.write(expect, after(new, "b.1.2"), *changes)) == Late(found=new)
        found = await there.read(hosted.zone)
        assert (found.fence, seen(found.content)) == (new, seen(before.content))

    asyncio.run(run())


def test_of_two_writers_at_once_exactly_one_wins_each_round(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        stands: Fence | None = None
        last: tuple[str, ...] = ()
        for number in range(ROUNDS):
            writes = [
                hosted.write(stands, after(stands, f"{writer}.1.{number}"), hosted.to("a", RRType.A, text, before=last))
                for writer, text in (("a", f"192.0.2.{number}"), ("b", f"198.51.100.{number}"))
            ]
            outcomes = await asyncio.gather(*map(there.write, writes))
            won = writes[outcomes.index(Written())]
            assert sorted(map(repr, outcomes)) == sorted(map(repr, [Written(), Late(found=won.fence)]))
            assert await there.fence(hosted.zone) == won.fence
            stands, last = won.fence, (f"{'192.0.2' if won is writes[0] else '198.51.100'}.{number}",)

    asyncio.run(run())


def test_what_is_not_as_it_was_known_is_looked_at_and_made_as_planned(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        first, second = after(None), after(after(None))
        hosted.by_hand("CREATE", "a", "A", "192.0.2.77", "192.0.2.78")
        hosted.by_hand("CREATE", "b", "CNAME", "stranger.example.net")  # as people write it: without the last dot
        hosted.by_hand("CREATE", "c", "AAAA", "2001:0DB8:0:0::1")
        hosted.by_hand("CREATE", "c", "TXT", '"beside"')
        changes = (
            hosted.to("a", RRType.A, "192.0.2.1", before=("192.0.2.9",)),
            hosted.to("b", RRType.A, "192.0.2.2"),
            hosted.to("c", RRType.CNAME, "far.example.net.", before=("near.example.net.",)),
            hosted.to("gone", RRType.A, before=("192.0.2.9",)),
        )
        assert await there.write(hosted.write(None, first, *changes)) == Written()
        found = seen((await there.read(hosted.zone)).content)
        assert {(owner.split(".")[0], rtype): rdatas for (owner, rtype), (_, rdatas) in found.items()} == {
            ("a", RRType.A): frozenset({address("192.0.2.1")}),
            ("b", RRType.A): frozenset({address("192.0.2.2")}),
            ("c", RRType.CNAME): frozenset({b"\x03far\x07example\x03net\0"}),
        }
        again = (hosted.to("a", RRType.A, "192.0.2.1"), hosted.to("c", RRType.AAAA, "2001:db8::1"))
        assert await there.write(hosted.write(first, second, *again)) == Written()
        assert [each["Type"] for each in hosted.record_sets("c")] == ["AAAA"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (
            "alias of",
            {"AliasTarget": {"HostedZoneId": "Z1", "DNSName": "lb.example.net", "EvaluateTargetHealth": True}},
        ),
        ("Weight", {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.8"}], "SetIdentifier": "x", "Weight": 1}),
        ("HealthCheckId", {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.8"}], "HealthCheckId": "h"}),
    ],
)
def test_an_alias_and_what_is_routed_is_told_and_never_taken_away(
    hosted: Hosted, kind: str, more: dict[str, object]
) -> None:
    async def run() -> None:
        there = hosted.publisher()
        first = after(None)
        assert await there.write(hosted.write(None, first)) == Written()
        hosted.by_hand("CREATE", "a", "A", **more)
        before = hosted.record_sets("a")
        assert not seen((await there.read(hosted.zone)).content)
        for change in (
            hosted.to("a", RRType.A, "192.0.2.1", before=("192.0.2.8",)),
            hosted.to("a", RRType.A, before=("192.0.2.7",)),
        ):
            refused = await there.write(hosted.write(first, after(first), change))
            assert isinstance(refused, Refused), refused
            assert kind in refused.why
            assert "delete it first" in refused.why
        assert hosted.record_sets("a") == before
        assert await there.fence(hosted.zone) == first

    asyncio.run(run())


def test_many_pages_are_read_as_one(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        stands = None
        for start in range(0, MANY, PAGE_MAX):
            come = [
                hosted.to(f"n{number}", RRType.A, "192.0.2.1", "192.0.2.2")
                for number in range(start, min(start + PAGE_MAX, MANY))
            ]
            batch = hosted.write(stands, after(stands), *come)
            assert await there.write(batch) == Written()
            stands = batch.fence
        found = await there.read(hosted.zone)
        assert (found.fence, len(seen(found.content))) == (stands, MANY)

    asyncio.run(run())


def test_a_zone_that_is_written_to_while_it_is_read_is_read_again(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        come = [hosted.to(f"n{number}", RRType.A, "192.0.2.1") for number in range(MANY)]
        first = after(None)
        second = after(first)
        assert await there.write(hosted.write(None, first, *come)) == Written()
        turn = [hosted.to(f"n{n}", RRType.A, "192.0.2.2", before=("192.0.2.1",)) for n in range(MANY)]
        async with path_to(hosted, Fault.NONE, Fault.NONE, Fault.NONE, Fault.PAUSED) as path:
            # The zone by its name, the fence, the first page, and then it changes.
            reading = asyncio.create_task(hosted.publisher(path).read(hosted.zone))
            await asyncio.wait_for(path.arrived.wait(), 20)
            assert await there.write(hosted.write(first, second, *turn)) == Written()
            path.let_go.set()
            found = await reading
        assert found.fence == second
        assert set(seen(found.content).values()) == {(60, frozenset({address("192.0.2.2")}))}

    asyncio.run(run())


@pytest.mark.parametrize(
    "fault", [Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.SILENT, Fault.HALF_AN_ANSWER]
)
def test_an_outcome_that_is_not_known_is_read_back_and_the_same_write_is_safe_again(
    hosted: Hosted, fault: Fault
) -> None:
    async def run() -> None:
        there = hosted.publisher()
        batch = hosted.write(None, after(None), hosted.to("a", RRType.A, "192.0.2.1"))
        async with path_to(hosted, Fault.NONE, fault) as path:
            answer_s = 0.5 if fault is Fault.SILENT else 20.0
            assert isinstance(await hosted.publisher(path, answer_s=answer_s).write(batch), Unclear)
        found = await there.fence(hosted.zone)
        assert found == (None if fault in (Fault.CUT_BEFORE, Fault.CUT_WITHIN) else batch.fence)
        assert await there.write(batch) == Written()  # done now, or told by the fence to be done already
        last = await there.read(hosted.zone)
        assert (last.fence, data(last, f"a.{hosted.zone}", RRType.A)) == (batch.fence, {address("192.0.2.1")})

    asyncio.run(run())


def test_a_batch_that_arrives_twice_is_done_once(hosted: Hosted) -> None:
    async def run() -> None:
        batch = hosted.write(None, after(None), hosted.to("a", RRType.A, "192.0.2.1"))
        async with path_to(hosted, Fault.NONE, Fault.TWICE) as path:
            assert await hosted.publisher(path).write(batch) == Written()
            assert [answer.split(b" ", 2)[1] for answer in path.answers[1:3]] == [b"200", b"400"]
        assert await hosted.publisher().fence(hosted.zone) == batch.fence

    asyncio.run(run())


def test_a_batch_that_is_rejected_is_unclear_where_the_fence_cannot_be_read(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route53, "READS_MAX", 1)

    async def run() -> None:
        batch = hosted.write(None, after(None), hosted.to("a", RRType.A, "192.0.2.1"))
        async with path_to(hosted, Fault.NONE, Fault.TWICE, Fault.HALF_AN_ANSWER) as path:
            assert isinstance(await hosted.publisher(path).write(batch), Unclear)
        assert await hosted.publisher().fence(hosted.zone) == batch.fence, "it was done"

    asyncio.run(run())


def test_the_order_of_the_incident_leaves_the_newer_content(hosted: Hosted) -> None:
    """A writer stalls with an old plan, and its batch arrives when its records are again as they were."""

    async def run() -> None:
        there = hosted.publisher()
        first = after(None)
        assert await there.write(hosted.write(None, first, hosted.to("db", RRType.A, "192.0.2.1"))) == Written()
        old = hosted.to("db", RRType.A, "192.0.2.10", before=("192.0.2.1",))
        async with path_to(hosted, Fault.NONE, Fault.HELD) as path:
            slow = hosted.publisher(path, answer_s=1.0)
            stalled = asyncio.create_task(slow.write(hosted.write(first, after(first, "stalled.1.1"), old)))
            await asyncio.wait_for(path.arrived.wait(), 20)
            stands, last = first, "192.0.2.1"
            for number, text in enumerate(("192.0.2.20", "192.0.2.21", "192.0.2.1")):
                change = hosted.to("db", RRType.A, text, before=(last,))
                newer = hosted.write(stands, after(stands, f"b.1.{number}"), change)
                assert await there.write(newer) == Written()
                stands, last = newer.fence, text
            assert isinstance(await stalled, Unclear)
            await path.all_delivered()
            assert b"InvalidChangeBatch" in path.answers[-1]
        found = await there.read(hosted.zone)
        assert (found.fence, data(found, f"db.{hosted.zone}", RRType.A)) == (stands, {address("192.0.2.1")})

    asyncio.run(run())


def test_a_service_that_is_busy_refuses_and_is_asked_again_later(hosted: Hosted) -> None:
    async def run() -> None:
        batch = hosted.write(None, after(None))
        async with path_to(hosted, Fault.NONE, Fault.BUSY) as path:
            there = hosted.publisher(path)
            refused = await there.write(batch)
            assert isinstance(refused, Refused)
            assert refused.retry_s
            assert "Rate exceeded" in refused.why
            assert await there.write(batch) == Written()
            path.script += [Fault.BUSY, Fault.BUSY]
            assert await there.fence(hosted.zone) == batch.fence, "what is read is asked for again at once"

    asyncio.run(run())


def test_a_zone_that_cannot_be_found_is_told(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        elsewhere = Batch(zone="example.net.", expect=None, fence=after(None), changes=())
        refused = await there.write(elsewhere)
        assert isinstance(refused, Refused)
        assert "no public hosted zone" in refused.why
        with pytest.raises(PublisherError, match="say which one it is by zone_ids"):
            await there.read("example.net.")
        hosted.api.create_hosted_zone(Name=hosted.zone, CallerReference="a second")
        with pytest.raises(PublisherError, match="2 public hosted zones"):
            await there.fence(hosted.zone)
        assert await hosted.publisher(zone_ids={hosted.zone: hosted.id}).fence(hosted.zone) is None
        with pytest.raises(PublisherError, match="NoSuchHostedZone"):
            await hosted.publisher(zone_ids={hosted.zone: "Z0"}).fence(hosted.zone)

    asyncio.run(run())


def test_nobody_listens_is_nothing_written(hosted: Hosted) -> None:
    async def run(there: Route53Publisher) -> None:
        assert isinstance(await there.write(hosted.write(None, after(None))), Refused)

    with nobody_listening() as server:
        there = Route53Publisher("aws", endpoint_url=f"http://{server}", zone_ids={hosted.zone: hosted.id})
        asyncio.run(run(there))


def test_an_answer_that_is_cut_off_is_no_reading(hosted: Hosted) -> None:
    async def run() -> None:
        async with path_to(hosted, Fault.NONE, *[Fault.HALF_AN_ANSWER] * 2) as path:
            there = hosted.publisher(path)
            for read in (there.fence, there.read):
                with pytest.raises(PublisherError, match="cut off"):
                    await read(hosted.zone)

    asyncio.run(run())


def test_a_write_is_everywhere_when_the_service_says_so(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        assert await there.is_everywhere(hosted.zone) is None, "nothing was written here"
        assert await there.write(hosted.write(None, after(None))) == Written()
        assert await there.is_everywhere(hosted.zone) is False  # PENDING, when it is asked for the first time
        assert await there.is_everywhere(hosted.zone) is True

    asyncio.run(run())


def test_something_else_in_the_fences_place_is_replaced_by_who_saw_it_and_by_no_late_writer(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        hosted.by_hand("CREATE", "_standfast", "TXT", '"hello"', '"and more"')
        found = await there.fence(hosted.zone)
        assert found == Garbage(ttl_s=60, rdatas=(b"\x05hello", b"\x08and more"))
        assert (await there.read(hosted.zone)).fence == found
        change = hosted.to("a", RRType.A, "192.0.2.1")
        assert isinstance(await there.write(hosted.write(None, after(None), change)), Late), "it expected none"
        assert await there.write(hosted.write(found, after(found), change)) == Written()
        assert await there.fence(hosted.zone) == after(found)

    asyncio.run(run())


def test_a_fence_whose_ttl_somebody_changed_is_the_fence_it_was(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        first = after(None)
        assert await there.write(hosted.write(None, first, hosted.to("a", RRType.A, "192.0.2.1"))) == Written()
        (fence,) = hosted.record_sets("_standfast")
        hosted.by_hand("UPSERT", "_standfast", "TXT", *[each["Value"] for each in fence["ResourceRecords"]], TTL=300)
        assert [each["TTL"] for each in hosted.record_sets("_standfast")] == [300]
        late = hosted.write(after(first), after(after(first)))
        assert await there.write(late) == Late(found=first)
        second = hosted.write(first, after(first), hosted.to("a", RRType.A, "192.0.2.2", before=("192.0.2.1",)))
        assert await there.write(second) == Written()
        found = await there.read(hosted.zone)
        assert (found.fence, data(found, f"a.{hosted.zone}", RRType.A)) == (second.fence, {address("192.0.2.2")})
        assert [each["TTL"] for each in hosted.record_sets("_standfast")] == [60]

    asyncio.run(run())


def test_a_weighted_record_set_in_the_fences_place_is_told(hosted: Hosted) -> None:
    async def run() -> None:
        there = hosted.publisher()
        hosted.by_hand("CREATE", "_standfast", "TXT", '"hello"', SetIdentifier="one", Weight=1)
        for read in (there.fence, there.read):
            with pytest.raises(PublisherError, match="is no fence"):
                await read(hosted.zone)

    asyncio.run(run())
