"""An intent read again and again: what an edit leads to is what the whole file says, however it is read."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.control.intent import Intent
from standfast.io.control import intent_reader
from standfast.io.control.edited_texts import BLOCK_OCTETS, edit_of
from standfast.io.control.intent_files import load_intent, read_intent
from standfast.io.control.intent_reader import IntentReader
from standfast.io.control.keyed_texts import BadText, read_keyed_text
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import PublisherKind
from standfast.io.settings.places import ConfigError

PUBLISHERS: Final = (PublisherSettings(name="own", kind=PublisherKind.AUTHORITY),)
HEAD: Final = """\
zones:
  example.com: {publishers: [own], delegated: [sub.example.com]}
"""
TAIL: Final = """\
names:
  www.example.com: {pools: [here]}
pools:
  here: {check: {kind: none}, endpoints: [{address: 192.0.2.200}]}
"""
ITEMS: Final = (  # of a list that stands two to the right
    "  - {name: a.example.com, type: A, data: [192.0.2.1]}\n",
    "  - name: b.example.com\n    type: a\n    ttl_s: 60\n    data:\n      - 192.0.2.2\n      - 192.0.2.3\n",
    '  - {name: c.example.com, type: TXT, data: ["\\"one\\"",\n     "two"]}\n',
    "  - name: d.example.com  # a remark\n    type: MX\n    # another\n\n    data: ['10 e.example.com.']\n",
    "  -\n    name: f.example.com\n    type: A\n    data: [192.0.2.6]\n",
    "  - {name: sub.example.com, type: NS, data: [g.sub.example.com.]}\n",
    "  - {name: g.sub.example.com, type: A, data: [192.0.2.7]}\n",
    "  - name: h.example.com\n    type: TXT\n    data:\n    - |\n      - two\n      lines\n",
    "  - {name: i.example.com, type: CNAME, data: [a.example.com.]}\n",
    "  - &j {name: j.example.com, type: A, data: &k [192.0.2.9]}\n",
)
SPLICES: Final = (  # that people, slips and attackers put in
    *ITEMS,
    *"9 .-#:'\"[]{},|>&*!?%@\n\r\t",
    "\n  - ",
    "\n- ",
    "\n ",
    "---\n",
    "...\n",
    "data: [192.0.2.77]",
    "192.0.2.78",
    "name: x.example.com",
    "type: AAAA",
    "ttl_s: 5",
    "*k",
    "&k ",
    "!!str ",
    "\u00e9",
    "\ufeff",
    "\u0085",
)


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a text that is right, and what it is edited to, one after the other."""
    items = draw(st.lists(st.sampled_from(ITEMS), unique=True, min_size=1))
    indented = draw(st.sampled_from(["", "  "]))
    listed = "".join(items) if indented else "".join(items).replace("\n  ", "\n")[2:]
    blocks = draw(st.permutations([HEAD, TAIL, f"records:\n{listed}"]))
    now = before = "".join(blocks)
    texts = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            old, new = draw(st.sampled_from([("192.0.2.", "198.51.100."), ("one", "three"), ("10 e", "20 z")]))
            now = now.replace(old, new, draw(st.integers(1, 3)))
        else:
            at = draw(st.integers(0, len(now)))
            now = now[:at] + draw(st.sampled_from(SPLICES)) + now[at + draw(st.integers(0, 12)) :]
        texts.append(now)
    return before, texts


@given(edits())
def test_what_is_read_after_an_edit_is_what_the_whole_file_says(edited: tuple[str, list[str]]) -> None:
    before, texts = edited
    with TemporaryDirectory() as folder:
        config = config_of(Path(folder))
        reader = IntentReader(config)
        for text in (before, *texts):
            config.intent[0].write_text(text, newline="")
            assert outcome(reader.read) == outcome(lambda: load_intent(config))


@pytest.mark.parametrize("at", range(len(ITEMS)))
def test_an_edit_of_data_is_read_alone_and_one_of_anything_else_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    alone = {0, 1, 6, 8}  # 2 and 3 hold no address, 4 does not begin where its item does, 5 leads, 9 has anchors
    config = config_of(tmp_path)
    text = HEAD + TAIL + "records:\n" + "".join(ITEMS)
    config.intent[0].write_text(text)
    reader = IntentReader(config)
    reader.read()
    wholes = count_wholes(monkeypatch)
    item = ITEMS[at].replace("192.0.2.", "198.51.100.").replace("[a.ex", "[z.ex").replace("[g.sub", "[h.sub")
    config.intent[0].write_text(text.replace(ITEMS[at], item))
    assert outcome(reader.read) == outcome(lambda: load_intent(config))
    assert bool(wholes) == (at not in alone and item != ITEMS[at])


