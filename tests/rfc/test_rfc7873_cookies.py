"""RFC 7873: DNS cookies; and RFC 9018, which says what a server cookie is made of."""

from ipaddress import ip_address

import dns.edns
import dns.message
import dns.rcode
import pytest

from guard_world import UPSTREAM, World, a, failure, over_tcp, positive, shown
from standfast.dns.codec import (
    Rejected,
    decode_incoming,
    decode_query,
    encode_outbound,
    encode_rejected,
    encode_response,
    encode_truncated,
)
from standfast.dns.cookies import AHEAD_S, FRESH_S, VALID_S, is_valid, make_cookie
from standfast.dns.exchange import Heard, NotOurs, Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.dns.servers import Transport
from standfast.guard.events import Ask

CLIENT_PART, SERVER_PART = bytes.fromhex("2464c4abcf10c957"), bytes.fromhex("010000005cf79f111f8130c3eee29480")
COOKIE = CLIENT_PART + SERVER_PART
QUESTION = Question("example.org.", RRType.A)
REPLY = Reply(rcode=Rcode.NOERROR)


def option(data: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.COOKIE, data)


def query_wire(*options: bytes) -> bytes:
    """Write a query with these COOKIE options, by another's pen."""
    message = dns.message.make_query("example.org", "A", id=7, use_edns=0, options=[option(data) for data in options])
    return message.to_wire()


def query(*options: bytes) -> Query:
    found = decode_query(query_wire(*options))
    assert isinstance(found, Query)
    return found


def cookies_in(wire: bytes) -> list[bytes]:
    message = dns.message.from_wire(wire)
    return [each.to_wire() or b"" for each in message.options if each.otype == dns.edns.OptionType.COOKIE]


def response_wire(*options: bytes, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(query_wire()))
    message.use_edns(0, options=[option(data) for data in options])
    message.set_rcode(rcode)
    return message.to_wire()


def outbound(cookie: bytes) -> Outbound:
    return Outbound(id=7, question=QUESTION, cased_qname=QUESTION.qname, cookie=cookie)


# Section 4: the option.


@pytest.mark.parametrize("cookie", [CLIENT_PART, COOKIE])
def test_4_ours_is_option_10_with_the_client_s_part_first(cookie: bytes) -> None:
    assert cookies_in(encode_outbound(outbound(cookie))) == [cookie]


def test_4_without_a_cookie_there_is_no_option() -> None:
    assert cookies_in(encode_outbound(outbound(b""))) == []
    assert cookies_in(encode_response(query(), REPLY)) == []


# Section 5.2: what came in a request.


def test_5_2_of_two_cookies_the_first_counts() -> None:
    assert query(COOKIE, CLIENT_PART).cookie == COOKIE


@pytest.mark.parametrize("octets", [8, *range(16, 41)])
def test_5_2_2_a_cookie_of_legal_length_is_taken_in(octets: int) -> None:
    assert query(bytes(octets)).cookie == bytes(octets)


@pytest.mark.parametrize("octets", [0, 1, 7, *range(9, 16), 41, 100])
def test_5_2_2_a_cookie_of_another_length_gets_formerr(octets: int) -> None:
    rejected = decode_query(query_wire(bytes(octets)))
    assert isinstance(rejected, Rejected)
    assert (rejected.rcode, rejected.edns, rejected.cookie) == (Rcode.FORMERR, True, b"")


def test_5_2_5_the_response_carries_the_cookie_also_where_it_is_no_answer() -> None:
    asked = query(COOKIE)
    assert cookies_in(encode_response(asked, REPLY, cookie=COOKIE)) == [COOKIE]
    assert cookies_in(encode_truncated(asked, cookie=COOKIE)) == [COOKIE]
    chaos = decode_query(query_wire(COOKIE).replace(b"\0\1\0\1", b"\0\1\0\3"))
    assert isinstance(chaos, Rejected)
    assert (chaos.rcode, cookies_in(encode_rejected(chaos, cookie=chaos.cookie))) == (Rcode.REFUSED, [COOKIE])


# Section 5.3: what came in a response.


def test_5_3_our_cookie_with_the_server_s_part_is_heard() -> None:
    heard = decode_incoming(response_wire(COOKIE), outbound(CLIENT_PART))
    assert isinstance(heard, Heard)
    assert heard.cookie == COOKIE


def test_5_3_also_with_an_error() -> None:
    heard = decode_incoming(response_wire(COOKIE, rcode=dns.rcode.BADCOOKIE), outbound(CLIENT_PART))
    assert isinstance(heard, Heard)
    assert (heard.reply.rcode, heard.cookie) == (Rcode.BADCOOKIE, COOKIE)


@pytest.mark.parametrize("cookie", [bytes(8) + SERVER_PART, COOKIE[:7], COOKIE[:12], COOKIE + bytes(17)])
def test_5_3_a_cookie_that_is_not_ours_or_not_of_legal_length_makes_the_response_none_of_ours(cookie: bytes) -> None:
    assert decode_incoming(response_wire(cookie), outbound(CLIENT_PART)) == NotOurs()


def test_5_3_of_two_cookies_the_first_counts() -> None:
    assert decode_incoming(response_wire(bytes(8), COOKIE), outbound(CLIENT_PART)) == NotOurs()
    assert isinstance(decode_incoming(response_wire(COOKIE, bytes(8)), outbound(CLIENT_PART)), Heard)


def test_5_3_a_cookie_that_nobody_asked_for_means_nothing() -> None:
    heard = decode_incoming(response_wire(COOKIE), outbound(b""))
    assert isinstance(heard, Heard)
    assert heard.cookie == b""


