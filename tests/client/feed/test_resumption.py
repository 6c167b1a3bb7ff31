"""Resuming at a position, after changes of the server's key and of its log."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import chatcli
from chatcli.client.feed.resumption import OtherLog
from tests.impostor import Impostor, Say
from tests.support import DEADLINE, Program, ThreadServer, new_id
from tests.support import chatcli as run_chatcli

FAR: Final = 2**53 - 10
END: Final = "that is all"


class World:
    """A server that can be stopped, restored and replaced, and a bot that listens to it.

    Args:
        folder: the folder for the servers' data.
        cursor: the name of the bot's position; None for the user's own.
    """

    def __init__(self, folder: Path, cursor: str | None) -> None:
        self.data = folder / "data"
        self.cursor = cursor
        self.port = 0
        with self.serving() as server:
            self.port = server.address.port
            server.joined("bot").hang_up()

    def serving(self, data: str = "data") -> ThreadServer:
        """Return a server at the port, to be started."""
        return ThreadServer(self.data.parent / data, port=self.port)

    def said(self, *texts: str, data: str = "data", to: str = "bot") -> None:
        """Send texts while the server runs and the bot does not."""
        with self.serving(data) as server:
            self.say(server, *texts, to=to)

    @staticmethod
    def say(server: ThreadServer, *texts: str, to: str = "bot") -> None:
        """Send texts as Bob."""
        with server.joined("bob", "send") as bob:
            for text in texts:
                bob.sends(to, text)
                bob.hears("sent")

    def keep(self, name: str) -> None:
        """Back up the data of the stopped server."""
        shutil.copytree(self.data, self.data.parent / name)

    def put_back(self, name: str) -> None:
        """Restore the server's data."""
        shutil.rmtree(self.data)
        shutil.copytree(self.data.parent / name, self.data)

    def heard(self, data: str = "data", since: int | None = None) -> list[tuple[str, bool]]:
        """Let the bot handle all messages; return their texts and marks of replay."""
        with self.serving(data) as server:
            self.say(server, END)
            return self.hears(since)

    def hears(self, since: int | None = None) -> list[tuple[str, bool]]:
        """Let the bot handle all messages from the server on the port, up to the end."""
        heard: list[tuple[str, bool]] = []

        async def hear() -> None:
            where = f"127.0.0.1:{self.port}"
            async with asyncio.timeout(DEADLINE):
                async with chatcli.connect("bot", where, cursor=self.cursor, since=since) as chat:
                    async for message in chat:
                        if message.text == END:
                            return
                        heard.append((message.text, message.replayed))

        asyncio.run(hear())
        return heard


@pytest.fixture(params=["named", None])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world for a named position, and one for the user's position."""
    return World(tmp_path, request.param)


def fresh(*texts: str) -> list[tuple[str, bool]]:
    """Return the messages that are not replayed."""
    return [(text, False) for text in texts]


def test_another_key_is_no_other_log(world: World) -> None:
    """A changed server key keeps the position."""
    world.said("one", "two")
    assert world.heard() == fresh("one", "two")
    for name in ("server.key", "server.crt"):
        (world.data / name).unlink()
    world.said("three")
    assert world.heard() == fresh("three")


def test_restored_log(world: World) -> None:
    """New messages come marked while their numbers may have been handled before, and unmarked after that."""
    world.said("one", "two")
    assert world.heard() == fresh("one", "two")  # and the end: 3
    world.keep("backup")
    world.said("three", "four", "five")
    assert world.heard() == fresh("three", "four", "five")  # 4 to 6, and the end: 7
    world.put_back("backup")
    world.said("three anew")  # 4
    assert world.heard() == [("three anew", True)]  # and the end: 5
    assert world.heard() == []  # 6
    world.said("seven", "eight")
    assert world.heard() == [("seven", True), ("eight", False)]


@pytest.mark.parametrize("between", ["bot", "bob"])
def test_restored_log_has_grown(world: World, between: str) -> None:
    """It is recognised although another or an invisible message is at the last position."""
    world.said("one", "two")
    assert world.heard() == fresh("one", "two")
    world.keep("backup")
    world.said("three", "four")
    assert world.heard() == fresh("three", "four")
    world.put_back("backup")
    world.said("three anew")
    world.said(*["filling"] * 5, to=between)
    world.said("ten")
    expected = [("three anew", True), *([("filling", True)] * 2 + fresh(*["filling"] * 3) if between == "bot" else [])]
    assert world.heard() == [*expected, ("ten", False)]
    world.said("eleven")
    assert world.heard() == fresh("eleven")


def test_original_log_returns(world: World) -> None:
    """After a wrong backup and the right log nothing is handled twice, and new messages are unmarked."""
    world.said("one", "two")
    assert world.heard() == fresh("one", "two")
    world.keep("backup")
    world.said("three", "four")
    assert world.heard() == fresh("three", "four")
    world.keep("right")
    world.put_back("backup")
    world.said("three anew")
    assert world.heard() == [("three anew", True)]
    world.put_back("right")
    world.said("five")
    assert world.heard() == fresh("five")


