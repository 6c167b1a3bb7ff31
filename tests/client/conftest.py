"""Fixtures for clients with keys and known servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.addresses import own_address


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration directory for code in the test's process, and a system without authorities."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    if own_address() is None:
        monkeypatch.setattr("chatcli.client.identity.trust.is_loopback", lambda _: False)
    return tmp_path / "config" / "chatcli"
