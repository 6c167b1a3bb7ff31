"""Fixtures that every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ThreadServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadServer]:
    """A server with default limits and an empty log."""
    with ThreadServer(tmp_path / "data") as running:
        yield running
