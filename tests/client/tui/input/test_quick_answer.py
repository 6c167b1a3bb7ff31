"""The key that answers a question: what counts as one, and what does not, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatcli.client.chat.questions import Question
from chatcli.client.interactive.render import plain
from chatcli.client.tui.input.quick_answer import QuickAnswer
from chatcli.client.tui.question_bar import question_lines

DEPLOY = Question(seq=11, of="ci", sender="ci", text="Deploy?", choices=("yes", "not now"), until=60_000, ends=60.0)
LUNCH = Question(
    seq=12, of="#ops", sender="bob", text="Lunch?", choices=("soup", "pizza", "nothing"), until=None, ends=60.0
)


class Time:
    """A clock, and what happens later."""

    def __init__(self) -> None:
        self.now = 0.0
        self._later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, function: Callable[[], None]) -> Time._Timer:
        """Call the function when the clock has come so far."""
        entry = (self.now + delay, function)
        self._later.append(entry)
        return Time._Timer(lambda: self._later.remove(entry) if entry in self._later else None)

    class _Timer:
        def __init__(self, cancel: Callable[[], None]) -> None:
            self.cancel = cancel

    def passes(self, seconds: float) -> None:
        """Move the clock."""
        self.now += seconds
        for at, function in [entry for entry in self._later if entry[0] <= self.now]:
            self._later.remove((at, function))
            function()


class Line:
    """An input line, with questions above it."""

    def __init__(self, *, confirms_itself: bool = True) -> None:
        self.time = Time()
        self.questions: list[Question] = []
        self.text = ""
        self.answers: list[tuple[int, int]] = []
        self.key = QuickAnswer(
            first_question=lambda: self.questions[0] if self.questions else None,
            answer=lambda question, choice: self.answers.append((question.seq, choice)),
            clear=self.clear,
            clock=lambda: self.time.now,
            call_later=self.time.call_later,
            confirms_itself=confirms_itself,
        )

    def clear(self) -> None:
        """Empty the line."""
        self.change("")

    def change(self, text: str) -> None:
        """Have another text in the line."""
        self.text = text
        self.key.update(text)

    def types(self, char: str) -> None:
        """Press a key."""
        if char.isdigit() and not self.text:
            self.key.press(char)
        self.change(self.text + char)

    def asks(self, *questions: Question, after: float = 1.0) -> None:
        """Have questions come, and time pass."""
        self.questions += questions
        self.key.update(self.text)
        self.time.passes(after)


@pytest.fixture
def line() -> Line:
    """With nothing in it."""
    return Line()


def test_a_digit_alone_answers(line: Line) -> None:
    """Not before; then the line is empty again."""
    line.asks(DEPLOY)
    line.types("2")
    assert line.key.choice == 1
    line.time.passes(1.4)
    assert line.answers == []
    line.time.passes(0.1)
    assert line.answers == [(11, 1)]
    assert line.text == ""
    assert line.key.choice is None


def test_enter_answers_at_once(line: Line) -> None:
    """And only once."""
    line.asks(DEPLOY)
    line.types("1")
    assert line.key.confirm()
    line.time.passes(5)
    assert line.answers == [(11, 0)]
    assert not line.key.confirm()


def test_more_typing_cancels_the_answer(line: Line) -> None:
    """Nor who takes the digit back; after that another one counts at once."""
    line.asks(DEPLOY)
    for char in "1 moment":
        line.types(char)
    line.time.passes(5)
    assert not line.key.confirm()
    assert (line.answers, line.text) == ([], "1 moment")
    line.clear()
    line.types("1")
    line.clear()
    line.time.passes(5)
    assert line.answers == []
    line.types("2")
    assert line.key.confirm()
    assert line.answers == [(11, 1)]


def test_a_question_just_shown(line: Line) -> None:
    """A digit that was on its way to the line before it could be read is text."""
    line.asks(DEPLOY, after=0.9)
    line.types("1")
    assert line.key.choice is None
    line.time.passes(5)
    assert not line.key.confirm()
    assert (line.answers, line.text) == ([], "1")


def test_a_question_while_typing(line: Line) -> None:
    """Not for as long as anything stands in the line, and a second after that."""
    line.change("1")
    line.asks(DEPLOY, after=5)
    assert not line.key.confirm()
    line.clear()
    line.types("1")
    assert line.key.choice is None
    line.clear()
    line.time.passes(1)
    line.types("1")
    assert line.key.confirm()
    assert line.answers == [(11, 0)]


def test_one_key_too_many(line: Line) -> None:
    """When the first one is answered the second takes its place: that counts as coming just now."""
    line.asks(DEPLOY, LUNCH)
    line.types("1")
    line.questions.pop(0)
    line.change("1")
    assert (line.answers, line.text) == ([], "")  # answered by somebody else, or over: the key was for that one
    line.types("1")
    assert line.key.choice is None


def test_only_what_can_be_chosen_is_a_key(line: Line) -> None:
    """0 declines what one was asked alone; in a room it is left to the others."""
    line.asks(DEPLOY)
    line.types("3")
    assert line.key.choice is None
    line.clear()
    line.types("0")
    assert line.key.confirm()
    line.questions = []
    line.asks(LUNCH)
    line.types("0")
    assert line.key.choice is None
    line.clear()
    line.types("3")
    assert line.key.confirm()
    assert line.answers == [(11, -1), (12, 2)]


def test_enter_must_follow() -> None:
    """As with the keys of vi."""
    line = Line(confirms_itself=False)
    line.asks(DEPLOY)
    line.types("1")
    line.time.passes(60)
    assert line.answers == []
    assert line.key.confirm()
    assert line.answers == [(11, 0)]


def test_the_question_and_its_keys() -> None:
    """The first one; how many more there are is told, and what a key is about to do."""
    lines = plain(question_lines([DEPLOY, LUNCH], None, 80, 5, confirms_itself=True)).split("\n")
    assert lines[0] == "  ?   ci: Deploy?"
    assert lines[1].startswith("      [1] yes  [2] not now  [0] decline  until ")
    assert lines[1].endswith("  · 1 more question waits")
    assert plain(question_lines([LUNCH], None, 80, 5, confirms_itself=True)).split("\n") == [
        "  ?   bob in #ops: Lunch?",
        "      [1] soup  [2] pizza  [3] nothing",
    ]
    assert plain(question_lines([DEPLOY], 1, 100, 5, confirms_itself=True)).split("\n")[1] == (
        '      answering "not now" …  go on typing to say something else,  Backspace to take it back'
    )
    assert "Enter: declining;" in plain(question_lines([DEPLOY], -1, 100, 5, confirms_itself=False))


def test_lines_fit_narrow_windows() -> None:
    """Choices that do not fit beside each other stand below each other, as far as there is room."""
    lines = plain(question_lines([LUNCH], None, 24, 5, confirms_itself=True)).split("\n")
    assert lines == ["  ?   bob in #ops: Lunc…", "      [1] soup", "      [2] pizza", "      [3] nothing"]
    assert plain(question_lines([LUNCH], None, 24, 2, confirms_itself=True)).split("\n") == lines[:2]
    assert question_lines([LUNCH], None, 24, 0, confirms_itself=True) == []
    assert question_lines([], None, 24, 5, confirms_itself=True) == []
