"""Finds names in a text: as a word, in scripts without spaces between words, and after ``@``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

#: Letters of scripts without spaces between words: Han, Hiragana, Katakana, Bopomofo, Thai, Lao, Tibetan, Myanmar,
#: Khmer, Tai and Javanese. A name among them begins and ends anywhere.
_SIDE_BY_SIDE: Final = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u3038-\u303c\u3041-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua980-\ua9ff"
    "\uaa60-\uaadf\uf900-\ufaff\U00016fe0-\U00018cff\U0001aff0-\U0001b16f\U00020000-\U000323af"
)
#: Hangul, where what follows a name is written together with it.
_HANGUL: Final = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"


def mentions(text: str, user: str) -> bool:
    """Return whether a text has a name as a word; one of a single letter only after ``@``, as it may be a word."""
    name, text = _folded(user), _folded(text)
    return name in text and _has(text, name, at_only=len(name) == 1)


def has_word(text: str, words: Iterable[str]) -> bool:
    """Return whether a text has one of these words, or rows of words."""
    text = _folded(text)
    return any(word in text and _has(text, word, at_only=False) for word in map(_folded, words))


def _has(text: str, word: str, *, at_only: bool) -> bool:
    found = _pattern(word, at_only=at_only).finditer(text)
    # A sign above or below the last letter makes another letter of it.
    return any(not unicodedata.category(text[match.end() : match.end() + 1] or " ").startswith("M") for match in found)


def _folded(text: str) -> str:
    """Return a text without differences of case and width."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=256)
def _pattern(word: str, *, at_only: bool) -> re.Pattern[str]:
    """Return the pattern of a word: neither in another one nor in an address of mail."""
    after_a_word = rf"(?<![^\W{_SIDE_BY_SIDE}])(?<![@-])"
    after_at = f"{after_a_word}@"
    free = "" if _needs_no_boundary(word[0]) else after_a_word
    begins = after_at if at_only else f"(?:{after_at}|{free})"
    ends = "" if _needs_no_boundary(word[-1]) else rf"(?![^\W{_SIDE_BY_SIDE}{_HANGUL}])(?!-)"
    return re.compile(f"{begins}{re.escape(word)}{ends}")


def _needs_no_boundary(char: str) -> bool:
    return re.match(f"[{_SIDE_BY_SIDE}]", char) is not None
