"""Clients by UDP: who gets an answer, from which address, and who gets silence."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from standfast.dns.codec import decode_incoming, encode_outbound, rrset_from_text
from standfast.dns.cookies import ServerCookies
from standfast.dns.exchange import Heard, Outbound
from standfast.dns.model import Ede, Query, Question, Rcode, Reply, RRType
from standfast.dns.prepared import PreparedAnswers
from standfast.dns.servers import Server
from standfast.guard.cache import Entry
from standfast.io.clients.batch import OCTETS
from standfast.io.clients.client import Client
from standfast.io.clients.cookies import Cookies
from standfast.io.clients.datagrams import FastPath
from standfast.io.clients.limits import REFUSALS_QPS, Admission, Gate, Limits
from standfast.io.clients.listener import Listener, ListenError
from standfast.io.settings.addresses import has_ipv6

OUTBOUND = Outbound(id=7, question=Question("www.example.org.", RRType.A), cased_qname="wWw.example.org.")
REPLY = Reply(rcode=Rcode.NOERROR, answer=(rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"]),))


def answer(client: Client, query: Query) -> None:
    client.respond(query, REPLY)


@asynccontextmanager
async def listening(server: Server, *, size_max: int = 1232) -> AsyncIterator[Listener]:
    listener = Listener(server, answer, size_max=size_max)
    await listener.start()
    try:
        yield listener
    finally:
        listener.stop()


async def asked(listener: Listener, host: str, *wires: bytes) -> bytes:
    """Send each of `wires` to the listener at `host`, and return the first answer that comes from there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as client:
        client.connect((host, listener.bound.port))  # takes nothing from any other address
        for wire in wires:
            client.send(wire)
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65_535), 5)


def run(server: Server, scene: Callable[[Listener], Awaitable[bytes]], *, size_max: int = 1232) -> bytes:
    async def play() -> bytes:
        async with listening(server, size_max=size_max) as listener:
            return await scene(listener)

    return asyncio.run(play())


def test_a_query_gets_its_reply() -> None:
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", encode_outbound(OUTBOUND)))
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=REPLY)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_is_served() -> None:
    wire = run(Server("::1", 0), lambda listener: asked(listener, "::1", encode_outbound(OUTBOUND)))
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=REPLY)


@pytest.mark.parametrize(
    ("anywhere", "host"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.53"),
        pytest.param("::", "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")),
    ],
)
def test_a_reply_comes_from_the_address_that_was_asked(anywhere: str, host: str) -> None:
    wire = run(Server(anywhere, 0), lambda listener: asked(listener, host, encode_outbound(OUTBOUND)))
    assert decode_incoming(wire, OUTBOUND) == Heard(reply=REPLY)


@pytest.mark.parametrize(
    "noise",
    [b"", b"\0", b"\0" * 11, bytes((0, 9, 0x80, 0)) + bytes(8)],
    ids="empty one-octet short-header response".split(),
)
def test_what_is_no_query_gets_silence_and_the_next_query_its_reply(noise: bytes) -> None:
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", noise, encode_outbound(OUTBOUND)))
    assert wire[:2] == b"\0\7"


@pytest.mark.parametrize(
    ("malformed", "rcode"),
    [
        (encode_outbound(OUTBOUND) + b"\0", Rcode.FORMERR),
        (encode_outbound(OUTBOUND)[:20], Rcode.FORMERR),
        (encode_outbound(OUTBOUND) + bytes(OCTETS), Rcode.FORMERR),
        (bytes((0, 7, 0x20, 0)) + encode_outbound(OUTBOUND)[4:], Rcode.NOTIMP),
    ],
    ids="trailing cut oversized notify".split(),
)
def test_a_malformed_query_gets_its_error(malformed: bytes, rcode: Rcode) -> None:
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", malformed))
    assert (wire[:2], wire[3] & 0xF) == (b"\0\7", rcode)


