"""What a typed command asks of the server: words in, one frame out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from chatcli.client import operating
from chatcli.errors import InputError
from chatcli.protocol import frames as f
from chatcli.protocol.grammar import usage
from chatcli.protocol.names import ROOM_SIGN, is_room

HISTORY_PAGE: Final = 20  # messages, unless the user says how many
_NEAR: Final = 100  # people whom ``who`` names

_KINDS: Final[dict[str, f.RoomKind]] = {"--private": "private", "--announce": "announcement"}
_WORDS: Final = re.compile(r'"[^"]*"?|--(?:in|from)\s+[^\s"]+|[^\s"]+', re.IGNORECASE)
_LIMIT: Final = re.compile(r"(?:--(in|from)[=\s]\s*|(in|from):)(.+)", re.IGNORECASE)


class Place(NamedTuple):
    """What is meant where the user does not say it.

    Attributes:
        conversation: the person or the room of the newest message.
        room: the room of the newest message in a room.
    """

    conversation: str = ""
    room: str = ""


def frame_for(word: str, argument: str, place: Place) -> f.ClientFrame:
    """Return what to ask the server; ``n`` is yet to be given.

    ``topic`` without a text asks for the room: that says what it is about. So does ``leave`` without a room, for it
    depends on what the room is whether it is left.

    Raises:
        InputError: the command lacks something, or takes it in another form; the sentence says what to write.
    """
    return _FRAMES[word](word, argument, place)


def _who(word: str, argument: str, _: Place) -> f.Who:
    room = _only_room(word, argument)
    return f.Who(room, limit=0 if room else _NEAR)


def _leave(word: str, argument: str, place: Place) -> f.Leave | f.Rooms:
    room = _only_room(word, argument)
    if room:
        return f.Leave(room)
    room = _newest_room(word, place)
    if place.conversation != room:
        raise InputError(f'The newest message was in no room: write which to leave, as in "/leave {room}".')
    return f.Rooms(room)


def _topic(_: str, argument: str, place: Place) -> f.Topic | f.Rooms:
    first, _, rest = argument.partition(" ")
    room, text = (first, rest.strip()) if is_room(first) else (_newest_room("topic", place), argument)
    return f.Topic(room, text) if text else f.Rooms(room)


def _receipts(word: str, argument: str, place: Place) -> f.Receipts:
    return f.Receipts(_one_word(word, argument) or _conversation(word, place))


def _join(_: str, argument: str, __: Place) -> f.Join:
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


def _history(_: str, argument: str, place: Place) -> f.History:
    words = argument.split()
    # A name may be made of digits; whoever has such a one is meant by "history 42 20".
    number = words.pop() if words and words[-1].isdecimal() else str(HISTORY_PAGE)
    if len(words) > 1:
        raise InputError(usage("history"))
    limit = int(number[:9])
    if not 0 < limit <= f.MAX_PAGE:
        raise InputError(f"{f.MAX_PAGE} messages at most are shown at once: write a number from 1 on.")
    return f.History(words[0] if words else _conversation("history", place), limit=limit)


def _search(_: str, argument: str, __: Place) -> f.Search:
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


def _in_room(word: str, argument: str, place: Place) -> f.Operate:
    frame = operating.in_room(word, argument)
    frame.room = frame.room or _newest_room(word, place)
    return frame


def _conversation(word: str, place: Place) -> str:
    if not place.conversation:
        raise InputError(f'Nothing was said yet: write whose, as in "/{word} bob" or "/{word} #ops".')
    return place.conversation


def _newest_room(word: str, place: Place) -> str:
    if not place.room:
        example = f"bob {ROOM_SIGN}ops" if word in operating.IN_ROOMS else f"{ROOM_SIGN}ops"
        raise InputError(f'Nothing was said in a room yet: write which, as in "/{word} {example}".')
    return place.room


_FRAMES: Final[dict[str, Callable[[str, str, Place], f.ClientFrame]]] = {
    "who": _who,
    "rooms": lambda *_: f.Rooms(),
    "join": _join,
    "leave": _leave,
    "topic": _topic,
    "history": _history,
    "search": _search,
    "receipts": _receipts,
    "away": lambda _, text, __: f.Away(text),
    "back": lambda *_: f.Away(back=True),
    **dict.fromkeys(operating.IN_ROOMS, _in_room),
    **dict.fromkeys(operating.ANYWHERE, lambda word, argument, _: operating.anywhere(word, argument)),
}
