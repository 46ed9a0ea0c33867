"""Unmodified boto3 against a real DynamoDB service behind TLS fronts, through a scripted DNS server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from peers.listeners import open_links
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.drills.live.calls import Call
from standfast.drills.live.client import Workload, WorkloadSettings
from standfast.drills.live.dynamo import DynamoService
from standfast.drills.live.front import Front, Site
from standfast.drills.live.process import PartFailed
from standfast.drills.live.sockets import listened_on
from unit.drills.live.scripted_dns import Script, ScriptedDns, addresses, silence

pytestmark = pytest.mark.peers

NAME, DEPENDENT = "dynamodb.us-east-1.amazonaws.com", "pay.example.com"
REGION, DEPENDENTS = ("127.1.0.1", "127.1.0.2"), ("127.2.0.1",)
TIMEOUT_S = 60.0
DNS_TIMEOUT_S = 0.2


@dataclass(kw_only=True)
class Region:
    """Everything that a drill starts, the guard apart."""

    service: DynamoService
    front: Front
    server: ScriptedDns
    workload: Workload
    authority: ThrowawayAuthority
    calls: AsyncIterator[Call]

    async def next_call(self, wanted: Callable[[Call], bool] = lambda _: True) -> Call:
        """Return the next call that begins from now on and is `wanted`."""
        now_s = time.monotonic()
        async for call in self.calls:
            if call.at_s >= now_s and wanted(call):
                return call
        raise AssertionError("the clients ended")

    def zone(self, region: Script) -> None:
        """Let the region's name be answered by this script; the dependent's stays as it is."""
        dependent = addresses(*DEPENDENTS)

        def script(query: dns.message.Message, transport: str) -> dns.message.Message | bytes | None:
            its_own = query.question[0].name == dns.name.from_text(DEPENDENT)
            return dependent(query, transport) if its_own else region(query, transport)

        self.server.script = script


WELL = addresses(*REGION)


@asynccontextmanager
async def region(folder: Path, *, dependent: bool = False) -> AsyncIterator[Region]:
    authority = ThrowawayAuthority.create(folder / "authority")
    async with asyncio.timeout(TIMEOUT_S), await DynamoService.start(folder, items=[DEPENDENT]) as service:
        site = Site(certificate=authority.issue([NAME]), backend=service.endpoint)
        with ScriptedDns(WELL) as server:
            async with (
                await Front.start(addresses=REGION, sites={NAME: site}) as front,
                await Workload.start(
                    WorkloadSettings(
                        way="plain",
                        resolver=server.endpoint,
                        name=NAME,
                        port=front.port,
                        ca_file=authority.ca_file,
                        dependents=(DEPENDENT,) if dependent else (),
                        calls_per_s=20.0,
                        visits_per_s=10.0,
                        dns_timeout_s=DNS_TIMEOUT_S,
                    ),
                    folder=folder,
                ) as workload,
            ):
                there = Region(
                    service=service,
                    front=front,
                    server=server,
                    workload=workload,
                    authority=authority,
                    calls=workload.calls(),
                )
                there.zone(WELL)
                yield there


def test_boto3_puts_and_gets_over_verified_tls_and_looks_the_name_up_for_every_call(tmp_path: Path) -> None:
    async def run() -> None:
        async with region(tmp_path) as there:
            await there.workload.go()
            calls = [await anext(there.calls) for _ in range(20)]
            assert [call.call for call in calls] == ["PutItem", "GetItem"] * 10
            assert {(call.ok, call.error, call.name, call.address) for call in calls} == {(True, None, NAME, REGION[0])}
            assert there.server.times_asked(dns.rdatatype.A) >= len(calls)

    asyncio.run(run())


def test_the_clients_suffer_every_loss_of_the_name_as_users_do_and_recover(tmp_path: Path) -> None:
    async def run() -> None:
        async with region(tmp_path) as there:
            await there.workload.go()
            for loss, error in (
                (addresses(), "gaierror: [Errno -5] No address associated with hostname"),
                (addresses(rcode=dns.rcode.NXDOMAIN), "gaierror: [Errno -2] Name or service not known"),
                (addresses(rcode=dns.rcode.SERVFAIL), "gaierror: [Errno -3] Temporary failure"),
                (silence, "gaierror: [Errno -3] Temporary failure"),
            ):
                there.zone(loss)
                lost = await there.next_call()
                assert not lost.ok
                assert lost.error is not None
                assert lost.error.startswith(error)
                assert lost.address is None
                there.zone(WELL)
                assert (await there.next_call()).ok

    asyncio.run(run())


def test_the_clients_go_on_while_one_address_lives_and_trust_no_stranger(tmp_path: Path) -> None:
    async def run() -> None:
        async with region(tmp_path) as there:
            await there.workload.go()
            there.front.drain(REGION[0])
            call = await there.next_call()
            assert (call.ok, call.address) == (True, REGION[1])
            there.front.die(REGION[1])
            call = await there.next_call()
            assert (call.error or "").startswith("ConnectionRefusedError")
            stranger = Site(certificate=there.authority.issue(["shop.example.com"]), backend=None)
            for address in REGION:
                await there.front.reassign(address, stranger)
            call = await there.next_call()
            assert (call.error or "").startswith("CertificateError: hostname")
            assert call.address == REGION[0]
            for address in REGION:
                await there.front.serve(address)
            assert (await there.next_call()).ok

    asyncio.run(run())


def test_a_dependent_whose_own_name_is_well_is_down_with_the_name_it_depends_on(tmp_path: Path) -> None:
    def visited(call: Call) -> bool:
        return call.name == DEPENDENT

    async def run() -> None:
        async with region(tmp_path, dependent=True) as there:
            site = Site(certificate=there.authority.issue([DEPENDENT]), backend=there.workload.dependents[DEPENDENT])
            async with await Front.start(addresses=DEPENDENTS, sites={DEPENDENT: site}) as front:
                await there.workload.go({DEPENDENT: front.port})
                well = await there.next_call(visited)
                assert (well.ok, well.call, well.address) == (True, "GET", DEPENDENTS[0])
                there.zone(addresses())
                down = await there.next_call(visited)
                assert (down.ok, down.address) == (False, DEPENDENTS[0])
                assert "503 gaierror: [Errno -5] No address" in (down.error or "")
                there.zone(WELL)
                assert (await there.next_call(visited)).ok

    asyncio.run(run())


def test_no_part_listens_beyond_loopback_or_holds_files_outside_its_folder(tmp_path: Path) -> None:
    async def run() -> None:
        async with region(tmp_path, dependent=True) as there:
            await there.workload.go()
            assert (await anext(there.calls)).ok
            for child in (there.service.child, there.workload.child):
                assert listened_on(child.process.pid) == {"127.0.0.1"}
                files = [link for link in open_links(child.process.pid) if link.is_file()]
                assert files
                assert all(file.is_relative_to(tmp_path) for file in files)

    asyncio.run(run())


def test_clients_that_end_on_their_own_are_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with region(tmp_path) as there:
            await there.workload.go()
            await anext(there.calls)
            there.workload.child.process.kill()
            with pytest.raises(PartFailed, match=r"clients-plain ended with status -9"):
                async for _ in there.calls:
                    pass

    asyncio.run(run())


def test_clients_that_are_stopped_end_their_stream(tmp_path: Path) -> None:
    async def run() -> None:
        async with region(tmp_path) as there:
            await there.workload.go()
            await anext(there.calls)
            await there.workload.stop()
            assert all([call.ok async for call in there.calls])

    asyncio.run(run())


def test_the_service_says_why_it_did_not_start(tmp_path: Path) -> None:
    (tmp_path / "ministack.py").write_text("raise SystemExit('no such service here')\n")

    async def run() -> None:
        await DynamoService.start(tmp_path)

    with pytest.raises(PartFailed, match=r"ministack ended with status 1 before it was ready.*\n.*no such service"):
        asyncio.run(run())
