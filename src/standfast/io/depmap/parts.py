"""The files that pictures and pages of a map are made with, from the installed package."""

from importlib import resources


def part(name: str) -> str:
    """Return the text of the part `name` (`standfast.depmap.exports.parts`)."""
    return (resources.files("standfast.depmap.exports") / name).read_text(encoding="utf-8")
