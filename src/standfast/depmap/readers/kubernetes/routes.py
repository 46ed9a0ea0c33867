"""Ways in from outside: an Ingress, or a route and its Gateway. A host needs its way, a way every service behind it."""

from typing import Final

from standfast.depmap.graph import Kind, all_of
from standfast.depmap.readers.fields import at, items, text, texts
from standfast.depmap.readers.gathering import Gathered
from standfast.depmap.readers.hosts import in_namespace
from standfast.depmap.readers.kubernetes.cluster import Cluster, node_of
from standfast.depmap.readers.kubernetes.manifests import Thing
from standfast.depmap.statements import Is, Needs, Shares
from standfast.yaml_nodes import YamlNode

_GATEWAY_API: Final = "gateway.networking.k8s.io"
_ROUTES: Final = frozenset("GRPCRoute HTTPRoute TCPRoute TLSRoute UDPRoute".split())
_INGRESS_GROUPS: Final = frozenset({"networking.k8s.io", "extensions"})


def tell_route(thing: Thing, cluster: Cluster, gathered: Gathered) -> bool:
    """Tell where the Ingress, route or Gateway `thing` leads; False where it is none, or a class of those."""
    match thing.group, thing.kind:
        case group, "Ingress" if group in _INGRESS_GROUPS:
            _tell_ingress(thing, cluster, gathered)
        case group, kind if group == _GATEWAY_API and kind in _ROUTES:
            _tell_gateway_route(thing, cluster, gathered)
        case group, "Gateway" if group == _GATEWAY_API:
            node = f"gateway:{node_of(thing)}"
            gathered.say(Is(node, Kind.RESOURCE), thing.file, thing.line)
            _tell_class(node, f"gateway-class:{text(at(thing.body, 'spec', 'gatewayClassName'))}", thing, gathered)
        case group, kind:
            return group == _GATEWAY_API or (group == "networking.k8s.io" and kind in ("IngressClass", "NetworkPolicy"))
    return True


def _tell_ingress(thing: Thing, cluster: Cluster, gathered: Gathered) -> None:
    spec = at(thing.body, "spec")
    rules = items(at(spec, "rules"))
    backends = [at(spec, "defaultBackend"), at(spec, "backend")]
    backends += [at(path, "backend") for rule in rules for path in items(at(rule, "http", "paths"))]
    services = [
        (name, thing.namespace, backend.line)
        for backend in backends
        if backend is not None and (name := text(at(backend, "service", "name")) or text(at(backend, "serviceName")))
    ]
    node = _tell_way(thing, "ingress", [at(rule, "host") for rule in rules], services, cluster, gathered)
    annotated = texts(at(thing.body, "metadata", "annotations")).get("kubernetes.io/ingress.class", "")
    _tell_class(node, f"ingress-class:{text(at(spec, 'ingressClassName')) or annotated}", thing, gathered)


def _tell_gateway_route(thing: Thing, cluster: Cluster, gathered: Gathered) -> None:
    spec = at(thing.body, "spec")
    services = [
        (text(at(backend, "name")), _namespace_in(backend, thing), backend.line)
        for rule in items(at(spec, "rules"))
        for backend in items(at(rule, "backendRefs"))
        if text(at(backend, "kind")) in ("", "Service") and text(at(backend, "weight")) != "0"
    ]
    node = _tell_way(thing, "route", items(at(spec, "hostnames")), services, cluster, gathered)
    for parent in items(at(spec, "parentRefs")):
        if text(at(parent, "kind")) in ("", "Gateway") and (name := text(at(parent, "name"))):
            gateway = f"gateway:{in_namespace(name, _namespace_in(parent, thing))}"
            gathered.say(Needs(node, all_of(gateway)), thing.file, parent.line)


def _tell_way(
    thing: Thing,
    prefix: str,
    hosts: list[YamlNode] | list[YamlNode | None],
    services: list[tuple[str, str, int]],
    cluster: Cluster,
    gathered: Gathered,
) -> str:
    """Tell that `hosts` need `thing`, and it `services`, each with its namespace and line; return its node."""
    node = f"{prefix}:{node_of(thing)}"
    gathered.say(Is(node, Kind.RESOURCE), thing.file, thing.line)
    for host in hosts:
        if name := text(host).lower().rstrip("."):
            gathered.say(Is(name, Kind.NAME), thing.file, thing.line)
            gathered.say(Needs(name, all_of(node)), thing.file, host.line if host else thing.line)
    for service, namespace, line in services:
        host_name = f"{service}.{namespace or 'default'}.svc"
        gathered.say(Needs(node, all_of(cluster.node_of_host(host_name, thing, thing.file, line))), thing.file, line)
    return node


def _tell_class(node: str, cause: str, thing: Thing, gathered: Gathered) -> None:
    """Tell that `node` goes down with the controller of its class; without the name of one nothing is known."""
    if not cause.endswith(":"):
        gathered.say(Shares(node, cause), thing.file, thing.line)


def _namespace_in(reference: YamlNode, thing: Thing) -> str:
    said = text(at(reference, "namespace")) or thing.namespace
    return "" if said == "default" else said
