"""The outbox on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chatcli.client.chat.chat import Chat
from chatcli.client.identity.environment import new_id
from chatcli.client.outbox.store import Outbox, drop, read_all, requeue
from chatcli.errors import InputError, Refused, ServerUnavailable
from chatcli.protocol.frames import Limits, Send, Sent, Welcome
from chatcli.protocol.values.address import Address

SERVER = Address("127.0.0.1", 7777)


def a_send(text: str) -> Send:
    """Return a message as the client creates it."""
    return Send(new_id(), "bob", text)


def texts(outbox: Outbox) -> list[str]:
    """Return the entries of earlier runs."""
    return [send.text for send in outbox.waiting]


def test_stored_messages(tmp_path: Path) -> None:
    """They are returned in order, once, from a private file, and are gone after sending."""
    directory = tmp_path / "state" / "outbox"
    first = Outbox(str(directory), SERVER, "Alice")
    assert first.waiting == []
    assert not directory.exists()
    # Ids of one millisecond are in no order.
    one, two = sorted((a_send("one"), a_send("two\nlines")), key=lambda send: send.id, reverse=True)
    first.store([one])
    first.store([one, two])
    (file,) = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    first.close()
    second = Outbox(str(directory), SERVER, "alice")
    assert second.waiting == [one, two]
    second.store([one, two])
    assert len(list(directory.iterdir())) == 1
    three = a_send("three")
    second.store([one, two, three])
    second.close()
    third = Outbox(str(directory), SERVER, "alice")
    assert third.waiting == [one, two, three]
    third.clear()
    assert not list(directory.iterdir())
    third.store([a_send("four")])
    third.close()
    assert texts(Outbox(str(directory), SERVER, "alice")) == ["four"]


def test_owners(tmp_path: Path) -> None:
    """Each user, server and running client has messages of its own."""
    running = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    running.store([a_send("one")])
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == []
    running.close()
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "bob")) == []
    assert texts(Outbox(str(tmp_path / "outbox"), Address("127.0.0.1", 7778), "alice")) == []
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


@pytest.mark.parametrize(
    "damage", [b'{"t":"send","id":"x","to":"bob","text":"\xff"}', b'{"t":"send","x":' + b"[" * 99_999]
)
def test_damaged_line(tmp_path: Path, damage: bytes) -> None:
    """Other lines are still there."""
    first = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    first.store([a_send("one")])
    first.close()
    (file,) = (tmp_path / "outbox").iterdir()
    file.write_bytes(damage + b"\n" + file.read_bytes())
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


def test_incomplete_line(tmp_path: Path) -> None:
    """After a crash in the middle of a line the rest is still there."""
    first = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    first.store([a_send("one"), a_send("two")])
    first.close()
    (file,) = (tmp_path / "outbox").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


def test_marks_after_an_incomplete_line(tmp_path: Path) -> None:
    """Dropped and refused messages are not sent, and restored ones are."""
    directory = str(tmp_path / "outbox")
    first = Outbox(directory, SERVER, "alice")
    one, two = a_send("one"), a_send("two")
    first.store([one, two])
    first.close()
    (file,) = (tmp_path / "outbox").iterdir()

    def torn() -> None:
        file.write_bytes(file.read_bytes() + b'{"t":"send","id":"0192')

    torn()
    drop(read_all(directory)[:1])
    assert [entry.message for entry in read_all(directory)] == [two]
    torn()
    second = Outbox(directory, SERVER, "alice")
    second.resolve({two.id: Refused("muted", "Not now.")})
    second.close()
    (kept,) = read_all(directory)
    assert kept.refusal is not None
    torn()
    requeue([kept])
    third = Outbox(directory, SERVER, "alice")
    assert third.waiting == [two]
    third.clear()
    assert read_all(directory) == []


def test_order_of_files(tmp_path: Path) -> None:
    """Files are in order of their numbers, as the clock may have been set back; unnumbered ones are older."""
    directory = tmp_path / "outbox"
    ids = sorted((new_id() for _ in range(12)), reverse=True)
    for number, identity in enumerate(ids):
        box = Outbox(str(directory), SERVER, "alice", claim=False)
        box.store([Send(identity, "bob", str(number))])
        box.close()
        if number == 0:
            (file,) = directory.iterdir()
            file.rename(directory / f"{file.name.split('.')[0]}.0123456789abcdef")
    (directory / "999999999999999999999999").touch()
    assert [entry.message.text for entry in read_all(str(directory))] == [str(number) for number in range(12)]
    assert texts(Outbox(str(directory), SERVER, "alice")) == [str(number) for number in range(12)]


def test_not_a_regular_file(tmp_path: Path) -> None:
    """A pipe, which would block for ever, is skipped."""
    directory = tmp_path / "outbox"
    first = Outbox(str(directory), SERVER, "alice")
    first.store([a_send("one")])
    first.close()
    (file,) = directory.iterdir()
    os.mkfifo(f"{file}.pipe", 0o600)
    Path(f"{file}.directory").mkdir()
    Path(f"{file}.link").symlink_to(f"{file}.pipe")
    assert [entry.message.text for entry in read_all(str(directory))] == ["one"]
    assert texts(Outbox(str(directory), SERVER, "alice")) == ["one"]


def test_open_directory(tmp_path: Path) -> None:
    """It is refused, because others could add messages in the user's name."""
    (tmp_path / "outbox").mkdir(0o700)
    (tmp_path / "outbox").chmod(0o777)
    with pytest.raises(InputError, match="chmod 700"):
        Outbox(str(tmp_path / "outbox"), SERVER, "alice")


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """The error says what that means and what to do."""
    outbox = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(InputError, match="XDG_STATE_HOME"):
        outbox.store([a_send("one")])


