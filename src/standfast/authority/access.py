"""Who may do what with a zone, and who is told of its changes. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from standfast.authority.checks import Promise
from standfast.authority.remote import Remote
from standfast.authority.signing import SigningPolicy
from standfast.dns.model import Name

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Those who may: whoever signs with one of `keys`, and whoever sends from one of `networks`."""

    keys: frozenset[Name] = frozenset()
    networks: tuple[Network, ...] = ()

    def admits(self, address: str, key: Name | None) -> bool:
        """Say whether a client at `address`, an IP address, whose request is proven to be signed with `key` may."""
        if key in self.keys:
            return True
        if not self.networks:
            return False
        found = ip_address(address.partition("%")[0])  # a link-local one has its interface behind it
        return any(found in network for network in self.networks if network.version == found.version)


NOBODY: Final = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRules:
    """What holds for one zone: who may, who is told, where it comes from, what was promised of it."""

    allow_transfer: Access = NOBODY
    allow_update: Access = NOBODY
    notify: tuple[Remote, ...] = ()
    primaries: tuple[Remote, ...] = ()  # with any, it is a secondary here
    promises: tuple[Promise, ...] = ()
    signing: SigningPolicy | None = None  # None: it is served as it comes


NO_RULES: Final = ZoneRules()
