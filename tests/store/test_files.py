"""The data directory and its files: private, and no way to write to other files."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from chatcli.errors import StoreError
from chatcli.store.archive.importer import import_archive
from chatcli.store.data_directory import lock
from chatcli.store.maintenance.output import output_file
from chatcli.store.sqlite_log import SqliteLog
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, entry


def open_log(directory: Path) -> None:
    """Open a log, and close it."""
    SqliteLog(directory, post=lambda *_: None, on_commit=lambda *_: None).close()


def import_nothing(directory: Path) -> None:
    """Import an empty archive."""
    import_archive(directory, BytesIO(b'{"t":"export","version":1}\n{"t":"end","messages":0}\n'), lambda *_: None)


HOW: Final = {"serve": open_log, "import": import_nothing}


def modes(directory: Path) -> dict[str, int]:
    """Return the modes of the files in a directory."""
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in directory.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_new_directories_are_private(tmp_path: Path, umask: int) -> None:
    """Whatever the umask."""
    before = os.umask(umask)
    try:
        lock(tmp_path / "a" / "b" / "c").close()
    finally:
        os.umask(before)
    for level in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((tmp_path / level).stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_directory_that_others_may_write_to(tmp_path: Path, mode: int) -> None:
    """They could put links there; the error has the remedy."""
    place = tmp_path / "it's open"
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(StoreError, match=rf"others may write to it \(mode {mode:04o}\): run chmod 700 '") as refused:
        open_log(place)
    assert "it's" in str(refused.value).replace("'\"'\"'", "'")
    assert list(place.iterdir()) == []


def test_directory_of_another_user(tmp_path: Path) -> None:
    """Nothing is put into it."""
    theirs, user = Path("/"), "root"
    if os.geteuid() == 0:
        theirs, user = tmp_path / "theirs", "'#12345'"
        theirs.mkdir()
        os.chown(theirs, 12345, 12345)
    with pytest.raises(
        StoreError, match=rf"it belongs to another user, {user}: run this as that user \(sudo -u {user}; in a container"
    ):
        open_log(theirs)


@pytest.mark.parametrize("name", ["lock", "chatcli.db"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("how", HOW)
def test_links(tmp_path: Path, name: str, there: bool, how: str) -> None:
    """Their targets are neither written nor created; the error names the link."""
    data, target = tmp_path / "data", tmp_path / "precious"
    data.mkdir()
    (data / name).symlink_to(target)
    if there:
        target.write_bytes(b"precious")
    with pytest.raises(StoreError, match=rf"{re.escape(str(data / name))}: it is a symbolic link"):
        HOW[how](data)
    assert target.exists() == there
    assert not there or target.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["lock", "chatcli.db"])
def test_pipe(tmp_path: Path, name: str) -> None:
    """The server does not wait for its other end."""
    os.mkfifo(tmp_path / name)
    tmp_path.chmod(0o700)
    with pytest.raises(StoreError, match="it is not a file"):
        open_log(tmp_path)


def test_link_in_place_of_the_index(chat: Owner, data: Path, tmp_path: Path) -> None:
    """The index is made again, and the link's target stays as it is."""
    chat.log.close()
    target = tmp_path / "precious"
    target.write_text("precious")
    (data / "search.db").unlink(missing_ok=True)
    (data / "search.db").symlink_to(target)
    chat.reopen()
    chat.write(entry(ANN, BOB, "word"))
    assert chat.find(BOB.id, "word") == ["word"]
    assert target.read_text() == "precious"
    assert not (data / "search.db").is_symlink()


def test_readable_files_become_private(chat: Owner, data: Path) -> None:
    """A restored backup, and the files that SQLite makes beside it."""
    chat.log.close()
    (data / "chatcli.db").chmod(0o644)
    chat.reopen()
    chat.write(entry(ANN, BOB))
    assert set(modes(data).values()) == {0o600}


def test_unfinished_files_are_removed(chat: Owner, data: Path, tmp_path: Path) -> None:
    """Except for those that are still being written."""
    chat.log.close()
    halves = [data / name for name in (".b.db.abc.unfinished", "chatcli.db.schema-3.bak.tmp-journal")]
    for half in halves:
        half.write_bytes(b"secret")
    with output_file(data / "copy.db", tmp_path) as being_written:
        chat.reopen()
        assert being_written.exists()
    assert not any(half.exists() for half in halves)
    assert (data / "copy.db").exists()


def test_unfinished_output_is_removed(tmp_path: Path) -> None:
    """In the directory of the next backup, too."""
    left = tmp_path / ".all.jsonl.xyz.unfinished"
    left.touch()
    with output_file(tmp_path / "all.jsonl", tmp_path / "data") as path, closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE x (y)")
    assert [found.name for found in tmp_path.iterdir()] == ["all.jsonl"]
