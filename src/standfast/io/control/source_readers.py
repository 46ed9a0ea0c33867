"""How each kind of source is asked once: a file, a DNS name, an HTTP server. What fails is told, never raised."""

import asyncio
import ssl
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from standfast.control.intent import Endpoint, Source, SourceKind
from standfast.control.sources import Listed, Reading, Unlisted
from standfast.dns.codec import RD, TC
from standfast.dns.model import Name, Rcode, RRType, rcode_name, type_name
from standfast.dns.name import name_from_wire
from standfast.dns.requests import CLASS_IN, Message, Raw, message, question_octets
from standfast.dns.servers import Server
from standfast.io.control.source_lists import LIST_OCTETS_MAX, read_list
from standfast.io.dns_over_tcp import ask
from standfast.io.faults import in_words
from standfast.io.web_pages import NoPage, read_page
from standfast.ports import Random

SRV_TARGETS_MAX: Final = 100  # hosts whose addresses are asked for, at once
_SRV_TARGET_AT: Final = 6  # octets of priority, weight and port before it (RFC 2782)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What sources are asked by: resolvers for names, trust for HTTPS, randomness, the time of the world."""

    resolvers: Sequence[Server]
    tls: ssl.SSLContext
    rng: Random
    wall: Callable[[], float]


class _NoList(Exception):
    """What was asked for is not to be had; the text says why."""


async def read_source(source: Source, ways: Ways) -> Reading:
    """Return what `source` lists now, asked within its time-out."""
    try:
        async with asyncio.timeout(source.timeout_s):
            match source.kind:
                case SourceKind.FILE:
                    return await asyncio.to_thread(_read_file, Path(source.where))
                case SourceKind.DNS:
                    return await _read_dns(source, ways)
                case SourceKind.HTTP:
                    return await _read_http(source, ways)
    except TimeoutError:
        return Unlisted(why=f"it did not answer within {source.timeout_s:g} s")
    except _NoList as error:
        return Unlisted(why=str(error))


def _read_file(path: Path) -> Reading:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep us waiting for whoever writes into it
            return Unlisted(why=f"{path} is no file")
        with path.open("rb") as file:
            return read_list(file.read(LIST_OCTETS_MAX + 1))
    except OSError as error:
        return Unlisted(why=f"{path} cannot be read: {in_words(error)}")


# HTTP (RFC 9110) ----------------------------------------------------------------------------------------------------


async def _read_http(source: Source, ways: Ways) -> Reading:
    try:
        return read_list(await read_page(source.where, ways.tls, octets_max=LIST_OCTETS_MAX + 1))
    except NoPage as error:
        return Unlisted(why=str(error))


# DNS ----------------------------------------------------------------------------------------------------------------


async def _read_dns(source: Source, ways: Ways) -> Reading:
    found = await _resolve(source.where, source.qtype, ways)
    if source.qtype == RRType.SRV:
        return await _of_services(found, ways)
    endpoints = [Endpoint(address=_address(raw), port=source.port) for raw in found]
    return Listed(endpoints=tuple(sorted(endpoints, key=_by_address)))  # resolvers give them in any order


async def _of_services(found: Sequence[Raw], ways: Ways) -> Reading:
    """Return the addresses of the hosts that are to be tried first (RFC 2782), each with its port and weight."""
    first = min(raw.rdata[:2] for raw in found)
    services = sorted(raw.rdata for raw in found if raw.rdata[:2] == first)
    hosts = [name_from_wire(rdata[_SRV_TARGET_AT:]) for rdata in services]
    if len(hosts) > SRV_TARGETS_MAX:
        return Unlisted(why=f"it names {len(hosts)} hosts, and at most {SRV_TARGETS_MAX} are asked for")
    if "." in hosts:
        return Unlisted(why="it says that there is no such service")  # a target of "." (RFC 2782)
    endpoints: dict[str, Endpoint] = {}
    for rdata, addresses in zip(services, await asyncio.gather(*(_hosted(host, ways) for host in hosts)), strict=True):
        weight, port = (int.from_bytes(rdata[at : at + 2], "big") for at in (2, 4))
        for address in addresses:
            endpoints.setdefault(address, Endpoint(address=address, port=port, weight=max(1, weight)))
    return Listed(endpoints=tuple(sorted(endpoints.values(), key=_by_address)))


async def _hosted(host: Name, ways: Ways) -> list[str]:
    """Return the addresses of a host of ours; that it has none of one kind is fine, that it has none at all is not."""
    answers = await asyncio.gather(
        *(_resolve(host, rtype, ways) for rtype in (RRType.A, RRType.AAAA)), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, _Nothing):
            raise answer
    found = [_address(raw) for answer in answers if not isinstance(answer, BaseException) for raw in answer]
    if not found:
        raise _NoList(f"{host} has no address")
    return found


class _Nothing(_NoList):
    """The name has no records of that type."""


async def _resolve(name: Name, rtype: int, ways: Ways) -> list[Raw]:
    """Return the records that the first resolver to answer gives; at least one.

    Raises:
        _NoList: none answers, or there are none.
    """
    why = "there is no resolver to ask - set resolvers in [control]"
    for server in ways.resolvers:
        wire = message(id_=ways.rng.getrandbits(16), flags=RD, question=question_octets(name, rtype))
        answer = await ask(server, wire, None, wall=ways.wall)
        if not isinstance(answer, Message):
            why = f"the resolver {server} cannot be asked: {answer.why}"
        elif answer.rcode == Rcode.NXDOMAIN:
            raise _Nothing(f"{name} does not exist, says {server}")
        elif answer.rcode != Rcode.NOERROR or answer.flags & TC:
            why = f"the resolver {server} answers {rcode_name(answer.rcode)}"
        elif found := _led_to(answer, name, rtype):
            return found
        else:
            raise _Nothing(f"{name} has no {type_name(rtype)}, says {server}")
    raise _NoList(why)


def _led_to(answer: Message, name: Name, rtype: int) -> list[Raw]:
    """Return the records of the name that the CNAMEs of `name` lead to."""
    ours = [raw for raw in answer.answer if raw.rclass == CLASS_IN]
    leads = {raw.owner: name_from_wire(raw.rdata) for raw in ours if raw.rtype == RRType.CNAME}
    for _ in range(len(leads)):
        name = leads.get(name, name)
    return [raw for raw in ours if (raw.owner, raw.rtype) == (name, rtype)]


def _address(raw: Raw) -> str:
    return str(IPv4Address(raw.rdata) if raw.rtype == RRType.A else IPv6Address(raw.rdata))


def _by_address(endpoint: Endpoint) -> str:
    return endpoint.address
