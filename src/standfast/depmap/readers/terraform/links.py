"""Which resource of Terraform's hangs on which: by what its attributes name, by joints, and by its dependencies.

Dependencies are an order of making: they say that a thing was there before another, and of several instances not which.
They count where no attribute says more. And they can run against what serves whom: a service is made after the listener
in front of it. So where needs go round in a circle, those of them that are trusted least are let go.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from standfast.depmap.circles import circles
from standfast.depmap.graph import Need, all_of, any_of
from standfast.depmap.readers.terraform.index import Index, Item, Mention
from standfast.depmap.readers.terraform.settings import hosts_in_settings
from standfast.depmap.readers.terraform.state import Resource
from standfast.depmap.readers.terraform.types import ALTERNATIVES, JOINED, JOINTS, WANTED, WITHOUT_INFRASTRUCTURE
from standfast.depmap.readers.terraform.values import address_in, texts
from standfast.depmap.statements import Witness


class Trust(IntEnum):
    """Why a need is believed, the better reasons last."""

    MADE_BEFORE = 0
    NAMED = 1
    JOINED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The node `node` has `need`, by the word of `by`; `of_hosts`: of names and addresses, wherever these are."""

    node: str
    need: Need
    by: Witness
    trust: Trust
    of_hosts: bool = False


def links_of(items: Iterable[Item], joints: Iterable[tuple[Resource, Witness]], index: Index) -> list[Link]:
    """Return what each of `items` hangs on. `joints` are resources that say it of others, whether in `items` or not."""
    found = [*_behind_hosts(index), *_joined(joints, index)]
    for item in items:
        if not item.is_alias:
            found += _own(item, index)
    return _without_circles(found)


def is_joint(type_: str) -> bool:
    """Say whether resources of `type_` only join others, and are nothing that could be lost."""
    return type_.endswith(JOINTS)


def _own(item: Item, index: Index) -> Iterator[Link]:
    inverse = [joint.of for joint in JOINED if joint.type == item.resource.type and not joint.by]
    mentions = [mention for mention in index.mentions(item.resource) if mention.path[0] not in inverse]
    explained = {item.resource.config}.union(*(index.configs(mention.node) for mention in mentions))
    for name in inverse:
        explained.update(*(index.configs(node) for node in index.nodes(item.resource.values.get(name))))
    strangers = {mention.stranger for mention in mentions}
    settings = list(dict.fromkeys(hosts_in_settings(item.resource.values)))
    for need in settings:
        yield Link(node=item.node, need=need, by=item.by, trust=Trust.NAMED, of_hosts=True)
    asked = {host for need in settings for host in need.parts}
    for need in _named(item, index, [mention for mention in mentions if mention.node not in asked]):
        yield Link(node=item.node, need=need, by=item.by, trust=Trust.NAMED)
    for part in dict.fromkeys(_made_before(item, index, explained, strangers)):
        yield Link(node=item.node, need=all_of(part), by=item.by, trust=Trust.MADE_BEFORE)


def _named(item: Item, index: Index, mentions: Iterable[Mention]) -> Iterator[Need]:
    """Yield the needs of what `mentions` are of; those that mean the resource itself are none."""
    needed: dict[str, None] = {}
    wanted: dict[str, None] = {}
    alternatives: dict[str, dict[str, None]] = {}
    for mention in mentions:
        if mention.node == item.node or item.node in index.hosts.get(mention.node, ()):
            continue
        either = next((name for name in mention.path if name in ALTERNATIVES), None)
        of_kind = wanted if not WANTED.isdisjoint(mention.path) else needed
        (alternatives.setdefault(either, {}) if either else of_kind)[mention.node] = None
    yield from (any_of(*parts) for parts in alternatives.values())
    yield from (all_of(part) for part in needed)
    yield from (all_of(part, soft=True) for part in wanted if part not in needed)


def _made_before(item: Item, index: Index, explained: set[str], strangers: set[str]) -> Iterator[str]:
    """Yield the nodes that `item` depends on, and that no attribute explains nor any other dependency.

    `explained` are addresses of resources, `strangers` types of those that are not in the state.
    """
    file, resource = item.by.where, item.resource
    if resource.is_data:  # what is asked for late, and not what it hangs on
        return
    through = {
        config
        for dependency in resource.depends
        for other in index.of_config(file, dependency)[:1]
        for config in other.resource.depends
        if config != dependency != resource.config
    }
    for config in resource.depends:
        if config in explained or config in through:
            continue
        others = index.of_config(file, config)
        if not others and _is_thing(config) and _type_of(config) not in strangers:
            yield config
        same = [other for other in others if resource.keys and other.resource.keys == resource.keys]
        yield from (other.node for other in same or others)


def _is_thing(config: str) -> bool:
    """Say whether what is not in the state is something that can be lost."""
    type_ = _type_of(config)
    is_data = f".{config}".rpartition(f".{type_}.")[0].endswith(".data")
    return not is_data and not is_joint(type_) and type_.partition("_")[0] not in WITHOUT_INFRASTRUCTURE


def _type_of(config: str) -> str:
    return config.split(".")[-2]


def _joined(resources: Iterable[tuple[Resource, Witness]], index: Index) -> Iterator[Link]:
    found: dict[tuple[str, bool, bool], dict[str, Witness]] = {}
    for resource, by in resources:
        for joint in JOINED:
            if joint.type != resource.type:
                continue
            own = [item.node for item in index.of_config(by.where, resource.config) if item.resource is resource]
            parts = index.nodes(resource.values.get(joint.by)) if joint.by else own
            for node in index.nodes([_balancer(text) for text in texts(resource.values.get(joint.of))]):
                known = found.setdefault((node, joint.each, joint.soft), {})
                known |= {part: by for part in parts if part != node}
    for (node, each, soft), parts_by in found.items():
        needs = [all_of(part, soft=soft) for part in parts_by] if each else [any_of(*parts_by, soft=soft)]
        for need in needs:
            for by in dict.fromkeys(parts_by[part] for part in need.parts):
                yield Link(node=node, need=need, by=by, trust=Trust.JOINED)


def _balancer(arn: str) -> str:
    """Return the ARN of the load balancer that the listener `arn` belongs to; what is none as it is."""
    before, is_listener, after = arn.partition(":listener/")
    return f"{before}:loadbalancer/{after.rpartition('/')[0]}" if is_listener else arn


def _without_circles(links: list[Link]) -> list[Link]:
    """Return `links` without those that are trusted least of each circle of needs."""
    kept = list(dict.fromkeys(links))
    for trust in (Trust.MADE_BEFORE, Trust.NAMED):
        below: dict[str, list[str]] = {}
        for link in kept:
            if not link.need.soft:
                below.setdefault(link.node, []).extend(link.need.parts)
        circle_of = {node: number for number, circle in enumerate(circles(below)) for node in circle}
        kept = [
            link
            for link in kept
            if link.need.soft
            or link.trust is not trust
            or link.node not in circle_of
            or all(circle_of.get(part) != circle_of[link.node] for part in link.need.parts)
        ]
    return kept


def _behind_hosts(index: Index) -> Iterator[Link]:
    for host, items in index.hosts.items():
        behind = list(items.values())
        if address_in(host) and len({item.resource.type for item in behind}) < len(behind):
            continue  # private addresses are given out once in each network: which one is meant cannot be told
        need = all_of(*items, role="host")
        for by in dict.fromkeys(item.by for item in behind):
            yield Link(node=host, need=need, by=by, trust=Trust.JOINED)
