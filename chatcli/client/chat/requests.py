"""The requests that the server has not answered: those of the user, and those of the client itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.events import Event, Trouble
from chatcli.client.chat.pager import UNREAD, HistoryPager, Page
from chatcli.client.reading.attention import READS
from chatcli.client.reading.screen import Screen, Tail
from chatcli.errors import ServerUnreachable
from chatcli.protocol import frames as f
from chatcli.protocol.values.names import fold, is_room

_ROSTER: Final = 0  # the number of a ``who`` that the user has not typed
MEMBERS: Final = 2**53 - 1  # the number of a ``who`` for the members of the open room
PERSON: Final = 2**53 - 4  # the number of a ``who`` for one person
_CONVERSATIONS: Final = 2**53 - 3  # the number of the client's own request for the user's conversations
#: Numbers of requests whose refusal is not shown: nobody has typed them.
UNASKED: Final = frozenset({MEMBERS, READS, _CONVERSATIONS})
_CONTEXT: Final = 3  # messages before these
_PAGE: Final = 100  # conversations in one answer
_LISTED: Final = 500  # conversations in all
_NAMED: Final = 100  # people in the roster, and members of a room
_LOOKED_UP: Final = 50  # messages, to find the user's newest

Reason = Literal["asked", "entered", "own messages", "leaving", "tail"]


class Request(NamedTuple):
    """A request that the server has not answered.

    Attributes:
        frame: as it was sent.
        reason: the user asked; or to show the room that the user has entered; to know the user's own messages; to
            know whether the room can be entered again once it is left; or to show the end of the open conversation.
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
        screen: what the user has in view.
        rooms: the rooms to enter at the start.
        watched: whether a person reads the answers.
    """

    def __init__(
        self, contacts: Contacts, pager: HistoryPager, screen: Screen, rooms: Iterable[str] = (), *, watched: bool
    ) -> None:
        self._contacts = contacts
        self._screen = screen
        self._tail: Tail | None = None  # of the conversation that the user has just opened
        self._tails: dict[int, Tail] = {}  # those that were asked for, by the numbers of the requests
        self._shown_tails: list[Tail] = []  # those that were answered, until they are printed
        self._watched = watched
        self._counts = contacts.conversations.counts
        self._counting: int | None = None  # conversations that were listed so far; None if the client does not ask now
        self._pager = pager
        self._rooms = tuple(rooms)  # to enter, as long as the server has not answered for them
        self._number = 0  # of the last request
        self._requests: dict[int, Request] = {}  # by number
        self._following: list[f.ClientFrame] = []  # requests that follow from answers
        self._listed: set[str] = set()  # rooms whose members were asked for on this connection, folded
        self._located: set[str] = set()  # people whose presence was asked for on this connection, folded
        self._locating: set[str] = set()  # those of them of whom the server has not answered
        self._knows_less = False  # whether the server lists no conversations, and cannot be asked for one person
        self._history_in = ""  # the conversation that was open when a history was asked for, folded
        self._opened = ""  # the conversation that was open last, if it is with a person, folded

    @property
    def knows_less(self) -> bool:
        """Whether the server lists no conversations, and cannot be asked for one person."""
        return self._knows_less

    def __bool__(self) -> bool:
        """Return whether the server has not answered something."""
        return bool(self._requests or self._rooms or self._locating)

    def connected(self, user_rooms: Iterable[str], revision: int) -> list[f.ClientFrame]:
        """Start on a new connection; return the requests to send at once.

        Args:
            user_rooms: the rooms that the user belongs to.
            revision: the server's revision of the protocol.
        """
        self._forget()
        self._counting = None
        self._counts.is_outdated = revision >= 1
        self._listed.clear()
        self._located.clear()
        self._knows_less = revision < 1
        self._opened = ""
        known = by_name(user_rooms)
        self._rooms = tuple(room for room in self._rooms if fold(room) not in known)
        return [*(self._ask(f.Join(room)) for room in self._rooms), *self._count()]

    def _count(self) -> list[f.ClientFrame]:
        """Return the request for the conversations, if the counts are outdated and none is on its way."""
        if self._knows_less or not self._watched or not self._counts.is_outdated or self._counting is not None:
            return []
        self._counting = 0
        self._counts.asked()
        return [f.Conversations(_PAGE, n=_CONVERSATIONS)]

    def listed(self, frame: f.ConversationList) -> None:
        """Record a list of conversations, and queue the request for the next page if there is one."""
        self._contacts.add_people(*(one.of for one in frame.conversations if not is_room(one.of)))
        self._contacts.conversations.add_listed(frame.conversations)
        last = frame.conversations[-1].last if frame.conversations else None
        if self._counting is None or frame.n != _CONVERSATIONS:  # the user has asked
            return
        self._counting += len(frame.conversations)
        if frame.more and last is not None and self._counting < _LISTED:
            self._following.append(f.Conversations(_PAGE, last.seq, _CONVERSATIONS))
        else:
            self._counting = None

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
        if self._tail is None and self._tails:  # it is shown on the next connection
            self._tail = self._tails[max(self._tails)]._replace(upto=None)
        self._tails.clear()
        self._locating.clear()
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
                self._history_in = fold(self._contacts.conversations.current)
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
        if isinstance(page, kind) and self._continues(page):
            return [self._ask(page, line=f"/{word}")]
        asked = [one.frame for one in self._requests.values() if one.reason == "asked"]
        if any(isinstance(frame, kind) and self._continues(frame) for frame in asked):
            self._pager.queue(kind)
            return []
        return None

    def _continues(self, page: f.ClientFrame) -> bool:
        """Return whether a command without an argument means this page: not once another conversation is open."""
        current = fold(self._contacts.conversations.current)
        return not isinstance(page, f.History) or current in (self._history_in, fold(page.of))

    def following(self) -> list[f.ClientFrame]:
        """Return the requests that follow from answers, and from the conversation that is open now."""
        following, self._following = self._following, []
        current = self._contacts.conversations.current
        room = fold(current)
        self._listed.intersection_update(self._contacts.rooms)
        if room in self._contacts.rooms and room not in self._listed:
            self._listed.add(room)
            following.append(f.Who(self._contacts.rooms[room], limit=_NAMED, n=MEMBERS))
        if self._has_opened_person(current) and (request := self._location(current)) not in following:
            following.append(request)
        return [*following, *self._count(), *self.tail()]

    # Opening a conversation

    def opened(self, name: str) -> None:
        """Record that the user opens a conversation; to be called before its read position moves."""
        if self._watched:
            counts = self._counts
            last = self._contacts.conversations.last(name)
            unread = counts.unread(name) if self.can_tell else None
            self._tail = Tail(name, counts.position(name), unread, None, 0 if last is None else last.seq)

    def wrote(self, *, was_open: bool) -> Tail | None:
        """Record that the user has opened a conversation by writing there: they know what they have in view.

        Args:
            was_open: whether it was open before. Then they answer what was printed last, though its beginning may have
                left the window.

        Returns:
            What is known to the user, and needs not be shown; None if it is, or if there is nothing.
        """
        tail = self._tail
        if tail is None:
            return None
        unread = tail.unread or 0
        is_known = self._screen.count(tail.name, tail.read) >= unread
        if not is_known and not (was_open and self._screen.ends_with(tail.name, unread, tail.read)):
            return None
        self._counts.showed(tail.name)
        self._tail = None
        return tail if tail.unread else None

    def tail_shown(self, tail: Tail) -> None:
        """Record that the end of a conversation is about to be shown."""
        self._shown_tails.append(tail)

    def pop_shown_tails(self) -> list[Tail]:
        """Return the ends of conversations that were shown, once."""
        shown, self._shown_tails = self._shown_tails, []
        return shown

    def tail_of(self, number: int) -> Tail:
        """Return the tail that was asked for with the request of a number."""
        return self._tails.pop(number)

    @property
    def can_tell(self) -> bool:
        """Whether the unread messages are known: the server has counted them, and all missed ones have come."""
        return self._watched and self._counts.live and self._counting is None

    def tail(self) -> list[f.ClientFrame]:
        """Return the request for the end of the open conversation, unless it is on the screen."""
        current = self._contacts.conversations.current
        if not self.can_tell:
            return []
        tail, self._tail = self._tail, None
        has_chosen = self._contacts.conversations.has_chosen
        if tail is None and has_chosen and current and self._counts.unshown(current):  # which nobody was told of
            tail = Tail(current, self._counts.position(current), None, None)
        if tail is None or fold(tail.name) != fold(current):
            return []
        if tail.unread is None:
            tail = tail._replace(read=self._counts.position(current), unread=self._counts.unread(current))
        if not (limit := self._tail_length(tail)):
            return []
        last = self._contacts.conversations.last(current)
        request = self._ask(f.History(current, limit=limit), "tail")
        self._tails[self._number] = tail._replace(upto=None if last is None else last.seq)
        return [request]

    def _tail_length(self, tail: Tail) -> int:
        """Return the number of messages to show of a conversation; 0 if the user has them in view."""
        if tail.unread:
            self._counts.showed(tail.name)
            is_in_view = self._screen.shows_last(tail.name, tail.unread, tail.read)
            return 0 if is_in_view else min(tail.unread, UNREAD) + _CONTEXT
        last = self._contacts.conversations.last(tail.name)
        return 0 if last is None or self._screen.has(tail.name, last.seq) else _CONTEXT

    # Presence

    def _has_opened_person(self, name: str) -> bool:
        """Return whether the user has just opened the conversation of a person, of whom the server is to report.

        It may report nothing before it is asked: it knows only of those whom it finds in its log, and not of all.
        """
        key = "" if is_room(name) else fold(name)
        before, self._opened = self._opened, key
        if not key or key == before or name == self._contacts.user:
            return False
        presence = self._contacts.presence
        return not self._knows_less or name not in self._contacts.partners or presence.where(name) is None

    def ask_again(self) -> None:
        """Have the presence of the person whose conversation is open asked for, as if it was opened now."""
        if not self._knows_less:
            self._opened = ""

    def locate(self, name: str, *, here: bool) -> bool:
        """Request the presence of a person, once for each of whom a message shows that the client may be wrong.

        Args:
            name: the person or room that the user has talked with.
            here: whether the message shows that they are here.

        Returns:
            Whether an answer of the server is to come that says where this person is.
        """
        where = self._contacts.presence.where(name)
        is_known = where in ("here", "away") if here else where == "gone"
        if is_known or is_room(name) or name == self._contacts.user:
            return False
        if fold(name) in self._located | self._locating:
            return fold(name) in self._locating
        self._located.add(fold(name))
        if (request := self._location(name)) not in self._following:
            self._following.append(request)
        return True

    def _location(self, name: str) -> f.Who:
        """Return the request for the presence of a person, of which the user is shown nothing."""
        if self._knows_less:
            return self.roster()
        self._locating.add(fold(name))
        return f.Who(name, n=PERSON)

    def located(self, name: str) -> None:
        """Record that the server has answered where a person is; where all of them are, if there is no name."""
        self._locating = {one for one in self._locating if name and one != fold(name)}

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
        if number == _CONVERSATIONS:
            self._counting = None
        return self._requests.pop(number or 0, None)

    def answered_for(self, room: str) -> None:
        """Record the answer for a room to enter at the start: a later connection does not ask again."""
        self._rooms = tuple(name for name in self._rooms if fold(name) != fold(room))
