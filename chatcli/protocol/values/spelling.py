"""The word that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SIMILAR: Final = 0.6  # of 1, for two words to be similar; 1 for equal ones


def nearest(word: str, known: Iterable[str], similar: float = SIMILAR) -> str:
    """Return the known word that is most similar to ``word``; empty if none is similar enough.

    Args:
        word: the misspelt word.
        known: the words that it may be.
        similar: the least similarity, between 0 and 1.
    """
    import difflib  # noqa: PLC0415 (most words are spelt right)

    return next(iter(difflib.get_close_matches(word, [*known], n=1, cutoff=similar)), "")
