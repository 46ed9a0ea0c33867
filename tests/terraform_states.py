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
