"""What counts as read, with a clock that the test sets."""

from __future__ import annotations

import pytest

from chatcli.client.reading.attention import READS, Attention
from chatcli.client.reading.unread_counts import UnreadCounts
from chatcli.protocol.frames import Idle, MarkRead, Ping


class Desk:
    """A person at a terminal, in bob's conversation.

    Attributes:
        now: the time.
        current: the open conversation, and whether the user has opened it.
        is_away: whether they have said so.
        hidden: the messages that have left the window.
    """

    def __init__(self, *, watched: bool = True) -> None:
        self.now = 0.0
        self.current = ("bob", True)
        self.is_away = False
        self.hidden: set[int] = set()
        self.counts = UnreadCounts()
        self.counts.connected(10)
        self.counts.welcomed(10, {})
        self.attention = Attention(
            self.counts,
            lambda: self.current,
            lambda: self.now,
            watched=watched,
            is_away=lambda: self.is_away,
            in_view=lambda _, seq: seq not in self.hidden,
        )
        self.attention.connected(speaks=True)
        self.counts.asked()
        self.counts.live = True

    def comes(self, seq: int, name: str = "bob") -> None:
        """Draw a message."""
        self.counts.add(name, seq)
        self.attention.drawn(name, seq)

    def sends(self, *, now: bool = False) -> list[MarkRead | Idle]:
        """Return the positions that are sent, and whether nobody is there; the ping after them is not answered."""
        return [frame for frame in self.attention.frames(now=now) if not isinstance(frame, Ping)]

    def read(self, name: str = "bob") -> int:
        """Return the position."""
        return self.counts.position(name)


@pytest.fixture
def desk() -> Desk:
    """A terminal that has not reported a focus."""
    return Desk()


def test_a_key_after_the_message(desk: Desk) -> None:
    """A key before it proves nothing."""
    desk.attention.key_pressed()
    desk.comes(11)
    assert desk.read() == 10
    desk.attention.key_pressed()
    assert desk.read() == 11


def test_focus(desk: Desk) -> None:
    """With the focus, and a touch of late, a message is read at once; without the focus, once it is back."""
    desk.attention.focus_changed(has_focus=True)
    desk.comes(11)
    assert desk.read() == 11
    desk.attention.focus_changed(has_focus=False)
    desk.comes(12)
    assert desk.read() == 11
    desk.attention.focus_changed(has_focus=True)
    assert desk.read() == 12


def test_lunch_with_the_focus(desk: Desk) -> None:
    """An untouched terminal reads nothing, though it has the focus; the next key reads all that is drawn."""
    desk.attention.focus_changed(has_focus=True)
    desk.now = 119
    desk.comes(11)
    desk.now = 121
    desk.comes(12)
    assert (desk.read(), desk.attention.is_there) == (11, False)
    desk.attention.key_pressed()
    assert (desk.read(), desk.attention.is_there) == (12, True)


def test_other_conversations(desk: Desk) -> None:
    """Their printed messages stay unread until they are opened, or written to."""
    desk.attention.focus_changed(has_focus=True)
    desk.comes(11, "cid")
    desk.comes(12, "cid")
    desk.attention.key_pressed()
    assert desk.read("cid") == 10
    desk.attention.opened("CID")
    assert desk.read("cid") == 12


def test_a_conversation_that_opened_by_itself(desk: Desk) -> None:
    """Only a key that does not leave it shows that the user has seen it, not the focus."""
    desk.current = ("bob", False)
    desk.attention.focus_changed(has_focus=True)
    desk.comes(11)
    assert desk.read() == 10
    desk.attention.key_pressed()
    desk.current = ("cid", True)
    desk.attention.key_took_effect()
    assert desk.read() == 10
    desk.current = ("bob", False)
    desk.attention.key_took_effect()
    assert desk.read() == 11


def test_what_has_left_the_window(desk: Desk) -> None:
    """It is not read, nor what follows it, until the conversation shows it anew."""
    desk.comes(11)
    desk.comes(12)
    desk.hidden.add(11)
    desk.attention.key_pressed()
    desk.attention.opened("bob")
    assert desk.read() == 10
    desk.comes(13)
    desk.attention.shown_anew("bob", 12)
    assert desk.read() == 12
    desk.comes(14)
    desk.hidden.add(14)
    desk.attention.key_pressed()
    assert desk.read() == 13


