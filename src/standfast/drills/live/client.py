"""The clients of one way of resolving, as the drill holds them: started, set going, read, stopped."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from standfast.drills.live.calls import Call
from standfast.drills.live.loopback import Endpoint
from standfast.drills.live.process import Child

START_TIMEOUT_S = 60.0  # importing boto3 takes a second of CPU, and the ways start together


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSettings:
    """What one way's clients do.

    Attributes:
        way: its name, for its items and its log.
        resolver: the one DNS server that they ask.
        name: the DynamoDB endpoint's host name, without a final dot.
        port: the endpoint's port.
        ca_file: the authority that they trust.
        dependents: host names of the dependents that run here; each needs an item with its name as the key.
        calls_per_s: of the canary, puts and gets together.
        visits_per_s: to each dependent.
        dns_timeout_s, dns_attempts: of the stub resolver, as in resolv.conf(5); glibc's own are 5 s and 2.
        connect_timeout_s: of boto3, for each address; botocore's own is 60 s.
        read_timeout_s: of boto3; botocore's own is 60 s.
        tries: of boto3; 1 is no retry, botocore's own in `standard` mode is 3.
    """

    way: str
    resolver: Endpoint
    name: str
    port: int
    ca_file: Path
    dependents: tuple[str, ...] = ()
    calls_per_s: float = 4.0
    visits_per_s: float = 1.0
    dns_timeout_s: float = 5.0
    dns_attempts: int = 2
    connect_timeout_s: float = 1.0
    read_timeout_s: float = 2.0
    tries: int = 1


@dataclass(slots=True, kw_only=True)
class Workload:
    """A running process of clients; an async context manager that stops it.

    Attributes:
        dependents: by name, where each dependent answers plain HTTP; a `Front` has to stand before it.
    """

    child: Child
    dependents: Mapping[str, Endpoint]
    _stopped: bool = field(default=False)

    @classmethod
    async def start(cls, settings: WorkloadSettings, *, folder: Path) -> Self:
        """Start the process, and return when it could begin: no call is made before `go`.

        Raises:
            PartFailed: it did not start; boto3 is not installed, for one.
        """
        child = await Child.start(
            f"clients-{settings.way}",
            [sys.executable, "-m", "standfast.drills.live.workload", *_arguments(settings)],
            folder=folder,
            stdin=asyncio.subprocess.PIPE,
            read_stdout=True,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                said = await _stdout(child).readline()
            if not said:
                await child.process.wait()
                raise child.failed(f"ended with status {child.process.returncode} before it was ready")
        except TimeoutError:
            await child.stop()
            raise child.failed(f"was not ready after {START_TIMEOUT_S:g} s") from None
        except BaseException:
            await child.stop()
            raise
        ports: Mapping[str, int] = json.loads(said)["dependents"]
        return cls(
            child=child,
            dependents={name: Endpoint(address="127.0.0.1", port=port) for name, port in ports.items()},
        )

    async def go(self, dependent_ports: Mapping[str, int] | None = None) -> None:
        """Begin the calls: the canary's, and those to each of `dependent_ports`, by name the HTTPS port."""
        assert self.child.process.stdin is not None
        self.child.process.stdin.write(json.dumps({"dependents": dict(dependent_ports or {})}).encode() + b"\n")
        await self.child.process.stdin.drain()

    async def calls(self) -> AsyncIterator[Call]:
        """Yield every call as it ends, until `stop`.

        Raises:
            PartFailed: the process ended on its own.
        """
        async for line in _stdout(self.child):
            yield Call.from_line(line)
        if not self._stopped:
            raise self.child.failed(f"ended with status {await self.child.process.wait()}")

    async def stop(self) -> None:
        """End it; calling it twice is fine."""
        self._stopped = True
        await self.child.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _stdout(child: Child) -> asyncio.StreamReader:
    assert child.process.stdout is not None
    return child.process.stdout


def _arguments(settings: WorkloadSettings) -> list[str]:
    flags = {
        "way": settings.way,
        "resolver": settings.resolver,
        "name": settings.name,
        "port": settings.port,
        "ca-file": settings.ca_file.resolve(),
        "calls-per-s": settings.calls_per_s,
        "visits-per-s": settings.visits_per_s,
        "dns-timeout-s": settings.dns_timeout_s,
        "dns-attempts": settings.dns_attempts,
        "connect-timeout-s": settings.connect_timeout_s,
        "read-timeout-s": settings.read_timeout_s,
        "tries": settings.tries,
    }
    return [f"--{flag}={value}" for flag, value in flags.items()] + [
        f"--dependent={name}" for name in settings.dependents
    ]
