"""What others worry about when a resolver keeps what upstream takes away, one test for each worry."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from guard_world import (
    OTHER_UPSTREAM,
    SECOND_OPINION,
    UPSTREAM,
    World,
    a,
    cname,
    codes,
    nodata,
    nxdomain,
    positive,
    shown,
    soa,
)
from standfast.dns.model import Ede, Question, Rcode, Reply, RRset, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.evidence.model import Identity
from standfast.evidence.prober import PROBES_BURST, PROBES_PER_S
from standfast.guard import operators
from standfast.guard.events import Probe
from standfast.guard.policy import Mode

DB = "db.example.org."
OURS = ("192.0.2.1", "192.0.2.2")
THEIRS = ("203.0.113.1", "203.0.113.2")
WEEK_S = 604_800


def well(world: World, qname: str = DB, *addresses: str, ttl_s: int = 5) -> None:
    """Let a name be known, proven and confirmed."""
    world.serve(a(qname, *(addresses or OURS), ttl_s=ttl_s))
    for _ in range(2):
        assert shown(world.look_up(qname)) == (addresses or OURS)
        world.run(60)


def is_held(reply: Reply) -> bool:
    return Ede.STALE_ANSWER in codes(reply) and bool(shown(reply))


def test_masks_true_deletions() -> None:
    """A name whose servers are gone as well is let go, within seconds; and so are whole suffixes, and by command."""
    world = World(policy={"off.example.org.": {"mode": Mode.OFF}})
    well(world)
    well(world, "www.off.example.org.")
    world.lose(DB)
    world.lose("www.off.example.org.")
    world.identity |= dict.fromkeys(OURS, Identity.ABSENT)
    assert shown(world.look_up("www.off.example.org.")) == ()
    assert is_held(world.look_up(DB))
    world.run(15)
    assert world.rules(DB) == ["negative.pending", "negative.lost"]
    assert shown(world.look_up(DB)) == ()

    world.identity |= dict.fromkeys(OURS, Identity.PROVEN)
    world.run(5)
    well(world)
    world.lose(DB)
    assert is_held(world.look_up(DB))
    world.carry_out(operators.release(world.core, world.now, DB, None).actions)
    assert shown(world.look_up(DB)) == ()


def test_addresses_re_assigned_to_strangers() -> None:
    """Another's certificate at a quorum releases; at one address it takes that address out of what is served."""
    world = World()
    well(world)
    world.lose(DB)
    world.look_up(DB)
    world.identity[OURS[0]] = Identity.CONTRADICTED
    world.run(400)
    assert shown(world.look_up(DB)) == OURS[1:]
    world.identity[OURS[1]] = Identity.CONTRADICTED
    world.run(400)
    assert world.rules(DB)[-1] == "negative.contradicted"
    assert shown(world.look_up(DB)) == ()


def test_addresses_without_identity_are_kept_for_the_short_grace_period_only() -> None:
    world = World(policy={".": {"grace_s": 900}})
    world.identity |= dict.fromkeys(OURS, Identity.UNKNOWN)
    well(world)
    world.lose(DB)
    lost_s = world.now
    assert is_held(world.look_up(DB))
    world.run(lost_s + 899 - world.now)
    assert is_held(world.look_up(DB))
    world.run(lost_s + 901 - world.now)
    assert shown(world.look_up(DB)) == ()


def test_stale_for_ever_or_window_too_short() -> None:
    """Proof renews the hold for as long as it lasts, but not beyond `hold_max`."""
    world = World(policy={".": {"hold_max_s": 86_400}})
    well(world)
    world.lose(DB)
    lost_s = world.now
    assert is_held(world.look_up(DB))
    for _ in range(95):
        world.run(900)
        assert is_held(world.look_up(DB)), world.rules(DB)
    world.run(lost_s + 86_399 - world.now)
    assert is_held(world.look_up(DB))
    world.run(lost_s + 86_401 - world.now)
    assert shown(world.look_up(DB)) == ()
    assert world.rules(DB)[-1] == "negative.hold-max"


