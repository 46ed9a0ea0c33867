"""YAML as nodes: YAML 1.2 where libyaml reads it, told where it does not, and the same without libyaml."""

import json
import time
from contextlib import suppress
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from standfast import yaml_nodes
from standfast.yaml_nodes import DEPTH_MAX, MappingNode, NotYaml, ScalarNode, YamlNode, compose, compose_all, line_of

TEXTS: Final = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=5) | st.sampled_from(
    [
        "no",
        "null",
        "0o17",
        "a b",
        " ",
        "::1",
        "- x",
        "a: b",
        "#",
        "&a",
        "*a",
        "!x",
        "%",
        "|\n",
        "a\n\nb",
        "~",
        "'",
        '"',
        "=",
        "<<",
    ]
)
VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
    max_leaves=12,
)


def plain(node: YamlNode | None) -> Any:
    """Return what `node` says, single values as they are written."""
    match node:
        case None:
            return None
        case ScalarNode():
            return node.value
        case MappingNode():
            return [(plain(key), plain(value)) for key, value in node.value]
        case _:
            return [plain(each) for each in node.value]


def written(value: Any) -> Any:
    """Return what `plain` makes of the JSON of `value`."""
    match value:
        case str():
            return value
        case dict():
            return [(key, written(below)) for key, below in value.items()]
        case list():
            return [written(each) for each in value]
        case _:
            return json.dumps(value)


@given(VALUES)
def test_json_is_yaml(value: Any) -> None:
    assert plain(compose(json.dumps(value, ensure_ascii=False).encode())) == written(value)


@given(VALUES, st.sampled_from([None, False, True]), st.sampled_from([None, "'", '"', "|", ">"]))
def test_without_libyaml_the_same_is_read(value: Any, flow: bool | None, style: str | None) -> None:
    octets = yaml.safe_dump(value, default_flow_style=flow, default_style=style, allow_unicode=True).encode()
    fast = compose(octets)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(yaml_nodes, "_LOADER", yaml.SafeLoader)
        assert compose(octets) == fast


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("%YAML 1.2\n---\na: b\n", [("a", "b")]),
        ("%YAML 1.1\n---\na: no\n", [("a", "no")]),
        ("\ufeffa: b\n", [("a", "b")]),
        ("a: b\r\nc: d\r\n", [("a", "b"), ("c", "d")]),
        ("a:\tb\t# c\n", [("a", "b")]),
        ('{"a":b}', [("a", "b")]),
        ("{a:b}", [("a:b", "")]),
        ("{a: b, c}", [("a", "b"), ("c", "")]),
        ("[a: b]", [[("a", "b")]]),
        ("[http://a.example, 2001:db8::1]", ["http://a.example", "2001:db8::1"]),
        ("- ::1\n- 2001:db8::/32\n", ["::1", "2001:db8::/32"]),
        ('a: "\\u2028"', [("a", "\u2028")]),
        ('a: "\\/\\x41\\u263a"', [("a", "/A☺")]),
        ("a: &x b\nc: &x d\ne: *x\n", [("a", "b"), ("c", "d"), ("e", "d")]),
        ("a: |\n  b\n  c\nd: >-\n  e\n  f\n", [("a", "b\nc\n"), ("d", "e f")]),
        ("<<: {a: b}\n", [("<<", [("a", "b")])]),
        ("a: 1\na: 2\n", [("a", "1"), ("a", "2")]),
        ("a: b\n...\n", [("a", "b")]),
        ("# nothing\n", None),
        ("", None),
        ("---\n", ""),
    ],
)
def test_what_is_written_is_read_as_yaml_1_2(text: str, said: object) -> None:
    assert plain(compose(text.encode())) == said


