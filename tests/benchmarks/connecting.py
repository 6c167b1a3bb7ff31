"""Measures TLS and the proof of the key per connection: ``python -m tests.benchmarks.connecting``."""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chatcli.protocol.values.address import Address
from tests.support import Caller, serving, trusting

_ROUNDS = 300


def query(address: Address, certificate: Path | None) -> None:
    """Connect and log in without a name."""
    with Caller(address, context=trusting(certificate) if certificate else None) as caller:
        caller.says("hello", version=1, purpose="query")
        caller.hears("welcome")


def proven(address: Address, certificate: Path | None) -> None:
    """Connect and log in with a name and its key."""
    with Caller(address, context=trusting(certificate) if certificate else None) as caller:
        caller.greets("bench", purpose="send")
        caller.hears("welcome")


def dial(address: Address, _certificate: Path | None) -> None:
    """Connect only."""
    with contextlib.closing(socket.create_connection(address[:2])):
        pass


def main() -> None:
    """Measure each kind in turn, so that all of them see the same machine, and print the medians."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (_, address):
        certificate = Path(folder) / "server.crt"
        ways: list[tuple[str, str, Callable[[Address, Path | None], None], Path | None]] = [
            ("TCP alone", "1", dial, None),
            ("plain, no proof (who)", "2", query, None),
            ("plain, with the proof", "3", proven, None),
            ("TLS 1.3, no proof", "3", query, certificate),
            ("TLS 1.3, with the proof", "4", proven, certificate),
        ]
        times: dict[str, list[float]] = {name: [] for name, *_ in ways}
        for _ in range(_ROUNDS):
            for name, _trips, way, shown in ways:
                begun = time.perf_counter()
                way(address, shown)
                times[name].append((time.perf_counter() - begun) * 1000)
    for name, trips, *_ in ways:
        taken = sorted(times[name])
        p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
        sys.stdout.write(f"{name:26} {trips} round trips   p50 {p50:5.2f} ms   p99 {p99:6.2f} ms\n")


if __name__ == "__main__":
    main()
