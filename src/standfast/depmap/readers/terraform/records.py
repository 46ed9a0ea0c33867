"""DNS in Terraform's state: zones and records of AWS, Azure, Google and Cloudflare, and what each says of a name.

Records of one name are put together before anything is told of it: those with weights, places or failover are several
resources, and one need. A record whose values are gone from the state is a name that was emptied.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from standfast.depmap.attribution.aws_names import control_node
from standfast.depmap.graph import Kind, all_of, any_of
from standfast.depmap.readers.terraform.state import Resource
from standfast.depmap.readers.terraform.values import address_in, domain_in, items, texts
from standfast.depmap.statements import Is, IsGone, Loss, Needs, Shares, Statement

ZONE_TYPES: Final = frozenset(
    """
    aws_route53_zone azurerm_dns_zone azurerm_private_dns_zone google_dns_managed_zone cloudflare_zone
    """.split()
)
_RECORD_TYPES: Final = frozenset(
    "aws_route53_record google_dns_record_set cloudflare_record cloudflare_dns_record".split()
)
_OF_AZURE: Final = {  # the type of a resource is that of its record
    f"azurerm_{private}dns_{name}_record": name.upper()
    for private in ("", "private_")
    for name in ("a", "aaaa", "cname", "ns", "mx", "srv", "txt", "caa", "ptr")
}
_OTHER_TYPES: Final = frozenset("NS MX TXT SRV CAA PTR SOA SPF NAPTR DS HTTPS SVCB TLSA SSHFP".split())
_LEADING: Final = frozenset({"A", "AAAA", "CNAME"})  # what a name is reached by


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A zone of the DNS; `servers` are those that the public asks, () for a private one."""

    origin: str
    servers: tuple[str, ...]
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one resource says of `name`: the values of `type`, domain names and addresses.

    `type` is empty where it is not one that is known. `is_empty`: Terraform knows no values of it. `is_proxied`: it is
    answered with addresses of the provider's own. `target` is the resource of which it is an alias, as its provider
    calls it.
    """

    name: str
    type: str
    zone: str
    values: tuple[str, ...]
    is_empty: bool
    is_proxied: bool = False
    target: str = ""


def is_record(resource: Resource) -> bool:
    """Say whether `resource` is of a type that describes records."""
    return resource.type in _RECORD_TYPES or resource.type in _OF_AZURE


def zone_of(resource: Resource) -> Zone | None:
    """Return the zone that `resource`, of one of `ZONE_TYPES`, is; None where it has no name."""
    said = resource.values
    origin = domain_in(said.get("dns_name") or said.get("zone") or said.get("name"))
    if not origin:
        return None
    private = bool(said.get("vpc")) or said.get("visibility") == "private" or "_private_" in resource.type
    servers = () if private else tuple(filter(None, map(domain_in, texts(said.get("name_servers")))))
    return Zone(origin=origin, servers=servers, provider=resource.type.partition("_")[0])


def zone_keys(resource: Resource) -> Iterator[str]:
    """Yield by what the records in the zone that `resource` is call it."""
    for key in ("zone_id", "id"):
        if isinstance(said := resource.values.get(key), str) and said:
            yield said
    if resource.type == "google_dns_managed_zone" and isinstance(said := resource.values.get("name"), str):
        yield said


def record_of(resource: Resource, zones: Mapping[str, str]) -> Record | None:
    """Return the record that `resource` is; None where it has no name. `zones` has origins of zones by their keys."""
    said = resource.values
    key = next((said[key] for key in ("zone_id", "managed_zone", "zone_name") if isinstance(said.get(key), str)), "")
    zone = zones.get(key) or (domain_in(key) if resource.type in _OF_AZURE else "")
    name = domain_in(said.get("fqdn")) or domain_in(said.get("hostname")) or _full(said.get("name"), zone)
    if not name:
        return None
    values = [*texts([said.get(each) for each in ("records", "record", "rrdatas", "value", "content")])]
    values += [text for policy in items(said.get("routing_policy")) for text in _rrdatas(policy)]
    alias = [each["name"] for each in items(said.get("alias")) if isinstance(each.get("name"), str)]
    target = said.get("target_resource_id")
    type_ = _OF_AZURE.get(resource.type) or str(said.get("type", "")).upper()
    return Record(
        name=name,
        type=type_ if type_ in _LEADING | _OTHER_TYPES else "",  # of which there is no other word in the state
        zone=zone,
        values=tuple(filter(None, (address_in(each) or _undecorated(domain_in(each)) for each in [*values, *alias]))),
        is_empty=not (values or alias or target),
        is_proxied=str(said.get("proxied")).lower() == "true",
        target=target if isinstance(target, str) else "",
    )


@dataclass(slots=True)
class _Name:
    zones: dict[str, None] = field(default_factory=dict)
    addresses: dict[str, None] = field(default_factory=dict)
    aliases: dict[str, None] = field(default_factory=dict)
    servers: dict[str, None] = field(default_factory=dict)
    proxied: bool = False
    emptied: bool = False


def tell_zone(zone: Zone) -> Iterator[Statement]:
    """Yield what `zone` says of itself."""
    node = f"zone:{zone.origin}"
    yield Is(node, Kind.ZONE)
    yield from _servers(node, zone.servers)
    if zone.provider == "aws":
        yield Needs(node, all_of(control_node("route53"), soft=True, role="control"))


def tell_records(records: Iterable[Record], nodes_of: Callable[[str], Sequence[str]]) -> Iterator[Statement]:
    """Yield what `records` say of their names. `nodes_of` gives the nodes of what a provider calls a resource.

    Types other than those of addresses and delegations say nothing of whether a name is reached, and are not told.
    """
    names: dict[str, _Name] = {}
    for record in records:
        if record.type not in _LEADING and record.type != "NS":
            continue
        name = names.setdefault(record.name, _Name())
        if record.zone:
            name.zones[record.zone] = None
        if record.type == "NS":
            name.servers |= dict.fromkeys(record.values)
            continue
        for value in record.values:
            (name.addresses if address_in(value) else name.aliases)[value] = None
        name.aliases |= dict.fromkeys(nodes_of(record.target))
        name.proxied |= record.is_proxied
        name.emptied |= record.is_empty
    for node, name in names.items():
        yield from _name(node, name)


def _name(node: str, name: _Name) -> Iterator[Statement]:
    for zone in name.zones:
        if name.servers and node != zone:
            yield Needs(f"zone:{node}", all_of(f"zone:{zone}", role="parent"))
    yield from _servers(f"zone:{node}", tuple(name.servers))
    if not (name.addresses or name.aliases or name.emptied):
        return
    yield Is(node, Kind.NAME)
    for zone in name.zones:
        yield Needs(node, all_of(f"zone:{zone}", role="zone"))
    if name.proxied:
        yield Shares(node, "provider:cloudflare")
    if name.addresses:  # and aliases, where some of the weights, or places, are given to these
        yield Needs(node, any_of(*name.addresses, *name.aliases, role="address"))
    elif name.aliases:
        yield Needs(node, any_of(*name.aliases, role="alias"))
    elif name.emptied:
        yield IsGone(node, Loss.EMPTIED)


def _servers(zone: str, servers: tuple[str, ...]) -> Iterator[Statement]:
    for server in servers:
        yield Is(server, Kind.NAME_SERVER)
    if servers:
        yield Is(zone, Kind.ZONE)
        yield Needs(zone, any_of(*servers, role="server"))


def _full(name: Any, zone: str) -> str:
    """Return the domain name that `name`, below `zone` or already whole, stands for."""
    text = name.removesuffix(".").lower() if isinstance(name, str) else ""
    if not zone or text == zone or text.endswith(f".{zone}"):
        return domain_in(text)
    return zone if text in ("", "@") else domain_in(f"{text}.{zone}")


def _undecorated(name: str) -> str:
    """Return `name` without what Route 53 puts before a load balancer's to have IPv6 addresses as well."""
    return name.removeprefix("dualstack.") if name.endswith(".elb.amazonaws.com") else name


def _rrdatas(policy: Mapping[str, Any]) -> Iterator[str]:
    for way in ("wrr", "geo"):
        for each in items(policy.get(way)):
            yield from texts(each.get("rrdatas"))
