"""The chaos judges truly: every kind of wrong answer is found, and the bad path does the harm that it counts."""

import socket
from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from chaos.load import Load, Mix, Stub
from chaos.names import LEARNED, address_of
from chaos.path import SPARED, Faults, Path
from standfast.dns.servers import Server
from unit.drills.live.scripted_dns import Script, ScriptedDns, addresses, in_order, silence

STALE = dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER)


def honest(query: dns.message.Message, _: str) -> dns.message.Message:
    """Answer as the guard should."""
    reply = dns.message.make_response(query, recursion_available=True)
    qname = query.question[0].name
    reply.answer += in_order(qname, [address_of(qname.to_text())], ttl_s=1)
    return reply


def but(change: Callable[[dns.message.Message], object]) -> Script:
    """Return a script that answers honestly but for one `change`."""

    def script(query: dns.message.Message, transport: str) -> dns.message.Message:
        reply = honest(query, transport)
        change(reply)
        return reply

    return script


def held_with_ad(reply: dns.message.Message) -> None:
    reply.use_edns(options=[STALE])
    reply.flags |= dns.flags.AD


def of_another_name(reply: dns.message.Message) -> None:
    other = dns.message.make_query(LEARNED[0] if LEARNED[1] in reply.question[0].to_text() else LEARNED[1], "A")
    reply.question = other.question


def of_another_id(reply: dns.message.Message) -> None:
    reply.id ^= 1


def long_lived(reply: dns.message.Message) -> None:
    reply.answer[0].ttl = 30


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (addresses("127.0.0.66", ttl_s=1), r"NOERROR \['127.0.0.66'\] where"),
        (addresses(rcode=dns.rcode.NXDOMAIN), r"NXDOMAIN \[\] where"),
        (but(lambda reply: reply.set_rcode(dns.rcode.SERVFAIL)), "SERVFAIL"),
        (but(held_with_ad), "AD on a held answer"),
        (but(of_another_name), "an answer to another question"),
        (but(of_another_id), "an ID that this client never used"),
        (but(long_lived), "a TTL that is too long: 30 s"),
        (silence, "no answer"),
    ],
)
def test_every_kind_of_wrong_answer_is_found(lie: Script, found: str) -> None:
    with ScriptedDns(lie) as server, pytest.raises(AssertionError, match=found):  # noqa: PT012  leaving it judges
        stub = Stub(timeout_s=0.3, tries=1)
        with Load(at(server), seed=1, clients=2, mix=Mix(cold=0, absent=0, tcp=0), stub=stub) as load:
            load.wait("a finding", lambda: bool(load.book.broken))


def test_what_is_right_is_not_complained_of() -> None:
    with ScriptedDns(honest) as server, Load(at(server), seed=1, mix=Mix(cold=0.2, absent=0)) as load:
        load.wait_until_fresh()


def test_a_bad_path_harms_one_exchange_of_a_question_and_spares_the_next_ones() -> None:
    query = dns.message.make_query(LEARNED[0], "A")
    with ScriptedDns(honest) as server, Path(at(server), seed=1, faults=Faults(lost=1.0)) as path:
        outcomes = []
        for _ in range(2 * (SPARED + 1)):
            try:
                dns.query.udp(query, path.address.host, port=path.address.port, timeout=1.0)
                outcomes.append("answered")
            except dns.exception.Timeout:
                outcomes.append("lost")
    assert outcomes == 2 * ["lost", *["answered"] * SPARED]
    assert path.did == {"lost": 2}


def test_a_bad_path_cuts_by_udp_and_carries_whole_by_tcp() -> None:
    query = dns.message.make_query(LEARNED[0], "A")
    with (
        ScriptedDns(honest) as server,
        Path(at(server), seed=1, faults=Faults(cut=1.0, jitter_s=0.01)) as path,
        socket.socket(type=socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(20)
        client.sendto(query.to_wire(), (path.address.host, path.address.port))
        assert client.recv(512)[2] & 0x02, "TC"
        assert dns.query.tcp(query, path.address.host, port=path.address.port, timeout=20).answer


def at(server: ScriptedDns) -> Server:
    return Server(server.endpoint.address, server.endpoint.port)
