"""How calls become scores: what counts, what does not, and for how long."""

import pytest

from standfast.drills.account import State
from standfast.drills.live.calls import Call
from standfast.drills.live.scaled import ScaledClock
from standfast.drills.live.scores import LiveScores
from standfast.sim.events import (
    DropName,
    EmptyRecord,
    Event,
    GiveAway,
    Party,
    RestoreRecord,
    Retire,
    ReviveServers,
    StopServers,
)
from standfast.sim.resolvers import RecursiveResolver, ResolverSpec
from standfast.sim.world import NameSpec, World, ZoneSpec

SERVICE, DEPENDENT = "db.example.org.", "shop.example.org."
ADDRESSES, SHOP = ("127.1.0.1", "127.1.0.2"), ("127.2.0.1",)
SCALE = 100.0
ENDS_AT_S = 10_000.0


class Story:
    """A world, its scores, and a clock that a test sets; one contestant, `plain`."""

    def __init__(self) -> None:
        self.machine_s = 0.0
        self.clock = ScaledClock(SCALE, at_s=0.0, monotonic=lambda: self.machine_s)
        self.world = World(
            [ZoneSpec(name="example.org.")],
            [
                NameSpec(name=SERVICE, zone="example.org.", addresses=ADDRESSES),
                NameSpec(name=DEPENDENT, zone="example.org.", addresses=SHOP, needs=(SERVICE,)),
            ],
            start_s=0.0,
        )
        upstream = RecursiveResolver(ResolverSpec(host="10.0.0.1"), self.world, seed="1")
        self.scores = LiveScores(
            self.world,
            upstream,
            self.clock,
            ends_at_s=ENDS_AT_S,
            contestants=["plain"],
            names=(SERVICE, DEPENDENT),
        )

    def happen(self, at_s: float, *events: Event) -> None:
        self.machine_s = at_s / SCALE
        self.scores.changing()
        for event in events:
            self.world.apply(event, at_s)
        self.scores.happened()

    def call(
        self,
        at_s: float,
        *,
        ok: bool = True,
        address: str | None = ADDRESSES[0],
        name: str = SERVICE,
        took_s: float = 0.0,
        error: str = "gaierror",
    ) -> None:
        """Make a call that begins at `at_s` and takes `took_s` seconds of the story."""
        call = Call(
            at_s=at_s / SCALE,
            name=name.removesuffix("."),
            call="GetItem",
            ok=ok,
            error=None if ok else error,
            address=address,
            took_ms=round(took_s / SCALE * 1000),
        )
        self.scores.called("plain", call)

    def fail(self, at_s: float, **others: float) -> None:
        self.call(at_s, ok=False, address=None, **others)  # type: ignore[arg-type]

    def state(self) -> State:
        return self.scores.standing("plain", 0.0).state


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_call_that_fails_while_the_service_is_up_is_an_outage_until_the_next_one_goes_well(story: Story) -> None:
    story.call(0.0)
    story.happen(100.0, EmptyRecord(name=SERVICE))
    story.fail(200.0)
    story.fail(300.0)
    assert story.state() is State.OUTAGE
    story.call(450.0)
    score = story.scores.score("plain", 1000.0, SERVICE)
    assert (score.outage_s, score.first_bad_at_s, score.lookups, score.bad_lookups) == (250.0, 200.0, 4, 2)
    assert story.state() is State.WELL


def test_recovery_is_counted_from_the_fix_to_the_first_call_that_goes_well(story: Story) -> None:
    story.happen(100.0, EmptyRecord(name=SERVICE))
    story.fail(200.0)
    story.happen(1000.0, RestoreRecord(name=SERVICE))
    story.fail(1500.0)
    story.call(1900.0)
    assert story.scores.score("plain", 2000.0, SERVICE).recovery_s == pytest.approx(900.0)


def test_a_dependent_is_out_when_its_call_fails_though_its_own_name_was_well_all_the_while(story: Story) -> None:
    story.happen(100.0, EmptyRecord(name=SERVICE))
    story.call(200.0, ok=False, address=SHOP[0], name=DEPENDENT, error="503")
    story.happen(300.0, RestoreRecord(name=SERVICE))
    story.call(400.0, address=SHOP[0], name=DEPENDENT)
    score = story.scores.score("plain", 500.0, DEPENDENT)
    assert score.outage_s == 200.0
    assert score.recovery_s == pytest.approx(100.0)


def test_nobody_is_blamed_for_failing_while_the_servers_are_down(story: Story) -> None:
    story.happen(100.0, StopServers(addresses=ADDRESSES))
    story.call(200.0, ok=False, error="ConnectionRefusedError")
    story.call(200.0, ok=False, address=SHOP[0], name=DEPENDENT, error="503")
    assert story.scores.score("plain", 500.0).bad_lookups == 0
    assert story.state() is State.WELL
    story.happen(300.0, ReviveServers(addresses=ADDRESSES))
    story.fail(400.0)
    assert story.scores.score("plain", 500.0).bad_lookups == 1


