"""The command lines of the benchmarks: help and errors start no measurement."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import environment


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of them."""
    module, *rest = arguments
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *rest]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)


@pytest.mark.parametrize("module", ["connecting", "echo", "peers", "reading", "stalled", "starting"])
def test_help(module: str) -> None:
    """Help is the module's docstring."""
    done = benchmark(module, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m tests.benchmarks.{module}" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--servers", "foo"), "--servers: there are chatcli, ngircd, inspircd, and no foo."),
        (("--servers", "chatcli", "--only", "nonsense"), '--only: no row begins with "nonsense".'),
    ],
)
def test_unknown_benchmark(arguments: tuple[str, ...], sentence: str) -> None:
    """An unknown benchmark is refused with a sentence and the status of a usage error."""
    done = benchmark("peers", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
