"""The skeleton of a name, equal for names that people confuse with each other.

Unicode TR39, section 4: two names are confusable if they have the same skeleton. Ours uses its table of confusable
letters, and in addition it

- drops marks that hardly show: those that no letter is composed with, as in ``i`` and a second dot (section 5.4);
- maps a letter with a combining stroke to the letter that has one, as in ``ø``;
- maps a capital to the letter that it resembles, whatever its small letter resembles;
- ignores case, as names do.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError
from chatcli.protocol.values.names import OPERATORS, RESERVED, Name

if TYPE_CHECKING:
    import regex

# The table's entries for ASCII; `rn` is mapped to `m`, rather than the other way round, since most names have neither.
_OF_ASCII: Final = str.maketrans({"0": "o", "1": "l", "|": "l", "`": "'", '"': "''"})
_SMALL_CAPITAL: Final = re.compile(r"LATIN LETTER SMALL CAPITAL ([A-Z])")
# Small letters that look like small Latin capitals and the dotless j, which the table lacks, and one that it maps to i.
_OTHERS: Final = {"в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "ӏ": "l", "Ӏ": "l", "ȷ": "j"}
_STROKE: Final = re.compile("[\u0335-\u0338]")
_STRUCK: Final = re.compile("\\w[\u0335-\u0338]")
_DIRECTION: Final = "\u200e"  # surrounds right-to-left text in the table
_BETWEEN_WORDS: Final = re.compile(r"[^\w]|_|(?<=[^\W\d_A-Z])(?=[A-Z])")
_DIGITS: Final = "0123456789"
_AROUND: Final = "".join(map(chr, range(0x21, 0x30))) + "_~"
_KNOWN: Final = 10_000  # letters cached


def look_of(text: str) -> str:
    """Return the skeleton of a name as displayed."""
    shouted = text == text.upper()
    if text.isascii():
        return _fold(text if shouted else text.replace("I", "l"))
    undotted = _dot_over_dot().sub(r"\1", unicodedata.normalize("NFD", text))
    struck = _STRUCK.sub(_stroked, undotted)
    visible = _hidden().sub("", unicodedata.normalize("NFC", struck))
    letters = (_resembled(char, shouted=shouted) for char in unicodedata.normalize("NFD", visible))
    return _fold("".join(letters))


def bare_look_of(text: str) -> str:
    """Return the skeleton of a name without any marks."""
    apart = unicodedata.normalize("NFD", look_of(text))
    return apart if apart.isascii() else "".join(_unstruck(char) for char in apart if not unicodedata.combining(char))


def check_new_name(name: Name) -> None:
    """Raise if a new name is not available any more; existing owners are unaffected.

    Raises:
        InputError: it looks like a reserved word.
    """
    look = bare_look_of(name.text)
    if look in RESERVED:
        raise InputError(f'The name "{name.text}" looks like "{look}", which is reserved; choose another one.')


def looks_like_operator(name: Name) -> bool:
    """Return whether people may take the owner of a name for an operator of the server.

    So does each name with one of those words in it, apart from its other letters or not, whatever digits follow it:
    ``admin``, ``Admin1``, ``the_admin``, ``adm1n``, ``chat-root``, ``ChatAdmin``.
    """
    text = name.text if name.text.isascii() else unicodedata.normalize("NFKC", name.text)
    whole = _merged(bare_look_of(text))
    if not any(word in whole for word in _stems()):  # nearly all names; the rest takes five times as long
        return False
    split = _BETWEEN_WORDS.sub(" ", text)
    words = [word for part in split.split() for word in (part, part.rstrip(_DIGITS))]
    looks = {_merged(bare_look_of(word)) for word in [name.text, *words] if word}
    return any(look.strip(_AROUND) in _operators() for look in looks)


@cache
def _stems() -> tuple[str, ...]:
    """Return looks of which every name for operators has at least one."""
    looks = sorted({_merged(_fold(word)) for word in OPERATORS}, key=len)
    return tuple(look for number, look in enumerate(looks) if not any(other in look for other in looks[:number]))


@cache
def _operators() -> frozenset[str]:
    return frozenset(
        _merged(_fold(look)) for word in OPERATORS for look in (word, f"{word}s", f"{word}team", f"the{word}")
    )


def _merged(look: str) -> str:
    """Return a skeleton without the difference of i and l, since a 1 may stand for either."""
    return look.replace("l", "i")


def _fold(text: str) -> str:
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())
    return folded.translate(_OF_ASCII).replace("rn", "m")


def _resembled(char: str, *, shouted: bool) -> str:
    """Return the letter that ``char`` resembles; a capital I among small letters resembles l."""
    if not char.isupper():
        return _prototype(char)
    found = _prototype(char)
    if found == "l":
        return "i" if shouted else "l"
    return found if found.isascii() else _prototype(char.lower())


@lru_cache(_KNOWN)
def _prototype(char: str) -> str:
    """Return the representative of all letters that look like ``char``."""
    if char in _OTHERS:
        return _OTHERS[char]
    if char.isascii() and char != "I":
        return char
    table = _table()
    near = table.get(char, ())
    alike = {char, *near, *(other for one in near for other in table.get(one, ()))}
    found = min(alike, key=lambda one: (not one.isascii(), not one.islower(), not one.isalpha(), len(one), one))
    if found.isascii():
        return found
    names = (_SMALL_CAPITAL.fullmatch(unicodedata.name(one[0], "")) for one in sorted(alike))
    capital = next(filter(None, names), None)
    return found if capital is None else capital[1].lower()


def _stroked(found: re.Match[str]) -> str:
    """Return the composed letter for a letter and a stroke if there is one; the table has one kind of stroke."""
    letter, mark = found[0][0], found[0][1]
    marks = "\u0338\u0335" if mark in "\u0337\u0338" else "\u0335\u0338"
    pair = next((letter + one for one in marks if letter + one in _table()), None)
    return found[0] if pair is None else _prototype(pair)


def _unstruck(char: str) -> str:
    """Return a letter without its stroke."""
    pairs = (one for one in _table().get(char, ()) if len(one) == 2 and _STROKE.fullmatch(one[1]))
    return next(pairs, char)[0].lower()


@cache
def _table() -> dict[str, tuple[str, ...]]:
    """Return the letters that each letter can be confused with, in both directions."""
    from confusable_homoglyphs import confusables  # noqa: PLC0415 (50 ms, needed beyond ASCII only)

    return {
        _plain(char): tuple(_plain(found["c"]) for found in alike)
        for char, alike in confusables.confusables_data.items()
    }


def _plain(text: str) -> str:
    return text.strip(_DIRECTION)


@cache
def _dot_over_dot() -> regex.Pattern[str]:
    """Return a pattern for a combining dot that replaces a letter's own dot or looks like it, with the letter."""
    import regex  # noqa: PLC0415 (as above: 18 ms)

    return regex.compile(r"([\p{Soft_Dotted}\u0131\u0237]\p{M}*?)\u0307")


@cache
def _hidden() -> regex.Pattern[str]:
    """Return a pattern for characters that hardly show: those without a shape, and marks that belong to no letter.

    Vowel signs of other scripts count as letters. Those of Hebrew and Arabic are mostly not written.
    """
    import regex  # noqa: PLC0415 (as above: 18 ms)

    marks = r"[\p{M}&&[\p{sc=Inherited}\p{sc=Hebrew}\p{sc=Arabic}]]"
    return regex.compile(rf"(?V1)[\p{{Default_Ignorable_Code_Point}}{marks}]")
