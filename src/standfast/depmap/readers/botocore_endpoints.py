"""The endpoints of all services of AWS, as botocore, the AWS SDK for Python, has them in its `data/endpoints.json`.

Version 3 of that format: partitions, their services, and of each the endpoints with what differs from the defaults.
Kept of it is what no host name says by itself: which services have one API for all regions and where it signs, and
what is behind the names without a region in them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from standfast.depmap.attribution.aws_names import PROVIDER, control_node, is_region, read_host, region_cause
from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind
from standfast.depmap.statements import Is, Reading, Shares, Told, Witness

NAME: Final = "botocore"
FORMAT_VERSION: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRegional:
    """A service with one API for all regions of its partition; `region` is where it signs, empty where not said."""

    partition: str
    service: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """What the file says. `hosts` has the service and the region (empty where not said) behind a name without one."""

    file: str
    not_regional: tuple[NotRegional, ...]
    hosts: Mapping[str, tuple[str, str]]


def suits(head: bytes, file: str) -> bool:  # noqa: ARG001  other files have that name as well
    """Say whether a file that begins with `head` is botocore's `endpoints.json`."""
    return b'"partitions"' in head and b'"dnsSuffix"' in head


def read_endpoints(octets: bytes, *, file: str) -> Endpoints:
    """Return what `octets`, the text of an `endpoints.json`, say; `file` is what errors call it.

    Raises:
        ModelError: it is no such file.
    """
    try:
        said = json.loads(octets)
        if said["version"] != FORMAT_VERSION:
            raise ModelError(f"is not of version {FORMAT_VERSION} of the format", file=file)
        return Endpoints(
            file=file,
            not_regional=tuple(each for partition in said["partitions"] for each in _not_regional(partition)),
            hosts={host: behind for partition in said["partitions"] for host, behind in _hosts(partition)},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError("is no file of endpoints as botocore has them", file=file) from None


def read(octets: bytes, *, file: str) -> Reading:
    """Return the control planes of all services that are not regional, with the regions that they sign in.

    Raises:
        ModelError: it is no such file.
    """
    by = Witness(reader=NAME, where=file)
    told = []
    for each in read_endpoints(octets, file=file).not_regional:
        node = control_node(each.service, each.partition)
        told += [Told(Is(node, Kind.RESOURCE), by), Told(Shares(node, PROVIDER), by)]
        if each.region:
            told.append(Told(Shares(node, region_cause(each.region)), by))
    return Reading(told=tuple(told))


def _not_regional(partition: dict[str, Any]) -> Iterator[NotRegional]:
    for service, said in partition["services"].items():
        if not said.get("isRegionalized", True):
            endpoints = said["endpoints"]
            of_all = endpoints.get(said.get("partitionEndpoint"), {})
            region = _signs_in(of_all) or next((name for name in endpoints if is_region(name)), "")
            yield NotRegional(partition=partition["partition"], service=service, region=region)


def _hosts(partition: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for service, said in partition["services"].items():
        for name, endpoint in said["endpoints"].items():
            region = _signs_in(endpoint) or (name if is_region(name) else "")
            for each in (endpoint, *endpoint.get("variants", ())):
                host = each.get("hostname", "")
                known = read_host(host)
                if known and not known.region:
                    yield host, (service, region)


def _signs_in(endpoint: dict[str, Any]) -> str:
    region = endpoint.get("credentialScope", {}).get("region", "")
    return region if is_region(region) else ""