def test_ghost_domains() -> None:
    """A zone that its parent no longer delegates is let go, however well its servers prove who they are."""
    world = World(second_opinions=(SECOND_OPINION,))
    well(world)
    world.run(60)
    assert world.disk[Question(DB, RRType.A)].zone == "example.org."
    world.say(DB, RRType.A, nxdomain("org."))
    world.say("example.org.", RRType.NS, nxdomain("org."))
    world.look_up(DB)
    world.run(10)
    assert world.rules(DB)[-1] == "negative.delegation-gone"
    assert shown(world.look_up(DB)) == ()


def test_one_name_that_is_gone_from_its_zone_is_no_ghost_domain() -> None:
    world = World()
    well(world)
    world.say(DB, RRType.A, nxdomain("example.org."))
    world.look_up(DB)
    world.run(10)
    assert world.rules(DB)[-1] == "negative.proven"
    assert is_held(world.look_up(DB))


def test_attackers_pairing_ddos_with_stale_data() -> None:
    """A silent upstream changes no answer; new addresses that belong to somebody else are kept out, with an alarm."""
    world = World(policy={".": {"pinned": True}})
    well(world)
    world.down[UPSTREAM] = None
    assert is_held(world.look_up(DB))
    world.run(600)
    del world.down[UPSTREAM]
    world.serve(a(DB, *THEIRS, ttl_s=5))
    world.identity |= dict.fromkeys(THEIRS, Identity.CONTRADICTED)
    for _ in range(20):
        assert set(shown(world.look_up(DB))) <= set(OURS)
        world.run(60)
    assert world.rules(DB)[-1] == "change.attack"
    assert [alarm.fields["rule"] for alarm in world.alarms] == ["change.attack"]


def test_attackers_who_keep_their_servers_silent_or_change_them_win_nothing() -> None:
    world = World(policy={".": {"pinned": True}})
    well(world)
    world.identity |= {f"203.0.113.{n}": Identity.ABSENT for n in range(250)}
    for n in range(40):
        world.serve(a(DB, *(f"203.0.113.{6 * n + m}" for m in range(6)), ttl_s=5))
        assert set(shown(world.look_up(DB))) <= set(OURS)
        world.run(20)


def test_dynamic_names() -> None:
    """What changes by design is never held: service discovery, multicast DNS, reverse zones, and a TTL of 0."""
    world = World()
    for qname in ("x.svc.cluster.local.", "printer.local.", "1.2.0.192.in-addr.arpa."):
        well(world, qname)
        world.lose(qname)
        assert shown(world.look_up(qname)) == ()
    world.serve(a("moment.example.org.", *OURS, ttl_s=0))
    world.look_up("moment.example.org.")
    world.lose("moment.example.org.")
    assert shown(world.look_up("moment.example.org.")) == ()
    assert world.records == []


def test_a_ttl_of_zero_in_a_records_last_second_does_not_make_a_name_dynamic() -> None:
    world = World()
    well(world, ttl_s=60)
    world.serve(a(DB, *OURS, ttl_s=0))
    assert shown(world.look_up(DB)) == OURS
    world.lose(DB)
    assert is_held(world.look_up(DB))
    world.serve(a(DB, *THEIRS, ttl_s=0))  # made for one moment
    world.run(600)
    assert shown(world.look_up(DB)) == THEIRS
    world.lose(DB)
    assert shown(world.look_up(DB)) == ()


def test_stale_too_late_because_the_upstream_times_out_after_the_client_gives_up() -> None:
    """The client is answered within 1.8 s (RFC 8767), the ones after it at once, and asking goes on behind them."""
    world = World()
    well(world)
    world.down[UPSTREAM] = None
    first = world.query(DB)
    world.run(5)
    assert is_held(first.reply)
    assert first.waited_s == pytest.approx(1.8)
    second = world.query(DB)
    assert is_held(second.reply)
    assert second.waited_s == 0
    del world.down[UPSTREAM]
    world.serve(a(DB, *OURS, "192.0.2.3", ttl_s=5))
    for _ in range(50):
        world.run(1)
        world.look_up(DB)
    assert shown(world.look_up(DB)) == (*OURS, "192.0.2.3")


