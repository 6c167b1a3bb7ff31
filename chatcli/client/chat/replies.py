"""What the server was asked, and what becomes of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

from chatcli.client.chat import phrases
from chatcli.client.chat.commands import HISTORY_PAGE
from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.events import Answer, Event, Notice, Trouble, day
from chatcli.client.chat.pager import Lookback, Page
from chatcli.client.chat.questions import OpenQuestions
from chatcli.client.chat.recent import Memory
from chatcli.errors import ChatError, InputError, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import printable_line

_ROSTER: Final = 0  # the number of a ``who`` that the user did not ask
_MEMBERS: Final = 2**53 - 1  # of a ``who`` that asks for the members of the room that the user is in
_NEAR: Final = 100  # people whom the roster names
_LOOKED_BACK: Final = 50  # messages, for the newest that the user has said

Why = Literal["asked", "entered", "looked back", "leaving"]


class Request(NamedTuple):
    """What the server was asked and has not answered.

    Attributes:
        frame: as it was said.
        why: because the user asked; to show where the user has entered; to know what the user has said; to know
            whether the room can be entered again once it is left.
        line: the command that the user has typed for it, if they have.
    """

    frame: f.ClientFrame
    why: Why
    line: str


class Answers:
    """Numbers what is asked, and knows an answer by its number.

    Args:
        contacts: the people and rooms that the user knows of; what the answers tell of them is noted there.
        memory: what was said of late.
        clock: the time in milliseconds since 1970-01-01 UTC.
        questions: those that the user may answer.
        trouble: notes that the user did not get what they wanted, and returns how that is shown.

    Attributes:
        rooms: those to be entered at the start, that the server has not answered for.
    """

    def __init__(
        self,
        contacts: Contacts,
        memory: Memory,
        clock: Callable[[], int],
        questions: OpenQuestions,
        trouble: Callable[[ChatError], Trouble],
    ) -> None:
        self.rooms: tuple[str, ...] = ()
        self.lookback = Lookback(memory)
        self._contacts = contacts
        self._memory = memory
        self._clock = clock
        self._questions = questions
        self._trouble = trouble
        self._asked = 0
        self._open: dict[int, Request] = {}  # by number
        self._following: list[f.ClientFrame] = []  # what an answer makes the client ask
        self._counted: set[str] = set()  # rooms whose members were asked for on this connection, folded
        self._located: set[str] = set()  # people after whom the server was asked on this connection, folded
        self._turned_to = ""  # the person after whom it was asked because their conversation was opened, folded

    @property
    def waits(self) -> bool:
        """Whether something was asked that the server has not answered."""
        return bool(self._open or self.rooms)

    def welcomed(self, user_rooms: Iterable[str]) -> list[f.ClientFrame]:
        """Begin on a new connection, as one who belongs to these rooms; return what to ask at once."""
        self.forget()
        self._counted.clear()
        self._located.clear()
        self._turned_to = ""
        known = by_name(user_rooms)
        self.rooms = tuple(room for room in self.rooms if fold(room) not in known)
        return [self.ask(f.Join(room)) for room in self.rooms]

    @staticmethod
    def roster() -> f.Who:
        """Return how to ask who is here, without the user's having asked."""
        return f.Who(limit=_NEAR, n=_ROSTER)

    def forget(self) -> list[str]:
        """Give up what was asked; return the lines that the user has typed for it."""
        lines = dict.fromkeys(request.line for request in self._open.values() if request.line)
        self._open.clear()
        for kind in (f.History, f.Search):
            self.lookback.give_up(kind)
        return list(lines)

    def unanswered(self) -> list[Event]:
        """Give up what was asked on a connection that is gone; return what to show of it."""
        return [
            self._trouble(ServerUnreachable(f'No answer came to "{line}": ask once more.')) for line in self.forget()
        ]

    def ask(self, frame: f.ClientFrame, why: Why = "asked", line: str = "") -> f.ClientFrame:
        """Give the frame its number, and wait for the answer."""
        self._asked += 1
        frame.n = self._asked  # type: ignore[union-attr] # each frame that asks something has one
        self._open[self._asked] = Request(frame, why, line)
        return frame

    def question(self, frame: f.ClientFrame, word: str, line: str) -> list[f.ClientFrame]:
        """Return what to say for a command that asks the server something."""
        match frame:
            case f.Rooms() if word == "leave":
                return [self.ask(frame, "leaving", line)]
            case f.History():
                self.lookback.begin(frame)
            case f.Receipts():
                # To know how much of it they have seen, one has to know what was said.
                said = self.ask(f.History(frame.to, limit=_LOOKED_BACK), "looked back")
                return [said, self.ask(frame, line=line)]
        return [self.ask(frame, line=line)]

    def once_more(self, word: str, page: Page | None) -> list[f.ClientFrame] | None:
        """Ask for the page behind the one that was asked for just before, or is on its way, if there is such a one."""
        kind = f.History if word == "history" else f.Search
        if isinstance(page, kind):
            return [self.ask(page, line=f"/{word}")]
        if any(isinstance(request.frame, kind) and request.why == "asked" for request in self._open.values()):
            self.lookback.want(kind)
            return []
        return None

    def following(self) -> list[f.ClientFrame]:
        """Return what is to be asked because of answers, and who belongs to the room that the user is in now."""
        following, self._following = self._following, []
        room = fold(self._contacts.conversations.current)
        self._counted.intersection_update(self._contacts.rooms)
        if room in self._contacts.rooms and room not in self._counted:
            self._counted.add(room)
            following.append(f.Who(self._contacts.rooms[room], limit=_NEAR, n=_MEMBERS))
        if self._turns_to_absent(self._contacts.conversations.current) and self.roster() not in following:
            following.append(self.roster())
        return following

    def _turns_to_absent(self, name: str) -> bool:
        """Return whether the user has just opened the conversation of a person who is not known to be here."""
        key = "" if is_room(name) or name in self._contacts.presence.here else fold(name)
        turned_to, self._turned_to = self._turned_to, key
        return bool(key) and key != turned_to

    def talked(self, name: str, *, here: bool) -> None:
        """Ask who is here, once for each person, where a message shows that the client may not know.

        The server tells nothing of people until the user has talked with them: they may have come or gone meanwhile.

        Args:
            name: with whom the user has talked.
            here: whether the message speaks for their being here.
        """
        known = name in self._contacts.presence.here
        other = not is_room(name) and name != self._contacts.user
        if here == known or not other or fold(name) in self._located:
            return
        self._located.add(fold(name))
        if self.roster() not in self._following:
            self._following.append(self.roster())

    def concern(self, room: str) -> bool:
        """Return whether the user has asked to enter or to leave the room."""
        return any(
            isinstance(request.frame, (f.Join, f.Leave)) and fold(request.frame.room) == fold(room)
            for request in self._open.values()
        )

    def refused(self, frame: f.Error) -> f.Error | None:
        """Take a refusal; return what to tell the user of it, if anything."""
        if frame.n == _MEMBERS:
            return None  # the room was left meanwhile
        request = self._open.pop(frame.n or 0, None)
        if request is not None and request.why == "looked back":
            return None  # what the user asked for is refused in the same words
        match request.frame if request else None:
            case f.Join(room):
                self._arrived_at(room)
                if fold(room) not in self._contacts.rooms:
                    self._contacts.conversations.forget(room)
            case f.History() | f.Search() as page:
                self.lookback.give_up(type(page))
            case f.Operate(room="") as asked if frame.code == codes.NOT_ALLOWED and self._contacts.rooms:
                return f.Error(frame.code, f"{frame.text} {phrases.moderation_hint(asked, self._a_room())}")
        return frame

    def _a_room(self) -> str:
        """Return a room that the user belongs to: the one they are in, if that is one."""
        rooms = self._contacts.rooms
        return rooms.get(fold(self._contacts.conversations.current)) or next(iter(rooms.values()))

    def people(self, frame: f.People) -> list[Event]:
        """Take a list of people."""
        self._contacts.list_people(frame)
        if self._open.pop(frame.n, None) is None:
            return []
        return [Answer(phrases.people(frame, self._contacts.user, day(self._clock())))]

    def done(self, frame: f.Done) -> list[Event]:
        """Take the word that something was done."""
        request = self._open.pop(frame.n, None)
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
        """Take the word that the user belongs to a room."""
        self._open.pop(frame.n, None)
        room = frame.room.name
        self._arrived_at(room)
        self._contacts.conversations.respell(room)
        if not self._contacts.enter(room):
            self._following.append(self.ask(f.History(room, frame.since + 1, limit=HISTORY_PAGE), "entered"))
        return [Notice(phrases.entered(frame.room, self._contacts.user))]

    def _arrived_at(self, room: str) -> None:
        """Note that the room was asked for and the server has answered: a later connection does not ask again."""
        self.rooms = tuple(name for name in self.rooms if fold(name) != fold(room))

    def room_list(self, frame: f.RoomList) -> list[Event]:
        """Take a list of rooms."""
        request = self._open.pop(frame.n, None)
        self._contacts.other_rooms |= by_name(room.name for room in frame.rooms if not room.joined)
        if request is not None and request.why == "leaving":
            return [event for room in frame.rooms for event in self._leaving(room, request.line)]
        if request is not None and isinstance(request.frame, f.Rooms) and request.frame.room:
            return [Answer(phrases.topic(room)) for room in frame.rooms]
        if not frame.rooms:
            return [Answer("There are no rooms yet: /join #NAME makes one")]
        more = [Answer('These are not all: "chatcli rooms" lists them')] if frame.more else []
        return [*(Answer(phrases.room_line(room, self._contacts.user)) for room in frame.rooms), *more]

    def _leaving(self, room: f.RoomInfo, line: str) -> list[Event]:
        """Leave a room that the user has not named, unless it is one that cannot be entered again at will."""
        if room.kind == "private":
            name = printable_line(room.name)
            return [self._trouble(InputError(f'{name} is private, and not left unnamed: write "/leave {name}".'))]
        self._following.append(self.ask(f.Leave(room.name), line=line))
        return []

    def history(self, frame: f.HistoryPage) -> list[Event]:
        """Take a page of what was said before."""
        request = self._open.pop(frame.n, None)
        self._questions.heard(frame.messages)
        for message in frame.messages:
            self._memory.note(message, frame.of)
            self._contacts.add_people(message.sender)
        if request is None or not isinstance(request.frame, f.History) or request.why == "looked back":
            return []
        user = self._contacts.user
        if request.frame.before is None:
            # Shown on an earlier visit, perhaps, and still open: an answer to it would stand in this page.
            for message in frame.messages:
                self._questions.asked(message, frame.of, live=False)
        if request.why == "entered":
            return [self._memory.said(message, user, past=True) for message in frame.messages]
        return self._more(f.History, self.lookback.history(request.frame, frame, user))

    def found(self, frame: f.Found) -> list[Event]:
        """Take a page of what was found."""
        request = self._open.pop(frame.n, None)
        if request is None or not isinstance(request.frame, f.Search):
            return []
        return self._more(f.Search, self.lookback.found(request.frame, frame, self._contacts.user))

    def _more(self, kind: type[Page], events: list[Event]) -> list[Event]:
        """Ask for the next page of the kind too, if the user has not waited for this one to want it."""
        page = self.lookback.wanted(kind)
        if page is not None:
            self._following.append(self.ask(page, line="/history" if kind is f.History else "/search"))
        return events

    def receipts(self, frame: f.ReceiptList) -> list[Event]:
        """Take a list of who has seen what."""
        request = self._open.pop(frame.n, None)
        if request is None:
            return []
        user = self._contacts.user
        said = self._memory.said_by(user, frame.to)
        if not is_room(frame.to):
            self._contacts.add_people(frame.to)
        return [Answer(line) for line in phrases.seen(frame, said, user, day(self._clock()))]
