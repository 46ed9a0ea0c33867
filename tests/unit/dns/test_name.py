"""Names as text: dots, case and escapes are handled here, so that nothing else has to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.dns.name import BadName, ancestors, is_below, name_from_wire, parent, parse_name
from standfast.dns.wire import name_from_text, name_to_text

LABELS = st.lists(st.binary(min_size=1, max_size=12), max_size=6)
PLAIN = st.lists(st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True), max_size=6)


def wire(labels: list[bytes]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("www.example.org", "www.example.org."),
        ("WWW.Example.ORG.", "www.example.org."),
        (".", "."),
        ("_443._tcp.example.org", "_443._tcp.example.org."),
        (r"a\.b.example.org", r"a\.b.example.org."),
        (r"a\046b.example.org", r"a\.b.example.org."),
    ],
)
def test_a_name_becomes_absolute_and_lower_case(text: str, name: str) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize("text", ["", "a..b", "x" * 64 + ".org", ".".join(["x" * 60] * 5), "\\", "a\\25"])
def test_what_is_no_name_says_why(text: str) -> None:
    with pytest.raises(BadName) as caught:
        parse_name(text)
    assert caught.value.reason
    assert caught.value.text == text


@settings(deadline=None)
@given(LABELS)
def test_wire_and_text_agree_on_any_octets(labels: list[bytes]) -> None:
    octets = wire(labels)
    text = name_from_wire(octets)
    assert text == name_to_text(octets).lower()
    assert name_from_text(text) == octets.lower()


@settings(deadline=None)
@given(LABELS)
def test_a_name_that_was_read_parses_to_itself(labels: list[bytes]) -> None:
    text = name_from_wire(wire(labels))
    assert parse_name(text) == text


@settings(deadline=None)
@given(LABELS)
def test_the_ancestors_of_a_name_are_its_own_labels_one_fewer_each_time(labels: list[bytes]) -> None:
    octets = wire(labels)
    expected = []
    while len(octets) > 1:
        expected.append(name_to_text(octets).lower())
        octets = octets[1 + octets[0] :]
    assert list(ancestors(name_from_wire(wire(labels)))) == [*expected, "."]


@settings(deadline=None)
@given(LABELS, LABELS)
def test_below_is_a_matter_of_whole_labels(labels: list[bytes], others: list[bytes]) -> None:
    lower = [label.lower() for label in labels]
    tail = [label.lower() for label in others]
    expected = lower[len(lower) - len(tail) :] == tail if tail else True
    assert is_below(name_from_wire(wire(labels)), name_from_wire(wire(others))) == expected


def test_a_dot_inside_a_label_ends_nothing() -> None:
    assert parent(r"a\.b.example.org.") == "example.org."
    assert not is_below(r"x\.example.org.", "example.org.")
    assert is_below(r"x\\.example.org.", "example.org.")  # an escaped backslash, and then a real dot


def test_the_root_is_above_all_and_its_own_parent() -> None:
    assert parent(".") == "."
    assert parent("org.") == "."
    assert is_below(".", ".")
    assert is_below("org.", ".")
    assert not is_below(".", "org.")


@settings(deadline=None)
@given(PLAIN)
def test_a_plain_name_and_an_escaped_one_climb_alike(labels: list[str]) -> None:
    name = ".".join(labels) + "."
    if labels:
        assert parent(name) == (".".join(labels[1:]) + ".")
        assert parent("\\000" + name) == parent(name)