# RFC 9018, appendix A: test vectors. Section 4 says what they are made of.

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OLD_V6_SECRET, V6_SECRET = (
    bytes.fromhex(text) for text in ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962")
)
A_CLIENT, ANOTHER, V6_CLIENT = (
    ip_address(text).packed for text in ("198.51.100.100", "203.0.113.203", "2001:db8:220:1:59de:d0f4:8769:82b8")
)


@pytest.mark.parametrize(
    ("secret", "address", "made_s", "cookie"),
    [
        (SECRET, A_CLIENT, 1_559_731_985, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"),
        (SECRET, A_CLIENT, 1_559_734_385, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"),
        (SECRET, ANOTHER, 1_559_734_700, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"),
        (V6_SECRET, V6_CLIENT, 1_559_741_961, "22681ab97d52c298010000005cf7c609a6bb79d16625507a"),
    ],
    ids="A.1 A.2 A.3 A.4".split(),
)
def test_9018_a_cookie_that_is_made(secret: bytes, address: bytes, made_s: int, cookie: str) -> None:
    expected = bytes.fromhex(cookie)
    assert make_cookie(secret, expected[:8], address, made_s) == expected


@pytest.mark.parametrize(
    ("secret", "address", "now", "cookie"),
    [
        (SECRET, A_CLIENT, 1_559_734_385, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"),
        (SECRET, ANOTHER, 1_559_727_985 + VALID_S, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"),
        (OLD_V6_SECRET, V6_CLIENT, 1_559_741_961, "22681ab97d52c298010000005cf7c57926556bd0934c72f8"),
    ],
    ids="A.2 A.3-reserved-octets-set A.4".split(),
)
def test_9018_a_cookie_that_is_known_again(secret: bytes, address: bytes, now: int, cookie: str) -> None:
    assert is_valid(secret, bytes.fromhex(cookie), address, now)


# RFC 9018 section 4.3: an hour in the past, five minutes in the future.


@pytest.mark.parametrize(
    ("age_s", "valid"),
    [(0, True), (FRESH_S, True), (VALID_S, True), (VALID_S + 1, False), (-AHEAD_S, True), (-AHEAD_S - 1, False)],
)
def test_9018_4_3_a_cookie_is_valid_for_an_hour(age_s: int, valid: bool) -> None:
    assert is_valid(SECRET, COOKIE, A_CLIENT, 1_559_731_985 + age_s) is valid


def test_9018_4_1_another_version_is_not_known() -> None:
    assert not is_valid(SECRET, COOKIE[:8] + b"\2" + COOKIE[9:], A_CLIENT, 1_559_731_985)


# Sections 5.1 and 5.3, at work: the guard as the client.

WWW = "www.example.org."
OURS = ("192.0.2.1",)


def demanding(*, refuses_udp: bool = False) -> World:
    """Return a world whose upstream gives cookies, and answers by UDP to nobody without the present one."""
    world = World()
    world.cookies[UPSTREAM] = SERVER_PART

    def said(ask: Ask) -> Reply:
        known = ask.query.cookie[8:] == world.cookies[UPSTREAM] and not refuses_udp
        if known or ask.transport is Transport.TCP:
            return positive(a(WWW, *OURS, ttl_s=1))
        return failure(Rcode.BADCOOKIE)

    world.say(WWW, RRType.A, said)
    return world


def asked(world: World) -> list[tuple[Transport, bytes]]:
    return [(ask.transport, ask.query.cookie[8:]) for _, ask in world.asked(WWW)]


def test_5_1_a_server_s_cookie_is_sent_from_the_second_query_on() -> None:
    world = World()
    world.cookies[UPSTREAM] = SERVER_PART
    world.say(WWW, RRType.A, failure())  # also with an error (section 5.3)
    world.look_up(WWW)
    world.run(60)
    world.look_up(WWW)
    assert asked(world) == [(Transport.UDP, b""), (Transport.UDP, SERVER_PART)]


def test_5_3_badcookie_is_asked_again_with_the_cookie_that_came_with_it() -> None:
    world = demanding()
    assert shown(world.look_up(WWW)) == OURS
    assert asked(world) == [(Transport.UDP, b""), (Transport.UDP, SERVER_PART)]


def test_5_3_badcookie_to_an_old_cookie_is_asked_again_with_the_new_one() -> None:
    world = demanding()
    world.look_up(WWW)
    world.run(60)
    world.asks.clear()
    world.cookies[UPSTREAM] = SERVER_PART[::-1]
    assert shown(world.look_up(WWW)) == OURS
    assert asked(world) == [(Transport.UDP, SERVER_PART), (Transport.UDP, SERVER_PART[::-1])]


def test_5_3_badcookie_again_is_asked_by_tcp() -> None:
    world = demanding(refuses_udp=True)
    assert shown(world.look_up(WWW)) == OURS
    assert [transport for transport, _ in asked(world)] == [Transport.UDP, Transport.UDP, Transport.TCP]


def test_5_3_badcookie_by_tcp_too_is_a_failure() -> None:
    world = demanding()
    world.say(WWW, RRType.A, failure(Rcode.BADCOOKIE))
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL
    assert [transport for transport, _ in asked(world)] == [Transport.UDP, Transport.UDP, Transport.TCP]


def test_5_3_where_a_cookie_is_expected_and_missing_the_response_is_discarded() -> None:
    world = demanding()
    world.look_up(WWW)
    world.run(60)
    forged = Heard(reply=positive(a(WWW, "203.0.113.66")))
    world.say(WWW, RRType.A, over_tcp(positive(a(WWW, *OURS)), udp=forged))
    assert shown(world.look_up(WWW)) == OURS
