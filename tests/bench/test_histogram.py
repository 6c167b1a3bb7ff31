"""The histogram of latencies: what it keeps, and how exactly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatcli.bench.histogram import Histogram, bucket, upper

latencies = st.integers(0, 2**40)


@given(latencies)
def test_a_bucket_is_no_wider_than_a_sixteenth_of_what_it_holds(latency: int) -> None:
    """Each latency is in one bucket, which begins where the one before ends."""
    number = bucket(latency)
    assert latency <= upper(number) <= latency + latency / 16
    assert number == 0 or upper(number - 1) < latency


@given(st.lists(latencies, min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_share_is_never_told_too_small(some: list[int], share: float) -> None:
    """What a share is said not to be above, it is not above; and the greatest one is exact."""
    histogram = Histogram()
    for latency in some:
        histogram.add(latency)
    within = sum(latency <= histogram.at(share) for latency in some)
    assert within >= share * len(some)
    assert histogram.at(1) == histogram.greatest == max(some)


def test_two_of_them_become_one() -> None:
    """As if all had been counted in one."""
    both, first, second = Histogram(), Histogram(), Histogram()
    for latency in range(100):
        both.add(latency * 1000, 2)
        (first if latency % 3 else second).add(latency * 1000, 2)
    first.merge(second.counts, second.greatest)
    assert (first.counts, first.greatest) == (both.counts, both.greatest)
    assert Histogram().at(0.5) == 0
