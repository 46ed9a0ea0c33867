"""The load generator and the responder: built from `load/`, run, and what they said."""

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from standfast.drills.live.loopback import Endpoint
from standfast.drills.live.process import Child
from standfast.errors import StandfastError

SOURCES: Final = Path(__file__).parent / "load"
COMPILER: Final = "gcc"
FLAGS: Final = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow")
COMPILE_TIMEOUT_S: Final = 60.0  # it takes under a second
LOAD_GRACE_S: Final = 10.0  # beyond the time that a run was given, for the last answers and the report
WINDOW: Final = 128  # outstanding queries; keeps every server busy, and fits the smallest receive buffer of any
SOCKETS: Final = 4  # few, so that many queries go with one system call
WINDOW_OPEN: Final = 4096  # where the rate is given: more than are ever outstanding, unless a server stands still
SOCKETS_OPEN: Final = 16  # at least, for so many


class BuildFailed(StandfastError):
    """The load generator cannot be compiled. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"cannot compile the load generator: {reason}")
        self.reason = reason


class LoadFailed(StandfastError):
    """The load generator did not do its work. Field: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the load generator failed: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The compiled programs."""

    load: Path
    responder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one server did in one run. Latencies are those of right answers.

    `wrong` counts answers that are not what they must be (`wrong_by` says how), `lost` queries without an answer
    in time, `unexpected` datagrams that answer nothing outstanding, such as late ones. `rate_qps` counts right
    answers. `histogram_ns` holds the top of each bucket and its count.
    """

    sent: int
    answered: int
    wrong: int
    lost: int
    unexpected: int
    rate_qps: float
    p50_us: float
    p99_us: float
    max_us: float
    wrong_by: Mapping[str, int]
    histogram_ns: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the generator.

    `idle` is the share of it (0 to 1) in which there was nothing to read or to send; `waited_s` is how long other
    work had the generator's core. `servers` are in the order in which they were named.
    """

    elapsed_s: float
    idle: float
    waited_s: float
    servers: tuple[Answered, ...]


async def build(folder: Path) -> Tools:
    """Compile both programs into `folder`, made if it is not there.

    Raises:
        BuildFailed: there is no compiler, or it does not like the source.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise BuildFailed(f"{COMPILER} is not on this machine. On Debian or Ubuntu: sudo apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("load", "responder"):
        argv: list[str | Path] = [compiler, *FLAGS, "-o", folder / program, SOURCES / f"{program}.c"]
        child = await Child.start(f"compile-{program}", argv, folder=folder)
        async with child, asyncio.timeout(COMPILE_TIMEOUT_S):
            if await child.process.wait():
                raise BuildFailed(child.log_tail())
    return Tools(load=folder / "load", responder=folder / "responder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How to load: what the options of `load/load.c` say. It ends after `count` queries, or after `duration_s`.

    `core` is where it stays; None: wherever the system puts it.
    """

    queries: Path
    core: int | None
    duration_s: float
    count: int | None = None
    window: int = WINDOW
    sockets: int = SOCKETS
    rate_qps: int = 0
    spin: bool = False
    seed: int = 1

    async def run(self, tools: Tools, servers: Sequence[Endpoint], folder: Path) -> Run:
        """Load `servers`, each with a query in turn, and return what came of it; its log goes to `folder`.

        Raises:
            LoadFailed: it could not be run, or did not end in time.
        """
        child = await Child.start(
            "load", [tools.load, *self._options(), *map(str, servers)], folder=folder, read_stdout=True
        )
        async with child:
            try:
                async with asyncio.timeout(self.duration_s + LOAD_GRACE_S):
                    said, _ = await child.process.communicate()
            except TimeoutError:
                raise LoadFailed("it did not end in time") from None
        if child.process.returncode != 0:
            raise LoadFailed(child.log_tail())
        return _read(json.loads(said))

    def _options(self) -> list[str | Path]:
        numbers = {
            "duration-ms": round(self.duration_s * 1000),
            "window": self.window,
            "sockets": self.sockets,
            "rate": self.rate_qps,
            "seed": self.seed,
        }
        if self.count is not None:
            numbers["count"] = self.count
        if self.core is not None:
            numbers["core"] = self.core
        options: list[str | Path] = ["--addresses", "--queries", self.queries]
        for option, value in numbers.items():
            options += [f"--{option}", str(value)]
        if self.spin:
            options.append("--spin")
        return options


def _read(said: dict[str, Any]) -> Run:
    servers = []
    for one in said["servers"]:
        histogram = tuple((top, count) for top, count in one["histogram_ns"])
        known = {field: one[field] for field in Answered.__slots__ if field != "histogram_ns"}
        servers.append(Answered(**known, histogram_ns=histogram))
    return Run(elapsed_s=said["elapsed_s"], idle=said["idle"], waited_s=said["waited_s"], servers=tuple(servers))
