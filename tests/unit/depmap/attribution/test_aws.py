"""Regions that nobody wrote down: what is behind the host names and the APIs of AWS."""

import json

import pytest

from standfast.depmap.assembly import assemble
from standfast.depmap.attribution.aws import CONTROL_PLANES, DATA_PLANES, hidden_regions
from standfast.depmap.attribution.aws_names import (
    AwsHost,
    endpoint_name,
    is_region,
    partition_of,
    read_host,
    region_of_zone,
)
from standfast.depmap.graph import Kind, all_of
from standfast.depmap.loss import blast_radius
from standfast.depmap.merging import DependencyMap
from standfast.depmap.readers.botocore_endpoints import Endpoints, read_endpoints
from standfast.depmap.statements import Is, Needs, Reading, Statement, Told, Witness
from standfast.io.depmap.botocore_data import installed_endpoints

BY = Witness(reader="handwritten", where="map.yaml")


def attributed(*statements: Statement, endpoints: Endpoints | None = None) -> DependencyMap:
    told = tuple(Told(statement, BY) for statement in statements)
    return assemble([Reading(told=told)], [hidden_regions(endpoints)])


def needs(node: str, *parts: str) -> Needs:
    return Needs(node, all_of(*parts))


# The check that this is for.


def test_losing_us_east_1_takes_control_planes_down_and_no_data_plane() -> None:
    found = attributed(
        needs("shop", "dynamodb.eu-west-1.amazonaws.com", "zone:example.com"),
        needs("zone:example.com", "ns-1441.awsdns-52.org"),
        Is("ns-1441.awsdns-52.org", Kind.NAME_SERVER),
    )
    lost = blast_radius(found.graph, ["region:aws/us-east-1"])
    assert lost.down.keys() == {"aws:iam/control", "aws:route53/control"}
    assert set(lost.degraded) == {"aws:iam/data", "aws:route53/data"}
    assert "shop" in blast_radius(found.graph, ["aws:iam/data"]).down
    assert "shop" in blast_radius(found.graph, ["aws:route53/data"]).down
    assert "shop" in blast_radius(found.graph, ["region:aws/eu-west-1"]).down


def test_who_asks_a_service_that_is_not_regional_hangs_on_us_east_1() -> None:
    found = attributed(needs("deploy", "iam.amazonaws.com"), needs("shop", "d1g0dw0i1wvlgd.cloudfront.net"))
    lost = blast_radius(found.graph, ["region:aws/us-east-1"])
    assert lost.down["deploy"] == ("deploy", "iam.amazonaws.com", "aws:iam/control", "region:aws/us-east-1")
    assert "shop" not in lost.down


def test_every_edge_says_where_it_is_from() -> None:
    found = attributed(needs("shop", "dynamodb.us-east-1.amazonaws.com"))
    (witness,) = found.witnesses["aws:iam/control", "region:aws/us-east-1"]
    assert "AWS Fault Isolation Boundaries" in witness.where


def test_an_api_that_a_hand_wrote_has_its_region_as_well() -> None:
    found = attributed(needs("shop", "aws:sqs/eu-west-1"), needs("audit", "aws:organizations/control"))
    assert "region:aws/eu-west-1" in found.graph.nodes["aws:sqs/eu-west-1"].causes
    assert "region:aws/us-east-1" in found.graph.nodes["aws:organizations/control"].causes


def test_china_and_the_government_have_an_iam_of_their_own() -> None:
    found = attributed(needs("shop", "dynamodb.cn-north-1.amazonaws.com.cn"), endpoints=small_endpoints())
    assert "shop" in blast_radius(found.graph, ["aws-cn:iam/data"]).down
    assert "region:aws/cn-north-1" in found.graph.nodes["aws-cn:iam/control"].causes
    assert "aws:iam/data" not in found.graph.nodes


def test_names_of_others_are_left_alone() -> None:
    found = attributed(needs("shop", "www.example.com", "amazonaws.com", "amazonaws.com.example.net", "192.0.2.1"))
    assert found.graph.nodes.keys() == {
        "shop",
        "www.example.com",
        "amazonaws.com",
        "amazonaws.com.example.net",
        "192.0.2.1",
    }


