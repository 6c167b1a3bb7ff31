"""Typed commands: most send one request to the server, a few are carried out here."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.chat.events import Answer, Event, Notice
from chatcli.client.chat.phrases import with_you
from chatcli.errors import InputError
from chatcli.protocol import frames as f
from chatcli.protocol.grammar import usage
from chatcli.protocol.values.durations import parse_duration
from chatcli.protocol.values.names import (
    ROOM_SIGN,
    check_name,
    check_room_name,
    first_name,
    fold,
    is_room,
    name_before_release,
)
from chatcli.protocol.values.text import command_line, printable_line

if TYPE_CHECKING:
    from chatcli.client.chat.contacts import Contacts

HISTORY_PAGE: Final = 20  # messages, unless the user says how many
LIST_PAGE: Final = 20  # conversations, unless the user says how many
_NAMED: Final = 100  # people in the answer to ``who``

#: Moderation commands in a room.
_IN_ROOMS: Final[dict[str, f.Operation]] = {
    "invite": "invite",
    "uninvite": "uninvite",
    "owner": "own",
    "disown": "disown",
}
#: Moderation commands in a room, or on the whole server.
_ANYWHERE: Final[dict[str, f.Operation]] = {
    "kick": "kick",
    "ban": "ban",
    "unban": "unban",
    "mute": "mute",
    "unmute": "unmute",
}
_TIMED: Final = ("ban", "mute")
_KINDS: Final[dict[str, f.RoomKind]] = {"--private": "private", "--announce": "announcement"}
_WORDS: Final = re.compile(r'"[^"]*"?|--(?:in|from)\s+[^\s"]+|[^\s"]+', re.IGNORECASE)
_LIMIT: Final = re.compile(r"(?:--(in|from)[=\s]\s*|(in|from):)(.+)", re.IGNORECASE)


def frame_for(word: str, argument: str, current: str = "") -> f.ClientFrame:
    """Return the request of a command, still without its number.

    ``topic`` without a text asks for the room, of which the topic is a part. So does ``leave`` without a room, as a
    private room is not left unnamed.

    Args:
        word: the command.
        argument: its argument.
        current: the open conversation, which is meant if none is named; empty if there is none.

    Raises:
        InputError: the argument is missing or has another form; the sentence says what to write.
    """
    return _FRAMES[word](word, argument, current)


def _who(word: str, argument: str, _: str) -> f.Who:
    if not argument:
        return f.Who(limit=_NAMED)
    if len(argument.split()) > 1:
        raise InputError(usage(word))
    if word == "whois" and is_room(argument):
        raise InputError(_is_a_room(argument))
    return f.Who(argument)


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
    return f.Receipts(_one_name(word, argument) or _conversation(word, current))


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
    """Return a sentence that shows how to write the command, or that a room's name lacks its sign."""
    if len(words) == 1 and not words[0].startswith((ROOM_SIGN, "-")):
        return f'The name of a room begins with {ROOM_SIGN}: write "/{word} {ROOM_SIGN}{words[0]}".'
    return usage(word)


def _only_room(word: str, argument: str) -> str:
    """Return the argument after a check that it is a room; empty if there is none."""
    if argument and (" " in argument or not is_room(argument)):
        raise InputError(_with_sign(word, argument.split()))
    return argument


def _is_a_room(name: str) -> str:
    shown = printable_line(name)
    return f'{shown} is a room: "/names {shown}" lists its members.'


def _one_name(word: str, argument: str) -> str:
    if first_name(argument)[1]:
        raise InputError(usage(word))
    return argument


def _history(_: str, argument: str, current: str) -> f.History:
    name, rest = first_name(argument)
    words = [word for word in (name, *rest.split()) if word and word not in ("-n", "--limit")]
    # A name may consist of digits: "history 42 20" means the user called 42.
    number = words.pop() if words and words[-1].isdecimal() else str(HISTORY_PAGE)
    if len(words) > 1:
        raise InputError(usage("history"))
    limit = int(number[:9])
    if not 0 < limit <= f.MAX_PAGE:
        raise InputError(f"Write a number of messages from 1 to {f.MAX_PAGE}.")
    return f.History(words[0] if words else _conversation("history", current), limit=limit)


def _list(argument: str) -> f.Conversations:
    if argument == "all":
        return f.Conversations(f.MAX_PAGE)
    limit = int(argument[:9]) if argument.isdecimal() else 0 if argument else LIST_PAGE
    if not 0 < limit <= f.MAX_PAGE:
        raise InputError(f'Write "/list", "/list all", or a number of conversations from 1 to {f.MAX_PAGE}.')
    return f.Conversations(limit)


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
    words = argument.split()
    rooms = [word for word in words if is_room(word)]
    people = [word for word in words if not is_room(word)]
    if len(people) != 1 or len(rooms) > 1:
        raise InputError(usage(word))
    return f.Operate(_IN_ROOMS[word], people[0], rooms[0] if rooms else _this_room(word, current))


def _anywhere(word: str, argument: str, _: str) -> f.Operate:
    """Return a moderation action; a room may stand before or after the name, and none means the whole server."""
    first, rest = _first_word(argument)
    second, after = _first_word(rest)
    room, to = (first, second) if is_room(first) else (second, first) if is_room(second) else ("", first)
    rest = after if room else rest
    if not to or is_room(to):
        raise InputError(usage(word))
    seconds = None
    length, after = _first_word(rest)
    if word in _TIMED and any(char.isdigit() for char in length):  # a length of time, or meant to be one
        seconds, rest = parse_duration(length), after
    if is_room(rest):
        # A user who means a room must not act on the whole server.
        raise InputError(f"Write the room before the name; a reason cannot begin with {ROOM_SIGN}. {usage(word)}")
    return f.Operate(_ANYWHERE[word], to, room, seconds, rest)


