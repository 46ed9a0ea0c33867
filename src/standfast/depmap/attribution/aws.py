"""The hidden regions of AWS: what a host name, or an API, of AWS hangs on without anybody having written it.

An API lies in a region; behind each is IAM's data plane, which is everywhere; and the services that are not regional
have one control plane, in one region. That a control plane is lost takes nothing down: what it made stays as it is, and
cannot be changed. So it is a soft need of its data plane.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

from standfast.depmap.assembly import Step
from standfast.depmap.attribution.aws_names import (
    PROVIDER,
    AwsHost,
    api_node,
    control_node,
    data_node,
    is_region,
    partition_of,
    read_host,
    region_cause,
)
from standfast.depmap.graph import Kind, all_of
from standfast.depmap.merging import DependencyMap
from standfast.depmap.readers.botocore_endpoints import NAME, Endpoints
from standfast.depmap.statements import Is, Needs, Reading, Remark, Shares, Statement, Told, Witness

# Where the one control plane of a service lies in the partition "aws": AWS white paper "AWS Fault Isolation
# Boundaries" of 2022-11-16, "Global services", "... unique by partition" and "... in the edge network".
CONTROL_PLANES: Final = {
    "account": "us-east-1",
    "cloudfront": "us-east-1",
    "globalaccelerator": "us-west-2",
    "iam": "us-east-1",
    "networkmanager": "us-west-2",
    "organizations": "us-east-1",
    "route53": "us-east-1",
    "route53-recovery-control-config": "us-west-2",
    "shield": "us-east-1",
    "waf": "us-east-1",
}
# Those of them that do their work apart from it; of the others the API is all that there is (same place).
DATA_PLANES: Final = frozenset({"cloudfront", "globalaccelerator", "iam", "route53", "shield", "waf"})

_PAPER: Final = Witness(reader="aws", where='"AWS Fault Isolation Boundaries", 2022-11-16, "Global services"')
_NAMES: Final = Witness(reader="aws", where="how AWS names its hosts")
_NAME_SERVER: Final = re.compile(r"ns-\d+\.awsdns-\d+\.[a-z.]+")  # of Route 53


def hidden_regions(endpoints: Endpoints | None) -> Step:
    """Return the step that tells of every host name and API of AWS what it hangs on.

    `endpoints` is botocore's data; None: there is none here, and what only it knows is a remark.
    """
    return lambda found: _Teller(endpoints).reading(found)


class _Teller:
    def __init__(self, endpoints: Endpoints | None) -> None:
        self._endpoints = endpoints
        self._by = Witness(reader=NAME, where=endpoints.file) if endpoints else _PAPER
        self._told: list[Told] = []
        self._remarks: list[Remark] = []
        self._signs_in = {("aws", service): region for service, region in CONTROL_PLANES.items()}
        if endpoints:
            self._signs_in |= {
                (each.partition, each.service): each.region
                for each in endpoints.not_regional
                if (each.partition, each.service) not in self._signs_in
            }

    def reading(self, found: DependencyMap) -> Reading:
        served = {name for name, node in found.graph.nodes.items() if any(need.role == "host" for need in node.needs)}
        for name in found.graph.nodes:
            if _NAME_SERVER.fullmatch(name):
                self._tell(_NAMES, Needs(name, all_of(data_node("route53"), role="api")))
            elif host := read_host(name):
                self._host(name, host, served)
        apis = dict.fromkeys(name for name in found.graph.nodes if _is_api(name))
        self._apis(apis | dict.fromkeys(part for part in self._needed() if _is_api(part)))
        return Reading(told=tuple(self._told), remarks=tuple(self._remarks))

    def _host(self, name: str, host: AwsHost, served: Collection[str]) -> None:
        """Tell of the host name `name`; `served` are those of which somebody has said what is behind them."""
        service, region, by = host.service, host.region, _NAMES
        if self._endpoints and name in self._endpoints.hosts:
            service, region = self._endpoints.hosts[name]
            by = self._by
        partition = partition_of(region) if region else "aws"
        self._tell(by, Is(name, Kind.NAME), Shares(name, PROVIDER))
        if not host.is_api:
            if region:
                self._tell(by, Shares(name, region_cause(region)))
            where = api_node(service, region) if region else data_node(service)
            self._tell(by, Needs(name, all_of(where, soft=bool(region), role="api")))
        elif (partition, service) in self._signs_in:
            self._tell(by, Needs(name, all_of(control_node(service, partition), role="api")))
        elif region:
            self._tell(by, Needs(name, all_of(api_node(service, region), role="api")))
            if not host.region:
                text = f"{name} names no region and is taken to be in {region}, where its requests are signed for"
                self._remarks.append(Remark(text=text, by=by))
        elif name not in served:
            hint = "" if self._endpoints else ": botocore, which has a list, is not installed (standfast[aws])"
            self._remarks.append(Remark(text=f"which region is behind {name} is not known{hint}", by=by))

    def _apis(self, todo: dict[str, None]) -> None:
        seen: set[str] = set()
        while todo:
            name = next(iter(todo))
            del todo[name]
            seen.add(name)
            partition, service, where = _parts_of_api(name)
            self._tell(_NAMES, Is(name, Kind.RESOURCE), Shares(name, PROVIDER))
            needed = ""
            if where == "control":
                if region := self._signs_in.get((partition, service)):
                    by = _PAPER if partition == "aws" and service in CONTROL_PLANES else self._by
                    self._tell(by, Shares(name, region_cause(region)))
            elif where == "data":
                needed = control_node(service, partition)
                self._tell(_PAPER, Needs(name, all_of(needed, soft=True, role="control")))
            else:
                needed = data_node("iam", partition_of(where))
                self._tell(_NAMES, Shares(name, region_cause(where)))
                self._tell(_PAPER, Needs(name, all_of(needed, role="authorization")))
            if needed and needed not in seen:
                todo[needed] = None

    def _tell(self, by: Witness, *statements: Statement) -> None:
        self._told += [Told(statement, by) for statement in statements]

    def _needed(self) -> Iterator[str]:
        for told in self._told:
            if isinstance(told.statement, Needs):
                yield from told.statement.need.parts


def _is_api(name: str) -> bool:
    partition, service, where = _parts_of_api(name)
    return (
        (partition == "aws" or partition.startswith("aws-"))
        and bool(service)
        and (where in ("control", "data") or is_region(where))
    )


def _parts_of_api(name: str) -> tuple[str, str, str]:
    partition, _, rest = name.partition(":")
    service, _, where = rest.partition("/")
    return partition, service, where
