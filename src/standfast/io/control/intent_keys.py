"""The form of an intent: which keys there are, of what type and in which range. The same in YAML, JSON and TOML."""

# ruff: noqa: RUF012  pydantic copies the defaults

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from standfast.control.intent import CAPACITY, ENDPOINTS_MIN, CheckKind, PolicyKind
from standfast.dns.master_text import TTL_MAX_S
from standfast.io.settings.addresses import PORT_MAX
from standfast.io.settings.config_types import CHOICE, Count, NameText, Table
from standfast.io.settings.forms import Form

ENDPOINTS_MAX: Final = 10_000  # of a pool; an answer holds some dozens
WEIGHT_MAX: Final = 65_535
CAPACITY_MAX: Final = 1_000_000_000
LOOKS_MAX: Final = 100  # in a row, until an endpoint turns
EVERY_MIN_S: Final = 0.05  # more often would be a load of its own
EVERY_MAX_S: Final = 86_400.0
ANSWERS_MAX: Final = 100  # addresses in one record

_STATUS: Final = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")

Port = Annotated[int, Field(ge=1, le=PORT_MAX)]
Weight = Annotated[int, Field(ge=1, le=WEIGHT_MAX)]
Capacity = Annotated[int, Field(ge=0, le=CAPACITY_MAX)]
Looks = Annotated[int, Field(ge=1, le=LOOKS_MAX)]
Every = Annotated[float, Field(ge=EVERY_MIN_S, le=EVERY_MAX_S)]
Ttl = Annotated[int, Field(ge=0, le=TTL_MAX_S)]


def _status(value: object) -> tuple[int, int]:
    found = _STATUS.fullmatch(str(value))
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if least > most:
        raise ValueError(f'"{value}" is no status of HTTP - write 200, or "200-299" for all of these')
    return least, most


class EndpointKeys(Table):
    """One of `endpoints`; see `control.intent.Endpoint`. Files and HTTP sources list the same."""

    address: str
    port: Port = 443
    weight: Weight = 1
    capacity: Capacity = CAPACITY
    drained: bool = False


class SourceKeys(Table):
    """`source`; see `control.intent.Source`. One of `file`, `dns` and `http`."""

    file: str | None = None
    dns: NameText | None = None
    http: str | None = None
    type: str = "A"
    port: Port = 443
    every_s: Every = 30.0
    timeout_s: Every = 5.0


class CheckKeys(Table):
    """`check`; see `control.intent.HealthCheck`."""

    kind: Annotated[CheckKind, CHOICE] = CheckKind.TCP
    port: Port | None = None
    host: NameText | None = None
    path: str = "/"
    status: Annotated[list[Annotated[Any, AfterValidator(_status)]], Field(min_length=1)] = [(200, 399)]
    text: str | None = None
    type: str = "A"
    table: str | None = None
    key: dict[str, str] = {}
    region: str | None = None
    interval_s: Every = 10.0
    timeout_s: Every = 2.0
    rise: Looks = 2
    fall: Looks = 3


class PoolKeys(Table):
    """One of `pools`; see `control.intent.Pool`."""

    region: str = ""
    provider: str = ""
    endpoints: Annotated[list[EndpointKeys], Field(max_length=ENDPOINTS_MAX)] = []
    source: SourceKeys | None = None
    check: CheckKeys = CheckKeys()


class PromiseKeys(Table):
    """`promise`; see `control.intent.Promise`."""

    endpoints_min: Count = ENDPOINTS_MIN
    capacity_min: Capacity = 0


class NameKeys(Table):
    """One of `names`; see `control.intent.ManagedName`."""

    pools: Annotated[list[str], Field(min_length=1)]
    policy: Annotated[PolicyKind, CHOICE] = PolicyKind.FAILOVER
    weights: dict[str, Weight] = {}
    answers_max: Annotated[int, Field(ge=1, le=ANSWERS_MAX)] = 8
    ttl_s: Ttl = 60
    promise: PromiseKeys = PromiseKeys()
    service: str = ""
    replica: str | None = None


class ZoneKeys(Table):
    """One of `zones`; see `control.intent.ZoneIntent`."""

    publishers: Annotated[list[str], Field(min_length=1)]
    delegated: list[NameText] = []


class RecordKeys(Table):
    """One of `records`: all records of one name and type."""

    name: str
    type: str
    ttl_s: Ttl = 3600
    data: Annotated[list[str], Field(min_length=1)]


class IntentKeys(Table):
    """A whole intent, or one file of it."""

    zones: dict[str, ZoneKeys] = {}
    pools: dict[str, PoolKeys] = {}
    names: dict[str, NameKeys] = {}
    records: list[RecordKeys] = []


class ListedKeys(Table):
    """What a source lists."""

    endpoints: Annotated[list[EndpointKeys], Field(max_length=ENDPOINTS_MAX)] = []


INTENT_FORM: Final = Form(
    root=IntentKeys,
    tables={
        "zones.*": ZoneKeys,
        "pools.*": PoolKeys,
        "pools.*.endpoints": EndpointKeys,
        "pools.*.source": SourceKeys,
        "pools.*.check": CheckKeys,
        "names.*": NameKeys,
        "names.*.promise": PromiseKeys,
        "records": RecordKeys,
        "": IntentKeys,
    },
    titles={
        "zones.*": "a zone",
        "pools.*": "a pool",
        "pools.*.endpoints": "an endpoint",
        "pools.*.source": "a source",
        "pools.*.check": "a check",
        "names.*": "a name",
        "names.*.promise": "a promise",
        "records": "a record",
        "": "an intent",
    },
    named=frozenset({"zones", "pools", "names"}),
)
LISTED_FORM: Final = Form(
    root=ListedKeys,
    tables={"endpoints": EndpointKeys, "": ListedKeys},
    titles={"endpoints": "an endpoint", "": "a list of endpoints"},
)
