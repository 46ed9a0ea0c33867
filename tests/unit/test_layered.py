"""Mappings that share what they do not change."""

from hypothesis import given
from hypothesis import strategies as st

from standfast.layered import LAYER_MAX, LAYER_PART, Edits, Layered, changed

_BASES = st.dictionaries(st.integers(0, 40), st.integers(), max_size=40)
_CHANGES = st.dictionaries(st.integers(0, 50), st.none() | st.integers(), max_size=12)


@given(_BASES, st.lists(_CHANGES, max_size=5))
def test_a_changed_mapping_is_what_a_changed_dict_is_and_the_old_one_stays(
    base: dict[int, int], rounds: list[dict[int, int | None]]
) -> None:
    mapping, expected = changed(base, {}), dict(base)
    for changes in rounds:
        before, was = mapping, dict(expected)
        mapping = changed(mapping, changes)
        for key, value in changes.items():
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
        assert list(mapping.items()) == list(dict(mapping).items()) == list(zip(mapping, mapping.values(), strict=True))
        assert dict(mapping.items()) == expected
        assert (len(mapping), set(mapping.values())) == (len(expected), set(expected.values()))
        assert all((mapping.get(key), key in mapping) == (expected.get(key), key in expected) for key in range(60))
        assert dict(before) == was


def test_what_was_changed_often_is_put_together_so_that_layers_stay_thin() -> None:
    mapping = changed(dict.fromkeys(range(LAYER_MAX * LAYER_PART), 0), {})
    layers = set()
    for number in range(LAYER_MAX + 2):
        mapping = changed(mapping, {number: 1})
        layers.add(len(mapping.layer) if isinstance(mapping, Layered) else -1)
    assert max(layers) == LAYER_MAX
    assert -1 in layers


def test_edits_show_what_they_made_and_leave_the_mapping_alone() -> None:
    base = {1: "a", 2: "b"}
    edits = Edits(base)
    assert edits.done() is base
    edits.put(1, None)
    edits.put(3, "c")
    assert (edits.get(1), edits.get(2), edits.get(3)) == (None, "b", "c")
    assert (dict(edits.done()), base) == ({2: "b", 3: "c"}, {1: "a", 2: "b"})
