"""Notices on the wire: what secondaries are told, and which of their answers counts."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from bound_sockets import bound_udp
from standfast.authority import notifying
from standfast.authority.access import ZoneRules
from standfast.authority.remote import Remote
from standfast.authority.zone import Zone
from standfast.dns.codec import AA, QR
from standfast.dns.model import Name, Rcode, RRType
from standfast.dns.requests import Opcode, message, question_octets
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey, Verified, sign, verify
from standfast.io.authority.notifier import Notifier, Outcome
from standfast.io.authority.zones import ServedZones
from standfast.io.settings.addresses import has_ipv6
from zones import draft

ORIGIN = "example.org."
KEY = TsigKey(name="key.example.", algorithm="hmac-sha256", secret=bytes(32))
OTHER = TsigKey(name="key.example.", algorithm="hmac-sha256", secret=bytes(31) + b"x")
NOW = 1.8e9
NOTICED_S = 20.0  # for what takes a tenth of a second on a machine with nothing else to do


def at(serial: int) -> Zone:
    head = f"$TTL 3600\n@ SOA ns hostmaster {serial} 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
    return draft(head + f"www A 192.0.2.{serial}\n").zone()


class Secondary:
    """A socket that is told, and answers as the test says."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.udp = bound_udp(host)
        self.udp.setblocking(False)
        self.server = Server(*self.udp.getsockname()[:2])
        self.told_by: tuple[str, int] = ("", 0)

    async def told(self) -> bytes:
        """Return the next message that comes."""
        async with asyncio.timeout(NOTICED_S):
            wire, self.told_by = await asyncio.get_running_loop().sock_recvfrom(self.udp, 65_535)
            return wire

    def answer(self, wire: bytes, *, by: socket.socket | None = None) -> None:
        """Send `wire` to who told last, from another socket if need be."""
        (by or self.udp).sendto(wire, self.told_by)


def response(told: bytes, *, rcode: int = Rcode.NOERROR, id_: int | None = None, flags: int = QR | AA) -> bytes:
    return message(
        id_=int.from_bytes(told[:2], "big") if id_ is None else id_,
        flags=flags | Opcode.NOTIFY << 11 | rcode,
        question=question_octets(ORIGIN, RRType.SOA),
    )


@asynccontextmanager
async def notifying_of(zones: ServedZones, keys: Mapping[Name, TsigKey]) -> AsyncIterator[Notifier]:
    notifier = Notifier(zones, keys, rng=random.Random(7), wall=lambda: NOW)
    notifier.start()
    try:
        yield notifier
    finally:
        notifier.stop()


def run(scene: Callable[[ServedZones, Notifier, Secondary], Awaitable[None]], *, key: TsigKey | None = None) -> None:
    """Play `scene` with a zone of serial 1 and one secondary, who is told under `key`."""

    async def play() -> None:
        secondary = Secondary()
        remote = Remote(server=secondary.server, key=key.name if key else None)
        zones = ServedZones({ORIGIN: ZoneRules(notify=(remote,))})
        await zones.publish(at(1), base=None, cause="file")
        with secondary.udp:
            async with notifying_of(zones, {key.name: key} if key else {}) as notifier:
                await scene(zones, notifier, secondary)

    asyncio.run(play())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(NOTICED_S):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "RETRY_S", 0.02)


def test_at_the_start_and_on_each_change_a_secondary_is_told_the_soa() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        for serial in (1, 2):
            if serial == 2:
                await zones.publish(at(2), base=zones.zones[ORIGIN], cause="file")
            wire = await secondary.told()
            found = dns.message.from_wire(wire)
            assert found.opcode() == dns.opcode.NOTIFY
            assert found.flags & 0x07FF == dns.flags.AA
            assert found.question[0].to_text() == "example.org. IN SOA"
            assert found.answer[0][0].serial == serial
            secondary.answer(response(wire))
            await until(lambda serial=serial: notifier.outcomes[Outcome.ACKNOWLEDGED] == serial)  # type: ignore[misc]
        assert notifier.outcomes[Outcome.SENT] == 2

    run(scene)


def test_a_version_with_the_same_serial_is_told_to_nobody() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        secondary.answer(response(await secondary.told()))
        await until(lambda: notifier.outcomes[Outcome.ACKNOWLEDGED] == 1)
        other = draft("$TTL 9\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.9\n").zone()
        await zones.publish(other, base=zones.zones[ORIGIN], cause="file")
        await asyncio.sleep(10 * notifying.QUIET_S)
        assert notifier.outcomes[Outcome.SENT] == 1

    run(scene)


