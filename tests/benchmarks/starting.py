"""How long the commands take from start to exit, beside Python itself: ``python -m tests.benchmarks.starting``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import environment, serving

_ROUNDS = 25


def main() -> None:
    """Measure the commands in turn, so that all of them see the same machine, and write the medians."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (_, address):
        where = ["--server", str(address)]
        python = [sys.executable]
        commands = {
            "python -c pass": [*python, "-c", "pass"],
            "python -c 'import click'": [*python, "-c", "import click"],
            "chatcli --version": [*python, "-m", "chatcli", "--version"],
            "chatcli who": [*python, "-m", "chatcli", "who", *where],
            "chatcli send": [*python, "-m", "chatcli", "send", "bench", "hi", "--user", "bench", *where],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_ROUNDS):
            for name, command in commands.items():
                begun = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=environment())
                times[name].append((time.perf_counter() - begun) * 1000)
    floor = statistics.median(times["python -c 'import click'"])
    for name, taken in times.items():
        median = statistics.median(taken)
        sys.stdout.write(f"{name:26} {median:6.0f} ms   {median / floor:4.2f} x click\n")


if __name__ == "__main__":
    main()
