"""Who is served, and how often. Decides only: reads no clock, sends nothing.

A client is one IPv4 address, or one IPv6 /64, which is what a single host can choose its address from (RFC 4291
section 2.5.1). Who is turned away is told so, up to a number of answers a second in all: enough that an operator sees
what is wrong and a real client comes by TCP, too few for anybody to make a flood of our answers.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Generic, Protocol, TypeVar

Network = IPv4Network | IPv6Network

# Networks from which nothing comes by way of the Internet. 100.64.0.0/10 (RFC 6598) is among them: carriers must not
# let it out, and many container networks give it to the very clients that a guard stands beside.
ALLOW_DEFAULT: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",  # RFC 3927, link-local
            "fc00::/7",  # RFC 4193, unique local
            "fe80::/10",  # RFC 4291 section 2.5.6, link-local
        ),
    )
)
EVERYBODY: Final[tuple[Network, ...]] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
RATE_LIMIT_DEFAULT_QPS: Final = 1000.0  # of a client; a busy host asks some tens, a broken loop asks thousands
BURST_S: Final = 2.0  # a client that was silent may ask at once what it may ask in so long
CLIENTS_MAX: Final = 65_536  # whose rate is known, about 150 octets each
# Answers in all to those who are turned away: what whoever forges his address can have us send to somebody else, some
# 70 octets each and hardly more than he sends himself. Two bounds, so that no stranger uses up what clients need.
REFUSALS_QPS: Final = 100.0
TRUNCATIONS_QPS: Final = 1000.0

_CLIENT_OCTETS: Final = 8  # all of an IPv4 address, and the /64 of an IPv6 one
_CLIENT_BITS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Who may ask, and how many queries a second each client may ask by UDP; 0 is any number."""

    allow: tuple[Network, ...] = ALLOW_DEFAULT
    rate_limit_qps: float = RATE_LIMIT_DEFAULT_QPS


class Admission(Enum):
    """What to do with a datagram."""

    SERVE = "serve"
    DROP = "drop"
    REFUSE = "refuse"  # tell that this client is not served
    TRUNCATE = "truncate"  # tell it to come by TCP, as only the owner of an address can


class Rate:
    """Token buckets, each kept as the time at which it will be full again: one that is full need not be kept at all.

    The generic cell rate algorithm of ITU-T I.371, annex A.
    """

    def __init__(self, qps: float, *, burst: float, keys_max: int = CLIENTS_MAX) -> None:
        """Allow `burst` (at least 1) at once, and `qps` a second from then on, for each of at most `keys_max` keys."""
        self._interval_s = 1 / qps
        self._ahead_max_s = (burst - 1) / qps
        self._keys_max = keys_max
        self._full_at_s: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._full_at_s)

    def take(self, key: bytes, now: float) -> bool:
        """Take a token of `key`, if there is one."""
        full_at_s = self._full_at_s.get(key)
        if full_at_s is None:
            full_at_s = now
            if len(self._full_at_s) >= self._keys_max:
                self._make_room(now)
        elif full_at_s < now:
            full_at_s = now
        if full_at_s - now > self._ahead_max_s:
            return False
        self._full_at_s[key] = full_at_s + self._interval_s
        return True

    def _make_room(self, now: float) -> None:
        """Forget all buckets that are full; where that frees little, because very many are in use, forget all.

        Looking through them is paid for by the many that came since.
        """
        self._full_at_s = {key: at_s for key, at_s in self._full_at_s.items() if at_s > now}
        if len(self._full_at_s) > self._keys_max // 2:
            self._full_at_s.clear()


