"""Which resource another one means: by its ID, its ARN, its host name, or its address in Terraform."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from standfast.depmap.readers.terraform.state import Resource
from standfast.depmap.readers.terraform.types import (
    ALTERNATIVES,
    IGNORED,
    REACHED_BY,
    REACHED_BY_OF,
    REACHED_IN,
    WANTED,
)
from standfast.depmap.readers.terraform.values import host_in, items, texts
from standfast.depmap.statements import Witness

TEXT_CHARACTERS_MAX: Final = 65_536  # of an attribute that is searched for the names of others
ARN_STEPS_MAX: Final = 3  # from what lies in a resource (an index of a table, all of a bucket) up to it

_TOKEN: Final = re.compile(r"arn:[^\s\"'`,;{}\[\]()<>]+|[A-Za-z0-9_/.-]+")
_IS_ARN: Final = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:\d*:.+")
_STANDS_OUT: Final = re.compile(r"(?=.*\d)(?=.*[-/:]).{8,}")  # subnet-86cffacb, /subscriptions/..., and not "main"
_STRANGER: Final = re.compile(r"(i|subnet)-[0-9a-f]{8,17}")
_STRANGERS: Final = {"i": "aws_instance", "subnet": "aws_subnet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A resource that is in the map: as the node `node`, by the word of `by`.

    `is_alias`: what the node needs is told elsewhere: it is a name or a zone of the DNS, or a resource looked up here
    that is made there.
    """

    resource: Resource
    node: str
    by: Witness
    is_alias: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """An attribute of a resource, by the names of it and of the blocks that it lies in, that names the node `node`.

    `stranger` is the type of a resource that the state does not have; `node` is its ID then. Else it is empty.
    """

    path: tuple[str, ...]
    node: str
    stranger: str = ""


class Index:
    """What resources are known by. What could be two of them is none."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._known: dict[str, str | None] = {}
        self._configs: dict[tuple[str, str], list[Item]] = {}
        self._configs_of: dict[str, set[str]] = {}
        self._hosts: dict[str, dict[str, Item]] = {}
        for item in items:
            self._configs.setdefault((item.by.where, item.resource.config), []).append(item)
            self._configs_of.setdefault(item.node, set()).add(item.resource.config)
            for key in keys_of(item.resource):
                if self._known.setdefault(key, item.node) != item.node:
                    self._known[key] = None
            if not item.is_alias:
                for host in hosts_of(item.resource):
                    self._hosts.setdefault(host, {})[item.node] = item

    @property
    def hosts(self) -> Mapping[str, Mapping[str, Item]]:
        """The nodes of resources, with these, that are behind host names and addresses."""
        return self._hosts

    def nodes(self, value: Any) -> list[str]:
        """Return the nodes of the resources that the attribute `value` names, with nothing else in it."""
        found = (self._known.get(text) for text in texts(value))
        return list(dict.fromkeys(node for node in found if node))

    def of_config(self, file: str, config: str) -> list[Item]:
        """Return the instances of the resource at the address `config` of the state in `file`."""
        return self._configs.get((file, config), [])

    def configs(self, node: str) -> set[str]:
        """Return the addresses of the resources that `node` is, or that are behind it if it is a host."""
        behind = self._hosts.get(node, {})
        return self._configs_of.get(node, set()).union(*(self._configs_of[each] for each in behind))

    def mentions(self, resource: Resource) -> Iterator[Mention]:
        """Yield every resource and host that an attribute of `resource` names.

        Those that the state does not have are told only where they stand in for others, so that these are not taken to
        stand alone.
        """
        for path, text in _with_paths(resource.values):
            if not IGNORED.isdisjoint(path) or len(text) > TEXT_CHARACTERS_MAX:
                continue
            exactly = self.nodes(text) if not WANTED.isdisjoint(path) else []  # a bucket for logs has any name
            nodes = exactly or list(dict.fromkeys(self._in_text(text)))
            yield from (Mention(path=path, node=node) for node in nodes)
            if not nodes and not ALTERNATIVES.isdisjoint(path) and (found := _STRANGER.fullmatch(text)):
                yield Mention(path=path, node=text, stranger=_STRANGERS[found[1]])

    def _in_text(self, text: str) -> Iterator[str]:
        if _STANDS_OUT.fullmatch(text) and (node := self._known.get(text)):
            yield node
            return
        for token in _TOKEN.findall(text):
            if _IS_ARN.fullmatch(token):
                yield from self._by_arn(token)
            elif _STANDS_OUT.fullmatch(token) and (node := self._known.get(token)):
                yield node
            elif "." in token and (host := host_in(token)) in self._hosts:
                yield host

    def _by_arn(self, arn: str) -> Iterator[str]:
        for _ in range(ARN_STEPS_MAX):
            if node := self._known.get(arn):
                yield node
                return
            arn = arn.rstrip("*").rstrip("/:").rpartition("/")[0] if "/" in arn else arn.rpartition(":")[0]


def keys_of(resource: Resource) -> Iterator[str]:
    """Yield what others call `resource`: its ID, its ARN, its link."""
    for name in ("id", "arn", "self_link"):
        if isinstance(said := resource.values.get(name), str) and said:
            yield said


def hosts_of(resource: Resource) -> Iterator[str]:
    """Yield the domain names and addresses that `resource` is reached by."""
    names = REACHED_BY_OF.get(resource.type, REACHED_BY)
    for block in _blocks(resource.values):
        for name, value in block.items():
            if name in names:
                yield from filter(None, map(host_in, texts(value)))


def _blocks(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield values
    for name in REACHED_IN:
        for block in items(values.get(name)):
            yield from _blocks(block)


def _with_paths(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    todo: list[tuple[tuple[str, ...], Any]] = [((name,), value) for name, value in reversed(list(values.items()))]
    while todo:
        path, value = todo.pop()
        match value:
            case str(text):
                yield path, text
            case list(many):
                todo += [(path, each) for each in reversed(many)]
            case dict(named):
                todo += [((*path, name), each) for name, each in reversed(list(named.items()))]
            case _:
                pass
