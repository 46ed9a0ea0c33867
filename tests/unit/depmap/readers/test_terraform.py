"""What a Terraform state says of who needs what: on states as people have them, and on small ones, a rule each."""

from pathlib import Path
from typing import Any

import pytest

from standfast.depmap.graph import Kind, all_of, any_of
from standfast.depmap.loss import blast_radius, single_points
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Loss
from terraform_states import arn, map_of, needs, resource, state

LB = arn("elasticloadbalancing", "loadbalancer/app/front/50dc6c495c0c9188")
LISTENER = arn("elasticloadbalancing", "listener/app/front/50dc6c495c0c9188/f2f7dc8efc522ab2")
GROUP = arn("elasticloadbalancing", "targetgroup/web/73e2d6bc24d8a067")
ZONE_ID = "Z1035360GLIB82T1EH2G"
SERVERS = ["ns-1441.awsdns-52.org", "ns-1595.awsdns-07.co.uk"]


@pytest.fixture(scope="module")
def states(shared_data: Path) -> Path:
    return shared_data / "terraform"


def the_map(folder: Path, name: str) -> DependencyMap:
    return map_of((folder / f"{name}.tfstate").read_bytes())


# States as people have them.


def test_a_table_is_lost_with_its_endpoint_and_one_with_replicas_is_not(states: Path) -> None:
    found = the_map(states, "aws_dynamodb_table")
    lost = blast_radius(found.graph, ["dynamodb.us-east-1.amazonaws.com"])
    assert "aws_dynamodb_table.basic-dynamodb-table" in lost.down
    assert "aws_dynamodb_table.example" not in lost.down
    regions = [f"region:aws/{region}" for region in ("us-east-1", "us-east-2", "us-west-2")]
    assert "aws_dynamodb_table.example" not in blast_radius(found.graph, regions[:2]).down
    assert "aws_dynamodb_table.example" in blast_radius(found.graph, regions).down


def test_a_distribution_needs_the_bucket_that_it_fetches_from(states: Path) -> None:
    found = the_map(states, "aws_cloudfront_distribution")
    assert needs(found, "aws_cloudfront_distribution.foo_distribution") == {
        any_of("foo-cloudfront.s3.eu-west-3.amazonaws.com", role="origin"),
        all_of("aws_s3_bucket.foo_cloudfront"),
    }
    down = blast_radius(found.graph, ["region:aws/eu-west-3"]).down
    assert "d1g0dw0i1wvlgd.cloudfront.net" in down
    assert "d1g0dw0i1wvlgd.cloudfront.net" not in blast_radius(found.graph, ["region:aws/us-east-1"]).down


def test_a_load_balancer_needs_what_its_listener_forwards_to_and_one_of_its_subnets(states: Path) -> None:
    found = the_map(states, "aws_lb_listener")
    assert {all_of("aws_lb_target_group.test"), any_of("aws_subnet.main-1", "subnet-00499e85b962e382f")} <= {
        any_of(*sorted(each.parts)) if each.number < len(each.parts) else each for each in needs(found, "aws_lb.test")
    }
    assert "az:aws/us-east-1a" in found.graph.nodes["aws_subnet.main-1"].causes
    assert "region:aws/us-east-1" in found.graph.nodes["aws_lb.test"].causes
    assert all_of("aws_lb.test") in needs(found, "aws_lb_listener.front_end")


def test_an_older_load_balancer_is_reached_by_its_name(states: Path) -> None:
    found = the_map(states, "aws_elb")
    assert all_of("aws_elb.bar", role="host") in needs(
        found, "foobar-terraform-elb-862208417.us-east-1.elb.amazonaws.com"
    )


def test_records_with_a_count_belong_each_to_the_zone_that_it_names(states: Path) -> None:
    found = the_map(states, "aws_route53_record_multiples")
    names = [f"test{record}.foo-{zone}.com" for zone in (0, 1) for record in range(4)]
    for name in names:
        zone = f"zone:{name.partition('.')[2]}"
        assert needs(found, name) == {all_of(zone, role="zone"), any_of("1.2.3.4", role="address")}
    assert found.graph.nodes["zone:foo-1.com"].kind is Kind.ZONE
    assert found.graph.nodes["ns-1065.awsdns-05.org"].kind is Kind.NAME_SERVER
    assert not [name for name in found.graph.nodes if name.startswith("aws_")]


