"""The question that waits for the user, as it stands above the input line until it is answered or over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatcli.client.chat.events import day, when
from chatcli.client.chat.questions import Question, asker
from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.widths import columns, cut

_INDENT: Final = " " * 6
_GAP: Final = "  "


def question_lines(
    questions: Sequence[Question], pressed: int | None, width: int, most: int, *, waits: bool, says: str = ""
) -> Fragments:
    """Return the lines: what is asked, then how to answer it, or which answer is about to be given.

    Args:
        questions: those that are open; the first one is shown, the others are counted.
        pressed: the number of the choice whose key was pressed; None where none was.
        width: columns that a line may have.
        most: lines.
        waits: whether a key becomes the answer by itself; else Enter must follow.
        says: what Enter does with the line, which may be meant for the question; empty where it is not.
    """
    if not questions or most <= 0:
        return []
    question = questions[0]
    head = cut(f"  ?   {asker(question)}: {question.text}", width)
    if says:
        below = list(_wrapped([f"{says};", "Ctrl-C drops it"], width))
    elif pressed is None:
        below = list(_wrapped(_ways(question, len(questions) - 1), width))
    else:
        below = list(_wrapped(_about_to(question, pressed, waits=waits), width))
    below = below[: most - 1]
    fragments: Fragments = [("class:question", head)]
    if below:
        fragments.append(("" if pressed is None and not says else "class:choice", "\n" + "\n".join(below)))
    return fragments


def _ways(question: Question, others: int) -> Iterator[str]:
    """Yield what may stand beside each other: the choices with their keys, until when, and how many more wait."""
    for number, choice in enumerate(question.choices, 1):
        yield f"[{number}] {choice}"
    if question.direct:
        yield "[0] decline"
    if question.until is not None:
        yield f"until {when(question.until, day(question.until))}"
    if others:
        yield f"· {others} more {'question waits' if others == 1 else 'questions wait'}"


def _about_to(question: Question, pressed: int, *, waits: bool) -> Iterator[str]:
    what = f'answering "{question.words(pressed)}"' if pressed >= 0 else "declining"
    yield f"{what} …" if waits else f"Enter: {what};"
    yield "go on typing to say something else,"
    yield "Backspace to take it back"


def _wrapped(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Yield indented lines no wider than that, pieces whole unless one is wider than a line."""
    line = ""
    for piece in pieces:
        longer = f"{line}{_GAP}{piece}" if line else f"{_INDENT}{piece}"
        if line and columns(longer) > width:
            yield line
            longer = f"{_INDENT}{piece}"
        line = cut(longer, width)
    if line:
        yield line