def test_no_datagram_is_larger_than_the_listener_may_send() -> None:
    query = encode_outbound(OUTBOUND)[:-11] + b"\x00\x00\x29\xff\xff" + bytes(6)  # takes 65,535 octets
    wire = run(Server("127.0.0.1", 0), lambda listener: asked(listener, "127.0.0.1", query), size_max=50)
    assert len(wire) <= 50
    assert wire[2] & 0x02  # TC


def open_files() -> set[str]:
    """Return the descriptors of this process, each with what it is open on."""
    return {f"{link.name} {link.readlink()}" for link in list(Path("/proc/self/fd").iterdir()) if link.is_symlink()}


def test_any_free_port_is_one_for_udp_and_tcp() -> None:
    async def scene(listener: Listener) -> bytes:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.bound.port)
        writer.close()
        return await asked(listener, "127.0.0.1", encode_outbound(OUTBOUND))

    assert run(Server("127.0.0.1", 0), scene)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_that_is_taken_is_refused_with_advice_and_nothing_stays_open(kind: socket.SocketKind) -> None:
    async def scene() -> None:
        with closing(socket.socket(socket.AF_INET, kind)) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            listener = Listener(Server("127.0.0.1", taken.getsockname()[1]), answer)
            before = open_files()
            with pytest.raises(ListenError, match="another program listens there"):
                await listener.start()
            assert open_files() == before

    asyncio.run(scene())


def test_several_sockets_have_one_port_and_a_second_listener_gets_none_of_it() -> None:
    async def scene() -> None:
        first = Listener(Server("127.0.0.1", 0), answer, sockets=3)
        await first.start()
        try:
            assert {each.udp.getsockname() for each in first.datagrams} == {("127.0.0.1", first.bound.port)}
            for sockets in (1, 3):
                with pytest.raises(ListenError, match="another program listens there"):
                    await Listener(first.bound, answer, sockets=sockets).start()
            for _ in range(20):  # the kernel picks a socket for each port that is asked from
                assert await asked(first, "127.0.0.1", encode_outbound(OUTBOUND))
        finally:
            first.stop()

    asyncio.run(scene())


def test_an_address_of_another_machine_is_refused_with_its_reason() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1 is not an address of this machine"):
        asyncio.run(Listener(Server("192.0.2.1", 0), answer).start())


def test_a_reply_after_the_stop_is_dropped() -> None:
    async def scene() -> None:
        late: list[tuple[Client, Query]] = []
        listener = Listener(Server("127.0.0.1", 0), lambda client, query: late.append((client, query)))
        await listener.start()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
            client.sendto(encode_outbound(OUTBOUND), ("127.0.0.1", listener.bound.port))
            while not late:
                await asyncio.sleep(0)
        listener.stop()
        late[0][0].respond(late[0][1], REPLY)
        assert listener.dropped == 1

    asyncio.run(scene())


# Who is let in

CLIENT, STRANGER = "127.0.0.7", "127.0.0.8"


class Guarded:
    """A listener on all addresses that serves `CLIENT` alone, and answers from what it has prepared where it can."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.now = 1.0
        self.hits = 0
        self.asked = 0
        self.gate = gate or Gate(Limits(allow=(ip_network(f"{CLIENT}/32"),), rate_limit_qps=0))
        fast = FastPath(PreparedAnswers(), now=lambda: self.now, on_hits=self._count)
        cookies = Cookies(ServerCookies(random.Random(1), self.now), now=lambda: self.now)
        self.listener = Listener(Server("0.0.0.0", 0), self._answer, fast=fast, gate=self.gate, cookies=cookies)

    def _count(self, hits: int) -> None:
        self.hits += hits

    def _answer(self, client: Client, query: Query) -> None:
        self.asked += 1
        client.respond(query, REPLY, Entry(REPLY, self.now, self.now + 60))

    async def exchange(self, host: str, *wires: bytes) -> list[bytes]:
        """Send `wires` from `host`, one at a time, and return the answers; b"" for each that gets none."""
        loop = asyncio.get_running_loop()
        answers = []
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as client:
            client.bind((host, 0))
            client.connect(("127.0.0.1", self.listener.bound.port))
            for wire in wires:
                seen = self.gate.outside + self.gate.limited
                client.send(wire)
                receiving = asyncio.ensure_future(loop.sock_recv(client, 65_535))
                while not receiving.done() and self.gate.outside + self.gate.limited == seen:
                    await asyncio.sleep(0.001)
                with suppress(TimeoutError):  # what is sent to those who are turned away is sent at once
                    await asyncio.wait_for(receiving, 0.05 if not receiving.done() else None)
                answers.append(b"" if receiving.cancelled() else receiving.result())
        return answers


class Elsewhere(Gate):
    """Takes this machine's clients, who have no limit, for those of 192.0.2.0/24."""

    def admit(self, address: bytes, now: float) -> Admission:
        return super().admit(b"\xc0\x00\x02" + address[3:], now)

    def admit_connection(self, address: bytes) -> bool:
        return super().admit_connection(b"\xc0\x00\x02" + address[3:])


