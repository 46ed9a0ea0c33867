"""All manifests together: which services there are, which workloads have which labels, what a ConfigMap sets."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from standfast.depmap.readers.fields import at, items, text, texts
from standfast.depmap.readers.hosts import in_namespace, service_in_cluster
from standfast.depmap.readers.kubernetes.manifests import Thing
from standfast.yaml_nodes import YamlNode

# Of each kind that runs pods, where what a pod looks like stands in it: its `spec`, and its `metadata` beside that.
POD_TEMPLATES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps.openshift.io", "DeploymentConfig"): ("spec", "template"),
    ("argoproj.io", "Rollout"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("extensions", "DaemonSet"): ("spec", "template"),
    ("extensions", "Deployment"): ("spec", "template"),
    ("serving.knative.dev", "Service"): ("spec", "template"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it stands."""

    value: str
    file: str
    line: int


class Cluster:
    """What there is, by its names. `missing` are services that somebody names, here, and nobody describes."""

    def __init__(self, things: Iterable[Thing]) -> None:
        self.missing: dict[str, tuple[str, str, int]] = {}
        self._services: dict[tuple[str, str], Thing] = {}  # by namespace and name, as all below
        self._settings: dict[tuple[str, str], dict[str, Setting]] = {}
        self._labels: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        self._labelled: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        self._endpoints: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._by_address: dict[str, str] = {}
        self._namespaces: set[str] = set()
        for thing in things:
            self._take(thing)

    def _take(self, thing: Thing) -> None:
        key = (thing.namespace, thing.name)
        self._namespaces.add(thing.namespace)
        match thing.group, thing.kind:
            case "", "Service":
                self._services[key] = thing
                self._by_address[text(at(thing.body, "spec", "clusterIP"))] = node_of(thing)
            case "", "ConfigMap":
                settings = texts(at(thing.body, "data"))
                self._settings[key] = {name: Setting(said, thing.file, thing.line) for name, said in settings.items()}
            case "", "Endpoints":
                for subset in items(at(thing.body, "subsets")):
                    self._reach(key, [text(at(each, "ip")) for each in items(at(subset, "addresses"))])
            case "discovery.k8s.io", "EndpointSlice":
                name = texts(at(thing.body, "metadata", "labels")).get("kubernetes.io/service-name", thing.name)
                for endpoint in items(at(thing.body, "endpoints")):
                    self._reach((thing.namespace, name), [text(each) for each in items(at(endpoint, "addresses"))])
        if (template := template_of(thing)) is not None:
            labels = texts(at(template, "metadata", "labels"))
            self._labels[thing.namespace][node_of(thing)] = labels
            for label in labels.items():
                self._labelled[thing.namespace, *label].append(node_of(thing))

    def _reach(self, service: tuple[str, str], addresses: list[str]) -> None:
        for address in addresses:
            try:
                self._endpoints[service][str(ip_address(address))] = None
            except ValueError:
                continue  # an EndpointSlice may have names: as of 2026 nothing makes one

    def settings(self, namespace: str, name: str) -> Mapping[str, Setting]:
        """Return what the ConfigMap `name` sets; nothing if it is not there."""
        return self._settings.get((namespace, name), {})

    def selected(self, namespace: str, selector: Mapping[str, str]) -> list[str]:
        """Return the workloads of `namespace` that have all labels of `selector`, which has at least one."""
        rarest = min((self._labelled[namespace, *label] for label in selector.items()), key=len)
        return [node for node in rarest if selector.items() <= self._labels[namespace][node].items()]

    def has_workload(self, thing: Thing) -> bool:
        """Say whether there is a workload of the name of `thing`."""
        return node_of(thing) in self._labels[thing.namespace]

    def endpoints(self, thing: Thing) -> tuple[str, ...]:
        """Return the addresses that are listed for the service `thing`."""
        return tuple(self._endpoints.get((thing.namespace, thing.name), ()))

    def node_of_host(self, host: str, user: Thing, file: str, line: int) -> str:
        """Return what the map calls `host`, as `user` says it in `file`.

        A name is tried within the user's namespace and within the cluster first, as a pod's resolver does.
        """
        if host in self._by_address:
            return self._by_address[host]
        named = service_in_cluster(host) or self._by_short_name(host, user.namespace)
        if named is None:
            return host
        if not self._is_described(named):
            self.missing.setdefault(named, (node_of(user), file, line))
        return named

    def _by_short_name(self, host: str, namespace: str) -> str | None:
        labels = host.split(".")
        if len(labels) == 1:
            return in_namespace(host, namespace)
        outer = "" if labels[-1] == "default" else labels[-1]
        if (outer, labels[-2]) in self._services or (len(labels) == 2 and labels[-1] in self._namespaces):
            return in_namespace(labels[-2], outer)
        if (namespace, labels[-1]) in self._services:  # a pod of a headless service
            return in_namespace(labels[-1], namespace)
        return None

    def _is_described(self, node: str) -> bool:
        namespace, _, name = node.rpartition("/")
        return (namespace, name) in self._services or node in self._labels[namespace] or node == "kubernetes"


def node_of(thing: Thing) -> str:
    """Return what the map calls `thing`."""
    return in_namespace(thing.name, thing.namespace)


def template_of(thing: Thing) -> YamlNode | None:
    """Return what the pods of `thing` look like; None where it runs none, or is run by another that does."""
    path = POD_TEMPLATES.get((thing.group, thing.kind))
    if path is None or items(at(thing.body, "metadata", "ownerReferences")):
        return None
    return at(thing.body, *path)