def test_refresh_storms_and_thundering_recovery() -> None:
    """Ten thousand clients of a lost name make one look each 30 s; a thousand lost names keep the probes' budget."""
    world = World()
    well(world)
    world.lose(DB)
    before = len(world.asks)
    for _ in range(1000):
        clients = [world.query(DB) for _ in range(10)]
        world.run(0.6)
        assert all(shown(client.reply) for client in clients)
    looks = [at_s for at_s, _ in world.asked(DB)[before:]]
    pauses = [later - earlier for earlier, later in pairwise(looks[1:])]
    assert all(27 <= pause_s <= 330 for pause_s in pauses)
    assert len(world.asked(DB)[before:]) <= 1 + 600 / 27


def test_a_thousand_names_lost_together_are_not_asked_about_together() -> None:
    world = World()
    names = [f"n{n}.example.org." for n in range(1000)]
    for n, name in enumerate(names):
        world.serve(a(name, f"198.51.{n // 250}.{n % 250 + 1}", ttl_s=1))
        world.look_up(name)
    world.run(120)
    for name in names:
        world.lose(name)
    start_s = world.now
    world.asks.clear()
    world.probes.clear()
    assert all(is_held(world.look_up(name)) for name in names)
    world.run(600)
    assert len(world.probes) <= PROBES_BURST + PROBES_PER_S * (world.now - start_s)
    a_second = Counter(int(at_s) for at_s, _ in world.asks if at_s > start_s + 20)
    assert max(a_second.values()) <= 2 * len(names) / (2 * 0.1 * 30)  # the first looks, spread over the jitter's width
    assert all(is_held(world.look_up(name)) for name in names)


def test_negative_entries_shadow_good_ones() -> None:
    """A negative answer never evicts a known-good one, and where it is obeyed it lives for seconds."""
    world = World(policy={"seen.example.org.": {"mode": Mode.OBSERVE}}, negative_cache_max=2)
    well(world)
    well(world, "seen.example.org.")
    for n in range(100):
        assert world.look_up(f"no{n}.example.org.").rcode == Rcode.NXDOMAIN
    world.lose(DB)
    world.lose("seen.example.org.")
    assert is_held(world.look_up(DB))
    denied = world.look_up("seen.example.org.")
    assert shown(denied) == ()
    assert [rrset.ttl_s for rrset in denied.authority] == [5]
    world.serve(a("seen.example.org.", *OURS))
    world.run(5)
    assert shown(world.look_up("seen.example.org.")) == OURS


def test_expired_a_mixed_with_a_newer_cname() -> None:
    """Answers are remembered whole: what is held is what was once answered, never parts of two answers."""
    world = World()
    old = (cname(DB, "old.example.net.", 5), a("old.example.net.", *OURS, ttl_s=5))
    new = (cname(DB, "new.example.net.", 5), a("new.example.net.", OURS[0], ttl_s=5))
    world.say(DB, RRType.A, positive(*old))
    world.look_up(DB)
    world.run(60)
    world.say(DB, RRType.A, positive(*new))
    world.look_up(DB)
    world.run(60)
    only_the_alias = Reply(rcode=Rcode.NOERROR, answer=(cname(DB, "newer.example.net.", 5),), authority=(soa("net."),))
    world.say(DB, RRType.A, only_the_alias)
    held = world.look_up(DB)
    assert is_held(held)
    assert held.answer == new


def test_dnssec_expired_signatures_and_stale_ad() -> None:
    """A held answer never says AD; signatures go to those who want them, and only while they are valid."""
    world = World()
    signature = _signature(DB, until_s=world.now + 3600)
    world.say(DB, RRType.A, positive(a(DB, *OURS, ttl_s=5), signature, ad=True))
    assert world.look_up(DB, do=True).ad
    world.run(60)
    world.lose(DB)
    held = world.look_up(DB, do=True)
    assert is_held(held)
    assert not held.ad
    assert signature.rdatas in [rrset.rdatas for rrset in held.answer]
    assert [rrset.rtype for rrset in world.look_up(DB).answer] == [RRType.A]
    world.run(3700)
    expired = world.look_up(DB, do=True)
    assert is_held(expired)
    assert [rrset.rtype for rrset in expired.answer] == [RRType.A]


