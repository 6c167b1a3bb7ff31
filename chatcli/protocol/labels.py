"""The label of a line that is no frame: what names it in the error, as far as it can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from json import JSONDecoder
from typing import Final, NamedTuple

_MOST_NUMBER: Final = 2**53 - 1  # exact in every JSON reader (RFC 7493)
_MOST_ID: Final = 128  # characters; an id has 36
_MOST_MEMBERS: Final = 100  # looked at: a line of ten thousand is not worth ten milliseconds

_blank: Final = re.compile(r"[ \t\r\n]*")
_read: Final = JSONDecoder(strict=False).raw_decode


class Label(NamedTuple):
    """What names a line: the tag, the id of a message, the number of a request; None for what is not there."""

    tag: str | None = None
    id: str | None = None
    n: int | None = None


def label_of(line: bytes, *, cut: bool = False) -> Label:
    """Return the label of a line, of which everything may be wrong.

    Args:
        line: what came.
        cut: whether there is more of it.
    """
    members = dict(islice(_members(line.decode(errors="replace"), "" if cut else ","), _MOST_MEMBERS))
    tag, identity, number = members.get("t"), members.get("id"), members.get("n")
    return Label(
        tag if isinstance(tag, str) else None,
        identity if isinstance(identity, str) and len(identity) <= _MOST_ID and _is_text(identity) else None,
        number if type(number) is int and 0 <= number <= _MOST_NUMBER else None,
    )


def _is_text(found: str) -> bool:
    """Return whether a string can be sent: JSON can have halves of characters in it."""
    return not any("\ud800" <= char <= "\udfff" for char in found)


def _members(text: str, end: str) -> Iterator[tuple[str, object]]:
    """Yield the members of the object with which a text begins, up to one that cannot be read.

    Args:
        text: of JSON, more or less.
        end: stands for the end of the text: a comma, unless the last value may go on.
    """
    try:
        position = _after_blank(text, 0)
        opening = "{"
        while text[position] == opening:
            opening = ","
            key, position = _read(text, _after_blank(text, position + 1))
            position = _after_blank(text, position)
            if not isinstance(key, str) or text[position] != ":":
                return
            value, position = _read(text, _after_blank(text, position + 1))
            position = _after_blank(text, position)
            if (text[position : position + 1] or end) not in (",", "}"):
                return
            yield key, value
    except (ValueError, IndexError, RecursionError):
        return


def _after_blank(text: str, start: int) -> int:
    found = _blank.match(text, start)
    return start if found is None else found.end()
