"""Control sequences from a terminal: where each one ends, and the keys in the newer encodings.

A terminal sends more than keys: answers to requests, and reports of the mouse and of the focus. The forms are those of
ECMA-48; the encodings of keys are kitty's protocol (``CSI code ; modifiers u``) and xterm's modifyOtherKeys
(``CSI 27 ; modifiers ; code ~``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: The sequences around pasted text.
PASTE_BEGIN: Final = "\x1b[200~"
PASTE_END: Final = "\x1b[201~"

_STRING_END: Final = r"(?:\x07|\x9c|\x1b\\)"
_WHOLE: Final = re.compile(
    r"\x1b\[M[^\x00-\x1f]{3}"  # the mouse, as X10 has it
    r"|\x1b\[\[[A-Z]"  # the Linux console's F1 to F5
    r"|\x1b\[[0-?]*[ -/]*[@-LN-Z\\-~]"  # CSI
    r"|\x1b\[[0-?]+M"
    rf"|\x1b\][^\x00-\x1f\x9c]*{_STRING_END}"  # OSC
    rf"|\x1b[PX^_][^\x00-\x1f\x9c]*{_STRING_END}"  # DCS, SOS, PM, APC
)
# The beginning of such a sequence. Alt-], Alt-P and the like send the same two characters, so the rest of a string is
# awaited only if what follows looks like an answer.
_PART: Final = re.compile(
    r"\x1b(?:\[(?:\[|M[^\x00-\x1f]{0,2}|[0-?]*[ -/]*)?"
    r"|\](?:[0-9lLI][^\x00-\x1f\x9c]*\x1b?)?"
    r"|P(?:[0-9>!$+|][^\x00-\x1f\x9c]*\x1b?)?"
    r"|_(?:G[^\x00-\x1f\x9c]*\x1b?)?"
    r"|O[0-9;]*)?\Z"
)
_CODED: Final = re.compile(r"\x1b\[(\d+)(?::(\d*))?(?::(\d*))?(?:;(\d*)(?::(\d*))?)?(?:;([\d:]*))?u")
_OTHER: Final = re.compile(r"\x1b\[27;(\d+);(\d+)~")

_SHIFT, _ALT, _CTRL, _CAPS_LOCK = 1, 2, 4, 64
_FOREIGN: Final = 8 | 16 | 32  # super, hyper and meta
_RELEASED: Final = 3
_KEYPAD: Final = {57399 + number: char for number, char in enumerate("0123456789./*-+\r=,")}
_KEYPAD[57414] = "\r"
_PRIVATE: Final = range(57344, 63744)  # codes of keys that stand for no character
_LAST: Final = 0x10FFFF
_BACKSPACE: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A key press in one of the newer encodings.

    Attributes:
        code: the character of the key, or its number if it has none.
        shift: whether Shift was held; likewise ``alt`` and ``ctrl``.
        text: the text that the key types; empty if it types none.
    """

    code: int
    shift: bool
    alt: bool
    ctrl: bool
    text: str


def end(text: str, start: int) -> int | None:
    """Return the end of the sequence that begins at ``start``; None if there is none, or only a part of one."""
    found = _WHOLE.match(text, start)
    return found.end() if found else None


def is_part(text: str) -> bool:
    """Return whether a text may be the beginning of a sequence."""
    return _PART.match(text) is not None


def stroke(sequence: str) -> Stroke | None:
    """Return the key of a sequence; None if it is not a key press."""
    if coded := _CODED.fullmatch(sequence):
        code, shifted, base, modifiers, event, text = coded.groups()
        if event and int(event) == _RELEASED:
            return None
        chars = "".join(_character(int(one)) for one in (text or "").split(":") if one)
        return _stroke(int(code), int(modifiers or 1) - 1, int(shifted or 0), int(base or 0), chars)
    if other := _OTHER.fullmatch(sequence):
        return _stroke(int(other[2]), int(other[1]) - 1)
    return None


def _stroke(code: int, modifiers: int, shifted: int = 0, base: int = 0, text: str = "") -> Stroke | None:
    ctrl, alt, shift = bool(modifiers & _CTRL), bool(modifiers & _ALT), bool(modifiers & _SHIFT)
    code = ord(_KEYPAD[code]) if code in _KEYPAD else code
    if not text and modifiers & _FOREIGN:
        return None
    if not text and not ctrl and code not in _PRIVATE:
        text = _character(shifted) if shift and shifted else _character(code)
        if (shift and not shifted) != bool(modifiers & _CAPS_LOCK) and len(text.upper()) == 1:
            text = text.upper()
    if (ctrl or alt) and code > 0x7F and 0x20 < base < 0x7F:
        code = base  # of the same key on a Latin layout, after which shortcuts are named
        text = _character(base) if text and alt else text
    return Stroke(code=code, shift=shift, alt=alt, ctrl=ctrl, text=text if text.isprintable() else "")


def _character(code: int) -> str:
    return chr(code) if 0x20 <= code <= _LAST and code != _BACKSPACE and not 0xD800 <= code <= 0xDFFF else ""


def strip_sequences(line: str) -> str:
    """Return a line from a terminal that edits lines itself, without the control sequences in it.

    A key in one of the newer encodings is replaced by its text; Backspace removes the character before it.
    """
    kept: list[str] = []
    place = 0
    while place < len(line):
        after = end(line, place) if line[place] == "\x1b" else None
        if after is None:
            kept.append(line[place])
            place += 1
            continue
        key = stroke(line[place:after])
        if key is not None and key.code == _BACKSPACE and kept:
            kept.pop()
        elif key is not None and not key.ctrl and not key.alt:
            kept.append(key.text)
        place = after
    return "".join(kept)
