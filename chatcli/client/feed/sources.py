"""Sees to it that what is listened for can come at all: that the people are known, and the rooms are the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatcli.client.feed.requester import Speaker
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import History, HistoryPage, Join, Room, RoomList, Rooms
from chatcli.protocol.names import fold

if TYPE_CHECKING:
    from collections.abc import Container

    from chatcli.client.feed.filter import Wanted
    from chatcli.client.identity.credentials import Login


async def look_for_sources(login: Login, wanted: Wanted, own: Container[str], *, enter: bool) -> None:
    """Ask the server for the people and the rooms that are listened to, where that is not known anyhow.

    Args:
        login: who listens, and where; that server has let them in before.
        wanted: what for.
        own: the rooms that the user belongs to, folded.
        enter: enter the others.

    Raises:
        UnknownRecipient: there is no such person, or no such room.
        Refused: the user does not belong to the room.
    """
    rooms = [room for room in wanted.rooms if fold(room) not in own]
    if not rooms and not wanted.people:
        return
    speaker = Speaker(login)
    try:
        for name in wanted.people:
            await speaker.ask(History(name, limit=1), HistoryPage)
        for room in rooms:
            if enter:
                await speaker.ask(Join(room), Room)
            else:
                await speaker.ask(Rooms(room), RoomList)
                sentence = f"You do not belong to {room}, and so are not told what is said there: enter it with --join."
                raise Refused(codes.NOT_ALLOWED, sentence)
    finally:
        await speaker.close()
