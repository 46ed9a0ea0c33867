"""The record: one canonical form for a value, one line for a record, and a hash that both rest on."""

import json
import string
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.ledger.record import (
    DEPTH_MAX,
    GENESIS,
    INTEGER_MAX,
    LINE_BYTES_MAX,
    ChangedRecord,
    Head,
    JsonValue,
    MalformedRecord,
    Record,
    UnfitValue,
    canonical,
    chain,
    decode_head,
    decode_line,
    encode_head,
    encode_line,
)
from unit.ledger.chains import BODIES, VALUES, same

RECORD = chain(GENESIS, at_ms=1_761_000_000_000, kind="verdict", body={"qname": "example.org.", "held": True})
LINE = encode_line(RECORD)


# The canonical form.


def test_members_sort_by_utf16_code_units_as_rfc_8785_section_3_2_3_shows() -> None:
    value: JsonValue = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical(value))) == ["\r", "1", "\x80", "ö", "€", "\U0001f600", "\ufb33"]


def test_texts_escape_what_rfc_8785_section_3_2_2_2_names_and_nothing_else() -> None:
    assert canonical('€$\x0f\nA\'B"\\"/\x7f\u2028') == '"€$\\u000f\\nA\'B\\"\\\\\\"/\x7f\u2028"'.encode()
    assert canonical("\b\t\n\f\r\x00\x1f") == b'"\\b\\t\\n\\f\\r\\u0000\\u001f"'


def test_literals_and_integers_have_their_one_form_and_no_spaces() -> None:
    value: JsonValue = {"b": [None, True, False, 0, -7, INTEGER_MAX], "a": {}, "c": []}
    assert canonical(value) == b'{"a":{},"b":[null,true,false,0,-7,9007199254740991],"c":[]}'


@settings(deadline=None)
@given(VALUES)
def test_the_canonical_form_reads_back_as_the_same_value_and_is_stable(value: JsonValue) -> None:
    read = json.loads(canonical(value))
    assert same(read, value)
    assert canonical(read) == canonical(value)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_two_values_have_the_same_form_only_if_they_are_the_same(one: JsonValue, other: JsonValue) -> None:
    assert (canonical(one) == canonical(other)) == same(one, other)


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9)), st.randoms())
def test_the_order_in_which_members_were_put_in_does_not_show(value: dict[str, int], rng: Any) -> None:
    items = list(value.items())
    rng.shuffle(items)
    assert canonical(dict(items)) == canonical(dict(value))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (0.5, "float"),
        (float("nan"), "float"),
        (INTEGER_MAX + 1, "integer"),
        (-INTEGER_MAX - 1, "integer"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (b"bytes", "bytes"),
        ((1, 2), "tuple"),
        ([[{"deep": 0.5}]], "float"),
    ],
)
def test_what_has_no_canonical_form_is_refused_by_name(value: Any, what: str) -> None:
    with pytest.raises(UnfitValue, match=what):
        canonical(value)


def test_nesting_is_bounded() -> None:
    value: JsonValue = []
    for _ in range(DEPTH_MAX - 1):
        value = [value]
    assert canonical(value) == b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    with pytest.raises(UnfitValue, match="more than 16"):
        canonical([value])


# The chain.


def test_a_record_comes_after_its_head_and_repeats_its_hash() -> None:
    following = chain(Head(seq=41, hash="ab" * 32), at_ms=5, kind="start", body={})
    assert (following.seq, following.prev) == (42, "ab" * 32)


@settings(deadline=None)
@given(body=BODIES, at_ms=st.integers(-INTEGER_MAX, INTEGER_MAX), kind=st.sampled_from(["verdict", "lost"]))
def test_the_hash_is_that_of_the_canonical_record_without_it(body: dict[str, JsonValue], at_ms: int, kind: str) -> None:
    record = chain(GENESIS, at_ms=at_ms, kind=kind, body=body)
    content: dict[str, JsonValue] = {"seq": 1, "at_ms": at_ms, "kind": kind, "body": body, "prev": "0" * 64}
    assert record.hash == sha256(canonical(content)).hexdigest()
    assert encode_line(record) == canonical(content | {"hash": record.hash}) + b"\n"


@settings(deadline=None)
@given(body=BODIES, at_ms=st.integers(-INTEGER_MAX, INTEGER_MAX), kind=st.text(string.ascii_lowercase))
def test_a_line_and_its_record_are_inverse(body: dict[str, JsonValue], at_ms: int, kind: str) -> None:
    record = chain(GENESIS, at_ms=at_ms, kind=kind, body=body)
    line = encode_line(record)
    assert line.count(b"\n") == 1
    assert decode_line(line) == record
    assert encode_line(decode_line(line)) == line


