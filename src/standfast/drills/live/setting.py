"""A drill's script moved to one machine: addresses on loopback, one upstream for all, and who is called. Computes only.

An address keeps its last octet: 192.0.2.11 becomes 127.1.0.11, and the next network that is met 127.2.0.0/24.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, ip_address
from itertools import chain

from standfast.dns.model import Name, RRType
from standfast.drills.errors import DrillError
from standfast.drills.scenario import Check, Scenario
from standfast.sim.events import (
    BreakResolver,
    Event,
    Fault,
    FlushResolver,
    GiveAway,
    MendResolver,
    Restart,
    ReviveServers,
    SetAddresses,
    StartServers,
    StopServers,
    Timed,
)
from standfast.sim.script import Script
from standfast.sim.world import NameSpec

NETWORKS_MAX = 254  # 127.1.0.0/24 to 127.254.0.0/24

_WithAddresses = SetAddresses | StartServers | StopServers | ReviveServers | GiveAway | BreakResolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is played live.

    Args:
        script: the drill's, with every address in 127.0.0.0/8 and its first upstream alone.
        checks: what is expected on the way, its addresses moved as well.
        hypothesis: what is expected before and after.
        service: the name at which the drill's DynamoDB service is reached.
        dependents: names of services that cannot answer without it.
    """

    script: Script
    checks: tuple[Check, ...]
    hypothesis: tuple[Check, ...]
    service: Name
    dependents: tuple[Name, ...]

    @property
    def names(self) -> tuple[Name, ...]:
        """Every name that is called, the service first."""
        return (self.service, *self.dependents)

    def places(self, name: Name) -> tuple[str, ...]:
        """Return every address at which somebody may ever answer for `name`, in order of appearance."""
        spec = _spec(self.script, name)
        later = (
            timed.event.addresses
            for timed in self.script.timeline
            if isinstance(timed.event, BreakResolver)
            or (isinstance(timed.event, SetAddresses | StartServers) and timed.event.name == name)
        )
        return tuple(dict.fromkeys(chain(spec.addresses, *later)))


def set_on_loopback(scenario: Scenario) -> Setting:
    """Return `scenario` as it can be played on this machine.

    Raises:
        DrillError: it needs what only the simulator has.
    """
    script = scenario.script
    unfit = next(_unfit(script), None)
    if unfit is not None:
        raise DrillError(scenario.name, f"cannot be run live: {unfit}; run it with --mode sim")
    moved = _moved(_addresses(script))
    needed = [need for spec in script.names for need in spec.needs]
    called = [spec for spec in script.names if spec.qtypes]
    service = next((spec.name for spec in called if spec.name in needed), called[0].name)
    return Setting(
        script=replace(
            script,
            upstreams=script.upstreams[:1],
            names=tuple(replace(spec, addresses=_move(spec.addresses, moved)) for spec in script.names),
            timeline=tuple(
                replace(timed, event=_move_event(timed.event, moved))
                for timed in script.timeline
                if _is_kept(timed, script)
            ),
        ),
        checks=tuple(_move_check(step, moved) for step in scenario.steps if isinstance(step, Check)),
        hypothesis=tuple(_move_check(check, moved) for check in scenario.hypothesis),
        service=service,
        dependents=tuple(spec.name for spec in called if service in spec.needs),
    )


def _unfit(script: Script) -> Iterator[str]:
    """Yield every reason why `script` cannot be played live."""
    needed = {need for spec in script.names for need in spec.needs}
    roots = [spec for spec in script.names if spec.qtypes and not spec.needs]
    if len(roots) != 1 or not needed <= {spec.name for spec in roots}:
        yield "its clients call one service and those that need it, and here are others"
    for spec in script.names:
        if spec.alias_of is not None or spec.qtypes not in ((), (RRType.A,)):
            yield f"{spec.name} is not reached by its own IPv4 addresses alone"
        if not spec.tls:
            yield f"{spec.name} has no TLS, and all its clients speak HTTPS"
    if any(ip_address(address).version != 4 for address in _addresses(script)):
        yield "it has IPv6 addresses, of which loopback has one"
    for timed in script.timeline:
        match timed.event:
            case Restart():
                yield "it restarts machines"
            case StartServers(tls=False):
                yield "it has servers without TLS"
            case BreakResolver(fault=Fault.MALFORMED):
                yield "its upstream sends octets that are no message"
            case _:
                pass
    broken = {timed.event.host for timed in script.timeline if isinstance(timed.event, BreakResolver)}
    if broken and not broken.issuperset(spec.host for spec in script.upstreams):
        yield "some of its upstreams go wrong and others do not, and live there is one"


def _is_kept(timed: Timed, script: Script) -> bool:
    """Say whether an event concerns a resolver that takes part, or none at all."""
    absent = {spec.host for spec in script.upstreams[1:]}
    return not isinstance(timed.event, BreakResolver | MendResolver | FlushResolver) or timed.event.host not in absent


def _spec(script: Script, name: Name) -> NameSpec:
    return next(spec for spec in script.names if spec.name == name)


def _addresses(script: Script) -> tuple[str, ...]:
    of_events = (timed.event.addresses for timed in script.timeline if isinstance(timed.event, _WithAddresses))
    return tuple(dict.fromkeys(chain(*(spec.addresses for spec in script.names), *of_events)))


def _moved(addresses: Iterable[str]) -> Mapping[str, str]:
    """Return where each address goes."""
    numbers: dict[IPv4Network, int] = {}
    moved = {}
    for address in addresses:
        network = IPv4Network(f"{address}/24", strict=False)
        number = numbers.setdefault(network, len(numbers) + 1)
        if number > NETWORKS_MAX:
            raise ValueError(f"addresses of more than {NETWORKS_MAX} networks")
        moved[address] = f"127.{number}.0.{address.rpartition('.')[2]}"
    return moved


def _move(addresses: Iterable[str], moved: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(moved[address] for address in addresses)


def _move_event(event: Event, moved: Mapping[str, str]) -> Event:
    return replace(event, addresses=_move(event.addresses, moved)) if isinstance(event, _WithAddresses) else event


def _move_check(check: Check, moved: Mapping[str, str]) -> Check:
    if "addresses" not in check.arguments:
        return check
    return replace(check, arguments={**check.arguments, "addresses": list(_move(check.arguments["addresses"], moved))})
