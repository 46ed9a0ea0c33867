"""Which addresses replies hold, and which were ever said for a name, by its zone or by a resolver that forges."""

from collections.abc import Iterable
from functools import lru_cache

from standfast.dns.model import Name, Reply, RRset, addresses_of
from standfast.sim.events import BreakResolver, Event, SetAddresses
from standfast.sim.world import NameSpec


def addresses_in(reply: Reply) -> tuple[str, ...]:
    """Return the addresses in the answer of `reply`, each once."""
    return _addresses(tuple((rrset.rtype, rrset.rdatas) for rrset in reply.answer))


@lru_cache(maxsize=4096)  # the same few RRsets are read again and again, and making text of addresses is slow
def _addresses(rrsets: tuple[tuple[int, tuple[bytes, ...]], ...]) -> tuple[str, ...]:
    return addresses_of(tuple(RRset(owner="", rtype=rtype, ttl_s=0, rdatas=rdatas) for rtype, rdatas in rrsets))


class SaidAddresses:
    """Addresses by name; those of an alias are those of what it points to."""

    def __init__(self, names: Iterable[NameSpec]) -> None:
        specs = {spec.name: spec for spec in names}
        self._target = {name: _target(spec, specs) for name, spec in specs.items()}
        self._said: dict[Name, set[str]] = {name: set(spec.addresses) for name, spec in specs.items()}

    def has(self, qname: Name, address: str) -> bool:
        """Say whether `address` was ever said for `qname`."""
        names = (qname, self._target.get(qname, qname))
        return any(address in self._said.get(name, ()) for name in names)

    def take(self, event: Event) -> None:
        """Take in what `event` says."""
        match event:
            case SetAddresses(name=name, addresses=addresses):
                self._said.setdefault(name, set()).update(addresses)
            case BreakResolver(addresses=addresses):
                for said in self._said.values():
                    said.update(addresses)
            case _:
                pass


def _target(spec: NameSpec, specs: dict[Name, NameSpec]) -> Name:
    while spec.alias_of is not None:
        spec = specs[spec.alias_of]
    return spec.name