def test_away(desk: Desk) -> None:
    """Someone who is away reads nothing, whatever is pressed."""
    desk.attention.focus_changed(has_focus=True)
    desk.is_away = True
    desk.comes(11)
    desk.attention.key_pressed()
    desk.attention.opened("bob")
    assert desk.read() == 10
    desk.is_away = False
    desk.attention.look()
    assert desk.read() == 11


def test_back() -> None:
    """The key that says so has been pressed: what is in view is read as soon as the server knows."""
    desk = Desk()
    desk.is_away = True
    desk.comes(11)
    desk.attention.key_pressed()
    desk.attention.look()
    assert desk.read() == 10
    desk.is_away = False
    desk.attention.look()
    assert desk.read() == 11


def test_pipe() -> None:
    """Nothing is read, and nobody is idle."""
    desk = Desk(watched=False)
    desk.comes(11)
    desk.attention.key_pressed()
    desk.attention.focus_changed(has_focus=True)
    desk.now = 1000
    assert (desk.read(), desk.sends()) == (10, [])


def test_missing_messages_come_first(desk: Desk) -> None:
    """A position does not pass over unread messages that the user was not shown."""
    desk.comes(11)
    desk.counts.counted("bob", unread=3, mentions=0, read=10, upto=11)
    desk.attention.key_pressed()
    assert desk.read() == 10
    desk.counts.showed("bob")
    desk.attention.key_pressed()
    assert desk.read() == 11


def test_positions_are_gathered(desk: Desk) -> None:
    """The first one is sent at once, then the last one of half a second; each conversation for itself."""
    for seq in (11, 12, 13):
        desk.comes(seq)
        desk.attention.key_pressed()
        sent = desk.sends()
        assert sent == ([MarkRead(11, "bob", n=READS)] if seq == 11 else [])
    desk.comes(14, "cid")
    desk.attention.opened("cid")
    assert desk.sends() == [MarkRead(14, "cid", n=READS)]
    assert desk.attention.due_in() == 0.5
    desk.now = 0.5
    assert desk.sends() == [MarkRead(13, "bob", n=READS)]
    desk.comes(15)
    desk.attention.key_pressed()
    assert desk.sends(now=True) == [MarkRead(15, "bob", n=READS)]


def test_positions_that_may_be_lost(desk: Desk) -> None:
    """They are sent again on the next connection, if the server does not know them."""
    desk.comes(11)
    desk.attention.key_pressed()
    assert desk.sends() == [MarkRead(11, "bob", n=READS)]
    desk.counts.connected(11)
    desk.counts.welcomed(10, {})
    desk.attention.connected(speaks=True)
    assert desk.sends(now=True) == [MarkRead(11, "bob", n=READS)]
    desk.counts.connected(11)
    desk.counts.welcomed(10, {"bob": 11})
    desk.attention.connected(speaks=True)
    assert desk.sends(now=True) == []


def test_lost_long_ago(desk: Desk) -> None:
    """However long the way back to the server takes, what it may not have got is sent again."""
    desk.comes(11)
    desk.attention.key_pressed()
    desk.sends()
    desk.now = 10_000
    desk.counts.welcomed(10, {})
    desk.attention.connected(speaks=True)
    assert desk.sends(now=True)[:1] == [MarkRead(11, "bob", n=READS)]


def test_a_position_that_has_arrived_is_not_lost(desk: Desk) -> None:
    """The user may have moved it back on another device meanwhile."""
    desk.comes(11)
    desk.attention.key_pressed()
    position, ping = desk.attention.frames()
    assert isinstance(position, MarkRead)
    assert isinstance(ping, Ping)
    desk.attention.answered(ping.n)
    desk.counts.welcomed(10, {"bob": 10})
    desk.attention.connected(speaks=True)
    assert (desk.sends(now=True), desk.read()) == ([], 10)


