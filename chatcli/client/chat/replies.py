"""The requests that the server has not answered, and what its answers lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

from chatcli.client.chat import phrases
from chatcli.client.chat.commands import HISTORY_PAGE
from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.events import Answer, Event, Notice, Trouble, day
from chatcli.client.chat.pager import HistoryPager, Page
from chatcli.client.chat.questions import OpenQuestions
from chatcli.client.chat.recent import RecentMessages
from chatcli.errors import InputError, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import printable_line

_ROSTER: Final = 0  # the number of a ``who`` that the user has not typed
_MEMBERS: Final = 2**53 - 1  # the number of a ``who`` for the members of the open room
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
        contacts: the people and rooms that the user knows of; the answers add to them.
        recent: the recent messages; the answers add to them.
        questions: those that the user may answer.
        clock: returns the milliseconds since 1970-01-01 UTC.
        rooms: the rooms to enter at the start.

    Attributes:
        pager: pages through the history.
    """

    def __init__(
        self,
        contacts: Contacts,
        recent: RecentMessages,
        questions: OpenQuestions,
        clock: Callable[[], int],
        rooms: Iterable[str] = (),
    ) -> None:
        self.pager = HistoryPager(recent)
        self._contacts = contacts
        self._recent = recent
        self._questions = questions
        self._clock = clock
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
        """Drop the requests of a connection that is gone; return what to show of it."""
        return [Trouble(ServerUnreachable(f'No answer came to "{line}": ask once more.')) for line in self._forget()]

    def _forget(self) -> list[str]:
        """Drop the requests; return the lines that the user has typed for them."""
        lines = dict.fromkeys(request.line for request in self._requests.values() if request.line)
        self._requests.clear()
        for kind in (f.History, f.Search):
            self.pager.cancel(kind)
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
                self.pager.start(frame)
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
            self.pager.queue(kind)
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
            following.append(f.Who(self._contacts.rooms[room], limit=_NAMED, n=_MEMBERS))
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

    def refused(self, frame: f.Error) -> f.Error | None:
        """Drop a request that was refused; return the error to show, or None if none is shown."""
        if frame.n == _MEMBERS:
            return None  # the room was left meanwhile
        request = self._requests.pop(frame.n or 0, None)
        if request is not None and request.reason == "own messages":
            return None  # the request of the user's beside it is refused in the same words
        match request.frame if request else None:
            case f.Join(room):
                self._answered(room)
                if fold(room) not in self._contacts.rooms:
                    self._contacts.conversations.forget(room)
            case f.History() | f.Search() as page:
                self.pager.cancel(type(page))
            case f.Operate(room="") as asked if frame.code == codes.NOT_ALLOWED and self._contacts.rooms:
                return f.Error(frame.code, f"{frame.text} {phrases.moderation_hint(asked, self._a_room())}")
        return frame

    def _a_room(self) -> str:
        """Return a room that the user belongs to: the open one, if they do."""
        rooms = self._contacts.rooms
        return rooms.get(fold(self._contacts.conversations.current)) or next(iter(rooms.values()))

    def people(self, frame: f.People) -> list[Event]:
        """Record a list of people; return what to show."""
        self._contacts.list_people(frame)
        if self._requests.pop(frame.n, None) is None:
            return []
        return [Answer(phrases.people(frame, self._contacts.user, day(self._clock())))]

    def done(self, frame: f.Done) -> list[Event]:
        """Record that the server has carried out a request; return what to show."""
        request = self._requests.pop(frame.n, None)
        if request is None:
            return []
        match request.frame:
            case f.Operate(to=to, room=room) as asked:
                asked.room = self._contacts.spelling(room) if room else ""
                return [Answer(phrases.moderated(asked, self._contacts.spelling(to)))]
            case f.Leave(room):
                self._contacts.leave(room)
        return [Answer(phrases.done(request.frame))]

    def entered(self, frame: f.Room) -> list[Event]:
        """Record that the user belongs to a room; return what to show."""
        self._requests.pop(frame.n, None)
        room = frame.room.name
        self._answered(room)
        self._contacts.conversations.respell(room)
        if not self._contacts.enter(room):
            self._following.append(self._ask(f.History(room, frame.since + 1, limit=HISTORY_PAGE), "entered"))
        return [Notice(phrases.entered(frame.room, self._contacts.user))]

    def _answered(self, room: str) -> None:
        """Record the answer for a room to enter at the start: a later connection does not ask again."""
        self._rooms = tuple(name for name in self._rooms if fold(name) != fold(room))

    def room_list(self, frame: f.RoomList) -> list[Event]:
        """Record a list of rooms; return what to show."""
        request = self._requests.pop(frame.n, None)
        self._contacts.other_rooms |= by_name(room.name for room in frame.rooms if not room.joined)
        if request is not None and request.reason == "leaving":
            return [event for room in frame.rooms for event in self._leave(room, request.line)]
        if request is not None and isinstance(request.frame, f.Rooms) and request.frame.room:
            return [Answer(phrases.topic(room)) for room in frame.rooms]
        if not frame.rooms:
            return [Answer("There are no rooms yet: /join #NAME makes one")]
        more = [Answer('These are not all: "chatcli rooms" lists them')] if frame.more else []
        return [*(Answer(phrases.room_line(room, self._contacts.user)) for room in frame.rooms), *more]

    def _leave(self, room: f.RoomInfo, line: str) -> list[Event]:
        """Leave the open room, unless the user could not enter it again at will."""
        if room.kind == "private":
            name = printable_line(room.name)
            return [Trouble(InputError(f'{name} is private: to leave it, write "/leave {name}".'))]
        self._following.append(self._ask(f.Leave(room.name), line=line))
        return []

    def history(self, frame: f.HistoryPage) -> list[Event]:
        """Record a page of older messages; return what to show."""
        request = self._requests.pop(frame.n, None)
        self._questions.close_answered(frame.messages)
        for message in frame.messages:
            self._recent.add(message, frame.of)
            self._contacts.add_people(message.sender)
        if request is None or not isinstance(request.frame, f.History) or request.reason == "own messages":
            return []
        user = self._contacts.user
        if request.frame.before is None:
            # A question of an earlier visit may still be open: its answer would be in this page.
            for message in frame.messages:
                self._questions.add(message, frame.of, live=False)
        if request.reason == "entered":
            return [self._recent.as_event(message, user, past=True) for message in frame.messages]
        return self._with_next(f.History, self.pager.history(request.frame, frame, user))

    def found(self, frame: f.Found) -> list[Event]:
        """Record a page of what was found; return what to show."""
        request = self._requests.pop(frame.n, None)
        if request is None or not isinstance(request.frame, f.Search):
            return []
        return self._with_next(f.Search, self.pager.found(request.frame, frame, self._contacts.user))

    def _with_next(self, kind: type[Page], events: list[Event]) -> list[Event]:
        """Return the events of a page, after asking for the next one if the user already wants it."""
        page = self.pager.next_queued(kind)
        if page is not None:
            self._following.append(self._ask(page, line="/history" if kind is f.History else "/search"))
        return events

    def receipts(self, frame: f.ReceiptList) -> list[Event]:
        """Return what to show of the receipts of a conversation."""
        request = self._requests.pop(frame.n, None)
        if request is None:
            return []
        user = self._contacts.user
        own = self._recent.sent_by(user, frame.to)
        if not is_room(frame.to):
            self._contacts.add_people(frame.to)
        return [Answer(line) for line in phrases.seen(frame, own, user, day(self._clock()))]
