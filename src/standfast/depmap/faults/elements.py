"""XML as elements that know their line, without the text between them. Entities are refused, size and depth bounded."""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from standfast.depmap.errors import ModelError

DEPTH_MAX: Final = 200  # of nesting; formulae that people write are ten deep, and readers recurse
ELEMENTS_MAX: Final = 4_000_000  # about 1 GB; the largest published trees have ten thousand


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element, and those inside it in their order."""

    tag: str
    line: int
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)


def read_elements(octets: bytes, *, file: str) -> Element:
    """Return the outermost element of the XML document `octets`; `file` is what errors call it.

    Raises:
        ModelError: it is no well-formed XML, too large or too deep, or it defines entities: a few lines of those can
            stand for gigabytes, or for other files.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    outermost: list[Element] = []
    path: list[Element] = []
    count = 0

    def fault(reason: str) -> ModelError:
        return ModelError(reason, file=file, line=parser.CurrentLineNumber)

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > ELEMENTS_MAX:
            raise fault(f"more than {ELEMENTS_MAX} elements")
        if len(path) >= DEPTH_MAX:
            raise fault(f"elements stand more than {DEPTH_MAX} deep in each other")
        element = Element(tag=tag, line=parser.CurrentLineNumber, attributes=attributes)
        (path[-1].children if path else outermost).append(element)
        path.append(element)

    def end(_tag: str) -> None:
        path.pop()

    def refuse(*_: object) -> None:
        raise fault("entities are not read: write out what they stand for")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = refuse
    parser.SkippedEntityHandler = refuse
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise ModelError(f"no XML: {expat.ErrorString(error.code)}", file=file, line=error.lineno) from None
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise ModelError(f"no XML: {error}", file=file) from None
    return outermost[0]
