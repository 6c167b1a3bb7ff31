"""The name that is suggested in place of a taken one: the same with the next number that is free."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError
from chatcli.protocol.values.lookalikes import check_new_name, looks_like_operator
from chatcli.protocol.values.names import MAX_NAME, Name, check_name, fold

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.state.moderation import Kind

_FIRST: Final = 2
_FURTHEST: Final = 1000  # numbers beyond the first one that are tried
_DECIDED: Final[tuple[Kind, ...]] = ("ban", "mute", "operator", "recovery")
_NUMBERED: Final = re.compile(r"(.+)-([1-9][0-9]{0,3})", re.DOTALL)


def next_free_name(hub: Hub, taken: Name) -> str:
    """Return a name like one that is taken, which a newcomer may have at the moment; empty if there is none.

    Of ``codespace`` it is ``codespace-2`` or, if that is taken, too, ``codespace-3``; of ``codespace-7`` it is
    ``codespace-8``. At most twenty names are tried, however many are taken, so a gap in the numbers may be missed.
    """
    found = _NUMBERED.fullmatch(taken.text)
    stem, first = (taken.text, _FIRST) if found is None else (found[1], int(found[2]) + 1)
    if not _is_permitted(_numbered(stem, first)):  # nor with any other number
        return ""
    number = _first_free(first, lambda number: _is_free(hub, _numbered(stem, number)))
    name = "" if number is None else _numbered(stem, number)
    return name if _is_permitted(name) else ""


def _first_free(first: int, is_free: Callable[[int], bool]) -> int | None:
    """Return the first number that is free, provided that those before it are taken without a gap."""
    taken, free, step = first - 1, first, 1
    while not is_free(free):
        if free - first >= _FURTHEST:
            return None
        taken, free, step = free, free + step, 2 * step
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (taken, middle) if is_free(middle) else (middle, free)
    return free


def _numbered(stem: str, number: int) -> str:
    """Return a name with a number, shortened to the longest that a name may be."""
    end = f"-{number}"
    return stem[: MAX_NAME - len(end)] + end


def _is_permitted(text: str) -> bool:
    """Return whether somebody new may have a name, if it is free."""
    try:
        name = check_name(text)
        check_new_name(name)
    except InputError:
        return False
    return not looks_like_operator(name)


def _is_free(hub: Hub, text: str) -> bool:
    """Return whether nobody has a name or looks like it, nobody had it, and nothing is decided about it."""
    name = Name(text, fold(text))
    if hub.users.by_key(name.key) is not None or hub.names.was_released(name.key):
        return False
    if any(hub.moderation.get(kind, name.key) is not None for kind in _DECIDED):
        return False
    return hub.users.lookalike(name) is None
