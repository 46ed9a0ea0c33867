"""Our control plane as a service that publishes at a BIND, and does what standard input says: a line each, a line back.

It is what `bench_octodns` starts and measures, so it loads what the service needs and nothing else.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `bench` is no installed package

from bench.queries import ZONE

from standfast.authority.remote import Remote
from standfast.control.fence import Fence
from standfast.control.health import Reading, State, write_reading
from standfast.control.publishing import Batch, Late
from standfast.control.rules.bounds import Bounds
from standfast.control.vantage import pool_key
from standfast.dns.changes import Change
from standfast.dns.model import RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.control.intent_files import load_intent
from standfast.io.control.plane import ControlPlane, control_plane
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import PublisherKind, Role

ORIGIN: Final = ZONE if ZONE.endswith(".") else f"{ZONE}."
KEY: Final = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"s" * 32)
MOVED: Final = 9  # the turn of a record that was changed in the file
PUBLISHER: Final = "bind"
POOL: Final = "watched"
VANTAGE: Final = "here"
PORT: Final = 443
WAIT_S: Final = 600.0
LOOK_S: Final = 0.002


def address(number: int, turn: int = 0) -> str:
    """Return the address of a name by its number; each turn has others."""
    return f"10.{turn}.{number >> 8 & 255}.{number & 255}"


WATCHED: Final = tuple(address(0, turn) for turn in range(1, 5))  # endpoints of the pool that n0 is of


def write_intent(
    folder: Path, count: int, *, moved: bool = False, but: Callable[[int], bool] = lambda _: False
) -> None:
    """Write an intent of so many names: the first from a pool, the last perhaps moved, some perhaps not there."""
    lines = []
    for number in range(1, count):
        if not but(number):
            turn = MOVED if moved and number == count - 1 else 0
            lines.append(f"  - {{name: n{number}.{ORIGIN}, type: A, ttl_s: 60, data: [{address(number, turn)}]}}")
    endpoints = ", ".join(f"{{address: {each}}}" for each in WATCHED)
    (folder / "intent.yaml").write_text(
        f"zones:\n  {ORIGIN}: {{publishers: [{PUBLISHER}]}}\n"
        f"pools:\n  {POOL}: {{check: {{kind: tcp}}, endpoints: [{endpoints}]}}\n"
        f"names:\n  n0.{ORIGIN}: {{policy: weighted, answers_max: 1, ttl_s: 60, pools: [{POOL}]}}\n"
        "records:\n" + "\n".join(lines) + "\n"
    )


@dataclass(kw_only=True)
class Service:
    """A control plane that runs."""

    plane: ControlPlane
    ill: set[str] = field(default_factory=set)
    reports: int = 0
    before: Fence | None = None

    @property
    def commands(self) -> Mapping[str, Callable[..., Awaitable[object]]]:
        """What it can be told to do."""
        return {"read": self.read, "edit": self.edit, "lose": self.lose, "late": self.late, "plan": self.plan}

    async def read(self) -> float:
        """Return how many seconds it takes to read the file once more."""
        began_s = time.perf_counter()
        await asyncio.to_thread(load_intent, self.plane.config)
        return time.perf_counter() - began_s

    async def edit(self) -> None:
        """Read the file again, in which something was changed, and want what it says."""
        await self.plane.adopt(await asyncio.to_thread(self.plane.reader.read))

    async def lose(self, ill: str) -> None:
        """Report an endpoint ill."""
        fence = await self.plane.publishers[PUBLISHER].fence(ORIGIN)
        assert isinstance(fence, Fence)
        self.before = fence
        self.ill.add(ill)
        self.report()

    async def late(self, back: str) -> bool:
        """Bring an address back as a writer that stalled before the last change; return whether it was refused."""
        assert self.before is not None
        after = rrset_from_text(f"n0.{ORIGIN}", RRType.A, 60, [back])
        fence = Fence(generation=self.before.generation + 1, step=1, done=True, plan="0" * 16, writer="late.1.1")
        late = Batch(zone=ORIGIN, expect=self.before, fence=fence, changes=(Change(before=None, after=after),))
        return isinstance(await self.plane.publishers[PUBLISHER].write(late), Late)

    async def plan(self) -> None:
        """Do what `edit` does, and wait until the planner has thought about it."""
        assert self.plane.planner is not None
        asked = self.plane.planner.verdicts.copy()
        await self.edit()
        async with asyncio.timeout(WAIT_S):
            while self.plane.planner.verdicts == asked:
                await asyncio.sleep(LOOK_S)

    def report(self) -> None:
        """Have the planner know how the watched endpoints are."""
        assert self.plane.planner is not None
        self.reports += 1
        now_s = time.time()
        said = {pool_key(POOL): f"{now_s:.3f}"}
        for each in WATCHED:
            state = State.ILL if each in self.ill else State.WELL
            said[f"{POOL}/{each}:{PORT}"] = write_reading(Reading(state=state, since_s=now_s, why="refused"))
        self.plane.planner.reported(VANTAGE, said, at_s=now_s + self.reports * 1e-3)


async def main(port: int, folder: Path) -> None:
    """Publish what the intent in `folder` wants at the BIND of this port, and do what is said."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    remote = Remote(server=Server("127.0.0.1", port), key=KEY.name)
    config = ControlConfig(
        intent=(folder / "intent.yaml",),
        state_dir=folder / "control",
        name="bench",
        rules=Bounds(networks=("10.0.0.0/8",)),
        publishers=(PublisherSettings(name=PUBLISHER, kind=PublisherKind.RFC2136, server=remote),),
        keys={KEY.name: KEY},
    )
    async with control_plane(config, roles={Role.PLANNER, Role.ENACTOR}) as plane:
        service = Service(plane=plane)
        service.report()
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            command, *words = line
            print(json.dumps(await service.commands[command](*words)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
