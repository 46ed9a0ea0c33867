"""One look at every endpoint that is wanted, for somebody who wants to see what checks say."""

import asyncio
import random

from standfast.control.health import Look
from standfast.control.intent import Intent
from standfast.control.vantage import LOOKS_IN_FLIGHT_MAX, Target, wanted
from standfast.io.clock import SteadyClock
from standfast.io.control.checks.check import Checker
from standfast.io.control.sources import Sources
from standfast.io.roots import Roots
from standfast.io.settings.control import ControlConfig


async def look_once(control: ControlConfig, intent: Intent) -> dict[Target, tuple[Look, float]]:
    """Read the sources, look at every endpoint once, and return what each look said and how many seconds it took."""
    sources = Sources(intent.pools, control, wall=SteadyClock().now, keep=False)
    await sources.read_all()
    targets = wanted(intent, {name: sources.endpoints(pool) for name, pool in intent.pools.items()})
    checker = Checker(Roots(control.ca_file), random.SystemRandom())
    free = asyncio.Semaphore(LOOKS_IN_FLIGHT_MAX)
    loop = asyncio.get_running_loop()

    async def look(target: Target) -> tuple[Look, float]:
        async with free:
            began_s = loop.time()
            found = await checker.look(target.address, targets[target])
            return found, loop.time() - began_s

    return dict(zip(targets, await asyncio.gather(*map(look, targets)), strict=True))
