"""Real Unbound and real dnsmasq as the drill starts them, and what they do when a name is lost."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import dns.rcode
import dns.rdatatype
import pytest

from standfast.drills.live import rivals
from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.rivals import NotInstalled, Rival, ServeExpired, start_dnsmasq, start_unbound
from standfast.drills.live.sockets import listened_on
from standfast.drills.live.stub import TYPE_A, StubResolver
from unit.drills.live.scripted_dns import Script, ScriptedDns, addresses, silence

pytestmark = pytest.mark.peers

NAME = "dynamodb.us-east-1.amazonaws.com"
FOUND = ("127.1.0.1", "127.1.0.2")
TTL_S = 1  # so that the test waits no longer than it must for an answer to expire
TIMEOUT_S = 30.0
IMPATIENT = ServeExpired(client_timeout_ms=200)

Got = tuple[str, ...] | int  # addresses in order, or EAI_*
Start = Callable[..., Awaitable[Rival | NotInstalled]]
unbound: Start = partial(start_unbound, expired=IMPATIENT)
unbound_without_stale: Start = partial(start_unbound, expired=None)
dnsmasq: Start = start_dnsmasq
dnsmasq_with_stale: Start = partial(start_dnsmasq, use_stale_cache=True)


async def started(start: Start, upstream: Endpoint, folder: Path) -> Rival:
    rival = await start(upstream, folder=folder)
    if isinstance(rival, NotInstalled):
        pytest.skip(f"no {rival.program}; to have it: {rival.install}")
    return rival


def after_the_loss(start: Start, loss: Script, folder: Path, *, until: Callable[[Got, bool], bool]) -> Got:
    """Look up again and again while upstream does `loss`; return the first that is `until`.

    `until` is told what a client gets, and whether the rival has asked upstream again.
    """

    def look_up(rival: Rival) -> Got:
        stub = StubResolver(server=rival.endpoint, timeout_s=2.0, attempts=1)
        try:
            return tuple(sorted(stub.addresses(NAME, (TYPE_A,))))  # they may rotate
        except socket.gaierror as error:
            return error.errno or 0

    async def run() -> Got:
        with ScriptedDns(addresses(*FOUND, ttl_s=TTL_S)) as upstream:
            async with await started(start, upstream.endpoint, folder) as rival, asyncio.timeout(TIMEOUT_S):
                assert await asyncio.to_thread(look_up, rival) == FOUND
                upstream.script = loss
                asked = upstream.times_asked(dns.rdatatype.A)
                while True:
                    got = await asyncio.to_thread(look_up, rival)
                    if until(got, upstream.times_asked(dns.rdatatype.A) > asked):
                        return got

    return asyncio.run(run())


@pytest.mark.parametrize("start", [unbound, unbound_without_stale, dnsmasq, dnsmasq_with_stale])
def test_a_rival_says_its_version_and_listens_on_loopback_only(start: Start, tmp_path: Path) -> None:
    async def run() -> None:
        async with await started(start, free_endpoint(), tmp_path) as rival:
            assert rival.version.startswith(rival.child.name)
            assert listened_on(rival.child.process.pid) == {"127.0.0.1"}

    asyncio.run(run())


@pytest.mark.parametrize("start", [unbound, dnsmasq, dnsmasq_with_stale])
@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN], ids=["NODATA", "NXDOMAIN"])
def test_every_rival_obeys_a_negative_answer(start: Start, rcode: dns.rcode.Rcode, tmp_path: Path) -> None:
    """At once, or (dnsmasq with use-stale-cache, which also makes NODATA of NXDOMAIN) one look-up later."""
    loss = addresses(rcode=rcode, ttl_s=TTL_S)
    got = after_the_loss(start, loss, tmp_path, until=lambda got, _: got != FOUND)
    assert got in {socket.EAI_NODATA, socket.EAI_NONAME}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        pytest.param(unbound, FOUND, id="unbound"),
        pytest.param(unbound_without_stale, socket.EAI_AGAIN, id="unbound without serve-expired"),
        pytest.param(dnsmasq_with_stale, FOUND, id="dnsmasq with use-stale-cache"),
        pytest.param(dnsmasq, socket.EAI_AGAIN, id="dnsmasq"),
    ],
)
def test_stale_answers_bridge_a_silent_upstream_where_they_are_switched_on(
    start: Start, expected: tuple[str, ...] | int, tmp_path: Path
) -> None:
    got = after_the_loss(start, silence, tmp_path, until=lambda _, asked_again: asked_again)
    assert got == expected


@pytest.mark.parametrize(
    ("start", "missing"),
    [
        (unbound, NotInstalled(program="unbound", install="sudo apt-get install unbound")),
        (dnsmasq, NotInstalled(program="dnsmasq", install="sudo apt-get install dnsmasq-base")),
    ],
)
def test_a_rival_that_is_not_installed_is_a_value_with_its_install_line(
    start: Start, missing: NotInstalled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rivals, "SBIN", ())
    assert asyncio.run(_start(start, tmp_path)) == missing


async def _start(start: Start, folder: Path) -> Rival | NotInstalled:
    return await start(free_endpoint(), folder=folder)
