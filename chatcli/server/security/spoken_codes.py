"""Random codes that people can say aloud and type."""

from __future__ import annotations

import secrets
from typing import Final

_CONSONANTS: Final = "bdfghjkmnprstvz"  # 15 that do not sound alike
_VOWELS: Final = "aiou"


def new_code(syllables: int) -> str:
    """Return a random code like ``bazu-kito-mafi``: nearly six bits for each syllable."""
    parts = [secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(syllables)]
    return "-".join("".join(parts[start : start + 2]) for start in range(0, syllables, 2))


def plain_code(typed: str) -> str:
    """Return a code as it is compared: the letters alone, in lower case."""
    return "".join(char for char in typed.lower() if char.isalpha())
