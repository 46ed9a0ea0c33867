"""A front serves each name with its certificate, and its addresses drain, die, come back and change hands."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from standfast.drills.live.authority import ThrowawayAuthority
from standfast.drills.live.front import Front, Site
from standfast.drills.live.loopback import Endpoint

NAME, DEPENDENT, UNKNOWN = "dynamodb.us-east-1.amazonaws.com", "pay.example.com", "other.example.com"
ADDRESSES = ("127.1.0.1", "127.1.0.2", "127.1.0.3")
TIMEOUT_S = 10.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Region:
    """A front before two backends that echo lines, each under its own name."""

    def __init__(self, front: Front, authority: ThrowawayAuthority, backend_is_left: asyncio.Event) -> None:
        self.front = front
        self.authority = authority
        self.backend_is_left = backend_is_left
        self.stranger = Site(certificate=authority.issue(["shop.example.com"]), backend=None)

    async def connect(self, address: str, name: str | None = NAME, *, verify: bool = True) -> Connection:
        trust = ssl.create_default_context(cafile=str(self.authority.ca_file))
        if not verify:
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection(address, self.front.port, ssl=trust, server_hostname=name or "")

    async def is_refused(self, address: str) -> bool:
        try:
            await self.connect(address)
        except ConnectionRefusedError:
            return True
        return False

    async def ask(self, address: str, name: str = NAME) -> bytes:
        connection = await self.connect(address, name)
        answer = await say(connection, b"hello\n")
        connection[1].close()
        return answer


async def is_broken(connection: Connection) -> bool:
    try:
        return await say(connection, b"still there?\n") == b""
    except ConnectionError:
        return True


async def say(connection: Connection, line: bytes) -> bytes:
    connection[1].write(line)
    return await connection[0].readline()


@asynccontextmanager
async def region(folder: Path) -> AsyncIterator[Region]:
    authority = ThrowawayAuthority.create(folder)
    backend_is_left = asyncio.Event()
    sites, backends = {}, []
    for name in (NAME, DEPENDENT):

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name) -> None:
            while line := await reader.readline():
                writer.write(f"{name}: ".encode() + line)
            writer.close()
            backend_is_left.set()

        backend = await asyncio.start_server(echo, "127.0.0.1", 0)
        backends.append(backend)
        sites[name] = Site(
            certificate=authority.issue([name]),
            backend=Endpoint(address="127.0.0.1", port=backend.sockets[0].getsockname()[1]),
        )
    async with asyncio.timeout(TIMEOUT_S), await Front.start(addresses=ADDRESSES, sites=sites) as front:
        yield Region(front, authority, backend_is_left)
    for backend in backends:
        backend.close()


def in_region(test: Callable[[Region], Awaitable[None]]) -> Callable[[Path], None]:
    """Make of `test` a test that runs in a region of its own."""

    async def run(folder: Path) -> None:
        async with region(folder) as there:
            await test(there)

    def synchronous(tmp_path: Path) -> None:
        asyncio.run(run(tmp_path))

    synchronous.__name__ = test.__name__
    return synchronous


def test_a_front_beyond_loopback_is_refused(tmp_path: Path) -> None:
    site = Site(certificate=ThrowawayAuthority.create(tmp_path).issue([NAME]), backend=None)
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is not in 127\.0\.0\.0/8"):
        asyncio.run(Front.start(addresses=["127.1.0.1", "192.0.2.1"], sites={NAME: site}))


@in_region
async def test_every_address_serves_every_name_with_its_own_certificate_and_backend(there: Region) -> None:
    for address in ADDRESSES:
        assert await there.ask(address, NAME) == f"{NAME}: hello\n".encode()
        assert await there.ask(address, DEPENDENT) == f"{DEPENDENT}: hello\n".encode()


@in_region
async def test_a_name_without_a_site_is_shown_the_first_certificate(there: Region) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await there.connect(ADDRESSES[0], UNKNOWN)
    without_sni = await there.connect(ADDRESSES[0], None, verify=False)
    assert await say(without_sni, b"hello\n") == f"{NAME}: hello\n".encode()


@in_region
async def test_a_drained_address_lets_open_connections_end_and_takes_no_new_ones(there: Region) -> None:
    connection = await there.connect(ADDRESSES[0])
    there.front.drain(ADDRESSES[0])
    assert await there.is_refused(ADDRESSES[0])
    assert await say(connection, b"still here\n") == f"{NAME}: still here\n".encode()
    assert await there.ask(ADDRESSES[1]) == f"{NAME}: hello\n".encode()


@in_region
async def test_a_dead_address_breaks_open_connections_and_takes_no_new_ones(there: Region) -> None:
    connection = await there.connect(ADDRESSES[0])
    assert await say(connection, b"hello\n")
    there.front.die(ADDRESSES[0])
    assert await there.is_refused(ADDRESSES[0])
    assert await is_broken(connection)
    assert await there.ask(ADDRESSES[1]) == f"{NAME}: hello\n".encode()


@in_region
async def test_a_connection_in_its_handshake_dies_with_its_address(there: Region) -> None:
    _, writer = await asyncio.open_connection(ADDRESSES[0], there.front.port)
    await there.ask(ADDRESSES[0])  # one that came later is served, so the first one is accepted
    there.front.die(ADDRESSES[0])
    trust = ssl.create_default_context(cafile=str(there.authority.ca_file))
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await writer.start_tls(trust, server_hostname=NAME)


@in_region
async def test_a_dead_address_comes_back_on_its_port(there: Region) -> None:
    await there.ask(ADDRESSES[0])
    there.front.die(ADDRESSES[0])
    await there.front.serve(ADDRESSES[0])
    assert await there.ask(ADDRESSES[0]) == f"{NAME}: hello\n".encode()


@in_region
async def test_a_reassigned_address_shows_the_strangers_certificate_for_our_name(there: Region) -> None:
    connection = await there.connect(ADDRESSES[0])
    assert await say(connection, b"hello\n")
    await there.front.reassign(ADDRESSES[0], there.stranger)
    assert await is_broken(connection)
    for name in (NAME, DEPENDENT):
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await there.connect(ADDRESSES[0], name)
    assert await there.ask(ADDRESSES[1]) == f"{NAME}: hello\n".encode()


@in_region
async def test_a_stranger_does_not_relay_to_us_even_who_does_not_verify(there: Region) -> None:
    await there.front.reassign(ADDRESSES[0], there.stranger)
    connection = await there.connect(ADDRESSES[0], verify=False)
    assert await say(connection, b"hello\n") == b""


@in_region
async def test_a_reassigned_address_can_be_ours_again(there: Region) -> None:
    await there.front.reassign(ADDRESSES[0], there.stranger)
    there.front.die(ADDRESSES[0])
    await there.front.serve(ADDRESSES[0])
    assert await there.ask(ADDRESSES[0]) == f"{NAME}: hello\n".encode()


@in_region
async def test_a_client_that_breaks_off_ends_its_connection_to_the_backend(there: Region) -> None:
    connection = await there.connect(ADDRESSES[0])
    assert await say(connection, b"hello\n")
    assert not there.backend_is_left.is_set()
    connection[1].transport.abort()
    await there.backend_is_left.wait()