def play(guarded: Guarded, scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await guarded.listener.start()
        try:
            await asyncio.wait_for(scene(), 20)
        finally:
            guarded.listener.stop()

    asyncio.run(whole())


def test_a_stranger_is_refused_also_what_is_prepared_and_the_client_is_served() -> None:
    guarded = Guarded()
    wire = encode_outbound(OUTBOUND)

    async def scene() -> None:
        served = await guarded.exchange(CLIENT, wire, wire)
        assert [decode_incoming(each, OUTBOUND) for each in served] == [Heard(reply=REPLY)] * 2
        assert (guarded.asked, guarded.hits) == (1, 1)
        refused = await guarded.exchange(STRANGER, wire, wire)
        for each in refused:
            heard = decode_incoming(each, OUTBOUND)
            assert isinstance(heard, Heard)
            assert (heard.reply.rcode, heard.reply.answer) == (Rcode.REFUSED, ())
            assert [error.code for error in heard.reply.errors] == [Ede.PROHIBITED]
            assert len(each) <= len(wire) + 6  # the extended error
        assert (guarded.asked, guarded.hits, guarded.gate.outside) == (1, 1, 2)

    play(guarded, scene)


def test_a_stranger_who_goes_on_or_is_malformed_gets_silence() -> None:
    guarded = Guarded()

    async def scene() -> None:
        wire = encode_outbound(OUTBOUND)
        malformed = await guarded.exchange(STRANGER, wire + b"\0", wire[:20], b"")
        assert malformed == [b""] * 3
        for _ in range(int(REFUSALS_QPS)):
            guarded.gate.admit(bytes((192, 0, 2, 1)), guarded.now)
        assert await guarded.exchange(STRANGER, wire) == [b""]
        assert len((await guarded.exchange(CLIENT, wire))[0]) > len(wire)

    play(guarded, scene)


def test_a_client_over_its_rate_is_sent_to_tcp_hits_or_not_and_is_served_there() -> None:
    guarded = Guarded(Elsewhere(Limits(allow=(ip_network("192.0.2.0/24"),), rate_limit_qps=2)))
    wire = encode_outbound(OUTBOUND)

    async def scene() -> None:
        answers = await guarded.exchange(CLIENT, *[wire] * 6)
        assert [decode_incoming(each, OUTBOUND) for each in answers[:4]] == [Heard(reply=REPLY)] * 4
        for each in answers[4:]:
            heard = decode_incoming(each, OUTBOUND)
            assert heard == Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True)
            assert len(each) <= len(wire)
        reader, writer = await asyncio.open_connection("127.0.0.1", guarded.listener.bound.port)
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        assert decode_incoming(await reader.readexactly(size), OUTBOUND) == Heard(reply=REPLY)
        writer.close()
        guarded.now += 0.6
        (after,) = await guarded.exchange(CLIENT, wire)
        assert isinstance(decode_incoming(after, OUTBOUND), Heard)
        assert len(after) > len(wire)

    play(guarded, scene)


def test_a_stranger_s_connection_is_closed_and_the_client_s_is_served() -> None:
    guarded = Guarded()

    async def scene() -> None:
        port = guarded.listener.bound.port
        wire = encode_outbound(OUTBOUND)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(STRANGER, 0))
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert guarded.gate.outside == 1
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(CLIENT, 0))
        writer.write(len(wire).to_bytes(2, "big") + wire)
        assert len(await reader.readexactly(2)) == 2
        writer.close()

    play(guarded, scene)


