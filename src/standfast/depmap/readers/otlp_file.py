"""OTLP's JSON as spans: one request in a file, or one on each line as a collector's file exporter writes them.

A file is decoded one resource at a time, and of a span only that is kept which says who called whom.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from standfast.depmap.errors import ModelError
from standfast.depmap.readers.hosts import hosts_named, in_namespace, service_in_cluster

SPANS_MAX: Final = 1_000_000  # of one file: half a GB of memory
FAULTS_MAX: Final = 100  # places of a file that are no JSON; with more the rest of it is not looked at
HOSTS_CACHED_MAX: Final = 4_096  # that were last seen: most spans name one of few
LINKS_MAX: Final = 128  # of one span, as SDKs bound them by default

_HEAD: Final = re.compile(r'\s*\{\s*"resourceSpans"\s*:\s*\[\s*')
_COMMA: Final = re.compile(r"\s*,?\s*")
_REST: Final = re.compile(r'\s*,\s*"\w+"\s*:\s*')
_END: Final = re.compile(r"\s*\}\s*")
_SPACE: Final = re.compile(r"\s*")
# Where a span says whom it calls, the name sooner than the address.
_HOST_KEYS: Final = (
    *("server.address", "net.peer.name", "http.host", "url.full", "http.url"),
    *("net.peer.ip", "network.peer.address", "net.sock.peer.addr"),
)
_DECODER: Final = json.JSONDecoder()


class SpanKind(IntEnum):
    """Source: opentelemetry/proto/trace/v1/trace.proto."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


