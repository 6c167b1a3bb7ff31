"""The window of messages in flight: bounded, in order, and each message answered once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatcli.protocol.frames import Send
from chatcli.protocol.in_flight import MAX_BYTES, MAX_MESSAGES, InFlight


def _message(number: int, size: int = 2) -> Send:
    return Send(f"{number:04}", "bob", "x" * size)


def _ids(messages: list[Send]) -> list[str]:
    return [message.id for message in messages]


def test_messages_leave_in_order() -> None:
    """A message is sent once on a connection."""
    window = InFlight(map(_message, range(2)))
    window.add(_message(2))
    assert _ids(window.next_batch()) == ["0000", "0001", "0002"]
    assert window.next_batch() == []
    assert len(window) == 3


def test_known_messages() -> None:
    """A message that is added twice is sent once, in its first place."""
    window = InFlight([_message(1), _message(2), _message(1)])
    assert _ids(window.next_batch()) == ["0001", "0002"]


def test_refill_at_half_a_window() -> None:
    """No more is sent until half of the window is answered."""
    window = InFlight(map(_message, range(MAX_MESSAGES + 50)))
    sent = window.next_batch()
    assert len(sent) == MAX_MESSAGES
    for message in sent[: MAX_MESSAGES // 2 - 1]:
        window.resolve(message.id)
    assert window.next_batch() == []
    window.resolve(sent[-1].id)
    assert len(window.next_batch()) == 50


def test_larger_than_the_window() -> None:
    """A message larger than the window waits until nothing else is in flight."""
    window = InFlight([_message(1), _message(2, MAX_BYTES + 1), _message(3)])
    for identity in ("0001", "0002", "0003"):
        assert _ids(window.next_batch()) == [identity]
        assert window.next_batch() == []
        window.resolve(identity)


def test_sizes_in_utf_8() -> None:
    """Sizes are in bytes of UTF-8, which is what the server has in memory."""
    window = InFlight(Send(identity, "bob", "😀" * (MAX_BYTES // 4)) for identity in "12")
    assert _ids(window.next_batch()) == ["1"]


def test_room() -> None:
    """Unsent messages fill the window, too."""
    assert InFlight(map(_message, range(MAX_MESSAGES - 1))).has_room
    assert not InFlight(map(_message, range(MAX_MESSAGES))).has_room
    assert not InFlight([_message(1, MAX_BYTES)]).has_room


def test_answers_count_once() -> None:
    """A second answer, and one to an unknown message, changes nothing."""
    window = InFlight([_message(1)])
    window.next_batch()
    assert window.resolve("0001") == _message(1)
    assert window.resolve("0001") is window.resolve("0009") is window.resolve(None) is None
    assert "0001" not in window


def test_lost_connection() -> None:
    """Unanswered messages are sent again in order, before those that were never sent."""
    window = InFlight([_message(1), _message(2)])
    window.next_batch()
    window.add(_message(3))
    window.resolve("0001")
    window.disconnected()
    assert _ids(window.next_batch()) == ["0002", "0003"]


def test_possibly_stored() -> None:
    """A message that was sent on any connection may be stored, until the server says that it is not."""
    window = InFlight([_message(1)])
    assert not window.was_sent("0001")
    window.next_batch()
    window.disconnected()
    assert window.was_sent("0001")
    window.postpone("0001")
    assert not window.was_sent("0001")


def test_postponed_messages() -> None:
    """A message that was not stored is sent again in its place; with ``most=1`` one at a time."""
    window = InFlight(map(_message, range(1, 4)))
    window.next_batch(2)
    window.postpone("0002")
    window.postpone("0001")
    assert _ids(window.next_batch(1)) == ["0001"]
    assert window.next_batch(1) == []
    window.resolve("0001")
    assert _ids(window.next_batch(1)) == ["0002"]


@given(st.lists(st.integers(1, MAX_BYTES * 2), max_size=30))
def test_window_is_bounded(sizes: list[int]) -> None:
    """No batch is larger than the window, unless it is one message."""
    window = InFlight(_message(number, size) for number, size in enumerate(sizes))
    while batch := window.next_batch():
        assert len(batch) == 1 or sum(len(message.text) for message in batch) <= MAX_BYTES
        for message in batch:
            window.resolve(message.id)
    assert len(window) == 0


class Delivery(RuleBasedStateMachine):
    """A server that answers in any order, on connections that break at any time."""

    @initialize(count=st.integers(0, 300))
    def start(self, count: int) -> None:
        """Start with some messages."""
        self.window = InFlight(map(_message, range(count)))
        self.added = count
        self.unanswered = [f"{number:04}" for number in range(count)]
        self.on_this_connection: list[str] = []
        self.answered: set[str] = set()

    @rule(size=st.sampled_from((1, 10_000, MAX_BYTES)))
    def add(self, size: int) -> None:
        """Add a message."""
        self.window.add(_message(self.added, size))
        self.unanswered.append(f"{self.added:04}")
        self.added += 1

    @rule(most=st.sampled_from((1, MAX_MESSAGES)))
    def send(self, most: int) -> None:
        """Send messages: in order, and answered ones never again."""
        batch = _ids(self.window.next_batch(most))
        assert not self.answered.intersection(batch)
        waiting = [identity for identity in self.unanswered if identity not in self.on_this_connection]
        assert batch == waiting[: len(batch)]
        assert batch or not waiting or self.in_flight()
        self.on_this_connection += batch

    def in_flight(self) -> list[str]:
        """Return the ids of unanswered messages sent on this connection."""
        return [identity for identity in self.on_this_connection if identity not in self.answered]

    @precondition(lambda self: self.in_flight())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Answer a message; each is acknowledged once."""
        identity = data.draw(st.sampled_from(self.in_flight()))
        message = self.window.resolve(identity)
        assert message is not None
        assert message.id == identity
        assert self.window.resolve(identity) is None
        self.answered.add(identity)
        self.unanswered.remove(identity)

    @precondition(lambda self: self.in_flight())
    @rule(data=st.data())
    def refuse_for_now(self, data: st.DataObject) -> None:
        """Postpone a message that the server could not store."""
        identity = data.draw(st.sampled_from(self.in_flight()))
        self.window.postpone(identity)
        self.on_this_connection.remove(identity)

    @rule()
    def disconnect(self) -> None:
        """Lose the connection."""
        self.window.disconnected()
        self.on_this_connection.clear()

    @invariant()
    def nothing_is_lost(self) -> None:
        """Check that the window has all unanswered messages, in order."""
        assert _ids(self.window.unanswered()) == self.unanswered
        assert len(self.in_flight()) <= MAX_MESSAGES


TestDelivery = Delivery.TestCase