@pytest.mark.parametrize(
    "text",
    [
        "[::1]",  # in YAML 1.2 a text
        "{a: ::1}",  # likewise
        "[2001:db8::]",  # in YAML 1.2 the key "2001:db8:" with nothing, which nobody wants either
    ],
)
def test_an_address_that_libyaml_trips_over_is_told_with_what_to_do(text: str) -> None:
    with pytest.raises(NotYaml, match=r"^line 2: no YAML: .* begins or ends with :: goes in quotes$"):
        compose(f"x:\n  {text}\n".encode())


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("[a:]", "no YAML: found unexpected ':'", 1),  # in YAML 1.2 the key "a"
        (": a", "no YAML: ", 1),  # in YAML 1.2 an empty key
        ("a: 'b'\nc: 'd\u2028e'\n", "no YAML: the character U+2028 must be written with a backslash", 2),
        ("a: b\x85c: d\n", "no YAML: the character U+0085 ", 1),  # likewise: in YAML 1.1 it ends the line
        ("%YAML 1.3\n---\na\n", "no YAML: found incompatible YAML document", 1),
        ("%NEW x\n---\na\n", "no YAML: found unknown directive name", 1),
        ("a:\n\tb: c\n", "no YAML: found character that cannot start any token", 2),
        ("a: b\n---\nc: d\n", "no YAML: but found another document", 2),
        ("---\n---\n", "no YAML: but found another document", 2),
        ("a:\n  b: !new c\n", 'the tag "!new" is none for what is here', 2),
        ("!!python/name:os.system ''", 'the tag "tag:yaml.org,2002:python/name:os.system" is none', 1),
        ("a: !!map [b]", 'the tag "tag:yaml.org,2002:map" is none', 1),
        ("a: !!set {b}", 'the tag "tag:yaml.org,2002:set" is none', 1),
        ("a:\n  *b", 'no YAML: found undefined alias "b"', 2),
        ("a:\n  - b\n c", "no YAML: ", 3),
        ("é: a\nb: \x07", "no YAML: the character U+0007 must be written with a backslash, in quotes", 2),
        ("a: [", "no YAML: ", 1),
    ],
)
def test_what_is_no_yaml_for_us_is_told_with_its_line(text: str, reason: str, line: int) -> None:
    with pytest.raises(NotYaml) as caught:
        compose(text.encode())
    assert caught.value.reason.startswith(reason)
    assert caught.value.line == line


def test_octets_that_are_no_utf_8_are_told_with_their_line() -> None:
    with pytest.raises(NotYaml) as caught:
        compose(b"a: b\nc: \xff\n")
    assert caught.value.line == 2
    with pytest.raises(NotYaml):
        compose("a: b".encode("utf-16"))


def test_every_node_knows_its_line() -> None:
    root = compose(b"a:\n  - b\n  -\n    c: 'd\n\n      e'\nf: {\n  g: h}\n")
    assert isinstance(root, MappingNode)
    (a, listed), (f, table) = root.value
    assert [line_of(each) for each in (root, a, listed, f, table)] == [1, 1, 2, 7, 7]
    assert not isinstance(listed, ScalarNode | MappingNode)
    assert [line_of(each) for each in listed.value] == [2, 4]
    assert isinstance(table, MappingNode)
    assert [line_of(each) for each in table.value[0]] == [8, 8]


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_what_is_nested_too_deep_is_refused(begin: str, end: str) -> None:
    compose((begin * DEPTH_MAX + end * DEPTH_MAX).encode())
    for depth in (DEPTH_MAX + 1, 100_000):
        with pytest.raises(NotYaml, match="nested too deep"):
            compose((begin * depth + end * depth).encode())


@pytest.mark.parametrize(
    "piece", ["[a,", "? ", "a: &a\n", "- *a\n", "'", "#", "[]", "!", "%", "\t", "- - ", "[{", "a:b"]
)
def test_no_mebibyte_of_the_same_takes_long(piece: str) -> None:
    began_s = time.process_time()
    with suppress(NotYaml):
        compose(piece.encode() * ((1 << 20) // len(piece)))
    assert time.process_time() - began_s < 20


def test_documents_are_read_one_by_one_and_a_broken_one_takes_no_other_with_it() -> None:
    text = b"%YAML 1.2\n---\na: 1\n---\nb: [\n---\n# nothing\n---\nc: \x01\n--- {d: 2}\n...\n"
    first, broken, unreadable, last = compose_all(text)
    assert (plain(first), plain(last)) == ([("a", "1")], [("d", "2")])  # type: ignore[arg-type]
    assert isinstance(broken, NotYaml)
    assert isinstance(unreadable, NotYaml)
    assert isinstance(last, MappingNode)
    assert (broken.line, unreadable.line, line_of(last)) == (6, 9, 10)
    assert not list(compose_all(b"# nothing\n---\n"))


def test_a_line_of_dashes_in_a_text_begins_no_document() -> None:
    (only,) = compose_all(b"a: |\n  ---\n  b\nc: --- d\n")
    assert plain(only) == [("a", "---\nb\n"), ("c", "--- d")]  # type: ignore[arg-type]
