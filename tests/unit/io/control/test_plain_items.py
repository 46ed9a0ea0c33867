"""Plain items of YAML lists: read by a small grammar, they say what all of YAML says, wherever they stand."""

import time
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.io.control import keyed_texts
from standfast.io.control.keyed_texts import BadText, KeyedText, lines_around, read_keyed_text
from standfast.io.control.plain_items import without_plain_items
from standfast.yaml_nodes import SequenceNode, compose

PLAIN: Final = ("a", "www.example.com.", "192.0.2.1", "2001:db8::1", "60", "1.5", "true", "null", "no", "'q'", '"a: b"')
NUMBERS: Final = "0 007 -1 +1 1_000 0x10 0o17 0b1 1e5 1.5e3 1. .5 . .. ... .inf 10:20 10:20:30 9999999999999999".split()
BARE: Final = "10 mail.example.com.|a - b|a:b|2026-11-24|2026-11-24 10:00:00|True|NULL|on|y|~||_a|x=y/z+1|<<|=".split(
    "|"
)
SIGNS: Final = (
    "---|-|?|:|::1|a::|a:|a: b|a #b|a#b|a, b|[a]|{a: b}|*a|&a b|!!str 1|! 1|| |>|%a|@a|`a|a\tb|a  b| a ".split("|")
)
QUOTED: Final = (
    "''",
    '""',
    "'it''s'",
    '"\\"e\\""',
    '"a: b, c"',
    "'{a: b}'",
    "'] }'",
    "'# x'",
    "'\u00e9'",
    "'a\n     b'",
)
WORDS: Final = (*PLAIN, *NUMBERS, *BARE, *SIGNS, *QUOTED, "|\n      a", "\u00e9", "a\n     b", "w" * 1500)
KEYS: Final = ("name", "type", "ttl_s", "data", "x")
ODD: Final = (
    *(
        "- a\n",
        "- |+\n  a\n\n",
        "- 'a\n  b'\n",
        "- [a,\n  b]\n",
        "-\n  name: a\n",
        "- - {a: b}\n",
        "- &a {b: c}\n",
        "- *a\n",
    ),
    *("- {a: b, a: c}\n", "# x\n", "\n", "- a: |\n    b\n", "- {a: b}: c\n", "- ? {a: b}\n", "- !!map {a: b}\n", "-\n"),
)
GOOD: Final = ("records:\n", "records: # x\n", "records: &r\n", "r: 1\nrecords:\n", "\ufeffrecords:\n", "x:\n  y:\n")
BAD: Final = (
    "x: |\n",
    "x: |+\n",
    "x: '\n",
    'x: "\n',
    "x: [\n",
    "x: {a: [\n",
    "x: ['\n",
    "",
    "- \n",
    "? \n",
    "x: a\n",
    "x:\n-\n",
)
TAILS: Final = ("y: *r\n", "y: [*r, *r]\n", "...\n", "---\n", "'\n", '"\n', "]\n", "]}\n", "']\n", "  z: 1\n", "\x01\n")
SPLICES: Final = (
    *("\n\r\t -?:,[]{}#&*!|>'\"%@`ax1\u0085\u2028\ufeff\x00"),
    *("- ", ": ", "\n\n", "\n  ", "&a ", "*a", "---\n", "  b\n", "\n    c", "{a: b}", "'\n"),
)


