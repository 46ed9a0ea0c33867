"""Terraform's state files, formats 3 and 4, as resources: what is read of them and, above all, what is not.

The formats are those of Terraform's `internal/states/statefile`. State has secrets in it. Outputs and private data are
never looked at; attributes that are marked as sensitive are dropped here; and whoever reads the others takes only what
has the form of a host name, an address, a zone or a region, or is equal to what another resource is known by.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from standfast.depmap.errors import ModelError
from standfast.depmap.statements import Remark, Witness

KEY_CHARACTERS_MAX: Final = 256  # of the key of a resource with `for_each`; such a key is a part of a node's name
FLAT_DEPTH_MAX: Final = 16  # of an attribute in format 3; providers nest half as deep

_LABEL: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
_KEY: Final = r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]'
_MODULE: Final = re.compile(rf"module\.{_LABEL}(?:{_KEY})?(?:\.module\.{_LABEL}(?:{_KEY})?)*")
_NO_TYPES: Final = r"(?!(?:each|local|module|output|path|provider|self|var)\.)"
_ADDRESS: Final = re.compile(rf"(?:module\.{_LABEL}\.)*(?:data\.)?{_NO_TYPES}{_LABEL}\.{_LABEL}")
_IN_FORMAT_3: Final = re.compile(rf"((?:data\.)?)({_LABEL})\.({_LABEL})(?:\.(\d+))?")
_ANY_KEY: Final = re.compile(_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One instance of a resource.

    `address` is Terraform's own (`module.web[0].aws_lb.front["a"]`), `config` the same without keys, and `keys` are
    those. `depends` are the configs of those that had to be there before it. `values` are its attributes.
    """

    address: str
    config: str
    keys: tuple[str, ...]
    type: str
    is_data: bool
    values: Mapping[str, Any]
    depends: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a state file has in it. Files of one `lineage` are the same state, which `serial` counts the changes of."""

    lineage: str
    serial: int
    resources: tuple[Resource, ...]
    remarks: tuple[Remark, ...]


def read_state(octets: bytes, *, by: Witness) -> State:
    """Return the resources of the state file `octets`; `by` says which it is.

    Raises:
        ModelError: it is no state file, or of a format that this does not know.
    """
    try:
        said = json.loads(octets)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        raise ModelError("is no JSON", file=by.where, line=line) from None  # `from error` would quote the file
    if not isinstance(said, dict):
        raise ModelError("is no state of Terraform", file=by.where)
    if "encrypted_data" in said:
        raise ModelError("is encrypted; give what `tofu state pull` prints", file=by.where)
    if "format_version" in said:
        raise ModelError("is made by `terraform show`; give what `terraform state pull` prints", file=by.where)
    match said.get("version"):
        case 4:
            return _Collector(by).version_4(said)
        case 3:
            return _Collector(by).version_3(said)
        case 1 | 2 as old:
            raise ModelError(f"is of format {old}; `terraform refresh` of 0.11 or later writes it anew", file=by.where)
        case _:
            raise ModelError("is no state of Terraform in format 3 or 4", file=by.where)


class _Collector:
    def __init__(self, by: Witness) -> None:
        self._by = by
        self._found: list[Resource] = []
        self._odd = 0

    def version_4(self, said: dict[str, Any]) -> State:
        for resource in _list(said.get("resources")):
            module = resource.get("module") or "" if isinstance(resource, dict) else None
            if not isinstance(module, str) or (module and not _MODULE.fullmatch(module)):
                self._odd += 1
                continue
            prefix = f"{module}." if module else ""
            match resource:
                case {"mode": "managed" | "data" as mode, "type": str(type_), "name": str(name)}:
                    path = f"{'data.' if mode == 'data' else ''}{type_}.{name}"
                case _:
                    path = ""
            if not _ADDRESS.fullmatch(path):
                self._odd += 1
                continue
            for instance in _list(resource.get("instances")):
                self._instance_4(prefix, path, instance)
        return self._done(said)

    def _instance_4(self, prefix: str, path: str, instance: Any) -> None:
        if not isinstance(instance, dict):
            self._odd += 1
            return
        if instance.get("deposed"):  # it waits to be destroyed, and another has its place
            return
        values, flat = instance.get("attributes"), instance.get("attributes_flat")
        if isinstance(flat, dict):
            values = _nested(flat)
        hidden = _sensitive(instance.get("sensitive_attributes"))
        if not isinstance(values, dict) or hidden is None:
            self._odd += 1
            return
        index = instance.get("index_key")
        key = "" if index is None else f"[{json.dumps(index)}]" if isinstance(index, int | str) else None
        if key is None or len(key) > KEY_CHARACTERS_MAX:
            self._odd += 1
            return
        depends = [*_list(instance.get("dependencies"))]
        within = _without_keys(prefix)
        depends += [f"{within}{each}" for each in _list(instance.get("depends_on")) if isinstance(each, str)]
        shown = {name: value for name, value in values.items() if name not in hidden}
        self._take(prefix, path, key, shown, [_without_keys(each) for each in depends if isinstance(each, str)])

    def version_3(self, said: dict[str, Any]) -> State:
        for module in _list(said.get("modules")):
            path = module.get("path") if isinstance(module, dict) else None
            resources = module.get("resources") if path else None
            if not isinstance(path, list) or not isinstance(resources, dict):
                self._odd += 1
                continue
            prefix = "".join(f"module.{name}." for name in path[1:])
            if prefix and not _MODULE.fullmatch(prefix.rstrip(".")):
                self._odd += 1
                continue
            for address, resource in resources.items():
                self._resource_3(prefix, address, resource)
        return self._done(said)

    def _resource_3(self, prefix: str, address: str, resource: Any) -> None:
        primary = resource.get("primary", {}) if isinstance(resource, dict) else {}
        if primary is None:  # only deposed ones are left of it
            return
        flat = primary.get("attributes") if isinstance(primary, dict) else None
        found = _IN_FORMAT_3.fullmatch(address)
        if not found or not isinstance(flat, dict):
            self._odd += 1
            return
        data, type_, name, number = found.groups()
        depends = [
            f"{prefix}{other[1]}{other[2]}.{other[3]}"
            for each in _list(resource.get("depends_on"))
            if isinstance(each, str) and (other := _IN_FORMAT_3.fullmatch(each.removesuffix(".*")))
        ]
        values = _nested({"id": primary.get("id", "")} | flat)
        self._take(prefix, f"{data}{type_}.{name}", f"[{number}]" if number else "", values, depends)

    def _take(self, prefix: str, path: str, key: str, values: Mapping[str, Any], depends: list[str]) -> None:
        self._found.append(
            Resource(
                address=f"{prefix}{path}{key}",
                config=f"{_without_keys(prefix)}{path}",
                keys=(*_ANY_KEY.findall(prefix), *([key] if key else [])),
                type=path.removeprefix("data.").partition(".")[0],
                is_data=path.startswith("data."),
                values=values,
                depends=tuple(dict.fromkeys(each for each in depends if _ADDRESS.fullmatch(each))),
            )
        )

    def _done(self, said: dict[str, Any]) -> State:
        lineage, serial = said.get("lineage"), said.get("serial")
        remarks = []
        if self._odd:
            text = f"{self._odd} resources are not as Terraform writes them: left out"
            remarks.append(Remark(text=text, by=self._by))
        return State(
            lineage=lineage if isinstance(lineage, str) else "",
            serial=serial if isinstance(serial, int) else 0,
            resources=tuple(self._found),
            remarks=tuple(remarks),
        )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _without_keys(address: str) -> str:
    return _ANY_KEY.sub("", address)


def _sensitive(paths: Any) -> frozenset[str] | None:
    """Return the attributes that `paths` lead into; None where that cannot be told, and all may be secret."""
    found = set()
    for path in _list(paths):
        match path:
            case [{"type": "get_attr", "value": str(name)}, *_]:
                found.add(name)
            case _:
                return None
    return frozenset(found)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as format 4 has them, of those of format 3: `subnets.#`, `subnets.83`, `tags.%`, `tags.a`."""
    root: dict[str, Any] = {}
    lists = set()
    for name, value in flat.items():
        *above, last = name.split(".")
        if len(above) >= FLAT_DEPTH_MAX:
            continue
        if last == "#":
            lists.add(tuple(above))
        if last in ("#", "%"):
            _put(root, above, {})
        else:
            _put(root, [*above, last], value)
    return {name: _listed(value, (name,), lists) for name, value in root.items()}


def _put(root: dict[str, Any], path: list[str], value: Any) -> None:
    here = root
    for step in path[:-1]:
        below = here.setdefault(step, {})
        if not isinstance(below, dict):
            return
        here = below
    if path:
        here.setdefault(path[-1], value)


def _listed(value: Any, path: tuple[str, ...], lists: set[tuple[str, ...]]) -> Any:
    if not isinstance(value, dict):
        return value
    below = {name: _listed(each, (*path, name), lists) for name, each in value.items()}
    return list(below.values()) if path in lists else below
