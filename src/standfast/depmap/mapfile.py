"""The file that a map is kept in: all that was told, and by whom. Written again it is the same; merged again, too.

It is JSON with one statement a line, sorted, so that `git diff` shows what changed in what a service hangs on.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, assert_never

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.model import Event, Source
from standfast.depmap.graph import Kind, Need
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import (
    Claims,
    Fails,
    Is,
    IsGone,
    Loss,
    Needs,
    Reading,
    Remark,
    Shares,
    Statement,
    Told,
    Witness,
)

NAME: Final = "map"  # of its reader
VERSION: Final = 1
_MARK: Final = "standfast_map"

T = TypeVar("T")


def write(found: DependencyMap) -> bytes:
    """Return the file of `found`, which `read` reads."""
    statements = _with_witnesses((_row_of(told.statement), told.by) for told in found.told)
    remarks = _with_witnesses(({"text": remark.text}, remark.by) for remark in found.remarks)
    lines = [f'{{"{_MARK}": {VERSION},', '"statements": [', *statements, "],", '"remarks": [', *remarks, "]}"]
    return "\n".join([*lines, ""]).encode(errors="backslashreplace")  # file names that are no UTF-8: as JSON escapes


def suits(head: bytes, file: str) -> bool:  # noqa: ARG001  its name tells nothing
    """Say whether a file that begins with `head` is one of these."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n{").startswith(f'"{_MARK}"'.encode())


def read(octets: bytes, *, file: str) -> Reading:
    """Return what the map in `octets` says, each by the witness that said it first; `file` is what errors call it.

    Raises:
        ModelError: it is none, of another version, or says what has no meaning; with the number of the statement.
    """
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"no JSON: {error}", file=file) from None
    if not isinstance(document, dict) or document.get(_MARK) != VERSION:
        raise ModelError(f"no map of version {VERSION}: import it anew from what it was made of", file=file)
    told: list[Told] = []
    remarks: list[Remark] = []
    for number, row in enumerate(_rows(document, "statements", file), 1):
        statement, witnesses = _read(_statement, row, f"statement {number}", file)
        told += [Told(statement, by) for by in witnesses]
    for number, row in enumerate(_rows(document, "remarks", file), 1):
        text, witnesses = _read(_remark, row, f"remark {number}", file)
        remarks += [Remark(text=text, by=by) for by in witnesses]
    return Reading(told=tuple(told), remarks=tuple(remarks))


def _with_witnesses(said: Iterable[tuple[Mapping[str, Any], Witness]]) -> list[str]:
    """Return a line for each that is said, sorted, with all who say it; commas between them."""
    by_line: dict[str, list[Witness]] = {}
    for row, by in said:
        by_line.setdefault(_json(row)[:-1], []).append(by)
    lines = [
        f'{row}, "by": {_json([[by.reader, by.where, by.line] for by in sorted(witnesses)])}}}'
        for row, witnesses in sorted(by_line.items())
    ]
    return [f"{line}," for line in lines[:-1]] + lines[-1:]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _row_of(statement: Statement) -> dict[str, Any]:
    match statement:
        case Is(node, kind):
            return {"node": node, "is": kind}
        case Needs(node, need):
            extra = ({"soft": True} if need.soft else {}) | ({"role": need.role} if need.role else {})
            return {"node": node, "needs": need.parts, "at_least": need.number} | extra
        case Shares(node, cause):
            return {"node": node, "shares": cause}
        case Fails(name, event):
            return {"node": name, "fails": event.unavailability, "source": event.source}
        case IsGone(node, how):
            return {"node": node, "gone": how}
        case Claims(node, availability):
            return {"node": node, "claims": availability}
        case _:
            assert_never(statement)


class _NoMeaning(Exception):
    """A row that says nothing."""


def _rows(document: Mapping[str, Any], key: str, file: str) -> list[Any]:
    rows = document.get(key, [])
    if not isinstance(rows, list):
        raise ModelError(f'"{key}" is no list', file=file)
    return rows


def _read(what: Callable[[dict[str, Any]], T], row: Any, name: str, file: str) -> tuple[T, list[Witness]]:
    try:
        if not isinstance(row, dict):
            raise _NoMeaning
        return what(row), [_witness(each) for each in _list(row["by"])]
    except (_NoMeaning, KeyError, ValueError):
        raise ModelError(f"{name} has no meaning: {_json(row)[:120]}", file=file) from None


def _statement(row: dict[str, Any]) -> Statement:
    node = _text(row["node"])
    match row:
        case {"is": kind}:
            return Is(node, Kind(kind))
        case {"needs": parts, "at_least": int(number)}:
            names = tuple(_text(part) for part in _list(parts))
            soft, role = row.get("soft", False), row.get("role", "")
            if soft in (True, False) and isinstance(role, str) and 1 <= number <= len(set(names)) == len(names):
                return Needs(node, Need(parts=names, number=number, soft=bool(soft), role=role))
        case {"shares": cause}:
            return Shares(node, _text(cause))
        case {"fails": share, "source": source}:
            return Fails(node, Event(unavailability=_share(share), source=Source(source)))
        case {"gone": how}:
            return IsGone(node, Loss(how))
        case {"claims": share}:
            return Claims(node, _share(share))
        case _:
            pass
    raise _NoMeaning


def _remark(row: dict[str, Any]) -> str:
    return _text(row["text"])


def _witness(value: Any) -> Witness:
    match value:
        case [str(reader), str(where), int(line)]:
            return Witness(reader=reader, where=where, line=line)
        case _:
            raise _NoMeaning


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _NoMeaning
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _NoMeaning
    return value


def _share(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _NoMeaning
    return float(value)
