"""The requests that the server has not answered: those of the user, and those of the client itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.events import Event, Trouble
from chatcli.client.chat.pager import HistoryPager, Page
from chatcli.errors import ServerUnreachable
from chatcli.protocol import frames as f
from chatcli.protocol.values.names import fold, is_room

_ROSTER: Final = 0  # the number of a ``who`` that the user has not typed
MEMBERS: Final = 2**53 - 1  # the number of a ``who`` for the members of the open room
_NAMED: Final = 100  # people in the roster, and members of a room
_LOOKED_UP: Final = 50  # messages, to find the user's newest

Reason = Literal["asked", "entered", "own messages", "leaving"]


class Request(NamedTuple):
    """A request that the server has not answered.

    Attributes:
        frame: as it was sent.
        reason: the user asked; or to show the room that the user has entered; to know the user's own messages; or to
            know whether the room can be entered again once it is left.
        line: the command that the user has typed for it; empty if there is none.
    """

    frame: f.ClientFrame
    reason: Reason
    line: str


class PendingRequests:
    """Numbers the requests, and finds the request of an answer by its number.

    Args:
        contacts: the people and rooms that the user knows of.
        pager: pages through the history.
        rooms: the rooms to enter at the start.
    """

    def __init__(self, contacts: Contacts, pager: HistoryPager, rooms: Iterable[str] = ()) -> None:
        self._contacts = contacts
        self._pager = pager
        self._rooms = tuple(rooms)  # to enter, as long as the server has not answered for them
        self._number = 0  # of the last request
        self._requests: dict[int, Request] = {}  # by number
        self._following: list[f.ClientFrame] = []  # requests that follow from answers
        self._listed: set[str] = set()  # rooms whose members were asked for on this connection, folded
        self._located: set[str] = set()  # people whose presence was asked for on this connection, folded
        self._absent = ""  # the open conversation, if it is with somebody who is not here, folded

    def __bool__(self) -> bool:
        """Return whether the server has not answered something."""
        return bool(self._requests or self._rooms)

    def connected(self, user_rooms: Iterable[str]) -> list[f.ClientFrame]:
        """Start on a new connection, as a member of these rooms; return the requests to send at once."""
        self._forget()
        self._listed.clear()
        self._located.clear()
        self._absent = ""
        known = by_name(user_rooms)
        self._rooms = tuple(room for room in self._rooms if fold(room) not in known)
        return [self._ask(f.Join(room)) for room in self._rooms]

    @staticmethod
    def roster() -> f.Who:
        """Return the request for the people who are here, of which the user is shown nothing."""
        return f.Who(limit=_NAMED, n=_ROSTER)

    def disconnected(self) -> list[Event]:
        """Drop the requests of a connection that is gone; return the events."""
        return [Trouble(ServerUnreachable(f'No answer came to "{line}": ask once more.')) for line in self._forget()]

    def _forget(self) -> list[str]:
        """Drop the requests; return the lines that the user has typed for them."""
        lines = dict.fromkeys(request.line for request in self._requests.values() if request.line)
        self._requests.clear()
        for kind in (f.History, f.Search):
            self._pager.cancel(kind)
        return list(lines)

    def _ask(self, frame: f.ClientFrame, reason: Reason = "asked", line: str = "") -> f.ClientFrame:
        """Give the frame its number, and wait for the answer."""
        self._number += 1
        frame.n = self._number  # type: ignore[union-attr] # each frame that asks something has one
        self._requests[self._number] = Request(frame, reason, line)
        return frame

    def ask(self, frame: f.ClientFrame, word: str, line: str) -> list[f.ClientFrame]:
        """Return the frames to send for a command.

        Args:
            frame: what the command asks for.
            word: the main word of the command.
            line: the command as the user has typed it.
        """
        match frame:
            case f.Rooms() if word == "leave":
                return [self._ask(frame, "leaving", line)]
            case f.History():
                self._pager.start(frame)
            case f.Receipts():
                # The receipts are places in the log; the messages at these places are the user's own.
                own = self._ask(f.History(frame.to, limit=_LOOKED_UP), "own messages")
                return [own, self._ask(frame, line=line)]
        return [self._ask(frame, line=line)]

    def ask_next_page(self, word: str, page: Page | None) -> list[f.ClientFrame] | None:
        """Return the frames that ask for a further page; None if there is no page to continue from.

        Args:
            word: history or search.
            page: the page after the one that was shown last.
        """
        kind = f.History if word == "history" else f.Search
        if isinstance(page, kind):
            return [self._ask(page, line=f"/{word}")]
        if any(isinstance(one.frame, kind) and one.reason == "asked" for one in self._requests.values()):
            self._pager.queue(kind)
            return []
        return None

    def following(self) -> list[f.ClientFrame]:
        """Return the requests that follow from answers, and from the conversation that is open now."""
        following, self._following = self._following, []
        current = self._contacts.conversations.current
        room = fold(current)
        self._listed.intersection_update(self._contacts.rooms)
        if room in self._contacts.rooms and room not in self._listed:
            self._listed.add(room)
            following.append(f.Who(self._contacts.rooms[room], limit=_NAMED, n=MEMBERS))
        if self._has_opened_absent(current) and self.roster() not in following:
            following.append(self.roster())
        return following

    def _has_opened_absent(self, name: str) -> bool:
        """Return whether the user has just opened the conversation of a person who is not known to be here."""
        key = "" if is_room(name) or name in self._contacts.presence.here else fold(name)
        before, self._absent = self._absent, key
        return bool(key) and key != before

    def locate(self, name: str, *, here: bool) -> None:
        """Request the people who are here, once for each person of whom a message shows that the client may be wrong.

        The server reports nothing of people until the user has talked with them: they may have come or gone meanwhile.

        Args:
            name: the person or room that the user has talked with.
            here: whether the message shows that they are here.
        """
        known = name in self._contacts.presence.here
        other = not is_room(name) and name != self._contacts.user
        if here == known or not other or fold(name) in self._located:
            return
        self._located.add(fold(name))
        if self.roster() not in self._following:
            self._following.append(self.roster())

    def is_about(self, room: str) -> bool:
        """Return whether the user has asked to enter or to leave the room."""
        return any(
            isinstance(request.frame, (f.Join, f.Leave)) and fold(request.frame.room) == fold(room)
            for request in self._requests.values()
        )

    def follow_up(self, frame: f.ClientFrame, reason: Reason = "asked", line: str = "") -> None:
        """Queue a request that follows from an answer."""
        self._following.append(self._ask(frame, reason, line))

    def pop(self, number: int | None) -> Request | None:
        """Remove and return the request with a number; None if there is none."""
        return self._requests.pop(number or 0, None)

    def answered_for(self, room: str) -> None:
        """Record the answer for a room to enter at the start: a later connection does not ask again."""
        self._rooms = tuple(name for name in self._rooms if fold(name) != fold(room))
