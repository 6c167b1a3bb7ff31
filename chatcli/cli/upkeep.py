"""``chatcli admin backup|export|import|check``: upkeep of the log, with its server running or not."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from chatcli.cli.options import data_directory, data_option_within, json_option
from chatcli.cli.values import TextType

if TYPE_CHECKING:
    from chatcli.store.backup import Progress

_PATIENCE: Final = 2.0  # seconds: what takes longer shows how far it is
_STDIO: Final = "-"


def _force_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--force", is_flag=True, help="Replace the file if it is there.")(function)


@click.command(short_help="Copy the log into FILE.")
@click.argument("file", type=TextType())
@_force_option
@json_option("file, messages, bytes.")
@data_option_within
def backup(file: str, force: bool, as_json: bool) -> None:
    """Copy the log into FILE, while the server runs or not.

    The copy is whole, checked and on disk when the command ends well. It takes the place of chatcli.db in a data
    directory to restore it: see docs/operation.md. The server's key is not in it.
    """
    from chatcli.store.backup import back_up

    with _progress("Copying") as progress:
        copied = back_up(data_directory(), Path(file), force=force, progress=progress)
    count = _count(copied.messages, "message")
    _answer(as_json, f"{count} copied to {file}: {copied.bytes} bytes.", file=file, **copied._asdict())


@click.command("export", short_help="Write conversations as lines of JSON.")
@click.argument("conversations", metavar="[CONVERSATION]...", nargs=-1, type=TextType())
@click.option(
    "--output",
    "-o",
    type=TextType(),
    default=_STDIO,
    show_default=True,
    metavar="FILE",
    help="Where to write it; - is standard output.",
)
@_force_option
@json_option("file, messages, unread.")
@data_option_within
def export_command(conversations: tuple[str, ...], output: str, force: bool, as_json: bool) -> None:
    """Write conversations as lines of JSON, all of them if none is named.

    A CONVERSATION is a room, as in '#ops', or two people, as in alice:bob. With --json and a file, what was done is
    told as JSON; the export itself is that always.
    """
    from chatcli.errors import InputError, StoreError
    from chatcli.store.exporting import export
    from chatcli.store.placing import placed

    now = time.time_ns() // 10**6
    if output == _STDIO:
        if sys.stdout is None:
            raise InputError("Standard output is closed: name a file with --output.")
        exported = export(data_directory(), conversations, sys.stdout.buffer.write, now)
    else:
        with placed(Path(output), data_directory(), force=force) as path, path.open("wb") as file:
            exported = export(data_directory(), conversations, file.write, now)
        _answer(
            as_json, f"{_count(exported.messages, 'message')} written to {output}.", file=output, **exported._asdict()
        )
    if exported.unread:
        lost = _count(exported.unread, "place")
        raise StoreError(f"The log is damaged: {lost} in it could not be read, the rest has been written.")


@click.command("import", short_help="Add an export to a log.")
@click.argument("file", type=TextType())
@json_option("messages, known, users, rooms.")
@data_option_within
def import_command(file: str, as_json: bool) -> None:
    """Add an export to the log of a server that does not run.

    It is read from FILE, or from standard input if that is -. All of it or nothing: lines that cannot be taken are
    named with their numbers. Messages that are there already are left out. Nobody is told of the others: they are
    history.
    """
    from chatcli.cli.output import warn
    from chatcli.store.importing import import_archive

    with _reading(file) as lines:
        done = import_archive(data_directory(), lines, lambda number, why: warn(f"Line {number}: {why}."))
    known = (
        f"; {_count(done.known, 'message')} {'was' if done.known == 1 else 'were'} there already" if done.known else ""
    )
    new = f"{_count(done.messages, 'message')}, {_count(done.users, 'user')} and {_count(done.rooms, 'room')}"
    _answer(as_json, f"{new} imported{known}.", **done._asdict())


@contextlib.contextmanager
def _reading(file: str) -> Iterator[IO[bytes]]:
    from chatcli.errors import InputError

    if file == _STDIO:
        if sys.stdin is None:
            raise InputError("Standard input is closed: name a file.")
        yield sys.stdin.buffer
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from None
    with opened:
        yield opened


@click.command(short_help="Look whether the log is whole.")
@json_option("what, findings.")
@data_option_within
def check(as_json: bool) -> None:
    """Look whether the log is whole, while the server runs or not; nothing is changed.

    Prints a line for each thing that was looked at, or for each finding. The status is 1 if there are any.
    """
    from chatcli.cli.listing import print_json
    from chatcli.errors import StoreError
    from chatcli.store.check import examine

    found = 0
    for what, findings in examine(data_directory()):
        found += len(findings)
        if as_json:
            print_json({"what": what, "findings": findings})
        elif not findings:
            _print(f"ok: {what}")
        for finding in () if as_json else findings:
            _print(f"bad: {finding}")
    if found:
        raise StoreError(
            "The log is damaged: stop the server and put a backup in its place; "
            '"chatcli admin export" saves what can be read (docs/operation.md).'
        )


COMMANDS: Final = (backup, export_command, import_command, check)


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """Give what shows on a terminal how far something is that takes long."""
    begun = time.monotonic()
    shown = False

    def progress(done: float) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - begun > _PATIENCE:
            click.echo(f"\r{what}: {done:.0%}", err=True, nl=False)
            shown = True

    try:
        yield progress
    finally:
        if shown:
            click.echo("\r\x1b[K", err=True, nl=False)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _answer(as_json: bool, sentence: str, **fields: Any) -> None:  # noqa: ANN401 (as they come)
    if as_json:
        from chatcli.cli.listing import print_json

        print_json(fields)
    else:
        _print(sentence)


def _print(line: str) -> None:
    from chatcli.protocol.text import printable_line

    click.echo(printable_line(line))
