"""The server's hot path, measured without a clock: the number of encodings, writes and commits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import ClientFrame, Pong, Send
from chatcli.protocol.values.ids import id_bytes
from chatcli.server import delivery
from chatcli.server.batcher import TickBatcher
from chatcli.server.connection.output import OutputBuffer
from chatcli.server.delivery import Origin
from chatcli.server.handlers import messages
from chatcli.store.batch import Entry
from chatcli.store.queries import FeedPage, FeedQuery, OnResult
from chatcli.store.records import Barrier
from tests.support import DEADLINE, Caller, Frame, ThreadServer, eventually, feed, known, new_id, session_of

_MANY = 40


class Counted:
    """Counts writes of each session, and encodings of messages and answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes: dict[OutputBuffer, int] = {}
        self.encodings = 0
        write, encode = OutputBuffer.write, encode_all

        def counted_write(output: OutputBuffer) -> None:
            if output.size:
                self.writes[output] = self.writes.get(output, 0) + 1
            write(output)

        def counted_encode(frames: list[Any]) -> bytes:
            self.encodings += 1
            return encode(frames)

        monkeypatch.setattr(OutputBuffer, "write", counted_write)
        monkeypatch.setattr(delivery, "encode_all", counted_encode)


@pytest.fixture
def room(server: ThreadServer) -> Iterator[list[Caller]]:
    """A room of three users, the first of whom will send."""
    callers = [server.joined(name) for name in ("alice", "bob", "cid")]
    for caller in callers:
        caller.says("join", room="#hall", n=1)
        caller.hears("room", n=1)
    yield callers
    for caller in callers:
        caller.hang_up()


def said_in_one_breath(server: ThreadServer, users: list[str], to: str) -> None:
    """Process many messages of several connections in one tick, as if from one read each."""
    frames: dict[str, list[ClientFrame]] = {
        user: [Send(new_id(), to, f"{user} {number}") for number in range(_MANY)] for user in users
    }

    def take() -> None:
        for user in users:
            feed(session_of(server, user), encode_all(frames[user]))

    server.run(take)


def any_of(caller: Caller, *tags: str) -> Frame:
    """Return the next frame of one of these kinds."""
    while (frame := caller.next()) is not None and frame["t"] not in tags:
        pass
    assert frame is not None
    return frame


def texts(caller: Caller, count: int) -> list[str]:
    """Return the texts of the next messages, and drop other frames."""
    return [any_of(caller, "message")["text"] for _ in range(count)]


