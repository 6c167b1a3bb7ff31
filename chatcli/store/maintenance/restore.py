"""Puts a backup in the place of the log of a data directory, whose log is kept beside it.

Until the new file takes the name of the log, which is one step, the former log is in place and whole. So whenever this
is interrupted, one of the two is there, and running it again completes it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.errors import InputError, StoreError
from chatcli.protocol.values.text import command_line
from chatcli.store.data_directory import DATABASE, explained, in_use, lock
from chatcli.store.files import atomic_write, sync
from chatcli.store.maintenance.backup import Progress, copy_log
from chatcli.store.maintenance.check import examine_contents
from chatcli.store.maintenance.snapshot import reading
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.connection import connect
from chatcli.store.sqlite.damage import is_damage

_KEPT: Final = f"{DATABASE}.before-restore-"  # a former log, with the time
_COMPANIONS: Final = ("-wal", "-journal")  # of a database, with contents of it
_INDEX: Final = ("search.db", "search.db-wal", "search.db-shm")
_MAGIC: Final = b"SQLite format 3\0"
_WAL_MODE: Final = 2  # the byte of the header that says how the file is read, in a log that a server has opened
_MODE_AT: Final = 19

# The copy is `main`, the former log is `old`. Ids of messages are unique among all logs.
_MISSING: Final = (
    "SELECT count(*) FROM old.messages WHERE id NOT IN (SELECT id FROM main.messages)",
    """
    SELECT count(*) FROM old.users AS former WHERE NOT EXISTS (
        SELECT 1 FROM main.users WHERE key = former.key OR (id = former.id AND created = former.created))
    """,
    "SELECT count(*) FROM old.rooms AS former WHERE NOT EXISTS (SELECT 1 FROM main.rooms WHERE key = former.key)",
)
_NEWEST: Final = "SELECT coalesce(max(at), 0) FROM {}.messages"


class Missing(NamedTuple):
    """The contents of a log that a backup does not have.

    Attributes:
        messages: their number.
        people: the number of names.
        rooms: their number.
        newest: the time of the newest message of the log, in milliseconds since 1970-01-01 UTC; 0 if it has none.
        error: the reason why the log cannot be read, and nothing is known about it; empty if it can.
    """

    messages: int = 0
    people: int = 0
    rooms: int = 0
    newest: int = 0
    error: str = ""

    def __bool__(self) -> bool:
        return bool(self.messages or self.people or self.rooms or self.error)

    def __str__(self) -> str:
        counts = ((self.messages, "message"), (self.people, "name"), (self.rooms, "room"))
        words = [f"{number:,} {what}{'' if number == 1 else 's'}" for number, what in counts if number]
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


class Restored(NamedTuple):
    """The outcome of a restore.

    Attributes:
        messages: the number of messages in the log now.
        newest: the time of the newest of them, in milliseconds since 1970-01-01 UTC; 0 if there is none.
        kept: the file with the former log; None if there was none.
        missing: the contents of the former log that are not in the present one.
        findings: what is wrong with the contents of the backup.
        by_hand: whether the backup is a log's own file, which may lack what its server had not moved there yet.
    """

    messages: int
    newest: int
    kept: Path | None
    missing: Missing
    findings: list[str]
    by_hand: bool


def restore(
    file: Path,
    directory: Path,
    *,
    force: bool = False,
    prepare: Callable[[], object] | None = None,
    progress: Progress = lambda _: None,
) -> Restored:
    """Make a copy of a backup the log of a data directory.

    Args:
        file: the backup, which is not changed.
        directory: the data directory, which is made if it is missing; no server may use it.
        force: even if the log there has something that the backup does not have.
        prepare: called just before the change, when nothing can be refused any more.
        progress: called now and then.

    Raises:
        InputError: the file is not a backup, or the log has something that it does not have.
        StoreError: a server uses the directory, or something cannot be read or written. The former log is in place.
    """
    by_hand = _check_backup(file, directory)
    target = directory / DATABASE
    with reading(file, any_schema=True) as source, lock(directory):
        with explained(f"Cannot restore {file}"):
            former = _Former(target)

            def check() -> None:
                if prepare is not None:
                    prepare()
                former.keep()

            with atomic_write(target, check) as path:
                _copy(source, path, progress)
                with contextlib.closing(connect(path, create=False)) as copy:
                    copy.execute("PRAGMA main.journal_mode = OFF")  # an unfinished copy is deleted
                    schema.migrate(copy)
                    messages, newest, findings = _examine(copy)
                    missing = former.compare(copy)
                if missing and not force:
                    raise InputError(_refusal(file, target, missing))
        return Restored(
            messages=messages, newest=newest, kept=former.kept, missing=missing, findings=findings, by_hand=by_hand
        )


def _check_backup(file: Path, directory: Path) -> bool:
    """Raise unless a file may be a backup; return whether it is a log's own file, without the one beside it.

    Raises:
        InputError: it is something else.
    """
    try:
        if file.exists() and not file.is_file():
            what = "a directory" if file.is_dir() else "a pipe or a device"
            raise InputError(f"{file} is {what}: name a file that chatcli admin backup has written.")
        if (directory / DATABASE).exists() and file.samefile(directory / DATABASE):
            raise InputError(f"{file} is the log itself: name a backup of it.")
        if file.resolve().name == DATABASE and in_use(file.resolve().parent):
            words = ("admin", "backup", "copy.db", "--data", str(file.resolve().parent))
            copy = command_line("chatcli", *words)
            raise InputError(f"{file} is the log of a server that runs: make a backup, and restore that:\n{copy}")
        with file.open("rb") as opened:
            start = opened.read(_MODE_AT + 1)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from None
    if not start.startswith(_MAGIC):
        advice = "name a file that chatcli admin backup has written."
        if start.startswith(b"{"):
            advice = "add an export to a log with chatcli admin import."
        raise InputError(f"{file} is not a backup: {advice}")
    return start[_MODE_AT] == _WAL_MODE and not file.with_name(f"{file.name}-wal").exists()


def _copy(source: sqlite3.Connection, path: Path, progress: Progress) -> None:
    """Copy a backup.

    Raises:
        StoreError: it is damaged.
        sqlite3.Error: it cannot be read, or the copy cannot be written.
    """
    try:
        copy_log(source, path, progress)
    except sqlite3.Error as error:
        if is_damage(error) or isinstance(error, sqlite3.IntegrityError):
            raise _damaged(error) from None
        raise


def _examine(copy: sqlite3.Connection) -> tuple[int, int, list[str]]:
    """Return the number of messages in a copy, the time of the newest, and findings about its contents.

    Raises:
        StoreError: the copy is not whole.
    """
    (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise _damaged(found)
    table = schema.missing_table(copy)
    if table is not None:  # no server could open it
        raise _damaged(f"no such table: {table}")
    findings = [finding for examined in examine_contents(copy) for finding in examined.findings]
    (messages,) = copy.execute("SELECT count(*) FROM messages").fetchone()
    (newest,) = copy.execute(_NEWEST.format("main")).fetchone()
    return int(messages), int(newest), findings


def _damaged(finding: object) -> StoreError:
    return StoreError(f"it is damaged ({' '.join(str(finding).split())}): restore another backup")


def _refusal(file: Path, target: Path, missing: Missing) -> str:
    if missing.error:
        return (
            f"Nothing was changed: the log {target} cannot be read ({missing.error}), so nobody knows what it has that "
            f"{file} does not have. To restore it nevertheless, and keep that log beside it, add --force."
        )
    newest = f" (the newest message is from {moment(missing.newest)})" if missing.messages else ""
    return (
        f"Nothing was changed: the log {target} has {missing}{newest} that {file} does not have. To restore it "
        "nevertheless, and keep that log beside it, add --force."
    )


def moment(milliseconds: int) -> str:
    """Return a time for people."""
    return f"{datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC):%Y-%m-%d %H:%M} UTC"


class _Former:
    """The log that was in the data directory, if there was one.

    Args:
        path: its file.

    Attributes:
        kept: the name under which it is kept, once it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.kept: Path | None = None

    def compare(self, copy: sqlite3.Connection) -> Missing:
        """Return the contents of the log that the copy of a backup does not have.

        Raises:
            sqlite3.Error: the log cannot be read, though it is not damaged.
        """
        if not self._exists():
            return Missing()
        if not self._is_database():
            return Missing(error="it is not a database")
        try:
            copy.execute("ATTACH ? AS old", (f"{self._path.absolute().as_uri()}?mode=rw",))
            if not copy.execute("SELECT 1 FROM old.sqlite_schema LIMIT 1").fetchone():
                return Missing()  # as a server leaves it that was stopped at once
            messages, people, rooms = (copy.execute(query).fetchone()[0] for query in _MISSING)
            (newest,) = copy.execute(_NEWEST.format("old")).fetchone()
            return Missing(messages, people, rooms, newest)
        except sqlite3.Error as error:
            if not is_damage(error) and not _is_foreign(error):
                raise
            return Missing(error=str(error))
        finally:
            with contextlib.suppress(sqlite3.Error):
                copy.execute("DETACH old")

    def keep(self) -> None:
        """Give the log a second name, under which it stays; nothing is beside the file itself afterwards.

        Raises:
            StoreError: another program uses the log.
            sqlite3.Error: it cannot be written.
            OSError: it cannot be kept.
        """
        exists = self._exists()
        if exists and self._is_database():
            self._settle()
        for name in _INDEX:  # of the former log; it can be made again
            self._path.with_name(name).unlink(missing_ok=True)
        if exists:
            for path in self._path.parent.glob(f"{_KEPT}*"):
                if path.samefile(self._path):  # of a restore that was interrupted before its last step
                    path.unlink()
            self.kept = _unused(self._path.with_name(f"{_KEPT}{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"))
            _give_second_name(self._path, self.kept)
        self._clear_away()

    def _exists(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self._path.stat().st_size > 0 or self._path.with_name(f"{DATABASE}-wal").exists()
        return False

    def _is_database(self) -> bool:
        """Return whether the file begins as a database does: into any other SQLite would write what its WAL has."""
        with self._path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC

    def _settle(self) -> None:
        """Move the contents of the WAL into the file; no other program may have it open.

        A log that is too damaged for that is one that no server can open.
        """
        try:
            with contextlib.closing(connect(self._path, create=False)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise StoreError(f"another program has {self._path} open: end that program") from None
            if not is_damage(error):
                raise

    def _clear_away(self) -> None:
        """Move files that belong to the log, and were left over, to the kept log; SQLite would use them for the new."""
        for suffix in _COMPANIONS:
            companion = self._path.with_name(self._path.name + suffix)
            if companion.exists():
                kept = self.kept or _unused(self._path.with_name(f"{_KEPT}without-log"))
                _give_second_name(companion, kept.with_name(kept.name + suffix))
                companion.unlink()
        self._path.with_name(f"{DATABASE}-shm").unlink(missing_ok=True)
        sync(self._path.parent)


def _is_foreign(error: sqlite3.Error) -> bool:
    """Return whether an error means that a database has other tables than a log that this version knows."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR


def _unused(path: Path) -> Path:
    """Return a path, or the first with a number that nothing has."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _give_second_name(path: Path, other: Path) -> None:
    """Let a file have another name, too, or a copy of it, where a file can have but one."""
    try:
        os.link(path, other, follow_symlinks=False)
    except OSError:
        with atomic_write(other) as copy:
            shutil.copyfile(path, copy)
