"""The form of `standfast.toml`: which keys there are, of what type and in which range. Reads a text, looks at no more.

What the keys mean together is checked in `config_rules`; what is left out is filled in by `config`.
"""

# ruff: noqa: RUF012  pydantic copies the defaults

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from standfast.guard.known import SEEN_ADDRESSES_MAX
from standfast.guard.policy import BogusMode, Mode
from standfast.io.clients.limits import RATE_LIMIT_DEFAULT_QPS
from standfast.io.settings.addresses import PORT_MAX
from standfast.io.settings.authority_keys import AuthorityKeys, KeyKeys, PromiseKeys, ZoneKeys
from standfast.io.settings.config_types import (
    CHOICE,
    SECONDS_MAX,
    Count,
    ListenText,
    MetricsText,
    NameText,
    NetworkText,
    Rate,
    Recheck,
    Seconds,
    Table,
    TracesText,
    UpstreamText,
)
from standfast.io.settings.control_keys import ControlKeys, PublisherKeys, RulesKeys
from standfast.io.settings.places import Finding
from standfast.io.settings.toml_lines import Where, find_lines

HELD_TTL_MAX_S = 3_600  # the caches of others must not keep a held answer for long after its verdict has changed
CLIENT_TIMEOUT_MAX_S = 10.0  # clients give up before
WORKERS_MAX = 64  # more than any machine's network would keep busy


class ProbeKind(Enum):
    """How a name is probed."""

    TLS = "tls"
    TCP = "tcp"
    NONE = "none"


class ProbeKeys(Table):
    """`probe = { kind = "tls", port = 443 }`."""

    kind: Annotated[ProbeKind, CHOICE] = ProbeKind.TLS
    port: Annotated[int, Field(ge=1, le=PORT_MAX)] = 443


class PolicyKeys(Table):
    """One `[[guard.policy]]`; what is left out comes from the next suffix up. See `guard.policy.Policy`."""

    suffix: NameText
    mode: Annotated[Mode, CHOICE] | None = None
    grace_s: Seconds | None = None
    hold_max_s: Seconds | None = None
    stale_max_s: Seconds | None = None
    held_ttl_s: Annotated[int, Field(ge=1, le=HELD_TTL_MAX_S)] | None = None
    negative_ttl_max_s: Annotated[int, Field(ge=0, le=SECONDS_MAX)] | None = None
    probe: ProbeKeys | None = None
    pinned: bool | None = None
    addresses_min: Annotated[int, Field(ge=0, le=SEEN_ADDRESSES_MAX)] | None = None
    steady_s: Seconds | None = None
    provisional_s: Seconds | None = None
    ttl_min_s: Annotated[int, Field(ge=0, le=SECONDS_MAX)] | None = None
    recheck_min_s: Recheck | None = None
    recheck_max_s: Recheck | None = None
    bogus: Annotated[BogusMode, CHOICE] | None = None


class TlsKeys(Table):
    """`[guard.tls]`."""

    ca_file: str | None = None
    certificate: str | None = None
    key: str | None = None


class GuardKeys(Table):
    """`[guard]`."""

    listen: Annotated[list[ListenText], Field(min_length=1)] | None = None
    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    upstreams: Annotated[list[UpstreamText], Field(min_length=1)] | None = None
    second_opinions: list[UpstreamText] = []
    allow: Annotated[list[NetworkText], Field(min_length=1)] | None = None
    rate_limit_qps: Rate = RATE_LIMIT_DEFAULT_QPS
    state_dir: str | None = None
    client_timeout_s: Annotated[float, Field(gt=0, le=CLIENT_TIMEOUT_MAX_S)] = 1.8
    cache_max: Count = 100_000
    known_max: Count = 1_000_000
    metrics: MetricsText | None = None
    metrics_beyond_loopback: bool = False
    traces: TracesText | None = None
    tls: TlsKeys = TlsKeys()
    policy: list[PolicyKeys] = []


