"""What the commands that list something share: columns, times, messages, JSON."""

from __future__ import annotations

import datetime
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from chatcli.protocol.text import printable, printable_line

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message

_INDENT: Final = 18  # columns: what goes on below a message stands under its first name, beside the time
_QUOTED: Final = 41  # columns of a message that is answered
_LOOKED_AT: Final = 200  # characters of it: long texts are looked at no further than they are shown


def on_terminal() -> bool:
    """Return whether people read standard output as it is printed."""
    return sys.stdout.isatty()


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns under headings, no wider than the terminal; for a terminal only."""
    import shutil

    space = shutil.get_terminal_size().columns
    for line in columns([headings, *rows]):
        click.echo(shortened(line, space))


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines with their cells under each other."""
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    padded = ([cell + " " * (space - width(cell)) for cell, space in zip(line, widths, strict=True)] for line in lines)
    return ["  ".join(line).rstrip() for line in padded]


def tabs(cells: Iterable[str]) -> None:
    """Print one row for another program, its cells parted by tabs."""
    click.echo("\t".join(map(printable_line, cells)))


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(char) in ("W", "F") for char in text)
    return len(text) + wide - sum(unicodedata.category(char) in ("Mn", "Me", "Cf") for char in text)


def shortened(text: str, space: int) -> str:
    """Return as much of a line as fits into so many columns."""
    if width(text) <= space:
        return text
    taken = 0
    for place, char in enumerate(text):
        taken += width(char)
        if taken > space - 1:
            return text[:place].rstrip() + "…"
    return text


def moment(time: int) -> str:
    """Return a time of the protocol as RFC 3339 in UTC, with milliseconds."""
    return _utc(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(time: int) -> str:
    """Return a time of the protocol as people here read it, to the minute."""
    return f"{_utc(time).astimezone():%Y-%m-%d %H:%M}"


def clock(time: int) -> str:
    """Return the same, without the day if it is today."""
    then = _utc(time).astimezone()
    today = then.date() == datetime.datetime.now().astimezone().date()
    return f"{then:%H:%M}" if today else f"{then:%Y-%m-%d %H:%M}"


def _utc(time: int) -> datetime.datetime:
    seconds, milliseconds = divmod(time, 1000)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) + datetime.timedelta(milliseconds=milliseconds)


def print_json(record: Mapping[str, Any]) -> None:
    """Print one object on one line; where a terminal would act on what others wrote, that is escaped."""
    import msgspec

    line = msgspec.json.encode(record).decode()
    if printable(line) != line:
        import json

        line = json.dumps(record, separators=(",", ":"))  # escapes everything that is not ASCII
    click.echo(line)


def print_messages(messages: Sequence[Message], *, as_json: bool, show_seq: bool = False) -> None:
    """Print messages in the order given, each on a line, or on as many as it has."""
    from chatcli.cli.records import of_message

    if as_json:
        for message in messages:
            print_json(of_message(message))
        return
    starts = {message.seq: _start(message) for message in messages}
    wide = max((len(str(message.seq)) for message in messages), default=0)
    for message in messages:
        seq = f"{message.seq:>{wide}}  " if show_seq else ""
        click.echo(seq + _message(message, starts, len(seq)))


def _start(message: Message) -> str:
    """Return how a message begins, as an answer to it quotes it."""
    return shortened(printable_line(message.text[:_LOOKED_AT].strip()), _QUOTED)


def _message(message: Message, starts: Mapping[int, str], inset: int) -> str:
    """Return the lines of a message that begins after so many columns."""
    from chatcli.protocol.names import is_room

    sender, to = printable_line(message.sender), printable_line(message.to)
    who = f"{to}  {sender}" if is_room(message.to) else f"{sender} → {to}"
    text = printable(message.text).rstrip("\n").replace("\n", "\n" + " " * (_INDENT + inset))
    return f"{local(message.at)}  {who}{_answered(message, starts)}  {text}"


def _answered(message: Message, starts: Mapping[int, str]) -> str:
    """Return what a message answers, as the interactive client shows it."""
    if message.re is None:
        return ""
    start = starts.get(message.re)
    return f'  ↳ "{start}"' if start else "  ↳ an earlier message"


def tell_of_older(messages: Sequence[Message], *, more: bool) -> None:
    """Say on standard error how to go on, if people read along and there are older messages."""
    if more and messages and on_terminal():
        click.echo(f"Older ones: --before {min(message.seq for message in messages)}", err=True)
