"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests import disks

disks.use_memory()

from tests.addresses import own_address  # noqa: E402 (after that)
from tests.support import CONFIGURATION, LOGIN_NAME, ThreadServer  # noqa: E402 (it makes a directory)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped test fail where ``NO_SKIPS`` is set: nobody reads there that a program was missing.

    What no package can mend is another matter; the reasons of those tests begin with "this machine".
    """
    report = yield
    if report.skipped and os.environ.get("NO_SKIPS") and "this machine" not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped, although NO_SKIPS is set: {report.longrepr}"
    return report


def pytest_xdist_auto_num_workers() -> int:
    """Return two workers per core: tests wait half of the time, for processes, terminals and disks."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def _signals() -> None:
    """Reset ignored signals, which programs under test would inherit from nohup or a background job."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _configuration() -> Iterator[None]:
    """Keep the developer's keys, known servers and login name out of the tests' process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(CONFIGURATION))
        patch.setenv("XDG_STATE_HOME", str(CONFIGURATION / "state"))
        patch.setenv("LOGNAME", LOGIN_NAME)
        patch.delenv("CODESPACES", raising=False)
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the log report a locked database after a fifth of a second."""
    monkeypatch.setattr("chatcli.store.sqlite.connection._BUSY_SECONDS", 0.2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    """A server with default limits and an empty log."""
    with ThreadServer(tmp_path / "data") as running:
        yield running


@pytest.fixture
def far() -> str:
    """A non-loopback address of this machine: a caller of it has it as its own address."""
    found = own_address()
    if found is None:
        pytest.skip("this machine has loopback addresses only")
    return found
