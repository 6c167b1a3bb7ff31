"""Remarks of the client while it works, which are lost unless the program listens for them.

Functions that talk to servers return answers and raise errors. Anything else goes here, as a sentence for people: what
they are doing, and what went wrong beside the request. It is not ``logging``, whose import ``chatcli send`` would feel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Report = Callable[[str], None]

_listening: Final[dict[str, Report]] = {}


def listen(*, trouble: Report, detail: Report | None = None) -> None:
    """Have these called with each sentence from now on, in the whole process.

    Args:
        trouble: called with what went wrong beside the request.
        detail: called with what is being done.
    """
    _listening.clear()
    _listening["trouble"] = trouble
    if detail is not None:
        _listening["detail"] = detail


def detail(sentence: Callable[[], str]) -> None:
    """Report what is being done; the sentence is made only if the program listens."""
    if "detail" in _listening:
        _listening["detail"](sentence())


def trouble(sentence: str) -> None:
    """Report what went wrong beside the request."""
    if "trouble" in _listening:
        _listening["trouble"](sentence)
