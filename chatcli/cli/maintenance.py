"""``chatcli admin backup|restore|export|import|check``: upkeep of the log, with its server running or not."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import data_directory, data_option_within, json_option, loudness_options
from chatcli.cli.options.types import TextType
from chatcli.cli.output.streams import notice, quiet, warn

if TYPE_CHECKING:
    from pathlib import Path

    from chatcli.store.maintenance.restore import Restored

_STDIO: Final = "-"


def _force_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--force", is_flag=True, help="Replace the file if it exists.")(function)


@click.command(short_help="Copy the log into FILE.")
@click.argument("file", type=TextType(), shell_complete=candidates.files)
@_force_option
@json_option("file, messages, bytes.")
@data_option_within
@loudness_options
def backup(file: str, force: bool, as_json: bool) -> None:
    """Copy the log into FILE, while the server runs or not.

    With status 0, the copy is complete, checked and on disk. "chatcli admin restore" makes it the log again. It does
    not contain the server's key.
    """
    from pathlib import Path

    from chatcli.cli.output.progress import Progress
    from chatcli.store.maintenance.backup import back_up

    with Progress("Copying") as progress:
        copied = back_up(data_directory(), Path(file), force=force, progress=progress.share)
    count = _count(copied.messages, "message")
    _answer(as_json, f"{count} copied to {file}: {copied.bytes} bytes.", "backup", file=file, **copied._asdict())


@click.command(short_help="Make a backup the log of the server.")
@click.argument("file", type=TextType(), shell_complete=candidates.files)
@click.option("--force", is_flag=True, help="Even if the present log has something that the backup does not have.")
@click.option(
    "--key",
    type=TextType("FILE"),
    shell_complete=candidates.files,
    help="The server.key from the old data directory, by which clients know the server.",
)
@json_option(
    "file, messages, kept, missing_messages, missing_names, missing_rooms, unreadable, by_hand, findings, key, serve, "
    "options_known."
)
@data_option_within
@loudness_options
def restore(file: str, force: bool, key: str | None, as_json: bool) -> None:
    """Restore the log of a server that is stopped from FILE, which "chatcli admin backup" has written.

    The data directory is made if it is missing. A log in it is kept beside the restored one; if it has messages, names
    or rooms that the backup does not have, nothing is done without --force. The server's key stays.

    Prints the command that starts the server again, with the options that it had. Interrupted at any moment, it leaves
    the old log or the restored one, and can be run again.
    """
    from pathlib import Path

    from chatcli.cli.output.progress import Progress
    from chatcli.server.security.certificates import install_key, read_key
    from chatcli.store.maintenance.restore import restore as put_back

    directory = data_directory()
    prepare = partial(install_key, directory, read_key(Path(key))) if key is not None else None
    with Progress("Copying") as progress:
        done = put_back(Path(file), directory, force=force, prepare=prepare, progress=progress.share)
    _report(file, directory, done, as_json=as_json)


def _report(file: str, directory: Path, done: Restored, *, as_json: bool) -> None:
    from chatcli.cli.environment import program
    from chatcli.cli.serve_record import recorded
    from chatcli.protocol.values.address import DEFAULT_HOST, Address
    from chatcli.protocol.values.text import command_line
    from chatcli.server.security.certificates import own_fingerprint

    options = recorded(directory)
    fingerprint = own_fingerprint(directory)
    serve = [*program(Address(DEFAULT_HOST, 0)), "serve", "--data", str(directory.absolute()), *(options or [])]
    if as_json:
        _answer(
            as_json,
            "",
            "restore",
            file=file,
            messages=done.messages,
            kept=None if done.kept is None else str(done.kept),
            missing_messages=done.missing.messages,
            missing_names=done.missing.people,
            missing_rooms=done.missing.rooms,
            unreadable=bool(done.missing.error),
            by_hand=done.by_hand,
            findings=done.findings,
            key=fingerprint,
            serve=serve,
            options_known=options is not None,
        )
        return
    _describe(file, done)
    if "--tls-key" not in (options or []):
        _describe_key(directory, fingerprint)
    if options is None:
        notice("The options of the server were not recorded there: add those from its unit or its command line.")
    if not quiet():
        click.echo(command_line(*serve).strip())


def _describe_key(directory: Path, fingerprint: str | None) -> None:
    """Print by which key clients will know the server."""
    if fingerprint is not None:
        notice(f"Clients know the server by the key {fingerprint}.")
        return
    warn(
        f"There is no key in {directory / 'server.key'}: the server makes a new one, and clients refuse it until their "
        "users accept it. If you have the old one, run this again with --key FILE before you start the server."
    )


def _describe(file: str, done: Restored) -> None:
    """Print what was restored, and what has become of the log that was there."""
    from chatcli.store.maintenance.restore import moment

    for finding in done.findings:
        warn(f"The backup, as its server wrote it, has a fault: {finding}.")
    if done.by_hand:
        warn(
            f"{file} is a log's own file, copied without chatcli admin backup: if its server ran at that time, the "
            "newest messages are missing."
        )
    newest = f", the newest from {moment(done.newest)}" if done.messages else ""
    notice(f"{done.messages:,} message{'' if done.messages == 1 else 's'} restored from {file}{newest}.")
    if done.kept is None:
        return
    if done.missing.error:
        notice(f"The log that was there could not be read; it is kept as {done.kept}.")
    elif done.missing:
        notice(f"The log that was there has {done.missing} more; it is kept as {done.kept}.")
    else:
        notice(f"The log that was there has nothing more; it is kept as {done.kept}.")


@click.command("export", short_help="Export conversations as lines of JSON.")
@click.argument(
    "conversations", metavar="[CONVERSATION]...", nargs=-1, type=TextType(), shell_complete=candidates.rooms
)
@click.option(
    "--output",
    "-o",
    type=TextType("FILE"),
    shell_complete=candidates.files,
    default=_STDIO,
    show_default=True,
    help="The file to write; - is standard output.",
)
@_force_option
@json_option("file, messages, unread.")
@data_option_within
@loudness_options
def export_command(conversations: tuple[str, ...], output: str, force: bool, as_json: bool) -> None:
    """Export conversations as lines of JSON, all of them if none is named.

    A CONVERSATION is a room, as in '#ops', or two people, as in alice:bob. With --json and a file, the summary is JSON;
    the export itself always is.
    """
    from pathlib import Path

    from chatcli.cli.output.tables import on_terminal
    from chatcli.errors import StoreError
    from chatcli.store.archive.exporter import export
    from chatcli.store.maintenance.output import output_file

    now = time.time_ns() // 10**6
    if output == _STDIO:
        with _writing(sys.stdout.buffer, shown=not on_terminal()) as write:
            exported = export(data_directory(), conversations, write, now)
    else:
        with (
            output_file(Path(output), data_directory(), force=force) as path,
            path.open("r+b") as file,
            _writing(file) as write,
        ):
            exported = export(data_directory(), conversations, write, now)
        sentence = f"{_count(exported.messages, 'message')} written to {output}."
        _answer(as_json, sentence, "export", file=output, **exported._asdict())
    if exported.unread:
        lost = _count(exported.unread, "place")
        raise StoreError(f"The log is damaged: {lost} in it could not be read, the rest has been written.")


@contextlib.contextmanager
def _writing(file: IO[bytes], *, shown: bool = True) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that writes to a file and shows the amount, unless the output itself is seen."""
    from chatcli.cli.output.progress import Progress

    if not shown:
        yield file.write
        return
    written = 0
    with Progress("Writing") as progress:

        def write(data: bytes) -> None:
            nonlocal written
            file.write(data)
            written += len(data)
            progress.amount(written)

        yield write


