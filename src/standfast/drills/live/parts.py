"""Everything that a live drill starts: the region, the upstream, the ways of resolving, and the clients of each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from standfast.dns.model import Name, Question, RRType, addresses_of
from standfast.drills.account import Absent
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.drills.live.client import Workload, WorkloadSettings
from standfast.drills.live.dynamo import DynamoService
from standfast.drills.live.fronts import Fronts
from standfast.drills.live.guard import Guard, GuardedName, GuardSettings
from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.process import Child
from standfast.drills.live.rivals import NotInstalled, Rival, start_dnsmasq, start_unbound
from standfast.drills.live.scaled import ScaledClock
from standfast.drills.live.setting import Setting
from standfast.drills.live.upstream import ScriptedUpstream
from standfast.guard.policy import PolicyTable
from standfast.sim.resolvers import RecursiveResolver
from standfast.sim.simulation import GUARD
from standfast.sim.world import World

PLAIN = "plain"
EVE_S = 86_400.0  # before second 0 the world already is; a warm-up of ten real minutes would fit in

# Few enough for two cores, beside all that serves them; four a second is one for every 38 s of the incident.
CALLS_PER_S = 4.0
VISITS_PER_S = 2.0
# Generous, so that a machine that is busy is not taken for an outage: whatever the DNS does to a client shows at once,
# as an answer without addresses or a connection refused.
DNS_TIMEOUT_S, DNS_ATTEMPTS = 5.0, 2  # glibc's own
CONNECT_TIMEOUT_S = READ_TIMEOUT_S = 8.0

P = TypeVar("P", bound="_Part")


class _Part(Protocol):
    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of resolving and the clients that use it. `what` says what it is, and in which version."""

    key: str
    title: str
    what: str
    workload: Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All of it, running. `upstream` is what every way asks; `absent` are the rivals that are not installed."""

    world: World
    clock: ScaledClock
    resolvers: dict[str, RecursiveResolver]
    upstream: RecursiveResolver
    fronts: Fronts
    service: DynamoService
    guard: Guard
    rivals: tuple[Rival, ...]
    ways: tuple[Way, ...]
    absent: tuple[Absent, ...]
    dependent_ports: dict[str, dict[str, int]]
    epoch_s: float

    async def let_clients_begin(self) -> None:
        """Let all clients call from now on."""
        for way in self.ways:
            await way.workload.go(self.dependent_ports[way.key])

    def told(self, name: Name) -> tuple[str, ...]:
        """Return the addresses that the upstream answers for `name` just now."""
        reply = self.upstream.say(Question(name, RRType.A), self.epoch_s + self.clock.now())
        return addresses_of(reply.answer)

    def children(self) -> tuple[Child, ...]:
        """Return every process that was started."""
        workloads = (way.workload.child for way in self.ways)
        return (self.service.child, self.guard.child, *(rival.child for rival in self.rivals), *workloads)

    def watches(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield, for each server that must not end on its own, a coroutine that raises `PartFailed` when it does."""
        for child in (self.service.child, self.guard.child, *(rival.child for rival in self.rivals)):
            yield _watch(child)


@asynccontextmanager
async def start_parts(
    setting: Setting, folder: Path, scale: float, *, say: Callable[[str], None]
) -> AsyncIterator[Parts]:
    """Start everything with its files in `folder`; end it when the context is left, however it is left.

    `say` is told what is being started.

    Raises:
        PartFailed: a part did not start.
    """
    async with AsyncExitStack() as stack:
        try:
            parts = await _Starter(setting, folder, scale, stack, say).start()
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
        yield parts


