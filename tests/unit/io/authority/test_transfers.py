"""Zones given to secondaries: to whom, signed how, and what becomes of clients that do not read or go away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import dns.message
import dns.rcode
import pytest

from standfast.authority.access import Access, ZoneRules
from standfast.authority.zone import Zone
from standfast.dns.model import Reply, RRType
from standfast.dns.requests import message, question_octets, raws
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey, Verified, VerifiedStream, sign, verify
from standfast.io.authority.requests import Desk
from standfast.io.authority.secondaries import EXPIRED
from standfast.io.authority.transfers import STREAMS_MAX, Transfers
from standfast.io.authority.zones import ServedZones
from standfast.io.clients import connections
from standfast.io.clients.cookies import NO_COOKIES
from standfast.io.clients.listener import Listener
from standfast.io.clients.requests import Peer, Requests, Send
from zones import draft

ORIGIN = "example.org."
KEY = TsigKey(name="key.example.", algorithm="hmac-sha256", secret=bytes(32))
OTHER = TsigKey(name="other.example.", algorithm="hmac-sha256", secret=bytes(32))
KEYS = {each.name: each for each in (KEY, OTHER)}
RULES = ZoneRules(
    allow_transfer=Access(keys=frozenset({KEY.name}), networks=(ip_network("192.0.2.0/24"),)),
)
FRIEND, STRANGER = (Peer(address=address, port=5353, tcp=True) for address in ("192.0.2.7", "198.51.100.7"))
BY_UDP = Peer(address="192.0.2.7", port=5353, tcp=False)
NOW = 1.8e9
NOTICED_S = 20.0  # for what takes a tenth of a second on a machine with nothing else to do


LONG = f"TXT {'x' * 250}"


def at(serial: int, names: int = 1, data: str = "A 192.0.2.1") -> Zone:
    head = f"$TTL 3600\n@ SOA ns hostmaster {serial} 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
    return draft(head + "".join(f"n{number} {data}\n" for number in range(names))).zone()


async def served(*versions: Zone) -> ServedZones:
    """Return zones with one that went through `versions`."""
    zones = ServedZones({ORIGIN: RULES})
    before = None
    for each in versions:
        await zones.publish(each, base=before, cause="file")
        before = each
    return zones


def request(
    qtype: int = RRType.AXFR,
    *,
    serial: int | None = None,
    key: TsigKey | None = None,
    qname: str = ORIGIN,
    qclass: int = 1,
) -> bytes:
    authority = list(raws(at(serial).soa)) if serial is not None else []
    wire = message(id_=7, flags=0, question=question_octets(qname, qtype, qclass), authority=authority)
    return wire if key is None else sign(wire, key, now=NOW).wire


def mac_of(asked: bytes) -> bytes:
    found = verify(asked, KEYS, now=NOW)
    assert isinstance(found, Verified)
    return found.mac


def desk(zones: ServedZones, transfers: Transfers) -> Desk:
    made = Desk(zones, keys=KEYS, answer=lambda _query: Reply(rcode=0), cookies=NO_COOKIES, wall=lambda: NOW)
    made.on_transfer = transfers.answer
    return made


def answered(zones: ServedZones, asked: bytes, peer: Peer) -> list[bytes]:
    """Return the messages that go out."""
    sent: list[bytes] = []
    asyncio.run(desk(zones, Transfers(zones, wall=lambda: NOW)).take(asked, peer, _into(sent)))
    return sent


def code(messages: list[bytes]) -> str:
    (wire,) = messages
    return dns.rcode.to_text(dns.message.from_wire(wire, keyring=False).rcode())


def test_a_zone_goes_to_keys_and_networks_that_are_allowed_and_to_nobody_else() -> None:
    zones = asyncio.run(served(at(1)))
    allowed = [(request(), FRIEND), (request(key=KEY), STRANGER), (request(key=OTHER), FRIEND)]
    refused = [(request(), STRANGER), (request(key=OTHER), STRANGER)]
    for asked, peer in allowed:
        assert len(dns.message.from_wire(answered(zones, asked, peer)[0], keyring=False).answer) > 3
    for asked, peer in refused:
        assert code(answered(zones, asked, peer)) == "REFUSED"
    nobody = ServedZones()
    asyncio.run(nobody.publish(at(1), base=None, cause="file"))
    assert code(answered(nobody, request(key=KEY), FRIEND)) == "REFUSED"


@pytest.mark.parametrize(
    ("asked", "peer", "rcode"),
    [
        (request(qname="example.net."), FRIEND, "NOTAUTH"),
        (request(qname="n1.example.org."), FRIEND, "NOTAUTH"),  # in a zone, and none itself
        (request(qclass=3), FRIEND, "NOTAUTH"),
        (request(), BY_UDP, "FORMERR"),
        (request(RRType.IXFR), FRIEND, "FORMERR"),
        (request(RRType.IXFR), BY_UDP, "FORMERR"),
    ],
)
def test_what_cannot_be_is_refused_by_its_code(asked: bytes, peer: Peer, rcode: str) -> None:
    assert code(answered(asyncio.run(served(at(1))), asked, peer)) == rcode


def test_a_zone_that_has_expired_is_given_to_nobody() -> None:
    zones = asyncio.run(served(at(1)))
    zones.withhold(ORIGIN, EXPIRED)
    assert code(answered(zones, request(), FRIEND)) == "SERVFAIL"


def test_ixfr_gets_differences_by_tcp_and_by_udp() -> None:
    zones = asyncio.run(served(at(1), at(2, 3)))
    for peer in (FRIEND, BY_UDP):
        (wire,) = answered(zones, request(RRType.IXFR, serial=1), peer)
        records = dns.message.from_wire(wire, one_rr_per_rrset=True).answer
        assert [rrset[0].serial for rrset in records if rrset.rdtype == 6] == [2, 1, 2, 2]
        assert len(records) == 6


@pytest.mark.parametrize(("qtype", "serial"), [(RRType.AXFR, None), (RRType.IXFR, 1), (RRType.IXFR, 2)])
def test_every_message_of_a_signed_request_is_signed(qtype: int, serial: int | None) -> None:
    asked = request(qtype, serial=serial, key=KEY)
    messages = answered(asyncio.run(served(at(1), at(2, 3000))), asked, STRANGER)
    assert len(messages) == (1 if serial == 2 else 4)
    for wire in messages:
        assert dns.message.from_wire(wire, keyring=False).had_tsig
    stream = VerifiedStream(KEY, mac_of(asked))
    assert all(isinstance(stream.verify(wire, NOW), bytes) for wire in messages)
    assert stream.end() is None


def test_a_refusal_is_signed_too() -> None:
    asked = request(key=OTHER)
    (wire,) = answered(asyncio.run(served(at(1))), asked, STRANGER)
    assert isinstance(VerifiedStream(OTHER, mac_of(asked)).verify(wire, NOW), bytes)


def test_a_stream_of_signatures_is_what_dnspython_takes_for_one() -> None:
    asked = request(key=KEY)
    messages = answered(asyncio.run(served(at(1, 3000))), asked, STRANGER)
    keyring = {dns.name.from_text(KEY.name): dns.tsig.Key(KEY.name, KEY.secret, "hmac-sha256.")}
    context = None
    for wire in messages:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.time", lambda: NOW)
            found = dns.message.from_wire(
                wire, keyring=keyring, request_mac=mac_of(asked), xfr=True, tsig_ctx=context, multi=True
            )
        context = found.tsig_ctx
        assert found.had_tsig


def test_there_are_only_so_many_streams_at_once_and_who_comes_then_is_told_to_come_again() -> None:
    async def scene() -> None:
        zones = await served(at(1))
        taken_by = desk(zones, Transfers(zones, wall=lambda: NOW))
        go_on = asyncio.Event()
        under_way = 0

        async def slow(_wire: bytes) -> None:
            nonlocal under_way
            under_way += 1
            await go_on.wait()

        async with asyncio.TaskGroup() as group:
            for _ in range(STREAMS_MAX):
                group.create_task(taken_by.take(request(), FRIEND, slow))
            while under_way < STREAMS_MAX:
                await asyncio.sleep(0)
            for peer, rcode in ((FRIEND, dns.rcode.SERVFAIL), (STRANGER, dns.rcode.REFUSED)):
                sent: list[bytes] = []
                await taken_by.take(request(), peer, _into(sent))
                assert dns.message.from_wire(sent[0]).rcode() == rcode
            sent = []
            await taken_by.take(request(RRType.IXFR, serial=1), BY_UDP, _into(sent))
            assert dns.message.from_wire(sent[0]).rcode() == dns.rcode.NOERROR
            go_on.set()
        sent = []
        await taken_by.take(request(), FRIEND, _into(sent))
        assert dns.message.from_wire(sent[0]).rcode() == dns.rcode.NOERROR

    asyncio.run(scene())


def test_a_client_that_reads_too_slowly_for_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standfast.io.authority.transfers.STREAM_MAX_S", 0.05)

    async def scene() -> None:
        zones = await served(at(1))
        transfers = Transfers(zones, wall=lambda: NOW)

        async def never(_wire: bytes) -> None:
            await asyncio.Event().wait()

        with pytest.raises(ConnectionError):
            await desk(zones, transfers).take(request(), FRIEND, never)
        assert transfers.outcomes == {"cut": 1}

    asyncio.run(scene())


def test_a_stream_goes_on_with_the_zone_that_it_was_begun_with() -> None:
    async def scene() -> list[bytes]:
        old, new = at(1, 3000), at(2, 3001)
        zones = await served(old)
        taken_by = desk(zones, Transfers(zones, wall=lambda: NOW))
        sent: list[bytes] = []

        async def send(wire: bytes) -> None:
            sent.append(wire)
            if len(sent) == 1:
                await zones.publish(new, base=old, cause="file")

        await taken_by.take(request(), FRIEND, send)
        return sent

    messages = asyncio.run(scene())
    assert len(messages) > 2
    records = [rrset for wire in messages for rrset in dns.message.from_wire(wire, one_rr_per_rrset=True).answer]
    assert [rrset[0].serial for rrset in records if rrset.rdtype == 6] == [1, 1]
    assert len(records) == 3000 + 4


def test_a_zone_with_a_record_that_fits_in_no_message_ends_with_servfail() -> None:
    head = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
    zones = ServedZones({ORIGIN: RULES})
    large = draft(head + f"n TYPE65280 \\# 65500 {'00' * 65500}\n").zone()
    asyncio.run(zones.publish(large, base=None, cause="file", judged=True))
    messages = answered(zones, request(), FRIEND)
    assert dns.message.from_wire(messages[-1]).rcode() == dns.rcode.SERVFAIL


# Over real connections


@asynccontextmanager
async def listening(taken_by: Desk) -> AsyncIterator[Server]:
    async def take(wire: bytes, _peer: Peer, send: Send) -> None:
        await taken_by.take(wire, FRIEND, send)

    requests = Requests(take)
    listener = Listener(Server("127.0.0.1", 0), lambda _client, _query: None, requests=requests)
    await listener.start()
    try:
        yield listener.bound
    finally:
        listener.stop()
        await requests.stop()


async def ask(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
    wire = request()
    writer.write(len(wire).to_bytes(2, "big") + wire)
    return reader, writer


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(NOTICED_S):
        while not true():
            await asyncio.sleep(0.01)


def over_connections(scene: Callable[[Transfers, Server], Awaitable[None]]) -> None:
    async def play() -> None:
        zones = await served(at(1, 10_000, LONG))
        transfers = Transfers(zones, wall=lambda: NOW)
        async with listening(desk(zones, transfers)) as server:
            await scene(transfers, server)

    asyncio.run(play())


def test_a_client_that_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SLOW_S", 0.2)

    async def scene(transfers: Transfers, server: Server) -> None:
        reader, writer = await ask(server)
        await until(lambda: transfers.outcomes == {"cut": 1})
        with suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        writer.close()

    over_connections(scene)


def test_a_client_that_goes_away_ends_the_work() -> None:
    async def scene(transfers: Transfers, server: Server) -> None:
        reader, writer = await ask(server)
        await reader.readexactly(2)
        writer.transport.abort()
        await until(lambda: transfers.outcomes == {"cut": 1})

    over_connections(scene)


def test_others_have_their_turn_after_each_message() -> None:
    async def scene(transfers: Transfers, server: Server) -> None:
        reader, writer = await ask(server)
        octets = 0
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(turn)

        turn()
        while not transfers.outcomes.total():
            octets += len(await reader.read(1 << 16))
        assert turns > octets / connections.WRITE_OCTETS_MAX
        assert transfers.outcomes == {"zone": 1}
        writer.close()

    over_connections(scene)


def _into(sent: list[bytes]) -> Send:
    async def send(wire: bytes) -> None:
        sent.append(wire)

    return send
