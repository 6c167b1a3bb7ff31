"""The position of a listener on disk."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from chatcli.client.feed import cursor as cursors
from chatcli.client.feed.anchors import Anchor
from chatcli.client.feed.cursor import Cursor, CursorInUse, Position, path_of, read
from chatcli.errors import InputError

PARTS = ("127.0.0.1:8080", "alice", "as", "ci")


def open_at(directory: Path) -> Cursor:
    """Open a cursor."""
    return Cursor(str(directory), PARTS, 'the cursor "ci"')


def test_stored_position(tmp_path: Path) -> None:
    """A new cursor has no position; each change is in the file at once, flushed or not."""
    cursor = open_at(tmp_path / "cursors")
    assert cursor.position is None
    for seq in range(1, 6):
        cursor.write(Position(seq=seq, delivered=seq + 1, anchor=Anchor(seq, "0123456789ab", 1)))
        assert read(path_of(str(tmp_path / "cursors"), PARTS))[1] == Position(
            seq=seq, delivered=seq + 1, anchor=Anchor(seq, "0123456789ab", 1)
        )
    cursor.close()
    again = open_at(tmp_path / "cursors")
    assert again.position == Position(seq=5, delivered=6, anchor=Anchor(5, "0123456789ab", 1))
    most = Anchor(2**63 - 1, "f" * 12, 2**48, 2**63 - 1)
    again.write(Position(seq=2**63 - 1, delivered=2**63 - 1, skipped=2**63 - 1, anchor=most, others=(most, most, most)))
    assert read(path_of(str(tmp_path / "cursors"), PARTS))[1] == again.position
    again.close()


def test_file_of_an_older_version(tmp_path: Path) -> None:
    """It has shorter lines, and the server's key in place of the anchors."""
    path = Path(path_of(str(tmp_path / "cursors"), PARTS))
    path.parent.mkdir(mode=0o700)
    lines = []
    for number, seq in ((2, 8), (1, 7)):
        words = f"{number} {seq} 9 0 SHA256:{'x' * 43}"
        lines.append(f"{words} {zlib.crc32(words.encode()):08x}".ljust(191).encode() + b"\n")
    path.write_bytes(lines[0].ljust(512, b"\0") + lines[1])
    cursor = open_at(tmp_path / "cursors")
    assert cursor.position == Position(seq=8, delivered=9)
    cursor.write(Position(seq=10, delivered=10))
    assert read(str(path))[1] == Position(seq=10, delivered=10)
    cursor.close()


def test_incomplete_change(tmp_path: Path) -> None:
    """If the last change is damaged, as after a power cut, the one before it counts."""
    cursor = open_at(tmp_path / "cursors")
    cursor.write(Position(seq=1))
    cursor.write(Position(seq=2))
    cursor.close()
    path = Path(path_of(str(tmp_path / "cursors"), PARTS))
    whole = path.read_bytes()
    place = whole.index(b"2 2 0 0")
    for length in range(1, 20):
        path.write_bytes(whole[:place] + b"\0" * length + whole[place + length :])
        assert read(str(path))[1] == Position(seq=1)


@pytest.mark.parametrize("damage", [b"", b"garbage\n", b"\xff" * 2000, b"\0" * 704])
def test_damaged_file_is_not_new(tmp_path: Path, damage: bytes) -> None:
    """A damaged file is not taken for a new one; the next change repairs it."""
    cursor = open_at(tmp_path / "cursors")
    cursor.close()
    cursor = open_at(tmp_path / "cursors")
    assert (cursor.position, cursor.damaged) == (None, False)
    cursor.write(Position(seq=1))
    cursor.close()
    Path(cursor.path).write_bytes(damage)
    cursor = open_at(tmp_path / "cursors")
    assert (cursor.position, cursor.damaged) == (None, True)
    cursor.write(Position(seq=2))
    cursor.close()
    cursor = open_at(tmp_path / "cursors")
    assert (cursor.position, cursor.damaged) == (Position(seq=2), False)
    cursor.close()


def test_not_a_regular_file(tmp_path: Path) -> None:
    """A pipe, which would block for ever, is refused."""
    path = path_of(str(tmp_path / "cursors"), PARTS)
    (tmp_path / "cursors").mkdir(mode=0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(InputError, match="it is not a file"):
        open_at(tmp_path / "cursors")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second listener is refused until the first one has ended."""
    first = open_at(tmp_path / "cursors")
    with pytest.raises(CursorInUse, match='the cursor "ci"'):
        open_at(tmp_path / "cursors")
    first.close()
    open_at(tmp_path / "cursors").close()


def test_unreadable_file_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has a sentence, and neither a descriptor nor a lock is left."""
    open_at(tmp_path / "cursors").close()

    def broken(path: str) -> tuple[int, Position | None]:
        raise OSError(5, f"Input/output error: {path}")

    before = len(list(Path("/dev/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(cursors, "read", broken)
        with pytest.raises(InputError, match="Input/output error"):
            open_at(tmp_path / "cursors")
    assert len(list(Path("/dev/fd").iterdir())) == before
    open_at(tmp_path / "cursors").close()


def test_open_directory_is_refused(tmp_path: Path) -> None:
    """A directory that others may use, or that cannot be made, is refused."""
    (tmp_path / "cursors").mkdir(mode=0o755)
    with pytest.raises(InputError, match="chmod 700"):
        open_at(tmp_path / "cursors")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot use"):
        open_at(tmp_path / "file")


def test_delivered_ids(tmp_path: Path) -> None:
    """The newest thousand are known when the file is opened again, and it does not grow beyond that."""
    identities = [str(number) for number in range(3000)]
    cursor = open_at(tmp_path / "cursors")
    for start in range(0, 3000, 7):
        cursor.add_ids(identities[start : start + 7])
    cursor.write(Position(seq=1))
    cursor.close()
    again = open_at(tmp_path / "cursors")
    assert again.position == Position(seq=1)
    assert [one for one in identities if one in again.ids] == identities[-1023:]
    again.add_ids(["another"])
    assert "another" in again.ids
    assert identities[-1023] not in again.ids
    again.close()
    assert Path(again.path).stat().st_size == 1024 + 8 * 1024


def test_epochs(tmp_path: Path) -> None:
    """The epoch of the position and those of other logs are stored; the longest ones fit."""
    most = Anchor(2**63 - 1, "f" * 12, 2**48, 2**63 - 1, "e" * 24)
    own = most._replace(epoch="")
    position = Position(seq=2**63 - 1, delivered=2**63 - 1, anchor=own, others=(most, most, most), epoch="e" * 24)
    for stored in (position, Position(seq=1, epoch="0123456789abcdef"), Position(seq=1, others=(most,))):
        cursor = open_at(tmp_path / "cursors")
        cursor.write(stored)
        cursor.close()
        assert read(cursor.path).position == stored
