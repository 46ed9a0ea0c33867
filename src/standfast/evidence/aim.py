"""Which addresses a probe may be sent to. A zone can name any address, so a hostile one must not aim our probes.

Loopback and private networks may be probed: services there are named in the DNS as well.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

FORBIDDEN = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network" and unspecified, RFC 1122 section 3.2.1.3
        "169.254.0.0/16",  # link-local, RFC 3927; cloud metadata services live here
        "100.100.100.200/32",  # a cloud's metadata service
        "168.63.129.16/32",  # a cloud's host agent
        "192.0.0.192/32",  # a cloud's metadata service
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112 section 4
        "::/128",  # unspecified, RFC 4291 section 2.5.2
        "64:ff9b:1::/48",  # local NAT64, RFC 8215: where in it the IPv4 address stands cannot be told
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, once; RFC 3879
        "fd00:ec2::/32",  # a cloud's metadata services
        "fd20:ce::254/128",  # a cloud's metadata service
        "ff00::/8",  # multicast
    )
)

# The same as numbers, by IP version: every new address is judged, and `in` of the library takes ten times as long.
_FORBIDDEN_NUMBERS = {
    version: [(int(n.network_address), int(n.netmask)) for n in FORBIDDEN if n.version == version] for version in (4, 6)
}
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052 section 2.1
_TRANSLATED = ip_network("::ffff:0:0:0/96")  # RFC 2765 section 2.1
_COMPATIBLE = ip_network("::/96")  # RFC 4291 section 2.5.5.1
_LOOPBACK = IPv6Address("::1")

JUDGED_MAX = 4096  # addresses whose answer is kept; a judgement asks for the same few again and again


@lru_cache(maxsize=JUDGED_MAX)
def may_probe(address: str) -> bool:
    """Say whether `address` may be probed; IPv4 inside IPv6 is judged as IPv4, a text that is no address is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return False
        inner = _inner(parsed)
        if inner is not None:
            return not _is_forbidden(inner)
    return not _is_forbidden(parsed)


def _is_forbidden(address: IPv4Address | IPv6Address) -> bool:
    number = int(address)
    return any(number & mask == start for start, mask in _FORBIDDEN_NUMBERS[address.version])


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that `address` leads to, by any of the ways to put one into the other."""
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in (_NAT64, _TRANSLATED)) or (
        address in _COMPATIBLE and address not in (_LOOPBACK, IPv6Address("::"))
    ):
        return IPv4Address(address.packed[12:])
    return address.ipv4_mapped or address.sixtofour
