"""What may be taken out of an attribute of Terraform's: names, addresses, places. All else may be a secret.

A text is taken only if it has the form of what its attribute is there for, and what is taken can be shown: a domain
name has two labels at least and nothing unusual in it, so that no password is taken for one by mistake.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from standfast.depmap.attribution import aws_names

DOMAIN_CHARACTERS_MAX: Final = 253  # of 255 octets (RFC 1035 section 2.3.4)

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN: Final = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_ENDPOINT: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?([^/:@?#\s]+)(?::\d{1,5})?(?:/\S*)?", re.IGNORECASE)
_PART_OF_ARN: Final = re.compile(r"[a-z][a-z0-9-]{1,62}")
_AZURE_REGION: Final = re.compile(r"(?=.*(?:north|south|east|west|central|usgov))[a-z]{4,24}\d?")
_GOOGLE_REGION: Final = re.compile(r"[a-z]{2,12}-[a-z]{3,12}\d{1,2}")
_GOOGLE_ZONE: Final = re.compile(r"([a-z]{2,12}-[a-z]{3,12}\d{1,2})-[a-z]")
# Certificates are used where they were brought to; that the place is lost where they are kept changes nothing there.
_KEPT_APART: Final = frozenset({"acm"})


def texts(value: Any) -> Iterator[str]:
    """Yield every text in `value`, an attribute, however deep it lies."""
    todo = [value]
    while todo:
        match todo.pop():
            case str(text):
                yield text
            case list(values):
                todo += reversed(values)
            case dict(named):
                todo += reversed(list(named.values()))
            case _:
                pass


def items(value: Any) -> list[dict[str, Any]]:
    """Return the blocks that an attribute has, where Terraform writes one as a list of them, or as itself."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else items([value])


def domain_in(text: Any) -> str:
    """Return `text` as a domain name as the map has it; empty where it is none."""
    if not isinstance(text, str) or len(text) > DOMAIN_CHARACTERS_MAX + 4:
        return ""
    name = text.removesuffix(".").lower().replace("\\052", "*")  # as Route 53 escapes it
    return name if _DOMAIN.fullmatch(name) and len(name) <= DOMAIN_CHARACTERS_MAX else ""


def address_in(text: Any) -> str:
    """Return `text` as an address as the map has it; empty where it is none."""
    if not isinstance(text, str):
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def host_in(text: Any) -> str:
    """Return the domain name or address in `text`, which is one, or has a port, or is a URL without a user."""
    found = _ENDPOINT.fullmatch(text) if isinstance(text, str) else None
    return address_in(text) or (domain_in(found[1]) or address_in(found[1]) if found else "")


def places_of(type_: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the shared causes that are where a resource is: its provider, its region, and its zone if it is in one."""
    match type_.partition("_")[0]:
        case "aws":
            yield aws_names.PROVIDER
            region, zone = _aws_places(values)
            if region:
                yield aws_names.region_cause(region)
            if zone:
                yield aws_names.zone_cause(zone)
        case "azurerm" | "azapi":
            yield "provider:azure"
            region = str(values.get("location", "")).lower().replace(" ", "")
            if _AZURE_REGION.fullmatch(region):
                yield f"region:azure/{region}"
                zones = list(texts([values.get("zone"), values.get("zones")]))
                if len(zones) == 1 and zones[0] in ("1", "2", "3"):
                    yield f"az:azure/{region}-{zones[0]}"
        case "google":
            yield "provider:google"
            found = [str(values.get(key) or "").rpartition("/")[2].lower() for key in ("zone", "region", "location")]
            zone = next((text for text in found if _GOOGLE_ZONE.fullmatch(text)), "")
            region = zone.rpartition("-")[0] or next((text for text in found if _GOOGLE_REGION.fullmatch(text)), "")
            if region:
                yield f"region:google/{region}"
            if zone:
                yield f"az:google/{zone}"
        case "oci":
            yield "provider:oracle"
        case "cloudflare" | "fastly" as provider:
            yield f"provider:{provider}"
        case _:
            pass


class Arn(NamedTuple):
    """What an ARN says of where its resource is; `region` is empty where that is in none, or not said.

    Source: IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)".
    """

    partition: str
    service: str
    region: str


def arn_of(values: Mapping[str, Any]) -> Arn | None:
    """Return a resource's ARN; None where it has none."""
    parts = str(values.get("arn", "")).split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not all(map(_PART_OF_ARN.fullmatch, parts[1:3])):
        return None
    everywhere = parts[5].startswith("global/")  # a web ACL of CloudFront: kept in one region, at work in none
    return Arn(parts[1], parts[2], parts[3] if aws_names.is_region(parts[3]) and not everywhere else "")


def _aws_places(values: Mapping[str, Any]) -> tuple[str, str]:
    arn = arn_of(values)
    if arn and arn.service in _KEPT_APART:
        return "", ""
    zone = str(values.get("availability_zone") or "")
    said = str(values.get("region") or "")
    region = (
        (arn.region if arn else "") or (said if aws_names.is_region(said) else "") or aws_names.region_of_zone(zone)
    )
    in_one = aws_names.region_of_zone(zone) and str(values.get("multi_az")).lower() != "true"
    return region, zone if in_one else ""
