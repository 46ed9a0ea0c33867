"""Where a process listens, from the kernel's own tables: so that a drill can see that it stays on loopback."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

TCP_LISTEN, UDP_UNCONNECTED = "0A", "07"  # include/net/tcp_states.h
TABLES = (("tcp", TCP_LISTEN), ("tcp6", TCP_LISTEN), ("udp", UDP_UNCONNECTED), ("udp6", UDP_UNCONNECTED))


def beyond_loopback(pid: int) -> set[str]:
    """Return the addresses beyond loopback on which `pid` listens, by TCP or by UDP.

    None on systems without Linux's /proc, and none for a process that has ended.
    """
    return {address for address in listened_on(pid) if not ip_address(address).is_loopback}


def listened_on(pid: int) -> set[str]:
    """Return the addresses of every TCP listener and every UDP socket without a peer that `pid` holds."""
    try:
        inodes = set(_inodes(pid))
        return {address for table, state in TABLES for address in _open_in(pid, table, state, inodes)}
    except FileNotFoundError:
        return set()


def _inodes(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime
            link = str(descriptor.readlink())
            if link.startswith("socket:["):
                yield link.removeprefix("socket:[").removesuffix("]")


def _open_in(pid: int, table: str, state: str, inodes: set[str]) -> Iterator[str]:
    for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes and fields[3] == state:
            yield _address(fields[1].partition(":")[0])


def _address(text: str) -> str:
    # The kernel prints each 32-bit word of the address as a number in the machine's (little-endian) order.
    packed = b"".join(bytes.fromhex(text[word : word + 8])[::-1] for word in range(0, len(text), 8))
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))