def first_error(error: BaseException) -> BaseException:
    """Return the first error of a group of them, or of groups in it; anything else as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Starter:
    def __init__(
        self, setting: Setting, folder: Path, scale: float, stack: AsyncExitStack, say: Callable[[str], None]
    ) -> None:
        self._setting = setting
        self._folder = folder
        self._scale = scale
        self._stack = stack
        self._say = say
        self._hosts = {name: name.removesuffix(".") for name in setting.names}
        self._authority = ThrowawayAuthority.create(folder / "authority")
        script = setting.script
        self._world = World(script.zones, script.names, start_s=script.starts_at_s - EVE_S)
        self._clock = ScaledClock(scale, at_s=-EVE_S / 2)
        specs = (*script.upstreams, *script.second_opinions)
        self._resolvers = {spec.host: RecursiveResolver(spec, self._world, seed=script.seed) for spec in specs}
        self._fronts = Fronts(self._world, self._authority)

    async def start(self) -> Parts:
        setting, script = self._setting, self._setting.script
        self._say("starting a DynamoDB service, a scripted upstream, the resolvers")
        await self._stack.enter_async_context(self._fronts)
        upstreams = {
            host: await self._begun(ScriptedUpstream.start(each, self._clock, epoch_s=script.starts_at_s))
            for host, each in self._resolvers.items()
        }
        upstream = upstreams[script.upstreams[0].host].endpoint
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(
                self._begun(DynamoService.start(self._folder, items=[self._hosts[name] for name in setting.dependents]))
            )
            unbound = group.create_task(self._rival(start_unbound(upstream, folder=self._folder)))
            dnsmasq = group.create_task(self._rival(start_dnsmasq(upstream, folder=self._folder)))
        service = serving.result()
        front = await self._fronts.add(setting.service, setting.places(setting.service), service.endpoint)

        found = (unbound.result(), dnsmasq.result())
        rivals = tuple(each for each in found if isinstance(each, Rival))
        absent = tuple(
            Absent(name=each.program, install=each.install) for each in found if isinstance(each, NotInstalled)
        )
        resolvers = {PLAIN: upstream, GUARD: free_endpoint()} | {rival.child.name: rival.endpoint for rival in rivals}
        self._say(f"starting the clients: boto3, resolving in {len(resolvers)} ways")
        async with asyncio.TaskGroup() as group:
            starting = {
                key: group.create_task(
                    self._begun(Workload.start(self._workload(key, at, front.port), folder=self._folder))
                )
                for key, at in resolvers.items()
            }
        workloads = {key: task.result() for key, task in starting.items()}
        dependent_ports = {key: await self._dependents(workload) for key, workload in workloads.items()}
        guard = await self._begun(
            Guard.start(
                GuardSettings(
                    listen=resolvers[GUARD],
                    upstreams=(upstream,),
                    second_opinions=tuple(upstreams[spec.host].endpoint for spec in script.second_opinions),
                    ca_file=self._authority.ca_file,
                    policies=PolicyTable(script.policies),
                    scale=self._scale,
                    names=tuple(
                        GuardedName(
                            name=name,
                            port=dependent_ports[GUARD].get(self._hosts[name], front.port),
                            known_for_s=self._world.names[name].known_for_s,
                        )
                        for name in setting.names
                    ),
                ),
                folder=self._folder / "guard",
            )
        )
        return Parts(
            world=self._world,
            clock=self._clock,
            resolvers=self._resolvers,
            upstream=self._resolvers[script.upstreams[0].host],
            fronts=self._fronts,
            service=service,
            guard=guard,
            rivals=rivals,
            ways=tuple(_way(key, workload, rivals) for key, workload in workloads.items()),
            absent=absent,
            dependent_ports=dependent_ports,
            epoch_s=script.starts_at_s,
        )

    async def _begun(self, starting: Awaitable[P]) -> P:
        part = await starting
        self._stack.push_async_callback(part.stop)
        return part

    async def _rival(self, starting: Awaitable[Rival | NotInstalled]) -> Rival | NotInstalled:
        found = await starting
        if isinstance(found, Rival):
            self._stack.push_async_callback(found.stop)
        return found

    def _workload(self, key: str, resolver: Endpoint, port: int) -> WorkloadSettings:
        return WorkloadSettings(
            way=key,
            resolver=resolver,
            name=self._hosts[self._setting.service],
            port=port,
            ca_file=self._authority.ca_file,
            dependents=tuple(self._hosts[name] for name in self._setting.dependents),
            calls_per_s=CALLS_PER_S,
            visits_per_s=VISITS_PER_S,
            dns_timeout_s=DNS_TIMEOUT_S,
            dns_attempts=DNS_ATTEMPTS,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            read_timeout_s=READ_TIMEOUT_S,
        )

    async def _dependents(self, workload: Workload) -> dict[str, int]:
        """Put a front before each dependent of `workload`; return the ports by host name."""
        return {
            self._hosts[name]: (
                await self._fronts.add(name, self._setting.places(name), workload.dependents[self._hosts[name]])
            ).port
            for name in self._setting.dependents
        }


def _way(key: str, workload: Workload, rivals: tuple[Rival, ...]) -> Way:
    match key:
        case "plain":
            title, what = "plain forwarding", "the clients ask the upstream themselves"
        case "guard":
            title, what = GUARD, f"standfast {version('standfast')}: holds what can be proven good"
        case "unbound":
            title, what = key, "with serve-expired (RFC 8767)"
        case _:
            title, what = key, "as it comes"
    rival = next((rival for rival in rivals if rival.child.name == key), None)
    return Way(key=key, title=title, what=f"{rival.version}, {what}" if rival else what, workload=workload)


async def _watch(child: Child) -> None:
    status = await child.process.wait()
    raise child.failed(f"ended with status {status}")
