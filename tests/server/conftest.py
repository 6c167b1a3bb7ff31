"""Fixtures for the tests of the server: two users, and shorter intervals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Caller, ThreadServer


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the server's intervals between checks of deadlines and between notices of one topic.

    The constants are read by servers that are running, too; a test names this fixture with ``usefixtures``.
    """
    monkeypatch.setattr("chatcli.server.app._TICK", 0.1)
    monkeypatch.setattr("chatcli.server.throttle._SECONDS", 0.3)
    monkeypatch.setattr("chatcli.server.state.presence._BETWEEN", 300)


@pytest.fixture
def alice(server: ThreadServer) -> Iterator[Caller]:
    """A user in the chat."""
    with server.joined("alice") as caller:
        yield caller


@pytest.fixture
def bob(server: ThreadServer) -> Iterator[Caller]:
    """Another user in the chat."""
    with server.joined("bob") as caller:
        yield caller


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of the ``server`` fixture."""
    return tmp_path / "data"
