"""Server addresses as people write them, and which of them are this machine. Sends nothing."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path

from standfast.authority.remote import Remote
from standfast.dns.model import Name
from standfast.dns.name import BadName, parse_name
from standfast.dns.servers import PORTS, Server, Transport
from standfast.io.clients.limits import Network

DNS_PORT = 53
KEY_PREFIX = "key:"  # before the name of a key
DOH_PATH = "/dns-query"  # by convention; RFC 8484 leaves it to a URI template
PORT_MAX = 65_535
RESOLV_CONF = Path("/etc/resolv.conf")

_URLS = ("tls://", "https://")
_NAME_MAX = 253  # characters of a name without its final dot (RFC 1035 section 2.3.4)
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?!\d+\.?$){_LABEL}")
_PATH = re.compile(r"/[!-z|~]*")  # printable ASCII but braces, which are those of a URI template
_RESOLV_CONF_SERVERS_MAX = 3  # MAXNS of resolv.conf(5): what the system's own resolver would use


class BadServer(ValueError):
    """A text that is no address, of a server or a network; its text says what it is instead, and what to write."""


class Scheme(Enum):
    """What clients speak at an address."""

    DO53 = ""  # plain DNS, by UDP and TCP (RFC 9499 section 6)
    DOT = "tls"  # DNS over TLS (RFC 7858)
    DOH = "https"  # DNS over HTTPS (RFC 8484)


_LISTENED = {scheme.value: scheme for scheme in (Scheme.DOT, Scheme.DOH)}
_PORTS = {Scheme.DO53: DNS_PORT, Scheme.DOT: PORTS[Transport.TLS], Scheme.DOH: PORTS[Transport.HTTPS]}


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where clients ask, and how. `path` is of DNS over HTTPS."""

    server: Server
    scheme: Scheme = Scheme.DO53
    path: str = ""

    def __str__(self) -> str:
        return f"{self.scheme.value}://{self.server}{self.path}" if self.scheme.value else str(self.server)


def parse_server(text: str, *, port_min: int = 1, default_port: int = DNS_PORT) -> Server:
    """Return the server that `text` names: `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1` or `[2001:db8::1]:53`.

    Raises:
        BadServer: anything else, host names and URLs among it.
    """
    if "://" in text:
        raise BadServer(_about_url(text))
    host, port_text = _split(text, default_port)
    try:
        address = ip_address(host)
    except ValueError:
        raise BadServer(_about_host(text, host)) from None
    port = int(port_text) if port_text.isascii() and port_text.isdigit() else -1
    if not port_min <= port <= PORT_MAX:
        raise BadServer(f'"{text}" needs a port from {port_min} to {PORT_MAX}')
    return Server(str(_unmapped(address)), port)


def parse_upstream(text: str) -> Server:
    """Return the server that `text` names, if it can be asked.

    Beside the forms of `parse_server` for plain DNS there are `tls://192.0.2.1#dns.example` and
    `https://192.0.2.1/dns-query#dns.example`: always an address, and behind `#` the name that its certificate is for.

    Raises:
        BadServer: no address, or one that is no single server's.
    """
    server = _parse_encrypted(text) if text.startswith(_URLS) else parse_server(text)
    if not is_one_server(server):
        raise BadServer(f'"{text}" is not the address of one server')
    return server


def parse_listen(text: str) -> ListenAddress:
    """Return where to listen, and for what: `192.0.2.1:53`, `tls://[2001:db8::1]` or `https://192.0.2.1/dns-query`.

    Raises:
        BadServer: no address, or a multicast one; another scheme, or a path that is none.
    """
    name, found, rest = text.rpartition("://")
    if not found:
        return ListenAddress(parse_local(text))
    scheme = _LISTENED.get(name)
    if scheme is None:
        raise BadServer(f'"{text}": clients can ask by tls:// and https://, and without a scheme by UDP and TCP')
    host, slash, path = rest.partition("/")
    server = parse_local(host, default_port=_PORTS[scheme])
    if scheme is Scheme.DOT and slash:
        raise BadServer(f'"{text}": tls:// has no path - write "tls://{host}"')
    path = (slash + path) or DOH_PATH
    if not _PATH.fullmatch(path) or "?" in path or "#" in path:
        raise BadServer(f'"{text}": "{path}" is not a path - write it like "https://{host}{DOH_PATH}"')
    return ListenAddress(server, scheme, path if scheme is Scheme.DOH else "")


def parse_local(text: str, *, default_port: int = DNS_PORT) -> Server:
    """Return the address of this machine that `text` names; port 0 takes any free one.

    Raises:
        BadServer: no address, or a multicast one.
    """
    server = parse_server(text, port_min=0, default_port=default_port)
    if ip_address(server.host).is_multicast:
        raise BadServer(f'"{text}" is a multicast address - give one of this machine, or "0.0.0.0" for all')
    return server


def parse_network(text: str) -> Network:
    """Return the network that `text` names: `192.0.2.0/24`, `2001:db8::/32`, or one address.

    Raises:
        BadServer: anything else, a network with bits set behind its prefix among it.
    """
    try:
        network = ip_network(text)
    except ValueError:
        raise BadServer(_about_network(text)) from None
    if network.version == 6 and network.subnet_of(_MAPPED):
        raise BadServer(f'"{text}" stands for IPv4 addresses - write them as such')
    return network


