"""Messages arrive: live or later, once, and in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from chatcli.errors import StoreError
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Send
from chatcli.protocol.values.ids import id_bytes
from chatcli.server.handlers.messages import accept
from chatcli.server.limits import Limits
from chatcli.server.state.questions import stored
from chatcli.store.batch import Batch, Entry
from chatcli.store.question_data import QuestionData
from tests.support import (
    DEADLINE,
    Caller,
    Frame,
    ThreadServer,
    eventually,
    feed,
    known,
    new_id,
    session_of,
    sessions_of,
)


def test_message_is_delivered_and_answered(server: ThreadServer) -> None:
    """The recipient gets the message unchanged; the sender gets its place in the log."""
    with server.joined("Alice") as alice, server.joined("bob") as bob:
        text = 'colons: "quotes" \\ tabs\t, lines\n, 🙂 and \x1b[31m'
        identity = alice.sends("BOB", text)
        message = bob.hears("message", id=identity, text=text, to="bob", **{"from": "Alice"})
        alice.hears("sent", id=identity, seq=message["seq"], at=message["at"], outcome="delivered")


def test_offline_messages(server: ThreadServer) -> None:
    """Messages to an absent user are stored, and delivered once and in order when the user joins."""
    server.joined("bob").hang_up()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    with server.joined("alice") as alice:
        for number in range(1200):
            alice.sends("bob", f"{number}")
        for _ in range(1200):
            alice.hears("sent", outcome="stored")
    with server.joined("bob") as bob:
        assert bob.texts(1200) == [f"{number}" for number in range(1200)]
        assert bob.asks_who()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    with server.joined("bob") as bob:
        assert bob.asks_who() == ["bob"]  # the next frame, so nothing came twice


def test_message_that_cannot_be_stored(server: ThreadServer) -> None:
    """Frames have no such text: if one came by a fault, it alone would be refused."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        ids = [new_id() for _ in range(3)]

        def accept_all() -> None:
            session = session_of(server, "alice")
            for identity, text in zip(ids, ("one", "\ud800", "two"), strict=True):
                accept(session, Send(id=identity, to="bob", text=text))

        server.run(accept_all)
        assert [bob.hears("message")["text"] for _ in range(2)] == ["one", "two"]
        alice.hears("sent", id=ids[0])
        alice.hears("error", id=ids[1], code="invalid")
        alice.hears("sent", id=ids[2])


def test_unacknowledged_message(server: ThreadServer) -> None:
    """A message comes again until it is acknowledged."""
    with server.joined("alice") as alice:
        with server.joined("bob") as bob:
            for text in ("one", "two", "three"):
                alice.sends("bob", text)
            one, _, _ = (bob.hears("message") for _ in range(3))
            bob.says("ack", seq=one["seq"])
            bob.asks_who()
        eventually(lambda: server.run(lambda: len(server.hub.connections) == 1))
        with server.joined("bob") as bob:
            assert bob.texts(2) == ["two", "three"]


def test_acknowledgement_ahead_of_the_feed(server: ThreadServer) -> None:
    """An ``ack`` of future messages does not make them disappear."""
    with server.joined("bob") as bob:
        bob.says("ack", seq=2**53 - 1)
        bob.asks_who()
    with server.joined("alice") as alice:
        eventually(lambda: alice.asks_who() == ["alice"])
        alice.sends("bob", "still there")
        alice.hears("sent")
    with server.joined("bob") as bob:
        bob.hears("message", text="still there")


def test_since_resumes_exactly(server: ThreadServer) -> None:
    """With ``since``, the feed goes on after that message, and includes the user's own messages."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.sends("bob", "one")
        one = bob.hears("message", text="one")
        alice.hears("sent")
        alice.sends("bob", "two")
        bob.hears("message", text="two")
        alice.hears("sent")
        bob.sends("alice", "three")
        alice.hears("message", text="three")
        bob.hears("sent")
        bob.hang_up()
        eventually(lambda: alice.asks_who() == ["alice"])
        with server.joined("bob", since=one["seq"]) as again:
            assert again.texts(2) == ["two", "three"]


def test_since_beyond_the_log(server: ThreadServer) -> None:
    """A client with a position beyond the end of the log gets new messages only."""
    with server.joined("alice") as alice, server.joined("bob", since=10**12) as bob:
        alice.sends("bob", "new")
        bob.hears("message", text="new")


def test_retry(server: ThreadServer) -> None:
    """However often a message is sent with the same id, it has one place in the log and arrives once."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        identity = alice.sends("bob", "once")
        first = alice.hears("sent", id=identity)
        for _ in range(3):
            alice.sends("bob", "once", identity)
            assert alice.hears("sent") == first
        alice.sends("bob", "end")
        assert bob.texts(2) == ["once", "end"]


