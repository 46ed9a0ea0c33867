"""One look at one endpoint by the check of its pool. Reports; judges nothing, and raises nothing."""

import asyncio
import socket
from typing import assert_never

from standfast.control.health import Ill, Look, NotLooked, Well
from standfast.control.intent import CheckKind, HealthCheck
from standfast.evidence.aim import may_probe
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.io.control.checks.dns import look_by_dns
from standfast.io.control.checks.dynamodb import DynamoDb
from standfast.io.control.checks.http import look_by_http
from standfast.io.faults import in_words, is_local
from standfast.io.probes import probe
from standfast.io.roots import Roots
from standfast.io.settings.addresses import is_host_name
from standfast.ports import Random

_NEEDS_HOST = frozenset({CheckKind.TLS, CheckKind.HTTPS, CheckKind.DNS})


class Checker:
    """Takes looks. Lives in one event loop."""

    def __init__(self, roots: Roots, rng: Random) -> None:
        """`roots` are who is trusted by TLS; `rng` is for the numbers of DNS messages."""
        self._roots = roots
        self._rng = rng
        self._dynamodb = DynamoDb(roots)

    async def look(self, address: str, check: HealthCheck) -> Look:
        """Look at `address` (an IP address, or a host name), within the time-out of `check`, whose port is set.

        Raises:
            Nothing but `asyncio.CancelledError`.
        """
        if check.kind in _NEEDS_HOST and check.host is None:
            return NotLooked(why=f"a {check.kind} check without host, of a pool that no managed name has")
        if (
            check.host is not None
            and check.kind is not CheckKind.DNS
            and not is_host_name(check.host.removesuffix("."))
        ):
            return NotLooked(why=f'"{check.host}" is no host name')
        found: str | Ill | NotLooked = NotLooked(why=f"{address} could not be resolved in time")
        try:
            async with asyncio.timeout(check.timeout_s):
                found = await _resolved(address)
                return await self._look(found, check) if isinstance(found, str) else found
        except TimeoutError as error:
            if isinstance(found, NotLooked):
                return found
            return Ill(why="no answer in time" if error.errno is None else in_words(error))
        except OSError as error:
            words = in_words(error)
            return NotLooked(why=f"not askable from here: {words}") if is_local(error) else Ill(why=words)

    async def _look(self, address: str, check: HealthCheck) -> Look:
        assert check.port is not None
        if not may_probe(address):
            return NotLooked(why=f"{address} is not an address that may be looked at")
        match check.kind:
            case CheckKind.TLS | CheckKind.TCP:
                spec = ProbeSpec(kind=check.kind.value, port=check.port)
                result = await probe(check.host or "", address, spec, check.timeout_s, self._roots)
                return _of_probe(result, check.kind)
            case CheckKind.HTTP:
                return await look_by_http(address, check, None)
            case CheckKind.HTTPS:
                return await look_by_http(address, check, self._roots.probes)
            case CheckKind.DNS:
                return await look_by_dns(address, check, self._rng)
            case CheckKind.DYNAMODB:
                return await self._dynamodb.look(address, check)
            case CheckKind.NONE:
                return Well()
            case _:
                assert_never(check.kind)


def _of_probe(result: ProbeResult, kind: CheckKind) -> Look:
    """A certificate that proves nothing (expired, of nobody we trust) turns clients away: that is ill."""
    if result.identity is Identity.PROVEN or (kind is CheckKind.TCP and result.reachable):
        return Well()
    if result.identity is Identity.UNKNOWN and not result.reachable:
        return NotLooked(why=result.detail)
    return Ill(why=result.detail)


async def _resolved(address: str) -> str | Ill | NotLooked:
    """Return the address itself, or the first one of a host name by the resolver of this machine."""
    host = address.removesuffix(".")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            return Ill(why=f"{host} has no address")
        return NotLooked(why=f"{host} cannot be resolved here: {error.strerror}")
    except UnicodeError:
        return NotLooked(why=f"{host} is no host name")
    return str(found[0][4][0])
