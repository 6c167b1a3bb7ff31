"""Pages of an answer that is too long for one frame, put together while they grow, whatever the server sends."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from chatcli.client.transport.blocking import TIMEOUT
from chatcli.errors import ProtocolError, Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import (
    MAX_PAGE,
    Bye,
    ConversationInfo,
    ConversationList,
    Conversations,
    Found,
    History,
    HistoryPage,
    Message,
    NameChange,
    RoomInfo,
    RoomList,
    Rooms,
    Search,
    Welcome,
)

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection

MAX_ROOMS: Final = 100_000  # a list of names that are all different may be endless


class RoomPages:
    """The rooms of a server.

    Attributes:
        rooms: the rooms that were received, by name.
    """

    def __init__(self) -> None:
        self.rooms: list[RoomInfo] = []
        self._names: set[str] = set()

    def next_request(self) -> Rooms:
        """Return the request for the next page."""
        return Rooms(after=self.rooms[-1].name if self.rooms else "")

    def add(self, page: RoomList) -> bool:
        """Add a page; return whether there are more.

        Raises:
            ProtocolError: it repeats a room, or is empty though there are more, or there are too many.
        """
        names = {room.name.casefold() for room in page.rooms}
        empty = page.more and not names
        if empty or len(names) < len(page.rooms) or not names.isdisjoint(self._names):
            raise ProtocolError("The server's list of rooms does not end: tell its operator.")
        self._names |= names
        self.rooms += page.rooms
        if len(self.rooms) > MAX_ROOMS:
            raise ProtocolError(f"The server has more than {MAX_ROOMS:,} rooms, which is too many to be listed.")
        return page.more


def require_conversations(connection: Connection) -> Welcome:
    """Return the server's welcome, if the server knows conversations and read positions.

    Raises:
        Refused: it is too old.
    """
    connection.send()  # the proof alone
    welcome = connection.welcome or connection.receive(Welcome)
    if welcome.revision < 1:
        text = "The server is older than this command, and does not know it: ask its operator to upgrade."
        raise Refused(codes.INVALID, text)
    return welcome


class ConversationPages:
    """The user's conversations, the newest first.

    Args:
        limit: the largest number of conversations.
        only_unread: leave out those without unread messages.
    """

    def __init__(self, limit: int, *, only_unread: bool) -> None:
        self._limit = limit
        self._only_unread = only_unread

    def run(self, connection: Connection) -> list[ConversationInfo]:
        """Return the conversations.

        Raises:
            OSError: the connection broke.
            ChatError: the server refuses, or sends others than were asked for.
        """
        require_conversations(connection)
        found: list[ConversationInfo] = []
        before = None
        while True:
            size = MAX_PAGE if self._only_unread else min(MAX_PAGE, self._limit - len(found))
            connection.deadline = time.monotonic() + TIMEOUT
            connection.send(Conversations(size, before, n=1))
            page = connection.receive(ConversationList)
            seqs = [one.last.seq for one in page.conversations if one.last is not None]
            ends = seqs if before is None else [before, *seqs]
            if len(page.conversations) > size or any(first <= second for first, second in pairwise(ends)):
                raise ProtocolError("The server sent other conversations than requested: tell its operator.")
            found += [one for one in page.conversations if one.unread or not self._only_unread]
            if not (page.more and seqs) or len(found) >= self._limit:
                connection.send(Bye())
                return found[: self._limit]
            before = seqs[-1]


class MessagePages:
    """Messages that are read back, over as many connections as it takes: a page that was read is not read again.

    Unless the log was restored meanwhile, and has lost some of them: then all are read again.

    Args:
        question: the question; its ``limit`` does not matter.
        limit: the largest number of messages.

    Attributes:
        more: whether there are older messages.
    """

    def __init__(self, question: History | Search, limit: int) -> None:
        self.more = False
        self._first = self._question = question
        self._kind: type[HistoryPage | Found] = HistoryPage if isinstance(question, History) else Found
        self._limit = limit
        self._pages: list[list[Message]] = []
        self._changes: list[list[NameChange]] = []
        self._epoch = ""  # of the log that they are from

    @property
    def messages(self) -> list[Message]:
        """The messages, in the order in which the server gives those of one page."""
        pages = reversed(self._pages) if isinstance(self._question, History) else self._pages
        return [message for page in pages for message in page]

    @property
    def changes(self) -> list[NameChange]:
        """The changes of the other person's name in the time of the messages, the oldest first."""
        return [change for page in reversed(self._changes) for change in page]

    def run(self, connection: Connection) -> None:
        """Read the pages that are missing.

        Raises:
            OSError: the connection broke.
            ChatError: the server refuses, or sends other messages than were asked for.
        """
        newest = max((message.seq for page in self._pages for message in page), default=0)
        if newest and newest > connection.shared_with(self._epoch):
            self._pages, self._changes, self._question = [], [], self._first
        while True:
            left = self._limit - sum(map(len, self._pages))
            question = msgspec.structs.replace(self._question, limit=min(left, MAX_PAGE), n=1)
            connection.deadline = time.monotonic() + TIMEOUT
            connection.send(question)
            page = connection.receive(self._kind)
            self._epoch = connection.epoch
            check_messages(question, page)
            if isinstance(page, HistoryPage) and page.changes:
                self._changes.append(page.changes)
            if page.messages:
                self._pages.append(page.messages)
                oldest = min(message.seq for message in page.messages)
                self._question = msgspec.structs.replace(self._question, before=oldest)
            if not page.more or not page.messages or left <= len(page.messages):
                self.more = page.more
                connection.send(Bye())
                return


def check_messages(question: History | Search, page: HistoryPage | Found) -> None:
    """Check that a page of messages answers the question, and so is nearer to the end than the page before it.

    Raises:
        ProtocolError: it does not.
    """
    messages = page.messages if isinstance(page, HistoryPage) else page.messages[::-1]
    ends = [message.seq for message in messages]
    if question.before is not None:
        ends.append(question.before)
    if len(messages) > question.limit or any(first >= second for first, second in pairwise(ends)):
        raise ProtocolError("The server sent other messages than requested: tell its operator.")
