"""What makes the server fast, pinned without a clock: how often things are done, not how long they take."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from chatcli.protocol.codec import encode_all
from chatcli.protocol.frames import ClientFrame, Send
from chatcli.server import delivering
from chatcli.server.listeners.tcp import TcpConnection
from tests.support import Caller, Frame, ThreadServer, eventually, new_id

_MANY = 40


class Counted:
    """Counts what is written to each connection, and each encoding of messages and answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes: dict[TcpConnection, int] = {}
        self.encodings = 0
        write, encode = TcpConnection.write, encode_all

        def counted_write(connection: TcpConnection, data: bytes) -> None:
            self.writes[connection] = self.writes.get(connection, 0) + 1
            write(connection, data)

        def counted_encode(frames: list[Any]) -> bytes:
            self.encodings += 1
            return encode(frames)

        monkeypatch.setattr(TcpConnection, "write", counted_write)
        monkeypatch.setattr(delivering, "encode_all", counted_encode)


@pytest.fixture
def room(server: ThreadServer) -> Iterator[list[Caller]]:
    """Have three people in a room, the first of whom is going to speak."""
    callers = [server.joined(name) for name in ("alice", "bob", "cid")]
    for caller in callers:
        caller.says("join", room="#hall", n=1)
        caller.hears("room", n=1)
    yield callers
    for caller in callers:
        caller.hang_up()


def said_in_one_breath(server: ThreadServer, user: str, to: str) -> None:
    """Have a user's connection take many messages as if they had come in one read."""
    frames: list[ClientFrame] = [Send(new_id(), to, f"{number}") for number in range(_MANY)]

    def take() -> None:
        user_here = server.hub.directory.find(user)
        assert user_here is not None
        (session,) = user_here.sessions
        session.receive(encode_all(frames))

    server.run(take)


def any_of(caller: Caller, *tags: str) -> Frame:
    """Return the next frame of one of these kinds."""
    while (frame := caller.next()) is not None and frame["t"] not in tags:
        pass
    assert frame is not None
    return frame


@pytest.mark.parametrize("to", ["bob", "#hall"])
def test_what_was_said_together_is_encoded_once_and_written_once(
    server: ThreadServer, room: list[Caller], to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One encoding of the messages for all who get them, one of the answers; one write for each who gets anything."""
    eventually(lambda: server.run(lambda: not server.hub.presence._scheduled))  # nothing else is about to be written
    counted = Counted(monkeypatch)
    said_in_one_breath(server, "alice", to)
    for listener in room[1 : 2 if to == "bob" else 3]:
        heard = [listener.hears("message")["text"] for _ in range(_MANY)]
        assert heard == [f"{number}" for number in range(_MANY)]
    for _ in range(_MANY):
        room[0].hears("sent", outcome="delivered")
    assert counted.encodings == 2
    assert set(counted.writes.values()) == {1}
    assert len(counted.writes) == (2 if to == "bob" else 3)


def test_no_task_is_made_for_a_message(server: ThreadServer, room: list[Caller]) -> None:
    """The way of a message is plain calls from beginning to end."""
    made: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **more: Any) -> Any:  # noqa: ANN401 (as asyncio has it)
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **more)

    watched: Any = factory  # typeshed wants a future, and asyncio a task
    server.run(lambda: server.loop.set_task_factory(watched))
    said_in_one_breath(server, "alice", "#hall")
    said_in_one_breath(server, "bob", "alice")
    assert len(room[2].texts(_MANY)) == _MANY
    for _ in range(_MANY):
        any_of(room[1], "sent", "message")
    assert made == []


def test_what_is_out_of_the_ordinary_keeps_its_place(server: ThreadServer, room: list[Caller]) -> None:
    """Among messages said in one breath are wrong ones and a question: each is answered, all others arrive in order."""
    alice, bob, _ = room
    identity = new_id()
    lines = [
        (identity, "bob", "one"),
        ("no id", "bob", "wrong"),
        (new_id(), "bob", "two"),
        (new_id(), "bob", " "),
        (new_id(), "nobody", "lost"),
        (new_id(), "bob", "three"),
        (identity, "bob", "one"),
        (new_id(), "#hall", "four"),
    ]
    alice.says_raw(encode_all([Send(*line) for line in lines]))
    assert bob.texts(4) == ["one", "two", "three", "four"]
    answers = [any_of(alice, "sent", "error") for _ in lines]
    assert sorted(answer.get("code", "sent") for answer in answers) == [
        "bad_id", "empty_text", *["sent"] * 5, "unknown_user",
    ]  # fmt: skip
    said = [answer["seq"] for answer in answers if answer["t"] == "sent"]
    assert said[0] == said[3]  # the repetition has the place of the first
    assert said[0] < said[1] < said[2] < said[4]
