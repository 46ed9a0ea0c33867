"""Kubernetes manifests: workloads and what their settings name, services and what they select, routes to them.

A service and the workload of its name, in its namespace, are one node. Nothing of a Secret is ever read.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from standfast.depmap.readers.gathering import Gathered
from standfast.depmap.readers.kubernetes.cluster import Cluster
from standfast.depmap.readers.kubernetes.manifests import Manifests, Thing, parse, suits
from standfast.depmap.readers.kubernetes.routes import tell_route
from standfast.depmap.readers.kubernetes.services import tell_service
from standfast.depmap.readers.kubernetes.workloads import tell_workload
from standfast.depmap.statements import Reading

NAME: Final = "kubernetes"

__all__ = ["NAME", "parse", "suits", "tell"]

# Of each, told apart by group and kind, nothing hangs on what it says; or it is read where another names it.
_SAYS_NOTHING: Final = frozenset(
    "ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim ResourceQuota"
    " ServiceAccount".split()
)
_GROUPS_THAT_SAY_NOTHING: Final = frozenset(
    "apiextensions.k8s.io autoscaling coordination.k8s.io discovery.k8s.io events.k8s.io flowcontrol.apiserver.k8s.io"
    " kustomize.config.k8s.io metrics.k8s.io node.k8s.io policy rbac.authorization.k8s.io scheduling.k8s.io"
    " storage.k8s.io".split()
)
_KINDS_LISTED_MAX: Final = 10  # in the remark on what was not read


def tell(files: Sequence[Manifests]) -> Reading:
    """Return what all of `files`, manifests of one cluster, tell together."""
    gathered = Gathered(NAME)
    cluster = Cluster([thing for file in files for thing in file.things])
    left_out: Counter[str] = Counter()
    for file in files:
        for text, line in file.remarks:
            gathered.remark(text, file.file, line)
        for thing in file.things:
            if not (_tell(thing, cluster, gathered) or _says_nothing(thing)):
                left_out[f"{thing.kind} of {thing.group or 'v1'}"] += 1
    for name, (user, file_name, line) in cluster.missing.items():
        gathered.remark(
            f'"{user}" names the service "{name}", which none of these manifests describes', file_name, line
        )
    if left_out:
        kinds = ", ".join(f"{number} {kind}" for kind, number in left_out.most_common(_KINDS_LISTED_MAX))
        more = " and others" if len(left_out) > _KINDS_LISTED_MAX else ""
        gathered.remark(f"what these say of needs is not read: {kinds}{more}", files[0].file)
    return gathered.reading()


def _tell(thing: Thing, cluster: Cluster, gathered: Gathered) -> bool:
    """Tell what `thing` says; False where it is of a kind that is not known."""
    return (
        tell_workload(thing, cluster, gathered)
        or tell_service(thing, cluster, gathered)
        or tell_route(thing, cluster, gathered)
    )


def _says_nothing(thing: Thing) -> bool:
    return thing.group in _GROUPS_THAT_SAY_NOTHING or (thing.group == "" and thing.kind in _SAYS_NOTHING)
