"""How long a client has been silent, measured in ticks."""

from __future__ import annotations

from chatcli.server.connection.deadlines import Deadlines


def test_silence_is_what_passes_without_a_byte() -> None:
    """A byte begins it anew."""
    deadlines = Deadlines()
    deadlines.tick(0.5, 10, alive=False)
    deadlines.tick(0.5, 10, alive=False)
    assert deadlines.elapsed == 1.0
    deadlines.heard = True
    deadlines.tick(0.5, 10, alive=True)
    assert (deadlines.elapsed, deadlines.heard) == (0.0, False)


def test_a_reader_that_takes_anything_is_not_stalled() -> None:
    """It is silent again from the tick in which nothing has left."""
    deadlines = Deadlines()
    deadlines.record_progress(1000)
    deadlines.tick(0.5, 10, alive=False)
    deadlines.record_progress(999)
    assert deadlines.elapsed == 0.0
    deadlines.tick(0.5, 10, alive=False)
    deadlines.record_progress(999)
    assert deadlines.elapsed == 0.5


def test_bad_lines_are_forgiven_with_time() -> None:
    """One in so many seconds, and none is owed."""
    deadlines = Deadlines()
    deadlines.bad_frames = 2
    deadlines.tick(10, 10, alive=False)
    assert deadlines.bad_frames == 1
    deadlines.tick(30, 10, alive=False)
    assert deadlines.bad_frames == 0
