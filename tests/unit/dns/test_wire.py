"""Names on the wire agree with dnspython's and with the house's, and hostile ones are refused."""

import contextlib
from typing import Final

import dns.exception
import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.dns.name import parse_name
from standfast.dns.wire import WireError, name_from_text, name_to_text, read_name, skip_name, write_name

LABELS: Final = st.lists(st.binary(min_size=1, max_size=63), max_size=6).filter(lambda ls: sum(map(len, ls)) < 240)


def wire_of(labels: list[bytes]) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


@settings(deadline=None)
@given(labels=LABELS)
def test_text_is_dnspythons_and_leads_back_to_the_same_octets(labels: list[bytes]) -> None:
    name = wire_of(labels)
    text = name_to_text(name)
    assert text == dns.name.from_wire(name, 0)[0].to_text()
    assert name_from_text(text) == name
    assert parse_name(text) == text.lower()


@settings(deadline=None)
@given(wire=st.binary(max_size=40).map(bytes(12).__add__), at=st.integers(12, 52))
def test_any_octets_are_refused_or_read_as_dnspython_reads_them(wire: bytes, at: int) -> None:
    try:
        expected, size = dns.name.from_wire(wire, at)
    except dns.exception.DNSException:
        with contextlib.suppress(WireError):
            read_name(wire, at, {})  # a pointer into the name itself is harmless to us
        return
    name, behind = read_name(wire, at, {})
    assert name == expected.to_wire()
    assert behind == skip_name(wire, at) == at + size


@settings(deadline=None)
@given(names=st.lists(LABELS.map(wire_of), max_size=8))
def test_compressed_names_are_read_back(names: list[bytes]) -> None:
    out, offsets, seen = bytearray(b"header......"), {}, {}  # type: ignore[var-annotated]
    at = [0] * len(names)
    for i, name in enumerate(names):
        at[i] = len(out)
        write_name(out, name, offsets)
    for i, name in enumerate(names):
        assert read_name(bytes(out), at[i], seen)[0].lower() == name.lower()


def test_a_name_is_compressed_onto_what_the_message_holds_already() -> None:
    out = bytearray(12)
    offsets: dict[bytes, bytes] = {}
    write_name(out, name_from_text("www.Example.org."), offsets)
    write_name(out, name_from_text("ftp.example.ORG."), offsets)
    write_name(out, name_from_text("www.example.org."), offsets)
    assert bytes(out[12:]) == b"\x03www\x07Example\x03org\x00\x03ftp\xc0\x10\xc0\x0c"


def test_nothing_is_pointed_to_beyond_the_reach_of_a_pointer() -> None:
    out = bytearray(0x4000)
    offsets: dict[bytes, bytes] = {}
    write_name(out, name_from_text("far.example."), offsets)
    assert not offsets


@pytest.mark.parametrize(
    ("wire", "at"),
    [
        (b"\xc0\x00", 0),
        (bytes(12) + b"\x01a\xc0\x0c", 12),
        (bytes(12) + b"\xc0\x0e\xc0\x0c", 12),
        (bytes(12) + b"\xc0\x0e\x01a\x00", 12),
        (bytes(12) + b"\xc0\x00", 12),
        (b"\x40", 0),
        (b"\x80\x00", 0),
        (b"\x03ab", 0),
        (b"\xc0", 0),
        (b"", 0),
        ((b"\x3f" + b"a" * 63) * 4 + b"\x00", 0),
    ],
    ids="itself loop forwards-loop forwards header type01 type10 cut half-pointer empty too-long".split(),
)
def test_a_hostile_name_is_refused(wire: bytes, at: int) -> None:
    with pytest.raises(WireError):
        read_name(wire, at, {})


@pytest.mark.parametrize("text", ["a" * 64 + ".", "a." * 128])
def test_a_text_that_no_name_can_be_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        name_from_text(text)


def test_255_octets_are_a_name_and_256_are_none() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\x00"
    assert len(longest) == 255
    assert read_name(longest, 0, {})[0] == longest
    assert name_from_text(name_to_text(longest)) == longest
    with pytest.raises(WireError):
        read_name(b"\x01x" + longest, 0, {})
