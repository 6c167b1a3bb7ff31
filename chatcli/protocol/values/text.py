"""Makes other people's text safe to display: nothing in it can move a cursor or reorder a line.

Escape sequences in messages have been used to attack the reader's terminal, so all printed text passes through here.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# Tab and line feed pass. Any other character that a terminal would act on is replaced by a visible symbol.
_PASSED: Final = "\t\n"
# Bidirectional overrides and isolates let a line lie about the order of its characters (Unicode TR36, section 3.7);
# marks (U+200E, U+200F, U+061C) belong to honest right-to-left text and stay.
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NEWLINES: Final = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n"}

MAX_DEVICE: Final = 40  # characters in the label of a device

#: Characters besides letters and digits that no shell treats specially; zsh expands a word that begins with "=".
_BARE: Final = frozenset("_@%+=:,./-")

#: The prefix of a line that is a command to paste: such a line is never wrapped.
COMMAND: Final = "    "


def is_text(text: str) -> bool:
    """Return whether ``text`` can be sent: invalid UTF-8 in terminal input and arguments arrives as surrogates."""
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


def device_label(text: str) -> str:
    """Return the label of a device as it is stored: one harmless line, cut where it is too long."""
    return printable_line(text.strip())[:MAX_DEVICE].strip()


def command_line(*words: str) -> str:
    """Return a command for pasting into a shell: indented, with each word quoted where needed."""
    return COMMAND + " ".join(quoted(printable_line(word)) for word in words)


def quoted(word: str) -> str:
    """Return a word quoted for bash, zsh and fish; fish treats some backslashes in quotes as escapes."""
    if word and word.isascii() and not word.startswith("=") and all(char.isalnum() or char in _BARE for char in word):
        return word
    quotes = word.replace("'", "'\"'\"'").replace("\\", "'\\\\'")
    return f"'{quotes}'"


def _harmless(char: str) -> bool:
    return char in _PASSED or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _REORDERING)


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"
