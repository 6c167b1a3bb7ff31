"""What is sent to a client is written once a tick, and has a limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatcli.server.batcher import TickBatcher
from chatcli.server.connection.output import OutputBuffer
from tests.server.connection.wires import FakeWire


class Owner:
    """Flushes its buffer when the tick ends."""

    def __init__(self, wire: FakeWire) -> None:
        self.soon: list[Callable[[], None]] = []
        self.flushed = 0
        self.output = OutputBuffer(wire, TickBatcher(self.soon.append, lambda: None), self, limit=10)

    def flush(self) -> None:
        """Count, and write."""
        self.flushed += 1
        self.output.write()

    def end_tick(self) -> None:
        """Run what was scheduled."""
        while self.soon:
            self.soon.pop()()


@pytest.fixture
def wire() -> FakeWire:
    """What is written to."""
    return FakeWire()


@pytest.fixture
def owner(wire: FakeWire) -> Owner:
    """The owner of a buffer of ten bytes."""
    return Owner(wire)


def test_lines_are_written_together_when_the_tick_ends(owner: Owner, wire: FakeWire) -> None:
    """One write, one flush of the owner; and another one in the tick in which there is more."""
    owner.output.send(b"one\n")
    owner.output.send(b"two\n")
    assert (owner.output.size, wire.calls) == (8, [])
    owner.end_tick()
    assert (owner.output.size, owner.flushed, wire.calls) == (0, 1, [b"one\ntwo\n"])
    owner.output.wake()
    owner.end_tick()
    assert (owner.flushed, wire.calls) == (2, [b"one\ntwo\n"])


def test_the_limit_holds_for_what_can_come_later(owner: Owner, wire: FakeWire) -> None:
    """An answer is sent in any case; a message that the log has, and news of presence, are not."""
    assert owner.output.try_send(b"0123456789\n")
    assert not owner.output.try_send(b"no")
    owner.output.send_droppable(b"no")
    assert owner.output.dropped
    assert owner.output.overfull
    owner.output.send(b"yes")
    owner.end_tick()
    assert wire.calls == [b"0123456789\nyes"]
    assert not owner.output.overfull


def test_a_full_socket_takes_answers_until_too_many_wait(owner: Owner, wire: FakeWire) -> None:
    """A client that sends much before it reads the first answer must not wait for itself."""
    owner.output.full = True
    assert not owner.output.try_send(b"no")
    wire.unwritten = 10
    assert not owner.output.overfull
    wire.unwritten = 11
    assert owner.output.overfull


def test_closing_writes_the_rest_and_nothing_more(owner: Owner, wire: FakeWire) -> None:
    """A farewell that is in the buffer is the last of it."""
    owner.output.send(b"bye\n")
    owner.output.close()
    owner.output.send(b"more")
    assert not owner.output.try_send(b"more")
    owner.end_tick()
    assert wire.calls == [b"bye\n", "close"]


@pytest.mark.parametrize(("error", "calls"), [(RuntimeError, []), (OSError, ["abort"])])
def test_a_broken_wire_spoils_nothing_else(
    owner: Owner, wire: FakeWire, error: type[Exception], calls: list[str]
) -> None:
    """A transport that has just been closed is ignored; TLS that cannot send any more is aborted."""
    wire.broken = error
    owner.output.send(b"one\n")
    owner.end_tick()
    assert wire.calls == calls
