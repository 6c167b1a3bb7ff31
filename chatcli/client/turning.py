"""Commands that ask the server nothing: which conversation is meant, which is quiet, which message is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatcli.client.circle import Circle
from chatcli.client.conversations import folded
from chatcli.client.events import Answer, Notice
from chatcli.client.memory import Received
from chatcli.errors import InputError
from chatcli.protocol.grammar import Command, Unclear, parse_line, usage
from chatcli.protocol.names import check_name, check_room_name, is_room
from chatcli.protocol.text import printable_line

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
        circle.conversations.muted.discard(folded(name))
        return Answer(f"{shown} is quiet no longer")
    circle.conversations.muted.add(folded(name))
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
    theirs = next((one for one in received if folded(one.sender) == folded(first)), None)
    return (received[0], argument) if theirs is None else (theirs, text)


def unknown(name: str, meant: str, current: str) -> str:
    """Return what to say of a recipient who may be misspelt, in a line that may also be a text for the others."""
    name = printable_line(name)
    return (
        f"Nobody called {name} is known; did you mean {printable_line(meant)}? Enter once more says the line "
        f'to {printable_line(current)} as it stands; write "/to {name}" to talk to somebody new.'
    )


def taken_as_text(name: str, current: str) -> str:
    """Return how to reach somebody whose name stood before a colon and was said, as nobody of that name is known."""
    name = printable_line(name)
    return f'Said to {printable_line(current)}, as nobody called {name} is known; "/to {name}" talks to somebody new'


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