def test_edits_are_read_one_after_the_other_by_what_the_last_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path)
    remarks = "# nothing\n" * (BLOCK_OCTETS // 7)  # more than are compared at once
    items = [f"  - {{name: n{at}.example.com, type: A, data: [192.0.2.{at}]}}\n" for at in range(9)]
    text = HEAD + TAIL + "records:\n" + remarks + "".join(items[:5]) + remarks + "".join(items[5:])
    config.intent[0].write_text(text)
    reader = IntentReader(config)
    reader.read()
    wholes = count_wholes(monkeypatch)
    for at in (8, 0, 4, 5):
        text = text.replace(f", data: [192.0.2.{at}]", f",\n     data:\n       [198.51.100.{at}]")
        config.intent[0].write_text(text)
        found = reader.read()
        assert [rrset.rdatas[0] for rrset in found.zones["example.com."].records][at] == bytes((198, 51, 100, at))
        assert found == load_intent(config)
    assert not wholes


def test_of_several_files_the_one_that_was_edited_is_read_and_a_wrong_edit_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path, "b.json", "c.yaml")
    record = {
        path: f'{{"name": "{path.stem}.example.com", "type": "A", "data": ["192.0.2.1"]}}' for path in config.intent
    }
    first, second, third = config.intent
    first.write_text(HEAD + TAIL + f"records:\n  - {record[first]}\n")
    second.write_text(f'{{"records": [{record[second]}]}}')
    third.write_text(f"records:\n  - {record[third]}\n")
    reader = IntentReader(config)
    reader.read()
    wholes = count_wholes(monkeypatch)
    third.write_text(f"records:\n  - {record[third].replace('2.1', '2.3')}\n")
    assert reader.read() == load_intent(config)
    assert not wholes
    third.write_text(f"records:\n  - {record[third].replace('2.1', '2.300')}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: data: "):
        reader.read()
    third.write_text(f"records:\n  - {record[third].replace('2.1', '2.4')}\n")
    second.write_text(f'{{"records": [{record[second].replace("2.1", "2.5")}]}}')
    assert reader.read() == load_intent(config)


def test_an_edit_that_nothing_is_known_of_is_no_edit() -> None:
    listing = read_keyed_text(b"records:\n  - 1\n  - 2\n", ".yaml").listings["records"]
    for octets in (b"", b"records:\n", b"records:\n  - 1\n", b"records:\n  - 1\n  - 2\n  - 3\n", b"a:\n  - 1\n  - 2\n"):
        assert edit_of(listing, octets) is None
    edit = edit_of(listing, b"records:\n  - 1\n  - 20\n")
    assert edit is not None
    assert (edit.before, edit.after) == ([2], [20])


SMALL: Final = (
    "- 1",
    "- {a: 1}",
    "- a: 1\n  b: 2",
    "- 'q'",
    "- |\n  t",
    "- - n\n  - m",
    "-\n  n",
    "- &x y",
    "- *x",
    "- [1,\n 2]",
)
SNIPS: Final = (
    "",
    "&x",
    "*x",
    "!y ",
    " ",
    "  ",
    "\n",
    "\n  - ",
    "\n- ",
    "'",
    '"',
    "|",
    "{",
    "]",
    "#",
    ": ",
    "-",
    "\r",
    "...",
    "z",
)


@st.composite
def small_edits(draw: st.DrawFn) -> tuple[str, str]:
    """Return a text with a list of little, and one in which an item is another, or has something put in."""
    items = draw(st.lists(st.sampled_from(SMALL), min_size=1, max_size=4))
    indent = draw(st.sampled_from(["", "  "]))
    head, tail = draw(st.sampled_from([("", ""), ("h: {}\n", ""), ("", "t: {}\n"), ("h: &x 1\n", "t: *x\n")]))
    at = draw(st.integers(0, len(items) - 1))
    new = draw(st.sampled_from([items[at], *SMALL]))
    put = draw(st.integers(0, len(new)))
    new = new[:put] + draw(st.sampled_from(SNIPS)) + new[put + draw(st.integers(0, 2)) :]
    pad = draw(st.sampled_from([indent, indent, "", " ", "   "]))

    def text(pads: list[str], items: list[str]) -> str:
        lines = [f"{pad}{line}\n" for pad, item in zip(pads, items, strict=True) for line in item.split("\n")]
        return f"{head}records:\n{''.join(lines)}{tail}"

    pads = [indent] * len(items)
    return text(pads, items), text([*pads[:at], pad, *pads[at + 1 :]], [*items[:at], new, *items[at + 1 :]])


@settings(max_examples=300)
@given(small_edits())
def test_what_is_read_alone_is_what_changes_of_the_whole(edited: tuple[str, str]) -> None:
    text, now = edited
    try:
        old = read_keyed_text(text.encode(), ".yaml")
    except BadText:  # an alias of nothing
        return
    listing = old.listings.get("records")
    edit = edit_of(listing, now.encode()) if listing is not None else None
    if edit is not None:
        new = read_keyed_text(now.encode(), ".yaml")
        there = old.content["records"]
        places = [at for at in range(len(there)) if there[at : at + len(edit.before)] == edit.before]
        ways = [[*there[:at], *edit.after, *there[at + len(edit.before) :]] for at in places]
        assert new.content["records"] in ways
        assert {**new.content, "records": there} == old.content
        assert edit.listing == new.listings["records"]


def config_of(folder: Path, *more: str) -> ControlConfig:
    files = tuple(folder / name for name in ("a.yaml", *more))
    return ControlConfig(intent=files, state_dir=folder, publishers=PUBLISHERS)


def outcome(read: Callable[[], Intent]) -> Intent | list[str]:
    try:
        return read()
    except ConfigError as error:
        return [str(finding) for finding in error.findings]


def count_wholes(monkeypatch: pytest.MonkeyPatch) -> list[ControlConfig]:
    wholes: list[ControlConfig] = []

    def counted(config: ControlConfig) -> object:
        wholes.append(config)
        return read_intent(config)

    monkeypatch.setattr(intent_reader, "read_intent", counted)
    return wholes
