"""Sources of endpoints on loopback: what each kind lists, all the ways in which it lists nothing, and restarts."""

import asyncio
import json
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from standfast.control.intent import Endpoint, Pool, Source, SourceKind
from standfast.control.sources import Listed, Reading, Unlisted
from standfast.dns.model import RRType
from standfast.dns.servers import Server
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.io.authority.service import AuthorityService
from standfast.io.clients.cookies import Cookies
from standfast.io.control.source_lists import LIST_OCTETS_MAX, read_list
from standfast.io.control.source_readers import Ways, read_source
from standfast.io.control.sources import Sources
from standfast.io.roots import Roots
from standfast.io.settings.authority import AuthorityConfig
from standfast.io.settings.control import ControlConfig

TWO: Final = (Endpoint(address="192.0.2.1"), Endpoint(address="192.0.2.2"))
ZONE: Final = """$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
origin A 192.0.2.2
origin A 192.0.2.1
six AAAA 2001:db8::1
lead CNAME middle
middle CNAME origin
_db SRV 10 5 8443 origin
_db SRV 10 0 8444 six
_db SRV 20 1 8443 spare
spare A 192.0.2.9
_none SRV 0 0 0 .
_lost SRV 0 0 1 host.example.org.
"""
NOTICED_S: Final = 20.0


# Lists


@pytest.mark.parametrize(
    "text",
    [
        '["192.0.2.1", "192.0.2.2"]',
        '[{"address": "192.0.2.1"}, {"address": "192.0.2.2"}]',
        '{"endpoints": ["192.0.2.1", {"address": "192.0.2.2"}], "written_by": "somebody"}',
        "192.0.2.1\n192.0.2.2\n",
        "# made every minute\r\n\r\n 192.0.2.1 # the first\r\n192.0.2.2\r\n",
    ],
)
def test_a_list_is_json_or_lines(text: str) -> None:
    assert read_list(text.encode()) == Listed(endpoints=TWO)


def test_a_json_list_says_all_that_an_intent_can_say_of_an_endpoint() -> None:
    said = {"address": "192.0.2.1", "port": 8443, "weight": 3, "capacity": 7, "drained": True}
    assert read_list(json.dumps([said]).encode()) == Listed(
        endpoints=(Endpoint(address="192.0.2.1", port=8443, weight=3, capacity=7, drained=True),)
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it lists nobody"),
        (" \n\n", "it lists nobody"),
        ("[]", "it lists nobody"),
        ("# nobody\n", "it lists nobody"),
        ('{"endpoints": []}', "it lists nobody"),
        ('{"servers": ["192.0.2.1"]}', 'it is no list of endpoints, and has none as "endpoints"'),
        ('["192.0.2.1", "192.0', "it is no JSON, or cut off (line 1: Unterminated string starting at)"),
        ("192.0.2.1\n192.0.2.1", "its last line has no end, so it may be cut off"),
        ("192.0.2.1\n192.0.2\n", 'endpoint 2: address: "192.0.2" is neither an IP address nor the name of a host'),
        ("192.0.2.1\n192.0.2.1\n", 'endpoint 2: address: "192.0.2.1" is in this pool already'),
        ('["192.0.2.1", 5]', "endpoint 2: endpoints must be a table, not 5"),
        (
            '[{"address": "192.0.2.1", "wieght": 1}]',
            'endpoint 1: unknown key "wieght" in an endpoint - did you mean "w',
        ),
        ('[{"port": 1}]', 'endpoint 1: an endpoint lacks "address"'),
        ("[" * 100_000, "it is no JSON that can be read"),
        ("\xff", "it is no UTF-8 text (octet 0)"),
        ("<html>not here</html>\n", 'endpoint 1: address: "<html>not here</html>" is neither an IP address nor'),
        ("x" * (LIST_OCTETS_MAX + 1), "it is larger than 1 MiB"),
    ],
)
def test_what_is_no_whole_list_lists_nothing(text: str, why: str) -> None:
    found = read_list(text.encode("latin-1"))
    assert isinstance(found, Unlisted)
    assert found.why.startswith(why)


# Each kind, asked once


def ways(*resolvers: Server, ca_file: Path | None = None) -> Ways:
    import random

    return Ways(resolvers=resolvers, tls=Roots(ca_file).probes, rng=random.Random(1), wall=time.time)