def test_id_of_another_sender(server: ThreadServer) -> None:
    """It is refused, and neither reveals nor replaces the message."""
    with server.joined("alice") as alice, server.joined("bob") as bob, server.joined("eve") as eve:
        identity = alice.sends("bob", "mine")
        alice.hears("sent")
        eve.sends("bob", "other", identity)
        eve.hears("error", code="id_taken", id=identity)
        assert bob.texts(1) == ["mine"]
        assert len(bob.asks_who()) == 3


def test_unknown_name_with_close_names(server: ThreadServer) -> None:
    """A message to an unknown name is refused with close names."""
    with server.joined("alice") as alice, server.joined("Robert"):
        identity = alice.sends("robret", "hi")
        error = alice.hears("error", code="unknown_user", id=identity, names=["Robert"])
        assert "Robert" in error["text"]
        alice.sends("zzz", "hi")
        assert "names" not in alice.hears("error", code="unknown_user")


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty_text"), (" \n", "empty_text"), ("x" * 32769, "text_too_long"), ("é" * 16385, "text_too_long")],
)
def test_impossible_text(server: ThreadServer, text: str, code: str) -> None:
    """Empty and over-long texts are refused, and the connection goes on."""
    with server.joined("alice") as alice:
        identity = alice.sends("alice", text)
        alice.hears("error", code=code, id=identity)
        alice.sends("alice", "é" * 16384)
        alice.hears("sent")


@pytest.mark.parametrize("identity", ["", "1", "01890a5dac96774bbcceb302099a8057", "g" * 36, "é" * 36])
def test_invalid_id(server: ThreadServer, identity: str) -> None:
    """A message id is a UUID in its canonical form."""
    with server.joined("alice") as alice:
        alice.says("send", id=identity, to="alice", text="hi")
        alice.hears("error", code="bad_id", id=identity)


def test_own_messages_reach_other_devices(server: ThreadServer) -> None:
    """A message goes to all connections of both users, but the one that sent it."""
    with server.joined("alice") as alice, server.joined("alice", "listen") as phone, server.joined("bob"):
        alice.sends("bob", "from the desk")
        alice.hears("sent")
        phone.hears("message", text="from the desk", to="bob")
        assert len(alice.asks_who()) == 2


def test_one_order_for_everyone(server: ThreadServer) -> None:
    """With many senders each reader gets strictly increasing places in the log, and nothing twice."""
    with server.joined("bob") as bob:
        speakers = [server.joined(f"speaker{number}", "send") for number in range(8)]
        for number in range(100):
            for index, speaker in enumerate(speakers):
                speaker.sends("bob", f"{index}:{number}")
        messages = [bob.hears("message") for _ in range(800)]
        seqs = [message["seq"] for message in messages]
        assert seqs == sorted(set(seqs))
        for index in range(8):
            own = [message["text"] for message in messages if message["from"] == f"speaker{index}"]
            assert own == [f"{index}:{number}" for number in range(100)]
        for speaker in speakers:
            speaker.hang_up()


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    """Users, messages and read positions are there after a stop and a start."""
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice, server.joined("bob") as bob:
        alice.sends("bob", "read")
        assert bob.texts(1) == ["read"]
        bob.asks_who()
        bob.hang_up()
        alice.sends("bob", "unread")
        assert [alice.hears("sent")["id"] for _ in range(2)]
    with ThreadServer(tmp_path) as server, server.joined("BOB") as bob:
        assert bob.welcome["user"] == "bob"
        assert bob.texts(1) == ["unread"]


