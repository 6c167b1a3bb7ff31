"""Splits texts into words for the search index, and parses what users search for.

Both are normalised alike, so that case, accents and the width of letters do not matter. Scripts without spaces between
words, such as Chinese, are split into characters: there a word is a phrase.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import regex

from chatcli.errors import InputError

#: Changes with the words of a text: an index of another version is useless.
VERSION: Final = f"1 {unicodedata.unidata_version} {regex.__version__}"

_MIN_PREFIX: Final = 2  # letters before a ``*``; single ones are not indexed
_MAX_WORDS: Final = 32  # of one search

# The accents of Latin, Greek and Cyrillic letters, and the vowel points of Hebrew and Arabic ones. Other combining
# characters make other letters.
_ACCENTS: Final = regex.compile(r"[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTERS: Final = rf"[[\p{{L}}\p{{N}}\p{{Co}}]--[{_SPACELESS}]]"
_WORD: Final = regex.compile(rf"(?V1)[{_SPACELESS}\p{{So}}]\p{{M}}*|{_LETTERS}(?:{_LETTERS}|\p{{M}})*")
_PART: Final = regex.compile(r'"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+)')
_QUOTES: Final = str.maketrans("“”„‟«»", '""""""')


def split(text: str) -> list[str]:
    """Return the normalised words of a text."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return _WORD.findall(unicodedata.normalize("NFC", _ACCENTS.sub("", folded)))


def flatten(text: str) -> str:
    """Return the words of a text for the index's own tokenizer, which splits them at spaces and punctuation."""
    # It splits the words of an ASCII text where split() does.
    return text.lower() if text.isascii() else " ".join(split(text))


def parse(text: str) -> str:
    """Return the FTS5 expression for a search text.

    Raises:
        InputError: it is malformed, or has no words.
    """
    text = text.translate(_QUOTES)
    if text.count('"') % 2:
        raise InputError('A quotation mark is missing: a phrase has one at each end, as in "good morning".')
    terms = [term for part in _PART.finditer(text) if (term := _term(part["phrase"], part["word"]))]
    if not terms:
        raise InputError("There is nothing to look for: name a word, the beginning of one as in deploy*, or a phrase.")
    if len(terms) > _MAX_WORDS:
        raise InputError(f"These are too many words: look for {_MAX_WORDS} at most.")
    return " AND ".join(terms)


def _term(phrase: str | None, word: str | None) -> str:
    written = phrase if word is None else word
    words = split(written or "")
    if word is None or not word.endswith("*"):
        return _quoted(words)
    if not words:
        raise InputError("A * follows the beginning of a word, as in deploy*.")
    if regex.match(rf"[{_SPACELESS}]", words[-1]):  # such a character is a word itself
        return _quoted(words)
    if len(words[-1]) < _MIN_PREFIX:
        raise InputError(f"A * follows at least {_MIN_PREFIX} letters of a word, as in de*.")
    return _quoted(words) + " *"


def _quoted(words: list[str]) -> str:
    return f'"{" ".join(words)}"' if words else ""
