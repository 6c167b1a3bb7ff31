"""Commands that ask the server nothing: which conversation is meant, which is quiet, which message is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatcli.client.chat.contacts import Circle
from chatcli.client.chat.events import Answer, Notice
from chatcli.client.chat.recent import Received
from chatcli.errors import InputError
from chatcli.protocol.grammar import Command, Unclear, parse_line, usage
from chatcli.protocol.names import check_name, check_room_name, fold, is_room
from chatcli.protocol.text import command_line, printable_line

#: Commands whose meaning depends on what others have said.
_LEANING: Final = frozenset({"answer", "reply"})


def turn_to(argument: str, circle: Circle) -> Notice:
    """Open a conversation, or the one before where none is named; return what to show.

    Raises:
        InputError: that is no name, or there was no conversation before.
    """
    if not argument:
        if not circle.conversations.back():
            raise InputError('There was no conversation before this one: write which, as in "/to bob" or "/to #ops".')
    else:
        circle.conversations.switch(_name("to", argument.rstrip(":"), circle))
    return Notice(f"What you type goes to {printable_line(circle.conversations.current)} now")


def quiet(argument: str, circle: Circle) -> Answer:
    """Make a conversation quiet, or end that; return what to show.

    Raises:
        InputError: no conversation is meant, or more than one.
    """
    words = argument.split()
    off = words[:1] == ["off"]
    names = words[1:] if off else words
    if len(names) > 1:
        raise InputError(usage("quiet"))
    name = _name("quiet", names[0], circle) if names else circle.conversations.current
    if not name:
        raise InputError('No conversation is open: write which, as in "/quiet bob" or "/quiet #ops".')
    shown = printable_line(name)
    if off:
        circle.conversations.muted.discard(fold(name))
        return Answer(f"{shown} is quiet no longer")
    circle.conversations.muted.add(fold(name))
    return Answer(f"{shown} is quiet: it neither rings nor counts; /quiet off {shown} ends that")


def _name(word: str, written: str, circle: Circle) -> str:
    """Return the name of a person or a room as it is written where it is known, or one that could be a name."""
    if len(written.split()) != 1:
        raise InputError(usage(word))
    if circle.knows(written):
        return circle.as_written(written)
    return (check_room_name if is_room(written) else check_name)(written).text


def whom_to_answer(argument: str, received: Sequence[Received]) -> tuple[Received, str]:
    """Return the message that is replied to, and the reply.

    Args:
        argument: the text; in front of it may stand a number, 1 for the newest, or the name of who said it.
        received: what came from others, the newest first.

    Raises:
        InputError: there is no such message.
    """
    if not received:
        raise InputError("Nothing was said to you yet.")
    first, text = (*argument.split(maxsplit=1), "")[:2]
    if not text:
        return received[0], argument
    if first.isdecimal() and first.isascii():
        number = int(first[:9])
        if not 0 < number <= len(received):
            count = "1 message" if len(received) == 1 else f"{len(received)} messages"
            raise InputError(
                f"{count} can be answered, 1 is the newest; a text that begins with a number is "
                f'written "/reply 1 {printable_line(first)} …".'
            )
        return received[number - 1], text
    theirs = next((one for one in received if fold(one.sender) == fold(first)), None)
    return (received[0], argument) if theirs is None else (theirs, text)


def close(argument: str, circle: Circle) -> Notice:
    """Put a conversation out of sight until something new comes there; return what to show.

    Raises:
        InputError: no conversation is meant, or more than one.
    """
    name = _name("close", argument, circle) if argument else circle.conversations.current
    if not name:
        raise InputError('No conversation is open: write which, as in "/close bob" or "/close #ops".')
    if not any(fold(one) == fold(name) for one in circle.conversations.numbered()):
        raise InputError(f"There is no conversation with {printable_line(name)} to close.")
    circle.conversations.close(name)
    return Notice(f"{printable_line(name)} is closed until something new comes there")


def leans(line: str, conversation: str) -> str:
    """Return in a word how the meaning of a line depends on what others have said; nothing where it does not.

    Args:
        line: what was typed.
        conversation: the one that is open; empty where there is none.
    """
    try:
        meaning = parse_line(line, conversation)
    except InputError:
        return ""
    if isinstance(meaning, Command) and meaning.word in _LEANING:
        return meaning.word
    return "text" if isinstance(meaning, Unclear) else ""


def what_is_known(argument: str, circle: Circle) -> Answer:
    """Return what the client knows of somebody.

    Raises:
        InputError: that is no name.
    """
    name = _name("whois", argument, circle)
    shown, nearby = printable_line(name), circle.nearby
    if is_room(name) or not circle.knows(name):
        kind = f'"/names {shown}" lists who belongs to it' if is_room(name) else f"nobody called {shown} is known here"
        raise InputError(f"{shown} is a room: {kind}." if is_room(name) else f"{kind[0].upper()}{kind[1:]}.")
    why = nearby.away.get(name, "")
    where = "away" if name in nearby.away else "here" if name in nearby.here else "not here"
    rooms = sorted(circle.rooms[room] for room, members in circle.members.items() if fold(name) in members)
    with_you = f", with you in {', '.join(map(printable_line, rooms))}" if rooms else ""
    return Answer(f"{shown} is {where}{f' ({printable_line(why)})' if why else ''}{with_you}")


def another_name(argument: str, circle: Circle) -> Answer:
    """Return how to have another name: it belongs to a key, and cannot change on a connection."""
    command = command_line("chatcli", "join", "--user", argument or "NAME").strip()
    return Answer(f"You stay {printable_line(circle.user)} here: leave, then write {command}")
