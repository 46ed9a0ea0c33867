"""The lists of address ranges that providers publish, each in a form of its own: which region and service have which.

A list is known by its form. One that is only lines, a prefix in each, is of the provider that its file is called after.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from standfast.depmap.attribution.ranges import RangeTable, Span, span_of, table_of
from standfast.depmap.errors import ModelError
from standfast.depmap.statements import Witness

READER: Final = "ranges"
TEXT_MAX: Final = 80  # characters of an entry that cannot be read; nobody knows what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a list says of one range. `region` is None where it says nothing, empty where it says "everywhere"."""

    provider: str
    region: str | None = None
    zone: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressList:
    """One list. `dated` is the day on which it was published, empty if it does not say.

    `unread` has those of its entries that are no ranges, in its own words.
    """

    ranges: tuple[tuple[Span, Listed], ...]
    dated: str
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an address is. `region` is empty if it is in none alone, `zone` is a zone or local zone of the region."""

    provider: str
    region: str
    zone: str
    services: tuple[str, ...]
    by: Witness


def read_address_list(octets: bytes, *, file: str) -> AddressList:
    """Return what the list `octets` says; `file` is its name, without its folder.

    Raises:
        ModelError: it is none that is known, or there is nothing in it.
    """
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"is no UTF-8 text (octet {error.start})", file=file) from None
    dated, entries = _of_json(text, file) if text.lstrip()[:1] in ("{", "[") else ("", _lines(text, file))
    ranges: list[tuple[Span, Listed]] = []
    unread: list[str] = []
    for prefix, listed in entries:
        try:
            ranges.append((span_of(prefix), listed))
        except ValueError:
            unread.append(prefix[:TEXT_MAX])
    if not ranges:
        raise ModelError("lists no address range", file=file)
    return AddressList(ranges=tuple(ranges), dated=dated[:10], unread=tuple(unread))


def table_of_places(lists: list[tuple[AddressList, Witness]]) -> RangeTable[Place]:
    """Return the table of all that the lists say, each with who says it: the longest prefix is the last word."""
    said = [(span, (listed, by)) for each, by in lists for span, listed in each.ranges]
    return table_of(said, _place)


def _place(said: tuple[tuple[Listed, Witness], ...]) -> Place:
    last, by = said[-1]
    ours = [listed for listed, _ in said if listed.provider == last.provider]
    where = next((listed for listed in reversed(ours) if listed.region is not None), last)
    services = dict.fromkeys(listed.service for listed in ours if listed.service)
    return Place(provider=last.provider, region=where.region or "", zone=where.zone, services=tuple(services), by=by)


# The forms of lists --------------------------------------------------------------------------------------------------

_Entries: TypeAlias = Iterator[tuple[str, Listed]]  # a prefix, or whatever stands in its place; what is said of it

_EVERYWHERE: Final = ("GLOBAL", "global")
_ALL: Final = ("AMAZON", "AzureCloud")  # what providers call all of their services together


def _of_json(text: str, file: str) -> tuple[str, _Entries]:
    """Return when the list was published, and its entries."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelError("is no JSON, or cut off", file=file) from None
    match document:
        case {"createDate": str(dated), "prefixes": list(v4), "ipv6_prefixes": list(v6)}:
            return dated, _aws([*v4, *v6])
        case {"creationTime": str(dated), "prefixes": list(items)}:
            return dated, _google(items)
        case {"last_updated_timestamp": str(dated), "regions": list(items)}:
            return dated, _oracle(items)
        case {"cloud": str(), "values": list(items)}:
            return "", _azure(items)
        case {"result": {"ipv4_cidrs": list(v4), "ipv6_cidrs": list(v6)}}:
            return "", _plain([*v4, *v6], Listed(provider="cloudflare", region=""))
        case {"addresses": list(v4), "ipv6_addresses": list(v6)}:
            return "", _plain([*v4, *v6], Listed(provider="fastly", region=""))
    raise ModelError("is no list of address ranges in a form that is known", file=file)


def _aws(items: list[Any]) -> _Entries:
    """Read as "Syntax for AWS IP address range JSON" (Amazon VPC User Guide) says.

    A network border group that is not the region itself is a Local Zone or a Wavelength Zone.
    """
    for item in items:
        region = _text_of(item, "region")
        here = "" if region in _EVERYWHERE else region
        group = _text_of(item, "network_border_group")
        zone = group if here and group != here else ""
        service = _service(_text_of(item, "service"))
        listed = Listed(provider="aws", region=here, zone=zone, service=service)
        yield _text_of(item, "ip_prefix", "ipv6_prefix"), listed


def _google(items: list[Any]) -> _Entries:
    """Read cloud.json, and goog.json, which names no regions."""
    for item in items:
        scope = _text_of(item, "scope")
        region = None if not scope else "" if scope in _EVERYWHERE else scope
        yield _text_of(item, "ipv4Prefix", "ipv6Prefix"), Listed(provider="google", region=region)


def _oracle(items: list[Any]) -> _Entries:
    for item in items:
        region = _text_of(item, "region")
        match item:
            case {"cidrs": list(ranges)}:
                for each in ranges:
                    tags = each.get("tags") if isinstance(each, dict) else None
                    service = _service(str(tags[-1])) if isinstance(tags, list) and tags else ""
                    yield _text_of(each, "cidr"), Listed(provider="oracle", region=region, service=service)
            case _:
                yield str(item), Listed(provider="oracle")


def _azure(items: list[Any]) -> _Entries:
    """Read service tags. Those without a region may have addresses of every one, as the tags of regions say."""
    for item in items:
        match item:
            case {"name": str(name), "properties": {"addressPrefixes": list(prefixes), **properties}}:
                region = _text_of(properties, "region") or None
                service = _service(name.partition(".")[0])
                yield from _plain(prefixes, Listed(provider="azure", region=region, service=service))
            case _:
                yield str(item), Listed(provider="azure")


def _plain(prefixes: list[Any], listed: Listed) -> _Entries:
    for prefix in prefixes:
        yield str(prefix), listed


def _lines(text: str, file: str) -> _Entries:
    """Read a prefix from each line; what stands behind a comma is of RFC 8805, and says where its users are."""
    provider = file.partition(".")[0].partition("-")[0].lower()
    listed = Listed(provider=provider)
    for line in text.splitlines():
        prefix = line.partition("#")[0].partition(",")[0].strip()
        if prefix:
            yield prefix, listed


def _service(name: str) -> str:
    return "" if name in _ALL else name.lower()


def _text_of(item: object, *keys: str) -> str:
    """Return what `item` has for the first of `keys` that it has: a text, empty where it is none."""
    found = [item[key] for key in keys if key in item] if isinstance(item, dict) else []
    return found[0] if found and isinstance(found[0], str) else ""
