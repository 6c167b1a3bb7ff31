"""Failures of the disk: only stored messages are acknowledged, and readers go on."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chatcli.protocol.values.address import Address
from tests.disks import OpenDisk, limited_files, make_read_only, make_writable, mounted, small_disk
from tests.server.failures import here, says, status_of, until_refused
from tests.store.town import spoil
from tests.support import UNASKED, Caller, ThreadServer, chatcli, eventually, serving


def history(caller: Caller, of: str) -> list[str]:
    """Return the newest texts of a conversation."""
    caller.says("history", of=of, limit=100, n=5)
    while (frame := caller.next()) and (frame["t"] != "history" or frame["n"] != 5):
        assert frame["t"] in {"message", *UNASKED}, frame
    assert frame is not None
    return [message["text"] for message in frame["messages"]]


def search(caller: Caller, words: str) -> dict[str, Any]:
    """Search, and return the answer, which may be a refusal."""
    caller.says("search", text=words, n=6)
    while (frame := caller.next()) and frame.get("n") != 6:
        assert frame["t"] in UNASKED, frame
    assert frame is not None
    return frame


def feed(address: Address, user: str, count: int) -> list[str]:
    """Return the first texts of a user's whole feed."""
    with here(address, user, purpose="listen", since=0) as reader:
        return reader.texts(count)


def until_new(caller: Caller) -> tuple[list[str], list[str]]:
    """Return the texts up to "new", and the errors about unreadable ones."""
    texts: list[str] = []
    complaints: list[str] = []
    while texts[-1:] != ["new"]:
        frame = caller.next()
        assert frame is not None
        if frame["t"] == "error":
            assert frame["code"] == "storage", frame
            complaints.append(frame["text"])
        elif frame["t"] == "message":
            texts.append(frame["text"])
        else:
            assert frame["t"] in UNASKED, frame
    return texts, complaints


@pytest.mark.parametrize("open_disk", [small_disk, limited_files])
def test_full_disk(open_disk: OpenDisk, tmp_path: Path) -> None:
    """Senders get a refusal, readers read on, and with space all is as before, also after a kill."""
    stored: list[str] = []
    with open_disk(tmp_path) as disk:
        with serving(disk.data) as (program, address):
            process = program.process.pid
            with here(address, "bob") as bob, here(address, "alice", purpose="send") as alice:
                assert says(alice, "bob", "before")
                assert status_of(disk.data)["log"] == "writable"
                disk.fill(process)
                stored.append("before")
                refused = [until_refused(alice, "bob", stored)]
                # Users who were online go on reading, and so do new ones.
                assert bob.texts(len(stored)) == stored
                assert history(bob, "alice") == stored[-100:]
                assert feed(address, "bob", len(stored)) == stored
                found = search(bob, "before")
                assert found["t"] == "search" or found["code"] == "storage"
                row = status_of(disk.data)
                assert row["log"].startswith(f"cannot write the log {disk.data / 'chatcli.db'}: ")
                assert row["log_since"] is not None
                refused.append(until_refused(alice, "bob", stored))
                disk.make_room(process)
                assert says(alice, "bob", "after")
                stored.append("after")
                assert bob.texts(1) == ["after"]
                assert [one["text"] for one in search(bob, "after")["messages"]] == ["after"]
                row = status_of(disk.data)
                assert (row["log"], row["log_since"]) == ("writable", None)
            program.end(signal.SIGKILL)
        with serving(disk.data) as (program, address):
            assert feed(address, "bob", len(stored)) == stored
            assert not set(refused) & set(stored)
            assert program.end(signal.SIGTERM) == 0
        done = chatcli("admin", "--data", str(disk.data), "check")
        assert done.returncode == 0, done.stdout


def test_newcomer_on_a_full_disk(tmp_path: Path) -> None:
    """A name that cannot be stored is refused with the reason, and accepted once there is space."""
    with small_disk(tmp_path) as disk, serving(disk.data) as (program, address):
        with here(address, "bob") as bob:
            disk.fill(program.process.pid)
            until_refused(bob, "bob", [])
        with Caller(address) as carol:
            carol.greets("carol")
            carol.hears("bye", code="storage")
        disk.make_room(program.process.pid)
        with here(address, "carol") as carol:
            assert says(carol, "bob", "hi")


def test_read_only_disk(tmp_path: Path) -> None:
    """The server refuses to start; backup, export and check work; once it is writable, all goes on."""
    disk = tmp_path / "disk"
    with mounted(disk):
        data = disk / "data"
        with ThreadServer(data) as server, server.joined("alice") as alice:
            assert says(alice, "alice", "kept")
        make_read_only(disk if disk.is_mount() else data)
        try:
            done = chatcli("serve", "--data", str(data), "--port", "0")
            assert (done.returncode, done.stdout) == (1, "")
            (line,) = done.stderr.splitlines()
            assert line.startswith(f"chatcli: Cannot use the data directory {data}: ")
            where = ("admin", "--data", str(data))
            assert chatcli(*where, "check").returncode == 0
            assert '"text":"kept"' in chatcli(*where, "export").stdout
            done = chatcli(*where, "backup", str(tmp_path / "copy.db"))
            assert done.returncode == 0, done.stderr
        finally:
            make_writable(disk if disk.is_mount() else data)
        with ThreadServer(data) as server, server.joined("alice", since=0) as alice:
            assert alice.texts(1) == ["kept"]


@pytest.mark.usefixtures("impatient")
def test_locked_database(tmp_path: Path) -> None:
    """While it is locked senders are refused and readers read; later it is written without a restart."""
    with ThreadServer(tmp_path) as server, server.joined("bob") as bob, server.joined("alice", "send") as alice:
        assert says(alice, "bob", "before")
        with closing(sqlite3.connect(tmp_path / "chatcli.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert not says(alice, "bob", "not now")
            assert bob.texts(1) == ["before"]
            assert history(bob, "alice") == ["before"]
            assert feed(server.address, "bob", 1) == ["before"]
            assert "database is locked" in status_of(tmp_path)["log"]
            other.execute("ROLLBACK")
        assert says(alice, "bob", "after")
        assert bob.texts(1) == ["after"]
        # The waiting read position is written with the next batch.
        eventually(lambda: status_of(tmp_path)["log"] == "writable")


def test_damaged_page(tmp_path: Path) -> None:
    """Feeds go on after it, new messages arrive, and the operator is warned."""
    texts = [f"{number} " + "x" * 3000 for number in range(60)]
    with ThreadServer(tmp_path) as server, server.joined("alice", "send") as alice:
        for user in ("bob", "carol"):
            server.joined(user).hang_up()
        for text in texts:
            assert says(alice, "bob", text)
            assert says(alice, "carol", f"to carol: {text}")
    spoil(tmp_path, texts[30])
    with ThreadServer(tmp_path) as server:
        with server.joined("alice", "send") as alice:
            with server.joined("carol") as carol, server.joined("bob") as bob:
                for reader, prefix in ((bob, ""), (carol, "to carol: ")):
                    user = "bob" if reader is bob else "carol"
                    assert says(alice, user, "new")
                    got, complaints = until_new(reader)
                    lost = {prefix + text for text in texts} - set(got)
                    assert len(lost) < 6
                    assert got[:-1] == [prefix + text for text in texts if prefix + text not in lost]
                    assert bool(complaints) is bool(lost)
        assert status_of(tmp_path)["log_damaged"] > 0
    done = chatcli("admin", "--data", str(tmp_path), "check")
    assert done.returncode == 1
    assert "bad: the file is damaged" in done.stdout
    assert "restore a backup" in done.stderr
