"""Asking servers: tries, retries, fail-over, and what is done about servers that are odd or silent."""

import random
from itertools import pairwise

import pytest

from guard_world import (
    OTHER_UPSTREAM,
    RTT_S,
    UPSTREAM,
    Refusing,
    World,
    a,
    codes,
    failure,
    nxdomain,
    over_tcp,
    positive,
    shown,
)
from standfast.dns.exchange import CaseChanged, Heard, Unreadable
from standfast.dns.model import Ede, ExtendedError, Question, Rcode, Reply, RRType
from standfast.dns.servers import Server, Transport
from standfast.guard.asking import BACKGROUND_MAX, EXCHANGE_MAX_S, TRIES_MAX, Asking
from standfast.guard.events import Ask
from standfast.guard.timers import Timers
from standfast.guard.upstreams import DOWN_AFTER, HABIT_WORTH_S, RTO_FIRST_S, RTO_MIN_S, Upstreams

WWW = "www.example.org."
TWO = (UPSTREAM, OTHER_UPSTREAM)
OURS = ("192.0.2.1",)


def sent(world: World) -> list[tuple[Server, Transport]]:
    return [(ask.server, ask.transport) for _, ask in world.asked(WWW)]


# Retries and fail-over


def test_one_question_goes_to_the_first_upstream_alone() -> None:
    world = World(upstreams=TWO)
    world.serve(a(WWW, *OURS))
    assert shown(world.look_up(WWW)) == OURS
    assert sent(world) == [(UPSTREAM, Transport.UDP)]


def test_a_lost_packet_is_made_good_by_the_other_upstream() -> None:
    world = World(upstreams=TWO)
    world.serve(a(WWW, *OURS))
    world.down[UPSTREAM] = None
    client = world.query(WWW)
    world.run(2)
    assert shown(client.reply) == OURS
    assert client.waited_s == pytest.approx(RTO_FIRST_S + RTT_S)


def test_with_one_upstream_a_lost_packet_is_sent_again() -> None:
    world = World()
    world.serve(a(WWW, *OURS))
    world.down[UPSTREAM] = None
    client = world.query(WWW)
    world.run(0.5)
    del world.down[UPSTREAM]
    world.run(1)
    assert shown(client.reply) == OURS


def test_an_upstream_that_refuses_connections_costs_no_time() -> None:
    world = World(upstreams=TWO)
    world.serve(a(WWW, *OURS))
    world.down[UPSTREAM] = Refusing()
    client = world.query(WWW)
    world.run(2)
    assert client.waited_s == pytest.approx(RTT_S)


@pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NOTIMP, 16])
def test_an_upstream_that_fails_is_not_asked_twice(rcode: Rcode) -> None:
    world = World(upstreams=TWO)
    world.say(WWW, RRType.A, Heard(reply=failure(rcode)), by=UPSTREAM)
    world.serve(a(WWW, *OURS), by=OTHER_UPSTREAM)
    assert shown(world.look_up(WWW)) == OURS
    assert [server for server, _ in sent(world)] == [UPSTREAM, OTHER_UPSTREAM]


def test_when_all_fail_the_worst_that_one_said_is_the_outcome() -> None:
    world = World(upstreams=TWO)
    error = ExtendedError(code=Ede.NOT_READY, text="loading")
    world.say(WWW, RRType.A, failure(Rcode.SERVFAIL, error), by=UPSTREAM)
    world.say(WWW, RRType.A, failure(Rcode.REFUSED), by=OTHER_UPSTREAM)
    reply = world.look_up(WWW)
    assert reply.rcode == Rcode.SERVFAIL
    assert reply.errors == (error,)


def test_a_failure_is_the_end_also_while_an_earlier_try_is_open() -> None:
    world = World()
    world.delay_s[UPSTREAM] = RTO_FIRST_S + 0.1  # two tries are open when the first answer comes
    world.say(WWW, RRType.A, lambda _: failure(Rcode.SERVFAIL))
    client = world.query(WWW)
    world.run(EXCHANGE_MAX_S)
    assert client.waited_s == pytest.approx(RTO_FIRST_S + 0.1)


