"""Checks that the messages of a filter can come: that its people are known, and its rooms are the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatcli.client.feed.requester import Requester
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import History, HistoryPage, Join, Room, RoomList, Rooms
from chatcli.protocol.values.names import fold

if TYPE_CHECKING:
    from collections.abc import Container

    from chatcli.client.feed.filter import MessageFilter
    from chatcli.client.identity.credentials import Login


async def check_sources(login: Login, message_filter: MessageFilter, own: Container[str], *, enter: bool) -> None:
    """Ask the server about the people and rooms of a filter that the user is not known to share.

    Args:
        login: the server and the user; that server has accepted them before.
        message_filter: the filter.
        own: the rooms that the user belongs to, folded.
        enter: enter the other rooms.

    Raises:
        UnknownRecipient: there is no such person, or no such room.
        Refused: the user does not belong to a room.
    """
    rooms = [room for room in message_filter.rooms if fold(room) not in own]
    if not rooms and not message_filter.people:
        return
    requester = Requester(login)
    try:
        for name in message_filter.people:
            await requester.request(History(name, limit=1), HistoryPage)
        for room in rooms:
            if enter:
                await requester.request(Join(room), Room)
            else:
                await requester.request(Rooms(room), RoomList)
                sentence = f"You are not a member of {room}, so its messages do not come: enter it with --join."
                raise Refused(codes.NOT_ALLOWED, sentence)
    finally:
        await requester.close()
