"""Zones that come from a scripted primary on loopback: taken, refused, notified, expired."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from peers.servers import hostile
from standfast.authority.access import ZoneRules
from standfast.authority.checks import Promise
from standfast.authority.lookup import answer
from standfast.authority.remote import Remote
from standfast.authority.zone import Zone
from standfast.dns.model import Ede, Name, Query, Question, Rcode, Reply, RRType
from standfast.dns.requests import Opcode, Raw, Request, message, question_octets, read_request
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey, sign
from standfast.io.authority.secondaries import Secondaries
from standfast.io.authority.zones import ServedZones
from standfast.io.clients.requests import Peer
from transfers import ORIGIN, ScriptedPrimary, content, soa, version

KEY = TsigKey(name="primary.example.", algorithm="hmac-sha256", secret=b"0123456789abcdef")
NOW_S = 1_800_000_000.0
WAIT_S = 20.0  # for what takes a hundredth of a second where the machine is not busy
PROMISE = Promise(name="www.example.org.")
NOBODY = Server("127.0.0.9", 9)  # nobody listens there
PEER = Peer(address="127.0.0.1", port=5300, tcp=False, encrypted=False)


@dataclass
class Kept:
    """Keeps nothing over a restart but what a test gives it again."""

    at_s: dict[Name, float] = field(default_factory=dict)

    def heard_at_s(self, origin: Name) -> float | None:
        return self.at_s.get(origin)

    def keep_heard(self, origin: Name, at_s: float) -> None:
        self.at_s[origin] = at_s


@dataclass
class Running:
    """Secondaries under test, and what they serve."""

    served: ServedZones
    secondaries: Secondaries
    kept: Kept

    def ask(self, qname: Name = "www.example.org.") -> Reply:
        question = Question(qname, RRType.A)
        return answer(self.served.answering, Query(id=1, question=question, cased_qname=qname), self.served.withheld)

    async def serves(self, serial: int) -> Zone:
        """Wait until that is served."""
        await self.until(lambda: ORIGIN in self.served.answering and self.served.answering[ORIGIN].serial == serial)
        return self.served.zones[ORIGIN]

    async def until(self, look: Callable[[], bool]) -> None:
        """Wait until `look` says so."""
        async with asyncio.timeout(WAIT_S):
            while not look():
                await asyncio.sleep(0.01)

    async def notify(self, *records: Raw, peer: Peer = PEER, key: TsigKey | None = None) -> Rcode:
        wire = message(id_=1, flags=Opcode.NOTIFY << 11, question=question_octets(ORIGIN, RRType.SOA), answer=records)
        request = read_request(sign(wire, key, now=NOW_S).wire if key else wire, {KEY.name: KEY}, now=NOW_S)
        assert isinstance(request, Request)
        return await self.secondaries.on_notify(request, peer)


@asynccontextmanager
async def running(
    *primaries: Server, kept: Kept | None = None, held: Zone | None = None, promise: Promise | None = None
) -> AsyncIterator[Running]:
    remotes = tuple(Remote(server=server) for server in primaries) or (Remote(server=NOBODY, key=KEY.name),)
    rules = ZoneRules(primaries=remotes, promises=(promise,) if promise else ())
    served = ServedZones({ORIGIN: rules})
    if held is not None:
        await served.publish(held, base=None, cause="transfer")
    kept = kept or Kept()
    begun_s = time.monotonic()
    secondaries = Secondaries(
        served,
        {ORIGIN: remotes},
        keys={KEY.name: KEY},
        heard=kept,
        rng=random.Random(7),
        now=lambda: NOW_S + time.monotonic() - begun_s,
        wall=lambda: NOW_S,
    )
    secondaries.start()
    try:
        yield Running(served, secondaries, kept)
    finally:
        await secondaries.stop()


def test_a_zone_is_answered_for_once_it_came() -> None:
    async def run() -> None:
        primary = ScriptedPrimary(version(1, "www A 192.0.2.9\n"))
        with hostile(primary) as server:
            async with running(server) as here:
                before = here.ask()
                assert (before.rcode, before.errors[0].code) == (Rcode.SERVFAIL, Ede.NOT_READY)
                assert content(await here.serves(1)) == content(primary.versions[0])
                assert here.ask().rcode == Rcode.NOERROR
                assert (here.kept.heard_at_s(ORIGIN) or 0) >= NOW_S
                assert here.secondaries.transfers == {"taken": 1}
        assert primary.asked == [RRType.SOA, RRType.AXFR]

    asyncio.run(run())


def test_notify_brings_a_change_in_pieces_which_are_remembered_for_others() -> None:
    async def run() -> None:
        primary = ScriptedPrimary(version(1, "www A 192.0.2.9\n"))
        with hostile(primary) as server:
            async with running(server) as here:
                await here.serves(1)
                primary.versions.append(version(2, "www A 192.0.2.8\n"))
                assert await here.notify(soa(2)) == Rcode.NOERROR
                await here.serves(2)
                deltas = here.served.journal(ORIGIN).since(1)
                assert deltas is not None
                assert [(each.before, each.after, len(each.changes)) for each in deltas] == [(1, 2, 2)]
        assert primary.asked == [RRType.SOA, RRType.AXFR, RRType.SOA, RRType.IXFR]

    asyncio.run(run())


def test_notify_is_heeded_from_primaries_and_who_has_their_key_alone() -> None:
    async def run() -> None:
        async with running() as here:
            stranger = Peer(address="192.0.2.77", port=53, tcp=False)
            assert await here.notify(peer=stranger) == Rcode.REFUSED
            assert await here.notify(peer=stranger, key=KEY) == Rcode.NOERROR
            assert await here.notify(peer=Peer(address=NOBODY.host, port=53, tcp=True)) == Rcode.NOERROR
            other = message(id_=1, flags=Opcode.NOTIFY << 11, question=question_octets("example.net.", RRType.SOA))
            request = read_request(other, {}, now=NOW_S)
            assert isinstance(request, Request)
            assert await here.secondaries.on_notify(request, PEER) == Rcode.NOTAUTH

    asyncio.run(run())


@pytest.mark.parametrize(
    ("promise", "names", "first"),
    [(PROMISE, 1, "www.example.org. was promised"), (None, 10, "10 of 12 names would go")],
    ids=["promise", "loss"],
)
def test_a_primary_that_emptied_its_zone_does_not_empty_ours(
    promise: Promise | None, names: int, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    full = "".join(f"n{i} A 192.0.2.{i}\n" for i in range(1, names)) + "www A 192.0.2.9\nmail A 192.0.2.25\n"

    async def run() -> None:
        primary = ScriptedPrimary(version(1, full))
        with hostile(primary) as server:
            async with running(server, promise=promise) as here:
                await here.serves(1)
                primary.versions.append(version(2, "mail A 192.0.2.25\n"))
                await here.notify(soa(2))
                await here.until(lambda: here.secondaries.transfers["refused"] == 1)
                assert here.served.answering[ORIGIN].serial == 1
                assert here.ask().answer[0].rdatas == (bytes([192, 0, 2, 9]),)
                asked = len(primary.asked)
                await here.notify()
                await here.until(lambda: len(primary.asked) > asked)
                primary.versions.append(version(3, full))
                await here.notify(soa(3))
                await here.serves(3)
        assert primary.asked[asked:] == [RRType.SOA, RRType.SOA, RRType.IXFR]  # of what was refused no second time

    asyncio.run(run())
    assert first in capsys.readouterr().out


def test_a_zone_that_expired_while_nothing_ran_is_not_answered_for_until_its_primary_is_heard() -> None:
    async def run() -> None:
        held = version(1, "www A 192.0.2.9\n", times="3600 600 7200")
        primary = ScriptedPrimary(held)
        with hostile(primary) as server:
            primary.silent = True
            async with running(server, held=held, kept=Kept({ORIGIN: NOW_S - 7_300})) as here:
                reply = here.ask()
                assert (reply.rcode, reply.errors[0].code) == (Rcode.SERVFAIL, Ede.INVALID_DATA)
                primary.silent = False
                await here.serves(1)
                assert here.ask().rcode == Rcode.NOERROR
        assert RRType.AXFR not in primary.asked

    asyncio.run(run())


@pytest.mark.parametrize("heard", [{ORIGIN: NOW_S - 60}, {}], ids=["heard", "time-lost"])
def test_what_was_kept_is_answered_at_once_after_a_restart(heard: dict[Name, float]) -> None:
    async def run() -> None:
        held = version(1, "www A 192.0.2.9\n")
        async with running(held=held, kept=Kept(heard)) as here:
            assert here.ask().rcode == Rcode.NOERROR
            assert here.kept.heard_at_s(ORIGIN)  # so that the next restart does not begin anew

    asyncio.run(run())
