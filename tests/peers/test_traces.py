"""A real guard that exports spans by OTLP over HTTP: to a small collector, and to one that is away or stands still."""

import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from running_guard import POLICY, RunningGuard, write_config
from unit.drills.live.scripted_dns import ScriptedDns, addresses, silence

pytestmark = pytest.mark.peers

NAME = "www.example.org"
TIMEOUT_S = 20.0
LOCAL_PROBES = """
[[guard.policy]]
suffix = "."
probe = { kind = "tcp", port = %d }
"""


class Collector:
    """Takes in OTLP over HTTP, as a collector does; `endpoint` is where."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, Any] = {}
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/x-protobuf"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resource = values(resource.resource.attributes)
                    collector.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_request(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def wait_for(self, count: int, name: str) -> list[Span]:
        """Wait until `count` spans called `name` are in, and return them in the order of their beginnings."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while len(found := [span for span in self.spans if span.name == name]) < count:
            assert time.monotonic() < deadline_s, [(span.name, values(span.attributes)) for span in self.spans]
            time.sleep(0.02)
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def __enter__(self) -> "Collector":
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def values(attributes: Any) -> dict[str, Any]:
    """Return attributes as they were before they went into protobuf."""

    def plain(value: AnyValue) -> Any:
        kind = value.WhichOneof("value")
        assert kind is not None
        found = getattr(value, kind)
        return [plain(each) for each in found.values] if kind == "array_value" else found

    return {attribute.key: plain(attribute.value) for attribute in attributes}


@contextmanager
def traced_guard(
    folder: Path, upstream: ScriptedDns, endpoint: str, *, policy: str = POLICY, metrics: bool = False
) -> Iterator[RunningGuard]:
    config = write_config(folder, f"{upstream.endpoint.address}:{upstream.endpoint.port}", policy=policy)
    extra = f'traces = "{endpoint}"\n' + ('metrics = "127.0.0.1:0"\n' if metrics else "")
    config.write_text(config.read_text().replace("[guard]\n", f"[guard]\n{extra}"))
    with RunningGuard(config) as guard:
        yield guard


def test_a_miss_has_a_span_with_its_query_below_it_and_a_hit_has_none(tmp_path: Path) -> None:
    with (
        Collector() as collector,
        ScriptedDns(addresses("127.0.0.9")) as upstream,
        traced_guard(tmp_path, upstream, collector.endpoint) as guard,
    ):
        for name in (NAME, NAME, NAME, "other.example.org"):
            guard.ask(name)
        first, other = collector.wait_for(2, "dns.question")
        queries = collector.wait_for(2, "dns.query")
        query = next(span for span in queries if span.parent_span_id == first.span_id)

    asked = values(first.attributes)
    assert asked == {
        "dns.question.name": f"{NAME}.",
        "standfast.question.type": "A",
        "dns.answers": ["127.0.0.9"],
        "standfast.outcome": "NOERROR",
        "standfast.verdict.action": "fresh",
        "standfast.verdict.cause": "none",
    }
    assert values(other.attributes)["dns.question.name"] == "other.example.org."
    assert (first.kind, first.parent_span_id) == (Span.SPAN_KIND_SERVER, b"")
    assert (query.kind, query.trace_id) == (Span.SPAN_KIND_CLIENT, first.trace_id)
    assert other.trace_id != first.trace_id
    assert first.start_time_unix_nano <= query.start_time_unix_nano <= query.end_time_unix_nano
    assert query.end_time_unix_nano <= first.end_time_unix_nano
    assert values(query.attributes) == {
        "dns.question.name": f"{NAME}.",
        "standfast.question.type": "A",
        "server.address": upstream.endpoint.address,
        "server.port": upstream.endpoint.port,
        "network.transport": "udp",
        "standfast.upstream.transport": "udp",
        "standfast.outcome": "NOERROR",
    }
    assert collector.resource["service.name"] == "standfast"


def test_a_held_answer_says_its_verdict_and_its_probes_are_below_it(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with (
        Collector() as collector,
        ScriptedDns(addresses("127.0.0.9", ttl_s=1)) as upstream,
        traced_guard(tmp_path, upstream, collector.endpoint, policy=LOCAL_PROBES % free_port()) as guard,
    ):
        guard.ask(NAME)
        collector.wait_for(1, "dns.question")
        upstream.script = addresses(ttl_s=1)
        while not guard.ask(NAME).extended_errors():  # until the TTL of the good answer is over
            time.sleep(0.05)
        _, lost = collector.wait_for(2, "dns.question")
        found = values(lost.attributes)
        assert (found["standfast.verdict.action"], found["standfast.verdict.cause"]) == ("hold", "unknown")
        assert found["standfast.verdict.reason"]
        assert found["dns.answers"] == ["127.0.0.9"]
        probes = [probe for probe in collector.wait_for(1, "probe") if probe.trace_id == lost.trace_id]
        assert probes
        assert probes[0].parent_span_id == lost.span_id
        probed = values(probes[0].attributes)
        assert (probed["server.address"], probed["standfast.probe.kind"]) == ("127.0.0.9", "tcp")
        assert probed["standfast.outcome"] in ("absent", "unknown")


def test_a_failure_is_an_error_with_its_type(tmp_path: Path) -> None:
    with (
        Collector() as collector,
        ScriptedDns(silence) as upstream,
        traced_guard(tmp_path, upstream, collector.endpoint) as guard,
    ):
        guard.ask(NAME)
        (span,) = collector.wait_for(1, "dns.question")
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert values(span.attributes)["error.type"] == "servfail"
        assert {values(query.attributes)["standfast.outcome"] for query in collector.wait_for(2, "dns.query")} == {
            "unanswered"
        }


@pytest.mark.parametrize("stands_still", [False, True], ids=["away", "stands still"])
def test_a_collector_that_takes_nothing_costs_nothing_but_spans(tmp_path: Path, stands_still: bool) -> None:
    with socket.socket() as listening, ScriptedDns(addresses("127.0.0.9")) as upstream:
        listening.bind(("127.0.0.1", 0))
        if stands_still:
            listening.listen()
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/traces"
        with traced_guard(tmp_path, upstream, endpoint, metrics=True) as guard:
            for n in range(50):
                assert guard.ask(f"host{n}.example.org").answer
            deadline_s = time.monotonic() + TIMEOUT_S
            while "traces.refused" not in guard.events():
                assert time.monotonic() < deadline_s, guard.events()
                time.sleep(0.05)
            assert guard.ask("last.example.org").answer
            events = [json.loads(line) for line in guard.events().splitlines()]  # every line is one
            assert [event["event"] for event in events].count("traces.refused") == 1
            assert dropped(events) > 0
            assert guard.stop() == 0


def dropped(events: list[dict[str, Any]]) -> float:
    """Read the guard's metrics, and return how many spans were dropped."""
    (address,) = [event["address"] for event in events if event["event"] == "guard.metrics"]
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    (line,) = [line for line in lines if line.startswith('standfast_traces_spans_total{outcome="dropped"}')]
    return float(line.rpartition(" ")[2])