def test_a_record_without_values_is_told_of(states: Path) -> None:
    found = the_map(states, "aws_route53_record_null_records")
    assert [remark.text for remark in found.remarks] == ["the NS record of foo-0.com has no values in the state"]


def test_names_of_azure_need_one_of_their_addresses_or_their_alias(states: Path) -> None:
    addresses = the_map(states, "azurerm_private_dns_a_record")
    assert any_of("10.0.180.17", "10.0.180.20", role="address") in needs(addresses, "test.thisisatestusingtf.com")
    aliases = the_map(states, "azurerm_private_dns_cname_record")
    assert needs(aliases, "othertest.thisisatestusingtf.com") == {
        all_of("othertest.com", role="alias"),
        all_of("zone:thisisatestusingtf.com", role="zone"),
    }


def test_a_zone_of_google_has_its_four_servers(states: Path) -> None:
    found = the_map(states, "google_dns_managed_zone")
    servers = [f"ns-cloud-d{number}.googledomains.com" for number in (1, 2, 3, 4)]
    assert needs(found, "zone:example-9d3bea2b.com") == {any_of(*servers, role="server")}


def test_all_states_of_a_folder_are_one_map(states: Path) -> None:
    files = [path.read_bytes() for path in sorted(states.glob("*.tfstate"))[:3]]
    assert {"aws_elb.bar", "aws_dynamodb_table.example"} <= map_of(*files).graph.nodes.keys()


# Names.


def test_an_alias_leads_through_the_load_balancer_to_the_instances_behind_it() -> None:
    found = map_of(
        state(
            resource("aws_route53_zone.main", {"zone_id": ZONE_ID, "name": "example.com", "name_servers": SERVERS}),
            resource(
                "aws_route53_record.www",
                {
                    "fqdn": "www.example.com",
                    "type": "A",
                    "zone_id": ZONE_ID,
                    "records": None,
                    "alias": [{"name": "dualstack.front-1.us-east-1.elb.amazonaws.com", "zone_id": "Z35SXDOTRQ7X7K"}],
                },
                depends=["aws_lb.front", "aws_route53_zone.main"],
            ),
            resource("aws_lb.front", {"arn": LB, "id": LB, "dns_name": "front-1.us-east-1.elb.amazonaws.com"}),
            resource(
                "aws_lb_listener.https",
                {
                    "arn": LISTENER,
                    "id": LISTENER,
                    "load_balancer_arn": LB,
                    "default_action": [{"target_group_arn": GROUP}],
                },
                depends=["aws_lb.front", "aws_lb_target_group.web"],
            ),
            resource("aws_lb_target_group.web", {"arn": GROUP, "id": GROUP}),
            resource(
                "aws_lb_target_group_attachment.web",
                {"_key": 0, "id": "a", "target_group_arn": GROUP, "target_id": "i-0197bcecd8741f8f2"},
                {"_key": 1, "id": "b", "target_group_arn": GROUP, "target_id": "i-0297bcecd8741f8f2"},
                depends=["aws_instance.web", "aws_lb_target_group.web"],
            ),
            resource(
                "aws_instance.web",
                {"_key": 0, "id": "i-0197bcecd8741f8f2", "availability_zone": "us-east-1a"},
                {"_key": 1, "id": "i-0297bcecd8741f8f2", "availability_zone": "us-east-1b"},
            ),
        )
    )
    assert needs(found, "www.example.com") == {
        all_of("front-1.us-east-1.elb.amazonaws.com", role="alias"),
        all_of("zone:example.com", role="zone"),
    }
    assert needs(found, "aws_lb_target_group.web") == {any_of("aws_instance.web[0]", "aws_instance.web[1]")}
    assert "www.example.com" not in blast_radius(found.graph, ["az:aws/us-east-1a"]).down
    assert "www.example.com" in blast_radius(found.graph, ["az:aws/us-east-1a", "az:aws/us-east-1b"]).down
    assert "region:aws/us-east-1" in single_points(found.graph, "www.example.com")