def test_at_a_loopback_address_whoever_gets_there_is_served() -> None:
    async def scene() -> bytes:
        gate = Gate(Limits(allow=(ip_network("192.0.2.0/24"),), rate_limit_qps=1))
        listener = Listener(Server("127.0.0.1", 0), answer, gate=gate)
        await listener.start()
        try:
            return await asked(listener, "127.0.0.1", encode_outbound(OUTBOUND))
        finally:
            listener.stop()

    assert decode_incoming(asyncio.run(scene()), OUTBOUND) == Heard(reply=REPLY)


def test_a_query_of_type_any_is_sent_to_tcp_and_not_asked() -> None:  # RFC 8482 section 4.4
    guarded = Guarded()
    outbound = Outbound(id=7, question=Question("www.example.org.", RRType.ANY), cased_qname="www.example.org.")

    async def scene() -> None:
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(outbound))
        assert decode_incoming(wire, outbound) == Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True)
        assert len(wire) <= len(encode_outbound(outbound))
        assert guarded.asked == 0

    play(guarded, scene)


# Cookies (RFC 7873)

CLIENT_PART = b"client's"


def with_cookie(cookie: bytes = CLIENT_PART, *, qtype: RRType = RRType.A) -> Outbound:
    return replace(OUTBOUND, question=Question("www.example.org.", qtype), cookie=cookie)


def heard(wire: bytes, outbound: Outbound) -> Heard:
    found = decode_incoming(wire, outbound)
    assert isinstance(found, Heard)
    return found


async def introduced(guarded: Guarded, host: str = CLIENT) -> bytes:
    """Return the cookie that `host` gets."""
    (wire,) = await guarded.exchange(host, encode_outbound(with_cookie()))
    cookie = heard(wire, with_cookie()).cookie
    assert cookie.startswith(CLIENT_PART)
    return cookie


def test_a_client_that_sends_a_cookie_gets_one_and_keeps_it_while_it_is_fresh() -> None:
    guarded = Guarded()

    async def scene() -> None:
        cookie = await introduced(guarded)
        assert len(cookie) == 24
        again = with_cookie(cookie)
        wires = await guarded.exchange(CLIENT, *[encode_outbound(again)] * 2)
        assert [heard(wire, again) for wire in wires] == [Heard(reply=REPLY, cookie=cookie)] * 2
        guarded.now += 2000
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(again))
        assert heard(wire, again).cookie not in (b"", cookie)

    play(guarded, scene)


def test_with_a_cookie_that_is_known_what_is_prepared_is_given_and_to_nobody_else() -> None:
    guarded = Guarded(Gate(Limits(allow=(ip_network("127.0.0.0/8"),), rate_limit_qps=0)))

    async def scene() -> None:
        cookie = await introduced(guarded)
        again = with_cookie(cookie)
        await guarded.exchange(CLIENT, encode_outbound(again))  # proves it, and has the answer prepared
        asked = guarded.asked
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(again))
        assert heard(wire, again) == Heard(reply=REPLY, cookie=cookie)
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(OUTBOUND))
        assert heard(wire, OUTBOUND) == Heard(reply=REPLY)
        assert (guarded.asked, guarded.hits) == (asked, 2)
        (wire,) = await guarded.exchange(STRANGER, encode_outbound(again))
        assert heard(wire, again).cookie != cookie
        assert guarded.asked == asked + 1

    play(guarded, scene)


def test_a_cookie_of_another_address_is_replaced_and_its_bearer_answered_as_without() -> None:
    guarded = Guarded(Gate(Limits(allow=(ip_network("127.0.0.0/8"),), rate_limit_qps=0)))

    async def scene() -> None:
        stolen = await introduced(guarded)
        asks = with_cookie(stolen, qtype=RRType.ANY)
        (wire,) = await guarded.exchange(STRANGER, encode_outbound(asks))
        assert heard(wire, asks).truncated
        assert heard(wire, asks).cookie not in (b"", stolen)

    play(guarded, scene)


