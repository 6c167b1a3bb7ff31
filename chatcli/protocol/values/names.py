"""The rules for names: which are valid, and when two are the same.

RFC 8265 (PRECIS): the profile UsernameCasePreserved defines the spelling of a name, UsernameCaseMapped when two are
equal. In addition a name uses one script, so that a Cyrillic ``а`` cannot pass for a Latin ``a`` (Unicode TR39, section
5.2, "single script", with the recommended scripts of TR31, table 5).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.errors import InputError
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    import regex

MAX_NAME: Final = 32  # characters
ROOM_SIGN: Final = "#"

#: Words with another meaning where a name is expected.
RESERVED: Final = frozenset(
    {"server", "chatcli", "system", "who", "exit", "quit", "help", "me", "you", "all", "everyone", "here"}
)

#: Words by which people take someone for an operator of the server.
OPERATORS: Final = frozenset(
    {
        "admin", "administrator", "hostmaster", "moderator", "operator", "postmaster", "root", "superuser", "sysadmin",
        "sysop", "webmaster",
    }
)  # fmt: skip

_EXCLUDED: Final = {":": "a colon", "#": "#", "@": "@", ",": "a comma"}
_NO_START: Final = "-/"  # would be read as an option or a command
_RELEASED: Final = r"(\S*) \(released [1-9][0-9]{0,18}\)"  # no other name has a space; to be compiled when needed

# Scripts of one row can be mixed: Japanese uses three, Korean and Taiwanese two (TR39, section 5.1).
_WRITTEN_TOGETHER: Final = (
    "Latin|Greek|Cyrillic|Armenian|Georgian|Hebrew|Arabic|Thaana|Ethiopic|Devanagari|Bengali|Gurmukhi|Gujarati|Oriya|"
    "Tamil|Telugu|Kannada|Malayalam|Sinhala|Thai|Lao|Tibetan|Myanmar|Khmer|Han,Hiragana,Katakana|Han,Hangul|Han,Bopomofo"
)


class Name(NamedTuple):
    """A name as displayed, and the key that makes it unique."""

    text: str
    key: str


def check_name(raw: str) -> Name:
    """Return the validated name of a person.

    Raises:
        InputError: it breaks a rule; the sentence says which.
    """
    name = _check_form(raw)
    if name.key in RESERVED:
        raise InputError(f'The name "{name.text}" is reserved; choose another one.')
    return name


def fold(name: str) -> str:
    """Return the key under which a client compares names: the same for all ways to write one."""
    return unicodedata.normalize("NFC", name.casefold())


def released_name(name: str, user: int) -> str:
    """Return the name under which a user is listed whose name was released, given the user's id."""
    return f"{name} (released {user})"


def name_before_release(name: str) -> str | None:
    """Return the name that was released, if this is one of :func:`released_name`."""
    found = re.fullmatch(_RELEASED, name)
    return None if found is None else found[1]


def first_name(text: str) -> tuple[str, str]:
    """Return the name at the beginning of a text, and the text after it; the name that a released one has is whole."""
    found = re.match(rf"{_RELEASED}(?!\S)", text)
    name = found[0] if found is not None else next(iter(text.split(maxsplit=1)), "")
    return name, text[len(name) :].strip()


def is_room(raw: str) -> bool:
    """Return whether this names a room rather than a person."""
    return raw.startswith(ROOM_SIGN)


def check_room_name(raw: str) -> Name:
    """Return the validated name of a room: ``#`` followed by a valid name.

    No word is reserved after ``#``, where it cannot mean anything else.

    Raises:
        InputError: it breaks a rule; the sentence says which.
    """
    if not is_room(raw):
        raise InputError(f'The name of a room begins with {ROOM_SIGN}, as in "#ops".')
    if raw == ROOM_SIGN:
        raise InputError('There is no name after the #; write it like "#ops".')
    return Name(*(ROOM_SIGN + part for part in _check_form(raw.removeprefix(ROOM_SIGN))))


def _check_form(raw: str) -> Name:
    """Return the validated name, reserved or not."""
    _check_characters(raw)
    if raw.isascii() and raw.isprintable():
        # Nearly all names. PRECIS does not change them: they are valid, normalized, and in one script.
        return _name(raw, raw.lower())
    from precis_i18n import get_profile  # noqa: PLC0415 (12 ms and a megabyte, needed for other scripts only)

    try:
        text = get_profile("UsernameCasePreserved").enforce(raw)
        key = _fold(get_profile("UsernameCaseMapped").enforce(raw))
    except UnicodeEncodeError as error:
        raise InputError(_explain(raw, error)) from None
    _check_characters(text)
    if not _single_script().fullmatch(text):
        raise InputError(
            f'The name "{text}" mixes scripts or uses one that is not in common use, '
            "so it could be mistaken for another; keep to one script."
        )
    return _name(text, key)


def _name(text: str, key: str) -> Name:
    if key == text:
        key = text  # one string object: the server stores both for everyone
    return Name(text, key)


def _fold(text: str) -> str:
    """Return the case-folded name; lower case alone, as in PRECIS, would keep a final sigma and ``ß`` distinct."""
    return unicodedata.normalize("NFC", text.casefold())


def _check_characters(raw: str) -> None:
    shown = printable_line(raw[: MAX_NAME * 2])
    if not raw:
        raise InputError("A name cannot be empty.")
    if len(raw) > MAX_NAME:
        raise InputError(f"A name has {MAX_NAME} characters at most; this one has {len(raw)}.")
    if raw.split() != [raw]:
        raise InputError(f'A name has no spaces in it; "{shown}" has.')
    for char, description in _EXCLUDED.items():
        if char in raw:
            raise InputError(f'A name cannot contain {description}; "{shown}" does.')
    if raw[0] in _NO_START or unicodedata.category(raw[0]).startswith("M"):
        raise InputError(f'A name begins with a letter, a digit or a sign other than - and /; "{shown}" does not.')


def _explain(raw: str, error: UnicodeEncodeError) -> str:
    if error.reason.endswith("bidi_rule"):
        return f'The name "{printable_line(raw)}" mixes left-to-right and right-to-left writing; keep to one.'
    culprit = raw[error.start : error.end]
    shown = f'"{culprit}"' if culprit.isprintable() and not culprit.isspace() else f"U+{ord(culprit[:1] or ' '):04X}"
    return f"A name is made of letters, digits and ASCII punctuation; {shown} is none of these."


@cache
def _single_script() -> regex.Pattern[str]:
    import regex  # noqa: PLC0415 (as above: 18 ms)

    anywhere = r"\p{scx=Common}\p{scx=Inherited}"
    alternatives = (
        "[" + "".join(rf"\p{{scx={script}}}" for script in row.split(",")) + anywhere + "]+"
        for row in _WRITTEN_TOGETHER.split("|")
    )
    return regex.compile("|".join(f"(?:{alternative})" for alternative in alternatives))
