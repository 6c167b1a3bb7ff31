"""Positions that somebody else has moved: they are announced apart from being moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chatcli.server.model import Room, User
from chatcli.server.state import read_positions
from tests.support import Caller, Frame, ThreadServer, eventually, known


@pytest.fixture
def sender(server: ThreadServer) -> Iterator[Caller]:
    """A client of Alice's that knows of received messages."""
    with server.joined("alice", "send", revision=1) as caller:
        yield caller


@pytest.fixture
def device(server: ThreadServer) -> Iterator[Caller]:
    """The only device of Bob's on this server."""
    with server.joined("bob", revision=1) as caller:
        caller.hears("live")
        yield caller


def says(caller: Caller, to: str) -> int:
    """Send a message, and return its place in the log."""
    caller.sends(to, "hi")
    return int(caller.hears("sent")["seq"])


def notices(caller: Caller, tag: str) -> list[Frame]:
    """Return the frames of one kind that have come."""
    caller.says("ping", n=8)
    found = []
    while (frame := caller.next()) and frame.get("n") != 8:
        if frame["t"] == tag:
            found.append(frame)
    return found


def reads(server: ThreadServer, user: User, of: User | Room, seq: int) -> Callable[[], int]:
    """Move a position as if another server had; return the function that announces it here."""
    before = read_positions.positions(user, of.id)
    assert server.run(lambda: read_positions.move(server.hub.log, user, of.id, seq, public=True))
    return lambda: server.run(lambda: server.hub.receipts.announce_read(user, of, before))


def test_read_elsewhere(server: ThreadServer, sender: Caller, device: Caller) -> None:
    """Nobody learns of it before it is announced; then all devices do, and the sender."""
    seq = says(sender, "bob")
    announce = reads(server, known(server, "bob"), known(server, "alice"), seq)
    assert notices(device, "read") == notices(sender, "receipt") == []
    assert announce() == 2
    assert notices(device, "read") == [{"t": "read", "seq": seq, "of": "alice"}]
    assert [notice["seq"] for notice in notices(sender, "receipt")] == [seq]
    assert announce() == 1  # nobody waits any more
    assert notices(sender, "receipt") == []


def test_read_elsewhere_in_a_room(server: ThreadServer, sender: Caller, device: Caller) -> None:
    """Those who watch the room learn of it."""
    for caller in (sender, device):
        caller.enters("#ops")
    seq = says(sender, "#ops")
    sender.asks("receipts", to="#ops", watch=True)
    room = server.run(lambda: server.hub.rooms.find_hidden("#ops"))
    assert room is not None
    assert reads(server, known(server, "bob"), room, seq)() == 2
    (notice,) = notices(sender, "receipt")
    assert (notice["user"], notice["to"], notice["seq"]) == ("bob", "#ops", seq)


@pytest.mark.parametrize("is_public", [True, False])
def test_all_read_elsewhere(server: ThreadServer, sender: Caller, device: Caller, *, is_public: bool) -> None:
    """Senders learn of the public part alone."""
    seq = says(sender, "bob")
    bob = known(server, "bob")
    before = bob.public_read
    assert server.run(lambda: read_positions.move_all(server.hub.log, bob, seq, public=is_public))
    assert notices(device, "read") == notices(sender, "receipt") == []
    assert server.run(lambda: server.hub.receipts.announce_all_read(bob, before, seq)) == 1 + is_public
    assert notices(device, "read") == [{"t": "read", "seq": seq}]
    assert [notice["seq"] for notice in notices(sender, "receipt")] == [seq] * is_public


def test_received_elsewhere(server: ThreadServer, sender: Caller) -> None:
    """The sender learns that it has come to somebody who was not here."""
    server.joined("bob").hang_up()
    eventually(lambda: server.run(lambda: not known(server, "bob").sessions))
    seq = says(sender, "bob")
    bob = known(server, "bob")
    assert server.run(lambda: read_positions.receive(server.hub.log, bob, seq))
    assert not server.run(lambda: read_positions.receive(server.hub.log, bob, seq))
    assert notices(sender, "receipt") == []
    assert server.run(lambda: server.hub.receipts.announce_received(bob)) == 1
    assert notices(sender, "receipt") == [{"t": "receipt", "user": "bob", "seq": 0, "received": seq}]
    assert server.run(lambda: server.hub.receipts.announce_received(bob)) == 0


def test_device_that_knows_already(server: ThreadServer, sender: Caller, device: Caller) -> None:
    """It is not told of what it has said itself."""
    seq = says(sender, "bob")
    with server.joined("bob", present="attach", revision=1) as other:
        other.hears("message")
        other.says("read", of="alice", seq=seq)
        assert notices(other, "read") == []
        assert notices(device, "read") == [{"t": "read", "seq": seq, "of": "alice"}]
