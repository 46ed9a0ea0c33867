"""Services: the workloads that they select, the name of elsewhere that they stand for, or addresses that are listed."""

from standfast.depmap.graph import Kind, all_of, any_of
from standfast.depmap.readers.fields import at, text, texts
from standfast.depmap.readers.gathering import Gathered
from standfast.depmap.readers.hosts import host_in
from standfast.depmap.readers.kubernetes.cluster import Cluster, node_of
from standfast.depmap.readers.kubernetes.manifests import Thing
from standfast.depmap.statements import Is


def tell_service(thing: Thing, cluster: Cluster, gathered: Gathered) -> bool:
    """Tell what stands behind the service `thing`; False where it is none."""
    if (thing.group, thing.kind) != ("", "Service"):
        return False
    node, file, line = node_of(thing), thing.file, thing.line
    gathered.say(Is(node, Kind.SERVICE), file, line)
    selector = texts(at(thing.body, "spec", "selector"))
    if text(at(thing.body, "spec", "type")) == "ExternalName":
        if host := host_in(text(at(thing.body, "spec", "externalName"))):
            gathered.needs(node, all_of(cluster.node_of_host(host, thing, file, line), role="alias"), file, line)
    elif selector:
        workloads = cluster.selected(thing.namespace, selector)
        gathered.needs(node, any_of(*workloads, role="workload"), file, line)
        if not workloads:
            gathered.remark(f'no workload of these manifests is selected by the service "{node}"', file, line)
        elif node not in workloads and cluster.has_workload(thing):
            said = f'the service "{node}" does not select the workload of its name: they are one node all the same'
            gathered.remark(said, file, line)
    else:
        gathered.needs(node, any_of(*cluster.endpoints(thing), role="address"), file, line)
    return True