def test_weighted_records_are_one_need_of_one_of_their_aliases() -> None:
    targets = ["blue.example.net", "green.example.net"]
    found = map_of(
        state(
            *(
                resource(
                    f"aws_route53_record.{target[:4]}",
                    {"fqdn": "www.example.com", "type": "CNAME", "zone_id": ZONE_ID, "records": [target]},
                )
                for target in targets
            )
        )
    )
    assert needs(found, "www.example.com") == {any_of(*targets, role="alias")}


def test_a_name_without_values_is_emptied_but_not_one_that_has_other_addresses() -> None:
    gone: dict[str, Any] = {"fqdn": "gone.example.com", "type": "A", "records": [], "alias": []}
    half: dict[str, Any] = {"fqdn": "half.example.com", "type": "AAAA", "records": None}
    kept: dict[str, Any] = {"fqdn": "half.example.com", "type": "A", "records": ["192.0.2.1"]}
    found = map_of(
        state(*(resource(f"aws_route53_record.r{number}", each) for number, each in enumerate((gone, half, kept))))
    )
    assert found.gone == {"gone.example.com": Loss.EMPTIED}
    assert len(found.remarks) == 2


def test_a_proxied_name_hangs_on_cloudflare_as_well_as_on_its_origin() -> None:
    found = map_of(
        state(
            resource("cloudflare_zone.main", {"id": "023e105f4ecef8ad9ca31a8372d0c353", "zone": "example.org"}),
            resource(
                "cloudflare_record.www",
                {
                    "zone_id": "023e105f4ecef8ad9ca31a8372d0c353",
                    "name": "www",
                    "type": "A",
                    "content": "192.0.2.7",
                    "proxied": True,
                },
            ),
        )
    )
    assert "provider:cloudflare" in found.graph.nodes["www.example.org"].causes
    assert any_of("192.0.2.7", role="address") in needs(found, "www.example.org")


def test_a_record_set_of_google_finds_its_zone_by_name_and_its_values_in_policies() -> None:
    found = map_of(
        state(
            resource("google_dns_managed_zone.main", {"name": "prod", "dns_name": "example.org.", "name_servers": []}),
            resource(
                "google_dns_record_set.api",
                {
                    "name": "api.example.org.",
                    "type": "A",
                    "managed_zone": "prod",
                    "rrdatas": None,
                    "routing_policy": [{"wrr": [{"rrdatas": ["192.0.2.1"]}, {"rrdatas": ["192.0.2.2"]}]}],
                },
            ),
        )
    )
    assert needs(found, "api.example.org") == {
        all_of("zone:example.org", role="zone"),
        any_of("192.0.2.1", "192.0.2.2", role="address"),
    }


def test_a_delegation_has_servers_and_a_parent() -> None:
    found = map_of(
        state(
            resource("aws_route53_zone.main", {"zone_id": ZONE_ID, "name": "example.com", "name_servers": SERVERS}),
            resource(
                "aws_route53_record.sub",
                {"fqdn": "sub.example.com", "type": "NS", "zone_id": ZONE_ID, "records": ["ns1.example.net."]},
            ),
        )
    )
    assert needs(found, "zone:sub.example.com") == {
        any_of("ns1.example.net", role="server"),
        all_of("zone:example.com", role="parent"),
    }


def test_an_address_leads_to_the_instance_that_has_it() -> None:
    found = map_of(
        state(
            resource("aws_route53_record.a", {"fqdn": "a.example.com", "type": "A", "records": ["203.0.113.5"]}),
            resource("aws_eip.a", {"id": "eipalloc-00a10e96", "public_ip": "203.0.113.5", "instance": "i-0197bcec"}),
            resource(
                "aws_instance.a", {"id": "i-0197bcec", "availability_zone": "eu-west-1c", "public_ip": "203.0.113.5"}
            ),
        )
    )
    assert blast_radius(found.graph, ["az:aws/eu-west-1c"]).down["a.example.com"] == (
        "a.example.com",
        "203.0.113.5",
        "aws_instance.a",
        "az:aws/eu-west-1c",
    )


# Dependencies.


def test_a_dependency_that_another_one_has_already_is_not_told_twice() -> None:
    found = map_of(
        state(
            resource("aws_vpc.main", {"id": "vpc-069eb120"}),
            resource("aws_subnet.a", {"id": "subnet-86cffacb"}, depends=["aws_vpc.main"]),
            resource("aws_nat_gateway.a", {"id": "nat-05dba92075d71c408"}, depends=["aws_subnet.a", "aws_vpc.main"]),
        )
    )
    assert needs(found, "aws_nat_gateway.a") == {all_of("aws_subnet.a")}


