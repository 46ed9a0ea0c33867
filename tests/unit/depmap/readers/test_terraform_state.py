"""Formats 3 and 4 of Terraform's state, files that are broken, and secrets, which never come out of either."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import all_of, any_of
from standfast.depmap.readers.kinds import read_files, reader_of
from standfast.depmap.readers.terraform.reading import parse, tell
from standfast.depmap.readers.terraform.state import read_state
from standfast.depmap.statements import Witness
from terraform_states import full_state, map_of, needs, resource, state

BY = Witness(reader="terraform", where="prod.tfstate")
SECRET = "hunter2/S3cr3t=="


def all_text(octets: bytes) -> str:
    """Return all that comes out of the state `octets`: statements, remarks, or the error."""
    readings, errors = read_files([("prod.tfstate", octets)], kind="terraform")
    return repr(readings) + "".join(f"{error} {error!r} {error.__cause__!r}" for error in errors)


# Format 3.


def test_format_3_says_the_same_as_format_4() -> None:
    old = {
        "version": 3,
        "terraform_version": "0.11.14",
        "serial": 8,
        "lineage": "0f5b2ff9",
        "modules": [
            {
                "path": ["root", "web"],
                "outputs": {"password": {"sensitive": True, "type": "string", "value": SECRET}},
                "resources": {
                    "aws_elb.front": {
                        "type": "aws_elb",
                        "depends_on": ["aws_instance.web.*", "aws_subnet.a", "var.x", "module.other"],
                        "primary": {
                            "id": "front",
                            "attributes": {
                                "id": "front",
                                "dns_name": "front-1.eu-west-1.elb.amazonaws.com",
                                "instances.#": "2",
                                "instances.123": "i-0197bcecd8741f8f2",
                                "instances.456": "i-0297bcecd8741f8f2",
                                "tags.%": "1",
                                "tags.password": SECRET,
                            },
                        },
                        "deposed": [],
                        "provider": "provider.aws",
                    },
                    "aws_instance.web.0": instance_3("i-0197bcecd8741f8f2", "eu-west-1a"),
                    "aws_instance.web.1": instance_3("i-0297bcecd8741f8f2", "eu-west-1b"),
                    "aws_instance.gone": {"type": "aws_instance", "primary": None, "deposed": [{"id": "i-3"}]},
                    "aws_subnet.a": {"type": "aws_subnet", "primary": {"id": "subnet-1", "attributes": {}}},
                },
            }
        ],
    }
    octets = json.dumps(old).encode()
    found = map_of(octets)
    assert needs(found, "module.web.aws_elb.front") == {
        any_of("module.web.aws_instance.web[0]", "module.web.aws_instance.web[1]"),
        all_of("module.web.aws_subnet.a"),
    }
    assert "az:aws/eu-west-1b" in found.graph.nodes["module.web.aws_instance.web[1]"].causes
    assert "module.web.aws_instance.gone" not in found.graph.nodes
    assert SECRET not in all_text(octets)


def instance_3(id_: str, zone: str) -> dict[str, Any]:
    attributes = {"id": id_, "availability_zone": zone, "ebs_block_device.#": "0"}
    return {"type": "aws_instance", "depends_on": [], "primary": {"id": id_, "attributes": attributes}}


def test_flat_attributes_are_nested_again() -> None:
    flat = {
        "id": "1",
        "origin.#": "1",
        "origin.77.domain_name": "a.example.net",
        "origin.77.custom.%": "1",
        "origin.77.custom.x": "y",
    }
    octets = state(resource("aws_cloudfront_distribution.a", {}, attributes=None, attributes_flat=flat))
    (read,) = read_state(octets, by=BY).resources
    assert read.values == {"id": "1", "origin": [{"domain_name": "a.example.net", "custom": {"x": "y"}}]}


# Files that are broken.


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"{", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[]", "is no state of Terraform"),
        (b'{"version": 5}', "in format 3 or 4"),
        (b'{"version": 2, "modules": []}', "format 2"),
        (b'{"format_version": "1.0", "values": {}}', "terraform show"),
        (b'{"encrypted_data": "aaaa", "encryption_version": "v0"}', "is encrypted"),
    ],
)
def test_what_is_no_state_is_said_to_be_none(octets: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        parse(octets, file="prod.tfstate")


def test_a_broken_file_is_named_with_its_line_and_not_quoted() -> None:
    broken = b'{"version": 4,\n "terraform_version": "1.9.8", "password": "' + SECRET.encode() + b'" oops'
    with pytest.raises(ModelError, match=r"prod\.tfstate:2: is no JSON") as caught:
        parse(broken, file="prod.tfstate")
    assert caught.value.__cause__ is None
    assert SECRET not in all_text(broken)


def test_of_a_state_with_broken_resources_the_others_are_taken() -> None:
    good = resource("aws_lb.front", {"id": "front"})
    odd: list[Any] = [
        None,
        {"type": "aws_lb"},
        {**good, "module": "nonsense"},
        {**good, "mode": "ephemeral"},
        {**good, "type": SECRET},
        {**good, "instances": [7, {"attributes": [1]}]},
        resource("aws_lb.list", {"id": "x", "_key": [1]}),
        resource("aws_lb.paths", {"id": "x"}, sensitive_attributes=["?"]),
    ]
    octets = state(*odd, good)
    read = tell([parse(octets, file="prod.tfstate")])
    assert [remark.text for remark in read.remarks] == ["9 resources are not as Terraform writes them: left out"]
    assert "aws_lb.front" in map_of(octets).graph.nodes
    assert SECRET not in all_text(octets)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                sorted(
                    [
                        "path",
                        "primary",
                        "attributes",
                        "instances",
                        "resources",
                        "mode",
                        "type",
                        "name",
                        "module",
                        "dependencies",
                        "alias",
                        "replica",
                        "origin",
                        "sensitive_attributes",
                        "attributes_flat",
                        "index_key",
                        "id",
                        "zone_id",
                        "arn",
                    ]
                )
            ),
            below,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([3, 4]))
def test_whatever_a_state_has_in_it_is_read_or_left_out(body: Any, version: int) -> None:
    document = {"version": version, "resources": body, "modules": body}
    assert tell([parse(json.dumps(document).encode(), file="prod.tfstate")]) is not None


@given(
    st.dictionaries(
        st.sampled_from(
            sorted(
                {
                    "alias",
                    "arn",
                    "availability_zone",
                    "default_action",
                    "default_cache_behavior",
                    "dns_name",
                    "environment",
                    "fqdn",
                    "id",
                    "load_balancer",
                    "location",
                    "name",
                    "name_servers",
                    "network_interface",
                    "origin",
                    "origin_group",
                    "records",
                    "region",
                    "replica",
                    "routing_policy",
                    "target_group_arn",
                    "type",
                    "vpc",
                    "zone",
                    "zone_id",
                }
            )
        ),
        _JSON,
        max_size=6,
    ),
    st.sampled_from(
        [
            "aws_route53_record",
            "aws_route53_zone",
            "google_dns_record_set",
            "aws_cloudfront_distribution",
            "aws_dynamodb_table",
            "aws_ecs_service",
            "azurerm_lb",
            "google_compute_instance",
        ]
    ),
)
def test_attributes_of_any_form_are_read_or_left_out(attributes: dict[str, Any], type_: str) -> None:
    assert map_of(state(resource(f"{type_}.it", attributes))) is not None


# Secrets.


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where a value stands in a state: an address, which Terraform itself does not let be secret, is none."""
    match value:
        case str():
            if not {"attributes", "outputs", "check_results", "private"}.isdisjoint(path):
                yield path
        case list():
            for number, each in enumerate(value):
                yield from places(each, (*path, number))
        case dict():
            for name, each in value.items():
                yield from places(each, (*path, name))


