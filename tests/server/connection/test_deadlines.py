"""Silence of clients, measured in ticks."""

from __future__ import annotations

from chatcli.server.connection.deadlines import Deadlines


def test_silence() -> None:
    """Silence is the time without a byte, and each byte ends it."""
    deadlines = Deadlines()
    deadlines.tick(0.5, 10, alive=False)
    deadlines.tick(0.5, 10, alive=False)
    assert deadlines.elapsed == 1.0
    deadlines.received = True
    deadlines.tick(0.5, 10, alive=True)
    assert (deadlines.elapsed, deadlines.received) == (0.0, False)


def test_reader_that_reads_a_little() -> None:
    """A reader that reads anything is not stalled; silence starts at the tick in which nothing was sent."""
    deadlines = Deadlines()
    deadlines.record_progress(1000)
    deadlines.tick(0.5, 10, alive=False)
    deadlines.record_progress(999)
    assert deadlines.elapsed == 0.0
    deadlines.tick(0.5, 10, alive=False)
    deadlines.record_progress(999)
    assert deadlines.elapsed == 0.5


def test_bad_lines_are_forgiven() -> None:
    """One bad line is forgiven in each period, and the count does not go below zero."""
    deadlines = Deadlines()
    deadlines.bad_frames = 2
    deadlines.tick(10, 10, alive=False)
    assert deadlines.bad_frames == 1
    deadlines.tick(30, 10, alive=False)
    assert deadlines.bad_frames == 0
