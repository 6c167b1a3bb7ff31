"""The protocol page's examples are real dialogues of a server and its clients."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from chatcli.protocol import codes
from chatcli.protocol.frames import ClientFrame, ServerFrame
from chatcli.server.limits import Limits
from tests.examples import Line, Player, lines_of
from tests.reference import ROOT
from tests.support import ThreadServer

PAGE: Final = (ROOT / "docs/protocol.md").read_text().split("\n## Examples\n")[1].split("\n## ")[0]
EXAMPLES: Final[dict[str, list[Line]]] = {
    title: lines_of(block)
    for title, block in re.findall(r"^### (.+?)\n.*?^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
#: The server's limits for examples with this title.
SERVERS: Final[dict[str, dict[str, Any]]] = {
    "By invitation only": {"access": "invite"},
    "A line that is too long, with a limit of 300 bytes": {"frame": 300},
    "Messages, with a limit of 20 bytes": {"text": 20},
    "Too many invalid lines, with a limit of three": {"bad_frames": 3},
    "A server with a limit of one connection": {"connections": 1},
    "A silent client": {"handshake": 0.2},
}
#: Limits that are not settings: the patched constant and its value.
PATCHES: Final[dict[str, tuple[str, object]]] = {
    "Rooms, with a limit of one per user": ("chatcli.server.state.room_permissions.MAX_ROOMS", 1),
    "A silent client": ("chatcli.server.app._TICK", 0.1),
    "A server with a limit of one connection": ("chatcli.server.listeners.rejections._PATIENCE", 0.1),
    "A log that cannot be written": ("chatcli.store.sqlite.connection._BUSY_SECONDS", 0.2),
    "Searches that wait too long": ("chatcli.store.log_reader._MAX_SEARCHES", 0),
}


@contextlib.contextmanager
def locked(server: ThreadServer, title: str) -> Iterator[None]:
    """Lock the log's database for the example about that."""
    with contextlib.closing(sqlite3.connect(server.data / "chatcli.db", isolation_level=None)) as other:
        if title == "A log that cannot be written":
            other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("title", EXAMPLES)
def test_example(tmp_path: Path, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's frames of an example are sent, and the server's answers are compared field by field."""
    settings = SERVERS.get(title, {})
    if title in PATCHES:
        monkeypatch.setattr(*PATCHES[title])
    if title == "From another machine, without TLS":
        monkeypatch.setattr("chatcli.server.listeners.tcp.is_loopback", lambda _host: False)
    with ThreadServer(tmp_path, Limits(**settings)) as server:
        player = Player(server)
        player.come_in(EXAMPLES[title])
        with locked(server, title):
            player.play(EXAMPLES[title])


def tags(arrow: str) -> set[str]:
    """Return the tags of all frames in a direction of the examples."""
    found = [re.search(r'"t":"(\w+)"', what) for lines in EXAMPLES.values() for _, a, what in lines if a == arrow]
    return {match[1] for match in found if match}


def declared(union: object) -> set[str]:
    """Return the tags of all frames of a direction."""
    return {frame.__struct_config__.tag for frame in get_args(union)}


#: Frames that need many users or much traffic: other tests have them.
ELSEWHERE: Final = frozenset({"skipped", "presence", "renewed"})


def test_every_frame_has_an_example() -> None:
    """Each frame of both directions is in an example."""
    assert tags(">>") >= declared(ClientFrame)
    assert tags("<<") >= declared(ServerFrame) - ELSEWHERE


def test_every_code_has_an_example() -> None:
    """Each code of an error and of a goodbye is in an example."""
    shown = set(re.findall(r'<< \{"t":"(?:error|bye)","code":"(\w+)"', PAGE))
    assert shown == set(codes.MEANINGS)
