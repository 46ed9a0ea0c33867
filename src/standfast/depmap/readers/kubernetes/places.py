"""In which zones and regions the pods of a workload may run, and whether they are spread over them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from standfast.depmap.readers.fields import at, items, text, texts
from standfast.depmap.readers.kubernetes.manifests import Thing
from standfast.yaml_nodes import YamlNode

# Labels of nodes that say where they are, the second of each as it was called before Kubernetes 1.17.
_ZONES: Final = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_REGIONS: Final = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")

# Whose a zone is, by its name, with its region: us-east-1a and us-west-2-lax-1a, us-central1-a, westeurope-1.
_CLOUDS: Final = (
    ("aws", re.compile(r"([a-z]{2}(?:-[a-z]+)+?-\d+)(?:-[a-z]+-\d+)?[a-z]")),
    ("google", re.compile(r"([a-z]+-[a-z]+\d+)-[a-z]")),
    ("azure", re.compile(r"([a-z]+\d?)-\d")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What all pods share, and, where they are spread over zones, the causes of each: `number` of those must work."""

    shared: tuple[str, ...] = ()
    apart: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    number: int = 0


def places_of(thing: Thing, pod: YamlNode | None) -> Places:
    """Return where the pods of `thing` may run by its own word; nothing where it does not say."""
    zones = _allowed(pod, _ZONES)
    if not zones:
        regions = _allowed(pod, _REGIONS)
        return Places(shared=_region_by_name(regions[0]) if len(regions) == 1 else ())
    causes = {zone: causes_of_zone(zone) for zone in zones}
    if len(zones) == 1:
        return Places(shared=causes[zones[0]])
    replicas = text(at(thing.body, "spec", "replicas"))
    copies = len(zones) if thing.kind == "DaemonSet" else int(replicas) if replicas[:6].isdecimal() else 1
    if copies > 1 and (thing.kind == "DaemonSet" or _is_spread(pod)):
        # With fewer copies than zones, which zones have one is not known: as many may be lost as copies less one.
        return Places(apart=causes, number=max(1, len(zones) - copies + 1))
    regions_shared = set.intersection(*(set(each[1:]) for each in causes.values()))
    return Places(shared=tuple(sorted(regions_shared)))


def causes_of_zone(zone: str) -> tuple[str, ...]:
    """Return the causes that whatever is in `zone` shares: the zone itself first, and its region if that is known."""
    for provider, pattern in _CLOUDS:
        if found := pattern.fullmatch(zone):
            return f"az:{provider}/{zone}", f"region:{provider}/{found[1]}"
    return (f"az:kubernetes/{zone}",)


def _region_by_name(region: str) -> tuple[str, ...]:
    return next(
        (causes_of_zone(f"{region}{end}")[1:] for end in ("a", "-a") if causes_of_zone(f"{region}{end}")[1:]), ()
    )


def _allowed(pod: YamlNode | None, labels: tuple[str, str]) -> list[str]:
    """Return the values of `labels` that a node for `pod` may have; [] for any."""
    selector = texts(at(pod, "nodeSelector"))
    chosen = [selector[label] for label in labels if label in selector]
    required = at(pod, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms = [_values(term, labels) for term in items(at(required, "nodeSelectorTerms"))]
    if chosen or not terms or not all(terms):  # any term will do, so one that says nothing of labels allows all
        return chosen[:1]
    return list(dict.fromkeys(value for values in terms for value in values))


def _values(term: YamlNode, labels: tuple[str, str]) -> list[str]:
    return [
        text(value)
        for expression in items(at(term, "matchExpressions"))
        if text(at(expression, "key")) in labels and text(at(expression, "operator")) == "In"
        for value in items(at(expression, "values"))
    ]


def _is_spread(pod: YamlNode | None) -> bool:
    """Say whether no zone may have all pods, for certain: what is only preferred is no promise."""
    constraints = [
        each
        for each in items(at(pod, "topologySpreadConstraints"))
        if text(at(each, "whenUnsatisfiable")) in ("", "DoNotSchedule")
    ]
    apart = items(at(pod, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"))
    return any(text(at(each, "topologyKey")) in _ZONES for each in [*constraints, *apart])
