"""Lists of endpoints as files and HTTP servers give them: JSON, or an address in each line. Anything wrong is no list.

A list that was cut off is never taken for a shorter one: JSON has its last bracket, and the last line its end.
"""

import json
from typing import Any, Final

from standfast.control.sources import Listed, Reading, Unlisted
from standfast.io.control.intent_keys import LISTED_FORM, EndpointKeys
from standfast.io.control.intent_pools import Fault, endpoints_of
from standfast.io.settings.forms import hold

LIST_OCTETS_MAX: Final = 1 << 20  # ten thousand endpoints with all that can be said of each
EMPTY: Final = "it lists nobody"


def read_list(octets: bytes) -> Reading:
    """Return what `octets` list: `[{"address": ...}, ...]`, `["192.0.2.1", ...]`, or one address in each line.

    The JSON list may be in a table, as its `endpoints`.
    """
    if len(octets) > LIST_OCTETS_MAX:
        return Unlisted(why=f"it is larger than {LIST_OCTETS_MAX >> 20} MiB")
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        return Unlisted(why=f"it is no UTF-8 text (octet {error.start})")
    if not text.strip():
        return Unlisted(why=EMPTY)
    return _of_json(text) if text.lstrip()[0] in "[{" else _of_lines(text)


def _of_json(text: str) -> Reading:
    try:
        said: Any = json.loads(text)
    except json.JSONDecodeError as error:
        return Unlisted(why=f"it is no JSON, or cut off (line {error.lineno}: {error.msg})")
    except (ValueError, RecursionError):
        return Unlisted(why="it is no JSON that can be read")
    items = said.get("endpoints") if isinstance(said, dict) else said
    if not isinstance(items, list):
        return Unlisted(why='it is no list of endpoints, and has none as "endpoints"')
    held = hold({"endpoints": [{"address": item} if isinstance(item, str) else item for item in items]}, LISTED_FORM)
    if held.faults:
        where, fault = held.faults[0]
        return Unlisted(why=_at(where[1] if len(where) > 1 else None, fault))
    return _of_keys(held.content.endpoints)


def _of_lines(text: str) -> Reading:
    if not text.endswith("\n"):
        return Unlisted(why="its last line has no end, so it may be cut off")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return _of_keys([EndpointKeys(address=line) for line in lines if line])


def _of_keys(keys: list[EndpointKeys]) -> Reading:
    faults: list[Fault] = []
    endpoints = endpoints_of(keys, (), faults)
    if faults:
        where, fault = faults[0]
        return Unlisted(why=_at(where[0] if where else None, fault))
    return Listed(endpoints=endpoints) if endpoints else Unlisted(why=EMPTY)


def _at(number: str | int | None, fault: str) -> str:
    return f"endpoint {number + 1}: {fault}" if isinstance(number, int) else fault