def test_stalled_reader(tmp_path: Path) -> None:
    """Others are served meanwhile; its messages stay in the log, and come when it reads on."""
    limits = Limits(unsent=32 * 1024)
    with ThreadServer(tmp_path, limits) as server:
        slow = server.connect(receive_buffer=4096)
        slow.greets("slow")
        slow.hears("welcome")
        with server.joined("alice") as alice, server.joined("bob") as bob:
            text = "x" * 4000
            for number in range(2000):
                alice.sends("slow", f"{number} {text}")
                alice.hears("sent")
            alice.sends("bob", "quick")
            assert bob.texts(1) == ["quick"]
            waiting = server.run(lambda: max(session.output.size for session in sessions_of(server)))
            assert waiting <= limits.unsent + 64 * 1024
            got = [slow.hears("message")["text"].split()[0] for _ in range(2000)]
            assert got == [str(number) for number in range(2000)]
            alice.sends("slow", "live again")
            alice.hears("sent", outcome="delivered")
            slow.hears("message", text="live again")
        slow.hang_up()


def test_flood_is_stored_in_full(tmp_path: Path) -> None:
    """A client that exceeds the limit in flight is not read for a while; all arrives, once."""
    with (
        ThreadServer(tmp_path, Limits(in_flight=20_000, pending=50_000)) as server,
        server.joined("alice", "send") as alice,
        server.joined("bob") as bob,
    ):
        identities = [new_id() for _ in range(3000)]
        lines = b"".join(
            b'{"t":"send","id":"%s","to":"bob","text":"%d"}\n' % (identity.encode(), number)
            for number, identity in enumerate(identities)
        )
        alice.says_raw(lines)
        assert bob.texts(3000) == [str(number) for number in range(3000)]
        assert [alice.hears("sent")["id"] for _ in range(3000)] == identities


# Messages that no connection waits for


def nobodys(server: ThreadServer, sender: str, to: str, text: str, identity: str | None = None) -> Entry:
    """Return a message that no connection of this server has sent. Call it in the server's thread."""
    user = known(server, sender)
    recipient = server.hub.rooms.find(user, to) if to.startswith("#") else known(server, to)
    raw = id_bytes(identity or new_id())
    return Entry(id=raw, sender=user.id, recipient=recipient.id, at=server.hub.clock(), text=text)


def writes(server: ThreadServer, *entries: Entry) -> None:
    """Write messages. Call it in the server's thread."""
    for entry in entries:
        server.hub.log.append_message(entry)
    server.hub.batcher.schedule()


def does(server: ThreadServer, function: Callable[[], None]) -> None:
    """Call a function in the server's thread, and wait until everything that it wrote was delivered."""
    written = threading.Event()

    def call() -> None:
        function()
        server.hub.after_flush(written.set)

    server.run(call)
    assert written.wait(DEADLINE)


def arrives(server: ThreadServer, sender: str, to: str, text: str, identity: str | None = None) -> None:
    """Write a message that no connection of this server has sent, and wait until it was delivered."""
    does(server, lambda: writes(server, nobodys(server, sender, to, text, identity)))


def frames_before_pong(caller: Caller, *tags: str) -> list[Frame]:
    """Return the frames of these kinds that have come."""
    caller.says("ping", n=8)
    found = []
    while (frame := caller.next()) and frame.get("n") != 8:
        if frame["t"] in tags:
            found.append(frame)
    return found


def test_message_of_nobody_here(server: ThreadServer) -> None:
    """It goes to all connections of both users, as any other, and nobody is answered."""
    with (
        server.joined("Alice") as alice,
        server.joined("alice", "listen") as phone,
        server.joined("bob") as bob,
        server.joined("cid") as cid,
    ):
        identity = new_id()
        arrives(server, "Alice", "bob", "from afar", identity)
        message = bob.hears("message", id=identity, text="from afar", to="bob", **{"from": "Alice"})
        assert alice.hears("message") == phone.hears("message") == message
        bob.sends("alice", "answer")
        assert bob.hears("sent")["seq"] == message["seq"] + 1
        assert [frame["text"] for frame in frames_before_pong(alice, "message", "sent")] == ["answer"]
        assert frames_before_pong(cid, "message") == []
        counts = server.hub.counts
        assert server.run(lambda: (counts.messages, counts.delivered)) == (2, 5)


