"""Pages of an answer that is too long for one frame: put together as long as they grow, whatever the server says."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from chatcli.errors import ProtocolError
from chatcli.protocol.frames import Found, History, HistoryPage, RoomInfo, RoomList, Rooms, Search

MOST: Final = 100_000  # rooms that are listed: names that are all different need not come to an end


class RoomPages:
    """The rooms of a server.

    Attributes:
        rooms: those that have come, by name.
    """

    def __init__(self) -> None:
        self.rooms: list[RoomInfo] = []
        self._names: set[str] = set()

    def question(self) -> Rooms:
        """Return what to ask for next."""
        return Rooms(after=self.rooms[-1].name if self.rooms else "")

    def add(self, page: RoomList) -> bool:
        """Take a page; return whether there are more.

        Raises:
            ProtocolError: it has a room that came before, or has none though there are more, or there are too many.
        """
        names = {room.name.casefold() for room in page.rooms}
        empty = page.more and not names
        if empty or len(names) < len(page.rooms) or not names.isdisjoint(self._names):
            raise ProtocolError("The server's list of rooms does not come to an end: tell its operator.")
        self._names |= names
        self.rooms += page.rooms
        if len(self.rooms) > MOST:
            raise ProtocolError(f"The server has more than {MOST:,} rooms, which is too many to be listed.")
        return page.more


def check_messages(question: History | Search, page: HistoryPage | Found) -> None:
    """See that a page of messages answers the question, and so is nearer to the end than the page before it.

    Raises:
        ProtocolError: it does not.
    """
    messages = page.messages if isinstance(page, HistoryPage) else page.messages[::-1]
    ends = [message.seq for message in messages]
    if question.before is not None:
        ends.append(question.before)
    if len(messages) > question.limit or any(first >= second for first, second in pairwise(ends)):
        raise ProtocolError("The server gave other messages than were asked for: tell its operator.")
