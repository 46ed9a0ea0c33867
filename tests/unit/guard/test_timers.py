"""Timers: one time a key, the newest setting counts, and no more is kept than is set."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from standfast.guard.timers import Timers


def test_the_newest_setting_of_a_key_counts() -> None:
    timers = Timers()
    timers.set("a", 5.0)
    timers.set("a", 9.0)
    assert timers.next() == 9.0
    timers.set("a", 2.0)
    assert list(timers.due(5.0)) == ["a"]
    assert timers.next() is None


def test_sooner_moves_a_time_forward_only() -> None:
    timers = Timers()
    timers.sooner("a", 5.0)
    timers.sooner("a", 9.0)
    timers.sooner("a", 3.0)
    assert timers.next() == 3.0


def test_infinity_clears() -> None:
    timers = Timers()
    timers.set("a", 5.0)
    timers.set("a", inf)
    assert timers.next() is None
    timers.set("never set", inf)
    assert timers.next() is None


def test_what_is_cleared_or_set_while_others_are_due_is_heeded() -> None:
    timers = Timers()
    for key in "abc":
        timers.set(key, 1.0)
    seen = []
    for each in timers.due(2.0):
        seen.append(each)
        timers.clear("b")
        timers.set("c", 3.0)
    assert seen == ["a"]
    assert timers.next() == 3.0


def test_equal_times_go_in_the_order_of_their_setting() -> None:
    timers = Timers()
    for key in range(100):
        timers.set(key, 1.0)
    assert list(timers.due(1.0)) == list(range(100))


def test_a_million_settings_of_a_few_keys_take_the_room_of_a_few() -> None:
    timers = Timers()
    for n in range(200_000):
        timers.set(n % 10, float(n))
        timers.clear((n + 5) % 10)
    assert len(timers._heap) <= 64 + 4 * 10


KEYS = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["set", "sooner"]), KEYS, st.floats(0, 100)),
        st.tuples(st.just("clear"), KEYS, st.just(0.0)),
        st.tuples(st.just("due"), st.just(0), st.floats(0, 100)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_behaves_like_a_plain_dictionary_of_times(steps: list[tuple[str, int, float]]) -> None:
    timers, plain = Timers(), dict[object, float]()
    for step, key, at_s in steps:
        match step:
            case "set":
                timers.set(key, at_s)
                plain[key] = at_s
            case "sooner":
                timers.sooner(key, at_s)
                plain[key] = min(at_s, plain.get(key, inf))
            case "clear":
                timers.clear(key)
                plain.pop(key, None)
            case _:
                due = list(timers.due(at_s))
                assert sorted(map(str, due)) == sorted(str(k) for k, t in plain.items() if t <= at_s)
                assert [plain[k] for k in due] == sorted(plain[k] for k in due)
                for each in due:
                    del plain[each]
        assert timers.next() == min(plain.values(), default=None)
