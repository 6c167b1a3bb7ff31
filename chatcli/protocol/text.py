"""Makes text that others wrote safe to show: nothing in it can move a cursor or reorder a line.

Escape sequences kept in messages have been used to attack the reader's terminal, so whatever is printed passes here.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# Tab and line feed mean what they say. Everything else that a terminal would act on is shown as a picture of itself.
_KEPT: Final = "\t\n"
# Bidirectional overrides and isolates let a line lie about the order of its characters (Unicode TR36, section 3.7);
# marks (U+200E, U+200F, U+061C) belong to honest right-to-left text and stay.
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NEWLINES: Final = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n"}

#: What no shell reads as anything but itself, beside letters and digits; zsh replaces a word that begins with "=".
_BARE: Final = frozenset("_@%+=:,./-")

#: How a line begins that is a command: such a line is never broken.
COMMAND: Final = "    "


def is_text(text: str) -> bool:
    """Return whether ``text`` can be sent: bytes that were no UTF-8 come from terminals and arguments as surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def printable(text: str) -> str:
    """Return ``text`` with its control characters made visible; line ends become line feeds.

    ``ESC`` comes out as ``␛`` (U+241B), other controls of ASCII likewise, C1 controls and reordering characters as
    ``<U+009B>``.
    """
    if text.isascii() and text.isprintable():
        return text
    for newline, plain in _NEWLINES.items():
        text = text.replace(newline, plain)
    return "".join(char if _harmless(char) else _picture(char) for char in text)


def printable_line(text: str) -> str:
    """Return ``text`` as :func:`printable` does, on one line."""
    return printable(text).replace("\n", "␤").replace("\t", " ")


def command_line(*words: str) -> str:
    """Return a command as it is pasted into a shell, whatever stands in its words: on a line of its own, indented."""
    return COMMAND + " ".join(quoted(printable_line(word)) for word in words)


def quoted(word: str) -> str:
    """Return a word as bash, zsh and fish all read it: fish takes some backslashes in quotes for an escape."""
    if word and word.isascii() and not word.startswith("=") and all(char.isalnum() or char in _BARE for char in word):
        return word
    quotes = word.replace("'", "'\"'\"'").replace("\\", "'\\\\'")
    return f"'{quotes}'"


def _harmless(char: str) -> bool:
    return char in _KEPT or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _REORDERING)


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"
