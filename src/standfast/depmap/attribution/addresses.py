"""Where the addresses of a map are: their provider, region, zone and network, by the lists that the user has."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from standfast.depmap.assembly import Step
from standfast.depmap.attribution.address_lists import READER, Place
from standfast.depmap.attribution.networks import NETWORKS, Network, NetworkTable
from standfast.depmap.attribution.ranges import RangeTable
from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Reading, Remark, Shares, Told, Witness

NAMED_MAX: Final = 5  # addresses in a remark; of more it says how many

_READERS: Final = (READER, NETWORKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What addresses are looked up in. `remarks` say which lists could not be read, or not all of them.

    Of `networks` the first that knows an address is asked.
    """

    places: RangeTable[Place]
    networks: Sequence[tuple[NetworkTable, Witness]] = ()
    remarks: tuple[Remark, ...] = ()

    def network_of(self, address: str) -> tuple[Network, Witness] | None:
        """Return the network that announces `address`, and who says so; None where there is none.

        Raises:
            ModelError: a table is broken.
        """
        for table, by in self.networks:
            if network := table.of(address):
                return network, by
        return None


def providers_of_addresses(lists: Callable[[], Lists]) -> Step:
    """Return the step that tells what each address shares; it gets its lists only if there is a public address.

    What lists of an earlier day said, as a map that was kept has it, holds: two days' lists in one map contradict.
    """

    def step(found: DependencyMap) -> Reading:
        told_before = {name for (name, _), by in found.witnesses.items() if any(each.reader in _READERS for each in by)}
        nodes = sorted(
            node.name
            for node in found.graph.nodes.values()
            if node.kind is Kind.ADDRESS and node.name not in told_before
        )
        addresses = {name: address for name in nodes if (address := _address(name))}
        private = [name for name, address in addresses.items() if not address.is_global]
        public = [name for name, address in addresses.items() if address.is_global]
        remarks = [_remark(f"{_named(private)} of no provider: private or reserved")] if private else []
        if not public:
            return Reading(remarks=tuple(remarks))
        known = lists()
        told: list[Told] = []
        nowhere: list[str] = []
        broken: dict[str, None] = {}
        for name in public:
            here = [Told(Shares(name, cause), by) for cause, by in _causes(str(addresses[name]), known, broken)]
            told += here
            if not here:
                nowhere.append(name)
        remarks += [_remark(why) for why in broken]
        if nowhere:
            remarks.append(_remark(f"{_named(nowhere)} in no list - `standfast map refresh` fetches lists"))
        return Reading(told=tuple(told), remarks=(*known.remarks, *remarks))

    return step


def causes_of(place: Place) -> Iterator[str]:
    """Yield what an address at `place` goes down with, the largest first."""
    yield f"provider:{place.provider}"
    if place.region:
        yield f"region:{place.provider}/{place.region}"
    if place.zone:
        yield f"az:{place.provider}/{place.zone}"


def _causes(address: str, lists: Lists, broken: dict[str, None]) -> Iterator[tuple[str, Witness]]:
    if place := lists.places.of(address):
        by = place.by
        if place.services:
            by = replace(by, where=f"{by.where} ({', '.join(place.services)})")
        for cause in causes_of(place):
            yield cause, by
    try:
        network = lists.network_of(address)
    except ModelError as error:
        broken[str(error)] = None
    else:
        if network:
            yield f"as:{network[0].number}", network[1]


def _address(name: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `name` is, whatever link it is on; None where it is none."""
    try:
        return ip_address(name.partition("%")[0])
    except ValueError:  # whoever wrote the map calls it so
        return None


def _named(addresses: Sequence[str]) -> str:
    some = ", ".join(addresses[:NAMED_MAX])
    more = f" and {len(addresses) - NAMED_MAX} more" if len(addresses) > NAMED_MAX else ""
    return f"{some}{more} {'is' if len(addresses) == 1 else 'are'}"


def _remark(text: str) -> Remark:
    return Remark(text=text, by=Witness(reader=READER, where=""))