def test_a_record_longer_than_a_reader_takes_is_refused_before_it_is_chained() -> None:
    spare = LINE_BYTES_MAX - len(encode_line(chain(GENESIS, at_ms=0, kind="verdict", body={"text": ""})))
    longest = chain(GENESIS, at_ms=0, kind="verdict", body={"text": "x" * spare})
    assert decode_line(encode_line(longest)) == longest
    with pytest.raises(UnfitValue, match="more than 262144 bytes"):
        chain(GENESIS, at_ms=0, kind="verdict", body={"text": "x" * (spare + 1)})


# The head.


@settings(deadline=None)
@given(st.integers(0, INTEGER_MAX))
def test_a_head_and_its_file_are_inverse(seq: int) -> None:
    head = Head(seq=seq, hash=RECORD.hash)
    assert decode_head(encode_head(head)) == head


@pytest.mark.parametrize(
    "text",
    [
        b"",
        bytes(100),
        b"[" * 10_000,
        encode_head(GENESIS)[:-1],
        encode_head(GENESIS).replace(b":", b": "),
        encode_head(GENESIS).replace(b'"seq"', b'"of":1,"seq"'),
        encode_head(GENESIS).replace(b'"seq":0', b'"seq":false'),
        encode_head(GENESIS).replace(b'"seq":0', b'"seq":-1'),
        encode_head(GENESIS).replace(b'"seq":0', b'"seq":99999999999999999'),
        encode_head(GENESIS).replace(b"0000", b"xxxx"),
    ],
)
def test_what_is_not_the_line_of_a_head_is_no_head(text: bytes) -> None:
    with pytest.raises(MalformedRecord, match="does not name a record"):
        decode_head(text)


# Lines that are no records.


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_a_record_or_a_clean_refusal(line: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_line(line)


@settings(deadline=None)
@given(st.integers(0, len(LINE) * 8 - 1))
def test_no_record_survives_a_flipped_bit(bit: int) -> None:
    flipped = bytearray(LINE)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(MalformedRecord):
        decode_line(bytes(flipped))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE[:-1], "no end"),
        (b"\n", "not JSON"),
        (b"\xff\n", "not JSON"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b"9" * 100_000 + b"\n", "not JSON"),
        (b'"' + b"x" * LINE_BYTES_MAX + b'"\n', "longer than"),
        (b"[]\n", "not a record"),
        (LINE.replace(b'"seq":1', b'"seq":"1"'), "not a record"),
        (LINE.replace(b'"seq":1', b'"seq":true'), "not a record"),
        (LINE.replace(b'"seq":1', b'"seq":1,"zone":"example.org."'), "not a record"),
        (LINE.replace(b'"held":true', b'"held":0.5'), "not JSON"),
        (LINE.replace(b'"held":true', b'"held":NaN'), "not JSON"),
        (LINE.replace(b'"seq":1', b'"seq":0'), "cannot be one"),
        (LINE.replace(b'"hash":"', b'"hash":"0'), "cannot be one"),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_reason(line: bytes, reason: str) -> None:
    with pytest.raises(MalformedRecord, match=reason) as caught:
        decode_line(line)
    assert not isinstance(caught.value, ChangedRecord)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.replace(b"example.org.", b"example.net."), "the hash is not that of the content"),
        (LINE.replace(b'"held":true', b'"held":true,"held":true'), "canonical"),
        (LINE.replace(b'"seq":1', b'"seq": 1'), "canonical"),
        (LINE.replace(b"\n", b"\r\n"), "canonical"),
        (LINE.replace(b"example", b"\\u0065xample"), "canonical"),
        (LINE.replace(b'"held":true', b'"held":9007199254740992'), "integer"),
        (LINE.replace(b'"held":true', b'"held":"\\ud800"'), "surrogate"),
    ],
)
def test_a_record_that_is_not_the_one_written_is_refused_with_the_number_it_claims(line: bytes, reason: str) -> None:
    with pytest.raises(ChangedRecord, match=reason) as caught:
        decode_line(line)
    assert caught.value.seq == 1


def test_a_forged_record_in_another_form_is_refused_though_its_hash_fits() -> None:
    forged = Record(seq=1, at_ms=True, kind="verdict", body={}, prev="0" * 64, hash="0" * 64)
    content = encode_line(forged).replace(b'"hash":"' + b"0" * 64 + b'",', b"").rstrip()
    line = encode_line(forged).replace(b'"hash":"' + b"0" * 64, b'"hash":"' + sha256(content).hexdigest().encode())
    with pytest.raises(MalformedRecord, match="not a record"):
        decode_line(line)
