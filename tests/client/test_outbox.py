"""What waits to be sent, on disk."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chatcli.client.chat import Chat
from chatcli.client.ids import new_id
from chatcli.client.outbox import Outbox
from chatcli.errors import InputError
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Limits, Send, Welcome

SERVER = Address("127.0.0.1", 7777)


def a_send(text: str) -> Send:
    """Return a message as the client makes it."""
    return Send(new_id(), "bob", text)


def texts(outbox: Outbox) -> list[str]:
    """Return what earlier runs have left."""
    return [send.text for send in outbox.left]


def test_what_is_kept_is_there_next_time(tmp_path: Path) -> None:
    """In order, each once, for nobody else to read; and gone once it was sent."""
    directory = tmp_path / "state" / "outbox"
    first = Outbox(str(directory), SERVER, "Alice")
    assert first.left == []
    assert not directory.exists()
    # Made in one millisecond, ids are in no order.
    one, two = sorted((a_send("one"), a_send("two\nlines")), key=lambda send: send.id, reverse=True)
    first.keep([one])
    first.keep([one, two])
    (file,) = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    first.close()
    second = Outbox(str(directory), SERVER, "alice")
    assert second.left == [one, two]
    second.keep([one, two])
    assert len(list(directory.iterdir())) == 1
    three = a_send("three")
    second.keep([one, two, three])
    second.close()
    third = Outbox(str(directory), SERVER, "alice")
    assert third.left == [one, two, three]
    third.clear()
    assert not list(directory.iterdir())
    third.keep([a_send("four")])
    third.close()
    assert texts(Outbox(str(directory), SERVER, "alice")) == ["four"]


def test_what_others_wait_for_is_theirs(tmp_path: Path) -> None:
    """Another user, another server, and another client that runs have their own."""
    running = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    running.keep([a_send("one")])
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == []
    running.close()
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "bob")) == []
    assert texts(Outbox(str(tmp_path / "outbox"), Address("127.0.0.1", 7778), "alice")) == []
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


@pytest.mark.parametrize(
    "damage", [b'{"t":"send","id":"x","to":"bob","text":"\xff"}', b'{"t":"send","x":' + b"[" * 99_999]
)
def test_a_line_that_is_damaged_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    """Whatever stands in the file, the client starts, and the other lines are still there."""
    first = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    first.keep([a_send("one")])
    first.close()
    (file,) = (tmp_path / "outbox").iterdir()
    file.write_bytes(damage + b"\n" + file.read_bytes())
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    """Where the machine stopped in the middle of it, the rest is still there."""
    first = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    first.keep([a_send("one"), a_send("two")])
    first.close()
    (file,) = (tmp_path / "outbox").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert texts(Outbox(str(tmp_path / "outbox"), SERVER, "alice")) == ["one"]


def test_a_directory_that_others_may_use_is_refused(tmp_path: Path) -> None:
    """Nothing is sent in the user's name that somebody else may have put there."""
    (tmp_path / "outbox").mkdir(0o700)
    (tmp_path / "outbox").chmod(0o777)
    with pytest.raises(InputError, match="chmod 700"):
        Outbox(str(tmp_path / "outbox"), SERVER, "alice")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With what that means, and what to do."""
    outbox = Outbox(str(tmp_path / "outbox"), SERVER, "alice")
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(InputError, match="XDG_STATE_HOME"):
        outbox.keep([a_send("one")])


def test_the_chat_sends_what_is_left_first_and_knows_it_again() -> None:
    """With the same ids, which the server takes once."""
    chat = Chat("alice", new_id, lambda: 0)
    one, two = a_send("one"), a_send("two")
    chat.take_up([one, two])
    said = chat.welcomed(Welcome("alice", 0, 0, "chatcli", Limits(1000, 1000, 60)))
    assert [frame for frame in said if isinstance(frame, Send)] == [one, two]
    assert list(chat.outbox.values()) == [one, two]
