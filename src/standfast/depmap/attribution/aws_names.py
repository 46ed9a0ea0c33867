"""How AWS spells things: its regions, the nodes and causes of the map that are its own, and what a host name says.

A host name is read by its labels alone, with no list of services: `dynamodb.us-east-1.amazonaws.com` is an API,
`front-1.us-east-1.elb.amazonaws.com` is what somebody runs there (Amazon Web Services General Reference, "AWS service
endpoints"; region names as the `regionRegex` of botocore's `endpoints.json` has them).
"""

import re
from dataclasses import dataclass
from typing import Final

PROVIDER: Final = "provider:aws"

_REGION: Final = r"[a-z]{2,4}(?:-(?:gov|iso[a-z]?|de))?-(?:(?:north|south|east|west|central){1,2})-\d{1,2}"
_IS_REGION: Final = re.compile(_REGION)
_IS_ZONE: Final = re.compile(rf"({_REGION})(?:[a-z]|-[a-z0-9-]{{1,40}})")  # us-east-1a, us-east-1-bos-1a
_WITH_REGION: Final = re.compile(rf"(s3|s3-website)-({_REGION})")  # as older names of buckets have it
_SHORT_REGION: Final = re.compile(r"([a-z]{2})(ne|nw|se|sw|n|e|s|w|c)(\d)")  # of ElastiCache: use1, apne1
_DIRECTIONS: Final = {"n": "north", "e": "east", "s": "south", "w": "west", "c": "central"}

# Below these are the names that AWS gives out, with the labels of a region and a service above them. Where the service
# is in the suffix itself, it is behind the colon.
_SUFFIXES: Final = {
    "amazonaws.com": "",
    "amazonaws.com.cn": "",
    "amazonaws.eu": "",
    "api.aws": "",
    "on.aws": "",
    "api.amazonwebservices.com.cn": "",
    "api.amazonwebservices.eu": "",
    "elasticbeanstalk.com": "elasticbeanstalk",
    "awsapprunner.com": "apprunner",
}
_AT_THE_EDGE: Final = {"cloudfront.net": "cloudfront", "awsglobalaccelerator.com": "globalaccelerator"}

# What the label of a host name says, where the API is called otherwise.
_SERVICES: Final = {
    "elb": "elasticloadbalancing",
    "compute": "ec2",
    "compute-1": "ec2",
    "cache": "elasticache",
    "ddb": "dynamodb",
    "queue": "sqs",
    "lambda-url": "lambda",
    "s3-website": "s3",
}
_SAY_NOTHING: Final = ("dualstack", "global", "vpce")
_IN_FRONT_OF_ITS_REGION: Final = ("elb",)  # <name>.elb.<region>: one that somebody runs, and no API


def is_region(text: str) -> bool:
    """Say whether `text` is the name of a region of AWS, known or yet to come."""
    return _IS_REGION.fullmatch(text) is not None


def region_of_zone(text: str) -> str:
    """Return the region of the availability zone (or local zone) `text`; empty where it is none."""
    found = _IS_ZONE.fullmatch(text)
    return found[1] if found else ""


def region_cause(region: str) -> str:
    """Return the shared cause that is the region `region`."""
    return f"region:aws/{region}"


def zone_cause(zone: str) -> str:
    """Return the shared cause that is the availability zone `zone`."""
    return f"az:aws/{zone}"


def partition_of(region: str) -> str:
    """Return the partition that `region` lies in: each has an IAM of its own ("AWS Fault Isolation Boundaries")."""
    for start, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc")):
        if region.startswith(start):
            return partition
    isolated = re.match(r"(?:us|eu)-(iso[a-z]?)-", region)
    return f"aws-{isolated[1].replace('iso', 'iso-').rstrip('-')}" if isolated else "aws"


def api_node(service: str, region: str) -> str:
    """Return the node that is the API of `service` in `region`."""
    return f"aws:{service}/{region}"


def control_node(service: str, partition: str = "aws") -> str:
    """Return the node that is the one control plane of `service`, which is not regional."""
    return f"{partition}:{service}/control"


def data_node(service: str, partition: str = "aws") -> str:
    """Return the node that is the data plane of `service`, which is everywhere at once."""
    return f"{partition}:{service}/data"


def endpoint_name(service: str, region: str) -> str:
    """Return the domain name by which the API of `service` in `region` is reached where nobody said otherwise."""
    suffix = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}.get(partition_of(region), "amazonaws.com")
    return f"{service}.{region}.{suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsHost:
    """What a host name of AWS says: the service, and the region, which is empty where the name has none.

    `is_api`: behind it is the API, or what that serves (a bucket, a queue). Else it is something that somebody runs,
    which the API only changes: an instance, a load balancer, a database.
    """

    service: str
    region: str
    is_api: bool


def read_host(name: str) -> AwsHost | None:
    """Return what the domain name `name` (lower case, no dot at its end) says; None where it is not one of AWS."""
    for edge, service in _AT_THE_EDGE.items():
        if name.endswith(f".{edge}"):
            return AwsHost(service=service, region="", is_api=False)
    for suffix, service in _SUFFIXES.items():
        if name.endswith(f".{suffix}"):
            labels = name.removesuffix(f".{suffix}").split(".")
            return _from_labels([*labels, service] if service else labels)
    return None


def _from_labels(labels: list[str]) -> AwsHost | None:
    labels = [label for label in labels if label not in _SAY_NOTHING]
    for place in reversed(range(len(labels))):
        label = labels[place]
        before, after = labels[:place], labels[place + 1 :]
        if found := _WITH_REGION.fullmatch(label):
            return AwsHost(service=_service(found[1]), region=found[2], is_api=True)
        region = label if is_region(label) else _long_region(label) if after == ["cache"] else ""
        if region and after:
            return AwsHost(service=_service(after[-1]), region=region, is_api=after[-1] == "queue")
        if region and before:
            return AwsHost(
                service=_service(before[-1]), region=region, is_api=before[-1] not in _IN_FRONT_OF_ITS_REGION
            )
    if not labels or is_region(labels[-1]):
        return None
    if labels[-1] == "compute-1":  # the first region's instances, from before there were others
        return AwsHost(service="ec2", region="us-east-1", is_api=False)
    return AwsHost(service=_service(labels[-1]), region="", is_api=True)


def _service(label: str) -> str:
    label = label.removesuffix("-fips").removeprefix("fips-")
    return _SERVICES.get(label, label)


def _long_region(text: str) -> str:
    found = _SHORT_REGION.fullmatch(text)
    if not found:
        return ""
    country, direction, number = found.groups()
    return f"{country}-{''.join(_DIRECTIONS[letter] for letter in direction)}-{number}"
