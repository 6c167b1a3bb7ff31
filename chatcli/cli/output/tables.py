"""Prints rows, messages and JSON: in columns on a terminal, separated by tabs in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from chatcli.cli.output.layout import CONTINUED, expand_tabs, in_rows, shortened, width
from chatcli.cli.output.streams import notice
from chatcli.protocol.values.text import printable, printable_line

if TYPE_CHECKING:
    from msgspec import Struct

    from chatcli.protocol.frames import Message, NameChange

_GAP: Final = "  "  # between columns
_LEAST: Final = 16  # columns of the last one, and of one that is cut
_INDENT: Final = 18  # columns: further rows of a message begin under its first name, after the time
_QUOTED: Final = 41  # columns of a message that is answered
_LOOKED_AT: Final = 200  # characters of it: long texts are looked at no further than they are shown


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()) -> None:
    """Print rows in columns under headings, no wider than the terminal; for a terminal only.

    Args:
        headings: of the columns; the last one may be cut.
        rows: their cells.
        spare: headings of columns to leave out if the last one has no room, in this order.
    """
    import shutil

    space = shutil.get_terminal_size().columns
    lines = [list(line) for line in (headings, *rows)]
    for heading in spare:
        if _least(lines) > space:
            place = lines[0].index(heading)
            lines = [line[:place] + line[place + 1 :] for line in lines]
    if spare and (excess := _least(lines) - space) > 0:
        widths = _widths(lines)[:-1]
        widest = widths.index(max(widths))
        for cells in lines:
            cells[widest] = shortened(cells[widest], max(_LEAST, widths[widest] - excess))
    for line in columns(lines):
        click.echo(shortened(line, space))


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width, column)) for column in zip(*lines, strict=True)]


def _least(lines: Sequence[Sequence[str]]) -> int:
    """Return the least width of lines, with only the beginning of the last column."""
    *widths, last = _widths(lines)
    return sum(widths) + len(_GAP) * len(widths) + min(last, _LEAST)


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines with their cells in columns."""
    widths = _widths(lines)
    padded = ([cell + " " * (space - width(cell)) for cell, space in zip(line, widths, strict=True)] for line in lines)
    return [_GAP.join(line).rstrip() for line in padded]


def tabs(cells: Iterable[str]) -> None:
    """Print one row for another program, with :func:`tabbed` cells."""
    click.echo(tabbed(cells))


def tabbed(cells: Iterable[str]) -> str:
    """Return cells separated by tabs.

    Within a cell a line feed is ``\\n``, a tab ``\\t`` and a backslash ``\\\\``, as ``printf %b`` reads it.
    """
    return "\t".join(map(_escaped, cells))


def _escaped(cell: str) -> str:
    text = cell.replace("\\", "\\\\") if "\\" in cell else cell
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def print_row(line: str, indent: int = CONTINUED) -> None:
    """Print a line in rows that fit the terminal: a line that the terminal breaks may pass for two."""
    click.echo(in_rows(line, indent))


def print_json(record: Struct | Mapping[str, Any]) -> None:
    """Print one of :mod:`chatcli.cli.output.records` on one line."""
    from chatcli.protocol.records import json_line

    click.echo(json_line(record))


def print_messages(
    messages: Sequence[Message], *, as_json: bool, show_seq: bool = False, changes: Sequence[NameChange] = ()
) -> None:
    """Print messages in the order given: for people with all their lines, in a pipe on one line each.

    Changes of the name are printed in their places; in a pipe, where each line is a message, on standard error.
    """
    from chatcli.protocol.frames import Message
    from chatcli.protocol.records import of_change, of_message

    if as_json:
        for item in _in_order(messages, changes):
            print_json(of_message(item) if isinstance(item, Message) else of_change(item))
    elif on_terminal():
        _print_for_people(messages, changes, show_seq=show_seq)
    else:
        for message in messages:
            tabs(message_cells(message, show_seq=show_seq))
        for change in changes:
            notice(change_text(change))


def _in_order(messages: Sequence[Message], changes: Sequence[NameChange]) -> Sequence[Message | NameChange]:
    return sorted([*messages, *changes], key=lambda item: item.seq) if changes else messages


def change_text(change: NameChange) -> str:
    """Return the sentence about a change of a name."""
    from chatcli.cli.output.times import local
    from chatcli.client.names.sentences import sentence

    return f"{sentence(change, local(change.at))}."


def message_cells(message: Message, *, show_seq: bool = False) -> tuple[str, ...]:
    """Return the cells of a message's row in a pipe, none of them empty: place, time, from, to, text."""
    from chatcli.protocol.records import moment

    cells = moment(message.at), message.sender, message.to, message.text
    return (str(message.seq), *cells) if show_seq else cells


def _print_for_people(messages: Sequence[Message], changes: Sequence[NameChange], *, show_seq: bool) -> None:
    from chatcli.protocol.frames import Message

    starts = {message.seq: _start(message) for message in messages}
    wide = max((len(str(message.seq)) for message in messages), default=0)
    for item in _in_order(messages, changes):
        seq = f"{item.seq:>{wide}}  " if show_seq else ""
        if isinstance(item, Message):
            click.echo(message_text(item, starts, seq))
        else:
            print_row(f"{seq}{change_text(item)}", _INDENT + len(seq))


def _start(message: Message) -> str:
    """Return the beginning of a message, for answers to quote."""
    return shortened(printable_line(message.text[:_LOOKED_AT].strip()), _QUOTED)


def message_text(message: Message, starts: Mapping[int, str], before: str = "") -> str:
    """Return the rows of a message on a terminal.

    Args:
        message: the message.
        starts: the beginnings of others, by ``seq``.
        before: text before the first row.
    """
    from chatcli.cli.output.times import local
    from chatcli.protocol.values.names import is_room

    sender, to = printable_line(message.sender), printable_line(message.to)
    who = f"{to}  {sender}" if is_room(message.to) else f"{sender} → {to}"
    indent = _INDENT + len(before)
    text = expand_tabs(printable(message.text).rstrip("\n")).replace("\n", "\n" + " " * indent)
    return in_rows(f"{before}{local(message.at)}  {who}{_answered(message, starts)}  {text}", indent)


def _answered(message: Message, starts: Mapping[int, str]) -> str:
    """Return the quoted message of an answer, as the interactive client shows it."""
    if message.re is None:
        return ""
    start = starts.get(message.re)
    return f'  ↳ "{start}"' if start else "  ↳ an earlier message"


def hint_at_older(messages: Sequence[Message], *, more: bool) -> None:
    """Print the option for older messages on standard error, if there are any and people read along."""
    if more and messages and on_terminal():
        notice(f"Older ones: --before {min(message.seq for message in messages)}")
