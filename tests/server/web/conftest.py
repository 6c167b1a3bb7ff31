"""Fixtures for callers by HTTP: a token, and a connection with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.web.callers import HttpCaller, calls, makes_token
from tests.support import Caller, ThreadServer


@pytest.fixture
def token(alice: Caller) -> str:
    """A token of alice that sends, for everywhere."""
    return makes_token(alice)


@pytest.fixture
def http(server: ThreadServer, token: str) -> Iterator[HttpCaller]:
    """A connection of somebody with that token."""
    with calls(server, token) as caller:
        yield caller
