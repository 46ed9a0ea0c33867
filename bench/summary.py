"""Medians, spreads and ratios of rounds that were interleaved, and percentiles of merged histograms. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of some measurements and their lower and upper quartile."""

    median: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """Half of the distance between the quartiles, as a share of the median; 0 where that is 0."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


def spread(values: Sequence[float]) -> Spread:
    """Return the median and quartiles of `values`, at least one; of one value all three are that value."""
    if len(values) == 1:
        return Spread(median=values[0], low=values[0], high=values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median=median(values), low=low, high=high)


def paired_ratio(values: Sequence[float], base: Sequence[float]) -> Spread | None:
    """Return the spread of `values` over `base`, round by round; None where `base` was zero in every round.

    What slows a whole round down (other work on the machine, a lower clock) slows both and leaves the ratio.
    """
    ratios = [value / of for value, of in zip(values, base, strict=True) if of > 0]
    return spread(ratios) if ratios else None


Histogram = Sequence[tuple[int, int]]  # (largest value that falls into the bucket, how many did)


def merged(histograms: Iterable[Histogram]) -> dict[int, int]:
    """Return the sum of `histograms` with the same buckets, the smallest bucket first."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for top, count in histogram:
            total[top] = total.get(top, 0) + count
    return dict(sorted(total.items()))


def percentile(histogram: Mapping[int, int], share: float) -> int:
    """Return the top of the bucket below or in which `share` (0 to 1) of all values lie.

    Args:
        histogram: counts by the top of their bucket, the smallest first, as `merged` returns.
        share: 0.5 for the median, 0.99 for the 99th percentile.

    Raises:
        ValueError: there are no values.
    """
    wanted = sum(histogram.values()) * share
    seen = 0
    for top, count in histogram.items():
        seen += count
        if count and seen >= wanted:
            return top
    raise ValueError("no values")
