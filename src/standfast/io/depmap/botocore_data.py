"""botocore's endpoint data, where botocore is installed beside this (`standfast[aws]` brings it)."""

import gzip
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.readers.botocore_endpoints import Endpoints, read_endpoints
from standfast.io.depmap.model_files import read_model_file

FILES: Final = ("endpoints.json", "endpoints.json.gz")  # as botocore looks for its data, too


def installed_endpoints() -> Endpoints | None:
    """Return what the installed botocore knows; None where none is installed, or what it has is not understood."""
    found = find_spec("botocore")
    for folder in found.submodule_search_locations or () if found else ():
        for path in (Path(folder, "data", name) for name in FILES):
            if path.exists():
                return _read(path)
    return None


def _read(path: Path) -> Endpoints | None:
    try:
        octets = read_model_file(path)
        return read_endpoints(
            gzip.decompress(octets) if path.suffix == ".gz" else octets,
            file=f"{path.name} of botocore {metadata.version('botocore')}",
        )
    except (ModelError, OSError, EOFError):
        return None