def test_deleted_messages(world: World) -> None:
    """The log is the same although retention has deleted the last handled message and all before it."""
    world.said("one", "two")
    assert world.heard() == fresh("one", "two")
    with world.serving() as server:
        now = int(time.time() * 1000) + 1
        server.run(lambda: server.hub.log.prune(now, now))
        with server.joined("bot", "query") as asking:
            while asking.asks("history", of="bob", limit=5)["messages"]:
                server.run(lambda: server.hub.log.prune(now, now))
    world.said("three")
    assert world.heard() == fresh("three")


def message(seq: int, text: str) -> dict[str, object]:
    """Return a message as an impostor sends it."""
    return {"t": "message", "seq": seq, "id": new_id(), "from": "bob", "to": "bot", "text": text, "at": 1}


def claiming(seq: int, *messages: dict[str, object]) -> Callable[[int], Impostor]:
    """Return a function that starts an impostor on a port with this log."""

    def welcomed(_frame: dict[str, Any], say: Say) -> None:
        say(*messages, {"t": "live", "seq": seq}, message(seq + 1, END))

    return lambda port: Impostor({"welcome": welcomed}, {"head": seq, "cursor": 0}, port=port)


@pytest.mark.parametrize(
    "impostor",
    [
        pytest.param(claiming(0), id="an empty log"),
        pytest.param(claiming(FAR), id="a high end"),
        pytest.param(claiming(9, *(message(seq, "evil") for seq in range(1, 9))), id="messages"),
        pytest.param(claiming(FAR, message(FAR, "evil")), id="a far message"),
    ],
)
def test_other_server_for_a_while(world: World, impostor: Callable[[int], Impostor]) -> None:
    """The listener continues in the true log where it was, with nothing marked."""
    world.said("one", "two", "three", "four")
    assert world.heard() == fresh("one", "two", "three", "four")
    with impostor(world.port), contextlib.suppress(OtherLog):
        assert {text for text, _ in world.hears()} <= {"evil"}
    world.said("five", "six")
    assert world.heard() == fresh("five", "six")


def test_restore_while_listening(world: World) -> None:
    """After the connection is lost, the listener goes on in the restored log."""
    heard: list[tuple[str, bool]] = []
    world.said("one")
    world.keep("backup")

    async def hear() -> None:
        async with asyncio.timeout(DEADLINE):
            async with chatcli.connect("bot", f"127.0.0.1:{world.port}", cursor=world.cursor) as chat:
                async for said in chat:
                    heard.append((said.text, said.replayed))
                    if said.text == "three":
                        await asyncio.to_thread(put_back)
                    if said.text == "four anew":
                        return

    server = world.serving()

    def put_back() -> None:
        nonlocal server
        server.__exit__()
        world.put_back("backup")
        server = world.serving()
        server.__enter__()
        world.say(server, "two anew", "three anew", "four anew")

    with server:
        world.say(server, "two", "three")
        try:
            asyncio.run(hear())
        finally:
            server.__exit__()
    assert heard == [*fresh("one", "two", "three"), ("two anew", True), ("three anew", True), ("four anew", False)]


@pytest.fixture
def unknown(world: World) -> World:
    """A world with a second log that is as old as the bot's."""
    with world.serving("other") as server:
        server.joined("bot").hang_up()
    world.said("old", "older", "oldest", data="other")
    world.said("one", "two")
    assert world.heard() == fresh("one", "two")
    return world


def test_unknown_log(unknown: World) -> None:
    """A user's position is the server's; a listener with a named position asks where to start."""
    if unknown.cursor is None:
        assert unknown.heard("other") == fresh("old", "older", "oldest")
        return
    with unknown.serving("other") as server:
        unknown.say(server, END)
        with pytest.raises(OtherLog, match=r"another one than before .* say where to start"):
            unknown.hears()
        where = ("--user", "bot", "--server", str(server.address))
        done = run_chatcli("listen", "--as", unknown.cursor, "--exec", "exit 9", "--timeout", "9s", *where)
        assert (done.returncode, done.stdout) == (2, "")
        assert 'say where to start, as in "--since 2h"' in done.stderr
        assert [text for text, _ in unknown.hears(since=1)] == ["older", "oldest"]
    assert unknown.heard("other") == []


def test_restore_while_chatting(world: World) -> None:
    """The client reports it, shows new messages, and repeats none."""
    world.said("one")
    world.keep("backup")
    with Program("join", "--user", "bot", "--server", f"127.0.0.1:{world.port}") as talking:
        with world.serving() as server:
            world.say(server, "two", "three")
            talking.prints("three")
        world.put_back("backup")
        with world.serving() as server:
            world.say(server, "two anew")
            talking.complains("was restored")
            talking.prints("two anew")
            talking.end(signal.SIGTERM)
    assert [line.rpartition(" ")[2] for line in talking.out if "one" in line] == ["one"]
    assert sum("two" in line for line in talking.out) == 2
