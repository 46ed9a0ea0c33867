"""Compose files: what services depend on, are linked to and are set to. Files of one run may extend each other.

What a service is only started after is hard, except where it has done its work by then, or Compose does without.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind, all_of, any_of
from standfast.depmap.readers.fields import at, fields, items, text, without_values
from standfast.depmap.readers.gathering import Gathered
from standfast.depmap.readers.hosts import argument_settings, hosts_named, in_namespace
from standfast.depmap.statements import Is, Reading
from standfast.yaml_nodes import MappingNode, NotYaml, ScalarNode, YamlNode, compose

NAME: Final = "compose"
EXTENDS_MAX: Final = 16  # services that extend each other in a row; more is a circle
NESTED_MAX: Final = 8  # variables in the defaults of variables

# A table of services: other tools have lists that are called so.
_HEAD: Final = re.compile(
    rb"^services:[ \t]*(?:\{|(?:#[^\n]*)?\r?\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]+[^\s#-])", re.MULTILINE
)
_OTHERS: Final = re.compile(rb"^(?:apiVersion|nodes|resources):", re.MULTILINE)
_JSON_HEAD: Final = re.compile(rb'\s*\{\s*"(?:name"\s*:\s*"[^"]*"\s*,.*"services|services)"\s*:\s*\{', re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\{\w+(?::?([-+?])([^${}]*))?\}")
_BARE_VARIABLE: Final = re.compile(r"\$\w+")
_DOLLAR: Final = "\0"  # what stands for a dollar that begins no variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The services of `file`, by their names, and the project that the file says that they are of, or ""."""

    file: str
    project: str
    services: Mapping[str, YamlNode]
    includes: tuple[YamlNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A service, of itself first and then of what it extends: each layer with its file."""

    name: str
    node: str
    project: str
    layers: tuple[tuple[str, YamlNode], ...]

    def all(self, *path: str) -> Iterator[tuple[str, YamlNode]]:
        """Yield what stands behind the keys `path` in each layer that has it, with its file."""
        for file, layer in self.layers:
            if (found := at(layer, *path)) is not None:
                yield file, found

    def first(self, key: str) -> tuple[str, YamlNode] | tuple[str, None]:
        """Return what the uppermost layer with `key` says, with its file."""
        return next(self.all(key), (self.layers[0][0], None))


def suits(head: bytes, file: str) -> bool:  # noqa: ARG001  what is in it says more than its name
    """Say whether a file that begins with `head` is a compose file."""
    return _JSON_HEAD.match(head) is not None or (_HEAD.search(head) is not None and not _OTHERS.search(head))


def parse(octets: bytes, *, file: str) -> Composed:
    """Return the services of the compose file `octets`.

    Raises:
        ModelError: it is no YAML, or has no services.
    """
    try:
        root = compose(octets)
    except NotYaml as error:
        raise ModelError(without_values(error.reason), file=file, line=error.line or 0) from None
    services = at(root, "services")
    if not isinstance(services, MappingNode):
        raise ModelError("there are no services in it", file=file)
    return Composed(
        file=file,
        project=_interpolated(text(at(root, "name"))),
        services=fields(services),
        includes=tuple(items(at(root, "include"))),
    )


def tell(files: Sequence[Composed]) -> Reading:
    """Return what all of `files` tell together."""
    gathered = Gathered(NAME)
    by_file = {file.file: file for file in files}
    services = [
        _Service(
            name=name,
            node=in_namespace(name, file.project),
            project=file.project,
            layers=tuple(_layers(name, file, by_file, gathered)),
        )
        for file in files
        for name in file.services
    ]
    directory = _Directory(services)
    for service in services:
        _tell_service(service, directory, gathered)
    for file in files:
        for include in file.includes:
            for path in [include, *items(at(include, "path")), at(include, "path")]:
                if text(path) and _beside(file.file, text(path)) not in by_file:
                    gathered.remark(f"what it includes is not among the files: {text(path)}", file.file, include.line)
    return gathered.reading()


def _layers(
    name: str, file: Composed, by_file: Mapping[str, Composed], gathered: Gathered
) -> Iterator[tuple[str, YamlNode]]:
    for _ in range(EXTENDS_MAX):
        body = file.services[name]
        yield file.file, body
        extends = at(body, "extends")
        if extends is None:
            return
        base, path = text(at(extends, "service")) or text(extends), text(at(extends, "file"))
        other = by_file.get(_beside(file.file, path)) if path else file
        if other is None or base not in other.services:
            where = f" of {path}" if path else ""
            gathered.remark(f'what "{name}" extends is not there: "{base}"{where}', file.file, extends.line)
            return
        name, file = base, other
    gathered.remark(f'"{name}" is extended by more than {EXTENDS_MAX} in a row, or by itself', file.file, 0)


def _beside(file: str, path: str) -> str:
    """Return `path` as seen from the folder of `file`."""
    steps: list[str] = [] if path.startswith("/") else file.split("/")[:-1]
    for step in path.split("/"):
        if step == ".." and steps and steps[-1] != "..":
            steps.pop()
        elif step != ".":
            steps.append(step)
    return "/".join(steps)


class _Directory:
    """Which service a host name is, in each project, and which networks it is in."""

    def __init__(self, services: Sequence[_Service]) -> None:
        self._nodes: dict[tuple[str, str], str] = {}  # by project and name
        self.networks: dict[str, set[str]] = {}
        for service in services:
            key = service.project
            self.networks.setdefault(service.node, set()).update(_networks(service))
            self._nodes[key, service.name] = service.node
            for _, said in [*service.all("container_name"), *service.all("hostname")]:
                self._nodes.setdefault((key, _interpolated(text(said)).lower()), service.node)
            for _, networks in service.all("networks"):
                for network in fields(networks).values():
                    for alias in items(at(network, "aliases")):
                        self._nodes.setdefault((key, text(alias).lower()), service.node)

    def service(self, project: str, name: str) -> str | None:
        """Return the node of what is called `name` within `project`."""
        return self._nodes.get((project, name))


def _networks(service: _Service) -> set[str]:
    """Return the networks of `service`; none where it uses another's."""
    if service.first("network_mode")[1] is not None:
        return set()
    names = {
        name for _, said in service.all("networks") for name in [*fields(said), *(text(each) for each in items(said))]
    }
    return names or {"default"}


def _tell_service(service: _Service, directory: _Directory, gathered: Gathered) -> None:
    file, own = service.layers[0]
    gathered.say(Is(service.node, Kind.SERVICE), file, own.line)
    if profiles := ", ".join(_texts(service, "profiles")):
        gathered.remark(f'"{service.node}" runs only where a profile asks for it: {profiles}', file, own.line)
    if "0" in (text(service.first("scale")[1]), text(at(service.first("deploy")[1], "replicas"))):
        gathered.remark(f'"{service.node}" has no replicas: none of it runs', file, own.line)
    if any(True for _ in service.all("env_file")):
        gathered.remark(f'"{service.node}" is set up by an env_file, which is not read', file, own.line)
    for name, soft, where, line in _named(service):
        node = directory.service(service.project, name) or in_namespace(name, service.project)
        gathered.needs(service.node, all_of(node, soft=soft), where, line)
    aliases = dict(_links(service, directory, gathered))
    for _, said in service.all("extra_hosts"):
        aliases |= {name.strip(): address.strip("[] ") for name, address in _pairs(said, "=", ":")}
    for variable, value, where, line in _settings(service):
        _tell_setting(service, (variable, value), aliases, directory, gathered, where, line)


def _tell_setting(
    service: _Service,
    setting: tuple[str, str],
    aliases: Mapping[str, str],
    directory: _Directory,
    gathered: Gathered,
    file: str,
    line: int,
) -> None:
    parts: dict[str, None] = {}
    for host in hosts_named(*setting):
        host_meant = aliases.get(host, host)
        node = directory.service(service.project, host_meant)
        parts[node or host_meant] = None
        if node is None and "." not in host_meant and ":" not in host_meant:
            said = f'"{service.node}" names the host "{host_meant}", which is none of these services'
            gathered.remark(said, file, line)
        elif node is not None and host not in aliases and _are_apart(service.node, node, directory):
            gathered.remark(f'"{service.node}" names "{node}", and shares no network with it', file, line)
    gathered.needs(service.node, any_of(*parts), file, line)


def _are_apart(one: str, other: str, directory: _Directory) -> bool:
    ours, theirs = directory.networks[one], directory.networks[other]
    return bool(ours) and bool(theirs) and ours.isdisjoint(theirs)


def _named(service: _Service) -> Iterator[tuple[str, bool, str, int]]:
    """Yield the services of its project that `service` names, whether softly, and where."""
    for file, said in service.all("depends_on"):
        for each in items(said):
            yield text(each), False, file, each.line
        for name, how in fields(said).items():
            is_done = text(at(how, "condition")) == "service_completed_successfully"
            yield name, is_done or text(at(how, "required")) == "false", file, how.line
    for key in ("network_mode", "pid", "ipc"):
        file, said_of = service.first(key)
        kind, _, name = text(said_of).partition(":")
        if kind == "service" and said_of is not None:
            yield name, False, file, said_of.line
    for file, said in service.all("volumes_from"):
        for each in items(said):
            name = text(each).partition(":")[0]
            if name != "container":
                yield name, False, file, each.line


def _links(service: _Service, directory: _Directory, gathered: Gathered) -> Iterator[tuple[str, str]]:
    """Tell what `service` is linked to, and yield each alias with what it stands for."""
    for key in ("links", "external_links"):
        for file, said in service.all(key):
            for each in items(said):
                name, _, alias = text(each).partition(":")
                node = directory.service(service.project, name) or name
                gathered.needs(service.node, all_of(node), file, each.line)
                yield alias or name, name


def _settings(service: _Service) -> Iterator[tuple[str, str, str, int]]:
    """Yield variables and arguments with their values, and where they stand. The uppermost layer of each counts."""
    seen: set[str] = set()
    for file, said in service.all("environment"):
        for name, value in fields(said).items():
            if name not in seen:
                seen.add(name)
                yield name, _interpolated(text(value)), file, value.line
        for each in items(said):
            name, _, listed = text(each).partition("=")
            if name not in seen:
                seen.add(name)
                yield name, _interpolated(listed), file, each.line
    for key in ("entrypoint", "command"):
        file, arguments = service.first(key)
        words = items(arguments) or [
            ScalarNode(word, False, arguments.line) for word in text(arguments).split() if arguments is not None
        ]
        for option, argument, line in argument_settings((_interpolated(text(each)), each.line) for each in words):
            yield option, argument, file, line


def _pairs(node: YamlNode, *separators: str) -> Iterator[tuple[str, str]]:
    """Yield a table's keys and values, or a list's items, split at the first of `separators` that they have."""
    for name, value in fields(node).items():
        yield name, text(value)
    for each in items(node):
        separator = next((one for one in separators if one in text(each)), separators[0])
        name, _, listed = text(each).partition(separator)
        yield name, listed


def _texts(service: _Service, key: str) -> list[str]:
    return [text(each) for _, said in service.all(key) for each in items(said)]


def _interpolated(value: str) -> str:
    """Return `value` with its variables as they are where none is set: their defaults, or nothing."""
    value = value.replace("$$", _DOLLAR)
    for _ in range(NESTED_MAX):
        value, replaced = _VARIABLE.subn(lambda found: found[2] if found[1] == "-" else "", value)
        if not replaced:
            break
    return _BARE_VARIABLE.sub("", value).replace(_DOLLAR, "$")
