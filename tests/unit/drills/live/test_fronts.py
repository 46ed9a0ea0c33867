"""Who answers at each address of a live drill is who the world says, event by event."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from standfast.drills.live.authority import ThrowawayAuthority
from standfast.drills.live.front import Front
from standfast.drills.live.fronts import Fronts
from standfast.drills.live.loopback import Endpoint
from standfast.sim.events import Event, GiveAway, ReviveServers, StartServers, StopServers
from standfast.sim.world import NameSpec, World, ZoneSpec

NAME, STRANGER = "db.example.org.", "www.example.net."
OLD, NEW = ("127.1.0.1", "127.1.0.2"), ("127.2.0.1",)
TIMEOUT_S = 20.0


class Region:
    def __init__(self, folder: Path) -> None:
        self.world = World(
            [ZoneSpec(name="example.org.")], [NameSpec(name=NAME, zone="example.org.", addresses=OLD)], start_s=0.0
        )
        self.authority = ThrowawayAuthority.create(folder)
        self.fronts = Fronts(self.world, self.authority)
        self.front: Front

    async def happen(self, event: Event) -> None:
        self.world.apply(event, 1.0)
        await self.fronts.follow()

    async def who(self, address: str) -> str | None:
        """Return the name in the certificate that is shown at `address`; None where nobody answers."""
        tls = ssl.create_default_context(cafile=self.authority.ca_file)
        tls.check_hostname = False
        try:
            _, writer = await asyncio.open_connection(
                address, self.front.port, ssl=tls, server_hostname=NAME.removesuffix(".")
            )
        except ConnectionRefusedError:
            return None
        certificate = writer.get_extra_info("peercert")
        writer.close()
        ((_, name),) = certificate["subjectAltName"]
        return str(name)


def run(folder: Path, test: Callable[[Region], Awaitable[None]]) -> None:
    async def started() -> None:
        region = Region(folder)
        async with region.fronts, asyncio.timeout(TIMEOUT_S):
            backend = Endpoint(address="127.0.0.1", port=9)  # nothing that a handshake needs
            region.front = await region.fronts.add(NAME, (*OLD, *NEW), backend)
            await test(region)

    asyncio.run(started())


OURS = NAME.removesuffix(".")


def test_the_owner_answers_where_the_owner_is_and_nobody_where_nobody_is(tmp_path: Path) -> None:
    async def test(region: Region) -> None:
        assert [await region.who(address) for address in (*OLD, *NEW)] == [OURS, OURS, None]

    run(tmp_path, test)


def test_servers_that_stop_and_come_back_do_so_on_the_wire(tmp_path: Path) -> None:
    async def test(region: Region) -> None:
        await region.happen(StopServers(addresses=OLD[:1]))
        assert [await region.who(address) for address in OLD] == [None, OURS]
        await region.happen(ReviveServers(addresses=OLD[:1]))
        assert [await region.who(address) for address in OLD] == [OURS, OURS]

    run(tmp_path, test)


def test_new_servers_begin_to_answer(tmp_path: Path) -> None:
    async def test(region: Region) -> None:
        await region.happen(StartServers(name=NAME, addresses=NEW))
        assert await region.who(NEW[0]) == OURS

    run(tmp_path, test)


@pytest.mark.parametrize(("certificate", "shown"), [(STRANGER, STRANGER.removesuffix(".")), (None, None)])
def test_an_address_that_is_given_away_shows_who_has_it_now(
    tmp_path: Path, certificate: str | None, shown: str | None
) -> None:
    async def test(region: Region) -> None:
        await region.happen(GiveAway(addresses=OLD, certificate=certificate))
        assert [await region.who(address) for address in OLD] == [shown, shown]
        await region.happen(StopServers(addresses=OLD[:1]))
        assert [await region.who(address) for address in OLD] == [None, shown]

    run(tmp_path, test)
