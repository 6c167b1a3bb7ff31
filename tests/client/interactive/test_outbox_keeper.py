"""Unsent messages on disk: written at once without a connection, and removed after sending."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatcli.client.chat.outgoing import Outgoing
from chatcli.client.interactive import outbox_keeper
from chatcli.client.interactive.outbox_keeper import OutboxKeeper
from chatcli.client.outbox.store import Outbox
from chatcli.errors import InputError
from chatcli.protocol.frames import Send
from chatcli.protocol.values.address import Address

SERVER = Address("127.0.0.1", 4711)


def unexpected(error: InputError) -> None:
    """Fail, because nothing may be reported."""
    raise error


def is_written(directory: Path) -> bool:
    """Return whether a file of messages exists."""
    return bool(list(directory.iterdir()))


def left(directory: Path) -> list[str]:
    """Return the ids of messages that another client would load."""
    outbox = Outbox(str(directory), SERVER, "alice")
    try:
        return [message.id for message in outbox.waiting]
    finally:
        outbox.close()


@pytest.mark.parametrize("connected", [False, True])
def test_unsent_messages_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connected: bool) -> None:
    """While connected they are written after a delay, because most are stored by then."""
    monkeypatch.setattr(outbox_keeper, "_LONG", 0.01)

    written: list[bool] = []

    async def run() -> None:
        outgoing = Outgoing()
        keeper = OutboxKeeper(Outbox(str(tmp_path), SERVER, "alice"), outgoing, unexpected)
        outgoing.add(Send("one", "bob", "hi"))
        keeper.update(connected=connected)
        written.append(is_written(tmp_path))
        await asyncio.sleep(0.05)
        keeper.close()

    asyncio.run(run())
    assert written == [not connected]
    assert left(tmp_path) == ["one"]


def test_sent_messages_are_removed(tmp_path: Path) -> None:
    """Those of an earlier session, too."""
    earlier = Outbox(str(tmp_path), SERVER, "alice")
    earlier.store([Send("one", "bob", "hi")])
    earlier.close()
    outgoing = Outgoing()
    outbox = Outbox(str(tmp_path), SERVER, "alice")
    keeper = OutboxKeeper(outbox, outgoing, unexpected)
    outgoing.restore(outbox.waiting)
    assert keeper.restored == 1
    outgoing.stored("one")
    keeper.update(connected=True)
    keeper.close()
    assert left(tmp_path) == []


def test_unwritable_file(tmp_path: Path) -> None:
    """It is reported once; messages do not survive the client from then on."""
    reported: list[InputError] = []
    outgoing = Outgoing()
    keeper = OutboxKeeper(Outbox(str(tmp_path / "outbox"), SERVER, "alice"), outgoing, reported.append)
    (tmp_path / "outbox").write_text("in the way")
    outgoing.add(Send("one", "bob", "hi"))
    for _ in range(2):
        keeper.update(connected=False)
    assert len(reported) == 1
    assert not keeper.is_writing
    keeper.close()
