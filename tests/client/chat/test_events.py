"""Events as lines."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator

import pytest

from chatcli.client.chat.events import Answer, Notice, Shown, Trouble
from chatcli.client.interactive.render import plain, render
from chatcli.errors import InputError
from chatcli.protocol.frames import Message

TODAY = datetime.date(2026, 11, 22)
NOON = int(datetime.datetime(2026, 11, 22, 12, 4, tzinfo=datetime.UTC).timestamp() * 1000)


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    """Set local time to UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def line(text: str, *, at: int = NOON, mine: bool = False, sender: str = "alice", to: str = "bob") -> str:
    """Return a message as it is printed."""
    return plain(render(Shown(message=Message(1, "id", sender, to, text, at), mine=mine), TODAY))


def test_message() -> None:
    """A message is a line with time, sender, recipient and text."""
    assert line("Hi") == "12:04 alice → you  Hi"
    assert line("Hi", mine=True) == "12:04 you → bob  Hi"


def test_message_in_a_room() -> None:
    """The room is before the sender, and there is no recipient."""
    assert line("Hi", to="#ops") == "12:04 #ops  alice  Hi"
    assert line("Hi", to="#ops", mine=True) == "12:04 #ops  you  Hi"


def test_reply() -> None:
    """The quote is before the text; an unknown message is called an earlier one."""
    message = Message(2, "id", "alice", "bob", "at five", NOON, 1)
    assert (
        plain(render(Shown(message=message, mine=False, quote="when?"), TODAY))
        == '12:04 alice → you  ↳ "when?"  at five'
    )
    assert (
        plain(render(Shown(message=message, mine=False), TODAY)) == "12:04 alice → you  ↳ an earlier message  at five"
    )


def test_message_of_another_day() -> None:
    """The line has the date."""
    assert line("Hi", at=NOON - 86_400_000) == "2026-11-21 12:04 alice → you  Hi"


def test_further_lines_are_indented() -> None:
    """A second line cannot be mistaken for another message."""
    assert line("one\ntwo") == "12:04 alice → you  one\n      two"
    assert line("x\r12:05 boss → you  fake").splitlines()[1].startswith("      12:05 boss")


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\x08b", "\x1b]0;title\x07", "\u202egnp.exe"])
def test_control_characters(text: str) -> None:
    """Control characters and bidirectional marks in texts and names are shown as pictures."""
    reply = plain(render(Shown(message=Message(2, "id", "alice", "bob", "x", NOON, 1), mine=False, quote=text), TODAY))
    names = (line("x", sender=text), line("x", mine=True, to=text), line("x", to=f"#{text}"))
    for shown in (line(text), *names, reply):
        assert shown.isprintable()
        assert "\u202e" not in shown
    for event in (Notice(text), Answer(text), Trouble(InputError(text))):
        assert plain(render(event, TODAY)).isprintable()
