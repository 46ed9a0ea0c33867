"""Every form that a map is exported in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from standfast.depmap.exports.document import write_json
from standfast.depmap.exports.dot import write_dot
from standfast.depmap.exports.graphml import write_graphml
from standfast.depmap.exports.page import write_html
from standfast.depmap.exports.parts import Part
from standfast.depmap.exports.scene import Scene
from standfast.depmap.exports.svg import write_svg


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`suffixes` are those of files of this form; `write(scene, title, part)` returns the text of one."""

    suffixes: tuple[str, ...]
    write: Callable[[Scene, str, Part], str]


FORMATS: Final = {
    "html": Format(suffixes=(".html", ".htm"), write=write_html),
    "svg": Format(suffixes=(".svg",), write=write_svg),
    "dot": Format(suffixes=(".dot", ".gv"), write=write_dot),
    "graphml": Format(suffixes=(".graphml", ".xml"), write=write_graphml),
    "json": Format(suffixes=(".json",), write=write_json),
}


def format_of(file: str) -> str | None:
    """Return the name of the format that the file's name ends as, None where it ends as none."""
    return next((name for name, each in FORMATS.items() if file.endswith(each.suffixes)), None)
