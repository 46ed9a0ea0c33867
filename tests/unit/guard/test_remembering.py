"""What is learned while a name is well: its answer, its history, its zone, and what probes normally say."""

import pytest

from guard_world import UPSTREAM, World, a, cname, failure, positive, shown, soa
from standfast.dns.model import Question, Reply, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.evidence.model import Identity, ProbeSpec
from standfast.guard import remembering
from standfast.guard.known import SEEN_ADDRESSES_MAX, KnownGood
from standfast.guard.policy import Mode
from standfast.guard.remembering import BASELINE_ADDRESSES_MAX, BASELINE_WORTH_S, ZONE_RETRY_S

DB = "db.example.org."
KEY = Question(DB, RRType.A)
OURS = ("192.0.2.1", "192.0.2.2")


def known(world: World, qname: str = DB, qtype: RRType = RRType.A) -> KnownGood:
    return world.disk[Question(qname, qtype)]


def well(world: World, *addresses: str, times: int = 1, ttl_s: int = 5) -> None:
    world.serve(a(DB, *(addresses or OURS), ttl_s=ttl_s))
    for _ in range(times):
        world.look_up(DB)
        world.run(60)


# The answer and its history


def test_each_confirmation_is_counted_and_dated() -> None:
    world = World()
    start_s = world.now
    well(world, times=3)
    assert known(world).confirmations == 3
    assert known(world).first_seen_s == pytest.approx(start_s, abs=1)
    assert known(world).confirmed_at_s == pytest.approx(start_s + 120, abs=1)
    assert known(world).changed_at_s == known(world).first_seen_s


def test_addresses_that_come_are_a_change_and_those_that_go_or_return_are_none() -> None:
    world = World()
    well(world, *OURS)
    first_s = known(world).changed_at_s
    well(world, OURS[0])
    well(world, *OURS)
    assert known(world).changed_at_s == first_s
    well(world, *OURS, "192.0.2.3")
    assert known(world).changed_at_s > first_s
    assert known(world).seen == (*OURS, "192.0.2.3")


def test_the_addresses_of_a_rotating_pool_are_remembered_up_to_a_bound() -> None:
    world = World()
    for n in range(SEEN_ADDRESSES_MAX + 20):
        well(world, f"198.51.100.{n}")
    assert known(world).seen == tuple(f"198.51.100.{n}" for n in range(20, SEEN_ADDRESSES_MAX + 20))


@pytest.mark.parametrize("qtype", [RRType.ANY, RRType.RRSIG])
def test_what_is_no_whole_answer_is_not_remembered(qtype: RRType) -> None:
    world = World()
    rrset = a(DB, *OURS)
    if qtype is RRType.RRSIG:
        rrset = RRset(owner=DB, rtype=RRType.RRSIG, ttl_s=60, rdatas=(b"\0" * 30,))
    world.say(DB, qtype, positive(rrset))
    assert world.look_up(DB, qtype).answer
    assert world.disk == {}


def test_nothing_but_a_good_answer_is_ever_remembered() -> None:
    world = World()
    ns = rrset_from_text("org.", RRType.NS, 60, ("a.nic.org.",))
    for n, said in enumerate([failure(), Reply(rcode=0, authority=(ns,), ra=False), positive(cname("x.", "x."))]):
        world.say(f"n{n}.example.org.", RRType.A, said)
        assert shown(world.look_up(f"n{n}.example.org.")) == ()
    assert world.disk == {}


def test_a_name_that_is_off_is_not_remembered() -> None:
    world = World(policy={"example.org.": {"mode": Mode.OFF}})
    well(world)
    assert world.disk == {}


def test_signatures_are_kept_when_the_next_client_did_not_want_them() -> None:
    world = World()
    signature = rrset_from_text(DB, RRType.RRSIG, 5, ("A 13 3 5 20370101000000 20200101000000 1 org. AAAA",))
    world.say(DB, RRType.A, lambda ask: positive(a(DB, *OURS, ttl_s=5), *((signature,) if ask.query.do else ())))
    world.look_up(DB, do=True)
    assert known(world).answer.signed
    world.run(60)
    world.look_up(DB)
    assert known(world).answer.signed
    assert known(world).confirmations == 2
    world.run(6)
    world.serve(a(DB, OURS[0], ttl_s=5))
    world.look_up(DB)
    assert not known(world).answer.signed


# What probes say while it is well


def test_a_name_that_is_well_is_probed_once_in_a_long_while_and_at_few_addresses() -> None:
    world = World()
    many = tuple(f"192.0.2.{n}" for n in range(1, 9))
    well(world, *many, times=20)
    assert len(world.probes) == BASELINE_ADDRESSES_MAX
    baseline = known(world).baseline
    assert baseline is not None
    assert baseline.proven_at_s is not None
    world.run(BASELINE_WORTH_S)
    well(world, *many, times=3)
    assert len(world.probes) == 2 * BASELINE_ADDRESSES_MAX