def test_message_of_nobody_here_to_oneself(server: ThreadServer) -> None:
    """All connections of the user get it, once."""
    with server.joined("alice") as alice, server.joined("alice", "listen") as phone:
        arrives(server, "alice", "alice", "note")
        for caller in (alice, phone):
            assert [frame["text"] for frame in frames_before_pong(caller, "message")] == ["note"]


def test_message_of_nobody_here_in_a_room(server: ThreadServer) -> None:
    """It goes to all connections of all members, those of the sender among them; the history is the same."""
    with (
        server.joined("alice") as alice,
        server.joined("alice", "listen") as phone,
        server.joined("bob") as bob,
        server.joined("cid") as cid,
    ):
        alice.enters("#hall")
        bob.enters("#hall")
        arrives(server, "alice", "#hall", "from afar")
        message = bob.hears("message", text="from afar", to="#hall", **{"from": "alice"})
        assert alice.hears("message") == phone.hears("message") == message
        assert bob.asks("history", of="#hall")["messages"] == [message]
        assert frames_before_pong(cid, "message") == []


def test_message_of_nobody_here_in_limited_feeds(server: ThreadServer) -> None:
    """Feeds of tokens get it, on both sides, if it is in one of their places."""
    with server.joined("alice") as alice, server.joined("bob") as bob, server.joined("cid"):
        hooks = []
        for caller, place in ((alice, "bob"), (bob, "alice"), (bob, "cid")):
            token = caller.asks("token", scope="read", to=[place])["token"]
            hook = server.connect()
            hook.says("hello", version=1, purpose="listen", token=token, revision=1)
            hook.hears("welcome")
            hook.hears("live")
            hooks.append(hook)
        arrives(server, "alice", "bob", "from afar")
        assert [[frame["text"] for frame in frames_before_pong(hook, "message")] for hook in hooks] == [
            ["from afar"],
            ["from afar"],
            [],
        ]
        for hook in hooks:
            hook.hang_up()


def test_mixed_batch_of_two(server: ThreadServer) -> None:
    """Messages of connections and of others in one batch arrive in order; only the former are answered."""
    with server.joined("alice") as alice, server.joined("bob") as bob, server.joined("cid") as cid:

        def take() -> None:
            for number in range(0, 12, 4):
                feed(session_of(server, "alice"), encode(Send(new_id(), "bob", f"{number}")))
                writes(server, nobodys(server, "alice", "bob", f"{number + 1}"))
                writes(server, nobodys(server, "alice", "bob", f"{number + 2}"))
                writes(server, nobodys(server, "bob", "alice", f"{number + 3}"), nobodys(server, "cid", "bob", "!"))

        does(server, take)
        heard = frames_before_pong(bob, "message")
        seqs = [frame["seq"] for frame in heard]
        assert seqs == sorted(set(seqs))
        assert [frame["text"] for frame in heard if frame["from"] != "cid"] == [f"{number}" for number in range(12)]
        assert [frame["from"] for frame in heard[:5]] == ["alice", "alice", "alice", "bob", "cid"]
        own = frames_before_pong(alice, "message", "sent")
        assert [frame["text"] for frame in own if frame["t"] == "message"] == [
            f"{number}" for number in range(12) if number % 4
        ]
        assert [frame["outcome"] for frame in own if frame["t"] == "sent"] == ["delivered"] * 3
        assert [frame["text"] for frame in frames_before_pong(cid, "message", "sent")] == ["!"] * 3


def test_mixed_batch_in_a_room(server: ThreadServer) -> None:
    """Each connection gets everything but its own, in order, also as one piece."""
    with server.joined("alice") as alice, server.joined("bob") as bob, server.joined("cid", "listen") as cid:
        for caller in (alice, bob, cid):
            caller.enters("#hall")

        def take() -> None:
            for number in range(0, 12, 4):
                feed(session_of(server, "alice"), encode(Send(new_id(), "#hall", f"{number}")))
                writes(server, nobodys(server, "alice", "#hall", f"{number + 1}"))
                writes(server, nobodys(server, "bob", "#hall", f"{number + 2}"))
                feed(session_of(server, "bob"), encode(Send(new_id(), "#hall", f"{number + 3}")))

        does(server, take)
        for caller, own in ((alice, 0), (bob, 3), (cid, -1)):
            heard = frames_before_pong(caller, "message", "sent")
            texts = [frame["text"] for frame in heard if frame["t"] == "message"]
            assert texts == [f"{number}" for number in range(12) if number % 4 != own]
            assert [frame["outcome"] for frame in heard if frame["t"] == "sent"] == ["delivered"] * (3 * (own >= 0))