@st.composite
def items(draw: st.DrawFn, words: tuple[str, ...]) -> str:
    """Return an item of a list, to be moved to the right as a whole."""
    word = st.sampled_from(words)
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    gap, remark = draw(st.sampled_from(["", "", " "])), draw(st.sampled_from(["", "", "  ", " # x", " # y: z"]))
    in_line = draw(st.booleans())
    parts = []
    for key in keys:
        values = draw(st.lists(word, min_size=1, max_size=3))
        match draw(st.sampled_from(["one", "here", "below"])):
            case "here":
                parts.append(f"{key}: {gap}[{gap}{f'{gap},{gap} '.join(values)}{gap}]")
            case "below" if not in_line:
                deeper = draw(st.sampled_from(["", " ", "  "]))
                parts.append(f"{key}:{remark}\n" + "\n".join(f"  {deeper}- {value}{gap}" for value in values))
            case _:
                parts.append(f"{key}:{gap} {values[0]}")
    if in_line:
        return f"- {{{gap}{f'{gap},{gap} '.join(parts)}{gap}}}{remark}\n"
    return "- " + f"{remark}\n  ".join(parts) + f"{remark}\n"


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Return a text with a list of plain items; every second one has something in it that may be none."""
    heads, tails, items_too, splices = (draw(st.integers(0, 7)) == 0 for _ in range(4))
    listed = draw(st.lists(items(PLAIN), min_size=1, max_size=6))
    if items_too:
        at = draw(st.integers(0, len(listed)))
        listed[at:at] = draw(st.lists(items(WORDS) | st.sampled_from(ODD), min_size=1, max_size=3))
    indent = draw(st.sampled_from(["", "  ", "  ", "    "]))
    pads = [indent if draw(st.integers(0, 49)) else draw(st.sampled_from(["", " ", "      "])) for _ in listed]
    lines = [f"{pad}{line}\n" for pad, item in zip(pads, listed, strict=True) for line in item[:-1].split("\n")]
    head, tail = (
        draw(st.sampled_from(BAD if heads else GOOD)),
        draw(st.sampled_from(TAILS if tails else ("", "y: 1\n"))),
    )
    text = head + "".join(lines) + tail
    for _ in range(draw(st.integers(1, 2)) if splices else 0):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(SPLICES)) + text[at + draw(st.integers(0, 3)) :]
    return text


@settings(max_examples=500)
@given(texts())
def test_a_text_says_the_same_whether_its_plain_items_are_read_alone_or_not(text: str) -> None:
    octets = text.encode()
    fast = outcome(octets)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keyed_texts, "without_plain_items", lambda text: (text, {}))
        assert fast == outcome(octets)


@given(st.lists(items(PLAIN) | items(WORDS), min_size=3, max_size=6))
def test_what_is_taken_for_a_plain_item_is_one(listed: list[str]) -> None:
    for item in listed:
        _, runs = without_plain_items(item * 3)
        for run in runs.values():
            root = compose(item.encode())
            assert isinstance(root, SequenceNode)
            (said,) = keyed_texts._YamlReader().value(root, ())
            assert repr(run.items) == repr([said])


RECORDS: Final[list[dict[str, Any]]] = [
    {"name": f"n{at}.example.com", "type": "A", "ttl_s": 60, "data": [f"192.0.2.{at}", "192.0.2.200"]}
    for at in range(9)
]


@pytest.mark.parametrize(
    "text",
    [
        "records:\n" + "".join(f"  - {{name: {each['name']}, data: [192.0.2.1]}}\n" for each in RECORDS),
        "records:\n"
        + "".join(f"- {{ name: '{each['name']}',data: [ 2001:db8::1, \"a\" ] }} # b\n" for each in RECORDS),
        yaml.safe_dump({"records": RECORDS}),
        yaml.safe_dump({"records": RECORDS}, default_flow_style=None, width=200, sort_keys=False),
        yaml.safe_dump({"a": {"b": {"c": RECORDS}}}),
        yaml.safe_dump({"records": [{**each, "data": ['"v=spf1 -all"', "10 a.example."]} for each in RECORDS]}),
    ],
)
def test_items_as_people_and_programs_write_them_are_read_alone_but_for_two(text: str) -> None:
    thin, runs = without_plain_items(text)
    assert [len(run.items) for run in runs.values()] == [7]
    assert thin.count("example.com") == 2
    assert thin.count("\n") == text.count("\n")
    assert outcome(text.encode()) == whole(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        # Lines that are parts of texts in brackets; on the first and the last of them begins a table each
        'x: ["\n- {a: \'", {a: "\'}\n- {b: c}\n- {a: \'"}, {d: e}, "\'}\n"]\n',
        # Lines that are others to those who take a carriage return for the end of one
        "#\r\r\r\r\nx:\n  - {a: é}\n\n  - {a: é}\n  - {a: b}\n  - {a: c}\n  - {a: d}\n",
        "x:\n  - {a: b}\n  - {a: c}\n  - {a: d}\n  - {a: e, a: f}\n",
        "x: |\n  - {a: b}\n  - {a: c}\n  - {a: d}\n",
        "x: &x\n  - {a: b}\n  - {a: c}\n  - {a: d}\ny: *x\n",
        "x:\n  - {a: b}\n  - {a: c, a: d}\n  - {a: e}\n  - {a: f}\n",
        "x:\n  - |+\n    a\n  - {a: b}\n  - {a: c}\n  - {a: d}\n",
        "x:\n  - a: b\n  - a: c\n  - a: d\n     e\n",
        "x:\n  - a\n    - {a: b}\n    - {a: c}\n    - {a: d}\n",
        "x:\n  - {a: b}\n  - {a: c}\n   - {a: d}\n  - {a: e}\n",
        "x:\n  - {a: b}\r  - {a: c}\n  - {a: d}\n  - {a: e}\n  - {a: f}\n",
        "x:\n  - {a: b}\n  - {a: c}\n  - {a: d}\ny: [\n",
        "- {a: b}\n- {a: c}\n- {a: d}\n",
    ],
)
def test_where_items_are_no_items_or_more_than_items_all_of_yaml_is_read(text: str) -> None:
    assert outcome(text.encode()) == whole(text.encode())


@pytest.mark.parametrize(
    "piece",
    [
        "- {a: b}\n",
        "- a: b\n",
        "- a:\n  - b\n",
        "- {a: [b,",
        "- {a: b, ",
        " ",
        "- ",
        "a: ",
        "- {a: 'b",
        "- a:\n",
        "b b",
        "::",
    ],
)
@pytest.mark.parametrize("head", ["", "- {a: ", "- a: ", "- {a: [b, "])
def test_no_mebibyte_of_the_same_takes_long(piece: str, head: str) -> None:
    begun_s = time.process_time()
    without_plain_items(head + piece * ((1 << 20) // len(piece)))
    assert time.process_time() - begun_s < 20


def outcome(octets: bytes) -> object:
    """Return all that is told of a text, numbers and texts told apart."""
    try:
        found = read_keyed_text(octets, ".yaml")
    except BadText as error:
        return error.reason, error.line
    return said(found)


def whole(octets: bytes) -> object:
    """Return the same, of a text in which no plain items are looked for."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keyed_texts, "without_plain_items", lambda text: (text, {}))
        return outcome(octets)


def said(found: KeyedText) -> object:
    listings = {key: (list(each.lines), each.octets, each.is_last) for key, each in found.listings.items()}
    places = [(key, at) for key, value in found.content.items() if isinstance(value, list) for at in range(len(value))]
    return repr(found.content), found.twice, listings, lines_around(found, places)
