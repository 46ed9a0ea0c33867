"""The form of `[control]` in `standfast.toml`: which keys there are, of what type and in which range."""

# ruff: noqa: RUF012  pydantic copies the defaults

import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from standfast.control.rules.bounds import TTL_S_MAX, Bounds
from standfast.io.settings.authority_keys import KeyKeys
from standfast.io.settings.config_types import (
    CHOICE,
    SECONDS_MAX,
    Count,
    MetricsText,
    NetworkText,
    RemoteText,
    ServerText,
    Table,
)
from standfast.io.settings.web_urls import check_url

NAME_MAX: Final = 32  # letters of a process's name: a fence's writer is that and two numbers more, of 64 in all
VERIFY_EVERY_MIN_S: Final = 1.0  # asking every server again more often would be a load of its own
ETCD_PREFIX: Final = "etcd:"
SQLITE: Final = "sqlite"

_NAME: Final = re.compile(rf"[a-zA-Z0-9_-][a-zA-Z0-9._-]{{0,{NAME_MAX - 1}}}")


class Role(StrEnum):
    """What a process does for the control plane."""

    PLANNER = "planner"
    ENACTOR = "enactor"
    VERIFIER = "verifier"
    VANTAGE = "vantage"


class Approval(StrEnum):
    """Which plans wait until somebody approves them."""

    FINDINGS = "findings"  # those that a rule asks about
    ALWAYS = "always"


class PublisherKind(StrEnum):
    """Who holds the records that the world sees."""

    AUTHORITY = "authority"  # `[authority]` of this very file, in this process
    RFC2136 = "rfc2136"
    ROUTE53 = "route53"


def is_name(text: str) -> bool:
    """Say whether a process or a publisher can be called so."""
    return _NAME.fullmatch(text) is not None


def _plain_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f'"{text}" - write 1 to {NAME_MAX} letters, digits, "-", "_" and "."')
    return text


def _url(text: str) -> str:
    return check_url(text, "URL", "http://127.0.0.1:2379")


def _store(text: str) -> str:
    if text.startswith(ETCD_PREFIX):
        for url in text.removeprefix(ETCD_PREFIX).split(","):
            _url(url)
    elif text != SQLITE:
        raise ValueError(f'"{text}" is no store - there are "{SQLITE}" and "{ETCD_PREFIX}http://127.0.0.1:2379"')
    return text


BOUNDS: Final = Bounds()
Ratio = Annotated[float, Field(gt=0, le=1)]
Ttl = Annotated[int, Field(ge=0, le=TTL_S_MAX)]
PlainName = Annotated[str, AfterValidator(_plain_name)]
UrlText = Annotated[str, AfterValidator(_url)]


class RulesKeys(Table):
    """`[control.rules]`; see `control.rules.bounds.Bounds`."""

    leave_per_minute_max: Count = BOUNDS.leave_per_minute_max
    leave_ratio_max: Ratio = BOUNDS.leave_ratio_max
    name_leave_per_minute_max: Count = BOUNDS.name_leave_per_minute_max
    name_leave_ratio_max: Ratio = BOUNDS.name_leave_ratio_max
    managed_ttl_s_min: Ttl = BOUNDS.managed_ttl_s_min
    managed_ttl_s_max: Ttl = BOUNDS.managed_ttl_s_max
    ttl_s_max: Ttl = BOUNDS.ttl_s_max
    networks: Annotated[tuple[NetworkText, ...], CHOICE] = ()


class PublisherKeys(Table):
    """One `[[control.publisher]]`; which keys go with which kind, `control_rules` says."""

    name: PlainName
    kind: Annotated[PublisherKind, CHOICE]
    server: RemoteText | None = None
    verify: list[ServerText] = []
    zone_ids: dict[str, str] = {}
    endpoint_url: UrlText | None = None


class ControlKeys(Table):
    """`[control]`."""

    intent: list[str] = []
    state_dir: str | None = None
    store: Annotated[str, AfterValidator(_store)] = SQLITE
    store_certificate: str | None = None
    store_key: str | None = None
    run: Annotated[list[Annotated[Role, CHOICE]], Field(min_length=1)] = list(Role)
    name: PlainName | None = None
    quorum: Count = 1
    verify_every_s: Annotated[float, Field(ge=VERIFY_EVERY_MIN_S, le=SECONDS_MAX)] = 60.0
    approval: Annotated[Approval, CHOICE] = Approval.FINDINGS
    resolvers: Annotated[list[ServerText], Field(min_length=1)] | None = None
    ca_file: str | None = None
    metrics: MetricsText | None = None
    metrics_beyond_loopback: bool = False
    rules: RulesKeys = RulesKeys()
    publisher: list[PublisherKeys] = []
    keys: list[KeyKeys] = []
