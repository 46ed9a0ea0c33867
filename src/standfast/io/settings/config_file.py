"""The form of `standfast.toml`: which keys there are, of what type and in which range. Reads a text, looks at no more.

What the keys mean together is checked in `config_rules`; what is left out is filled in by `config`.
"""

# ruff: noqa: RUF012  pydantic copies the defaults

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

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
from standfast.io.settings.forms import Form, hold
from standfast.io.settings.places import Finding
from standfast.io.settings.toml_lines import Where, find_lines

HELD_TTL_MAX_S = 3_600  # the caches of others must not keep a held answer for long after its verdict has changed
CLIENT_TIMEOUT_MAX_S = 10.0  # clients give up before
SURVEY_MAX_PER_MINUTE = 600  # ten a second are a burden to nobody, and 10,000 zones in a few hours
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


class MapKeys(Table):
    """`[map]`: what a guard learns for the dependency map alone."""

    queries_per_minute: Annotated[int, Field(ge=0, le=SURVEY_MAX_PER_MINUTE)] = 20


class FileKeys(Table):
    """A whole `standfast.toml`. With `[authority]` or `[control]` and without `[guard]` there is no guard.

    What `[intent]` may hold, `io.control.intent_files` says.
    """

    guard: GuardKeys = GuardKeys()
    authority: AuthorityKeys | None = None
    control: ControlKeys | None = None
    map: MapKeys = MapKeys()
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
    held = hold(data, FORM)
    found = sorted(
        (Finding(file=name, line=_line(lines, where), text=text) for where, text in held.faults),
        key=lambda finding: finding.line or 0,
    )
    if held.left:
        places = {now: held.before(now) for now in _places(held.content.model_dump(exclude_unset=True), ())}
        lines = {now: lines[before] for now, before in places.items() if before in lines}
    return draft(content=held.content, lines=lines, findings=tuple(found))


_TABLES: dict[str, type[Table]] = {
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


FORM = Form(
    root=FileKeys,
    tables=_TABLES,
    titles={"": "the file", "guard.policy.probe": "probe"} | {table: f"[[{table}]]" for table in LISTED},
    bracketed=True,
)


def _syntax_finding(error: tomllib.TOMLDecodeError, text: str, name: str) -> Finding:
    """`tomllib` puts the place into its text: `Invalid value (at line 3, column 7)`, or `(at end of document)`."""
    what, _, place = str(error).rpartition(" (at ")
    at_line = re.match(r"line (\d+)", place)
    line = int(at_line[1]) if at_line else text.rstrip().count("\n") + 1
    return Finding(file=name, line=line, text=f"this is not TOML: {what}")


def _line(lines: dict[Where, int], where: Where) -> int | None:
    while where:
        if where in lines:
            return lines[where]
        where = where[:-1]
    return None


def _places(value: object, here: Where) -> Iterator[Where]:
    yield here
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _places(part, (*here, key))
    if isinstance(value, list):
        for at, part in enumerate(value):
            yield from _places(part, (*here, at))