def test_a_negative_answer_is_conclusive() -> None:
    world = World(upstreams=TWO)
    world.say(WWW, RRType.A, nxdomain("example.org."), by=UPSTREAM)
    assert world.look_up(WWW).rcode == Rcode.NXDOMAIN
    assert sent(world) == [(UPSTREAM, Transport.UDP)]


def test_bogus_is_conclusive_so_that_nobody_who_does_not_validate_talks_us_out_of_it() -> None:
    world = World(upstreams=TWO)
    world.say(WWW, RRType.A, failure(Rcode.SERVFAIL, ExtendedError(code=Ede.DNSSEC_BOGUS)), by=UPSTREAM)
    world.serve(a(WWW, "203.0.113.66"), by=OTHER_UPSTREAM)
    reply = world.look_up(WWW)
    assert (reply.rcode, codes(reply)) == (Rcode.SERVFAIL, [Ede.DNSSEC_BOGUS])


def test_silence_ends_in_servfail_before_the_client_gives_up() -> None:
    world = World(upstreams=TWO)
    world.down |= {UPSTREAM: None, OTHER_UPSTREAM: None}
    client = world.query(WWW)
    world.run(10)
    assert (client.reply.rcode, codes(client.reply)) == (Rcode.SERVFAIL, [Ede.NO_REACHABLE_AUTHORITY])
    assert client.waited_s == pytest.approx(EXCHANGE_MAX_S)
    assert len(sent(world)) == 4


def test_an_answer_to_an_earlier_try_still_counts() -> None:
    world = World(upstreams=TWO)
    world.serve(a(WWW, *OURS), by=UPSTREAM)
    world.delay_s[UPSTREAM] = RTO_FIRST_S + 0.2
    world.down[OTHER_UPSTREAM] = None
    client = world.query(WWW)
    world.run(2)
    assert shown(client.reply) == OURS
    assert client.waited_s == pytest.approx(RTO_FIRST_S + 0.2)


# Health


def test_a_silent_upstream_is_asked_last_until_its_pause_is_over() -> None:
    world = World(upstreams=TWO)
    world.down[UPSTREAM] = None
    for n in range(DOWN_AFTER):
        world.look_up(f"n{n}.example.org.")
    assert world.look_up("fast.example.org.").rcode == Rcode.NXDOMAIN
    assert [ask.server for _, ask in world.asked("fast.example.org.")] == [OTHER_UPSTREAM]
    world.run(120)
    del world.down[UPSTREAM]
    world.look_up("again.example.org.")
    assert [ask.server for _, ask in world.asked("again.example.org.")] == [UPSTREAM]


def test_when_all_are_down_they_are_asked_all_the_same() -> None:
    world = World()
    world.down[UPSTREAM] = None
    for n in range(5):
        world.look_up(f"n{n}.example.org.")
    del world.down[UPSTREAM]
    world.serve(a(WWW, *OURS))
    assert shown(world.look_up(WWW)) == OURS


def test_the_wait_before_another_try_follows_how_fast_the_server_is() -> None:
    world = World(upstreams=TWO)
    for n in range(20):
        world.look_up(f"n{n}.example.org.")
    world.serve(a(WWW, *OURS))
    world.down[UPSTREAM] = None
    client = world.query(WWW)
    world.run(2)
    assert client.waited_s == pytest.approx(RTO_MIN_S + RTT_S)


# Odd servers


def test_a_truncated_answer_is_asked_for_over_tcp() -> None:
    world = World()
    whole = positive(a(WWW, *(f"192.0.2.{n}" for n in range(1, 200))))
    cut = Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True)
    world.say(WWW, RRType.A, over_tcp(whole, udp=cut))
    assert len(shown(world.look_up(WWW))) == 199
    assert sent(world) == [(UPSTREAM, Transport.UDP), (UPSTREAM, Transport.TCP)]