def test_stored_messages_go_first() -> None:
    """The chat sends them with their ids, which the server accepts once."""
    chat = Chat("alice", new_id, lambda: 0)
    one, two = a_send("one"), a_send("two")
    chat.outgoing.restore([one, two])
    said = chat.connected(Welcome("alice", 0, 0, "chatcli", Limits(1000, 1000, 60)))
    assert [frame for frame in said if isinstance(frame, Send)] == [one, two]
    assert chat.outgoing.unanswered() == [one, two]


def test_results(tmp_path: Path) -> None:
    """Stored messages are removed, refused ones kept with the reason, and postponed ones wait."""
    directory = str(tmp_path / "outbox")
    first = Outbox(directory, SERVER, "alice")
    one, two, three, four = (a_send(text) for text in ("one", "two", "three", "four"))
    first.store([one, two, three, four])
    first.close()
    second = Outbox(directory, SERVER, "alice")
    second.resolve(
        {
            one.id: Sent(one.id, 1, 1, "stored"),
            two.id: Refused("muted", "Not now."),
            three.id: ServerUnavailable("Full."),
        }
    )
    second.close()
    third = Outbox(directory, SERVER, "alice")
    assert third.waiting == [three, four]
    third.clear()  # as the interactive client does when everything is sent
    (kept,) = read_all(directory)
    assert (kept.server, kept.user, kept.message) == (str(SERVER), "alice", two)
    assert kept.refusal is not None
    assert (kept.refusal.code, kept.refusal.text) == ("muted", "Not now.")
    requeue([kept])
    assert texts(Outbox(directory, SERVER, "alice")) == ["two"]


def test_file_without_a_header(tmp_path: Path) -> None:
    """A file of an older version, which names no owner, is sent."""
    first = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    first.store([a_send("one")])
    first.close()
    (file,) = (tmp_path / "outbox").iterdir()
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[1:]))
    (entry,) = read_all(str(tmp_path / "outbox"))
    assert (entry.server, entry.user, entry.message.text) == ("", "", "one")
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


def test_locked_message(tmp_path: Path) -> None:
    """It cannot be dropped, because it may be on its way."""
    running = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    running.store([a_send("one"), a_send("two")])
    held = read_all(str(tmp_path / "outbox"))
    with pytest.raises(InputError, match="Another chatcli"):
        drop(held)
    running.close()
    drop(held[:1])
    assert [entry.message.text for entry in read_all(str(tmp_path / "outbox"))] == ["two"]
    drop(held[1:])
    assert not list((tmp_path / "outbox").iterdir())