def test_by_tcp_a_cookie_is_given_as_well() -> None:
    guarded = Guarded()

    async def scene() -> None:
        wire = encode_outbound(with_cookie())
        port = guarded.listener.bound.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(CLIENT, 0))
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        cookie = heard(await reader.readexactly(size), with_cookie()).cookie
        writer.close()
        asks = with_cookie(cookie, qtype=RRType.ANY)
        (answer,) = await guarded.exchange(CLIENT, encode_outbound(asks))
        assert not heard(answer, asks).truncated  # it proves the address by UDP

    play(guarded, scene)


def test_who_proves_its_address_need_not_come_by_tcp_for_a_query_of_type_any() -> None:  # RFC 7873 section 5.2.5
    guarded = Guarded()
    unproven = with_cookie(qtype=RRType.ANY)

    async def scene() -> None:
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(unproven))
        assert heard(wire, unproven).truncated
        assert len(wire) <= len(encode_outbound(unproven)) + 16
        proven = with_cookie(heard(wire, unproven).cookie, qtype=RRType.ANY)
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(proven))
        assert heard(wire, proven).reply == REPLY
        plain = replace(proven, cookie=b"")  # and what it got is not given to who proves nothing
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(plain))
        assert heard(wire, plain).truncated

    play(guarded, scene)


def test_a_flood_in_a_client_s_name_does_not_send_to_tcp_what_proves_to_be_its_own() -> None:
    guarded = Guarded(Elsewhere(Limits(allow=(ip_network("192.0.2.0/24"),), rate_limit_qps=2)))
    flood = encode_outbound(OUTBOUND)

    async def scene() -> None:
        proven = with_cookie(await introduced(guarded))
        answers = await guarded.exchange(CLIENT, *[flood] * 4, *[encode_outbound(proven)] * 6)
        assert heard(answers[3], OUTBOUND).truncated
        assert [heard(wire, proven).truncated for wire in answers[4:]] == [False] * 4 + [True] * 2

    play(guarded, scene)


def test_a_malformed_cookie_gets_formerr() -> None:
    guarded = Guarded()

    async def scene() -> None:
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(with_cookie(CLIENT_PART + b"!")))
        assert (wire[3] & 0xF, guarded.asked) == (Rcode.FORMERR, 0)

    play(guarded, scene)


def without_question(cookie: bytes) -> bytes:
    whole = encode_outbound(with_cookie(cookie))
    return whole[:4] + bytes(2) + whole[6:12] + whole[whole.index(b"\0\0\1\0\1") + 5 :]


def test_a_query_for_a_cookie_alone_gets_one() -> None:  # RFC 7873 section 5.4
    guarded = Guarded()

    async def scene() -> None:
        cookie = await introduced(guarded)
        wires = await guarded.exchange(CLIENT, *map(without_question, (CLIENT_PART, cookie, cookie[::-1])))
        read = [dns.message.from_wire(wire) for wire in wires]
        assert [each.rcode() for each in read] == [dns.rcode.NOERROR, dns.rcode.NOERROR, dns.rcode.BADCOOKIE]
        assert [each.options[0].to_wire()[:8] for each in read] == [CLIENT_PART, CLIENT_PART, cookie[::-1][:8]]
        assert len(wires[0]) == 12 + 11 + 4 + 24
        (wire,) = await guarded.exchange(CLIENT, without_question(CLIENT_PART + b"!"))
        assert (wire[3] & 0xF, len(wire)) == (Rcode.FORMERR, 12)

    play(guarded, scene)


def test_what_is_rejected_for_another_reason_carries_the_cookie() -> None:
    guarded = Guarded()

    async def scene() -> None:
        cookie = await introduced(guarded)
        asks = with_cookie(cookie, qtype=RRType.AXFR)
        (wire,) = await guarded.exchange(CLIENT, encode_outbound(asks))
        assert (heard(wire, asks).reply.rcode, heard(wire, asks).cookie) == (Rcode.REFUSED, cookie)

    play(guarded, scene)