def test_what_is_truncated_over_tcp_as_well_is_no_denial() -> None:
    world = World()
    world.say(WWW, RRType.A, Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True))
    reply = world.look_up(WWW)
    assert (reply.rcode, codes(reply)) == (Rcode.SERVFAIL, [Ede.INVALID_DATA])


def test_letters_that_come_back_changed_are_asked_for_over_tcp_where_forging_is_hard() -> None:
    world = World()
    world.say(WWW, RRType.A, over_tcp(positive(a(WWW, *OURS)), udp=CaseChanged()))
    assert shown(world.look_up(WWW)) == OURS
    assert [transport for _, transport in sent(world)] == [Transport.UDP, Transport.TCP]


def test_a_server_that_keeps_no_case_is_found_out_once_and_then_left_its_way() -> None:
    world = World()
    world.serve(a(WWW, *OURS, ttl_s=1))

    def lower_case_only(ask: Ask) -> Heard | CaseChanged:
        plain = ask.query.cased_qname == ask.query.question.qname
        return Heard(reply=positive(a(WWW, *OURS, ttl_s=1))) if plain else CaseChanged()

    world.say(WWW, RRType.A, lower_case_only)
    assert shown(world.look_up(WWW)) == OURS
    world.asks.clear()
    world.run(2)
    assert shown(world.look_up(WWW)) == OURS
    assert [transport for _, transport in sent(world)] == [Transport.UDP]
    world.run(HABIT_WORTH_S)
    world.asks.clear()
    assert shown(world.look_up(WWW)) == OURS
    assert len(sent(world)) > 1  # it may have been mended


@pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP])
def test_a_server_that_does_not_know_edns_is_asked_without_it(rcode: Rcode) -> None:
    world = World()

    def no_edns(ask: Ask) -> Heard:
        reply = failure(rcode) if ask.query.edns else positive(a(WWW, *OURS, ttl_s=1))
        return Heard(reply=reply, edns=False)

    world.say(WWW, RRType.A, no_edns)
    assert shown(world.look_up(WWW)) == OURS
    world.run(2)
    world.asks.clear()
    assert shown(world.look_up(WWW)) == OURS
    assert len(sent(world)) == 1


def test_formerr_from_a_server_that_speaks_edns_is_a_failure_also_without_a_cookie() -> None:
    world = World()
    world.say(WWW, RRType.A, Heard(reply=failure(Rcode.FORMERR), edns=True))
    assert world.look_up(WWW).rcode == Rcode.SERVFAIL
    assert [len(ask.query.cookie) for _, ask in world.asked(WWW)] == [8, 0]


def test_what_cannot_be_read_is_asked_of_another() -> None:
    world = World(upstreams=TWO)
    world.say(WWW, RRType.A, Unreadable(detail="the octets end within a record"), by=UPSTREAM)
    world.serve(a(WWW, *OURS), by=OTHER_UPSTREAM)
    assert shown(world.look_up(WWW)) == OURS


@pytest.mark.parametrize(
    "said",
    [
        CaseChanged(),
        Unreadable(detail="?"),
        Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True),
        Heard(reply=failure(Rcode.FORMERR), edns=False),
    ],
)
def test_a_server_that_is_always_odd_is_given_up_soon(said: Heard) -> None:
    world = World(upstreams=TWO)
    world.say(WWW, RRType.A, said)
    client = world.query(WWW)
    world.run(10)
    assert client.reply.rcode == Rcode.SERVFAIL
    assert len(sent(world)) <= TRIES_MAX
    assert client.waited_s < 0.2


# Encrypted servers

ENCRYPTED = [
    Server("192.0.2.53", 853, Transport.TLS, "dns.example"),
    Server("192.0.2.53", 443, Transport.HTTPS, "dns.example", "/dns-query"),
]


