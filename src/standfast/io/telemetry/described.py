"""Metrics for Prometheus: described one by one, read when they are asked for.

No name that anybody asked for is ever a label: they are without number, and nobody else's business.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from standfast.io.telemetry.pages import Page

S = TypeVar("S")  # where the numbers come from
Samples = Iterable[tuple[tuple[str, ...], float]]  # values of the labels, and the number


@dataclass(frozen=True, slots=True)
class Described(Generic[S]):
    """One metric: what it is, and how it is read. Where its name ends in `_total` it only ever grows."""

    name: str
    help: str
    read: Callable[[S], float | Samples]
    labels: tuple[str, ...] = ()

    def family(self, source: S) -> Metric:
        """Read the metric now."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        found = self.read(source)
        for values, number in [((), found)] if isinstance(found, int | float) else found:
            family.add_metric(values, number)
        return family


def metrics_page(source: S, metrics: Sequence[Described[S]]) -> Callable[[], Page]:
    """Return what makes the page `/metrics`: `metrics`, and those of the process."""
    registry = CollectorRegistry()
    registry.register(_Described(source, metrics))
    ProcessCollector(registry=registry)
    return lambda: Page(status=HTTPStatus.OK, content_type=CONTENT_TYPE_LATEST, body=generate_latest(registry))


class _Described(Collector, Generic[S]):
    """Reads all metrics at each scrape."""

    def __init__(self, source: S, metrics: Sequence[Described[S]]) -> None:
        self._source = source
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        for described in self._metrics:
            yield described.family(self._source)
