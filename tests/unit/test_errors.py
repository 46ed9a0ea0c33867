"""The tree of errors that is printed in `standfast.errors` is the one that the code has."""

import importlib
import pkgutil
import re

import standfast
from standfast import errors
from standfast.errors import StandfastError


def grown(parent: type[Exception]) -> dict[str, str]:
    """Return, for each error below `parent`, the name of the one it hangs from."""
    found: dict[str, str] = {}
    for child in parent.__subclasses__():
        if child.__module__.startswith("standfast."):  # benchmarks and tests have some of their own
            found |= {child.__name__: parent.__name__} | grown(child)
    return found


def printed() -> dict[str, str]:
    """Return the same as the module's docstring draws it."""
    path = ["StandfastError"]
    found: dict[str, str] = {}
    for indent, name in re.findall(r"^    ((?:[|` ] ?-? ?)*[|`]- )(\w+)", errors.__doc__ or "", flags=re.MULTILINE):
        depth = len(indent) // 3
        found[name] = path[depth - 1]
        path[depth:] = [name]
    return found


def test_the_printed_tree_of_errors_is_the_real_one() -> None:
    for module in pkgutil.walk_packages(standfast.__path__, "standfast."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {name: above for name, above in grown(StandfastError).items() if name != "Failure"}
    assert printed() == ours