def read(source: Source, among: Ways | None = None) -> Reading:
    return asyncio.run(read_source(source, among or ways()))


def of_file(path: Path) -> Source:
    return Source(kind=SourceKind.FILE, where=str(path), timeout_s=NOTICED_S)


def test_a_file_lists_endpoints_and_a_missing_one_none(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text('["192.0.2.1", "192.0.2.2"]')
    assert read(of_file(path)) == Listed(endpoints=TWO)
    path.unlink()
    assert read(of_file(path)) == Unlisted(why=f"{path} cannot be read: no such file or directory")


def test_a_pipe_that_nobody_writes_to_does_not_keep_us_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read(of_file(tmp_path / "pipe")) == Unlisted(why=f"{tmp_path}/pipe is no file")


@asynccontextmanager
async def resolver(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "example.net.zone").write_text(ZONE)
    config = AuthorityConfig(listen=(Server("127.0.0.1", 0),), zones=(tmp_path / "example.net.zone",))
    async with AuthorityService(config, cookies=Cookies(None, time.monotonic), now=time.monotonic) as service:
        yield service.bound[0]


def test_names_list_their_addresses_through_aliases_and_services_those_of_their_hosts(tmp_path: Path) -> None:
    async def all_of_them() -> dict[str, Reading]:
        async with resolver(tmp_path) as server:

            async def asked(name: str, rtype: int = RRType.A) -> Reading:
                source = Source(kind=SourceKind.DNS, where=f"{name}.example.net.", qtype=rtype, port=8080, timeout_s=20)
                return await read_source(source, ways(server))

            services = {name: await asked(name, RRType.SRV) for name in ("_db", "_none", "_lost")}
            names = {name: await asked(name) for name in ("origin", "lead", "six", "nobody")}
            return services | names | {"six AAAA": await asked("six", RRType.AAAA), "server": Unlisted(why=str(server))}

    found = asyncio.run(all_of_them())
    server = found.pop("server")
    assert isinstance(server, Unlisted)
    both = Listed(endpoints=(Endpoint(address="192.0.2.1", port=8080), Endpoint(address="192.0.2.2", port=8080)))
    assert (found["origin"], found["lead"]) == (both, both)
    assert found["six AAAA"] == Listed(endpoints=(Endpoint(address="2001:db8::1", port=8080),))
    assert found["six"] == Unlisted(why=f"six.example.net. has no A, says {server.why}")
    assert found["nobody"] == Unlisted(why=f"nobody.example.net. does not exist, says {server.why}")
    assert found["_db"] == Listed(
        endpoints=(
            Endpoint(address="192.0.2.1", port=8443, weight=5),
            Endpoint(address="192.0.2.2", port=8443, weight=5),
            Endpoint(address="2001:db8::1", port=8444, weight=1),
        )
    )
    assert found["_none"] == Unlisted(why="it says that there is no such service")
    assert found["_lost"] == Unlisted(why=f"the resolver {server.why} answers REFUSED")


def test_a_name_is_asked_at_the_next_resolver_where_one_is_gone(tmp_path: Path, free_port: Callable[[], int]) -> None:
    gone = Server("127.0.0.1", free_port())
    source = Source(kind=SourceKind.DNS, where="origin.example.net.", timeout_s=NOTICED_S)

    async def asked() -> Reading:
        async with resolver(tmp_path) as server:
            return await read_source(source, ways(gone, server))

    assert asyncio.run(asked()) == Listed(endpoints=TWO)
    assert read(source, ways(gone)) == Unlisted(why=f"the resolver {gone} cannot be asked: connection refused")
    assert read(source) == Unlisted(why="there is no resolver to ask - set resolvers in [control]")


class Pages(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """Give the page of the path."""
        if self.path == "/slow":
            time.sleep(5)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/list?of=all")
            self.end_headers()
            return
        body = b"x" * (LIST_OCTETS_MAX * 2) if self.path == "/huge" else b'["192.0.2.1", "192.0.2.2"]'
        self.send_response(200 if self.path in ("/list?of=all", "/huge", "/cut") else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:9] if self.path == "/cut" else body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def pages(context: ssl.SSLContext | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_page_lists_endpoints_and_whatever_else_it_does_lists_nothing() -> None:
    with pages() as base:

        def page(path: str, timeout_s: float = NOTICED_S) -> Reading:
            return read(Source(kind=SourceKind.HTTP, where=base + path, timeout_s=timeout_s))

        assert page("/list?of=all") == Listed(endpoints=TWO)
        assert page("/gone") == Unlisted(why="it answers with status 404")
        moved = page("/moved")
        assert isinstance(moved, Unlisted)
        assert moved.why.startswith("it answers with status 302 - it sends elsewhere")
        assert page("/huge") == Unlisted(why="it is larger than 1 MiB")
        assert page("/cut") == Unlisted(why="it closed the connection within its answer")
        assert page("/slow", 0.2) == Unlisted(why="it did not answer within 0.2 s")
    assert page("/list?of=all") == Unlisted(why="connection refused")


def test_a_page_by_https_is_believed_only_with_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create(tmp_path)
    own = authority.issue(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert_file, own.key_file)
    with pages(context) as base:
        source = Source(kind=SourceKind.HTTP, where=f"{base}/list?of=all", timeout_s=NOTICED_S)
        assert read(source, ways(ca_file=authority.ca_file)) == Listed(endpoints=TWO)
        stranger = read(source)
        assert isinstance(stranger, Unlisted)
        assert stranger.why.startswith("no trust in its certificate: ")


# Again and again


def sources(tmp_path: Path, path: Path, changed: Callable[[str], None] = lambda _: None) -> Sources:
    pool = Pool(name="eu", source=Source(kind=SourceKind.FILE, where=str(path), every_s=0.05, timeout_s=NOTICED_S))
    plain = Pool(name="us", endpoints=TWO[:1])
    control = ControlConfig(intent=(), state_dir=tmp_path / "state")
    return Sources({"eu": pool, "us": plain}, control, wall=time.time, changed=changed)


def test_a_change_is_told_and_a_file_that_goes_or_is_half_written_changes_no_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "list"

    async def watched() -> None:
        told: asyncio.Queue[str] = asyncio.Queue()
        async with sources(tmp_path, path, told.put_nowait) as found:

            async def until(endpoints: tuple[Endpoint, ...], failed: str) -> None:
                async with asyncio.timeout(NOTICED_S):
                    while found.states["eu"].endpoints != endpoints or failed not in found.states["eu"].failed:
                        assert await told.get() == "eu"

            await until((), "no such file or directory")
            path.write_text("192.0.2.1\n192.0.2.2\n")
            await until(TWO, "")
            for content in ("192.0.2.1\n192.0.", "", "[{]\n"):
                path.write_text(content)
                await until(TWO, "it")
            path.unlink()
            await until(TWO, "no such file or directory")
            path.write_text("192.0.2.1\n")
            await until(TWO[:1], "")

    asyncio.run(watched())


def test_a_fault_of_whoever_is_told_does_not_end_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("192.0.2.1\n")
    told: list[str] = []

    def tell(pool: str) -> None:
        told.append(pool)
        if len(told) == 1:
            raise KeyError(pool)

    async def watched() -> None:
        async with sources(tmp_path, path, tell) as found, asyncio.timeout(NOTICED_S):
            while not told:
                await asyncio.sleep(0.01)
            path.write_text("192.0.2.1\n192.0.2.2\n")
            while found.states["eu"].endpoints != TWO:
                await asyncio.sleep(0.01)

    asyncio.run(watched())


def test_what_was_good_outlives_a_restart_and_another_source_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("192.0.2.1\n192.0.2.2\n")
    asyncio.run(sources(tmp_path, path).read_all())
    path.unlink()
    after = sources(tmp_path, path)
    asyncio.run(after.read_all())
    assert after.states["eu"].endpoints == TWO
    assert "no such file" in after.states["eu"].failed
    pool = Pool(name="eu", source=Source(kind=SourceKind.FILE, where=str(tmp_path / "other")))
    after.adopt({"eu": pool})
    assert after.endpoints(pool) == ()
    assert after.failed(pool)
    after.adopt({})
    assert after.states == {}


def test_pools_without_a_source_have_their_own_endpoints(tmp_path: Path) -> None:
    found = sources(tmp_path, tmp_path / "list")
    assert found.endpoints(Pool(name="us", endpoints=TWO[:1])) == TWO[:1]
    assert found.failed(Pool(name="us", endpoints=TWO[:1])) == ""