def planted(document: Any, path: tuple[Any, ...], secret: str) -> bytes:
    changed = json.loads(json.dumps(document))
    here = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = secret
    return json.dumps(changed).encode()


@pytest.mark.parametrize(
    "secret", [SECRET, f"https://admin:{SECRET}@db.example.com/", "hunter2", "correct horse battery"]
)
def test_a_secret_in_any_value_never_comes_out(secret: str) -> None:
    document = json.loads(full_state())
    found = list(places(document))
    assert len(found) > 50
    for path in found:
        out = all_text(planted(document, path, secret))
        assert "hunter2" not in out, path
        assert "horse" not in out, path


def test_a_secret_in_any_value_of_real_states_never_comes_out(shared_data: Path) -> None:
    for file in sorted((shared_data / "terraform").glob("*.tfstate")):
        document = json.loads(file.read_bytes())
        for path in places(document):
            assert "hunter2" not in all_text(planted(document, path, SECRET)), (file.name, path)


def test_an_attribute_that_is_marked_as_sensitive_is_not_read_at_all() -> None:
    attributes = {"id": "db", "address": "orders.internal.example.com", "availability_zone": "us-east-1a"}
    marked = [[{"type": "get_attr", "value": "address"}]]
    found = map_of(state(resource("aws_db_instance.a", attributes, sensitive_attributes=marked)))
    assert "orders.internal.example.com" not in found.graph.nodes
    assert "az:aws/us-east-1a" in found.graph.nodes["aws_db_instance.a"].causes


# Which files.


def test_a_state_is_known_by_its_name_or_by_what_is_in_it() -> None:
    for name in ("terraform.tfstate", "state.json"):
        assert reader_of(state(), file=name).name == "terraform"


def test_the_copy_that_terraform_keeps_of_the_state_before_is_left_out() -> None:
    new, old = state(resource("aws_lb.a", {}), serial=2), state(resource("aws_lb.b", {}), serial=1)
    read = tell([parse(new, file="terraform.tfstate"), parse(old, file="terraform.tfstate.backup")])
    assert {told.by.where for told in read.told} == {"terraform.tfstate"}
    assert [remark.by.where for remark in read.remarks] == ["terraform.tfstate.backup"]
