"""What is in view, with a window that the test sets."""

from __future__ import annotations

from chatcli.client.reading.screen import Screen, Window


class Glass:
    """A window onto a screen.

    Attributes:
        screen: the screen.
        size: the size of the window.
    """

    def __init__(self, rows: int = 20, columns: int = 80) -> None:
        self.size = Window(rows, columns)
        self.screen = Screen()
        self.screen.window = lambda: self.size

    def prints(self, name: str, first: int, last: int) -> None:
        """Print messages of one row each."""
        for seq in range(first, last + 1):
            self.screen.printed(name, seq, mine=False, row=self.screen.advance(1))

    def in_view(self, name: str = "#dev", upto: int = 100) -> list[int]:
        """Return the messages that are in view."""
        return [seq for seq in range(upto + 1) if self.screen.is_in_view(name, seq)]


def test_the_last_rows_are_in_view() -> None:
    """Whatever they are: messages, answers, notices."""
    glass = Glass()
    glass.prints("#dev", 1, 100)
    assert glass.in_view() == [*range(81, 101)]
    glass.screen.advance(15)
    assert glass.in_view() == [*range(96, 101)]
    glass.screen.clear()
    assert glass.in_view() == []


def test_a_lower_window_hides_rows_for_good() -> None:
    """Not every terminal brings them back when it becomes higher."""
    glass = Glass()
    glass.prints("#dev", 1, 20)
    glass.size = Window(5, 80)
    assert glass.in_view() == [*range(16, 21)]
    glass.size = Window(20, 80)
    assert glass.in_view() == [*range(16, 21)]
    glass.prints("#dev", 21, 30)
    assert glass.in_view() == [*range(16, 31)]


def test_a_narrower_window_breaks_rows() -> None:
    """Each of them may have become two, so that they leave the window sooner."""
    glass = Glass()
    glass.prints("#dev", 1, 20)
    glass.size = Window(20, 50)
    assert glass.in_view() == [*range(11, 21)]
    glass.prints("#dev", 21, 30)
    assert glass.in_view() == [*range(21, 31)]
    glass.prints("#dev", 31, 50)
    assert glass.in_view() == [*range(31, 51)]


def test_printed_last_and_in_view() -> None:
    """A conversation is repeated if a part of it has left the window, or something else came after it."""
    glass = Glass()
    glass.prints("#dev", 1, 20)
    assert glass.screen.shows_last("#DEV", 20, 0)
    glass.prints("#dev", 21, 21)
    assert not glass.screen.shows_last("#dev", 21, 0)
    assert glass.screen.ends_with("#dev", 21, 0)
    glass.prints("bob", 22, 22)
    assert not glass.screen.ends_with("#dev", 21, 0)
    assert glass.screen.has("bob", 22)
    assert glass.screen.count("#dev", 0) == 9
