"""Measures the commands from start to exit, beside click itself: ``python -m tests.benchmarks.starting``."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chatcli.protocol.values.address import Address
from tests.support import environment, serving

_ROUNDS = 60
_FLOOR = "python -c 'import click'"


def main() -> None:
    """Measure the commands in turn, so that all of them see the same machine; print medians and minima."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (_, address):
        commands = _commands(address)
        for name in reversed(commands):  # the first `send` registers the name, on the server and for the completion
            _run(*commands[name])
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_ROUNDS):
            for name, (command, more) in commands.items():
                begun = time.perf_counter()
                _run(command, more)
                times[name].append((time.perf_counter() - begun) * 1000)
    median, best = statistics.median(times[_FLOOR]), min(times[_FLOOR])
    for name, taken in times.items():
        sys.stdout.write(
            f"{name:26} median {statistics.median(taken):4.0f} ms  {statistics.median(taken) / median:4.2f} x click"
            f"   best {min(taken):4.0f} ms  {min(taken) / best:4.2f} x\n"
        )


def _run(command: list[str], more: dict[str, str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment(**more)).stdout


def _commands(address: Address) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return the commands to start by name, each with its additional environment."""
    python = [sys.executable]
    script = Path(sys.executable).with_name("chatcli")
    chatcli = [str(script)] if script.exists() else [*python, "-m", "chatcli"]
    tab = {"_CHATCLI_COMPLETE": "bash", "CHATCLI_USER": "bench"}  # as the script for bash does
    where = ["--server", str(address)]
    return {
        "python -c pass": ([*python, "-c", "pass"], {}),
        _FLOOR: ([*python, "-c", "import click"], {}),
        "chatcli --version": ([*chatcli, "--version"], {}),
        "chatcli se<TAB>": ([*chatcli, "chatcli se", "se"], tab),
        "chatcli send b<TAB>": ([*chatcli, f"chatcli send --server {address} b", "b"], tab),
        "chatcli status --unread": ([*chatcli, "status", "--unread", "--user", "bench", *where], {}),
        "chatcli who": ([*chatcli, "who", *where], {}),
        "chatcli send": ([*chatcli, "send", "bench", "hi", "--user", "bench", *where], {}),
    }


if __name__ == "__main__":
    main()
