"""What the client remarks on while it works, heard by nobody unless somebody listens.

The functions that talk to servers return answers and raise what goes wrong. What is neither goes here, as a sentence
for people: what is being done, and what went wrong with something else than what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Hear = Callable[[str], None]

_listening: Final[dict[str, Hear]] = {}


def listen(*, trouble: Hear, detail: Hear | None = None) -> None:
    """From now on, and in the whole process, have these called with each sentence.

    Args:
        trouble: with what went wrong besides.
        detail: with what is being done, if anybody wants to know.
    """
    _listening.clear()
    _listening["trouble"] = trouble
    if detail is not None:
        _listening["detail"] = detail


def detail(sentence: Callable[[], str]) -> None:
    """Say what is being done; the sentence is made only if somebody listens."""
    if "detail" in _listening:
        _listening["detail"](sentence())


def trouble(sentence: str) -> None:
    """Say what went wrong that nobody has asked for just now."""
    if "trouble" in _listening:
        _listening["trouble"](sentence)
