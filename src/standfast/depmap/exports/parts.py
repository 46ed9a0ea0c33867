"""The parts of pictures and pages that are files of their own, beside this one: who writes them is given their text."""

from collections.abc import Callable
from typing import Final, TypeAlias

Part: TypeAlias = Callable[[str], str]  # the text of a part by its name

STYLE: Final = "picture.css"
PAGE: Final = "page.html"
PAGE_STYLE: Final = "page.css"
SCRIPTS: Final = ("losses.js", "around.js", "view.js", "panel.js")  # in the order in which they build on each other
