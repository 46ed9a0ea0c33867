"""What resources of AWS hang on besides each other: the APIs and endpoints of AWS, and what CloudFront fetches from.

Where data is had from an API (a table, a queue, a bucket) that is a hard need; where the API only makes and changes
things (load balancers, instances, databases) it is a soft one.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from standfast.depmap.attribution.aws import CONTROL_PLANES, DATA_PLANES
from standfast.depmap.attribution.aws_names import api_node, control_node, data_node, endpoint_name, is_region
from standfast.depmap.graph import Need, all_of, any_of
from standfast.depmap.readers.terraform.state import Resource
from standfast.depmap.readers.terraform.types import BY_API, BY_ENDPOINT
from standfast.depmap.readers.terraform.values import arn_parts, domain_in, items, texts

TABLES: Final = ("aws_dynamodb_table", "aws_dynamodb_global_table")


def regions_of_tables(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """Return the regions with a copy of each DynamoDB table, by its ARN: its own first, then those of its replicas."""
    found: dict[str, dict[str, None]] = {}
    for resource in resources:
        arn = resource.values.get("arn")
        _, region = arn_parts(resource.values)
        if isinstance(arn, str) and region and resource.type in TABLES:
            replicas = texts([each.get("region_name") for each in items(resource.values.get("replica"))])
            found.setdefault(arn, {}).update(dict.fromkeys([region, *filter(is_region, replicas)]))
        elif resource.type == "aws_dynamodb_table_replica" and region:
            table = str(resource.values.get("global_table_arn", ""))
            found.setdefault(table, {})[region] = None
    return {arn: list(regions) for arn, regions in found.items()}


def api_need(resource: Resource, regions_of: dict[str, list[str]]) -> Need | None:
    """Return what `resource` needs of the API of its service; None where its ARN says none."""
    service, region = arn_parts(resource.values)
    if resource.type in TABLES and (regions := regions_of.get(str(resource.values.get("arn")))):
        return any_of(*(endpoint_name(service, each) for each in regions), role="endpoint")
    if service == "s3" and isinstance(said := resource.values.get("region"), str) and is_region(said):
        region = said  # which the ARN of a bucket does not say
    if region and service in BY_ENDPOINT:
        return all_of(endpoint_name(service, region), role="endpoint")
    if region:
        return all_of(api_node(service, region), soft=service not in BY_API, role="api")
    if service in DATA_PLANES:
        return all_of(data_node(service), role="api")
    if service in CONTROL_PLANES:
        return all_of(control_node(service), soft=True, role="api")
    return None


def origins(resource: Resource) -> Iterator[Need]:
    """Yield what a CloudFront distribution fetches from: for most paths, and softly for some paths only."""
    hosts = {
        str(each.get("origin_id")): host
        for each in items(resource.values.get("origin"))
        if (host := domain_in(each.get("domain_name")))
    }
    groups = {
        str(each.get("origin_id")): [
            hosts[member["origin_id"]] for member in items(each.get("member")) if member.get("origin_id") in hosts
        ]
        for each in items(resource.values.get("origin_group"))
    }
    fetched: set[str] = set()
    for behaviour in items(resource.values.get("default_cache_behavior")):
        target = str(behaviour.get("target_origin_id"))
        if parts := groups.get(target) or [hosts[target]] if target in hosts or target in groups else []:
            fetched.update(parts)
            yield any_of(*dict.fromkeys(parts), role="origin")
    for host in dict.fromkeys(hosts.values()):
        if host not in fetched:
            yield all_of(host, soft=True)
