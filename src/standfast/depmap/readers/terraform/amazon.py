"""What resources of AWS hang on besides each other: the APIs and endpoints of AWS, and what CloudFront fetches from.

Where data is had from an API (a table, a queue, a bucket) that is a hard need; where the API only makes and changes
things (load balancers, instances, databases) it is a soft one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from standfast.depmap.attribution.aws import CONTROL_PLANES, DATA_PLANES
from standfast.depmap.attribution.aws_names import api_node, control_node, data_node, endpoint_name, is_region
from standfast.depmap.graph import Need, all_of, any_of
from standfast.depmap.readers.terraform.state import Resource
from standfast.depmap.readers.terraform.types import BY_API, BY_ENDPOINT
from standfast.depmap.readers.terraform.values import arn_of, domain_in, items, texts

TABLES: Final = ("aws_dynamodb_table", "aws_dynamodb_global_table")


def regions_of_tables(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """Return the regions with a copy of each DynamoDB table, by its ARN: its own first, then those of its replicas."""
    found: dict[str, dict[str, None]] = {}
    for resource in resources:
        said, arn = resource.values, arn_of(resource.values)
        if arn and arn.region and resource.type in TABLES:
            replicas = texts([each.get("region_name") for each in items(said.get("replica"))])
            found.setdefault(said["arn"], {}).update(dict.fromkeys([arn.region, *filter(is_region, replicas)]))
        elif arn and arn.region and resource.type == "aws_dynamodb_table_replica":
            found.setdefault(str(said.get("global_table_arn")), {})[arn.region] = None
    return {arn: list(regions) for arn, regions in found.items()}


def api_need(resource: Resource, regions_of: Mapping[str, Sequence[str]]) -> Need | None:
    """Return what `resource` needs of the API of its service; None where its ARN says none."""
    arn, said = arn_of(resource.values), resource.values.get("region")
    if arn is None:
        return None
    if resource.type in TABLES and (regions := regions_of.get(resource.values["arn"])):
        return any_of(*(endpoint_name(arn.service, each) for each in regions), role="endpoint")
    region = arn.region
    if arn.service == "s3" and isinstance(said, str) and is_region(said):
        region = said  # which the ARN of a bucket does not say
    if region and arn.service in BY_ENDPOINT:
        return all_of(endpoint_name(arn.service, region), role="endpoint")
    if region:
        return all_of(api_node(arn.service, region), soft=arn.service not in BY_API, role="api")
    if arn.service in DATA_PLANES:
        return all_of(data_node(arn.service, arn.partition), role="api")
    if arn.service in CONTROL_PLANES:
        return all_of(control_node(arn.service, arn.partition), soft=True, role="api")
    return None


def origins(resource: Resource) -> Iterator[Need]:
    """Yield what a CloudFront distribution fetches from: for most paths, and softly for some paths only."""
    hosts = {
        str(each.get("origin_id")): [host]
        for each in items(resource.values.get("origin"))
        if (host := domain_in(each.get("domain_name")))
    }
    groups = {
        str(each.get("origin_id")): [
            host for member in items(each.get("member")) for host in hosts.get(str(member.get("origin_id")), ())
        ]
        for each in items(resource.values.get("origin_group"))
    }
    fetched: set[str] = set()
    for behaviour in items(resource.values.get("default_cache_behavior")):
        if parts := (groups | hosts).get(str(behaviour.get("target_origin_id"))):
            fetched.update(parts)
            yield any_of(*dict.fromkeys(parts), role="origin")
    for host in dict.fromkeys(host for (host,) in hosts.values()):
        if host not in fetched:
            yield all_of(host, soft=True)
