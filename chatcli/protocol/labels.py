"""Reads the tag, the id and the number of a line that is not a valid frame, so that the error can name it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from json import JSONDecoder
from typing import Final, NamedTuple

_MOST_NUMBER: Final = 2**53 - 1  # exact in every JSON reader (RFC 7493)
_MOST_ID: Final = 128  # characters; an id has 36
_MOST_MEMBERS: Final = 100  # members read; ten thousand would cost ten milliseconds

_blank: Final = re.compile(r"[ \t\r\n]*")
_read: Final = JSONDecoder(strict=False).raw_decode


class Label(NamedTuple):
    """The tag, the message id and the request number of a line; None for a missing one."""

    tag: str | None = None
    id: str | None = None
    n: int | None = None


def label_of(line: bytes, *, cut: bool = False) -> Label:
    """Return the label of a line that may be malformed in any way.

    Args:
        line: the bytes received.
        cut: whether the line was truncated.
    """
    members = dict(islice(_members(line.decode(errors="replace"), "" if cut else ","), _MOST_MEMBERS))
    tag, identity, number = members.get("t"), members.get("id"), members.get("n")
    return Label(
        tag if isinstance(tag, str) else None,
        identity if isinstance(identity, str) and len(identity) <= _MOST_ID and _is_text(identity) else None,
        number if type(number) is int and 0 <= number <= _MOST_NUMBER else None,
    )


def _is_text(found: str) -> bool:
    """Return whether a string can be encoded: JSON may contain lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in found)


def _members(text: str, end: str) -> Iterator[tuple[str, object]]:
    """Yield the members of the JSON object at the start of a text, up to the first unreadable one.

    Args:
        text: JSON, possibly malformed.
        end: the character assumed after the text: a comma, or nothing if the last value may be truncated.
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
