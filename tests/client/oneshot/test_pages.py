"""Answers in pages, which end whatever a server sends."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import chatcli
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.oneshot import pages as paging
from chatcli.client.oneshot.client import Client
from chatcli.client.oneshot.pages import RoomPages, check_messages
from chatcli.errors import ProtocolError
from chatcli.protocol import frames as f
from chatcli.protocol.frames import History
from tests.client.oneshot import impostor
from tests.here import run_here
from tests.impostor import Impostor, Say
from tests.support import DEADLINE, new_id


def room(name: str) -> f.RoomInfo:
    """Return a room."""
    return f.RoomInfo(name, "open", 1)


def message(seq: int) -> f.Message:
    """Return a message."""
    return f.Message(seq, "id", "bob", "alice", "hi", 1)


def test_pages_of_rooms() -> None:
    """Pages follow each other by name."""
    pages = RoomPages()
    assert pages.next_request() == f.Rooms()
    assert pages.add(f.RoomList([room("#a"), room("#b")], more=True))
    assert pages.next_request() == f.Rooms(after="#b")
    assert not pages.add(f.RoomList([room("#c")]))
    assert [each.name for each in pages.rooms] == ["#a", "#b", "#c"]


@pytest.mark.parametrize(
    "page",
    [
        f.RoomList([], more=True),
        f.RoomList([room("#b"), room("#A")], more=True),
        f.RoomList([room("#b"), room("#b")]),
    ],
)
def test_endless_rooms(page: f.RoomList) -> None:
    """An empty page with more to come, an earlier room or a repeated one is refused."""
    pages = RoomPages()
    pages.add(f.RoomList([room("#a")], more=True))
    with pytest.raises(ProtocolError, match="does not end"):
        pages.add(page)


def test_too_many_rooms() -> None:
    """Distinct names are refused beyond a number."""
    pages = RoomPages()
    pages.add(f.RoomList([room(f"#{number}") for number in range(paging.MAX_ROOMS)], more=True))
    with pytest.raises(ProtocolError, match="too many to be listed"):
        pages.add(f.RoomList([room("#one more")], more=True))


@pytest.mark.parametrize(
    ("seqs", "before", "limit"),
    [([5, 5], None, 9), ([6, 5], None, 9), ([5, 6, 7], None, 2), ([5, 6], 6, 9), ([7], 6, 9), ([0, 1], 1, 9)],
)
def test_wrong_pages(seqs: list[int], before: int | None, limit: int) -> None:
    """A page out of order, too large, or not before the last one is refused."""
    messages = list(map(message, seqs))
    with pytest.raises(ProtocolError, match="other messages than requested"):
        check_messages(f.History("bob", before, limit=limit), f.HistoryPage("bob", messages, more=True))
    with pytest.raises(ProtocolError, match="other messages than requested"):
        check_messages(f.Search("x", before=before, limit=limit), f.Found(messages[::-1], more=True))


def test_pages_in_order() -> None:
    """Pages of our server are accepted."""
    check_messages(f.History("bob", 7, limit=2), f.HistoryPage("bob", [message(5), message(6)], more=True))
    check_messages(f.Search("x", before=7, limit=2), f.Found([message(6), message(5)], more=True))
    check_messages(f.Search("x"), f.Found([], more=False))


def endless(frame: dict[str, Any], say: Say) -> None:
    """Answer with more pages for ever."""
    rooms = [{"name": "#a", "kind": "open", "members": 1}]
    say({"t": "rooms", "rooms": rooms, "more": True, "n": frame.get("n", 0)})


def test_errors() -> None:
    """Commands end with a sentence and status 1, programs with an exception."""

    async def rooms(server: str) -> None:
        async with asyncio.timeout(DEADLINE), chatcli.connect("bot", server) as chat:
            await chat.rooms()

    with Impostor({"rooms": endless, "welcome": lambda _, say: say({"t": "live", "seq": 0})}) as impostor:
        done = run_here("rooms", "--user", "bot", "--server", str(impostor.address))
        assert (done.returncode, done.stdout) == (1, "")
        assert "does not end" in done.stderr
        with pytest.raises(ProtocolError, match="does not end"):
            asyncio.run(rooms(str(impostor.address)))


@pytest.mark.parametrize("since", [-1, 10**18, 10**400])
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_impossible_times(since: int, how: tuple[str, ...]) -> None:
    """A time beyond the calendar ends with a sentence and no traceback."""

    def keys(frame: dict[str, Any], say: Say) -> None:
        say({"t": "keys", "keys": [{"fingerprint": "SHA256:x", "since": since}], "n": frame["n"]})

    with Impostor({"keys": keys}) as impostor:
        done = run_here("key", "list", "--user", "bot", "--server", str(impostor.address), *how)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not a chatcli server" in done.stderr


def test_resumed_paging() -> None:
    """After a lost connection the next page follows the last one."""

    def message(seq: int) -> dict[str, object]:
        return {"seq": seq, "id": new_id(), "from": "b", "to": "a", "text": str(seq), "at": 1}

    def first(connection: socket.socket) -> None:
        line = impostor.Line(connection)
        assert line.hears("history")["limit"] == 500
        line.says("history", of="b", messages=[message(8), message(9)], more=True, n=1)
        line.hears("history")

    def second(connection: socket.socket) -> None:
        line = impostor.Line(connection)
        assert line.hears("history")["before"] == 8
        line.says("history", of="b", messages=[message(5)], more=True, n=1)
        assert line.hears("history")["before"] == 5
        line.says("history", of="b", messages=[], more=False, n=1)
        for tag in ("who", "rooms", "bye"):  # nothing is known yet for completion
            line.hears(tag)

    with impostor.Impostor(first, second) as address:
        pages = Client(Login(server=Server.at(address), user="a")).read(History("b"), 1000)
    assert [message.seq for message in pages.messages] == [5, 8, 9]
    assert not pages.more