_KINDS: Final[dict[str | int, SpanKind]] = {
    **{kind.value: kind for kind in SpanKind},
    **{f"{prefix}{kind.name}": kind for kind in SpanKind for prefix in ("", "SPAN_KIND_")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a span says of the other side, each as the map calls it, or "". Of a message, `queue` is where it is."""

    service: str
    host: str
    queue: str
    resource: str


class Span(NamedTuple):
    """One span, its parent and those that it links to by trace and span. `target` None: it names nothing."""

    key: str
    parent: str
    kind: SpanKind
    service: str
    target: Target | None
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """The spans of `file`, and remarks, each with the line that it is of."""

    file: str
    spans: tuple[Span, ...]
    remarks: tuple[tuple[str, int], ...]


def suits(head: bytes, file: str) -> bool:  # noqa: ARG001  what is in it says enough
    """Say whether a file that begins with `head` holds traces in OTLP's JSON."""
    return _HEAD.match(head.decode("utf-8", "replace")) is not None


def parse(octets: bytes, *, file: str) -> Traces:
    """Return the spans of `octets`.

    Raises:
        ModelError: nothing in it can be read.
    """
    text = octets.decode("utf-8", "replace")
    spans: list[Span] = []
    targets: dict[Target, Target] = {}  # each is there once, however many spans name it
    faults: list[int] = []
    nameless = 0
    for resource in _each_resource(text, faults):
        attributes = _attributes(resource.get("resource"))
        service = _service(attributes)
        for each in _spans(resource):
            if not service:
                nameless += 1
            elif len(spans) < SPANS_MAX and (span := _span(each, service, attributes, targets)):
                spans.append(span)
    first = text.count("\n", 0, faults[0]) + 1 if faults else 0
    if not spans:
        raise ModelError("there are no spans of a service in it", file=file, line=first)
    remarks = []
    if faults:
        remarks.append((f"{len(faults)} lines, of which this is the first, are no JSON and left out", first))
    if len(spans) == SPANS_MAX:
        remarks.append((f"of its spans the first {SPANS_MAX:,} are read", 0))
    if nameless:
        remarks.append((f"{nameless} spans without a service.name are left out", 0))
    return Traces(file=file, spans=tuple(spans), remarks=tuple(remarks))


def _each_resource(text: str, faults: list[int]) -> Iterator[dict[str, Any]]:
    """Yield the resources with their spans; add to `faults` where there is no JSON, and go on in the next line."""
    at = _space(text, 0)
    while at < len(text) and len(faults) < FAULTS_MAX:
        begin = at
        try:
            if found := _HEAD.match(text, at):
                at = found.end()
                while not text.startswith("]", at):
                    begin = at
                    resource, at = _DECODER.raw_decode(text, at)
                    yield from _objects([resource])
                    at = _matched(_COMMA, text, at)
                at += 1
                while rest := _REST.match(text, at):
                    at = _DECODER.raw_decode(text, rest.end())[1]
                at = _matched(_END, text, at)
            else:
                other, at = _DECODER.raw_decode(text, at)  # metrics and logs may stand in the same file
                at = _space(text, at)
                if isinstance(other, dict):
                    yield from _objects(other.get("resourceSpans"))
        except (ValueError, RecursionError):
            faults.append(begin)
            at = _space(text, text.find("\n", begin) + 1 or len(text))


def _space(text: str, at: int) -> int:
    return _matched(_SPACE, text, at)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError(at)
    return found.end()


def _spans(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    # Until version 0.15 of the protocol, scopes were called instrumentation libraries.
    for key in ("scopeSpans", "instrumentationLibrarySpans"):
        for scope in _objects(resource.get(key)):
            yield from _objects(scope.get("spans"))


def _span(
    said: Mapping[str, Any], service: str, resource: Mapping[str, str], targets: dict[Target, Target]
) -> Span | None:
    trace, own, parent = (str(said.get(key) or "").lower() for key in ("traceId", "spanId", "parentSpanId"))
    if not (trace and own):
        return None
    kind = _kind(said.get("kind"))
    target = None
    if kind in (SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER):
        found = _target(_attributes(said), service, resource)
        target = targets.setdefault(found, found) if found else None
    links = tuple(
        f"{link.get('traceId')}{link.get('spanId')}".lower() for link in _objects(said.get("links"))[:LINKS_MAX]
    )
    return Span(f"{trace}{own}", f"{trace}{parent}" if parent else "", kind, service, target, links)


def _kind(said: object) -> SpanKind:
    """Return a kind that is written as its number, as OTLP has it, or as its name, as some write it all the same."""
    return _KINDS.get(said, SpanKind.UNSPECIFIED) if isinstance(said, str | int) else SpanKind.UNSPECIFIED


def _service(resource: Mapping[str, str]) -> str:
    namespace = resource.get("k8s.namespace.name") or resource.get("service.namespace", "")
    name = resource.get("service.name", "")
    return in_namespace(name, namespace) if name else ""


def _target(span: Mapping[str, str], service: str, resource: Mapping[str, str]) -> Target | None:
    namespace = service.rpartition("/")[0]
    named = span.get("service.peer.name") or span.get("peer.service", "")
    host = _host(span, namespace)
    target = Target(
        service=in_namespace(named, span.get("service.peer.namespace", namespace)) if named else "",
        host=host,
        queue=_queue(span),
        resource=_resource(span, resource),
    )
    return target if any((target.service, target.host, target.queue, target.resource)) else None


def _host(span: Mapping[str, str], namespace: str) -> str:
    """Return the host that is called, its name sooner than its address."""
    for key in _HOST_KEYS:
        if (said := span.get(key)) and (host := _host_named("url" if "url" in key else "address", said)):
            if "." in host or ":" in host:
                return service_in_cluster(host) or host
            return in_namespace(host, namespace)
    return ""


@lru_cache(HOSTS_CACHED_MAX)
def _host_named(variable: str, value: str) -> str:
    return next(iter(hosts_named(variable, value)), "")


def _queue(span: Mapping[str, str]) -> str:
    system = span.get("messaging.system", "")
    if not system:
        return ""
    is_passing = "true" in (span.get("messaging.destination.temporary"), span.get("messaging.destination.anonymous"))
    said = ("messaging.destination.template", "messaging.destination.name", "messaging.destination")
    name = next((span[key] for key in said if span.get(key)), "")
    return f"queue:{system}/{name}" if name and not is_passing else f"queue:{system}"


def _resource(span: Mapping[str, str], resource: Mapping[str, str]) -> str:
    """Return the database, or the API of AWS, that is called."""
    system = span.get("db.system.name") or span.get("db.system", "")
    rpc = span.get("rpc.system.name") or span.get("rpc.system", "")
    if rpc == "aws-api" or system in ("dynamodb", "aws.dynamodb"):
        region = span.get("cloud.region") or span.get("aws.region") or resource.get("cloud.region", "")
        api = "dynamodb" if system else span.get("rpc.service") or span.get("rpc.method", "").partition("/")[0]
        return f"aws:{api.lower().replace(' ', '')}/{region}" if api and region else ""
    if system:
        name = span.get("db.namespace") or span.get("db.name", "")
        return f"db:{system}/{name}" if name else f"db:{system}"
    return ""


def _attributes(of: object) -> dict[str, str]:
    """Return the attributes that are single values, as texts."""
    found = {}
    for each in _objects(of.get("attributes")) if isinstance(of, dict) else []:
        key, value = each.get("key"), each.get("value")
        if isinstance(key, str) and isinstance(value, dict):
            said = next(iter(value.values()), "")
            if isinstance(said, bool):
                found[key] = "true" if said else "false"
            elif isinstance(said, (str, int)):
                found[key] = str(said)
    return found


def _objects(said: object) -> list[dict[str, Any]]:
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