class Gate:
    """Where all clients of a guard pass. Counts who does not.

    Addresses are octets as on the wire, 4 or 16.
    """

    def __init__(self, limits: Limits, *, clients_max: int = CLIENTS_MAX) -> None:
        self.outside = 0  # datagrams and connections from outside `allow`
        self.limited = 0  # datagrams over the rate of their client
        self._networks = {4: _masked(limits.allow, 4), 16: _masked(limits.allow, 6)}
        self._split = frozenset(_client(network) for network in limits.allow if network.prefixlen > _CLIENT_BITS)
        qps = limits.rate_limit_qps
        self._rate = Rate(qps, burst=max(1.0, qps * BURST_S), keys_max=clients_max) if qps else None
        self._refusals = Rate(REFUSALS_QPS, burst=REFUSALS_QPS, keys_max=1)
        self._truncations = Rate(TRUNCATIONS_QPS, burst=TRUNCATIONS_QPS, keys_max=1)
        # Clients that were let in before, so that they cost one look-up, each with the rate that it is held to.
        self._known: dict[bytes, Rate | None] = {}
        self._clients_max = clients_max

    def admit(self, address: bytes, now: float) -> Admission:
        """Say what to do with a datagram that comes from `address` at the time `now`, in seconds."""
        client = address[:_CLIENT_OCTETS]
        rate = self._known.get(client, _UNKNOWN)
        if rate is _UNKNOWN:
            if not self.allows(address):
                self.outside += 1
                return Admission.REFUSE if self._refusals.take(b"", now) else Admission.DROP
            rate = self._learn(client, address)
        if rate is None or rate.take(client, now):
            return Admission.SERVE
        self.limited += 1
        return Admission.TRUNCATE if self._truncations.take(b"", now) else Admission.DROP

    def admit_proven(self, address: bytes, now: float) -> bool:
        """Say whether a datagram that was to be truncated is served after all, as its cookie proves its sender.

        Such queries have a rate of their own, as high as the other, which nobody can use up in their client's name.
        """
        return self._rate is None or self._rate.take(_PROVEN + address[:_CLIENT_OCTETS], now)

    def admit_connection(self, address: bytes) -> bool:
        """Say whether `address` may connect. There is no rate: a connection answers for its own address and pace."""
        allowed = self.allows(address)
        self.outside += not allowed
        return allowed

    def allows(self, address: bytes) -> bool:
        """Say whether `address` is in one of the networks that are served."""
        number = int.from_bytes(address, "big")
        return any(number & mask == network for network, mask in self._networks[len(address)])

    def _learn(self, client: bytes, address: bytes) -> Rate | None:
        rate = None if is_loopback(address) else self._rate  # this machine's programs are one address
        if client not in self._split:
            if len(self._known) >= self._clients_max:
                self._known.clear()  # they are learnt again as they come
            self._known[client] = rate
        return rate


class Sitter(Protocol):
    """A connection, or what may become one. `active_at_s` is when something last happened on it."""

    address: bytes
    active_at_s: float

    @property
    def is_idle(self) -> bool: ...
    def abort(self) -> None: ...


S = TypeVar("S", bound=Sitter)


class Seats(Generic[S]):
    """So many connections in all, so many of one client; where all are taken, the one idle longest makes room."""

    def __init__(self, seats_max: int, client_seats_max: int) -> None:
        """`client_seats_max` does not hold for this machine's own programs, which look like one client."""
        self._max = seats_max
        self._client_max = client_seats_max
        self._taken: set[S] = set()

    def take(self, sitter: S) -> bool:
        """Take in `sitter`, if need be in place of one that is idle; False where none is."""
        if not is_loopback(sitter.address):
            client = client_of(sitter.address)
            mine = [other for other in self._taken if client_of(other.address) == client]
            if not self._has_room(mine, self._client_max):
                return False
        if not self._has_room(self._taken, self._max):
            return False
        self._taken.add(sitter)
        return True

    def leave(self, sitter: S) -> None:
        """Free the seat of `sitter`, if it has one."""
        self._taken.discard(sitter)

    def clear(self) -> None:
        """Close all there are."""
        for sitter in list(self._taken):
            sitter.abort()

    def _has_room(self, among: Collection[S], seats_max: int) -> bool:
        if len(among) < seats_max:
            return True
        idle = [other for other in among if other.is_idle]
        if not idle:
            return False
        longest = min(idle, key=lambda other: other.active_at_s)
        self._taken.discard(longest)
        longest.abort()
        return True


def is_loopback(address: bytes) -> bool:
    """Say whether `address`, 4 or 16 octets, is one that only this machine itself can send from."""
    return address[0] == 127 if len(address) == 4 else address == _LOOPBACK_V6


def client_of(address: bytes) -> bytes:
    """Return what all addresses of the same client have in common."""
    return address[:_CLIENT_OCTETS]


_LOOPBACK_V6: Final = bytes(15) + b"\1"
_PROVEN: Final = b"proven"  # before the client in the key of its bucket for such queries; none is so long otherwise
_UNKNOWN: Final = Rate(1, burst=1)  # stands for no client's


def _masked(networks: Iterable[Network], version: int) -> tuple[tuple[int, int], ...]:
    return tuple((int(each.network_address), int(each.netmask)) for each in networks if each.version == version)


def _client(network: Network) -> bytes:
    return client_of(network.network_address.packed)
