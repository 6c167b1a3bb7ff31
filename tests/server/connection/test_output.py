"""Output to a client: one write per tick, and a limit."""

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
        """Count the flush, and write."""
        self.flushed += 1
        self.output.write()

    def end_tick(self) -> None:
        """Run the scheduled callbacks."""
        while self.soon:
            self.soon.pop()()


@pytest.fixture
def wire() -> FakeWire:
    """The buffer's wire."""
    return FakeWire()


@pytest.fixture
def owner(wire: FakeWire) -> Owner:
    """The owner of a buffer of ten bytes."""
    return Owner(wire)


def test_one_write_per_tick(owner: Owner, wire: FakeWire) -> None:
    """Lines of a tick go out in one write and one flush of the owner; the next tick has another."""
    owner.output.send(b"one\n")
    owner.output.send(b"two\n")
    assert (owner.output.size, wire.calls) == (8, [])
    owner.end_tick()
    assert (owner.output.size, owner.flushed, wire.calls) == (0, 1, [b"one\ntwo\n"])
    owner.output.wake()
    owner.end_tick()
    assert (owner.flushed, wire.calls) == (2, [b"one\ntwo\n"])


def test_limit_of_droppable_output(owner: Owner, wire: FakeWire) -> None:
    """An answer is sent in any case; a stored message and a notice of presence are not."""
    assert owner.output.try_send(b"0123456789\n")
    assert not owner.output.try_send(b"no")
    owner.output.send_droppable(b"no")
    assert owner.output.dropped
    assert owner.output.overfull
    owner.output.send(b"yes")
    owner.end_tick()
    assert wire.calls == [b"0123456789\nyes"]
    assert not owner.output.overfull


def test_answers_to_a_full_socket(owner: Owner, wire: FakeWire) -> None:
    """A client may send much before it reads the first answer, up to a number of unread answers."""
    owner.output.full = True
    assert not owner.output.try_send(b"no")
    wire.unwritten = 10
    assert not owner.output.overfull
    wire.unwritten = 11
    assert owner.output.overfull


def test_closing(owner: Owner, wire: FakeWire) -> None:
    """The buffer, with a farewell in it, is written, and nothing after that."""
    owner.output.send(b"bye\n")
    owner.output.close()
    owner.output.send(b"more")
    assert not owner.output.try_send(b"more")
    owner.end_tick()
    assert wire.calls == [b"bye\n", "close"]


@pytest.mark.parametrize(("error", "calls"), [(RuntimeError, []), (OSError, ["abort"])])
def test_broken_wire(owner: Owner, wire: FakeWire, error: type[Exception], calls: list[str]) -> None:
    """A transport that has just closed is ignored; TLS that cannot send any more is aborted."""
    wire.broken = error
    owner.output.send(b"one\n")
    owner.end_tick()
    assert wire.calls == calls
