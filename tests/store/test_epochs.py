"""The epochs of a log: a new one wherever numbers may be used again, and only there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chatcli.store.archive.exporter import export
from chatcli.store.archive.importer import import_archive
from chatcli.store.maintenance.backup import back_up
from chatcli.store.sqlite import schema
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, PEOPLE, entry
from tests.store.town import change, rows

MARKED = "SELECT seq FROM marks WHERE name = 'copied'"
ZOE = b'{"t":"user","name":"zoe","created":"2024-01-01T00:00:00Z"}'


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


def open_log(data: Path) -> Owner:
    """Open the log in a directory."""
    return Owner(partial(open_sqlite, data))


def restored(copy: Path, directory: Path) -> Path:
    """Put a copy in the place of the log in a new data directory, as by hand."""
    directory.mkdir()
    (directory / "chatcli.db").write_bytes(copy.read_bytes())
    return directory


def archive_of(*texts: str) -> io.BytesIO:
    """Return an archive with messages of Zoe to herself."""
    lines = [b'{"t":"export","version":1}', ZOE]
    for number, text in enumerate(texts, 1):
        message = {
            "t": "message",
            "seq": number,
            "id": f"018f0000-0000-7000-8000-0000000000{number:02}",
            "from": "zoe",
            "to": "zoe",
            "text": text,
            "at": "2024-01-01T00:00:00Z",
        }
        lines.append(json.dumps(message).encode())
    lines.append(b'{"t":"end","messages":%d}' % len(texts))
    return io.BytesIO(b"\n".join(lines))


def fail(_number: int, why: str) -> None:
    """Fail: no line is wrong."""
    raise AssertionError(why)


def test_reopened_log(chat: Owner) -> None:
    """It stays in its epoch, all of which it has; other epochs are unknown."""
    chat.write(entry(ANN, BOB))
    epoch = chat.log.epoch
    chat.reopen()
    assert chat.log.epoch == epoch
    assert chat.log.shared(epoch) == chat.log.head == 1
    chat.write(entry(ANN, BOB))
    assert chat.log.shared(epoch) == 2
    assert chat.log.shared("another") is None
    assert chat.log.shared("") is None


def test_restored_backup(chat: Owner, data: Path, tmp_path: Path) -> None:
    """Its first start begins an epoch after the last message of the copy, and only the first."""
    chat.write(entry(ANN, BOB), entry(BOB, ANN))
    back_up(data, tmp_path / "copy.db")
    chat.write(entry(ANN, BOB, "lost"))
    names = {chat.log.epoch}
    for number in range(2):
        other = open_log(restored(tmp_path / "copy.db", tmp_path / f"{number}"))
        names.add(other.log.epoch)
        assert other.log.shared(chat.log.epoch) == 2
        other.write(entry(ANN, BOB, "another third"), entry(ANN, BOB, "fourth"))
        epoch = other.log.epoch
        other.reopen()
        assert other.log.epoch == epoch
        assert other.log.shared(epoch) == 4
        assert not rows(tmp_path / f"{number}", MARKED)
        other.log.close()
    assert len(names) == 3
    assert not rows(data, MARKED)
    chat.reopen()
    assert chat.log.epoch in names


def test_copy_of_a_copy(chat: Owner, data: Path, tmp_path: Path) -> None:
    """Copies of a restored log know all epochs before, and where each of them ended."""
    epochs = [chat.log.epoch]
    chat.write(entry(ANN, BOB))
    back_up(data, tmp_path / "1.db")
    back_up(restored(tmp_path / "1.db", tmp_path / "unserved"), tmp_path / "2.db")
    directory = restored(tmp_path / "2.db", tmp_path / "other")
    for number in range(3):
        other = open_log(directory)
        assert [other.log.shared(epoch) for epoch in epochs] == list(range(1, number + 2))
        epochs.append(other.log.epoch)
        other.write(entry(ANN, BOB))
        back_up(directory, tmp_path / f"copy {number}.db")
        other.log.close()
        directory = restored(tmp_path / f"copy {number}.db", tmp_path / f"again {number}")


def test_pruned_log(chat: Owner, data: Path, tmp_path: Path) -> None:
    """The copy of a log whose messages were all deleted has the numbers of these in common with it."""
    chat.write(*(entry(ANN, BOB) for _ in range(3)))
    chat.delete(10**14)
    assert not rows(data, "SELECT 1 FROM messages")
    back_up(data, tmp_path / "copy.db")
    other = open_log(restored(tmp_path / "copy.db", tmp_path / "other"))
    assert other.log.shared(chat.log.epoch) == other.log.head == 3
    other.log.close()


def test_import_into_an_empty_log(tmp_path: Path) -> None:
    """The messages keep their numbers, so that a new epoch begins before them."""
    owner = open_log(tmp_path / "data")
    owner.add_users(*PEOPLE)
    epoch = owner.log.epoch
    owner.log.close()
    import_archive(tmp_path / "data", archive_of(), fail)
    owner.reopen()
    assert owner.log.epoch == epoch
    owner.log.close()
    import_archive(tmp_path / "data", archive_of("one", "two"), fail)
    owner.reopen()
    assert owner.log.epoch != epoch
    assert (owner.log.shared(epoch), owner.log.head) == (0, 2)
    owner.log.close()


def test_import_into_a_log_with_messages(chat: Owner, data: Path) -> None:
    """The messages get new numbers, so that the epoch goes on."""
    chat.write(entry(ANN, BOB))
    epoch = chat.log.epoch
    chat.log.close()
    import_archive(data, archive_of("one", "two"), fail)
    chat.reopen()
    assert (chat.log.epoch, chat.log.head) == (epoch, 3)


def test_import_into_a_copy(chat: Owner, data: Path, tmp_path: Path) -> None:
    """The messages that were added before the first start belong to the new epoch."""
    chat.write(entry(ANN, BOB))
    back_up(data, tmp_path / "copy.db")
    directory = restored(tmp_path / "copy.db", tmp_path / "other")
    import_archive(directory, archive_of("one", "two"), fail)
    other = open_log(directory)
    assert (other.log.head, other.log.shared(chat.log.epoch)) == (3, 1)
    other.log.close()


def test_exported_log(chat: Owner, data: Path, tmp_path: Path) -> None:
    """In a new directory it is another log: an archive does not say which one it is of."""
    chat.write(entry(ANN, BOB))
    lines: list[bytes] = []
    export(data, [], lines.append, 0)
    import_archive(tmp_path / "other", io.BytesIO(b"".join(lines)), fail)
    other = open_log(tmp_path / "other")
    assert (other.log.head, other.log.shared(chat.log.epoch)) == (1, None)
    other.log.close()


@pytest.mark.parametrize("pages", [False, True])
def test_damaged_epochs(chat: Owner, data: Path, pages: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The log is served, as one that nobody knows."""
    chat.write(entry(ANN, BOB))
    epoch = chat.log.epoch
    chat.log.close()
    if pages:
        ((root,),) = rows(data, "SELECT rootpage FROM sqlite_schema WHERE name = 'epochs'")
        content = bytearray((data / "chatcli.db").read_bytes())
        content[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
        (data / "chatcli.db").write_bytes(content)
    else:
        change(data, "DELETE FROM epochs")
    chat.reopen()
    assert chat.log.epoch not in (epoch, "")
    assert chat.log.shared(epoch) is None
    assert chat.texts(BOB.id) == ["hi"]
    assert "its epochs cannot be read" in caplog.text


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that makes this the next version of the program, with a migration more."""
    migrations = (*schema.MIGRATIONS, "CREATE TABLE more (number INTEGER) STRICT;")
    return lambda: monkeypatch.setattr(schema, "MIGRATIONS", migrations)


def test_copy_before_an_upgrade(
    chat: Owner, data: Path, next_version: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade goes on in its epoch; going back to the copy from before it begins another."""
    chat.write(entry(ANN, BOB))
    epoch = chat.log.epoch
    next_version()
    chat.reopen()
    chat.write(entry(ANN, BOB, "in the new version"))
    assert chat.log.epoch == epoch
    chat.log.close()
    monkeypatch.undo()
    (data / f"chatcli.db.schema-{len(schema.MIGRATIONS)}.bak").replace(data / "chatcli.db")
    chat.reopen()
    assert chat.log.epoch != epoch
    assert chat.log.shared(epoch) == chat.log.head == 1


@pytest.mark.parametrize("version", [4, 5])
def test_copy_of_a_version_without_epochs(data: Path, version: int) -> None:
    """Whoever goes back to it, and later upgrades again, has another log, of which nothing is known."""
    data.mkdir()
    older = f"PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = {version};"
    change(data, "".join(schema.MIGRATIONS[:version]) + older)
    owner = open_log(data)
    first = owner.log.epoch
    owner.log.close()
    (data / f"chatcli.db.schema-{version}.bak").replace(data / "chatcli.db")
    owner.reopen()
    assert owner.log.epoch != first
    assert owner.log.shared(first) is None
    owner.log.close()
