"""Rules for the choices of a question, and the texts of answers that select none of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_CHOICE, MAX_CHOICES
from chatcli.protocol.values.text import printable_line

MIN_CHOICES: Final = 2
DECLINED_TEXT: Final = "declined"
WITHDRAWN_TEXT: Final = "withdrawn"

#: Controls, invisible and reordering characters, surrogates, and line ends.
_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def check_choices(choices: Sequence[str]) -> None:
    """Validate the choices of a question.

    Raises:
        InputError: the number, the length or a character of them is not allowed, or two are equal.
    """
    if not MIN_CHOICES <= len(choices) <= MAX_CHOICES:
        raise InputError(f"A question has {MIN_CHOICES} to {MAX_CHOICES} choices, and this one has {len(choices)}.")
    seen = set()
    for choice in choices:
        shown = printable_line(choice[:MAX_CHOICE])
        if not choice.strip():
            raise InputError("A choice cannot be empty.")
        if len(choice) > MAX_CHOICE:
            text = f"A choice has {MAX_CHOICE} characters at most, and one has {len(choice)}: {shown}…"
            raise InputError(text)
        if found := next((char for char in choice if unicodedata.category(char) in _FORBIDDEN), ""):
            code = f"U+{ord(found):04X}"
            raise InputError(f'A choice is one line of characters that can be seen, and "{shown}" has {code} in it.')
        key = unicodedata.normalize("NFC", choice.strip().casefold())
        if key in seen:
            raise InputError(f'The choices must differ, and "{shown}" is there twice.')
        seen.add(key)