@pytest.mark.parametrize("to", ["bob", "#hall"])
def test_messages_are_encoded_once(
    server: ThreadServer, room: list[Caller], to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One encoding of the messages for all recipients, one of the answers; one write for each connection."""
    eventually(lambda: server.run(lambda: not server.hub.presence._scheduled))  # nothing else is pending
    counted = Counted(monkeypatch)
    said_in_one_breath(server, ["alice"], to)
    for listener in room[1 : 2 if to == "bob" else 3]:
        heard = [listener.hears("message")["text"] for _ in range(_MANY)]
        assert heard == [f"alice {number}" for number in range(_MANY)]
    for _ in range(_MANY):
        room[0].hears("sent", outcome="delivered")
    assert counted.encodings == 2
    assert set(counted.writes.values()) == {1}
    assert len(counted.writes) == (2 if to == "bob" else 3)


def test_runs_in_a_room_are_encoded_once(
    server: ThreadServer, room: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sender's run is encoded once; senders get each other's runs, and all get them in order."""
    eventually(lambda: server.run(lambda: not server.hub.presence._scheduled))
    counted = Counted(monkeypatch)
    said_in_one_breath(server, ["alice", "bob"], "#hall")
    heard = {caller: [any_of(caller, "message", "sent") for _ in range(2 * _MANY)] for caller in room}
    said = {user: [f"{user} {number}" for number in range(_MANY)] for user in ("alice", "bob")}
    for caller, others in zip(room, (said["bob"], said["alice"], said["alice"] + said["bob"]), strict=True):
        assert [frame["text"] for frame in heard[caller] if frame["t"] == "message"] == others
    for caller in room[:2]:
        outcomes = [frame["outcome"] for frame in heard[caller] if frame["t"] == "sent"]
        assert outcomes == ["delivered"] * _MANY
    assert counted.encodings == 4
    assert set(counted.writes.values()) == {1}


@pytest.mark.parametrize("to", ["bob", "#hall"])
def test_nothing_is_encoded_for_nobody(server: ThreadServer, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anyone who would get a message, only the answer is encoded, and nothing if nobody waits for one."""
    with server.joined("bob") as bob:
        bob.enters("#hall")
    eventually(lambda: server.run(lambda: not server.hub.connections))
    with server.joined("alice") as alice:
        alice.enters("#hall")
        counted = Counted(monkeypatch)
        said_in_one_breath(server, ["alice"], to)
        assert [any_of(alice, "sent")["outcome"] for _ in range(_MANY)] == ["stored"] * _MANY
        assert counted.encodings == 1
    eventually(lambda: server.run(lambda: not server.hub.connections))
    written = threading.Event()

    def take() -> None:
        hub = server.hub
        sender = known(server, "alice")
        recipient = hub.rooms.find(sender, to) if to == "#hall" else known(server, to)
        hub.log.append_message(
            Entry(id=id_bytes(new_id()), sender=sender.id, recipient=recipient.id, at=hub.clock(), text="alone")
        )
        hub.after_flush(written.set)

    server.run(take)
    assert written.wait(DEADLINE)
    assert counted.encodings == 1
    with server.joined("bob") as bob:
        assert bob.texts(_MANY + 1)[-1] == "alone"


def choke(server: ThreadServer, user: str) -> None:
    """Fill a user's output beyond its limit before the next delivery."""
    session = session_of(server, user)
    too_much = encode(Pong()) * (server.hub.limits.unsent // len(encode(Pong())) + 1)
    server.hub.after_flush(lambda: session.send(too_much))


def test_sender_with_a_full_socket(server: ThreadServer, room: list[Caller]) -> None:
    """Another user's message right before one's own comes later, if it could not be sent at once."""
    alice, bob, _ = room
    first, second = Send(new_id(), "#hall", "first"), Send(new_id(), "#hall", "second")

    def take() -> None:
        choke(server, "bob")
        hub, session = server.hub, session_of(server, "bob")
        feed(session_of(server, "alice"), encode_all([first]))
        # As if it had come in the same tick, although this connection is not read now.
        room_here = hub.rooms.find(session.require_user(), "#hall")
        origin = Origin(session, session.require_user(), room_here)
        session.charge(messages.queue(hub, origin, second, id_bytes(second.id)))

    server.run(take)
    assert any_of(bob, "message")["text"] == "first"
    assert any_of(alice, "message")["text"] == "second"


def test_burst_is_delivered_from_memory(
    server: ThreadServer, room: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a burst readers get the recent messages from memory, although not at once."""
    alice, bob, _ = room
    pages: list[FeedQuery] = []
    read = server.hub.log.read

    def noted(query: FeedQuery, done: OnResult[FeedPage]) -> None:
        pages.append(query)
        read(query, done)

    monkeypatch.setattr(server.hub.log, "read", noted)

    def take() -> None:
        choke(server, "bob")
        feed(session_of(server, "alice"), encode_all([Send(new_id(), "bob", f"{number}") for number in range(_MANY)]))

    server.run(take)
    assert [any_of(alice, "sent")["outcome"] for _ in range(_MANY)] == ["stored"] * _MANY
    assert texts(bob, _MANY) == [f"{number}" for number in range(_MANY)]
    alice.sends("bob", "and now")
    assert any_of(alice, "sent")["outcome"] == "delivered"
    assert texts(bob, 1) == ["and now"]
    assert pages == []


def test_memory_is_bounded(server: ThreadServer, room: list[Caller]) -> None:
    """Messages that do not fit into the buffer are read from the log, in order."""
    alice, bob, _ = room
    many = 400

    def take() -> None:
        choke(server, "bob")
        for number in range(many):  # one by one, as if others had sent messages in between
            feed(session_of(server, "alice"), encode_all([Send(new_id(), "bob", f"{number}")]))

    server.run(take)
    assert texts(bob, many) == [f"{number}" for number in range(many)]
    assert [any_of(alice, "sent")["outcome"] for _ in range(many)] == ["stored"] * many


def test_connection_that_reads_nothing(server: ThreadServer, room: list[Caller]) -> None:
    """With too much unsent it leaves the fast path of its room, until it reads on from the log."""
    _, bob, cid = room
    many = 100

    def take() -> None:
        session_of(server, "bob").pause_writing()
        said: list[ClientFrame] = [Send(new_id(), "#hall", f"{number:>4000}") for number in range(many)]
        feed(session_of(server, "alice"), encode_all(said))

    server.run(take)
    assert [int(text) for text in texts(cid, many)] == list(range(many))
    session = session_of(server, "bob")
    eventually(lambda: server.run(lambda: session.feed is not None and not session.feed.listening))
    server.run(session.resume_writing)
    assert [int(text) for text in texts(bob, many)] == list(range(many))


def test_own_messages_are_not_delivered(server: ThreadServer) -> None:
    """A room without other members delivers to the sender's other connection only."""
    with server.joined("alice") as alice, server.joined("alice", "listen") as other:
        alice.enters("#alone")
        alice.sends("#alone", "hello?")
        assert alice.hears("sent")["outcome"] == "stored"
        assert other.texts(1) == ["hello?"]


def test_pieces_are_bounded(server: ThreadServer, room: list[Caller], monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the messages, a connection gets tens of kilobytes at a time."""
    sizes: list[int] = []
    try_send = OutputBuffer.try_send

    def noted(output: OutputBuffer, line: bytes) -> bool:
        sizes.append(len(line))
        return try_send(output, line)

    monkeypatch.setattr(OutputBuffer, "try_send", noted)

    def say() -> None:
        for number in range(2000):
            feed(session_of(server, "alice" if number % 2 else "bob"), encode_all([Send(new_id(), "#hall", "x")]))

    server.run(say)
    assert len(room[2].texts(2000)) == 2000
    assert 32_000 < max(sizes) < 100_000


def test_next_batch_is_committed(server: ThreadServer, room: list[Caller], monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a batch commits what came meanwhile, even if nobody is notified."""
    monkeypatch.setattr(server.hub, "tick", lambda _: None)

    def take() -> None:
        server.hub.log.append_change(Barrier())
        server.hub.log.commit()
        feed(session_of(server, "alice"), encode_all([Send(new_id(), "bob", "hello")]))

    server.run(take)
    assert texts(room[1], 1) == ["hello"]


def test_delivery_precedes_the_next_commit() -> None:
    """Output goes out first, and the next batch is committed exactly one tick later."""
    happened: list[str] = []
    soon: list[Callable[[], object]] = []
    batcher = TickBatcher(soon.append, lambda: happened.append("commit"))

    class Told:
        def flush(self) -> None:
            happened.append("told")

    batcher.enqueue(Told())
    soon.pop()()
    assert happened == ["told"]
    batcher.enqueue(Told())
    soon.pop()()
    assert happened == ["told", "commit", "told"]
    batcher.schedule()
    soon.pop()()
    assert happened == ["told", "commit", "told", "commit"]
    assert soon == []


def test_no_task_for_a_message(server: ThreadServer, room: list[Caller]) -> None:
    """A message is processed by plain calls from beginning to end."""
    made: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **more: Any) -> Any:  # noqa: ANN401 (as asyncio has it)
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **more)

    watched: Any = factory  # typeshed wants a future, and asyncio a task
    server.run(lambda: server.loop.set_task_factory(watched))
    said_in_one_breath(server, ["alice"], "#hall")
    said_in_one_breath(server, ["bob"], "alice")
    assert len(room[2].texts(_MANY)) == _MANY
    for _ in range(_MANY):
        any_of(room[1], "sent", "message")
    assert made == []


def test_exceptional_frames_keep_their_place(server: ThreadServer, room: list[Caller]) -> None:
    """Wrong messages and a question among others: each is answered, and the others arrive in order."""
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