def test_a_name_that_never_spoke_for_itself_is_noted_as_doubtful() -> None:
    world = World()
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    well(world)
    baseline = known(world).baseline
    assert baseline is not None
    assert baseline.proven_at_s is None


def test_one_proof_is_remembered_when_the_next_look_finds_nobody() -> None:
    world = World()
    well(world)
    world.run(BASELINE_WORTH_S)
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    well(world)
    baseline = known(world).baseline
    assert baseline is not None
    assert baseline.asked_at_s > world.now - 120
    assert baseline.proven_at_s is not None
    assert baseline.proven_at_s < world.now - BASELINE_WORTH_S


def test_where_only_tcp_is_asked_a_connection_is_all_one_can_hope_for() -> None:
    world = World(policy={".": {"probe": ProbeSpec(kind="tcp", port=25)}})
    world.identity |= dict.fromkeys(OURS, Identity.UNKNOWN)
    well(world)
    baseline = known(world).baseline
    assert baseline is not None
    assert baseline.proven_at_s is not None


def test_a_service_on_plain_tcp_is_let_go_when_it_is_gone_and_kept_for_the_grace_when_it_is_not() -> None:
    world = World(policy={".": {"probe": ProbeSpec(kind="tcp", port=25)}})
    world.identity |= dict.fromkeys(OURS, Identity.UNKNOWN)
    well(world)
    world.lose(DB)
    lost_s = world.now
    world.look_up(DB)
    world.run(890)
    assert shown(world.look_up(DB)) == OURS
    world.run(lost_s + 910 - world.now)
    assert shown(world.look_up(DB)) == ()  # a connection proves nothing about who is there
    world.run(6)
    well(world)
    world.lose(DB)
    world.look_up(DB)
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    world.run(60)
    assert world.rules(DB)[-1] == "negative.lost"


# The zone


def zone_questions(world: World) -> list[str]:
    return [ask.query.question.qname for _, ask in world.asks if ask.query.question.qtype == RRType.SOA]


def test_the_zone_of_a_name_is_learned_once_and_nobody_waits_for_it() -> None:
    world = World()
    well(world, times=5)
    assert known(world).zone == "example.org."
    assert zone_questions(world) == [DB]


def test_the_zone_of_a_zones_own_name_is_itself() -> None:
    world = World()
    world.serve(a("example.org.", *OURS, ttl_s=5))
    world.say("example.org.", RRType.SOA, positive(soa("example.org.")))
    for _ in range(3):
        world.look_up("example.org.")
        world.run(60)
    assert known(world, "example.org.").zone == "example.org."
    assert zone_questions(world) == ["example.org."]


def test_the_zone_of_an_alias_is_not_that_of_its_target() -> None:
    world = World()
    chain = (cname(DB, "edge.example.net.", 5), a("edge.example.net.", *OURS, ttl_s=5))
    world.say(DB, RRType.A, positive(*chain))
    target_zone = Reply(rcode=0, answer=chain[:1], authority=(soa("example.net."),))
    world.say(DB, RRType.SOA, target_zone)
    world.say("example.org.", RRType.SOA, positive(soa("example.org.")))
    world.look_up(DB)
    world.run(60)
    assert known(world).zone == "example.org."


def test_a_zone_that_cannot_be_learned_is_not_asked_for_with_every_answer() -> None:
    world = World()
    world.say(DB, RRType.SOA, failure())
    well(world, times=30)
    assert len(zone_questions(world)) <= 1 + 30 * 60 / ZONE_RETRY_S
    before = len(zone_questions(world))
    world.run(5 * ZONE_RETRY_S)
    assert len(zone_questions(world)) <= before + 1  # and of a name that nobody wants, not at all


def test_the_zones_of_a_flood_of_names_are_not_all_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "ZONES_WAITING_MAX", 10)
    world = World()
    for n in range(100):
        world.serve(a(f"n{n}.example.org.", *OURS, ttl_s=5))
        world.query(f"n{n}.example.org.")
    world.run(10)
    assert len(zone_questions(world)) == 10
    for n in range(100):
        world.query(f"n{n}.example.org.")
    world.run(10)
    assert len(zone_questions(world)) == 20


def test_nothing_is_learned_of_a_lost_name() -> None:
    world = World()
    well(world, times=2)
    before = known(world)
    world.lose(DB)
    world.say(DB, RRType.SOA, positive(soa("org.")))
    world.down.pop(UPSTREAM, None)
    world.look_up(DB)
    world.run(BASELINE_WORTH_S)
    assert (known(world).zone, known(world).baseline) == (before.zone, before.baseline)
