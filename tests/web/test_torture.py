"""Torture with browsers among the clients: a server that is killed again and again loses and repeats nothing."""

from __future__ import annotations

from pathlib import Path

from tests.web.conftest import OpenPage
from tests.web.servers import WebServer
from tests.web.torture import Program, Torture, come, in_terminal

SECONDS = 6.0
KILL_EVERY = 1.0


def test_repeated_kills(server: WebServer, open_page: OpenPage, tmp_path: Path) -> None:
    """Pages, a terminal and a program talk while the server is killed: all is on disk, and shown, once and in order."""
    pages = [come(open_page(server), name) for name in ("ann", "bob")]
    with in_terminal(server, tmp_path / "terminal") as terminal:
        torture = Torture(server, pages, terminal)
        with Program(server, tmp_path / "program") as program:
            torture.run(SECONDS, KILL_EVERY)
        report = torture.settle(program=program.count)
    assert not report.faults
    assert report.stored > 0
