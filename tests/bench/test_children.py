"""Child processes that end with their parent, whenever a signal comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from chatcli.bench import throwaway
from chatcli.bench.children import ENDING, SignalsHeld, running_command


class Ended(BaseException):
    """The exception of this test's handler."""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Make each of these signals raise."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise Ended(number)

    before = {number: signal.signal(number, end) for number in ENDING}
    yield
    after = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert set(after.values()) == {end}


def interrupted(monkeypatch: pytest.MonkeyPatch, number: int) -> list[subprocess.Popen[bytes]]:
    """Send the signal just before Popen returns."""
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (as Popen has them)
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    return started


@pytest.mark.parametrize("number", ENDING)
def test_signal_at_the_start(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A process ends although a signal comes while it starts: the handler runs once the process is known."""
    started = interrupted(monkeypatch, number)
    with (
        pytest.raises(Ended, match=str(int(number))),
        running_command([sys.executable, "-c", "import time; time.sleep(60)"]),
    ):
        pytest.fail("the block is not entered")
    assert started[0].returncode is not None


def test_own_server_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the server nor its directory is left if a signal comes while the server starts."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started = interrupted(monkeypatch, signal.SIGTERM)
    with pytest.raises(Ended), throwaway.throwaway(1):
        pytest.fail("the block is not entered")
    assert started[0].returncode is not None
    assert list(tmp_path.iterdir()) == []


def test_ignored_signals() -> None:
    """Neither an ignored signal nor a repeated one is handled."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with pytest.raises(Ended, match=str(int(signal.SIGTERM))), SignalsHeld(), SignalsHeld():  # noqa: PT012 (they hold)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
    assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN
