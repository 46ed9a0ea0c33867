"""Which addresses a probe may be sent to. A zone can name any address, so a hostile one must not aim our probes.

Loopback and private networks may be probed: services there are named in the DNS as well.
"""

from ipaddress import ip_address, ip_network

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
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # a cloud's metadata services
        "fd20:ce::254/128",  # a cloud's metadata service
        "ff00::/8",  # multicast
    )
)


def may_probe(address: str) -> bool:
    """Say whether `address` may be probed; IPv4 inside IPv6 is judged as IPv4, a text that is no address is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6:
        inner = parsed.ipv4_mapped or parsed.sixtofour or _nat64(parsed.packed)
        if inner is not None:
            parsed = ip_address(str(inner))
    return not any(parsed in network for network in FORBIDDEN if network.version == parsed.version)


def _nat64(packed: bytes) -> str | None:
    """Return the IPv4 address inside the well-known prefix 64:ff9b::/96 (RFC 6052 section 2.1)."""
    prefix = bytes.fromhex("0064ff9b0000000000000000")
    return ".".join(str(octet) for octet in packed[12:]) if packed[:12] == prefix else None
