"""The form of a drill's file, key by key: Chaos Toolkit's experiment and its extension `standfast`. Checks only."""

from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from standfast.dns.model import Name
from standfast.dns.name import BadName, parse_name
from standfast.evidence.model import ProbeSpec
from standfast.guard.policy import Policy
from standfast.io.settings.config_file import PolicyKeys

EXTENSION = "standfast"
DAY_S = 86_400


def _name(text: str) -> Name:
    try:
        return parse_name(text)
    except BadName as error:
        raise ValueError(str(error)) from error


def _address(text: str) -> str:
    return str(ip_address(text))


DnsName = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(ge=0, le=30 * DAY_S)]
Range = tuple[float, float]  # the least and the most


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OthersKeys(BaseModel):
    model_config = ConfigDict(frozen=True)  # what Chaos Toolkit knows beside, such as pauses, is its own business


class Zone(_Keys):
    """A zone; see `sim.world.ZoneSpec`."""

    name: DnsName
    negative_ttl_s: Annotated[int, Field(ge=0, le=DAY_S)] = 900
    signed: bool = False


class NameOfTheWorld(_Keys):
    """A name; see `sim.world.NameSpec`."""

    name: DnsName
    zone: DnsName
    addresses: tuple[Address, ...] = ()
    alias_of: DnsName | None = None
    ttl_s: Annotated[int, Field(ge=0, le=DAY_S)] = 60
    tls: bool = True
    qtypes: tuple[Literal["A", "AAAA"], ...] = ("A",)
    needs: tuple[DnsName, ...] = ()
    known_for_s: Annotated[float, Field(ge=0)] = 0.0


class Resolver(_Keys):
    """A recursive resolver; see `sim.resolvers.ResolverSpec`."""

    host: Address
    latency_s: Annotated[float, Field(gt=0, le=1)] = 0.015
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0
    truncates: bool = False


class PolicyOfTheGuard(PolicyKeys):
    """A policy of the guard, with the keys of `[[guard.policy]]` in `standfast.toml`."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)

    def settings(self) -> dict[str, Any]:
        """Return what it sets, as `PolicyTable` takes it."""
        given = {each.name: getattr(self, each.name, None) for each in fields(Policy)}
        settings = {key: value for key, value in given.items() if value is not None}
        if self.probe is not None:
            settings["probe"] = ProbeSpec(kind=self.probe.kind.value, port=self.probe.port)
        return settings


class WorldDescription(_Keys):
    """The extension: the world, the guard's policies, and what is known of the drill."""

    name: Literal["standfast"]
    lesson: str
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    starts_at: AwareDatetime
    zone_name: str = ""  # of the times, as people there call it; by default their offset from UTC
    seed: str = "1"
    look_up_every_s: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]
    names: Annotated[tuple[NameOfTheWorld, ...], Field(min_length=1)]
    upstreams: Annotated[tuple[Resolver, ...], Field(min_length=1)]
    second_opinions: tuple[Resolver, ...] = ()
    policies: tuple[PolicyOfTheGuard, ...] = ()
    rivals: Mapping[str, Mapping[str, Range]] = {}


class Provider(_OthersKeys):
    """Who carries an activity out: a function of `standfast.drills.chaos`."""

    type: Literal["python"]
    module: Literal["standfast.drills.chaos"]
    func: str
    arguments: Mapping[str, Any] = {}


class Activity(_OthersKeys):
    """An action or a probe."""

    type: Literal["action", "probe"]
    name: str
    provider: Provider
    tolerance: bool | Range | None = None


class Hypothesis(_OthersKeys):
    """What holds while all is well."""

    title: str
    probes: tuple[Activity, ...] = ()


class Experiment(_OthersKeys):
    """A whole file."""

    title: str
    description: str
    tags: tuple[str, ...] = ()
    hypothesis: Annotated[Hypothesis, Field(alias="steady-state-hypothesis")]
    method: tuple[Activity, ...]
    extensions: tuple[dict[str, Any], ...] = ()

    def world(self) -> WorldDescription:
        """Return the extension. Raises `ValueError` where there is none, or not one."""
        found = [each for each in self.extensions if each.get("name") == EXTENSION]
        if len(found) != 1:
            raise ValueError(f'an experiment needs one extension called "{EXTENSION}", this one has {len(found)}')
        return WorldDescription.model_validate(found[0])
