"""People whom several tests of the server have talk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import Caller, ThreadServer


@pytest.fixture
def alice(server: ThreadServer) -> Iterator[Caller]:
    """Someone who is here."""
    with server.joined("alice") as caller:
        yield caller


@pytest.fixture
def bob(server: ThreadServer) -> Iterator[Caller]:
    """Someone else who is here."""
    with server.joined("bob") as caller:
        yield caller