def test_what_is_published_after_the_end_is_told_to_nobody() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        secondary.answer(response(await secondary.told()))
        await until(lambda: notifier.outcomes[Outcome.ACKNOWLEDGED] == 1)
        notifier.stop()
        await zones.publish(at(2), base=zones.zones[ORIGIN], cause="file")
        await asyncio.sleep(10 * notifying.QUIET_S)
        assert notifier.outcomes[Outcome.SENT] == 1

    run(scene)


@pytest.mark.usefixtures("quick")
def test_what_is_no_answer_to_a_notice_ends_no_repetition() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        told = await secondary.told()
        with bound_udp() as stranger:
            secondary.answer(response(told), by=stranger)
            for wire in (
                response(told, id_=int.from_bytes(told[:2], "big") ^ 1),
                response(told, flags=AA),  # no response
                response(told)[:2] + bytes([0x84]) + response(told)[3:],  # to a query
                response(told).replace(b"\x07example", b"\x07exanple"),
                response(told)[:-1],
                b"",
                told,
            ):
                secondary.answer(wire)
            assert await secondary.told() == told
        assert notifier.outcomes[Outcome.ACKNOWLEDGED] == 0
        secondary.answer(response(told))
        await until(lambda: notifier.outcomes[Outcome.ACKNOWLEDGED] == 1)

    run(scene)


def test_a_secondary_that_refuses_is_not_asked_again() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        secondary.answer(response(await secondary.told(), rcode=Rcode.NOTAUTH))
        await until(lambda: notifier.outcomes[Outcome.REFUSED] == 1)
        assert notifier.outcomes[Outcome.ACKNOWLEDGED] == 0

    run(scene)


@pytest.mark.usefixtures("quick")
def test_a_silent_secondary_is_given_up_and_told_of_the_next_change() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        first = await secondary.told()
        for _ in range(notifying.TRIES_MAX - 1):
            assert await secondary.told() == first
        await until(lambda: notifier.outcomes[Outcome.GIVEN_UP] == 1)
        await zones.publish(at(2), base=zones.zones[ORIGIN], cause="file")
        secondary.answer(response(await secondary.told()))
        await until(lambda: notifier.outcomes[Outcome.ACKNOWLEDGED] == 1)

    run(scene)


@pytest.mark.usefixtures("quick")
def test_nobody_at_the_other_end_is_as_good_as_silence() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        secondary.udp.close()  # the system says so to who sends there
        await until(lambda: notifier.outcomes[Outcome.GIVEN_UP] == 1)
        assert notifier.outcomes[Outcome.ACKNOWLEDGED] == notifier.outcomes[Outcome.REFUSED] == 0

    run(scene)


@pytest.mark.usefixtures("quick")
def test_with_a_key_notices_are_signed_and_so_must_their_answers_be() -> None:
    async def scene(zones: ServedZones, notifier: Notifier, secondary: Secondary) -> None:
        told = await secondary.told()
        verified = verify(told, {KEY.name: KEY}, now=NOW)
        assert isinstance(verified, Verified)
        for wrong in (
            response(told),
            sign(response(told), OTHER, now=NOW, request_mac=verified.mac).wire,
            sign(response(told), KEY, now=NOW, request_mac=bytes(32)).wire,
            sign(response(told), KEY, now=NOW - 1e4, request_mac=verified.mac).wire,
        ):
            secondary.answer(wrong)
            again = await secondary.told()
            assert again[:2] == told[:2]
        assert notifier.outcomes[Outcome.ACKNOWLEDGED] == 0
        secondary.answer(sign(response(told), KEY, now=NOW, request_mac=verified.mac).wire)
        await until(lambda: notifier.outcomes[Outcome.ACKNOWLEDGED] == 1)

    run(scene, key=KEY)


def test_a_secondary_is_told_by_ipv6_too() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")

    async def play() -> None:
        secondary = Secondary("::1")
        zones = ServedZones({ORIGIN: ZoneRules(notify=(Remote(server=secondary.server),))})
        await zones.publish(at(1), base=None, cause="file")
        with secondary.udp:
            async with notifying_of(zones, {}) as notifier:
                wire = await secondary.told()
                secondary.udp.sendto(response(wire), secondary.told_by)
                await until(lambda: notifier.outcomes[Outcome.ACKNOWLEDGED] == 1)

    asyncio.run(play())