def test_memory_and_eviction() -> None:
    """A flood of random names does not push out what matters, on the disk neither, and a restart forgets nothing."""
    world = World(known_max=50)
    well(world)
    for n in range(500):
        world.serve(a(f"random{n}.example.org.", OURS[0], ttl_s=5))
        world.look_up(f"random{n}.example.org.")
    assert len(world.core.memory) == len(world.disk) == 50
    world.lose(DB)
    world.restart(after_s=3600)
    assert is_held(world.look_up(DB))


def test_never_invent_a_type() -> None:
    """A type that a name never had is denied as the upstream denies it."""
    world = World()
    well(world)
    assert world.look_up(DB, RRType.AAAA) == nodata("example.org.")
    world.lose(DB)
    assert is_held(world.look_up(DB))
    denied = world.look_up(DB, RRType.AAAA)
    assert denied.answer == ()
    assert denied.rcode == Rcode.NOERROR


def test_nxdomain_for_a_type_it_never_had_does_not_deny_the_type_that_is_held() -> None:
    """NXDOMAIN is for all types: a stub or cache behind us that hears it of AAAA would drop A as well."""
    world = World()
    well(world)
    world.say(DB, RRType.A, nxdomain("example.org."))
    world.say(DB, RRType.AAAA, nxdomain("example.org."))
    denied = world.look_up(DB, RRType.AAAA)
    assert denied.rcode == Rcode.NOERROR
    assert denied.answer == ()
    assert [rrset.ttl_s for rrset in denied.authority] == [5]
    assert is_held(world.look_up(DB))
    world.carry_out(operators.release(world.core, world.now, DB, RRType.A).actions)
    world.run(6)
    assert world.look_up(DB, RRType.AAAA).rcode == Rcode.NXDOMAIN


def test_fast_off_switch_and_observability() -> None:
    """One call turns the guard off at once, and on again; every verdict is recorded, and explained in words."""
    world = World()
    well(world)
    world.lose(DB)
    assert is_held(world.look_up(DB))
    world.run(10)
    explained = operators.explain(world.core, world.now, Question(DB, RRType.A))
    assert explained["answer_now"] == "the known-good answer"
    assert "prove identity" in str(explained["answer_why"])
    lost = explained["lost"]
    assert isinstance(lost, dict)
    assert lost["evidence"] == [
        *(f"known-good {address}: identity proven" for address in OURS),
        "delegation of example.org.: delegated, says upstream (SOA in the denial)",
    ]

    world.carry_out(operators.switch(world.core, world.now, enabled=False).actions)
    assert shown(world.look_up(DB)) == ()
    assert operators.status(world.core, world.now)["held"] == 0
    world.carry_out(operators.switch(world.core, world.now, enabled=True).actions)
    client = world.query(DB)
    assert is_held(client.reply)
    assert client.waited_s == 0
    verdicts = [(record.body["action"], record.body["cause"]) for record in world.records if record.kind == "verdict"]
    assert verdicts == [("hold", "unknown"), ("hold", "mistake")]
    assert [record.body["command"] for record in world.records if record.kind == "command"] == ["guard off", "guard on"]


def test_no_client_waits_for_a_probe() -> None:
    world = World(upstreams=(UPSTREAM, OTHER_UPSTREAM))
    well(world)
    world.lose(DB)
    client = world.query(DB)
    world.run(1, until=lambda: bool(client.replies))
    assert is_held(client.reply)
    assert client.waited_s == pytest.approx(0.01)  # the upstream's own time
    assert [type(each) for _, each in world.probes[-1:]] == [Probe]


def _signature(owner: str, *, until_s: float) -> RRset:
    text = "A 13 3 5 20370101000000 20200101000000 1 example.org. AAAA"
    rrset = rrset_from_text(owner, RRType.RRSIG, 5, (text,))
    rdata = rrset.rdatas[0]
    return replace(rrset, rdatas=(rdata[:8] + int(until_s).to_bytes(4, "big") + rdata[12:],))
