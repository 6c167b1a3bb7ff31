"""The answers to requests: they update the parts of the chat, and most of them are shown."""

from __future__ import annotations

from collections.abc import Callable

from chatcli.client.chat import phrases
from chatcli.client.chat.commands import HISTORY_PAGE
from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.events import Answer, Event, Listing, Notice, Trouble, day
from chatcli.client.chat.pager import HistoryPager, Page
from chatcli.client.chat.questions import OpenQuestions
from chatcli.client.chat.recent import RecentMessages
from chatcli.client.chat.requests import PERSON, UNASKED, PendingRequests
from chatcli.errors import InputError
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable_line


class Replies:
    """Records answers, and returns what to show of them.

    Args:
        contacts: the people and rooms that the user knows of.
        recent: the recent messages.
        questions: those that the user may answer.
        requests: the requests that are answered.
        pager: pages through the history.
        clock: returns the milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        *,
        contacts: Contacts,
        recent: RecentMessages,
        questions: OpenQuestions,
        requests: PendingRequests,
        pager: HistoryPager,
        clock: Callable[[], int],
    ) -> None:
        self._contacts = contacts
        self._conversations = contacts.conversations
        self._counts = contacts.conversations.counts
        self._recent = recent
        self._questions = questions
        self._requests = requests
        self._pager = pager
        self._clock = clock

    def refused(self, frame: f.Error) -> f.Error | None:
        """Drop a request that was refused; return the error to show, or None if none is shown."""
        if frame.n == PERSON:
            self._requests.located("")
            return None  # there is no such person: what is sent there is refused in these words
        request = self._requests.pop(frame.n)
        if frame.n in UNASKED:
            return None  # as of a room that was left meanwhile
        if request is not None and request.reason == "tail":
            self._requests.tail_of(frame.n or 0)
        if request is not None and request.reason in ("own messages", "tail"):
            return None  # a request of the user's beside it is refused in the same words, or nobody has asked
        match request.frame if request else None:
            case f.Join(room):
                self._requests.answered_for(room)
                if fold(room) not in self._contacts.rooms:
                    self._contacts.conversations.forget(room)
            case f.History() | f.Search() as page:
                self._pager.cancel(type(page))
            case f.Operate(room="") as asked if frame.code == codes.NOT_ALLOWED and self._contacts.rooms:
                return f.Error(frame.code, f"{frame.text} {phrases.moderation_hint(asked, self._a_room())}")
        return frame

    def _a_room(self) -> str:
        """Return a room that the user belongs to: the open one, if they do."""
        rooms = self._contacts.rooms
        return rooms.get(fold(self._contacts.conversations.current)) or next(iter(rooms.values()))

    def people(self, frame: f.People) -> list[Event]:
        """Record a list of people; return the events."""
        self._contacts.list_people(frame)
        current = self._conversations.current
        if frame.to and not is_room(frame.to):
            self._conversations.respell(frame.to)
            self._requests.located(frame.to)
        elif not frame.to and self._contacts.presence.where(current) is None:
            self._requests.ask_again()  # they were not among those who are listed
        if self._requests.pop(frame.n) is None:
            return []
        if frame.to and not is_room(frame.to):
            today = day(self._clock())
            return [Answer(phrases.person(one, self._contacts.shared_rooms(one.user), today)) for one in frame.people]
        return [Answer(phrases.people(frame, self._contacts.user, day(self._clock())))]

    def done(self, frame: f.Done) -> list[Event]:
        """Record that the server has carried out a request; return the events."""
        request = self._requests.pop(frame.n)
        if request is None:
            return []
        match request.frame:
            case f.Operate(to=to, room=room) as asked:
                asked.room = self._contacts.spelling(room) if room else ""
                return [Answer(phrases.moderated(asked, self._contacts.spelling(to)))]
            case f.Leave(room):
                self._contacts.leave(room)
            case f.Away(text, back=back):
                self._contacts.set_away(None if back else text)
        return [Answer(phrases.done(request.frame))]

    def entered(self, frame: f.Room) -> list[Event]:
        """Record that the user belongs to a room; return the events."""
        self._requests.pop(frame.n)
        room = frame.room.name
        self._requests.answered_for(room)
        self._contacts.conversations.respell(room)
        if not self._contacts.enter(room):
            self._requests.follow_up(f.History(room, frame.since + 1, limit=HISTORY_PAGE), "entered")
        return [Notice(phrases.entered(frame.room, self._contacts.user))]

    def room_list(self, frame: f.RoomList) -> list[Event]:
        """Record a list of rooms; return the events."""
        request = self._requests.pop(frame.n)
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
        self._requests.follow_up(f.Leave(room.name), line=line)
        return []

    def conversations(self, frame: f.ConversationList) -> list[Event]:
        """Return the events of a list of the user's conversations, which is recorded already."""
        request = self._requests.pop(frame.n)
        if request is None or not isinstance(request.frame, f.Conversations):
            return []
        is_all = request.frame.limit == f.MAX_PAGE
        names = [one.of for one in frame.conversations]
        if is_all and frame.more and (last := frame.conversations[-1].last) is not None:
            self._requests.follow_up(f.Conversations(f.MAX_PAGE, last.seq), line="/list all")
        if not frame.more and request.frame.before is None:
            names += self._other_rooms(names)
        return self._listing(names, closed=is_all, more=frame.more and not is_all)

    def known_conversations(self) -> list[Event]:
        """Return the list of the conversations that have come up here, for a server that lists none."""
        names = self._conversations.ordered()
        return self._listing([*names, *self._other_rooms(names)], closed=False, more=False)

    def _other_rooms(self, names: list[str]) -> list[str]:
        """Return the rooms of the user that are not among these conversations, as nothing was said there."""
        listed = set(map(fold, names))
        return [room for key, room in self._contacts.rooms.items() if key not in listed]

    def _listing(self, names: list[str], *, closed: bool, more: bool) -> list[Event]:
        """Return the events of a list.

        Args:
            names: the conversations.
            closed: whether those that the user has closed are shown, too.
            more: whether there are others.
        """
        shown = [name for name in names if closed or fold(name) not in self._conversations.closed]
        hint: list[Event] = [Answer("These are not all: /list all")] if more or len(shown) < len(names) else []
        if not shown:
            return hint or [Answer('There are no conversations yet: write "name: text", or /join #NAME')]
        return [Listing([self._conversations.row(name, self._contacts.user) for name in shown]), *hint]

    def history(self, frame: f.HistoryPage) -> list[Event]:
        """Record a page of older messages; return the events."""
        request = self._requests.pop(frame.n)
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
        if request.reason == "tail":
            tail = self._requests.tail_of(frame.n)
            self._requests.tail_shown(tail)
            return self._pager.tail(frame, tail, user)
        self._counts.showed(frame.of)
        return self._with_next(f.History, self._pager.history(request.frame, frame, user))

    def found(self, frame: f.Found) -> list[Event]:
        """Record a page of what was found; return the events."""
        request = self._requests.pop(frame.n)
        if request is None or not isinstance(request.frame, f.Search):
            return []
        return self._with_next(f.Search, self._pager.found(request.frame, frame, self._contacts.user))

    def _with_next(self, kind: type[Page], events: list[Event]) -> list[Event]:
        """Return the events of a page, after asking for the next one if the user already wants it."""
        page = self._pager.next_queued(kind)
        if page is not None:
            self._requests.follow_up(page, line="/history" if kind is f.History else "/search")
        return events

    def receipts(self, frame: f.ReceiptList) -> list[Event]:
        """Return the events of a list of receipts."""
        request = self._requests.pop(frame.n)
        if request is None:
            return []
        user = self._contacts.user
        own = self._recent.sent_by(user, frame.to)
        if not is_room(frame.to):
            self._contacts.add_people(frame.to)
        return [Answer(line) for line in phrases.seen(frame, own, user, day(self._clock()))]