def test_of_instances_with_keys_each_depends_on_the_one_with_its_own_key() -> None:
    keys = ({"_key": "eu", "id": "one"}, {"_key": "us", "id": "two"})
    found = map_of(
        state(
            resource("module.web.aws_ecs_cluster.main", *keys),
            resource("module.web.aws_ecs_service.main", *keys, depends=["module.web.aws_ecs_cluster.main"]),
            resource("aws_ecs_service.all", {"id": "three"}, depends=["module.web.aws_ecs_cluster.main"]),
        )
    )
    clusters = [f'module.web.aws_ecs_cluster.main["{key}"]' for key in ("eu", "us")]
    for cluster in clusters:
        assert needs(found, cluster.replace("cluster", "service")) == {all_of(cluster)}
    assert needs(found, "aws_ecs_service.all") == {all_of(cluster) for cluster in clusters}


def test_modules_with_keys_are_told_apart() -> None:
    found = map_of(
        state(
            resource('module.web["a"].aws_lb.front', {"id": "one"}),
            resource('module.web["b"].aws_lb.front', {"id": "two"}),
            resource('module.web["b"].aws_lb_listener.front', {"id": "l"}, depends=["module.web.aws_lb.front"]),
        )
    )
    assert needs(found, 'module.web["b"].aws_lb_listener.front') == {all_of('module.web["b"].aws_lb.front')}


def test_a_service_made_after_the_listener_before_it_does_not_hold_itself_up() -> None:
    found = map_of(
        state(
            resource("aws_lb.front", {"arn": LB, "id": LB}),
            resource(
                "aws_lb_listener.https",
                {
                    "arn": LISTENER,
                    "id": LISTENER,
                    "load_balancer_arn": LB,
                    "default_action": [{"target_group_arn": GROUP}],
                },
                depends=["aws_lb.front", "aws_lb_target_group.web"],
            ),
            resource("aws_lb_target_group.web", {"arn": GROUP, "id": GROUP}),
            resource(
                "aws_ecs_service.web",
                {"id": arn("ecs", "service/main/web"), "load_balancer": [{"target_group_arn": GROUP}]},
                depends=["aws_lb.front", "aws_lb_listener.https", "aws_lb_target_group.web"],
            ),
        )
    )
    assert not blast_radius(found.graph, ["aws_lb.front"]).never_up
    assert "aws_lb.front" in blast_radius(found.graph, ["aws_ecs_service.web"]).down
    assert "aws_ecs_service.web" not in blast_radius(found.graph, ["aws_lb.front"]).down


def test_an_instance_that_is_told_its_own_front_door_does_not_hold_itself_up() -> None:
    host = "front-1.us-east-1.elb.amazonaws.com"
    found = map_of(
        state(
            resource("aws_elb.front", {"id": "front", "dns_name": host, "instances": ["i-0197bcecd8741f8f2"]}),
            resource("aws_instance.web", {"id": "i-0197bcecd8741f8f2", "user_data": f"PUBLIC_URL=https://{host}/"}),
        )
    )
    assert not blast_radius(found.graph, [host]).never_up
    assert host in blast_radius(found.graph, ["aws_instance.web"]).down


def test_a_cluster_needs_one_of_its_instances_and_not_these_the_cluster() -> None:
    found = map_of(
        state(
            resource("aws_rds_cluster.main", {"id": "orders", "arn": arn("rds", "cluster:orders")}),
            resource(
                "aws_rds_cluster_instance.main",
                {"_key": 0, "id": "orders-0", "cluster_identifier": "orders", "availability_zone": "us-east-1a"},
                {"_key": 1, "id": "orders-1", "cluster_identifier": "orders", "availability_zone": "us-east-1b"},
                depends=["aws_rds_cluster.main"],
            ),
        )
    )
    instances = [f"aws_rds_cluster_instance.main[{number}]" for number in (0, 1)]
    assert needs(found, "aws_rds_cluster.main") == {any_of(*instances)}
    assert "aws_rds_cluster.main" not in blast_radius(found.graph, ["az:aws/us-east-1a"]).down


