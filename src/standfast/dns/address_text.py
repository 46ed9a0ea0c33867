"""Addresses out of their text, without a detour for how nearly all of them are written. Raises `ValueError`."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_OCTETS: Final = {str(octet): octet for octet in range(256)}
_A_OCTETS: Final = 4
_AAAA_GROUPS: Final = 8  # of four hexadecimal digits each
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")


def ipv4_octets(text: str) -> bytes:
    """Return the octets of an IPv4 address."""
    try:
        address = bytes(map(_OCTETS.__getitem__, text.split(".")))
    except KeyError:
        address = b""
    return address if len(address) == _A_OCTETS else IPv4Address(text).packed  # which says what is wrong


def ipv6_octets(text: str) -> bytes:
    """Return the octets of an IPv6 address (RFC 4291 section 2.2), which names no link."""
    front, gap, back = text.partition("::")
    groups, behind = front.split(":") if front else [], back.split(":") if back else []
    if gap:
        groups += ["0"] * (_AAAA_GROUPS - len(groups) - len(behind)) + behind
    digits = "".join([group.rjust(4, "0") for group in groups])
    if "" not in groups and len(groups) == _AAAA_GROUPS and len(digits) == 4 * _AAAA_GROUPS and _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    address = IPv6Address(text)  # written in some other way, or wrong
    if address.scope_id is not None:
        raise ValueError(f"{text} names a link")
    return address.packed