def _first_word(text: str) -> tuple[str, str]:
    """Return the first word, and the text after it."""
    word, rest = (*text.split(maxsplit=1), "", "")[:2]
    return word, rest.strip()


def _conversation(word: str, current: str) -> str:
    if not current:
        raise InputError(f'No conversation is open: write whose, as in "/{word} bob" or "/{word} #ops".')
    return current


def _this_room(word: str, current: str) -> str:
    if not is_room(current):
        example = f"bob {ROOM_SIGN}ops" if word in _IN_ROOMS else f"{ROOM_SIGN}ops"
        raise InputError(f'The open conversation is not a room: write which one, as in "/{word} {example}".')
    return current


_FRAMES: Final[dict[str, Callable[[str, str, str], f.ClientFrame]]] = {
    "who": _who,
    "whois": _who,
    "names": lambda word, argument, current: f.Who(_only_room(word, argument) or _this_room(word, current)),
    "rooms": lambda *_: f.Rooms(),
    "list": lambda _, argument, __: _list(argument),
    "join": _join,
    "leave": _leave,
    "topic": _topic,
    "history": _history,
    "search": _search,
    "receipts": _receipts,
    "away": lambda _, text, __: f.Away(text),
    "back": lambda *_: f.Away(back=True),
    **dict.fromkeys(_IN_ROOMS, _in_room),
    **dict.fromkeys(_ANYWHERE, _anywhere),
}


# Commands that are carried out here


def switch_to(argument: str, contacts: Contacts) -> Notice:
    """Open a conversation, by its name or its number; without an argument, the one before.

    Raises:
        InputError: the name is not valid, or there was no conversation before.
    """
    conversations = contacts.conversations
    number = int(argument[:9]) if argument.isascii() and argument.isdecimal() and not contacts.is_known(argument) else 0
    if numbered := conversations.numbered_as(number):
        conversations.switch(numbered)
    elif argument:
        conversations.switch(_name("to", argument.rstrip(":"), contacts))
    elif not conversations.back():
        raise InputError('There was no conversation before this one: write which, as in "/to bob" or "/to #ops".')
    return Notice(f"What you type goes to {printable_line(conversations.current)} now")


def mute(argument: str, contacts: Contacts) -> Answer:
    """Mute a conversation, or end that.

    Raises:
        InputError: the argument names no conversation, or more than one.
    """
    first, rest = _first_word(argument)
    off = first == "off"
    name = named_or_current("quiet", rest if off else argument, contacts)
    shown = printable_line(name)
    if off:
        contacts.conversations.muted.discard(fold(name))
        return Answer(f"{shown} is no longer quiet")
    contacts.conversations.muted.add(fold(name))
    return Answer(f"{shown} is quiet: it neither rings nor counts; /quiet off {shown} ends that")


def disturb(argument: str, contacts: Contacts) -> Answer:
    """Keep all conversations from ringing on this device, or end that.

    Raises:
        InputError: the argument is something else than "off".
    """
    if argument not in ("", "off"):
        raise InputError(usage("dnd"))
    contacts.conversations.undisturbed = not argument
    if argument:
        return Answer("Messages ring again")
    return Answer("Nothing rings on this device until you type /dnd off, or leave; messages still come")


def close(argument: str, contacts: Contacts) -> Notice:
    """Hide a conversation until something new comes there.

    Raises:
        InputError: the argument names no conversation of the user's, or more than one.
    """
    name = named_or_current("close", argument, contacts)
    if not any(fold(one) == fold(name) for one in contacts.conversations.numbered()):
        raise InputError(f"There is no conversation with {printable_line(name)} to close.")
    contacts.conversations.close(name)
    return Notice(f"{printable_line(name)} is closed until something new comes there")


def describe(argument: str, contacts: Contacts) -> Answer:
    """Describe a person to the user of a server that cannot be asked for one person.

    Raises:
        InputError: nobody of that name is known here.
    """
    name = _name("whois", argument, contacts)
    shown, presence = printable_line(name), contacts.presence
    if is_room(name):
        raise InputError(_is_a_room(name))
    if not contacts.is_known(name):
        raise InputError(f"Nobody called {shown} is known here.")
    reason = printable_line(presence.away.get(name, ""))
    where = presence.where(name)
    state = "is not here" if where == "gone" else f"is {where}" if where else "may be here or not"
    return Answer(f"{shown} {state}{f' ({reason})' if reason else ''}{with_you(contacts.shared_rooms(name))}")


def explain_names(argument: str, contacts: Contacts) -> Answer:
    """Explain how to use another name: it belongs to a key, and cannot change on a connection."""
    command = command_line("chatcli", "join", "--user", argument or "NAME").strip()
    return Answer(f"You stay {printable_line(contacts.user)} here: leave, then write {command}")


def named_or_current(word: str, written: str, contacts: Contacts) -> str:
    """Return the conversation that a command names, or the open one."""
    name = _name(word, written, contacts) if written else contacts.conversations.current
    if not name:
        raise InputError(f'No conversation is open: write which, as in "/{word} bob" or "/{word} #ops".')
    return name


def _name(word: str, written: str, contacts: Contacts) -> str:
    """Return the name of a person or a room as its owner spells it, if known, or after a check that it is valid."""
    if first_name(written)[1] or not written.split():
        raise InputError(usage(word))
    if contacts.is_known(written):
        return contacts.spelling(written)
    if name_before_release(written) is not None:
        return written
    return (check_room_name if is_room(written) else check_name)(written).text


LOCAL: Final[dict[str, Callable[[str, Contacts], Event]]] = {
    "to": switch_to,
    "quiet": mute,
    "dnd": disturb,
    "close": close,
    "describe": describe,  # in place of who and whois
    "nick": explain_names,
}