def test_marked_as_unread(desk: Desk) -> None:
    """The position goes back, and stays until the conversation is opened."""
    desk.comes(11)
    desk.comes(12)
    desk.attention.key_pressed()
    desk.sends()
    desk.current = ("", True)
    desk.attention.mark_unread("bob", 12)
    desk.attention.key_pressed()
    assert (desk.read(), desk.counts.unread("bob")) == (11, 1)
    assert desk.sends(now=True) == [MarkRead(11, "bob", back=True, n=READS)]
    desk.attention.opened("bob")
    assert desk.read() == 12


def test_moved_on_another_device(desk: Desk) -> None:
    """A position that goes back stays there, though the conversation is open, until it is opened anew."""
    desk.attention.focus_changed(has_focus=True)
    desk.comes(11)
    desk.comes(12)
    desk.attention.moved_elsewhere("bob", 11, back=False)  # from before
    assert desk.read() == 12
    desk.attention.moved_elsewhere("bob", 11, back=True)
    desk.attention.key_pressed()
    desk.comes(13)
    assert (desk.read(), desk.counts.unread("bob")) == (11, 2)
    desk.attention.opened("bob")
    assert desk.read() == 13


@pytest.mark.parametrize("back", [False, True])
def test_two_devices_at_once(desk: Desk, *, back: bool) -> None:
    """A notice handled before this device's own position does not undo it; a later one does."""
    desk.comes(11)
    desk.comes(12)
    desk.attention.key_pressed()
    if back:
        (_, first) = desk.attention.frames()
        assert isinstance(first, Ping)
        desk.attention.answered(first.n)
        desk.current = ("", True)
        desk.attention.mark_unread("bob", 12)
    own = desk.read()
    position, ping = desk.attention.frames(now=True)
    assert position == MarkRead(own, "bob", back=back, n=READS)
    assert isinstance(ping, Ping)
    desk.attention.moved_elsewhere("bob", 10, back=True)
    desk.attention.moved_elsewhere("bob", 12, back=False)
    assert desk.read() == own
    desk.attention.answered(ping.n)
    desk.attention.moved_elsewhere("bob", 10, back=True)
    assert desk.read() == 10


def test_marked_as_unread_elsewhere_before_it_was_sent(desk: Desk) -> None:
    """A position that waits is not sent after that."""
    for seq in (11, 12):
        desk.comes(seq)
        desk.attention.key_pressed()
        for frame in desk.attention.frames():
            if isinstance(frame, Ping):
                desk.attention.answered(frame.n)
    assert desk.read() == 12
    desk.attention.moved_elsewhere("bob", 10, back=True)
    assert (desk.sends(now=True), desk.read()) == ([], 10)


def test_a_count_that_does_not_know_an_unsent_position(desk: Desk) -> None:
    """The position is sent half a second later than the one before; the server counts without it meanwhile."""
    for seq in (11, 12):
        desk.comes(seq)
        desk.attention.key_pressed()
        desk.sends()
    desk.counts.asked()
    desk.counts.counted("bob", unread=1, mentions=0, read=11, upto=12)
    assert (desk.read(), desk.counts.unread("bob")) == (12, 0)
    desk.counts.asked()
    desk.now = 1
    assert len(desk.sends()) == 1
    desk.counts.counted("bob", unread=1, mentions=0, read=11, upto=12)
    assert desk.read() == 12


def test_idle(desk: Desk) -> None:
    """After five minutes the server is told, and at the first touch again; a new connection is told anew."""
    assert desk.attention.due_in() == 300
    desk.now = 300
    assert desk.sends() == [Idle()]
    assert desk.sends() == []
    desk.attention.connected(speaks=True)
    assert desk.sends() == [Idle()]
    desk.attention.key_pressed()
    assert desk.sends() == [Idle(back=True)]


def test_a_server_that_knows_no_positions(desk: Desk) -> None:
    """It is told nothing; what is read here is read."""
    desk.attention.connected(speaks=False)
    desk.comes(11)
    desk.attention.key_pressed()
    desk.now = 400
    assert (desk.read(), desk.sends()) == (11, [])
