"""Ended spans to an OpenTelemetry collector by OTLP over HTTP, from a thread of its own. Never waits, never fails.

The one module that knows OpenTelemetry. Its libraries are an extra, `standfast[otel]`, so it is imported only where
`traces` is configured. Headers, certificates and resource attributes come from the standard `OTEL_` variables.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from standfast.guard.events import Alarm
from standfast.io.telemetry.traces import QUESTION_SPAN, Span

WAITING_MAX: Final = 8_192  # spans that wait, some megabytes; further ones are dropped
BATCH_MAX: Final = 512  # spans a request, as the SDK has it
PERIOD_S: Final = 1.0  # between two requests
TIMEOUT_S: Final = 5.0  # for one request, all tries together
CLOSE_TIMEOUT_S: Final = 2.0  # for the last spans; a collector that is away must not keep the process from ending


class OtlpExporter:
    """Exports spans from entering to leaving. `alarm` is told, from the thread, when that fails and works again."""

    def __init__(self, endpoint: str, *, alarm: Callable[[Alarm], None]) -> None:
        self._endpoint = endpoint
        self._alarm = alarm
        self._troubles = _Troubles()
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT_S)
        ours: dict[str, str] = {"service.name": "standfast", "service.version": version("standfast")}
        self._resource = Resource(ours).merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope("standfast", version("standfast"))
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failing = False
        self._overflown = 0  # counted by who hands in
        self._refused = 0  # counted by the thread
        self.exported = 0

    @property
    def dropped(self) -> int:
        """How many spans nobody took, or had no room to wait."""
        return self._overflown + self._refused

    def take(self, span: Span) -> None:
        """Have a span that has ended exported; does not wait."""
        if len(self._waiting) >= WAITING_MAX:
            self._overflown += 1
            return
        self._waiting.append(span)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_TIMEOUT_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    # The thread.

    def _run(self) -> None:
        while not self._closing or self._waiting:
            if len(self._waiting) < BATCH_MAX:
                self._wake.wait(PERIOD_S)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
            if batch:
                self._export(batch)

    def _export(self, batch: list[Span]) -> None:
        try:
            taken = self._exporter.export([self._readable(span) for span in batch]) is SpanExportResult.SUCCESS
        except Exception as error:  # whatever it is, it must not end what exports the next ones
            self._troubles.last = repr(error)
            taken = False
        if taken:
            self.exported += len(batch)
        else:
            self._refused += len(batch)
        self._tell(failing=not taken)

    def _tell(self, *, failing: bool) -> None:
        if failing and not self._failing:
            detail = self._troubles.last
            self._alarm(Alarm(event="traces.refused", fields={"endpoint": self._endpoint, "detail": detail}))
        elif self._failing and not failing:
            self._alarm(Alarm(event="traces.accepts", fields={"endpoint": self._endpoint}))
        self._failing = failing

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id),
            parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
            resource=self._resource,
            attributes=span.attributes,
            kind=SpanKind.SERVER if span.name == QUESTION_SPAN else SpanKind.CLIENT,
            status=Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR, span.error),
            start_time=round(span.begun_at_s * 1e9),
            end_time=round(span.ended_at_s * 1e9),
            instrumentation_scope=self._scope,
        )


class _Troubles(logging.Handler):
    """Keeps what the libraries would write to standard error, where every line is an event of ours."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        for name in ("opentelemetry", "urllib3"):
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