@pytest.mark.parametrize("server", ENCRYPTED, ids=str)
@pytest.mark.parametrize(
    "said",
    [
        positive(a(WWW, *OURS)),
        None,
        CaseChanged(),
        Unreadable(detail="?"),
        Heard(reply=Reply(rcode=Rcode.NOERROR), truncated=True),
        Heard(reply=failure(Rcode.FORMERR), edns=False),
    ],
    ids=lambda said: type(said).__name__,
)
def test_an_encrypted_server_is_asked_in_its_own_way_alone_whatever_it_says(server: Server, said: Heard) -> None:
    world = World(upstreams=(server,))
    world.say(WWW, RRType.A, said)
    world.query(WWW)
    world.run(10)
    assert set(sent(world)) == {(server, server.over)}
    assert all(ask.query.cased_qname == WWW for _, ask in world.asked(WWW))


@pytest.mark.parametrize("server", ENCRYPTED, ids=str)
def test_an_encrypted_server_that_is_silent_is_passed_over_as_soon_as_a_plain_one(server: Server) -> None:
    world = World(upstreams=(server, OTHER_UPSTREAM))
    world.serve(a(WWW, *OURS))
    world.down[server] = None
    client = world.query(WWW)
    world.run(2)
    assert shown(client.reply) == OURS
    assert client.waited_s == pytest.approx(RTO_FIRST_S + RTT_S)


def test_a_handshake_over_a_slow_path_is_no_failure_of_the_server() -> None:
    world = World(upstreams=(ENCRYPTED[0], OTHER_UPSTREAM))
    world.serve(a(WWW, *OURS))
    world.delay_s[ENCRYPTED[0]] = 3 * 0.3  # TCP, TLS 1.3 and the query itself
    assert shown(world.look_up(WWW)) == OURS
    assert sent(world) == [(ENCRYPTED[0], Transport.TLS)]


def test_what_is_wrong_with_a_server_is_told_to_clients_and_operators() -> None:
    world = World(upstreams=(ENCRYPTED[0],))
    world.down[ENCRYPTED[0]] = Refusing("no trust in its certificate: certificate has expired")
    told = "tls://192.0.2.53#dns.example: no trust in its certificate: certificate has expired"
    assert told in world.look_up(WWW).errors[0].text
    state = world.core.upstreams.state(ENCRYPTED[0])
    assert state.failure == "no trust in its certificate: certificate has expired"
    del world.down[ENCRYPTED[0]]
    world.look_up("other.example.org.")
    assert state.failure == ""


# Defences and bounds


def test_every_try_has_an_id_and_letters_of_its_own() -> None:
    world = World()
    world.down[UPSTREAM] = None
    name = "a-rather-long-name-with-many-letters.example.org."
    for _ in range(3):
        world.query(name)
        world.run(60)
    asks = [ask.query for _, ask in world.asked(name)]
    assert len({ask.id for ask in asks}) == len(asks)
    assert all(one.cased_qname != two.cased_qname for one, two in pairwise(asks))
    assert {ask.cased_qname.lower() for ask in asks} == {name}


def test_what_was_abandoned_or_never_asked_is_ignored() -> None:
    world = World(upstreams=TWO)
    world.serve(a(WWW, *OURS))
    world.look_up(WWW)
    heard = Heard(reply=positive(a(WWW, "203.0.113.66")))
    assert list(world.core.on_heard(world.now, world.asks[0][1].ask, heard)) == []
    assert list(world.core.on_heard(world.now, 999, heard)) == []
    assert shown(world.look_up(WWW)) == OURS


def test_there_is_an_end_to_what_is_asked_in_the_background() -> None:
    asking = Asking(Upstreams([UPSTREAM]), random.Random(1), Timers())
    had_room = []
    for n in range(BACKGROUND_MAX):
        had_room.append(asking.has_room)
        asking.start(0.0, Question(WWW, RRType.A), (UPSTREAM,), purpose=n)
    asking.start(0.0, Question(WWW, RRType.A), (UPSTREAM,), purpose="client", background=False)
    had_room.append(asking.has_room)
    ended = [asking.on_exchange_over(number)[1] for number in range(1, BACKGROUND_MAX + 2)]
    had_room.append(asking.has_room)
    assert had_room == [*[True] * BACKGROUND_MAX, False, True]
    assert all(done is not None for done in ended)
    assert len(asking) == 0
