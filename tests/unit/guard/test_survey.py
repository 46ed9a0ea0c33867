"""Name servers of zones are asked for in the background, within a budget, and kept apart from what is served."""

from itertools import pairwise

import pytest

from guard_world import World, a, cname, nodata, nxdomain, positive, soa
from standfast.dns.model import Question, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.guard import survey
from standfast.guard.survey import SETTLE_S, WORTH_S

WWW = "www.example.org."
PAUSE_S = 3.0


def ns(zone: str, *servers: str) -> RRset:
    return rrset_from_text(zone, RRType.NS, 300, servers)


def internet(*, pause_s: float | None = PAUSE_S) -> World:
    """Return a world in which a name is an alias of one in another zone, which has servers inside and outside."""
    world = World(survey_pause_s=pause_s)
    world.say(WWW, RRType.A, positive(cname(WWW, "d1.cdn.net."), a("d1.cdn.net.", "192.0.2.1")))
    world.say("example.org.", RRType.SOA, positive(soa("example.org.")))
    world.serve(ns("example.org.", "ns1.example.org."))
    world.serve(a("ns1.example.org.", "192.0.2.53"))
    world.serve(a("ns1.example.org.", "2001:db8::53"))
    world.say("d1.cdn.net.", RRType.NS, nodata("cdn.net."))
    world.serve(ns("cdn.net.", "ns.other.net."))
    world.serve(a("ns.other.net.", "198.51.100.53"))
    world.say("ns.other.net.", RRType.AAAA, nodata("other.net."))
    world.serve(ns("other.net.", "ns.other.net."))
    for zone in ("org.", "net."):
        world.serve(ns(zone, "a.root-servers.net."))
    world.serve(ns(".", "a.root-servers.net."))
    world.say("root-servers.net.", RRType.NS, nxdomain("net."))
    return world


def surveyed(world: World) -> set[Question]:
    return {known.question for known in world.core.survey.memory}


def test_zones_of_names_and_of_alias_targets_are_found_with_their_servers_up_to_the_root() -> None:
    world = internet()
    world.look_up(WWW)
    world.run(300)
    zones = {question.qname for question in surveyed(world) if question.qtype == RRType.NS}
    assert zones == {"example.org.", "cdn.net.", "other.net.", "org.", "net.", "."}
    known = world.core.survey.memory.get(Question("ns1.example.org.", RRType.A))
    assert known is not None
    assert known.answer.addresses == ("192.0.2.53",)


def test_what_is_found_is_neither_served_nor_probed_nor_kept_with_what_is_known_to_be_good() -> None:
    world = internet()
    world.look_up(WWW)
    world.run(300)
    assert {known.question for known in world.core.memory} == {Question(WWW, RRType.A)}
    assert {probe.qname for _, probe in world.probes} == {WWW}
    world.say("example.org.", RRType.NS, nodata("example.org."))
    assert not world.look_up("example.org.", RRType.NS).answer


def test_questions_keep_to_the_budget_and_begin_after_the_start_has_settled() -> None:
    world = internet()
    start_s = world.now
    world.look_up(WWW)
    world.run(300)
    at_s = sorted(at_s for at_s, ask in world.asks if ask.query.question.qtype == RRType.NS)
    assert at_s[0] >= start_s + SETTLE_S
    assert min(later - earlier for earlier, later in pairwise(at_s)) >= PAUSE_S - 0.001


def test_a_zone_is_asked_for_once_a_day_while_its_names_are_used_and_each_time_is_counted() -> None:
    world = internet()
    question = Question("example.org.", RRType.NS)
    for _ in range(3):
        world.look_up(WWW)
        world.run(WORTH_S / 2 + 400)
    known = world.core.survey.memory.get(question)
    assert known is not None
    assert known.confirmations == 2
    assert known.confirmed_at_s - known.first_seen_s >= WORTH_S
    asked = [ask for _, ask in world.asks if ask.query.question == question]
    assert len(asked) == 2


def test_an_answer_that_says_nothing_leaves_standing_what_is_known() -> None:
    world = internet()
    world.look_up(WWW)
    world.run(300)
    world.say("example.org.", RRType.NS, nxdomain("org."))
    world.run(WORTH_S)
    world.look_up(WWW)
    world.run(300)
    assert Question("example.org.", RRType.NS) in surveyed(world)


def test_nothing_is_asked_where_the_budget_is_none() -> None:
    world = internet(pause_s=None)
    world.look_up(WWW)
    world.run(300)
    assert not [ask for _, ask in world.asks if ask.query.question.qtype == RRType.NS]
    assert not surveyed(world)


def test_of_a_flood_of_zones_no_more_wait_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "WAITING_MAX", 5)
    world = World(survey_pause_s=PAUSE_S)
    for n in range(10):
        name = f"www{n}.example.org."
        world.say(name, RRType.A, positive(cname(name, f"{n}.cdn.net."), a(f"{n}.cdn.net.", "192.0.2.1")))
        world.look_up(name)
    world.run(300)
    asked = {ask.query.question.qname for _, ask in world.asks if ask.query.question.qtype == RRType.NS}
    assert len(asked & {f"{n}.cdn.net." for n in range(10)}) == 5
