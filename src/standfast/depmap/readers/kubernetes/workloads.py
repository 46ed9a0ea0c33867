"""Workloads: what the settings of their containers name, and in which zones they may run."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from standfast.depmap.graph import Kind, Need, any_of
from standfast.depmap.readers.fields import at, items, text
from standfast.depmap.readers.gathering import Gathered
from standfast.depmap.readers.hosts import argument_settings, hosts_named
from standfast.depmap.readers.kubernetes.cluster import Cluster, Setting, node_of, template_of
from standfast.depmap.readers.kubernetes.manifests import Thing
from standfast.depmap.readers.kubernetes.places import Places, places_of
from standfast.depmap.statements import Is, Shares
from standfast.yaml_nodes import YamlNode

_VARIABLE: Final = re.compile(r"\$\$|\$\(([A-Za-z0-9_.-]+)\)")  # as Kubernetes expands it, in values and arguments
_EXPANDED_MAX: Final = 65_536  # characters: variables of variables could grow without end
_SECRETS_LISTED_MAX: Final = 5  # in the remark on what comes from Secrets


def tell_workload(thing: Thing, cluster: Cluster, gathered: Gathered) -> bool:
    """Tell what the workload `thing` needs; False where it is none."""
    template = template_of(thing)
    if template is None:
        # What another workload runs, in the output of a running cluster, that one tells.
        return bool(items(at(thing.body, "metadata", "ownerReferences")))
    node = node_of(thing)
    gathered.say(Is(node, Kind.SERVICE), thing.file, thing.line)
    if text(at(thing.body, "spec", "replicas")) == "0":
        gathered.remark(f'"{node}" has no replicas: none of it runs', thing.file, thing.line)
    pod = at(template, "spec")
    secrets: dict[str, None] = {}
    containers = [(each, False) for each in items(at(pod, "containers"))]
    # One that goes on running beside the others is as they are. What any other needs, only a new pod needs.
    initial = [(each, text(at(each, "restartPolicy")) != "Always") for each in items(at(pod, "initContainers"))]
    for container, soft in [*containers, *initial]:
        for parts, setting in _named(container, thing, cluster, secrets):
            gathered.needs(node, any_of(*parts, soft=soft), setting.file, setting.line)
    if secrets:
        listed = ", ".join(list(secrets)[:_SECRETS_LISTED_MAX]) + (" ..." if len(secrets) > _SECRETS_LISTED_MAX else "")
        said = f'"{node}" is set up by Secrets, which are not read: {listed}. If they name hosts, say so by hand'
        gathered.remark(said, thing.file, thing.line)
    _tell_places(places_of(thing, pod), node, thing, gathered)
    return True


def _named(
    container: YamlNode, thing: Thing, cluster: Cluster, secrets: dict[str, None]
) -> Iterator[tuple[tuple[str, ...], Setting]]:
    """Yield what the settings of `container` name, each of which one is enough; add to `secrets` what is not read."""
    variables: dict[str, Setting] = {}
    for source in items(at(container, "envFrom")):
        prefix = text(at(source, "prefix"))
        if (secret := text(at(source, "secretRef", "name"))) != "":
            secrets[f"all of {secret}"] = None
        settings = cluster.settings(thing.namespace, text(at(source, "configMapRef", "name")))
        variables |= {f"{prefix}{name}": setting for name, setting in settings.items()}
    for each in items(at(container, "env")):
        name = text(at(each, "name"))
        if at(each, "valueFrom", "secretKeyRef") is not None:
            secrets[name] = None
        setting = _setting(each, thing, cluster, variables)
        variables.pop(name, None)  # what a ConfigMap said before
        if setting is not None:
            variables[name] = setting
    for variable, setting in [*variables.items(), *_arguments(container, thing, variables)]:
        hosts = hosts_named(variable, setting.value)
        yield tuple({cluster.node_of_host(host, thing, setting.file, setting.line): None for host in hosts}), setting


def _setting(variable: YamlNode, thing: Thing, cluster: Cluster, before: Mapping[str, Setting]) -> Setting | None:
    """Return what `variable` is set to, by the manifests alone; None where they do not say."""
    if (reference := at(variable, "valueFrom", "configMapKeyRef")) is not None:
        settings = cluster.settings(thing.namespace, text(at(reference, "name")))
        return settings.get(text(at(reference, "key")))
    value = at(variable, "value")
    return Setting(_expanded(text(value), before), thing.file, variable.line) if value is not None else None


def _arguments(container: YamlNode, thing: Thing, variables: Mapping[str, Setting]) -> Iterator[tuple[str, Setting]]:
    words = [*items(at(container, "command")), *items(at(container, "args"))]
    for name, value, line in argument_settings((_expanded(text(word), variables), word.line) for word in words):
        yield name, Setting(value, thing.file, line)


def _expanded(value: str, variables: Mapping[str, Setting]) -> str:
    def put(found: re.Match[str]) -> str:
        known = variables.get(found[1] or "")
        return "$" if found[1] is None else known.value if known else found[0]

    return _VARIABLE.sub(put, value)[:_EXPANDED_MAX]


def _tell_places(places: Places, node: str, thing: Thing, gathered: Gathered) -> None:
    for cause in places.shared:
        gathered.say(Shares(node, cause), thing.file, thing.line)
    parts = {f"{node}@{zone}": causes for zone, causes in places.apart.items()}
    for part, causes in parts.items():
        gathered.say(Is(part, Kind.SERVICE), thing.file, thing.line)
        for cause in causes:
            gathered.say(Shares(part, cause), thing.file, thing.line)
    if parts:
        gathered.needs(node, Need(parts=tuple(parts), number=places.number, role="place"), thing.file, thing.line)