def test_attributing_twice_says_nothing_new() -> None:
    once = attributed(needs("shop", "dynamodb.us-east-1.amazonaws.com", "iam.amazonaws.com"))
    again = assemble([Reading(told=once.told)], [hidden_regions(None)])
    assert again.graph.nodes == once.graph.nodes


# With botocore's data, and without.


def small_endpoints() -> Endpoints:
    """Return what a file of botocore's form says, of a few services."""
    document = {
        "version": 3,
        "partitions": [
            {
                "partition": "aws",
                "dnsSuffix": "amazonaws.com",
                "services": {
                    "budgets": {
                        "isRegionalized": False,
                        "partitionEndpoint": "aws-global",
                        "endpoints": {
                            "aws-global": {
                                "credentialScope": {"region": "us-east-1"},
                                "hostname": "budgets.amazonaws.com",
                            }
                        },
                    },
                    "mturk-requester": {
                        "isRegionalized": False,
                        "endpoints": {"sandbox": {"hostname": "sandbox.us-east-1.amazonaws.com"}, "us-east-1": {}},
                    },
                    "sts": {
                        "endpoints": {
                            "aws-global": {"credentialScope": {"region": "us-east-1"}, "hostname": "sts.amazonaws.com"}
                        }
                    },
                    "dynamodb": {"endpoints": {"local": {"hostname": "localhost:8000"}, "us-east-1": {}}},
                },
            },
            {
                "partition": "aws-cn",
                "dnsSuffix": "amazonaws.com.cn",
                "services": {
                    "iam": {
                        "isRegionalized": False,
                        "partitionEndpoint": "aws-cn-global",
                        "endpoints": {
                            "aws-cn-global": {
                                "credentialScope": {"region": "cn-north-1"},
                                "hostname": "iam.cn-north-1.amazonaws.com.cn",
                            }
                        },
                    }
                },
            },
        ],
    }  # fmt: skip
    return read_endpoints(json.dumps(document).encode(), file="endpoints.json")


def test_botocore_knows_more_services_that_are_not_regional() -> None:
    found = attributed(needs("shop", "budgets.amazonaws.com"), endpoints=small_endpoints())
    assert "shop" in blast_radius(found.graph, ["region:aws/us-east-1"]).down
    (witness,) = found.witnesses["aws:budgets/control", "region:aws/us-east-1"]
    assert witness.reader == "botocore"


def test_a_name_without_a_region_is_where_it_signs_and_a_remark_says_so() -> None:
    found = attributed(needs("shop", "sts.amazonaws.com"), endpoints=small_endpoints())
    assert "shop" in blast_radius(found.graph, ["aws:sts/us-east-1"]).down
    assert ["us-east-1" in remark.text for remark in found.remarks] == [True]


def test_without_botocore_what_is_not_known_is_remarked() -> None:
    found = attributed(needs("shop", "sts.amazonaws.com"))
    assert found.graph.nodes["sts.amazonaws.com"].causes == ("provider:aws",)
    assert ["standfast[aws]" in remark.text for remark in found.remarks] == [True]


@pytest.fixture(scope="module")
def installed() -> Endpoints:
    endpoints = installed_endpoints()
    if endpoints is None:
        pytest.skip("botocore is not installed: uv sync --extra aws")
    return endpoints


def test_the_installed_botocore_has_19_services_that_are_not_regional(installed: Endpoints) -> None:
    services = {each.service: each.region for each in installed.not_regional if each.partition == "aws"}
    assert len(services) == 19
    assert {services[name] for name in ("iam", "route53", "cloudfront", "organizations")} == {"us-east-1"}


def test_the_white_paper_and_botocore_agree_on_where_control_planes_are(installed: Endpoints) -> None:
    signs_in = {each.service: each.region for each in installed.not_regional if each.partition == "aws"}
    both = CONTROL_PLANES.keys() & signs_in.keys()
    assert len(both) >= 8
    assert {name: CONTROL_PLANES[name] for name in both} == {name: signs_in[name] for name in both}
    assert CONTROL_PLANES.keys() > DATA_PLANES


