"""Every key and list item of a TOML text is found on its line."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from standfast.io.settings.toml_lines import Where, find_lines

TEXT = '''\
# comment with = and [brackets]
top = 1
dotted.key = "a # no comment"
"quoted key" = 'lit#eral'

[guard] # here
listen = [
  "127.0.0.1:5300", # first
  # between

  "::1",
  [ 1, 2 ], { a = 1, b = { c = 2 } },
]
text = """
several
"" lines = [x]
\\""""
raw = \'\'\'
it's [here]
\'\'\'
at = 1979-05-27T07:32:00.5Z
float = -1.5e3

[[guard.policy]]
suffix = "."
probe = { kind = "tls", port = 443 }
[[guard.policy]]
suffix = "example.org"
probe.kind = "none"
  [guard.policy.below]
  x = 1
[guard.tls]
"ca\\u005ffile" = "x"
'''


def test_every_place_of_a_text_is_found_on_its_line() -> None:
    lines = find_lines(TEXT)
    rows = TEXT.splitlines()
    expected = {
        ("top",): "top = 1",
        ("dotted", "key"): "dotted.key",
        ("quoted key",): '"quoted key"',
        ("guard",): "[guard]",
        ("guard", "listen", 0): '  "127.0.0.1:5300"',
        ("guard", "listen", 1): '  "::1"',
        ("guard", "listen", 2, 1): "  [ 1, 2 ]",
        ("guard", "listen", 3, "b", "c"): "  [ 1, 2 ]",
        ("guard", "text"): "text",
        ("guard", "raw"): "raw",
        ("guard", "float"): "float",
        ("guard", "policy", 0, "suffix"): 'suffix = "."',
        ("guard", "policy", 0, "probe", "port"): "probe = {",
        ("guard", "policy", 1): "[[guard.policy]]",
        ("guard", "policy", 1, "suffix"): 'suffix = "example.org"',
        ("guard", "policy", 1, "probe", "kind"): "probe.kind",
        ("guard", "policy", 1, "below", "x"): "  x = 1",
        ("guard", "tls", "ca_file"): '"ca',
    }
    for where, start in expected.items():
        assert rows[lines[where] - 1].startswith(start), where
    assert lines["guard", "policy", 0] < lines["guard", "policy", 1]


def test_the_places_of_a_text_are_those_that_tomllib_reads() -> None:
    assert set(places(tomllib.loads(TEXT), ())) == set(find_lines(TEXT))


KEYS = st.sampled_from(["a", "b-1", "guard", '"q.k"', "'l k'", '"e\\u0061"'])
SCALARS = st.sampled_from(["1", "-2.5e1", "true", '"x # ]"', "'}'", '"""\na\n]"""', "'''\n['''", "1979-05-27 07:32:00"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ",# c\n".join(items) + "]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + "}"
        )
    ),
    max_leaves=6,
)
STATEMENTS = st.lists(
    st.tuples(st.lists(KEYS, min_size=1, max_size=3).map(".".join), VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}")
    | st.lists(KEYS, min_size=1, max_size=2).map(lambda keys: f"[{'.'.join(keys)}] # t")
    | st.lists(KEYS, min_size=1, max_size=2).map(lambda keys: f"[[{' . '.join(keys)}]]"),
    max_size=8,
)


@given(STATEMENTS)
def test_the_places_of_any_text_are_those_that_tomllib_reads(statements: list[str]) -> None:
    valid: list[str] = []
    for statement in statements:  # what would not be TOML with the lines before is left out
        try:
            tomllib.loads("\n".join([*valid, statement]))
        except tomllib.TOMLDecodeError:
            continue
        valid.append(statement)
    text = "\n".join(valid)
    lines = find_lines(text)
    assert set(places(tomllib.loads(text), ())) == set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def places(value: Any, where: Where) -> Iterator[Where]:
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*where, key)
            yield from places(part, (*where, key))
