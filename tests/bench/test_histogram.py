"""The histogram of latencies and its precision."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatcli.bench.histogram import Histogram, bucket, upper

latencies = st.integers(0, 2**40)


@given(latencies)
def test_buckets(latency: int) -> None:
    """Each latency is in one bucket, no wider than a sixteenth of its value; the buckets have no gaps."""
    number = bucket(latency)
    assert latency <= upper(number) <= latency + latency / 16
    assert number == 0 or upper(number - 1) < latency


@given(st.lists(latencies, min_size=1, max_size=50), st.floats(0.01, 1))
def test_percentiles_are_upper_bounds(some: list[int], share: float) -> None:
    """A percentile is never below the true one, and the greatest latency is exact."""
    histogram = Histogram()
    for latency in some:
        histogram.add(latency)
    within = sum(latency <= histogram.at(share) for latency in some)
    assert within >= share * len(some)
    assert histogram.at(1) == histogram.greatest == max(some)


def test_merge() -> None:
    """Two merged histograms equal one that counted everything."""
    both, first, second = Histogram(), Histogram(), Histogram()
    for latency in range(100):
        both.add(latency * 1000, 2)
        (first if latency % 3 else second).add(latency * 1000, 2)
    first.merge(second.counts, second.greatest)
    assert (first.counts, first.greatest) == (both.counts, both.greatest)
    assert Histogram().at(0.5) == 0