def test_receipts_of_a_message_of_nobody_here(server: ThreadServer) -> None:
    """The sender learns when it has been received, and when it has been read; the two are contacts."""
    server.joined("bob").hang_up()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    with server.joined("alice", revision=1) as alice:
        arrives(server, "alice", "bob", "from afar")
        seq = alice.hears("message")["seq"]
        assert server.run(lambda: known(server, "bob") in (known(server, "alice").contacts or ()))
        with server.joined("bob", revision=1) as bob:
            bob.hears("message", seq=seq)
            bob.says("ack", seq=seq)
            alice.hears("receipt", user="bob", received=seq)
            bob.says("read", seq=seq, of="alice")
            alice.hears("receipt", user="bob", seq=seq)


def test_question_and_answer_of_nobody_here(server: ThreadServer) -> None:
    """A question has its choices, and those who wait for its answer get it."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        extra = stored(QuestionData(("yes", "no")), 60, server.hub.clock())

        def ask() -> None:
            question = nobodys(server, "alice", "bob", "Deploy?")
            question.extra = extra
            writes(server, question)

        def answer() -> None:
            answer = nobodys(server, "bob", "alice", "no")
            answer.re, answer.extra = seq, stored(QuestionData(answer=1), None, 0)
            writes(server, answer)

        does(server, ask)
        seq = bob.hears("message", text="Deploy?", choices=["yes", "no"])["seq"]
        alice.hears("message", seq=seq)
        assert "message" not in alice.asks("answers", re=seq)
        does(server, answer)
        message = alice.hears("message", text="no", re=seq, answer=1)
        assert alice.hears("answer", re=seq)["message"] == message


def test_message_of_nobody_here_comes_twice(server: ThreadServer) -> None:
    """It is delivered once; a device that sends it again is answered with the first time."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        identity = new_id()
        arrives(server, "alice", "bob", "once", identity)
        message = bob.hears("message", id=identity)
        arrives(server, "alice", "bob", "once", identity)
        arrives(server, "bob", "alice", "other", identity)
        assert alice.hears("message") == message
        alice.sends("bob", "once", identity)
        alice.hears("sent", id=identity, seq=message["seq"], at=message["at"], outcome="delivered")
        assert frames_before_pong(bob, "message", "error") == []
        assert server.run(lambda: (server.hub.counts.messages, dict(server.hub.counts.refused))) == (1, {})


def test_failed_batch_with_messages_of_nobody_here(server: ThreadServer) -> None:
    """They are dropped; nobody is refused anything."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        batch = Batch()

        def fail() -> None:
            batch.entries.append(nobodys(server, "alice", "bob", "lost"))
            server.hub.committed(batch, StoreError("no space left"))

        server.run(fail)
        assert frames_before_pong(alice, "message", "error") == []
        assert frames_before_pong(bob, "message", "error") == []
        assert server.run(lambda: dict(server.hub.counts.refused)) == {}


@pytest.mark.parametrize(("to", "field", "identity"), [
    ("bob", "sender", 999), ("bob", "recipient", 999), ("#hall", "sender", 999), ("#hall", "recipient", -999),
])  # fmt: skip
def test_unknown_ids(
    server: ThreadServer, to: str, field: str, identity: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages from and to nobody that is known are passed over, which is logged once; the others arrive."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#hall")
        bob.enters("#hall")

        def take() -> None:
            for number in range(3):
                lost = nobodys(server, "alice", to, "lost")
                setattr(lost, field, identity)
                writes(server, nobodys(server, "alice", to, f"{number}"), lost)

        with caplog.at_level(logging.ERROR):
            does(server, take)
            assert [frame["text"] for frame in frames_before_pong(bob, "message")] == ["0", "1", "2"]
        assert len(caplog.messages) == 1
        assert caplog.messages[0].startswith("The log is damaged: message ")
