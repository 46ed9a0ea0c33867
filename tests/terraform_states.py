"""Small state files of Terraform, as it writes them, and the maps that are made of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from standfast.depmap.assembly import assemble
from standfast.depmap.attribution.aws import hidden_regions
from standfast.depmap.graph import Need
from standfast.depmap.merging import DependencyMap
from standfast.depmap.readers.terraform.reading import parse, tell

ACCOUNT = "123456789012"


def arn(service: str, what: str, region: str = "us-east-1") -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{what}"


def resource(address: str, *instances: Mapping[str, Any], depends: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """Return a resource of format 4; each of `instances` is its attributes, with its key, if any, as `_key`."""
    head, name = address.rsplit(".", 1)
    module, _, type_ = head.rpartition(".")
    is_data = module == "data" or module.endswith(".data")
    return {
        **({"module": module.removesuffix("data").rstrip(".")} if module not in ("", "data") else {}),
        "mode": "data" if is_data else "managed",
        "type": type_,
        "name": name,
        "provider": f'provider["registry.terraform.io/hashicorp/{type_.partition("_")[0]}"]',
        "instances": [
            {
                **({"index_key": attributes["_key"]} if "_key" in attributes else {}),
                "schema_version": 0,
                "attributes": {name: value for name, value in attributes.items() if name != "_key"},
                "sensitive_attributes": [],
                "dependencies": list(depends),
                **more,
            }
            for attributes in instances
        ],
    }


def state(*resources: Mapping[str, Any], lineage: str = "one", serial: int = 1, **more: Any) -> bytes:
    return json.dumps(
        {
            "version": 4,
            "terraform_version": "1.9.8",
            "serial": serial,
            "lineage": lineage,
            "outputs": {},
            "resources": list(resources),
            **more,
        }
    ).encode()


def map_of(*files: bytes) -> DependencyMap:
    """Return the map of the states `files`, which are called one.tfstate and so on."""
    names = ("one.tfstate", "two.tfstate", "three.tfstate")
    read = [parse(octets, file=name) for octets, name in zip(files, names, strict=False)]
    return assemble([tell(read)], [hidden_regions(None)])


def needs(found: DependencyMap, node: str) -> set[Need]:
    """Return what `node` needs, but for the APIs of its provider."""
    return {
        each
        for each in found.graph.nodes[node].needs
        if each.role not in ("api", "endpoint", "control", "authorization")
    }


HOST = "front-1.us-east-1.elb.amazonaws.com"
DATABASE = "db.x.us-east-1.rds.amazonaws.com"
WWW = {
    "id": "r",
    "fqdn": "www.example.com",
    "name": "www",
    "type": "A",
    "zone_id": "Z1",
    "records": ["192.0.2.1"],
    "alias": [{"name": HOST, "zone_id": "Z2"}],
    "set_identifier": "x",
}
LOAD_BALANCER = {
    "id": "i",
    "arn": arn("elasticloadbalancing", "loadbalancer/app/f/1"),
    "subnets": ["subnet-1"],
    "dns_name": HOST,
    "tags": {"a": "b"},
}
PROXIED = {"name": "www", "zone_id": "x", "content": "192.0.2.1", "type": "A", "hostname": "a.b.net", "comment": "x"}
ORDERS = {
    "id": "db",
    "arn": arn("rds", "db:main"),
    "password": "x",
    "username": "y",
    "endpoint": f"{DATABASE}:5432",
    "availability_zone": "us-east-1a",
}
FUNCTION = {
    "id": "api",
    "arn": arn("lambda", "function:api"),
    "region": "us-east-1",
    "environment": [{"variables": {"URL": f"postgres://{DATABASE}/a"}}],
}
DISTRIBUTION = {
    "id": "d",
    "arn": "arn:aws:cloudfront::1:distribution/d",
    "aliases": ["a.example.com"],
    "origin": [{"origin_id": "o", "domain_name": "o.example.com", "custom_header": [{"name": "k", "value": "v"}]}],
    "default_cache_behavior": [{"target_origin_id": "o"}],
}
ADDRESS = {"id": "/subscriptions/1/a", "location": "East US", "ip_address": "192.0.2.9", "zones": ["1"]}


def full_state() -> bytes:
    """Return a state with something in each place where a value, and so a secret, can be."""
    zone = {"id": "Z1", "zone_id": "Z1", "name": "example.com", "name_servers": ["ns.a.net"], "comment": "x"}
    return state(
        resource("aws_route53_zone.main", zone, private="eyJzY2hlbWFfdmVyc2lvbiI6IjEifQ=="),
        resource("aws_route53_record.www", WWW),
        resource("cloudflare_record.www", PROXIED),
        resource("aws_lb.front", LOAD_BALANCER),
        resource("aws_db_instance.main", ORDERS),
        resource("aws_lambda_function.api", FUNCTION),
        resource(
            "aws_dynamodb_table.t",
            {"id": "t", "arn": arn("dynamodb", "table/t"), "replica": [{"region_name": "us-east-2"}]},
        ),
        resource("aws_cloudfront_distribution.d", DISTRIBUTION),
        resource("azurerm_public_ip.a", ADDRESS),
        resource(
            "google_compute_instance.a",
            {"id": "p/a", "zone": "us-central1-a", "network_interface": [{"network_ip": "10.0.0.2"}]},
        ),
        resource("vault_generic_secret.a", {"id": "secret/a", "data_json": "x", "data": {"password": "y"}}),
        resource("data.terraform_remote_state.a", {"outputs": {"password": "x"}}),
        outputs={"password": {"value": "x", "type": "string", "sensitive": True}},
        check_results=[{"problem": "x"}],
    )
