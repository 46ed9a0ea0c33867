"""Pools of an intent: endpoints, the sources that list them, and checks, out of their keys. Sends nothing."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from standfast.control.intent import CheckKind, Endpoint, HealthCheck, Pool, Source, SourceKind
from standfast.dns.model import RRType, type_from_name
from standfast.dns.name import parse_name
from standfast.io.control.intent_keys import CheckKeys, EndpointKeys, PoolKeys, SourceKeys
from standfast.io.settings.addresses import is_host_name
from standfast.io.settings.toml_lines import Where
from standfast.io.settings.web_urls import check_url

SOURCE_TYPES: Final = (RRType.A, RRType.AAAA, RRType.SRV)

_OF_CHECK: Final[Mapping[str, frozenset[CheckKind]]] = {
    "path": frozenset({CheckKind.HTTP, CheckKind.HTTPS}),
    "status": frozenset({CheckKind.HTTP, CheckKind.HTTPS}),
    "text": frozenset({CheckKind.HTTP, CheckKind.HTTPS}),
    "host": frozenset({CheckKind.TLS, CheckKind.HTTP, CheckKind.HTTPS, CheckKind.DNS, CheckKind.DYNAMODB}),
    "type": frozenset({CheckKind.DNS}),
    "table": frozenset({CheckKind.DYNAMODB}),
    "key": frozenset({CheckKind.DYNAMODB}),
    "region": frozenset({CheckKind.DYNAMODB}),
}
_OF_SOURCE: Final[Mapping[str, str]] = {"type": "dns", "port": "dns"}

Fault = tuple[Where, str]


def is_address(text: str) -> bool:
    """Say whether an endpoint's address is one, and not the name of a host."""
    return not text.endswith(".")


def parse_address(text: str) -> str:
    """Return the address of an endpoint in the one form that it has: an IP address, or an absolute name.

    Raises:
        ValueError: it is neither, or no single host's.
    """
    try:
        address = ip_address(text)
    except ValueError:
        name = text.lower().removesuffix(".")
        if not is_host_name(name):
            raise ValueError(f'"{text}" is neither an IP address nor the name of a host') from None
        return parse_name(name)
    if address.is_unspecified or address.is_multicast or getattr(address, "scope_id", None) is not None:
        raise ValueError(f'"{text}" is not the address of one host')
    return str(getattr(address, "ipv4_mapped", None) or address)


def endpoints_of(listed: Sequence[EndpointKeys], here: Where, faults: list[Fault]) -> tuple[Endpoint, ...]:
    """Return the endpoints that stand at `here`, and add to `faults` what is wrong with them.

    An address stands once, since an answer has it once; and a host name stands alone, since a CNAME does
    (RFC 1034 section 3.6.2).
    """
    found: dict[str, Endpoint] = {}
    for at, keys in enumerate(listed):
        try:
            address = parse_address(keys.address)
        except ValueError as error:
            faults.append(((*here, at, "address"), f"address: {error}"))
            continue
        if address in found:
            faults.append(((*here, at, "address"), f'address: "{keys.address}" is in this pool already'))
        found[address] = Endpoint(
            address=address, port=keys.port, weight=keys.weight, capacity=keys.capacity, drained=keys.drained
        )
    names = [address for address in found if not is_address(address)]
    if names and len(found) > 1:
        what = f'"{names[0]}" is a host name, which becomes a CNAME and stands alone'
        faults.append((here, f"endpoints: {what} - give it a pool of its own"))
    return tuple(found.values())


def pool_of(name: str, keys: PoolKeys, here: Where, base: Path, faults: list[Fault]) -> Pool:
    """Return the pool that stands at `here`, and add to `faults` what is wrong with it."""
    if keys.source is not None and keys.endpoints:
        faults.append(((*here, "source"), "source: the pool lists its endpoints itself - take one of the two out"))
    if keys.source is None and not keys.endpoints:
        faults.append((here, f'the pool "{name}" lacks "endpoints" - list them, or name their source'))
    faults += [((*here, "check", *where), text) for where, text in _check_faults(keys.check)]
    if keys.source is not None:
        faults += [((*here, "source", *where), text) for where, text in _source_faults(keys.source)]
    return Pool(
        name=name,
        region=keys.region,
        provider=keys.provider,
        endpoints=endpoints_of(keys.endpoints, (*here, "endpoints"), faults),
        source=None if keys.source is None else _source(keys.source, base),
        check=_check(keys.check),
    )


def _check(keys: CheckKeys) -> HealthCheck:
    return HealthCheck(
        kind=keys.kind,
        port=keys.port,
        host=keys.host,
        path=keys.path,
        status=tuple(keys.status),
        text=keys.text,
        qtype=type_from_name(keys.type) or RRType.A,
        table=keys.table,
        key=tuple(keys.key.items()),
        region=keys.region,
        interval_s=keys.interval_s,
        timeout_s=keys.timeout_s,
        rise=keys.rise,
        fall=keys.fall,
    )


def _check_faults(keys: CheckKeys) -> Iterator[Fault]:
    for key in sorted(keys.model_fields_set & _OF_CHECK.keys()):
        if keys.kind not in _OF_CHECK[key]:
            homes = " and ".join(sorted(_OF_CHECK[key]))
            yield (key,), f'{key} counts for checks of kind {homes} only, and this is "{keys.kind}"'
    if keys.timeout_s > keys.interval_s:
        what = f"timeout_s ({keys.timeout_s:g}) is more than interval_s ({keys.interval_s:g})"
        yield ("timeout_s",), f"{what}: looks would overtake each other"
    if not keys.path.startswith("/"):
        yield ("path",), f'path: "{keys.path}" does not begin with "/"'
    if type_from_name(keys.type) is None:
        yield ("type",), f'type: "{keys.type}" is no record type'
    if keys.kind is CheckKind.DYNAMODB and keys.table is None:
        yield (), 'a check of kind "dynamodb" lacks "table"'


def _source(keys: SourceKeys, base: Path) -> Source:
    kind, where = next(
        (SourceKind(kind), said) for kind in SourceKind if (said := getattr(keys, kind)) is not None or kind == "http"
    )
    return Source(
        kind=kind,
        where=str(base / where) if kind is SourceKind.FILE else where or "",
        qtype=type_from_name(keys.type) or RRType.A,
        port=keys.port,
        every_s=keys.every_s,
        timeout_s=keys.timeout_s,
    )


def _source_faults(keys: SourceKeys) -> Iterator[Fault]:
    said = [str(kind) for kind in SourceKind if getattr(keys, kind) is not None]
    if len(said) != 1:
        yield (), f"a source has one of {', '.join(SourceKind)}, and this has {' and '.join(said) or 'none'}"
    for key, kind in _OF_SOURCE.items():
        if key in keys.model_fields_set and kind not in said:
            yield (key,), f"{key} counts for sources of kind {kind} only"
    if type_from_name(keys.type) not in SOURCE_TYPES:
        yield ("type",), f'type: "{keys.type}" lists no endpoints - {", ".join(each.name for each in SOURCE_TYPES)} do'
    if keys.http is not None:
        try:
            check_url(keys.http, "URL", "https://inventory.example.net/endpoints.json")
        except ValueError as error:
            yield ("http",), f"http: {error}"
