"""What a word is: how texts are taken apart for the search, and what people write to look for some.

Both sides go the same way, so that what is found does not depend on case, accents or the width of letters. What is
written without spaces between the words, Chinese say, is taken apart into its characters: there a word is a phrase.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import regex

from chatcli.errors import InputError

#: Changes with what this module makes of a text: an index that was made with another one is of no use.
VERSION: Final = f"1 {unicodedata.unidata_version} {regex.__version__}"

_SHORTEST_START: Final = 2  # letters before a ``*``; there is no index of a single one
_MOST_WORDS: Final = 32  # of one search

# The accents of Latin, Greek and Cyrillic letters, and the vowel points of Hebrew and Arabic ones. What combines with
# letters elsewhere makes them other letters.
_ACCENTS: Final = regex.compile(r"[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTERS: Final = rf"[[\p{{L}}\p{{N}}\p{{Co}}]--[{_SPACELESS}]]"
_WORD: Final = regex.compile(rf"(?V1)[{_SPACELESS}\p{{So}}]\p{{M}}*|{_LETTERS}(?:{_LETTERS}|\p{{M}})*")
_PART: Final = regex.compile(r'"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+)')
_QUOTES: Final = str.maketrans("“”„‟«»", '""""""')


def split(text: str) -> list[str]:
    """Return the words of a text, as they are compared."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return _WORD.findall(unicodedata.normalize("NFC", _ACCENTS.sub("", folded)))


def flatten(text: str) -> str:
    """Return the words of a text, with something between them that belongs to none."""
    # What parts the words of such a text is what the index's tokenizer parts them at by itself.
    return text.lower() if text.isascii() else " ".join(split(text))


def parse(text: str) -> str:
    """Turn what someone looks for into an expression for FTS5.

    Raises:
        InputError: it makes no sense, or there is nothing in it to look for.
    """
    text = text.translate(_QUOTES)
    if text.count('"') % 2:
        raise InputError('A quotation mark is missing: a phrase has one at each end, as in "good morning".')
    terms = [term for part in _PART.finditer(text) if (term := _term(part["phrase"], part["word"]))]
    if not terms:
        raise InputError("There is nothing to look for: name a word, the beginning of one as in deploy*, or a phrase.")
    if len(terms) > _MOST_WORDS:
        raise InputError(f"These are too many words: look for {_MOST_WORDS} at most.")
    return " AND ".join(terms)


def _term(phrase: str | None, word: str | None) -> str:
    written = phrase if word is None else word
    words = split(written or "")
    if word is None or not word.endswith("*"):
        return _quoted(words)
    if not words:
        raise InputError("A * stands behind the beginning of a word, as in deploy*.")
    if regex.match(rf"[{_SPACELESS}]", words[-1]):  # it stands for itself
        return _quoted(words)
    if len(words[-1]) < _SHORTEST_START:
        raise InputError(f"A * stands behind {_SHORTEST_START} letters of a word at least, as in de*.")
    return _quoted(words) + " *"


def _quoted(words: list[str]) -> str:
    return f'"{" ".join(words)}"' if words else ""
