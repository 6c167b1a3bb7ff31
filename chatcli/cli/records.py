"""What ``--json`` says of messages, rooms and people, as ``docs/json.md`` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatcli.cli.listing import moment

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message, Person, RoomInfo

Record = dict[str, Any]


def of_message(message: Message) -> Record:
    """Return what there is to say of a message."""
    return {
        "seq": message.seq,
        "id": message.id,
        "from": message.sender,
        "to": message.to,
        "text": message.text,
        "at": moment(message.at),
        "re": message.re,
    }


def of_room(room: RoomInfo) -> Record:
    """Return what there is to say of a room."""
    return {
        "room": room.name,
        "kind": room.kind,
        "members": room.members,
        "topic": room.topic,
        "owners": room.owners,
        "joined": room.joined,
        "invited": room.invited,
        "last": of_message(room.last) if room.last else None,
    }


def of_person(person: Person) -> Record:
    """Return what there is to say of someone who is here, or belongs to a room."""
    return {
        "user": person.user,
        "state": person.state,
        "since": moment(person.since) if person.since else None,
        "text": person.text,
    }
