"""Hosts in the settings of what Terraform runs: functions, containers, web apps. Those outside of the state too."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from standfast.depmap.graph import Need, any_of
from standfast.depmap.readers.hosts import hosts_named
from standfast.depmap.readers.terraform.values import address_in, domain_in, items

_VARIABLES: Final = frozenset("app_settings environment_variables runtime_environment_variables variables".split())
_BLOCKS: Final = ("build_config", "environment", "service_config")  # in which these lie
_CONTAINERS: Final = "container_definitions"  # of a task of ECS: JSON in a text


def hosts_in_settings(values: Mapping[str, Any]) -> Iterator[Need]:
    """Yield the hosts that the settings in `values`, the attributes of a resource, name: of each, one of them.

    A host here has a dot in its name: a bare word may be anything.
    """
    for variable, value in _settings(values):
        hosts = [address_in(host) or domain_in(host) for host in hosts_named(variable, value)]
        if hosts and all(hosts):
            yield any_of(*dict.fromkeys(hosts))


def _settings(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for block in (values, *(block for name in _BLOCKS for block in items(values.get(name)))):
        for name in _VARIABLES & block.keys():
            if isinstance(said := block[name], dict):
                yield from ((variable, value) for variable, value in said.items() if isinstance(value, str))
    if isinstance(text := values.get(_CONTAINERS), str):
        for container in items(_parsed(text)):
            for each in items(container.get("environment")):
                match each:
                    case {"name": str(variable), "value": str(value)}:
                        yield variable, value
                    case _:
                        pass


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
