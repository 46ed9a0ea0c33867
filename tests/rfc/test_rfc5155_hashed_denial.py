"""NSEC3 (RFC 5155) and the canonical order of names (RFC 4034 section 6.1), by the examples of the RFCs."""

import pytest

from standfast.authority.denial import canonical, next_closer, nsec3_hash


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("example.", b"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM"),
        ("a.example.", b"35MTHGPGCU1QG68FAB165KLNSNK3DPVL"),
        ("ai.example.", b"GJEQE526PLBF1G8MKLP59ENFD789NJGI"),
        ("ns1.example.", b"2T7B4G4VSA5SMI47K61MV5BV1A22BOJR"),
        ("*.w.example.", b"R53BQ7CC2UVMUBFU5OCMM6PERS9TK9EN"),
        ("x.y.w.example.", b"2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S"),
    ],
)
def test_names_are_hashed_as_in_appendix_a(name: str, hashed: bytes) -> None:
    assert nsec3_hash(name, bytes.fromhex("aabbccdd"), 12) == hashed


def test_names_are_ordered_as_in_rfc4034_section_6_1() -> None:
    names = [
        "example.",
        "a.example.",
        "yljkjljk.a.example.",
        "z.a.example.",
        "zabc.a.example.",
        "z.example.",
        "\\001.z.example.",
        "*.z.example.",
        "\\200.z.example.",
    ]
    assert sorted(names, key=canonical) == names


def test_the_next_closer_name_is_one_label_longer_than_the_encloser() -> None:
    assert next_closer("a.b.c.example.", "example.") == "c.example."
    assert next_closer("c.example.", "example.") == "c.example."
