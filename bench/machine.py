"""The machine that is measured on: which cores to use, what a process took of them, and how to say so."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from standfast.errors import StandfastError

CORES_MIN = 2  # one for the server, one for the load


class TooFewCores(StandfastError):
    """Server and load cannot have a core each. Field: `cores`, what there is."""

    def __init__(self, cores: int) -> None:
        super().__init__(
            f"a benchmark needs {CORES_MIN} cores, one for the server and one for the load; here is {cores}"
        )
        self.cores = cores


WAITED_MAX: Final = 0.05  # of the time that a server wanted to run; above it figures say more of the neighbours


def disturbance(waited_share: float) -> str | None:
    """Return a warning where other work had `waited_share` (0 to 1) of the time that was wanted, None where little."""
    if waited_share <= WAITED_MAX:
        return None
    return (
        f"Other work had {waited_share:.0%} of the time in which servers could have run. Rates are too low and "
        "latencies too high by that; answers a CPU second, and ratios with a small spread, count all the same."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Who runs where. `upstream` is a third core where there is one, else that of the load."""

    server: int
    load: int
    upstream: int


def choose_cores() -> Cores:
    """Return cores that this process may use, no two of them threads of one physical core.

    Raises:
        TooFewCores: there is only one.
    """
    taken: set[int] = set()
    cores = []
    for core in sorted(os.sched_getaffinity(0)):
        if core not in taken:
            cores.append(core)
            taken |= _siblings(core)
    if len(cores) < CORES_MIN:
        raise TooFewCores(len(cores))
    return Cores(server=cores[0], load=cores[1], upstream=cores[min(2, len(cores) - 1)])


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Have what is started meanwhile stay on `cores`, from its first instruction and in all its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """What a process has used so far, in seconds: time it ran, and time it was ready to but others ran instead."""

    ran_s: float
    waited_s: float

    @classmethod
    def of(cls, pid: int) -> "CpuTime":
        """Read the time of `pid`, all threads and processes below it (workers) included."""
        ran_ns = waited_ns = 0
        for process in _family(pid):
            for schedstat in Path(f"/proc/{process}/task").glob("*/schedstat"):
                with suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
                    # time on the CPU, time on the run queue, both in ns; Documentation/scheduler/sched-stats.rst
                    ran, waited, _ = schedstat.read_text().split()
                    ran_ns += int(ran)
                    waited_ns += int(waited)
        return cls(ran_s=ran_ns / 1e9, waited_s=waited_ns / 1e9)

    @property
    def waited_share(self) -> float:
        """Of the time in which it could have run, the share in which others ran instead, between 0 and 1."""
        wanted_s = self.ran_s + self.waited_s
        return self.waited_s / wanted_s if wanted_s else 0.0

    def since(self, before: "CpuTime") -> "CpuTime":
        """Return what was used from `before` to this."""
        return CpuTime(ran_s=self.ran_s - before.ran_s, waited_s=self.waited_s - before.waited_s)


def rss_bytes(pid: int | None = None) -> int:
    """Return the resident memory of `pid` (None: this process), of its workers too, in octets."""
    pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in _family(pid or os.getpid()))
    return pages * os.sysconf("SC_PAGE_SIZE")


def describe() -> str:
    """Return the machine in one line: processor, cores, kernel, Python, and how busy it is with other work."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")), "")
    virtual = "virtual, " if " hypervisor" in cpuinfo else ""
    return (
        f"{model or platform.machine()}, {virtual}{os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} before the run"
    )


def _siblings(core: int) -> set[int]:
    """Return the hardware threads of the physical core that `core` is one of."""
    listed = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    if not listed.exists():
        return {core}
    found: set[int] = set()
    for part in listed.read_text().strip().split(","):  # like "0,4" or "0-1"
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [pid, *(process for child in below for process in _family(child))]
