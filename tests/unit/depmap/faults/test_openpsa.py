"""Open-PSA documents: everything of the fault tree layer is read, and what is wrong is told with its line."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.elements import DEPTH_MAX
from standfast.depmap.faults.openpsa import read_open_psa
from standfast.depmap.faults.risk import assess
from truth_tables import Truth

A, B, C = 0.1, 0.2, 0.4
EVENTS = "".join(
    f'<define-basic-event name="{name}"><float value="{value}"/></define-basic-event>'
    for name, value in (("a", A), ("b", B), ("c", C))
)


def document(formula: str, more: str = "") -> bytes:
    """Return a model whose top gate is `formula`, over the events a, b and c."""
    gate = f'<define-gate name="top">{formula}</define-gate>'
    return f'<opsa-mef>\n<define-fault-tree name="t">{gate}{more}</define-fault-tree>\n{EVENTS}</opsa-mef>'.encode()


def probability(octets: bytes, **options: float) -> float:
    """Return the probability of the top event, by trying every state."""
    return Truth(read_open_psa(octets, file="t.xml", **options).tree).probability()  # type: ignore[arg-type]


def said_of(octets: bytes) -> str:
    """Return what is wrong with a document."""
    with pytest.raises(ModelError) as raised:
        read_open_psa(octets, file="t.xml")
    return str(raised.value)


def parts(*names: str) -> str:
    return "".join(f'<basic-event name="{name}"/>' for name in names)


# Formulae.


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (f"<and>{parts('a', 'b')}</and>", A * B),
        (f"<or>{parts('a', 'b')}</or>", 1 - (1 - A) * (1 - B)),
        (f"<not>{parts('a')}</not>", 1 - A),
        (f"<nand>{parts('a', 'b')}</nand>", 1 - A * B),
        (f"<nor>{parts('a', 'b')}</nor>", (1 - A) * (1 - B)),
        (f"<xor>{parts('a', 'b')}</xor>", A * (1 - B) + B * (1 - A)),
        (f"<iff>{parts('a', 'b')}</iff>", A * B + (1 - A) * (1 - B)),
        (f"<iff>{parts('a', 'b', 'c')}</iff>", A * B * C + A * (1 - B) * (1 - C) + (1 - A) * (B + C - 2 * B * C)),
        (f"<imply>{parts('a', 'b')}</imply>", 1 - A * (1 - B)),
        (f'<atleast min="2">{parts("a", "b", "c")}</atleast>', A * B + A * C + B * C - 2 * A * B * C),
        (f'<cardinality min="2" max="2">{parts("a", "b", "c")}</cardinality>', A * B + A * C + B * C - 3 * A * B * C),
        (f"<and><or>{parts('a', 'b')}</or><not>{parts('c')}</not></and>", (1 - (1 - A) * (1 - B)) * (1 - C)),
        (f'<or>{parts("a")}<constant value="false"/></or>', A),
        (f'<and>{parts("a")}<house-event name="h"/></and>', A),
        (f'<and>{parts("a")}<event name="b"/><event name="h" type="house-event"/></and>', A * B),
        (f'<or>{parts("a")}<house-event name="unset"/></or>', A),
        (f'<label>said of it</label><attributes><attribute name="k" value="v"/></attributes>{parts("a")}', A),
    ],
)
def test_every_connective_means_what_the_format_says(formula: str, expected: float) -> None:
    houses = (
        '<define-house-event name="h"><constant value="true"/></define-house-event><define-house-event name="unset"/>'
    )
    octets = document(formula, houses)
    assert probability(octets) == pytest.approx(expected)
    assert assess(read_open_psa(octets, file="t.xml").tree).probability_low == pytest.approx(expected)


def test_names_are_looked_up_in_the_component_first_and_private_ones_are_not_seen_from_elsewhere() -> None:
    component = """<define-component name="pump">
    <define-gate name="fails"><or><basic-event name="a"/><gate name="inner"/></or></define-gate>
    <define-gate name="inner" role="private"><basic-event name="x"/></define-gate>
    <define-basic-event name="a" role="private"><float value="0.5"/></define-basic-event>
    <define-basic-event name="x"><float value="0"/></define-basic-event>
    </define-component>"""
    assert probability(document('<gate name="fails"/>', component)) == pytest.approx(0.5)
    assert probability(
        document('<and><gate name="t.pump.fails"/><basic-event name="a"/></and>', component)
    ) == pytest.approx(0.05)
    assert said_of(document('<gate name="inner"/>', component)) == 't.xml:2: gate "inner" is not defined'


def test_the_top_is_the_gate_that_nothing_hangs_on_and_of_several_the_largest() -> None:
    more = f'<define-gate name="alone">{parts("a")}</define-gate><define-gate name="part">{parts("c")}</define-gate>'
    octets = document(f'<and>{parts("b")}<gate name="part"/></and>', more)
    read = read_open_psa(octets, file="t.xml")
    assert (read.tree.top, read.other_tops) == ("top", ("alone",))
    assert read_open_psa(octets, file="t.xml", gate="alone").tree.top == "alone"
    with pytest.raises(ModelError, match='there is no gate "none"'):
        read_open_psa(octets, file="t.xml", gate="none")


# Expressions.


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('<exponential><parameter name="rate"/><float value="100"/></exponential>', 1 - math.exp(-0.1)),
        ('<exponential><parameter name="rate"/><system-mission-time/></exponential>', 1 - math.exp(-0.024)),
        ('<GLM><float value="0"/><float value="1"/><float value="3"/><float value="1e9"/></GLM>', 0.25),
        ('<Weibull><float value="2"/><int value="2"/><float value="0"/><float value="2"/></Weibull>', 1 - 1 / math.e),
        ('<mul><float value="0.5"/><float value="0.5"/></mul>', 0.25),
        ('<sub><int value="1"/><float value="0.75"/></sub>', 0.25),
        ('<div><int value="1"/><add><int value="1"/><int value="3"/></add></div>', 0.25),
        ('<pow><float value="0.5"/><int value="2"/></pow>', 0.25),
        ('<lognormal-deviate><float value="0.25"/><int value="3"/><float value="0.95"/></lognormal-deviate>', 0.25),
        ('<bool value="true"/>', 1.0),
    ],
)
def test_expressions_come_to_what_the_format_says(expression: str, expected: float) -> None:
    more = f"""<define-basic-event name="x">{expression}</define-basic-event>
    <define-parameter name="rate" unit="hours-1"><mul><parameter name="half"/><int value="2"/></mul></define-parameter>
    <define-parameter name="half"><float value="5e-4"/></define-parameter>"""
    assert probability(document(parts("x"), more), mission_time=24.0) == pytest.approx(expected)


# Common-cause groups.

Q = 0.1


def grouped(model: str, *factors: float) -> bytes:
    """Return a model of a group of x, y and z, each failed with Q, whose top is "all three"."""
    first = {"beta-factor": 3, "MGL": 2}.get(model, 1)
    said = "".join(
        f'<factor level="{level}"><float value="{each}"/></factor>' for level, each in enumerate(factors, first)
    )
    group = f"""\n<define-CCF-group name="g" model="{model}"><members>{parts("x", "y", "z")}</members>
    <distribution><float value="{Q}"/></distribution><factors>{said}</factors></define-CCF-group>"""
    return document(f"<and>{parts('x', 'y', 'z')}</and>", group)


@pytest.mark.parametrize(
    ("model", "factors", "singles", "doubles", "triple"),
    [
        ("beta-factor", (0.2,), 0.8 * Q, 0.0, 0.2 * Q),
        ("MGL", (0.2, 0.3), 0.8 * Q, 0.2 * 0.7 * Q / 2, 0.2 * 0.3 * Q),
        ("MGL", (0.2,), 0.8 * Q, 0.2 * Q / 2, 0.0),
        ("alpha-factor", (0.9, 0.08, 0.02), 0.9 * Q / 1.12, 2 * 0.08 * Q / 1.12 / 2, 3 * 0.02 * Q / 1.12),
        ("phi-factor", (0.9, 0.08, 0.02), 0.9 * Q, 0.08 * Q, 0.02 * Q),
    ],
)
def test_a_common_cause_group_becomes_the_events_of_its_model(
    model: str, factors: tuple[float, ...], singles: float, doubles: float, triple: float
) -> None:
    tree = read_open_psa(grouped(model, *factors), file="t.xml").tree
    events = {name: event.unavailability for name, event in tree.events.items() if name.startswith("[")}
    assert events.pop("[x y z]", 0.0) == pytest.approx(triple)
    assert [events.pop(name, 0.0) for name in ("[x y]", "[x z]", "[y z]")] == pytest.approx([doubles] * 3)
    assert events == {name: pytest.approx(singles) for name in ("[x]", "[y]", "[z]")}
    # All three: the triple, or what covers them: three singles, a double and the single that it lacks, two doubles.
    none, one, two = (1 - doubles) ** 3, 3 * doubles * (1 - doubles) ** 2, 3 * doubles**2 * (1 - doubles) + doubles**3
    assert Truth(tree).probability() == pytest.approx(triple + (1 - triple) * (none * singles**3 + one * singles + two))


def test_members_of_a_group_need_no_definition_and_one_that_is_there_is_not_asked() -> None:
    octets = grouped("beta-factor", 1.0).replace(
        b"</define-fault-tree>",
        b"""
    <define-basic-event name="x"><float value="0.9"/></define-basic-event></define-fault-tree>""",
    )
    assert probability(octets) == pytest.approx(Q)
    found = assess(read_open_psa(grouped("beta-factor", 0.2), file="t.xml").tree, cut_sets_max=9)
    assert {each.events for each in found.cut_sets} == {("[x y z]",), ("[x]", "[y]", "[z]")}


# What is wrong is told, with its line.


def defined(expression: str) -> bytes:
    return document(parts("x"), f'\n<define-basic-event name="x">{expression}</define-basic-event>')


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "t.xml:1: no XML: no element found"),
        (b"<opsa-mef>\n<a></b></opsa-mef>", "t.xml:2: no XML: mismatched tag"),
        (b"\xff\xfe\x00", "t.xml:1: no XML: "),
        (b'<?xml version="1.0" encoding="klingon"?><opsa-mef/>', "t.xml: no XML: unknown encoding"),
        (b"<html/>", "t.xml:1: this is no Open-PSA model: it begins with <html>, not with <opsa-mef>"),
        (b"<opsa-mef/>", "t.xml: there is no gate in it"),
        (document('<gate name="nil"/>'), 't.xml:2: gate "nil" is not defined'),
        (document(parts("nil")), 't.xml:2: basic-event "nil" is not defined'),
        (document("<gate/>"), "t.xml:2: <gate> has no name"),
        (document("<and/>"), "t.xml:2: <and> has no parts"),
        (document(parts("a", "b")), 't.xml:2: "top" needs one formula and has 2'),
        (document(f"<perhaps>{parts('a')}</perhaps>"), "t.xml:2: <perhaps> is no formula"),
        (document(f"<atleast>{parts('a')}</atleast>"), 't.xml:2: min="" of <atleast> is no number'),
        (document(f"<imply>{parts('a')}</imply>"), "t.xml:2: <imply> takes two parts and has 1"),
        (document(f"<not>{parts('a', 'b')}</not>"), "t.xml:2: <not> takes one part and has 2"),
        (document('<constant value="maybe"/>'), 't.xml:2: "maybe" is neither true nor false'),
        (
            document(parts("a"), f'\n<define-gate name="top">{parts("a")}</define-gate>'),
            't.xml:3: gate "top" is defined again, after line 2',
        ),
        (
            document(
                '<gate name="u"/>',
                '\n<define-gate name="u"><gate name="v"/></define-gate>'
                '<define-gate name="v"><gate name="u"/></define-gate>',
            ),
            "t.xml:3: a gate hangs on itself: ",
        ),
        (document(parts("a"), '\n<define-substitution name="s"/>'), "t.xml:3: <define-substitution> is not supported"),
        (document(parts("a"), '\n<define-CCF-group name="g"/>'), "t.xml:3: a common-cause group has <members> and a"),
        (grouped("beta-factor"), 't.xml:3: common-cause group "g": its factors are missing'),
        (grouped("guess", 0.5), 't.xml:3: common-cause group "g": "guess" is none of these models: beta-factor, MGL'),
        (grouped("MGL", 0.1, 0.2, 0.3), "it has a factor for 4 members at once, and 3 members"),
        (grouped("phi-factor", 0.5, 0.4), "its factors add up to 0.9, and not to 1"),
        (grouped("beta-factor", 1.5), "would fail with -0.05, which is no probability"),
        (grouped("MGL", 0.1).replace(b'level="2"', b'level="3"'), "t.xml:4: here the factor of level 2 must stand"),
        (grouped("MGL", 0.1).replace(b'name="y"', b'name="x"'), "it needs at least two members, each once"),
        (defined(""), 't.xml:3: basic event "x" has no probability'),
        (defined('<float value="1.5"/>'), 't.xml:3: 1.5, of basic event "x", is no probability'),
        (defined('<float value="many"/>'), 't.xml:3: "many" is no number'),
        (defined('<float value="nan"/>'), 't.xml:3: "nan" is no number'),
        (defined('<parameter name="p"/>'), 't.xml:3: parameter "p" is not defined'),
        (defined("<system-mission-time/>"), "t.xml:3: the mission time is not known"),
        (defined('<exp><int value="9999"/></exp>'), "t.xml:3: <exp> of [9999.0] cannot be worked out"),
        (defined('<div><int value="1"/><int value="0"/></div>'), "t.xml:3: <div> of [1.0, 0.0] cannot be worked out"),
        (defined('<exponential><int value="1"/></exponential>'), "t.xml:3: <exponential> takes 2 arguments and has 1"),
        (defined("<dice/>"), "t.xml:3: <dice> is no expression"),
        (
            document(
                parts("x"),
                '<define-basic-event name="x"><parameter name="p"/></define-basic-event>\n'
                '<define-parameter name="p"><neg><parameter name="p"/></neg></define-parameter>',
            ),
            "t.xml:3: a parameter hangs on itself: p -> p",
        ),
        (document("<not>" * DEPTH_MAX + parts("a") + "</not>" * DEPTH_MAX), "elements stand more than 200 deep"),
        (
            b'<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n<opsa-mef>&b;</opsa-mef>',
            "t.xml:1: entities are not read",
        ),
        (
            b'<!DOCTYPE m [\n<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<opsa-mef>&a;</opsa-mef>',
            "t.xml:2: entities are",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(octets: bytes, said: str) -> None:
    assert said in said_of(octets)


def test_a_document_type_without_entities_is_no_fault() -> None:
    assert probability(b"<!DOCTYPE opsa-mef>\n" + document(parts("a"))) == pytest.approx(A)


@given(st.data())
def test_a_document_with_an_octet_changed_is_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(document(f'<atleast min="2">{parts("a", "b", "c")}</atleast>'))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ModelError):
        assert 0 <= assess(read_open_psa(bytes(octets), file="t.xml").tree).probability_low <= 1