def parse_access(text: str) -> Name | Network:
    """Return whom `text` names: the name of a key behind `key:`, or a network.

    Raises:
        BadServer: neither.
    """
    return _key_name(text) if text.startswith(KEY_PREFIX) else parse_network(text)


def parse_remote(text: str) -> Remote:
    """Return the server of a zone that `text` names: an address, and behind a blank `key:NAME` where one is used.

    Raises:
        BadServer: no address of one server, or no name of a key.
    """
    where, blank, key = text.partition(" ")
    server = parse_server(where)
    if not is_one_server(server):
        raise BadServer(f'"{where}" is not the address of one server')
    if blank and not key.strip().startswith(KEY_PREFIX):
        raise BadServer(f'"{text}": behind the address there can be a key - write it like "{where} key:NAME"')
    return Remote(server=server, key=_key_name(key.strip()) if blank else None)


def is_one_server(server: Server) -> bool:
    """Say whether the address is one that a single server can have."""
    address = ip_address(server.host)
    return not (address.is_unspecified or address.is_multicast or server.host == "255.255.255.255")


def own_address(server: Server, listen: Sequence[ListenAddress]) -> ListenAddress | None:
    """Return the address of `listen` at which we would answer what is sent to `server`, if there is one."""
    for address in listen:
        own = address.server
        if own.port == server.port and (own.host == server.host or _covers(own, server)):
            return address
    return None


def is_any(server: Server) -> bool:
    """Say whether listening on `server` means all addresses of this machine."""
    return ip_address(server.host).is_unspecified


def is_local(host: str) -> bool:
    """Say whether the address `host` is this machine's: whether a socket can be bound to it."""
    address = ip_address(host)
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def has_ipv6() -> bool:
    """Say whether this machine can use IPv6 at all."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def read_resolv_conf(path: Path = RESOLV_CONF) -> tuple[Server, ...]:
    """Return the name servers of resolv.conf(5), those that cannot be read left out; none when there is no file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    found: list[Server] = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(parse_upstream(f"[{words[1]}]:{DNS_PORT}"))
            except BadServer:
                continue
    return tuple(dict.fromkeys(found))[:_RESOLV_CONF_SERVERS_MAX]


def is_host_name(text: str) -> bool:
    """Say whether `text`, in lower case and without a final dot, is a name that a host and its certificate may have."""
    return len(text) <= _NAME_MAX and _HOST_NAME.fullmatch(text) is not None


def _covers(own: Server, server: Server) -> bool:
    """[::] is for IPv6 alone here, 0.0.0.0 for IPv4."""
    return is_any(own) and (":" in own.host) is (":" in server.host) and is_local(server.host)


def _key_name(text: str) -> Name:
    try:
        return parse_name(text.removeprefix(KEY_PREFIX))
    except BadName as error:
        raise BadServer(f'"{text}" names no key: {error.reason}') from None


def _parse_encrypted(text: str) -> Server:
    scheme, _, rest = text.partition("://")
    over = Transport(scheme)
    rest, hashed, name = rest.partition("#")
    where, slash, path = rest.partition("/")
    if over is Transport.TLS and slash:
        raise BadServer(f'"{text}": tls:// has no path - leave out "/{path}"')
    name = name.lower().removesuffix(".")
    if hashed and not is_host_name(name):
        raise BadServer(
            f'"{text}": "{name}" is no host name that a certificate can be for - write it like "dns.example"'
        )
    try:
        server = parse_server(where, default_port=PORTS[over])
    except BadServer as error:
        if not is_host_name(host := _split(where, 0)[0].lower()):
            raise BadServer(f'"{text}": {error}') from None
        meant = f"{scheme}://192.0.2.1{slash}{path}#{name or host}"
        raise BadServer(
            f'"{text}": "{host}" is a host name - write its IP address in its place, and the name at the end, like '
            f'"{meant}": to look the name up, a resolver is needed first'
        ) from None
    path = (f"/{path}" if slash else DOH_PATH) if over is Transport.HTTPS else ""
    if path and not _PATH.fullmatch(path):
        raise BadServer(f'"{text}": "{path}" is not a path - most servers have "{DOH_PATH}"')
    return replace(server, over=over, name=name, path=path)


def _split(text: str, default_port: int) -> tuple[str, str]:
    """Part host and port; a bare IPv6 address has colons but no port."""
    if text.startswith("["):
        host, end, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else str(default_port)
        return (host, port) if end and rest != port else (text, "")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, str(default_port)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """::ffff:192.0.2.1 is 192.0.2.1 (RFC 4291 section 2.5.5.2); one server must have one name."""
    return getattr(address, "ipv4_mapped", None) or address


def _about_network(text: str) -> str:
    try:
        meant = ip_interface(text).network
    except ValueError:
        return f'"{text}" is not a network - write it like "192.0.2.0/24" or "2001:db8::/32"'
    return f'"{text}" is an address within a network - did you mean "{meant}"?'


def _about_url(text: str) -> str:
    scheme = text.partition("://")[0]
    if scheme in ("udp", "tcp", "dns"):
        return f'"{text}": leave out "{scheme}://" - plain DNS is asked by UDP, and by TCP where that is needed'
    return f'"{text}": {scheme}:// is not known here - give an address like "192.0.2.1:53"'


def _about_host(text: str, host: str) -> str:
    if any(letter.isalpha() for letter in host) and ":" not in host:
        return f'"{text}" is a host name - give its IP address: to look the name up, a resolver is needed first'
    return f'"{text}" is not an IP address - write it like "192.0.2.1:53" or "[2001:db8::1]:53"'
