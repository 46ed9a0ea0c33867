"""Where a process listens and what it has open, from the kernel's own tables."""

import contextlib
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

TCP_LISTEN, UDP_UNCONNECTED = "0A", "07"  # include/net/tcp_states.h


def addresses_listened_on(pid: int) -> set[str]:
    """Return the addresses of every TCP listener and every UDP socket without a peer that `pid` holds."""
    links = [str(link) for link in open_links(pid)]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    found = set()
    for table, state in (
        ("tcp", TCP_LISTEN),
        ("tcp6", TCP_LISTEN),
        ("udp", UDP_UNCONNECTED),
        ("udp6", UDP_UNCONNECTED),
    ):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and fields[3] == state:
                found.add(_address(fields[1].partition(":")[0]))
    return found


def open_links(pid: int) -> list[Path]:
    """Return what each descriptor of `pid` is: a path, or a text like `socket:[4711]`."""
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            links.append(descriptor.readlink())
    return links


def _address(text: str) -> str:
    # The kernel prints each 32-bit word of the address as a number in the machine's (little-endian) order.
    packed = b"".join(bytes.fromhex(text[word : word + 8])[::-1] for word in range(0, len(text), 8))
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))
