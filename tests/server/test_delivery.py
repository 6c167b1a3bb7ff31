"""Messages arrive: live or later, once, and in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.server.limits import Limits
from tests.support import ThreadServer, eventually, new_id, sessions_of


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