def test_a_call_across_a_change_is_held_against_nobody_unless_it_is_wrong_by_both(story: Story) -> None:
    story.happen(100.0, StopServers(addresses=ADDRESSES))
    story.happen(300.0, ReviveServers(addresses=ADDRESSES))
    story.fail(250.0, took_s=100.0)
    assert story.scores.score("plain", 500.0).bad_lookups == 0
    story.happen(600.0, EmptyRecord(name=SERVICE))
    story.fail(550.0, took_s=100.0)  # the servers were up before the change and after it
    assert story.scores.score("plain", 700.0).bad_lookups == 1


def test_a_call_to_an_address_of_a_retired_name_is_a_wrong_hold(story: Story) -> None:
    story.happen(100.0, Retire(name=SERVICE), DropName(name=SERVICE), StopServers(addresses=ADDRESSES))
    story.call(200.0, ok=False, error="ConnectionRefusedError")
    assert story.state() is State.WRONG_HOLD
    story.fail(300.0)
    score = story.scores.score("plain", 400.0)
    assert (score.outage_s, score.wrong_hold_s) == (0.0, 100.0)
    assert story.state() is State.WELL
    assert story.scores.standing("plain", 400.0).errors == {SERVICE: "gaierror"}


@pytest.mark.parametrize(("party", "state"), [(Party.STRANGER, State.WRONG_HOLD), (Party.ATTACKER, State.ATTACK)])
def test_reaching_somebody_else_is_worse_than_reaching_nobody(story: Story, party: Party, state: State) -> None:
    story.happen(100.0, GiveAway(addresses=ADDRESSES[:1], party=party, certificate="www.example.net."))
    story.call(200.0, ok=False, error="CertificateError")
    assert story.state() is state
    score = story.scores.score("plain", 300.0, SERVICE)
    assert score.outage_s == 100.0  # the other address is alive and would have served
    assert score.wrong_hold_s + score.attack_s == 100.0


def test_calls_of_the_warm_up_and_after_the_end_are_not_counted(story: Story) -> None:
    story.fail(-50.0)
    story.fail(ENDS_AT_S + 1)
    assert story.scores.score("plain", ENDS_AT_S).lookups == 0
    assert story.scores.suffered("plain", ENDS_AT_S, {SERVICE: "db", DEPENDENT: "shop"})[0].errors == {}


def test_all_is_well_when_every_name_went_well_so_often_in_a_row(story: Story) -> None:
    for name in (SERVICE, DEPENDENT):
        for at_s in (-40.0, -30.0):
            story.call(at_s, name=name)
    assert story.scores.all_well(2)
    assert not story.scores.all_well(3)
    story.fail(-20.0)
    story.call(-10.0)
    assert not story.scores.all_well(2)


def test_who_fails_is_named_with_what_its_clients_see(story: Story) -> None:
    story.fail(0.0)
    assert story.scores.failing() == {"plain": f"{SERVICE}: gaierror"}
    story.call(1.0)
    assert story.scores.failing() == {}


def test_lanes_and_errors_tell_what_was_suffered(story: Story) -> None:
    story.call(10.0)
    story.happen(100.0, EmptyRecord(name=SERVICE))
    story.fail(200.0)
    story.fail(300.0)
    story.call(400.0)
    service, _ = story.scores.suffered("plain", ENDS_AT_S, {SERVICE: "db", DEPENDENT: "shop"})
    assert service.lane.title == "db"
    assert [(span.from_s, span.to_s, span.state) for span in service.lane.spans] == [
        (0.0, 200.0, State.WELL),
        (200.0, 400.0, State.OUTAGE),
        (400.0, ENDS_AT_S, State.WELL),
    ]
    assert service.errors == {"gaierror": 2}


def test_errors_that_never_repeat_do_not_fill_memory(story: Story) -> None:
    for number in range(1000):
        story.call(float(number), ok=False, address=None, error=f"error {number}")
    service, _ = story.scores.suffered("plain", ENDS_AT_S, {SERVICE: "db", DEPENDENT: "shop"})
    assert len(service.errors) < 100
    assert sum(service.errors.values()) == 1000


def test_the_background_tells_servers_record_and_upstream_apart(story: Story) -> None:
    story.scores.look(0.0, ADDRESSES)
    story.happen(100.0, EmptyRecord(name=SERVICE))
    story.scores.look(100.0, ADDRESSES)  # from a cache
    story.scores.look(160.0, ())
    lanes = {lane.title: lane.spans for lane in story.scores.background(200.0)}
    assert {span.state for span in lanes["its servers"]} == {State.WELL}
    assert lanes["the record"][-1].from_s == 100.0
    assert lanes["the upstream's answer"][-1].from_s == 160.0


def test_an_answer_is_judged_by_what_is_true_now(story: Story) -> None:
    assert not story.scores.judge(SERVICE, ADDRESSES).bad
    assert story.scores.judge(SERVICE, ()).outage
    story.happen(100.0, Retire(name=SERVICE))
    assert story.scores.judge(SERVICE, ADDRESSES).wrong_hold
    assert not story.scores.judge(SERVICE, ()).bad
