"""The README, parted into what it says of the control plane and all else, since each is done in a world of its own."""

import re
from pathlib import Path
from typing import Final

_WHOLE: Final = (Path(__file__).parents[1] / "README.md").read_text()
_FOUND: Final = re.search(r"^## Names that change by machine.*?(?=^## )", _WHOLE, flags=re.MULTILINE | re.DOTALL)
CONTROL: Final = _FOUND[0] if _FOUND else ""
REST: Final = _WHOLE.replace(CONTROL, "")