@click.command("import", short_help="Add an export to a log.")
@click.argument("file", type=TextType(), shell_complete=candidates.files)
@json_option("messages, known, users, rooms.")
@data_option_within
@loudness_options
def import_command(file: str, as_json: bool) -> None:
    """Add an export to the log of a server that does not run.

    The export is read from FILE, or from standard input if that is -. All of it is added or nothing: lines that are
    wrong are reported with their numbers. Messages that are there already are skipped. The others are history: nobody
    is notified of them.
    """
    from chatcli.cli.output.progress import Progress, watched
    from chatcli.cli.output.streams import warn
    from chatcli.store.archive.importer import import_archive

    with _reading(file) as source, Progress("Reading") as progress:

        def complain(number: int, why: str) -> None:
            progress.hide()
            warn(f"Line {number}: {why}.")

        lines = watched(source, _size(source), progress)
        done = import_archive(data_directory(), lines, complain)
    known = (
        f"; {_count(done.known, 'message')} {'was' if done.known == 1 else 'were'} there already" if done.known else ""
    )
    new = f"{_count(done.messages, 'message')}, {_count(done.users, 'user')} and {_count(done.rooms, 'room')}"
    _answer(as_json, f"{new} imported{known}.", "import", **done._asdict())


@contextlib.contextmanager
def _reading(file: str) -> Iterator[IO[bytes]]:
    from chatcli.errors import InputError

    if file == _STDIO:
        if sys.stdin is None:
            raise InputError("Standard input is closed: name a file.")
        yield sys.stdin.buffer
        return
    try:
        opened = open(file, "rb")  # noqa: SIM115, PTH123 (closed below; pathlib is not imported for it)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from None
    with opened:
        yield opened


def _size(file: IO[bytes]) -> int:
    """Return the size of a file in bytes; 0 for a pipe and the like."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        return 0


@click.command(short_help="Check the log for damage.")
@json_option("what, findings.")
@data_option_within
@loudness_options
def check(as_json: bool) -> None:
    """Check the log for damage, while the server runs or not; nothing is changed.

    Prints a line for each check, or for each finding. The status is 1 if there are findings.
    """
    from chatcli.cli.output.admin_records import Checked
    from chatcli.cli.output.streams import detail, quiet
    from chatcli.cli.output.tables import print_json
    from chatcli.errors import StoreError
    from chatcli.protocol.values.text import command_line
    from chatcli.store.maintenance.check import examine

    found = 0
    detail("Checking every page of the file: this takes the longest.")
    for what, findings in examine(data_directory()):
        found += len(findings)
        if as_json:
            print_json(Checked(what, findings))
        elif not findings and not quiet():
            _print(f"ok: {what}")
        for finding in () if as_json else findings:
            _print(f"bad: {finding}")
    if found:
        raise StoreError(
            "The log is damaged: stop the server and restore a backup (docs/operation.md). What can be read is saved "
            f"by\n{command_line('chatcli', 'admin', 'export', '--data', str(data_directory().absolute()))}"
        )


COMMANDS: Final = (backup, restore, export_command, import_command, check)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _answer(as_json: bool, sentence: str, do: str, **fields: Any) -> None:  # noqa: ANN401 (as they come)
    if as_json:
        from chatcli.cli.output.schema import PRINTED
        from chatcli.cli.output.tables import print_json

        print_json(PRINTED[f"admin {do}"](**fields))
    elif not quiet():
        _print(sentence)


def _print(line: str) -> None:
    from chatcli.protocol.values.text import printable_line

    click.echo(printable_line(line))
