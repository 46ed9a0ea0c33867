"""Which node or shared cause somebody means by a word: its whole name, or what stands at the end of one alone."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import DependencyGraph

TOLD_MAX: Final = 12  # names in an error; more help nobody
COMPARED_MAX: Final = 20_000  # names among which a similar one is looked for: about a second


def find_name(graph: DependencyGraph, word: str) -> str:
    """Return the one node or shared cause that `word` means: `us-east-1` may be `region:aws/us-east-1`.

    It is a shared cause before it is a node: the region is meant, and not one of the APIs that lie there.

    Raises:
        ModelError: it means none, or more than one; these are named.
    """
    return _find([graph.causes, graph.nodes], word, what="node or shared cause")


def find_node(graph: DependencyGraph, word: str) -> str:
    """Return the one node that `word` means.

    Raises:
        ModelError: it means none, or more than one; these are named.
    """
    return _find([graph.nodes], word, what="node")


def _find(known: Sequence[Iterable[str]], word: str, *, what: str) -> str:
    """Return what `word` means among `known`, of which those are taken first that come first."""
    names = list(dict.fromkeys(chain.from_iterable(known)))
    if word in names:
        return word
    ends = {f":{word}", f"/{word}"}
    found = ([name for name in group if name[-len(word) - 1 :] in ends] for group in known)
    meant = next(filter(None, found), [])
    if len(meant) == 1:
        return meant[0]
    if meant:
        more = f", and {len(meant) - TOLD_MAX} more" if len(meant) > TOLD_MAX else ""
        raise ModelError(f'"{word}" may be any of these: {", ".join(meant[:TOLD_MAX])}{more}')
    close = get_close_matches(word, names[:COMPARED_MAX], n=1) or _close_end(names[:COMPARED_MAX], word)
    raise ModelError(f'there is no {what} "{word}"{f" - did you mean {chr(34)}{close[0]}{chr(34)}?" if close else ""}')


def _close_end(names: list[str], word: str) -> list[str]:
    """Return the name that has at its end what is like `word`."""
    whole = {name.replace("/", ":").rpartition(":")[2]: name for name in names}
    return [whole[end] for end in get_close_matches(word, whole, n=1)]
