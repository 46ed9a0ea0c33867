"""Texts of keys and values: what they say, where it stands, and what is no such text or would never end."""

import json
import time
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.io.control import keyed_texts
from standfast.io.control.keyed_texts import BadText, lines_around, read_keyed_text
from standfast.io.settings.toml_lines import Where
from standfast.yaml_nodes import DEPTH_MAX

JSON_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=2), below, max_size=3),
    max_leaves=12,
)


def places(value: object, here: Where = ()) -> list[Where]:
    """Return the places of all parts of `value` in the order in which JSON writes them."""
    found: list[Where] = []
    parts: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found += [(*here, key), *places(part, (*here, key))]
    return found


@given(st.dictionaries(st.text(max_size=2), JSON_VALUES, max_size=4))
def test_every_part_of_a_json_text_is_found_on_its_line(value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1)
    found = read_keyed_text(text.encode(), ".json")
    assert found.content == value
    lines = lines_around(found, places(value))
    begun = [at for at, line in enumerate(text.split("\n"), 1) if at > 1 and line.strip().rstrip(",") not in ("]", "}")]
    assert list(lines.values()) == begun


def test_what_is_not_there_is_on_the_line_of_what_it_would_be_in() -> None:
    for suffix, text in ((".json", '{"a":\n {"b":\n  [1,\n  2]}}'), (".yaml", "a:\n  b:\n  - 1\n  - 2\n")):
        found = read_keyed_text(text.encode(), suffix)
        where: list[Where] = [("a", "b", 1), ("a", "b", 7), ("a", "c"), ("x",)]
        assert list(lines_around(found, where).values())[1:] == [2, 1, None], suffix
        assert lines_around(found, where[:1])["a", "b", 1] == 4, suffix


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("443", 443),
        ("-1", -1),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("~", None),
        ('"443"', "443"),
        ("'true'", "true"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("010", 10),
        ("+1", 1),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("0b1", "0b1"),
        ("0o17", "0o17"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("<<", "<<"),
        ("=", "="),
        ("!!str 443", "443"),
        ("! true", "true"),
        ("!!int 443", 443),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("1e5", "1e5"),
        ("0x10", "0x10"),
        ("2026-11-23", "2026-11-23"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_word_of_yaml_is_what_it_looks_like(text: str, value: object) -> None:
    assert read_keyed_text(f"a: [{text}]\n".encode(), ".yaml").content == {"a": [value]}


@pytest.mark.parametrize(
    ("suffix", "text"), [(".json", '{"a": 1,\n"b": {"c": 1,\n"c": 2}}'), (".yaml", "b: {c: 1, c: 2}")]
)
def test_a_key_that_is_there_twice_is_told(suffix: str, text: str) -> None:
    assert read_keyed_text(text.encode(), suffix).twice == (("b", "c"),)


@pytest.mark.parametrize(
    ("suffix", "text", "expected", "line"),
    [
        (".yaml", b"a: [\n", "no YAML", 2),
        (".yaml", b"- 1\n", "here must be keys with values", 1),
        (".yaml", b"a: \xff", "no YAML", None),
        (".yaml", b"[a]: 1\n", "a key must be a text", 1),
        (".yaml", b"a:\n  b: &b [*b]\n", "its aliases stand for too much, or for themselves", None),
        (".yaml", b"a: " + b"[" * 1000 + b"]" * 1000, "nested too deep", 1),
        (".json", b'{"a": 1,\n}', "no JSON", 2),
        (".json", b'{"a": \xff}', "no UTF-8 text (octet 6)", None),
        (".json", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep", None),
        (".json", b'{"a": ' + b"9" * 5_000 + b"}", "a number in it has thousands of digits", None),
        (".json", b"[]", "here must be keys with values", 1),
        (".toml", b"a = 1\na = 2\n", "no TOML", 2),
        (".toml", b"a = " + b"[" * 100_000, "its brackets go too deep", None),
        (".toml", b"\xff", "no UTF-8 text (octet 0)", None),
    ],
)
def test_what_cannot_be_read_says_why(suffix: str, text: bytes, expected: str, line: int | None) -> None:
    with pytest.raises(BadText) as caught:
        read_keyed_text(text, suffix)
    assert expected in caught.value.reason
    assert line in (None, caught.value.line)


def test_a_yaml_that_stands_for_a_billion_values_is_refused_at_once() -> None:
    levels = "".join(
        f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n"
        for name, below in zip("bcdefghi", "abcdefgh", strict=True)
    )
    begun_s = time.process_time()
    with pytest.raises(BadText, match="aliases stand for too much"):
        read_keyed_text(f"a: &a [x]\n{levels}".encode(), ".yaml")
    assert time.process_time() - begun_s < 20


def test_aliases_that_go_ever_deeper_are_refused() -> None:
    chain = "".join(f"a{at}: &a{at} [*a{at - 1}]\n" for at in range(1, 2 * DEPTH_MAX))
    with pytest.raises(BadText, match="its aliases"):
        read_keyed_text(f"a0: &a0 [x]\n{chain}".encode(), ".yaml")


def test_yaml_beyond_its_bound_is_sent_to_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_texts, "YAML_OCTETS_MAX", 10)
    with pytest.raises(BadText, match=r"write the same keys as JSON, in a file called \.json"):
        read_keyed_text(b"a: " + b"x" * 20, ".yaml")
    assert read_keyed_text(b'{"a": "xxxxxxxxxxxxxxxx"}', ".json").content
