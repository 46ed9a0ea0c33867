"""Who answers at each address of a live drill: TLS fronts that follow the simulated world, event by event."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from standfast.dns.model import Name
from standfast.drills.live.authority import Certificate, ThrowawayAuthority
from standfast.drills.live.front import Front, Site
from standfast.drills.live.loopback import Endpoint
from standfast.sim.events import Party
from standfast.sim.world import World

OURS, NOBODY = "the owner's servers", "nobody"  # else the name that a stranger's certificate is for


@dataclass(slots=True)
class _Followed:
    name: Name
    front: Front
    there: dict[str, str] = field(default_factory=dict)  # address -> who answers


class Fronts:
    """A TLS front for each name and for each group of clients that calls it; an async context manager that ends them.

    At every address of a front there is who the world says: the owner's servers, nobody, or a stranger who shows
    somebody else's certificate.
    """

    def __init__(self, world: World, authority: ThrowawayAuthority) -> None:
        self._world = world
        self._authority = authority
        self._certificates: dict[str, Certificate] = {}
        self._followed: list[_Followed] = []
        self._stack = AsyncExitStack()

    async def add(self, name: Name, addresses: Sequence[str], backend: Endpoint) -> Front:
        """Start a front for `name` on `addresses`, all on one port that is free, before the plain service `backend`."""
        site = Site(certificate=self._certificate(name), backend=backend)
        front = await Front.start(addresses=addresses, sites={name.removesuffix("."): site})
        await self._stack.enter_async_context(front)
        self._followed.append(_Followed(name, front, dict.fromkeys(addresses, OURS)))
        await self.follow()
        return front

    async def follow(self) -> None:
        """Make it so at every address that there is who the world says."""
        for followed in self._followed:
            for address, was_there in followed.there.items():
                is_there = self._who(followed.name, address)
                if is_there != was_there:
                    await self._change(followed.front, address, is_there)
                    followed.there[address] = is_there

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _who(self, name: Name, address: str) -> str:
        host = self._world.hosts.get(address)
        if host is None or not host.up or not host.certificate:
            return NOBODY
        if host.party is Party.OWNER and name in host.serves:
            return OURS
        return min(host.certificate)

    async def _change(self, front: Front, address: str, to: str) -> None:
        if to == NOBODY:
            front.die(address)
        elif to == OURS:
            front.die(address)  # a stranger, if one was there
            await front.serve(address)
        else:
            await front.reassign(address, Site(certificate=self._certificate(to), backend=None))

    def _certificate(self, name: Name) -> Certificate:
        if name not in self._certificates:
            self._certificates[name] = self._authority.issue([name.removesuffix(".")])
        return self._certificates[name]
