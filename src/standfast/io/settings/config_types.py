"""The types that keys of `standfast.toml` have: texts that mean something, and numbers in a range."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from standfast.dns.name import BadName, parse_name
from standfast.io.settings.addresses import (
    DNS_PORT,
    is_one_server,
    parse_access,
    parse_listen,
    parse_local,
    parse_network,
    parse_remote,
    parse_server,
    parse_upstream,
)
from standfast.io.settings.web_urls import check_url

SECONDS_MAX = 10 * 365 * 86_400  # ten years: longer is a slip of the hand
RECHECK_MIN_S = 0.1  # looking again more often would be a load of its own
RATE_LIMIT_MAX_QPS = 1_000_000  # more than any client can ask, so no limit at all; that is 0


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def _upstream(text: str) -> str:
    parse_upstream(text)
    return text


def _metrics(text: str) -> str:
    if parse_local(text).port == DNS_PORT:
        raise ValueError(f'"{text}" would be port {DNS_PORT}, that of DNS - name another, like "127.0.0.1:9153"')
    return text


def _traces(text: str) -> str:
    secrets = "give the guard OTEL_EXPORTER_OTLP_HEADERS in its environment"
    return check_url(text, "address of a collector", "http://127.0.0.1:4318/v1/traces", secrets=secrets)


def _network(text: str) -> str:
    parse_network(text)
    return text


def _local(text: str) -> str:
    parse_local(text)
    return text


def _name(text: str) -> str:
    try:
        return parse_name(text)
    except BadName as error:
        raise ValueError(str(error).rstrip(".")) from error


def _server(text: str) -> str:
    if not is_one_server(parse_server(text)):
        raise ValueError(f'"{text}" is not the address of one server')
    return text


def _access(text: str) -> str:
    parse_access(text)
    return text


def _remote(text: str) -> str:
    parse_remote(text)
    return text


Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX)]
Recheck = Annotated[float, Field(ge=RECHECK_MIN_S, le=SECONDS_MAX)]
Count = Annotated[int, Field(ge=1)]
ListenText = Annotated[str, AfterValidator(_listen)]
ServerText = Annotated[str, AfterValidator(_server)]
UpstreamText = Annotated[str, AfterValidator(_upstream)]
NetworkText = Annotated[str, AfterValidator(_network)]
LocalText = Annotated[str, AfterValidator(_local)]
NameText = Annotated[str, AfterValidator(_name)]
AccessText = Annotated[str, AfterValidator(_access)]
RemoteText = Annotated[str, AfterValidator(_remote)]
Rate = Annotated[float, Field(ge=0, le=RATE_LIMIT_MAX_QPS)]
TracesText = Annotated[str, AfterValidator(_traces)]
MetricsText = Annotated[str, AfterValidator(_metrics)]
CHOICE = Field(strict=False)  # TOML has no enumerations; a text stands for one


class Table(BaseModel):
    """A table of the file, which has no keys but its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