def test_a_host_in_a_setting_leads_to_the_database_that_it_names() -> None:
    host = "orders.c9akciq32.us-east-1.rds.amazonaws.com"
    found = map_of(
        state(
            resource("aws_db_instance.orders", {"id": "db-AB12", "address": host, "multi_az": False}),
            resource(
                "aws_lambda_function.api",
                {
                    "id": "api",
                    "arn": arn("lambda", "function:api"),
                    "environment": [{"variables": {"DATABASE_URL": f"postgres://shop:hunter2@{host}:5432/orders"}}],
                },
                depends=["aws_db_instance.orders"],
            ),
        )
    )
    assert needs(found, "aws_lambda_function.api") == {all_of(host)}
    assert needs(found, host) == {all_of("aws_db_instance.orders", role="host")}


@pytest.mark.parametrize(
    ("address", "attributes"),
    [
        (
            "aws_lambda_function.a",
            {"environment": [{"variables": {"BROKERS": "a.example.net:9092,b.example.net:9092"}}]},
        ),
        (
            "aws_ecs_task_definition.a",
            {
                "container_definitions": '[{"name": "web", "image": "registry.example.net/web:1", "environment": '
                '[{"name": "BROKERS", "value": "a.example.net:9092,b.example.net:9092"}]}]'
            },
        ),
        ("azurerm_linux_web_app.a", {"app_settings": {"BROKERS": "a.example.net:9092,b.example.net:9092"}}),
    ],
)
def test_hosts_in_settings_are_needed_also_where_no_state_has_them(address: str, attributes: dict[str, Any]) -> None:
    found = map_of(state(resource(address, {"id": "a", **attributes})))
    assert needs(found, address) == {any_of("a.example.net", "b.example.net")}
    assert found.graph.nodes["a.example.net"].kind is Kind.NAME


@pytest.mark.parametrize(
    "value",
    ["hunter2", "localhost:80", "postgres://shop:hunter2/x@db.example.com/", "TABLE", "", 7, None, ["a.example.net:1"]],
)
def test_a_setting_that_is_not_certain_to_name_a_host_names_none(value: object) -> None:
    attributes = {"id": "a", "environment": [{"variables": {"HOST": value, "DATABASE_URL": value}}]}
    assert needs(map_of(state(resource("aws_lambda_function.a", attributes))), "aws_lambda_function.a") == set()


def test_a_certificate_is_wanted_and_its_region_takes_nothing_down() -> None:
    certificate = arn("acm", "certificate/6f8d4e8a-1b2c-4e8c-9d1f-1234567890ab")
    found = map_of(
        state(
            resource("aws_acm_certificate.www", {"arn": certificate, "id": certificate}),
            resource(
                "aws_cloudfront_distribution.www",
                {
                    "id": "E1M9CNS0XSHI19",
                    "arn": "arn:aws:cloudfront::123456789012:distribution/E1M9CNS0XSHI19",
                    "aliases": ["www.example.com"],
                    "viewer_certificate": [{"acm_certificate_arn": certificate}],
                },
                depends=["aws_acm_certificate.www"],
            ),
        )
    )
    assert needs(found, "aws_cloudfront_distribution.www") == {all_of("aws_acm_certificate.www", soft=True)}
    assert "www.example.com" not in blast_radius(found.graph, ["region:aws/us-east-1"]).down
    assert "www.example.com" in blast_radius(found.graph, ["aws:cloudfront/data"]).down


def test_a_bucket_for_logs_is_wanted_and_not_needed() -> None:
    found = map_of(
        state(
            resource("aws_s3_bucket.logs", {"id": "logs", "arn": "arn:aws:s3:::logs", "region": "us-east-1"}),
            resource("aws_lb.front", {"id": LB, "access_logs": [{"bucket": "logs"}]}, depends=["aws_s3_bucket.logs"]),
        )
    )
    assert needs(found, "aws_lb.front") == {all_of("aws_s3_bucket.logs", soft=True)}


def test_a_bucket_is_reached_by_its_names_and_nothing_is_asked_about_these() -> None:
    names = {
        "bucket_domain_name": "logs.s3.amazonaws.com",
        "bucket_regional_domain_name": "logs.s3.eu-west-3.amazonaws.com",
    }
    arn_of_bucket = "arn:aws:s3:::logs"
    found = map_of(
        state(resource("aws_s3_bucket.logs", {"id": "logs", "arn": arn_of_bucket, "region": "eu-west-3", **names}))
    )
    for name in names.values():
        assert blast_radius(found.graph, ["aws:s3/eu-west-3"]).down[name]
    assert not found.remarks


