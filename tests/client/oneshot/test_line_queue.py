"""Lines as messages: in order, bounded, each with one result."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chatcli.client.oneshot.line_queue import Callbacks, LineQueue
from chatcli.client.oneshot.line_source import LineSource
from chatcli.errors import ChatError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, Send, Sent
from chatcli.protocol.in_flight import MAX_MESSAGES


class Input:
    """A pipe, and a queue of its lines."""

    def __init__(self, *recipients: str) -> None:
        self._read_end, self._write_end = os.pipe()
        self.source = LineSource(self._read_end)
        self.outcomes: list[str] = []
        callbacks = Callbacks(answered=self._answered, refused=self._refused, lost=self._lost, notice=lambda _: None)
        self.queue = LineQueue(self.source, recipients, callbacks)

    def write(self, *lines: str) -> None:
        """Write lines, and read them."""
        os.write(self._write_end, "".join(f"{line}\n" for line in lines).encode())
        self.source.wait(0, None, read=True)

    def answer(self, *messages: Send) -> None:
        """Answer messages as stored."""
        for message in messages:
            assert self.queue.receive(Sent(message.id, 1, 1, "stored"))

    def refuse(self, message: Send, code: str) -> None:
        """Answer a message with a refusal."""
        self.queue.receive(Error(code, "No.", id=message.id))

    def close(self) -> None:
        """Close everything."""
        self.source.close()
        os.close(self._read_end)
        os.close(self._write_end)

    def _answered(self, message: Send, answer: Sent | ChatError | None) -> None:
        outcome = "stored" if isinstance(answer, Sent) else "spooled" if answer is None else "failed"
        self.outcomes.append(f"{message.to} {message.text} {outcome}")

    def _refused(self, messages: list[Send], error: Refused) -> None:
        self.outcomes += [f"{message.to} {error.code}" for message in messages]

    def _lost(self, message: Send, _error: ChatError, was_sent: bool) -> None:
        self.outcomes.append(f"{message.to} {message.text} {'unknown' if was_sent else 'unsent'}")


@pytest.fixture
def lines() -> Iterator[Input]:
    """An input for Bob."""
    one = Input("bob")
    yield one
    one.close()


@pytest.fixture
def for_two() -> Iterator[Input]:
    """An input for Bob and Carol."""
    one = Input("bob", "carol")
    yield one
    one.close()


def test_message_for_each_recipient(for_two: Input) -> None:
    """Messages go out in order, and the queue is finished after the input and all answers."""
    for_two.write("one", "two")
    batch = for_two.queue.next_batch()
    assert [(message.to, message.text) for message in batch] == [
        ("bob", "one"),
        ("carol", "one"),
        ("bob", "two"),
        ("carol", "two"),
    ]
    for_two.source.end()
    for_two.answer(*batch[:3])
    assert not for_two.queue.is_finished()
    for_two.answer(batch[3])
    assert for_two.queue.is_finished()


def test_window(lines: Input) -> None:
    """Lines beyond the window stay in the source."""
    lines.write(*map(str, range(MAX_MESSAGES + 1)))
    assert len(lines.queue.next_batch()) == MAX_MESSAGES
    assert not lines.queue.has_room
    assert len(lines.queue) == MAX_MESSAGES


def test_refused_text(lines: Input) -> None:
    """After a refused text the next line is sent; after another refusal none is."""
    lines.write("one", "two")
    first, second = lines.queue.next_batch()
    lines.refuse(first, codes.INVALID)
    assert lines.queue.recipients == ["bob"]
    lines.refuse(second, codes.NOT_ALLOWED)
    assert lines.queue.recipients == []
    assert lines.queue.is_finished()
    assert lines.outcomes == ["bob one failed", "bob two failed"]


def test_message_that_cannot_be_stored(lines: Input) -> None:
    """The next connection starts with it alone; once it is stored, the others follow."""
    lines.write("one", "two", "three")
    first, *_ = lines.queue.next_batch()
    with pytest.raises(ServerUnavailable):
        lines.refuse(first, codes.STORAGE)
    lines.queue.disconnected()
    assert lines.queue.next_batch() == [first]
    assert lines.queue.next_batch() == []
    lines.answer(first)
    assert [message.text for message in lines.queue.next_batch()] == ["two", "three"]


def test_overlong_line(for_two: Input) -> None:
    """It is refused for all recipients, and no part is sent."""
    for_two.queue.set_limits(10, 2000)
    for_two.write("x" * 11, "short")
    assert [message.text for message in for_two.queue.next_batch()] == ["short", "short"]
    assert for_two.outcomes == ["bob text_too_long", "carol text_too_long"]


def test_stored_lines(for_two: Input) -> None:
    """The results of one line are reported together, and removed."""
    for_two.write("one", "two")
    messages = for_two.queue.read_all()
    ids = [message.id for message in messages]
    assert for_two.queue.by_line() == [ids[:2], ids[2:]]
    for_two.queue.stored()
    assert len(for_two.queue) == 0
    assert for_two.outcomes == ["bob one spooled", "carol one spooled", "bob two spooled", "carol two spooled"]


def test_abandoned_lines(lines: Input) -> None:
    """They are counted; those that were sent may have arrived."""
    lines.write("one")
    lines.queue.next_batch()
    lines.write("two", "three")
    assert lines.queue.give_up(ChatError()) == (
        " Whether 1 line arrived is not known. 2 lines, and those after them, were not sent."
    )
    assert lines.outcomes == ["bob one unknown", "bob two unsent", "bob three unsent"]
