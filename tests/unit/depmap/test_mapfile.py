"""The file that a map is kept in says all that the map does, and tells what is wrong with one."""

import json

import pytest
from hypothesis import given

from standfast.depmap.errors import ModelError
from standfast.depmap.mapfile import read, suits, write
from standfast.depmap.merging import merge
from standfast.depmap.readers.kinds import reader_of
from standfast.depmap.statements import Reading, Remark, Told, Witness
from statements_told import REMARKS, TELLINGS

EMPTY = b'{"standfast_map": 1,\n"statements": [\n],\n"remarks": [\n]}\n'


@given(TELLINGS, REMARKS)
def test_a_map_that_is_written_and_read_is_the_same_map_and_the_same_file(
    told: list[Told], remarks: list[Remark]
) -> None:
    found = merge([Reading(told=tuple(told), remarks=tuple(remarks))])
    octets = write(found)
    again = read(octets, file="m.json")
    assert merge([again]) == merge([again, again]) == found
    assert write(merge([again])) == octets


def test_a_map_of_nothing_is_a_file_too() -> None:
    assert write(merge([])) == EMPTY
    assert read(EMPTY, file="m.json") == Reading()
    assert reader_of(EMPTY, file="m.json").name == "map"
    assert not suits(b'{"version": 4}', "terraform.tfstate")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"node": "a", "is": "thing"}, 'm.json: statement 1 has no meaning: {"node": "a", "is": "thing"'),
        ({"node": "", "is": "service"}, "m.json: statement 1 has no meaning"),
        ({"node": "a"}, "m.json: statement 1 has no meaning"),
        ({"is": "service"}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "needs": ["b"], "at_least": 2}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "needs": ["b", "b"], "at_least": 1}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "needs": ["b"], "at_least": 1, "soft": "no"}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "needs": [], "at_least": 0}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "shares": ["x"]}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "fails": 2, "source": "claimed"}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "fails": float("nan"), "source": "claimed"}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "gone": "stolen"}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "claims": "0.9"}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "is": "service", "by": []}, "m.json: statement 1 has no meaning"),
        ({"node": "a", "is": "service", "by": [["x", "y"]]}, "m.json: statement 1 has no meaning"),
        ("a", 'm.json: statement 1 has no meaning: "a"'),
    ],
)
def test_a_statement_without_meaning_is_told_with_its_number(row: object, said: str) -> None:
    if isinstance(row, dict):
        row = {"by": [["x", "y", 0]]} | row
        assert said.partition(": {")[0] in str(refused(json.dumps({"standfast_map": 1, "statements": [row]})))
    else:
        assert str(refused(json.dumps({"standfast_map": 1, "statements": [row]}))) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "m.json: no JSON: "),
        ("[" * 100_000, "m.json: no JSON: "),
        ("[]", "m.json: no map of version 1"),
        ('{"standfast_map": 2}', "m.json: no map of version 1"),
        ('{"standfast_map": 1, "statements": {}}', 'm.json: "statements" is no list'),
        ('{"standfast_map": 1, "remarks": [{"text": 1, "by": [["x", "y", 0]]}]}', "m.json: remark 1 has no meaning"),
    ],
)
def test_what_is_no_map_is_told(text: str, said: str) -> None:
    assert str(refused(text)).startswith(said)


def test_all_witnesses_of_a_statement_stand_in_its_line() -> None:
    row = '{"node": "a", "shares": "x", "by": [["one", "f", 1], ["two", "g", 0]]}'
    told = read(f'{{"standfast_map": 1, "statements": [{row}]}}'.encode(), file="m.json").told
    assert [each.by for each in told] == [
        Witness(reader="one", where="f", line=1),
        Witness(reader="two", where="g"),
    ]
    assert row in write(merge([Reading(told=told)])).decode()


def refused(text: str) -> ModelError:
    with pytest.raises(ModelError) as raised:
        read(text.encode(), file="m.json")
    return raised.value
