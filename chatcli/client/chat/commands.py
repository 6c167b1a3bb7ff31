"""What a typed command asks of the server: words in, one frame out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from chatcli.client.chat import moderation
from chatcli.errors import InputError
from chatcli.protocol import frames as f
from chatcli.protocol.grammar import usage
from chatcli.protocol.names import ROOM_SIGN, is_room

HISTORY_PAGE: Final = 20  # messages, unless the user says how many
_NEAR: Final = 100  # people whom ``who`` names

_KINDS: Final[dict[str, f.RoomKind]] = {"--private": "private", "--announce": "announcement"}
_WORDS: Final = re.compile(r'"[^"]*"?|--(?:in|from)\s+[^\s"]+|[^\s"]+', re.IGNORECASE)
_LIMIT: Final = re.compile(r"(?:--(in|from)[=\s]\s*|(in|from):)(.+)", re.IGNORECASE)


def frame_for(word: str, argument: str, current: str = "") -> f.ClientFrame:
    """Return what to ask the server; ``n`` is yet to be given.

    Args:
        word: the command.
        argument: what stands behind it.
        current: the conversation that is open, which is meant where none is named; empty if there is none.

    ``topic`` without a text asks for the room: that says what it is about. So does ``leave`` without a room, for it
    depends on what the room is whether it is left.

    Raises:
        InputError: the command lacks something, or takes it in another form; the sentence says what to write.
    """
    return _FRAMES[word](word, argument, current)


def _who(word: str, argument: str, _: str) -> f.Who:
    room = _only_room(word, argument)
    return f.Who(room, limit=0 if room else _NEAR)


def _leave(word: str, argument: str, current: str) -> f.Leave | f.Rooms:
    room = _only_room(word, argument)
    if room:
        return f.Leave(room)
    return f.Rooms(_this_room(word, current))


def _topic(_: str, argument: str, current: str) -> f.Topic | f.Rooms:
    first, _, rest = argument.partition(" ")
    room, text = (first, rest.strip()) if is_room(first) else (_this_room("topic", current), argument)
    return f.Topic(room, text) if text else f.Rooms(room)


def _receipts(word: str, argument: str, current: str) -> f.Receipts:
    return f.Receipts(_one_word(word, argument) or _conversation(word, current))


def _join(_: str, argument: str, __: str) -> f.Join:
    words = argument.split()
    rooms = [word for word in words if is_room(word)]
    options = [word for word in words if word in _KINDS]
    unknown = [word for word in words if word.startswith("-") and word not in _KINDS]
    if unknown:
        raise InputError(f'There is no kind "{unknown[0]}": kinds are {" and ".join(_KINDS)}.')
    if len(rooms) > 1:
        raise InputError(f'Enter one room at a time: "/join {rooms[0]}", then "/join {rooms[1]}".')
    if len(options) > 1:
        raise InputError(f"A room is of one kind: write {' or '.join(_KINDS)}, not both.")
    if not rooms or len(words) != len(rooms) + len(options):
        raise InputError(_with_sign("join", words))
    return f.Join(rooms[0], _KINDS[options[0]] if options else None)


def _with_sign(word: str, words: list[str]) -> str:
    """Return how to write the command; whoever has only forgotten the sign of a room gets to know that."""
    if len(words) == 1 and not words[0].startswith((ROOM_SIGN, "-")):
        return f'The name of a room begins with {ROOM_SIGN}: write "/{word} {ROOM_SIGN}{words[0]}".'
    return usage(word)


def _only_room(word: str, argument: str) -> str:
    """Return the room, or nothing where nothing was written."""
    if argument and (" " in argument or not is_room(argument)):
        raise InputError(_with_sign(word, argument.split()))
    return argument


def _one_word(word: str, argument: str) -> str:
    if len(argument.split()) > 1:
        raise InputError(usage(word))
    return argument


def _history(_: str, argument: str, current: str) -> f.History:
    words = [word for word in argument.split() if word not in ("-n", "--limit")]
    # A name may be made of digits; whoever has such a one is meant by "history 42 20".
    number = words.pop() if words and words[-1].isdecimal() else str(HISTORY_PAGE)
    if len(words) > 1:
        raise InputError(usage("history"))
    limit = int(number[:9])
    if not 0 < limit <= f.MAX_PAGE:
        raise InputError(f"{f.MAX_PAGE} messages at most are shown at once: write a number from 1 on.")
    return f.History(words[0] if words else _conversation("history", current), limit=limit)


def _search(_: str, argument: str, __: str) -> f.Search:
    limits = {}
    words = []
    for word in _WORDS.findall(argument):
        if limit := _LIMIT.fullmatch(word):
            limits[(limit[1] or limit[2]).casefold()] = limit[3]
        else:
            words.append(word)
    if not words or any(word.casefold() in ("--in", "--from") for word in words):
        raise InputError(usage("search"))
    return f.Search(" ".join(words), limits.get("in", ""), limits.get("from", ""))


def _in_room(word: str, argument: str, current: str) -> f.Operate:
    frame = moderation.in_room(word, argument)
    frame.room = frame.room or _this_room(word, current)
    return frame


def _conversation(word: str, current: str) -> str:
    if not current:
        raise InputError(f'No conversation is open: write whose, as in "/{word} bob" or "/{word} #ops".')
    return current


def _this_room(word: str, current: str) -> str:
    if not is_room(current):
        example = f"bob {ROOM_SIGN}ops" if word in moderation.IN_ROOMS else f"{ROOM_SIGN}ops"
        raise InputError(f'The open conversation is no room: write which one, as in "/{word} {example}".')
    return current


_FRAMES: Final[dict[str, Callable[[str, str, str], f.ClientFrame]]] = {
    "who": _who,
    "names": lambda word, argument, current: f.Who(_only_room(word, argument) or _this_room(word, current)),
    "rooms": lambda *_: f.Rooms(),
    "list": lambda *_: f.Rooms(),
    "join": _join,
    "leave": _leave,
    "topic": _topic,
    "history": _history,
    "search": _search,
    "receipts": _receipts,
    "away": lambda _, text, __: f.Away(text),
    "back": lambda *_: f.Away(back=True),
    **dict.fromkeys(moderation.IN_ROOMS, _in_room),
    **dict.fromkeys(moderation.ANYWHERE, lambda word, argument, _: moderation.anywhere(word, argument)),
}
