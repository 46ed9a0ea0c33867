"""Fault trees in the Open-PSA Model Exchange Format 2.0d: the fault tree layer, read whole or refused with a line.

Not read, and refused because they would change the result: substitutions, and files that include others. Left out,
because they do not: event trees, sequences and the like. `xor` and `iff` of more than two parts are read as the format
had them before 2018, by parity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.common_cause import NotAGroup, first_level, written_out
from standfast.depmap.faults.elements import Element, read_elements
from standfast.depmap.faults.expressions import Expressions, Path, only_part, truth
from standfast.depmap.faults.model import (
    AllOf,
    AnyOf,
    AtLeast,
    Basic,
    Constant,
    Event,
    FaultTree,
    Formula,
    Gate,
    LoopError,
    Not,
    Xor,
    leaves,
)

_CONTAINERS: Final = ("define-fault-tree", "define-component", "model-data")
_KINDS: Final = {
    "define-gate": "gate",
    "define-basic-event": "basic-event",
    "define-house-event": "house-event",
    "define-parameter": "parameter",
}
_REFUSED: Final = ("define-substitution", "include", "extern")

Kind = str  # one of the values of _KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTree:
    """A tree, and the gates besides its top that nothing hangs on: it may be one of those that was meant."""

    tree: FaultTree
    other_tops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Definition:
    name: str  # in full, unless it is public: then as everybody may call it
    path: Path
    element: Element


def read_open_psa(octets: bytes, *, file: str, gate: str | None = None, mission_time: float | None = None) -> ReadTree:
    """Read the fault tree in the XML document `octets`.

    Args:
        octets: the whole document.
        file: what errors call it.
        gate: the top event. None: the gate that nothing hangs on; of several the one that the most hangs below.
        mission_time: what `<system-mission-time/>` is, in the unit of the file.

    Raises:
        ModelError: it is no such document, or means nothing; with the first line that is wrong.
    """
    try:
        return _Reader(read_elements(octets, file=file), file, mission_time).read(gate)
    except RecursionError:
        raise ModelError("what it says is nested too deep in itself", file=file) from None


class _Reader:
    def __init__(self, root: Element, file: str, mission_time: float | None) -> None:
        self._file = file
        self._definitions: dict[tuple[Kind, str], _Definition] = {}
        if root.tag != "opsa-mef":
            raise self._fault(root, f"this is no Open-PSA model: it begins with <{root.tag}>, not with <opsa-mef>")
        self._groups: list[tuple[Element, Path]] = []
        self._collect(root, (), public=True)
        self._expressions = Expressions(self._find_parameter, file=file, mission_time=mission_time)
        self._in_groups: dict[str, Formula] = {}  # for members of common-cause groups: when they fail
        self._group_events: dict[str, Event] = {}
        for element, path in self._groups:
            self._read_group(element, path)

    def read(self, gate: str | None) -> ReadTree:
        gates: dict[str, Formula] = {}
        events: dict[str, Event] = {}
        for (kind, _), definition in self._definitions.items():
            if kind == "gate" and definition.name not in gates:
                gates[definition.name] = self._formula(self._only(definition, "formula"), definition.path)
            elif kind == "basic-event" and definition.name not in events and definition.name not in self._in_groups:
                events[definition.name] = self._event(definition)
        top, *others = [gate] if gate is not None else self._tops(gates)
        if top not in gates:
            raise ModelError(f'there is no gate "{top}"', file=self._file)
        tree = FaultTree(top=top, gates=gates, events=events | self._group_events)
        try:
            tree.in_order()
        except LoopError as error:
            line = self._definitions["gate", error.gates[0]].element.line
            raise LoopError(error.gates, file=self._file, line=line) from None
        return ReadTree(tree=tree, other_tops=tuple(others))

    def _collect(self, container: Element, path: Path, *, public: bool) -> None:
        for element in container.children:
            if element.tag in _REFUSED:
                raise self._fault(element, f"<{element.tag}> is not supported, and without it the result were another")
            role = element.attributes.get("role")
            if element.tag in _CONTAINERS:
                inner = path if element.tag == "model-data" else (*path, self._name_of(element))
                self._collect(element, inner, public=public if role is None else role == "public")
            elif element.tag == "define-CCF-group":
                self._groups.append((element, path))
            elif kind := _KINDS.get(element.tag):
                self._define(kind, element, path, public=public if role is None else role == "public")

    def _read_group(self, element: Element, path: Path) -> None:
        """Read a common-cause group. Its members are events by that alone; what else is said of them is not asked."""
        model = element.attributes.get("model", "")
        inside: dict[str, list[Element]] = {"members": [], "distribution": [], "factor": []}
        for child in element.children:
            for each in child.children if child.tag == "factors" else (child,):
                inside.setdefault(each.tag, []).append(each)
        if len(inside["members"]) != 1 or len(inside["distribution"]) != 1:
            raise self._fault(element, "a common-cause group has <members> and a <distribution>, one of each")
        names = []
        for member in inside["members"][0].children:
            definition = self._find("basic-event", member, path)
            if definition is None:
                self._define("basic-event", member, path, public=True)
                definition = self._find("basic-event", member, path)
            if definition is None or definition.name in self._in_groups:
                raise self._fault(member, f'"{self._name_of(member)}" is in another common-cause group already')
            names.append(definition.name)
        first = first_level(model, len(names))
        for level, factor in enumerate(inside["factor"], first):
            if "level" in factor.attributes and self._integer(factor, "level") != level:
                raise self._fault(factor, f"here the factor of level {level} must stand")
        probability = self._share(only_part(inside["distribution"][0], self._file, "expression"), path)
        factors = [
            self._expressions.value(only_part(each, self._file, "expression"), path) for each in inside["factor"]
        ]
        try:
            group = written_out(model, names, probability, factors)
        except NotAGroup as error:
            raise self._fault(element, f'common-cause group "{self._name_of(element)}": {error}') from None
        self._group_events |= group.events
        self._in_groups |= group.members

    def _share(self, expression: Element, path: Path) -> float:
        probability = self._expressions.value(expression, path)
        if not 0 <= probability <= 1:
            raise self._fault(expression, f"{probability:g} is no probability")
        return probability

    def _define(self, kind: Kind, element: Element, path: Path, *, public: bool) -> None:
        local = self._name_of(element)
        full = ".".join([*path, local])
        definition = _Definition(name=local if public else full, path=path, element=element)
        for name in (local, full) if public else (full,):
            earlier = self._definitions.setdefault((kind, name), definition)
            if earlier is not definition:
                raise self._fault(element, f'{kind} "{name}" is defined again, after line {earlier.element.line}')

    def _find(self, kind: Kind, reference: Element, path: Path) -> _Definition | None:
        """Look a name up: in the containers that the reference stands in, from the innermost, and then among all."""
        name = self._name_of(reference)
        for depth in range(len(path), -1, -1):
            if found := self._definitions.get((kind, ".".join([*path[:depth], name]))):
                return found
        return None

    def _formula(self, element: Element, path: Path) -> Formula:
        def parts() -> tuple[Formula, ...]:
            if not element.children:
                raise self._fault(element, f"<{element.tag}> has no parts")
            return tuple(self._formula(child, path) for child in element.children)

        match element.tag:
            case "gate" | "basic-event" | "house-event":
                return self._reference((element.tag,), element, path)
            case "event":
                kind = element.attributes.get("type")
                return self._reference((kind,) if kind else ("gate", "basic-event", "house-event"), element, path)
            case "constant":
                return Constant(truth(element, self._file))
            case "not":
                return Not(self._formula(self._only_child(element), path))
            case "imply":
                before, after = self._two(parts(), element)
                return AnyOf((Not(before), after))
            case "atleast":
                return AtLeast(self._integer(element, "min"), parts())
            case "cardinality":
                low, high, counted = self._integer(element, "min"), self._integer(element, "max"), parts()
                return AllOf((AtLeast(low, counted), Not(AtLeast(high + 1, counted))))
            case tag if connective := _CONNECTIVES.get(tag):
                return connective(parts())
            case tag:
                raise self._fault(element, f"<{tag}> is no formula")

    def _reference(self, kinds: Sequence[Kind], element: Element, path: Path) -> Formula:
        found = {kind: definition for kind in kinds if (definition := self._find(kind, element, path))}
        if len(found) != 1:
            what = "is not defined" if not found else f"may be any of these: {', '.join(found)}"
            raise self._fault(element, f'{" or ".join(kinds)} "{self._name_of(element)}" {what}')
        (kind, definition) = found.popitem()
        match kind:
            case "gate":
                return Gate(definition.name)
            case "basic-event":
                return self._in_groups.get(definition.name, Basic(definition.name))
            case _:
                values = [child for child in definition.element.children if child.tag == "constant"]
                return Constant(bool(values) and truth(values[0], self._file))

    def _event(self, definition: _Definition) -> Event:
        element = definition.element
        if all(child.tag in ("label", "attributes") for child in element.children):
            raise self._fault(
                element, f'basic event "{definition.name}" has no probability: give it a <float value="">'
            )
        probability = self._expressions.value(self._only(definition, "expression"), definition.path)
        if not 0 <= probability <= 1:
            raise self._fault(element, f'{probability:g}, of basic event "{definition.name}", is no probability')
        return Event(unavailability=probability)

    def _find_parameter(self, reference: Element, path: Path) -> tuple[str, Element, Path]:
        found = self._find("parameter", reference, path)
        if found is None:
            raise self._fault(reference, f'parameter "{self._name_of(reference)}" is not defined')
        return found.name, found.element, found.path

    def _tops(self, gates: dict[str, Formula]) -> list[str]:
        """Return the gates that no other hangs on; first the one that the most gates are below."""
        used = {leaf.name for formula in gates.values() for leaf in leaves(formula) if isinstance(leaf, Gate)}
        tops = [name for name in gates if name not in used]
        if not tops:
            reason = "every gate hangs on another: there is a loop" if gates else "there is no gate in it"
            raise ModelError(reason, file=self._file)
        if len(tops) == 1:
            return tops
        return sorted(tops, key=lambda name: -_size(gates, name))

    def _only(self, definition: _Definition, what: str) -> Element:
        return only_part(definition.element, self._file, what)

    def _only_child(self, element: Element) -> Element:
        if len(element.children) != 1:
            raise self._fault(element, f"<{element.tag}> takes one part and has {len(element.children)}")
        return element.children[0]

    def _two(self, parts: Sequence[Formula], element: Element) -> Sequence[Formula]:
        if len(parts) != 2:
            raise self._fault(element, f"<{element.tag}> takes two parts and has {len(parts)}")
        return parts

    def _integer(self, element: Element, attribute: str) -> int:
        text = element.attributes.get(attribute, "")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self._fault(element, f'{attribute}="{text}" of <{element.tag}> is no number')
        return int(text)

    def _name_of(self, element: Element) -> str:
        name = element.attributes.get("name", "").strip()
        if not name:
            raise self._fault(element, f"<{element.tag}> has no name")
        return name

    def _fault(self, element: Element, reason: str) -> ModelError:
        return ModelError(reason, file=self._file, line=element.line)


def _iff(parts: tuple[Formula, ...]) -> Formula:
    """Equivalence is associative: of an even number of parts it is the opposite of parity, of an odd one parity."""
    return Xor(parts) if len(parts) % 2 else Not(Xor(parts))


_CONNECTIVES: Final[dict[str, Callable[[tuple[Formula, ...]], Formula]]] = {
    "and": AllOf,
    "or": AnyOf,
    "xor": Xor,
    "iff": _iff,
    "nand": lambda parts: Not(AllOf(parts)),
    "nor": lambda parts: Not(AnyOf(parts)),
}


def _size(gates: dict[str, Formula], top: str) -> int:
    seen = {top}
    todo = [top]
    while todo:
        for leaf in leaves(gates.get(todo.pop(), Constant(False))):
            if isinstance(leaf, Gate) and leaf.name not in seen:
                seen.add(leaf.name)
                todo.append(leaf.name)
    return len(seen)
