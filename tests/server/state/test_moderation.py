"""Decisions of operators and owners, as the server reads them from a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin import does
from tests.store.town import change, rows
from tests.support import ThreadServer

DAMAGED = """
INSERT INTO rulings VALUES
    ('ban', 'alice', 'no JSON'), ('operator', 'alice', '{}'), ('mute', 'bob', '{"at": "noon"}'),
    ('room_ban', 'nonsense', '{"at": 1}'), ('room_mute', '-1:', '{"at": 1}'), ('room_invitation', '', '{"at": 1}'),
    ('mute', 'eve', '{"at": 1, "reason": "noise"}')
"""


def test_damaged_decisions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server starts without them, says so, and a new decision takes the place of one."""
    with ThreadServer(tmp_path) as server:
        for name in ("alice", "bob", "eve"):
            server.joined(name).hang_up()
    change(tmp_path, DAMAGED)
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice, server.joined("eve") as eve:
        assert alice.asks("operate", do="mute", to="eve")["code"] == "not_allowed"
        eve.sends("alice", "hi")
        eve.hears("error", code="muted")
        does(tmp_path, "op", to="alice")
        assert alice.asks("operate", do="mute", to="eve")["t"] == "done"
        does(tmp_path, "unban", to="alice")
    assert caplog.text.count("cannot be read, and does not hold") == 6
    kept = {kind for kind, _ in rows(tmp_path, "SELECT kind, subject FROM rulings WHERE subject = 'alice'")}
    assert kept == {"operator"}
