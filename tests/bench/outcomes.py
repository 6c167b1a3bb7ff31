"""Outcomes of measurements, for tests of their reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chatcli.bench.histogram import Histogram
from chatcli.bench.plan import Load, Scenario
from chatcli.bench.workers import Outcome


def an_outcome(scenario: Scenario = "paced", said: int = 200, rate: int = 200, **others: Any) -> Outcome:  # noqa: ANN401
    """Return the outcome of one second with an idle generator and one of two members silent."""
    load = Load(scenario=scenario, clients=2, window=5, speakers=1, rate=rate, text=20, messages=300, seconds=1)
    latencies = Histogram()
    for latency in (500, 700, 1_000_000):
        latencies.add(latency)
    outcome = Outcome(
        load=load,
        tls=False,
        via="tcp",
        counted=said,
        said=said,
        held=False,
        seconds=1.0,
        sent=said,
        acknowledged=said,
        received=said,
        expected=said,
        latencies=latencies,
        workers=1,
        generator=0.1,
        server=0.2,
        memory=50_000_000,
        grown=1_000_000,
    )
    return replace(outcome, **others)
