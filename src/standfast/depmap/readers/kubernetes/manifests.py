"""Manifests as the things that they describe: documents of YAML or JSON, lists of them, what Kustomize makes of texts.

Secrets are left out here already, so that what they hold is in nothing that is made of a file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.readers.fields import at, fields, items, text, without_values
from standfast.yaml_nodes import MappingNode, NotYaml, ScalarNode, YamlNode, compose_all

THINGS_MAX: Final = 200_000  # of one file; the largest clusters have about as many that matter

_KUSTOMIZATION: Final = "kustomize.config.k8s.io"
_KUSTOMIZATION_FILES: Final = ("kustomization.yaml", "kustomization.yml", "kustomization")
# What Kustomize does to what it lists, and reading its list alone does not.
_KUSTOMIZED: Final = (
    "namespace namePrefix nameSuffix patches patchesStrategicMerge patchesJson6902 replacements components replicas"
    " helmCharts transformers vars".split()
)
_YAML_HEAD: Final = re.compile(rb"^(?:apiVersion|kind):[ \t]", re.MULTILINE)
_JSON_HEAD: Final = re.compile(rb'\s*\{\s*"(?:apiVersion|kind)"\s*:')
_TEMPLATE: Final = "{{"
_UNRENDERED: Final = 'a template of Helm, which says nothing before it is rendered: read what "helm template" prints'


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object of Kubernetes. `group` is that of its API, "" for the core's; `namespace` "" for the default one."""

    kind: str
    group: str
    name: str
    namespace: str
    body: YamlNode
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What is in `file`. `remarks` come with the line that each is of."""

    file: str
    things: tuple[Thing, ...]
    remarks: tuple[tuple[str, int], ...]


def suits(head: bytes, file: str) -> bool:
    """Say whether a file that begins with `head` holds manifests."""
    if file.rpartition("/")[2].lower() in _KUSTOMIZATION_FILES or _JSON_HEAD.match(head):
        return True
    return len({found[:4] for found in _YAML_HEAD.findall(head)}) == 2


def parse(octets: bytes, *, file: str) -> Manifests:
    """Return the things that `octets` describe.

    Raises:
        ModelError: none of its documents can be read.
    """
    things: list[Thing] = []
    readable = 0
    remarks: dict[str, int] = {}  # each text with the line that it is said of first
    try:
        for document in compose_all(octets):
            if isinstance(document, NotYaml):
                remarks.setdefault(_in_words(document, octets), document.line or 0)
            elif _is_template(document):
                remarks.setdefault(_UNRENDERED, document.line)
            else:
                readable += 1
                things += _things(document, file)
                remarks |= {said: line for said, line in _kustomized(document) if said not in remarks}
            if len(things) > THINGS_MAX:
                remarks[f"there are more than {THINGS_MAX:,} objects in it: the rest is not read"] = 0
                break
    except NotYaml as error:
        raise ModelError("is no text in UTF-8", file=file, line=error.line or 0) from None
    if remarks and not readable:
        said, line = next(iter(remarks.items()))
        raise ModelError(said, file=file, line=line)
    return Manifests(file=file, things=tuple(things[:THINGS_MAX]), remarks=tuple(remarks.items()))


def _in_words(error: NotYaml, octets: bytes) -> str:
    return _UNRENDERED if _TEMPLATE.encode() in octets else without_values(error.reason)


def _is_template(document: YamlNode) -> bool:
    said = (fields(document).get("kind"), at(document, "metadata", "name"))
    return any(isinstance(each, MappingNode) or _TEMPLATE in text(each) for each in said)


def _things(document: YamlNode, file: str) -> Iterator[Thing]:
    todo = [(document, "", "")]
    seen: set[int] = set()  # a list may hold itself
    while todo:
        body, list_version, list_kind = todo.pop()
        if id(body) in seen:
            continue
        seen.add(id(body))
        version = text(at(body, "apiVersion")) or list_version
        kind = text(at(body, "kind")) or list_kind
        if kind.endswith("List") and "items" in fields(body):
            todo += [(each, version, kind.removesuffix("List")) for each in reversed(items(at(body, "items")))]
            continue
        group = version.rpartition("/")[0]
        if kind == "Secret" and not group:
            continue
        if kind == "Kustomization" or group == _KUSTOMIZATION or file.rpartition("/")[2] in _KUSTOMIZATION_FILES:
            yield from _generated(body, file)
        name = text(at(body, "metadata", "name")) or text(at(body, "metadata", "generateName")).rstrip("-")
        if kind and name:
            yield Thing(
                kind=kind,
                group=group,
                name=name,
                namespace=_namespace(text(at(body, "metadata", "namespace"))),
                body=body,
                file=file,
                line=body.line,
            )


def _generated(kustomization: YamlNode, file: str) -> Iterator[Thing]:
    """Yield the ConfigMaps that Kustomize makes of literals, by the names that their users say."""
    for generator in items(at(kustomization, "configMapGenerator")):
        data = [
            (ScalarNode(name, False, literal.line), ScalarNode(value, False, literal.line))
            for literal in items(at(generator, "literals"))
            for name, _, value in [text(literal).partition("=")]
        ]
        line = generator.line
        body = MappingNode([(ScalarNode("data", False, line), MappingNode(list(data), line))], line)
        namespace = text(at(generator, "namespace")) or text(at(kustomization, "namespace"))
        yield Thing(
            kind="ConfigMap",
            group="",
            name=text(at(generator, "name")),
            namespace=_namespace(namespace),
            body=body,
            file=file,
            line=line,
        )


def _namespace(said: str) -> str:
    return "" if said == "default" else said


def _kustomized(document: YamlNode) -> Iterator[tuple[str, int]]:
    """Yield what of a kustomization is not done."""
    if not text(at(document, "apiVersion")).startswith(_KUSTOMIZATION) or text(at(document, "kind")) == "Component":
        return
    said = fields(document)
    if undone := [key for key in _KUSTOMIZED if key in said]:
        yield f'{", ".join(undone)}: not done; read what "kubectl kustomize" prints instead', said[undone[0]].line