def test_host_names_that_botocore_gives_are_read_without_it(installed: Endpoints) -> None:
    assert installed.hosts["sts.amazonaws.com"] == ("sts", "us-east-1")
    assert installed.hosts["iam.amazonaws.com"] == ("iam", "us-east-1")
    assert all(not host.region for host in map(read_host, installed.hosts) if host)


# Host names.


@pytest.mark.parametrize(
    ("name", "service", "region", "is_api"),
    [
        ("dynamodb.us-east-1.amazonaws.com", "dynamodb", "us-east-1", True),
        ("dynamodb-fips.us-gov-west-1.amazonaws.com", "dynamodb", "us-gov-west-1", True),
        ("123456789012.ddb.us-east-1.amazonaws.com", "dynamodb", "us-east-1", True),
        ("dynamodb.eu-central-1.api.aws", "dynamodb", "eu-central-1", True),
        ("vpce-0a.dynamodb.us-east-1.vpce.amazonaws.com", "dynamodb", "us-east-1", True),
        ("logs.s3.eu-west-3.amazonaws.com", "s3", "eu-west-3", True),
        ("logs.s3-eu-west-3.amazonaws.com", "s3", "eu-west-3", True),
        ("logs.s3.dualstack.us-east-1.amazonaws.com", "s3", "us-east-1", True),
        ("logs.s3-website-us-east-1.amazonaws.com", "s3", "us-east-1", True),
        ("logs.s3.amazonaws.com", "s3", "", True),
        ("us-east-1.queue.amazonaws.com", "sqs", "us-east-1", True),
        ("abc.lambda-url.ap-northeast-1.on.aws", "lambda", "ap-northeast-1", True),
        ("abc.execute-api.us-east-1.amazonaws.com", "execute-api", "us-east-1", True),
        ("123.dkr.ecr.us-east-1.amazonaws.com", "ecr", "us-east-1", True),
        ("front-1.us-east-1.elb.amazonaws.com", "elasticloadbalancing", "us-east-1", False),
        ("front-1.elb.us-east-1.amazonaws.com", "elasticloadbalancing", "us-east-1", False),
        ("db.c9akciq32.us-east-1.rds.amazonaws.com", "rds", "us-east-1", False),
        ("a.b.0001.apne1.cache.amazonaws.com", "elasticache", "ap-northeast-1", False),
        ("ec2-203-0-113-25.compute-1.amazonaws.com", "ec2", "us-east-1", False),
        ("ec2-203-0-113-25.eu-west-1.compute.amazonaws.com", "ec2", "eu-west-1", False),
        ("a.gr7.us-east-1.eks.amazonaws.com", "eks", "us-east-1", False),
        ("shop.us-east-1.elasticbeanstalk.com", "elasticbeanstalk", "us-east-1", False),
        ("d111111abcdef8.cloudfront.net", "cloudfront", "", False),
        ("iam.amazonaws.com", "iam", "", True),
        ("iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1", True),
    ],
)
def test_a_host_name_says_its_service_and_region(name: str, service: str, region: str, is_api: bool) -> None:
    assert read_host(name) == AwsHost(service=service, region=region, is_api=is_api)


@pytest.mark.parametrize("name", ["amazonaws.com", "us-east-1.amazonaws.com", "example.com", "cloudfront.net", "aws"])
def test_a_name_that_says_nothing_is_none(name: str) -> None:
    assert read_host(name) is None


def test_regions_and_zones_are_known_by_their_form() -> None:
    assert all(map(is_region, ("us-east-1", "ap-southeast-7", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1")))
    assert not any(map(is_region, ("aws-global", "us-east-1a", "fips-us-east-1", "eastus", "")))
    assert region_of_zone("us-east-1a") == region_of_zone("us-east-1-bos-1a") == "us-east-1"
    assert region_of_zone("us-east-1") == region_of_zone("use1-az1") == ""
    assert [
        partition_of(region)
        for region in ("eu-west-1", "cn-north-1", "us-gov-east-1", "us-iso-east-1", "us-isob-east-1")
    ] == [
        "aws",
        "aws-cn",
        "aws-us-gov",
        "aws-iso",
        "aws-iso-b",
    ]
    assert endpoint_name("sqs", "cn-north-1") == "sqs.cn-north-1.amazonaws.com.cn"