class FileKeys(Table):
    """A whole `standfast.toml`. With `[authority]` or `[control]` and without `[guard]` there is no guard.

    What `[intent]` may hold, `io.control.intent_files` says.
    """

    guard: GuardKeys = GuardKeys()
    authority: AuthorityKeys | None = None
    control: ControlKeys | None = None
    intent: dict[str, Any] | None = None

    @property
    def has_guard(self) -> bool:
        """Whether a guard is asked for."""
        return (self.authority is None and self.control is None) or "guard" in self.model_fields_set


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What could be read of a file, where its parts stand, and what was wrong with the rest.

    `base` is the directory that relative paths in the file start from.
    """

    name: str
    base: Path
    content: FileKeys
    lines: dict[Where, int]
    findings: tuple[Finding, ...]

    def finding(self, where: Where, text: str) -> Finding:
        """Return a finding on the line of `where`, or of the next table up."""
        return Finding(file=self.name, line=_line(self.lines, where), text=text)


Rule = Callable[[Draft], Iterator[Finding]]


def read(text: str, *, name: str, base: Path) -> Draft:
    """Read `text`, the content of the file called `name`; what is wrong goes to the findings and is left out."""
    draft = partial(Draft, name=name, base=base)
    try:
        data = tomllib.loads(text)
        lines = find_lines(text)
    except tomllib.TOMLDecodeError as error:
        return draft(content=FileKeys(), lines={}, findings=(_syntax_finding(error, text, name),))
    except (ValueError, RecursionError):  # it may be TOML, but not of a size that Python reads
        finding = Finding(file=name, text="a number in it has thousands of digits, or its brackets go too deep")
        return draft(content=FileKeys(), lines={}, findings=(finding,))
    try:
        return draft(content=FileKeys.model_validate(data), lines=lines, findings=())
    except ValidationError as error:
        errors = error.errors(include_url=False)
    findings = tuple(
        Finding(file=name, line=_line(lines, e["loc"]), text=_in_words(e)) for e in _in_order(errors, lines)
    )
    bad = {_culprit(e) for e in errors}
    rest, places = _without(data, bad, (), ())
    kept = {now: lines[before] for now, before in places.items() if before in lines}
    return draft(content=FileKeys.model_validate(rest), lines=kept, findings=findings)


TABLES: dict[str, type[Table]] = {
    "guard": GuardKeys,
    "guard.tls": TlsKeys,
    "guard.policy": PolicyKeys,
    "guard.policy.probe": ProbeKeys,
    "authority": AuthorityKeys,
    "authority.promise": PromiseKeys,
    "authority.keys": KeyKeys,
    "authority.zone": ZoneKeys,
    "control": ControlKeys,
    "control.rules": RulesKeys,
    "control.publisher": PublisherKeys,
    "control.keys": KeyKeys,
    "": FileKeys,
}


LISTED = frozenset(
    {"guard.policy", "authority.promise", "authority.keys", "authority.zone", "control.publisher", "control.keys"}
)  # written [[so]]


def every_key() -> Iterator[tuple[str, str]]:
    """Yield every key of the file as its table (`guard.policy`) and its name."""
    for table, model in TABLES.items():
        yield from ((table, key) for key in model.model_fields)


def _syntax_finding(error: tomllib.TOMLDecodeError, text: str, name: str) -> Finding:
    """`tomllib` puts the place into its text: `Invalid value (at line 3, column 7)`, or `(at end of document)`."""
    what, _, place = str(error).rpartition(" (at ")
    at_line = re.match(r"line (\d+)", place)
    line = int(at_line[1]) if at_line else text.rstrip().count("\n") + 1
    return Finding(file=name, line=line, text=f"this is not TOML: {what}")


def _in_order(errors: list[ErrorDetails], lines: dict[Where, int]) -> list[ErrorDetails]:
    return sorted(errors, key=lambda error: _line(lines, error["loc"]) or 0)


def _line(lines: dict[Where, int], where: Where) -> int | None:
    while where:
        if where in lines:
            return lines[where]
        where = where[:-1]
    return None


def _culprit(error: ErrorDetails) -> Where:
    """Return what must be left out for the rest to be good: a table without a good key that it needs goes whole."""
    match error["loc"]:
        case (_, _, int(), "suffix" | "name" | "origin" | "kind") as where:
            return where[:-1]
        case where:
            return where


def _without(value: Any, bad: set[Where], before: Where, now: Where) -> tuple[Any, dict[Where, Where]]:
    """Return `value` less its `bad` parts, and for each place that is left where it was before."""
    if isinstance(value, dict):
        kept = {key: ((*before, key), (*now, key)) for key in value if (*before, key) not in bad}
        pairs = {key: _without(value[key], bad, *places) for key, places in kept.items()}
        rest: Any = {key: part for key, (part, _) in pairs.items() if part != [] or value[key] == []}
    elif isinstance(value, list):
        items = [at for at in range(len(value)) if (*before, at) not in bad]
        pairs = {at: _without(value[at], bad, (*before, at), (*now, new)) for new, at in enumerate(items)}
        rest = [part for part, _ in pairs.values()]
    else:
        return value, {now: before}
    return rest, {now: before} | {k: v for _, places in pairs.values() for k, v in places.items()}


def _in_words(error: ErrorDetails) -> str:
    where, found = error["loc"], error["input"]
    table, key = _place(where)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _about_unknown(where)
        case "missing":
            return f'{_shown_table(table)} lacks "{key}"'
        case "value_error":
            return f"{key}: {context['error']}"
        case "enum":
            return _about_choice(key, found, context["expected"])
        case "list_type" if isinstance(found, dict):
            return f"{key} must be written with two brackets: [[{table}.{key}]]"
        case "list_type":
            hint = f", like [{json.dumps(found)}]" if isinstance(found, str) else ""
            return f"{key} must be a list in brackets{hint}"
        case "too_short":
            return f"{key} is empty - name at least one, or leave the key out"
        case kind if kind in _MUST_BE:
            shown = "what it is" if key in SECRETS else _shown(found)
            return f"{key} must be {_MUST_BE[kind].format(**context)}, not {shown}"
        case _:
            return f"{key}: {error['msg']}"


SECRETS = frozenset({"secret"})  # keys whose values are in no message

_MUST_BE = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text in quotes",
    "model_type": "a table",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}


def _place(where: Where) -> tuple[str, str]:
    """Part `where` into the table of `TABLES` and the key in it, both without numbers."""
    words = [word for word in where if isinstance(word, str)]
    for size in range(len(words) - 1, 0, -1):
        if ".".join(words[:size]) in TABLES:
            return ".".join(words[:size]), ".".join(words[size:])
    return "", ".".join(words)


def _shown_table(table: str) -> str:
    if table in LISTED:
        return f"[[{table}]]"
    return {"": "the file", "guard.policy.probe": "probe"}.get(table, f"[{table}]")


def _about_unknown(where: Where) -> str:
    table, key = _place(where)
    known = list(TABLES[table].model_fields)
    what = f'unknown key "{key}" in {_shown_table(table)}'
    homes = [home for home, name in every_key() if name == key]
    if homes:
        return f"{what} - it belongs in {_shown_table(homes[0])}"
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f'{what} - did you mean "{close[0]}"?'
    return f"{what} - the keys there are {', '.join(known)}"


def _about_choice(key: str, found: object, expected: str) -> str:
    choices = expected.replace("'", '"')
    close = difflib.get_close_matches(str(found), re.findall(r'"(\w+)"', choices), n=1)
    hint = f' - did you mean "{close[0]}"?' if close else ""
    return f"{key} must be {choices}, not {_shown(found)}{hint}"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case str() | bool() | int() | float():
            return json.dumps(value)
        case _:
            return str(value)
