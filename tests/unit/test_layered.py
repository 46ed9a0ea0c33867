"""Mappings that share what they do not change."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from standfast import layered
from standfast.layered import LAYER_GROWTH, LAYER_MIN, Edits, Layered, changed

_BASES = st.dictionaries(st.integers(0, 40), st.integers(), max_size=40)
_CHANGES = st.dictionaries(st.integers(0, 50), st.none() | st.integers(), max_size=12)
_ROUNDS = st.lists(_CHANGES | st.dictionaries(st.integers(0, 50), st.integers(), max_size=1), max_size=12)
_LEAST = st.sampled_from([0, 2, LAYER_MIN])


@given(_BASES, _ROUNDS, _LEAST)
def test_a_changed_mapping_is_what_a_changed_dict_is_and_the_old_one_stays(
    base: dict[int, int], rounds: list[dict[int, int | None]], least: int
) -> None:
    with patch.object(layered, "LAYER_MIN", least):
        mapping, expected = changed(base, {}), dict(base)
        for changes in rounds:
            before, was = mapping, dict(expected)
            mapping = changed(mapping, changes)
            for key, value in changes.items():
                if value is None:
                    expected.pop(key, None)
                else:
                    expected[key] = value
            entries = list(zip(mapping, mapping.values(), strict=True))
            assert list(mapping.items()) == list(dict(mapping).items()) == entries
            assert dict(mapping.items()) == expected
            assert (len(mapping), set(mapping.values())) == (len(expected), set(expected.values()))
            assert all((mapping.get(key), key in mapping) == (expected.get(key), key in expected) for key in range(60))
            assert dict(before) == was


def test_all_is_copied_once_in_many_changes_and_layers_stay_few() -> None:
    size, at_once = LAYER_MIN * LAYER_GROWTH**2, 64
    mapping = changed(dict.fromkeys(range(size), 0), {})
    copied = layers = wholes = 0
    for first in range(0, size, at_once):
        mapping = changed(mapping, dict.fromkeys(range(first, first + at_once), 1))
        if isinstance(mapping, Layered):
            layers = max(layers, len(mapping.layers))
            copied += len(mapping.layers[0])
        else:
            wholes += 1
            copied += size
    assert set(mapping.values()) == {1}
    assert 0 < wholes <= LAYER_GROWTH
    assert layers <= 3
    assert copied <= 3 * LAYER_GROWTH * size


def test_edits_show_what_they_made_and_leave_the_mapping_alone() -> None:
    base = {1: "a", 2: "b"}
    edits = Edits(base)
    assert edits.done() is base
    edits.put(1, None)
    edits.put(3, "c")
    assert (edits.get(1), edits.get(2), edits.get(3)) == (None, "b", "c")
    assert (dict(edits.done()), base) == ({2: "b", 3: "c"}, {1: "a", 2: "b"})
