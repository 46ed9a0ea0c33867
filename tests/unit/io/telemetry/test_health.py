"""When the guard calls itself healthy: while it can give answers, if only held ones."""

from standfast.io.telemetry.health import Facts, Health, judge

CALM = {"upstreams": 2, "upstreams_down": (), "enabled": True, "known_good": 5}


def judged(**facts: object) -> Health:
    return judge(Facts(**{**CALM, **facts}))  # type: ignore[arg-type]


def test_a_guard_without_trouble_is_healthy() -> None:
    assert judged() == Health(healthy=True, troubles=())


def test_one_upstream_that_is_down_is_told_and_does_no_harm() -> None:
    health = judged(upstreams_down=("192.0.2.53:53",))
    assert health.healthy
    assert health.troubles == ("upstream 192.0.2.53:53 does not answer",)


def test_without_any_upstream_held_answers_keep_it_healthy() -> None:
    assert judged(upstreams_down=("a", "b")).healthy


def test_without_any_upstream_and_nothing_known_good_it_is_not_healthy() -> None:
    health = judged(upstreams_down=("a", "b"), known_good=0)
    assert not health.healthy
    assert "no answer is known to be good" in health.troubles[-1]


def test_without_any_upstream_and_turned_off_it_is_not_healthy() -> None:
    health = judged(upstreams_down=("a", "b"), enabled=False)
    assert not health.healthy
    assert "the guard is off" in health.troubles[-1]


def test_a_disk_that_cannot_be_written_is_told_and_does_not_take_the_guard_away() -> None:
    health = judged(store_failure="disk full", ledger_failure="disk full")
    assert health.healthy
    assert len(health.troubles) == 2
