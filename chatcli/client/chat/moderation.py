"""What owners and operators do to people: how it is typed, and how it is told when it is done."""

from __future__ import annotations

from typing import Final

from chatcli.errors import InputError
from chatcli.protocol.durations import duration_text, parse_duration
from chatcli.protocol.frames import Operate, Operation
from chatcli.protocol.grammar import usage
from chatcli.protocol.names import ROOM_SIGN, is_room
from chatcli.protocol.text import printable_line

#: Commands that are about a room, with what they ask for.
IN_ROOMS: Final[dict[str, Operation]] = {
    "invite": "invite",
    "uninvite": "uninvite",
    "owner": "own",
    "disown": "disown",
}
#: Commands that are about the server where no room is named.
ANYWHERE: Final[dict[str, Operation]] = {
    "kick": "kick",
    "ban": "ban",
    "unban": "unban",
    "mute": "mute",
    "unmute": "unmute",
}
_TIMED: Final = ("ban", "mute")

#: What was done: in a room, on the whole server.
_DONE: Final[dict[Operation, tuple[str, str]]] = {
    "invite": ("{to} is invited to {room}", ""),
    "uninvite": ("{to} is invited to {room} no longer", ""),
    "own": ("{to} owns {room}, too", ""),
    "disown": ("{to} owns {room} no longer", ""),
    "kick": ("{to} is out of {room}", "{to} was sent away"),
    "ban": ("{to} is banned from {room} for {length}", "{to} is banned from this server for {length}"),
    "unban": ("{to} may come back to {room}", "{to} may come back"),
    "mute": ("{to} is muted in {room} for {length}", "{to} is muted on this server for {length}"),
    "unmute": ("{to} may write in {room} again", "{to} may write again"),
}


def in_room(word: str, argument: str) -> Operate:
    """Return what a command about a room asks for; without a room where none is named.

    Raises:
        InputError: it is written in another way.
    """
    words = argument.split()
    rooms = [word for word in words if is_room(word)]
    people = [word for word in words if not is_room(word)]
    if len(people) != 1 or len(rooms) > 1:
        raise InputError(usage(word))
    return Operate(IN_ROOMS[word], people[0], rooms[0] if rooms else "")


def anywhere(word: str, argument: str) -> Operate:
    """Return what a command about a room or the server asks for: the room stands in front of the name or behind it.

    Raises:
        InputError: it is written in another way, or what stands where a length of time may stand is none.
    """
    first, rest = _word(argument)
    second, behind = _word(rest)
    room, to = (first, second) if is_room(first) else (second, first) if is_room(second) else ("", first)
    rest = behind if room else rest
    if not to or is_room(to):
        raise InputError(usage(word))
    seconds = None
    length, behind = _word(rest)
    if word in _TIMED and any(char.isdigit() for char in length):  # a length of time, or meant to be one
        seconds, rest = parse_duration(length), behind
    if is_room(rest):
        # Whoever means a room must not act on the whole server.
        raise InputError(
            f"A room stands in front of the name, and a reason does not begin with {ROOM_SIGN}. {usage(word)}"
        )
    return Operate(ANYWHERE[word], to, room, seconds, rest)


def _word(text: str) -> tuple[str, str]:
    """Return the first word, and what stands behind it."""
    word, rest = (*text.split(maxsplit=1), "", "")[:2]
    return word, rest.strip()


def done(frame: Operate, to: str) -> str:
    """Return what is so now that the server has done it.

    Args:
        frame: what it was asked.
        to: the name of whom it meets, as they write it.
    """
    inside, outside = _DONE[frame.do]
    return (inside if frame.room else outside).format(
        to=printable_line(to),
        room=printable_line(frame.room),
        length="ever" if frame.seconds is None else duration_text(frame.seconds),
    )


def hint(frame: Operate, room: str) -> str:
    """Return how to do in a room what may not be done on the whole server."""
    return f"In a room: /{frame.do} {printable_line(room)} {printable_line(frame.to)}"