def test_what_only_exists_in_terraform_is_no_node() -> None:
    found = map_of(
        state(
            resource("random_id.suffix", {"id": "x"}),
            resource("data.aws_ami.linux", {"id": "ami-0abcdef1234567890"}),
            resource("aws_instance.web", {"id": "i-1"}, depends=["random_id.suffix", "data.aws_ami.linux"]),
        )
    )
    assert "aws_instance.web" in found.graph.nodes
    assert not [name for name in found.graph.nodes if "random" in name or "ami" in name]


def test_a_resource_looked_up_is_the_one_that_is_made() -> None:
    found = map_of(
        state(
            resource("aws_lb.front", {"id": LB, "arn": LB, "dns_name": "front-1.us-east-1.elb.amazonaws.com"}),
            lineage="network",
        ),
        state(
            resource("data.aws_lb.front", {"id": LB, "arn": LB, "dns_name": "front-1.us-east-1.elb.amazonaws.com"}),
            resource("aws_ecs_service.web", {"id": "web"}, depends=["data.aws_lb.front"]),
            lineage="service",
        ),
    )
    assert "data.aws_lb.front" not in found.graph.nodes
    assert needs(found, "aws_ecs_service.web") == {all_of("aws_lb.front")}


# Places.


@pytest.mark.parametrize(
    ("address", "attributes", "causes"),
    [
        (
            "aws_instance.a",
            {"availability_zone": "us-gov-west-1b"},
            {"region:aws/us-gov-west-1", "az:aws/us-gov-west-1b"},
        ),
        ("aws_db_instance.a", {"availability_zone": "us-east-1a", "multi_az": True}, {"region:aws/us-east-1"}),
        ("aws_s3_bucket.a", {"arn": "arn:aws:s3:::logs", "region": "eu-west-3"}, {"region:aws/eu-west-3"}),
        (
            "azurerm_linux_virtual_machine.a",
            {"location": "East US", "zone": "2"},
            {"region:azure/eastus", "az:azure/eastus-2"},
        ),
        ("azurerm_lb.a", {"location": "eastus", "zones": ["1", "2"]}, {"region:azure/eastus"}),
        (
            "google_compute_instance.a",
            {"zone": "us-central1-a"},
            {"region:google/us-central1", "az:google/us-central1-a"},
        ),
        ("google_storage_bucket.a", {"location": "US"}, set()),
    ],
)
def test_a_resource_shares_its_place(address: str, attributes: dict[str, object], causes: set[str]) -> None:
    found = map_of(state(resource(address, {"id": "1", **attributes})))
    assert {cause for cause in found.graph.nodes[address].causes if not cause.startswith("provider:")} == causes


def test_an_unknown_provider_is_named_and_its_dependencies_are_taken() -> None:
    found = map_of(
        state(
            resource("hcloud_server.web", {"id": "1"}),
            resource("hcloud_load_balancer.web", {"id": "2"}, depends=["hcloud_server.web"]),
        )
    )
    assert needs(found, "hcloud_load_balancer.web") == {all_of("hcloud_server.web")}
    assert ['"hcloud"' in remark.text for remark in found.remarks] == [True]


# Several states.


def test_resources_of_one_address_in_two_states_are_two() -> None:
    found = map_of(
        state(resource("aws_lb.main", {"id": "a"}), lineage="prod"),
        state(resource("aws_lb.main", {"id": "b"}), lineage="test"),
    )
    assert {"one.tfstate/aws_lb.main", "two.tfstate/aws_lb.main"} <= found.graph.nodes.keys()
    assert "aws_lb.main" not in found.graph.nodes


def test_a_record_finds_its_zone_in_another_state() -> None:
    found = map_of(
        state(
            resource("aws_route53_record.a", {"name": "www", "type": "A", "zone_id": ZONE_ID, "records": ["192.0.2.1"]})
        ),
        state(resource("aws_route53_zone.main", {"id": ZONE_ID, "name": "example.com"}), lineage="dns"),
    )
    assert all_of("zone:example.com", role="zone") in needs(found, "www.example.com")
