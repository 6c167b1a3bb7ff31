"""The first open question, shown above the input line until it is answered or closed."""

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
    questions: Sequence[Question], pressed: int | None, width: int, most: int, *, confirms_itself: bool, doubt: str = ""
) -> Fragments:
    """Return the lines: the question, then the keys that answer it, or the answer that is about to be given.

    Args:
        questions: the open questions; the first one is shown, the others are counted.
        pressed: the index of the choice whose key was pressed, or None.
        width: maximum columns of a line.
        most: maximum number of lines.
        confirms_itself: whether a key becomes the answer after a while; otherwise Enter must follow.
        doubt: what Enter does with the typed line, if that line may be meant as an answer.
    """
    if not questions or most <= 0:
        return []
    question = questions[0]
    head = cut(f"  ?   {asker(question)}: {question.text}", width)
    if doubt:
        below = list(_wrapped([f"{doubt};", "Ctrl-C drops it"], width))
    elif pressed is None:
        below = list(_wrapped(_choices(question, len(questions) - 1), width))
    else:
        below = list(_wrapped(_about_to(question, pressed, confirms_itself=confirms_itself), width))
    below = below[: most - 1]
    fragments: Fragments = [("class:question", head)]
    if below:
        fragments.append(("" if pressed is None and not doubt else "class:choice", "\n" + "\n".join(below)))
    return fragments


def _choices(question: Question, others: int) -> Iterator[str]:
    """Yield the choices with their keys, the deadline, and the number of other questions."""
    for number, choice in enumerate(question.choices, 1):
        yield f"[{number}] {choice}"
    if question.direct:
        yield "[0] decline"
    if question.until is not None:
        yield f"until {when(question.until, day(question.until))}"
    if others:
        yield f"· {others} more {'question waits' if others == 1 else 'questions wait'}"


def _about_to(question: Question, pressed: int, *, confirms_itself: bool) -> Iterator[str]:
    what = f'answering "{question.words(pressed)}"' if pressed >= 0 else "declining"
    yield f"{what} …" if confirms_itself else f"Enter: {what};"
    yield "go on typing to say something else,"
    yield "Backspace to take it back"


def _wrapped(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Yield indented lines of whole pieces; a piece wider than a line is cut."""
    line = ""
    for piece in pieces:
        longer = f"{line}{_GAP}{piece}" if line else f"{_INDENT}{piece}"
        if line and columns(longer) > width:
            yield line
            longer = f"{_INDENT}{piece}"
        line = cut(longer, width)
    if line:
        yield line
