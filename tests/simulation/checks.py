"""Checks of a simulated world, once everything has happened that was under way."""

from __future__ import annotations

import sqlite3
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from chatcli.protocol import frames as f
from chatcli.protocol.values.ids import id_bytes
from tests.simulation.memory import check_at_rest, check_caches, check_connections, describe
from tests.simulation.node import Node, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulation.device import Device
    from tests.simulation.world import World


def check_memory(node: Node, *, positions: bool = False) -> None:
    """Compare what a server has in memory with what a new one reads from a copy of its database."""
    check_connections(node.hub)
    check_caches(node.hub)
    copy = node.reborn()
    try:
        has, wanted = describe(node.hub, positions=positions), describe(copy.hub, positions=positions)
        assert has == wanted, "\n".join(_differences(has, wanted, "memory"))
    finally:
        copy.log.close()


def _differences(has: object, wanted: object, where: str) -> Iterator[str]:
    """Yield the parts of two descriptions that differ."""
    if isinstance(has, dict) and isinstance(wanted, dict):
        for key in {**has, **wanted}:
            yield from _differences(has.get(key), wanted.get(key), f"{where} / {key}")
    elif has != wanted:
        yield f"{where}: {has}, not {wanted}"


def check_all(world: World) -> None:
    """Check servers and devices of a world that has come to rest."""
    world.check_log()
    rows = check_tables(world)
    for node in world.nodes:
        check_memory(node, positions=world.alone)
        check_at_rest(node.hub)
    for node, answers in world.commands:
        assert len(answers) == 1 or node not in world.nodes, f"an operator has got {answers}"
    stored = Stored(world.nodes[0].data)
    for device in world.devices.values():
        assert not device.knocking, f"{device} waits to be let in"
        assert not device.open_requests, f"{device} waits for {device.open_requests}"
        assert not device.welcomed or not device.unanswered, f"{device} waits for {device.unanswered}"
        _check_answers(device, stored)
        _check_feed(device, stored)
    _check_owners(world, rows)


def check_tables(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Check that all databases have the same rows, and return them by table."""
    first, *others = [tables(node.data) for node in world.nodes]
    for other in others:
        for name, rows in first.items():
            assert rows == other[name], f"the table {name} differs"
    return first


class Message(NamedTuple):
    """A message in the database."""

    seq: int
    id: bytes
    sender: int
    low: int | None
    high: int | None
    room: int
    text: str


class Stored:
    """The messages in a database, and who may read them.

    Attributes:
        by_id: the messages by id; there are not two with the same one.
        by_seq: the same by place.
        deleted: the places of messages that were deleted.
    """

    def __init__(self, data: Path) -> None:
        connection = sqlite3.connect(data / "chatcli.db")
        rows = connection.execute(
            "SELECT seq, messages.id, sender, low, high, conversation, text FROM messages "
            "JOIN conversations ON conversations.id = conversation ORDER BY seq"
        ).fetchall()
        messages = [Message(*row) for row in rows]
        self.by_id = {message.id: message for message in messages}
        self.by_seq = {message.seq: message for message in messages}
        assert len(self.by_id) == len(messages)
        self.deleted = {seq for (seq,) in connection.execute("SELECT seq FROM deleted")}
        self._members = connection.execute("SELECT user, conversation, since, until FROM members").fetchall()
        connection.close()

    def in_feed(self, message: Message, user: int) -> bool:
        """Return whether a message belongs to the feed of a user."""
        if message.room >= 0:
            return user in (message.low, message.high)
        return any(
            (member, room) == (user, message.room) and since < message.seq and (until is None or message.seq <= until)
            for member, room, since, until in self._members
        )

    def feed(self, user: int, after: int) -> list[Message]:
        """Return a user's feed after a place."""
        return [one for one in self.by_seq.values() if one.seq > after and self.in_feed(one, user)]


def _check_answers(device: Device, stored: Stored) -> None:
    """Everything that was answered with ``sent`` is stored once, in the order in which the device has sent it."""
    for sent in device.sent:
        message = stored.by_id.get(id_bytes(sent.id))
        if message is None and sent.seq in stored.deleted:
            continue
        assert message is not None, f"{device} was told that {sent.id} is stored, and it is not"
        assert (message.seq, message.sender) == (sent.seq, device.user), f"{device}: {sent} {message}"
    places = {sent.id: sent.seq for sent in device.sent}
    newest = 0
    # One that was refused may be stored when it is sent again, after others that the device has sent meanwhile.
    for identity, seq in sorted(places.items(), key=itemgetter(1)):
        first, last = device.sendings[identity]
        assert last > newest, f"{device} has sent {identity} before what has an earlier place than {seq}"
        newest = max(newest, first)


def _check_feed(device: Device, stored: Stored) -> None:
    """A device has its feed in order, once, and nothing else; if it is connected, it has all of it."""
    got: list[int] = []
    for feed in device.feeds:
        seqs = [one.seq for one in feed]
        assert seqs == sorted(set(seqs)), f"the feed of {device} is not in order: {seqs}"
        got += seqs
        for frame in feed:
            if isinstance(frame, f.Message) and frame.seq not in stored.deleted:
                message = stored.by_seq[frame.seq]
                assert (id_bytes(frame.id), frame.text) == (message.id, message.text), f"{device} got {frame}"
                assert stored.in_feed(message, device.user), f"{device} got what is not theirs: {frame}"
    assert len(set(got)) == len(got), f"{device} got something twice: {got}"
    if device.has_feed and device.first is not None and not device.token:  # which may be limited to conversations
        wanted = {one.seq for one in stored.feed(device.user, device.first) if one.sender != device.user}
        assert wanted <= set(got), f"{device} did not get {sorted(wanted - set(got))}"


def _check_owners(world: World, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Of those who have asked for a name one got it, and a room with members belongs to one of them at least."""
    released = {key for _, key, _, what, *_ in rows["name_changes"] if what == "released"}
    for name in {device.name for device in world.devices.values()} - released:
        got = [
            one for one in world.devices.values() if one.name == name and one.user and not (one.vouched or one.token)
        ]
        assert len(got) <= 1, f"{name} belongs to {[str(one) for one in got]}"
    members = [row for row in rows["members"] if row[1] < 0 and row[3] is None]
    assert {row[1] for row in members if row[4]} == {row[1] for row in members}, "a room belongs to nobody"
