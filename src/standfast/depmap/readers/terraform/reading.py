"""State files of Terraform, read together, as they name each other's resources: what is there, and what hangs on what.

A resource is a node by its address; one that is a name of the DNS, or a zone, is that name or zone instead, so that it
meets what others say of it. The order here is the order of the process.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.depmap.graph import Kind
from standfast.depmap.readers.terraform.amazon import api_need, origins, regions_of_tables
from standfast.depmap.readers.terraform.index import Index, Item, keys_of
from standfast.depmap.readers.terraform.links import is_joint, links_of
from standfast.depmap.readers.terraform.records import (
    ZONE_TYPES,
    Record,
    Zone,
    is_record,
    record_of,
    tell_records,
    tell_zone,
    zone_keys,
    zone_of,
)
from standfast.depmap.readers.terraform.state import Resource, State, read_state
from standfast.depmap.readers.terraform.types import PROVIDERS, THINGS_LOOKED_UP, WITHOUT_INFRASTRUCTURE
from standfast.depmap.readers.terraform.values import address_in, places_of
from standfast.depmap.statements import Is, Needs, Reading, Remark, Shares, Statement, Told, Witness

NAME: Final = "terraform"
_MARKS: Final = (b'"terraform_version"', b'"encrypted_data"')


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFile:
    """A state, and whose word it is."""

    by: Witness
    state: State


def suits(head: bytes, file: str) -> bool:
    """Say whether the file `file` that begins with `head` is a state of Terraform's, or of OpenTofu's."""
    is_named_so = file.endswith((".tfstate", ".tfstate.backup"))
    return head.lstrip()[:1] == b"{" and (is_named_so or any(mark in head for mark in _MARKS))


def parse(octets: bytes, *, file: str) -> StateFile:
    """Return the state in `octets`.

    Raises:
        ModelError: it is none, is encrypted, or of a format that this does not know.
    """
    by = Witness(reader=NAME, where=file)
    return StateFile(by=by, state=read_state(octets, by=by))


def tell(files: Sequence[StateFile]) -> Reading:
    """Return what the states `files` tell, without a single value of theirs that is no name, address or place."""
    current, remarks = _current(files)
    found = _sorted(current)
    items, records, index = found.items, found.records, Index(found.items)
    told = [Told(statement, by) for zone, by in found.zones for statement in tell_zone(zone)]
    for file in current:
        of_file = [record for record, by in records if by == file.by]
        told += [Told(statement, file.by) for statement in tell_records(of_file, index.nodes)]
    regions_of = regions_of_tables(item.resource for item in items)
    for item in items:
        if not item.is_alias:
            told += [Told(statement, item.by) for statement in _alone(item, regions_of)]
    for link in links_of(items, found.joints, index):
        named = [(node, _kind(node, index)) for node in (link.node, *(() if link.of_hosts else link.need.parts))]
        told += [Told(Is(node, kind), link.by) for node, kind in named if kind]
        told.append(Told(Needs(link.node, link.need), link.by))
    remarks += [remark for file in current for remark in file.state.remarks]
    public = Counter(zone.origin for zone, _ in found.zones if zone.servers)
    remarks += [
        Remark(text=f"several zones are {zone.origin}: the servers of all of them are taken for those it has", by=by)
        for zone, by in found.zones
        if public[zone.origin] > 1
    ]
    remarks += [
        Remark(text=f"the {record.type} record of {record.name} has no values in the state", by=by)
        for record, by in records
        if record.is_empty
    ]
    return Reading(told=tuple(told), remarks=(*remarks, *_unknown_providers(items)))


def _current(files: Sequence[StateFile]) -> tuple[list[StateFile], list[Remark]]:
    """Return `files` without those that Terraform kept as the state before the one that is there as well."""
    latest = {"": 0}  # without a lineage it cannot be told what is a copy of what
    for file in files:
        if file.state.lineage:
            latest[file.state.lineage] = max(file.state.serial, latest.get(file.state.lineage, 0))
    kept, remarks = [], []
    for file in files:
        if file.by.where.endswith(".backup") and file.state.serial < latest[file.state.lineage]:
            remarks.append(Remark(text="is older than the state that it is a copy of: left out", by=file.by))
        else:
            kept.append(file)
    return kept, remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sorted:
    """What resources are: items of the map, joints between others (items may be such too), zones, and records."""

    items: list[Item]
    joints: list[tuple[Resource, Witness]]
    zones: list[tuple[Zone, Witness]]
    records: list[tuple[Record, Witness]]


def _sorted(files: Sequence[StateFile]) -> _Sorted:
    resources = [(resource, file.by) for file in files for resource in file.state.resources]
    zones = [
        (zone, by, resource)
        for resource, by in resources
        if resource.type in ZONE_TYPES and (zone := zone_of(resource))
    ]
    origin_by_key = {key: zone.origin for zone, _, resource in zones for key in zone_keys(resource)}
    records = [
        (record, by, resource)
        for resource, by in resources
        if is_record(resource) and (record := record_of(resource, origin_by_key))
    ]
    items = [Item(resource=resource, node=f"zone:{zone.origin}", by=by, is_alias=True) for zone, by, resource in zones]
    items += [Item(resource=resource, node=record.name, by=by, is_alias=True) for record, by, resource in records]
    return _Sorted(
        items=items + _things(files),
        joints=resources,
        zones=[(zone, by) for zone, by, _ in zones],
        records=[(record, by) for record, by, _ in records],
    )


def _things(files: Sequence[StateFile]) -> list[Item]:
    """Return the resources that are nodes by their own addresses; one looked up that is made as well goes by that."""
    states_with: dict[str, set[str]] = {}
    for file in files:
        for resource in file.state.resources:
            states_with.setdefault(resource.address, set()).add(file.state.lineage or file.by.where)
    things = [
        (resource, file.by, resource.address if len(states_with[resource.address]) == 1 else _apart(resource, file))
        for file in files
        for resource in file.state.resources
        if _is_thing(resource)
    ]
    made = {(each.type, key): node for each, _, node in things if not each.is_data for key in keys_of(each)}
    found = []
    for resource, by, node in things:
        same = {made[key] for each in keys_of(resource) if (key := (resource.type, each)) in made}
        if resource.is_data and len(same) == 1:
            found.append(Item(resource=resource, node=same.pop(), by=by, is_alias=True))
        else:
            found.append(Item(resource=resource, node=node, by=by))
    return found


def _is_thing(resource: Resource) -> bool:
    if resource.type in ZONE_TYPES or is_record(resource):
        return False
    if resource.is_data:
        return resource.type in THINGS_LOOKED_UP
    return resource.type.partition("_")[0] not in WITHOUT_INFRASTRUCTURE and not is_joint(resource.type)


def _apart(resource: Resource, file: StateFile) -> str:
    """Return a name for `resource`, of whose address another state has another one."""
    return f"{file.by.where}/{resource.address}"


def _kind(node: str, index: Index) -> Kind | None:
    """Return the kind of a node that others hang on; None where that is told already."""
    if node in index.hosts:
        return Kind.ADDRESS if address_in(node) else Kind.NAME
    return None if index.configs(node) else Kind.RESOURCE


def _alone(item: Item, regions_of: Mapping[str, Sequence[str]]) -> Iterator[Statement]:
    """Yield what holds of a resource whatever else there is."""
    yield Is(item.node, Kind.RESOURCE)
    has_copies = len(regions_of.get(str(item.resource.values.get("arn")), ())) > 1
    for cause in places_of(item.resource.type, item.resource.values):
        if not (has_copies and cause.startswith("region:")):
            yield Shares(item.node, cause)
    if need := api_need(item.resource, regions_of):
        yield Needs(item.node, need)
    if item.resource.type == "aws_cloudfront_distribution":
        for each in origins(item.resource):
            yield Needs(item.node, each)


def _unknown_providers(items: Sequence[Item]) -> Iterator[Remark]:
    first: dict[str, Witness] = {}
    for item in items:
        first.setdefault(item.resource.type.partition("_")[0], item.by)
    for provider, by in first.items():
        if provider not in PROVIDERS:
            text = f'where resources of the provider "{provider}" are is not known; what they hang on is'
            yield Remark(text=text, by=by)
