"""The interactive client's mind, without its ears and mouth: lines and frames in, events and frames out.

It knows no sockets and no terminal, so that a dialogue is tested by calling it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple

from chatcli.client import operating, telling
from chatcli.client.commands import HISTORY_PAGE, frame_for
from chatcli.client.events import Answer, Event, Notice, Trouble, day
from chatcli.client.lookback import Lookback, Page
from chatcli.client.memory import Memory, conversation
from chatcli.client.nearby import Nearby
from chatcli.client.refusals import as_exception
from chatcli.errors import ChatError, InputError, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.grammar import Command, Say, Unclear, command_help, help_lines, parse_line
from chatcli.protocol.names import is_room
from chatcli.protocol.text import is_text, printable_line

_REMEMBERED: Final = 10_000  # of one's own messages, to know them again when the log repeats them
_ROSTER: Final = 0  # the number of a ``who`` that the user did not ask
_NEAR: Final = 100  # people whom the roster names
_KNOWN: Final = 500  # people
_NEWEST: Final = 100  # messages of each room, where much was missed
_MUCH: Final = 3600.0  # seconds without a connection, after which that may be
_LOOKED_BACK: Final = 50  # messages, for the newest that the user has said

#: What to show, and what to say to the server.
Turn = tuple[list[Event], list[f.ClientFrame]]


class Arrival(NamedTuple):
    """How a user comes in, beside their name.

    Attributes:
        key: the public key, as it stands in a frame.
        client: which start of the client this is: a later connection of the same start takes the place of the last.
        present: what to do if the user is here already.
        link: a code from another device of theirs.
        invite: a code from the operator.
        receipts: whether others are told what the user has seen.
        rooms: to be entered at once.
        whole: nothing that was missed in rooms is to be left out, however much it is.
    """

    key: str = ""
    client: str = ""
    present: f.Present = "refuse"
    link: str = ""
    invite: str = ""
    receipts: bool = True
    rooms: tuple[str, ...] = ()
    whole: bool = False


_Why = Literal["asked", "entered", "looked back", "leaving"]


class _Request(NamedTuple):
    """What the server was asked and has not answered.

    Attributes:
        frame: as it was said.
        why: because the user asked; to show where the user has entered; to know what the user has said; to know
            whether the room can be entered again once it is left.
        line: the command that the user has typed for it, if they have.
    """

    frame: f.ClientFrame
    why: _Why
    line: str


class Chat:
    """One user's conversation, over as many connections as it takes.

    Args:
        new_id: makes message ids.
        clock: the time in milliseconds since 1970-01-01 UTC.
        arrival: how they come in.
        elapsed: the seconds since some moment that stays the same.

    Attributes:
        user: the name as owned.
        position: the newest message of the feed that came; a new connection goes on behind it.
        nearby: who is here.
        known: the people who were talked with, the most recent last.
        rooms: those that the user belongs to, by folded name.
        other_rooms: those that the user has heard of or is invited to, by folded name.
        live: whether everything that waited for the user has come.
        outbox: what was said and the server has not answered, by id, in order.
        leaving: the user wants to go.
        first_error: the first thing that the user wanted and did not get.
    """

    def __init__(
        self,
        user: str,
        new_id: Callable[[], str],
        clock: Callable[[], int],
        arrival: Arrival | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self.user = user
        self.position: int | None = None
        self.nearby = Nearby()
        self.known: dict[str, None] = {}
        self.rooms: dict[str, str] = {}
        self.other_rooms: dict[str, str] = {}
        self.live = False
        self.outbox: dict[str, f.Send] = {}
        self.leaving = False
        self.first_error: ChatError | None = None
        self._arrival = arrival or Arrival()
        self._new_id = new_id
        self._clock = clock
        self._elapsed = elapsed
        self._last_heard = elapsed()
        self._said: dict[str, None] = {}  # ids, the oldest first
        self._limits = f.Limits(f.MAX_TEXT, f.MAX_FRAME, 0)  # until the server says otherwise
        self._asked = 0
        self._open: dict[int, _Request] = {}  # by number
        self._gone: set[str] = set()  # those whom the user knows not to be here, by folded name
        self._unseen: dict[str, int] = {}  # up to where something waits for them, by folded name
        self._outside: set[str] = set()  # rooms of others in which the user has spoken and was told so, folded
        self._memory = Memory()
        self._lookback = Lookback(self._memory)
        self._invitations: list[str] = []  # rooms; the user is yet to be told of these
        self._following: list[f.ClientFrame] = []  # what an answer makes the client ask
        # Not ``read``: this connection goes on behind what came to it, whether or not that was shown elsewhere.
        self._hearing: dict[type, Callable[[Any], list[Event]]] = {
            f.Message: self._message,
            f.Live: self._live,
            f.Sent: self._sent,
            f.Error: self._refused,
            f.People: self._people,
            f.Presence: self._presence,
            f.Done: self._done,
            f.Room: self._entered,
            f.RoomList: self._room_list,
            f.Happened: self._happened,
            f.Skipped: self._lookback.left_out,
            f.HistoryPage: self._history,
            f.Found: self._found,
            f.Receipt: self._receipt,
            f.ReceiptList: self._receipts,
        }

    @property
    def waits(self) -> bool:
        """Whether something was said or asked that the server has not answered."""
        return bool(self.outbox or self._open or self._arrival.rooms)

    def insist(self, present: f.Present) -> None:
        """From the next greeting on, do this if the user is here already."""
        self._arrival = self._arrival._replace(present=present)

    def hello(self) -> f.Hello:
        """Return how to greet the server, the first time and again."""
        key, client, present, link, invite, receipts, _, whole = self._arrival
        # A machine that has slept learns of it only on waking: so what counts is when something was heard at last.
        much = self.position is None or self._elapsed() - self._last_heard > _MUCH
        newest = _NEWEST if much and not whole else None
        return f.Hello(
            f.VERSION, self.user, "join", key, self.position, present, client, link, invite, newest, receipts
        )

    def welcomed(self, welcome: f.Welcome) -> list[f.ClientFrame]:
        """Take the server's welcome; return what to say at once: what it has not answered, and who is here."""
        self._last_heard = self._elapsed()
        self.user = welcome.user
        self._limits = welcome.limits
        if self.position is None:
            self.position = welcome.cursor
        self._forget_questions()
        self.nearby.reconnected()
        self.rooms = _by_name(welcome.rooms)
        self._invitations = [room for room in welcome.invited if room.casefold() not in self.other_rooms]
        self.other_rooms |= _by_name(welcome.invited)
        # Codes are good for one time; and whoever has taken the place meanwhile keeps it.
        present: f.Present = "attach" if self._arrival.present == "attach" else "refuse"
        rooms = tuple(room for room in self._arrival.rooms if room.casefold() not in self.rooms)
        self._arrival = self._arrival._replace(present=present, link="", invite="", rooms=rooms)
        entering = [self._ask(f.Join(room)) for room in rooms]
        return [*entering, *self.outbox.values(), f.Who(limit=_NEAR, n=_ROSTER)]

    def unanswered(self) -> list[Event]:
        """Give up what was asked on a connection that is gone; return what to show of it."""
        lines = dict.fromkeys(request.line for request in self._open.values() if request.line)
        self._forget_questions()
        return [self._trouble(ServerUnreachable(f'No answer came to "{line}": ask once more.')) for line in lines]

    def _forget_questions(self) -> None:
        self._open.clear()
        for kind in (f.History, f.Search):
            self._lookback.give_up(kind)

    def typed(self, line: str) -> Turn:
        """Take a line that the user typed; return what to show and what to say."""
        if not is_text(line):
            return [self._trouble(InputError("Not sent: that is not text in UTF-8."))], []
        try:
            return self._meant(parse_line(line))
        except InputError as error:
            return [self._trouble(error)], []

    def _meant(self, meaning: Say | Command | Unclear | None) -> Turn:
        if meaning is None:
            return [], []
        page = self._lookback.turn()  # only the very next line can ask for it
        match meaning:
            case Unclear(sentence):
                raise InputError(sentence)
            case Say(to, text):
                return self._say(to, text)
            case Command(word, argument):
                return self._command(word, argument, page)

    def _say(self, to: str, text: str, re: int | None = None) -> Turn:
        frame = f.Send(self._new_id(), to, text, re)
        if problem := too_long(frame, self._limits):
            raise InputError(problem)
        self.outbox[frame.id] = frame
        self._said[frame.id] = None
        if len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]
        name = self._as_written(to)
        self._talked_in(name)
        shown = f.Message(0, frame.id, self.user, name, text, self._clock(), re)
        return [self._memory.said(shown, self.user)], [frame]

    def _as_written(self, to: str) -> str:
        """Return the name as its owner spells it, where that is known."""
        if is_room(to):
            return self.rooms.get(to.casefold()) or self.other_rooms.get(to.casefold(), to)
        return next((name for name in self.nearby.here if name.casefold() == to.casefold()), to)

    def _command(self, word: str, argument: str, page: Page | None) -> Turn:
        match word:
            case "help":
                return [Answer(line) for line in (command_help(argument) if argument else help_lines())], []
            case "exit":
                self.leaving = True
                return [], []
            case "reply":
                return self._reply(argument)
            case "history" | "search" if not argument and (turn := self._once_more(word, page)) is not None:
                return turn
            case _:
                return [], self._question(word, argument)

    def _question(self, word: str, argument: str) -> list[f.ClientFrame]:
        frame = frame_for(word, argument, self._memory.place)
        line = f"/{word} {argument}".rstrip()
        match frame:
            case f.Rooms() if word == "leave":
                return [self._ask(frame, "leaving", line)]
            case f.History():
                self._lookback.begin(frame)
            case f.Receipts():
                # To know how much of it they have seen, one has to know what was said.
                said = self._ask(f.History(frame.to, limit=_LOOKED_BACK), "looked back")
                return [said, self._ask(frame, line=line)]
        return [self._ask(frame, line=line)]

    def _reply(self, text: str) -> Turn:
        answered = self._memory.newest
        if answered is None:
            raise InputError("Nothing was said to you yet.")
        return self._say(conversation(answered, self.user), text, answered.seq)

    def _once_more(self, word: str, page: Page | None) -> Turn | None:
        """Ask for the page behind the one that was asked for just before, or is on its way, if there is such a one."""
        kind = f.History if word == "history" else f.Search
        if isinstance(page, kind):
            return [], [self._ask(page, line=f"/{word}")]
        if any(isinstance(request.frame, kind) and request.why == "asked" for request in self._open.values()):
            self._lookback.want(kind)
            return [], []
        return None

    def _ask(self, frame: f.ClientFrame, why: _Why = "asked", line: str = "") -> f.ClientFrame:
        """Give the frame its number, and wait for the answer."""
        self._asked += 1
        frame.n = self._asked  # type: ignore[union-attr] # each frame that asks something has one
        self._open[self._asked] = _Request(frame, why, line)
        return frame

    def heard(self, frames: Iterable[f.ServerFrame]) -> Turn:
        """Take what the server said; return what to show, and what to ask because of it."""
        self._last_heard = self._elapsed()
        # Who has seen something is behind who came: what was seen came along with them.
        frames = sorted(frames, key=lambda frame: isinstance(frame, f.Receipt))
        events = [event for frame in frames for event in self._heard(frame)]
        following, self._following = self._following, []
        return events, following

    def _heard(self, frame: f.ServerFrame) -> list[Event]:
        hear = self._hearing.get(type(frame))
        return hear(frame) if hear is not None else []

    def _live(self, frame: f.Live) -> list[Event]:
        self.live = True
        self.position = max(self.position or 0, frame.seq)
        invitations, self._invitations = self._invitations, []
        return [Notice(telling.invited(room)) for room in invitations]

    def _sent(self, frame: f.Sent) -> list[Event]:
        sent = self.outbox.pop(frame.id, None)
        if sent is None:
            return []
        of = self._as_written(sent.to)
        self._memory.note(f.Message(frame.seq, frame.id, self.user, of, sent.text, frame.at), of)
        to = sent.to.casefold()
        if is_room(to):
            return self._spoken_in(to, of)
        if to == self.user.casefold():
            return []
        if frame.outcome == "delivered":
            self._gone.discard(to)
            return []
        self._unseen[to] = frame.seq
        if to in self._gone:
            return []
        self._gone.add(to)
        return [Notice(f"{printable_line(of)} is not here and gets it on return")]

    def _spoken_in(self, folded: str, room: str) -> list[Event]:
        """Return what to show of a room where the user has said something: whether they belong there."""
        if folded in self.rooms or folded in self._outside:
            return []
        self._outside.add(folded)
        room = printable_line(room)
        return [Notice(f"You are not in {room} and are not told what is answered: /join {room}")]

    def _message(self, frame: f.Message) -> list[Event]:
        self.position = frame.seq
        of = conversation(frame, self.user)
        self._talked_in(of)
        self._memory.note(frame, of)
        if frame.sender != self.user:
            self._memory.newest = frame
        if frame.id in self._said:
            # The answer to it was lost with a connection, or is still on its way.
            return []
        return [self._memory.said(frame, self.user)]

    def _talked_in(self, of: str) -> None:
        self._memory.turn_to(of)
        if is_room(of):
            return
        self.known.pop(of, None)
        self.known[of] = None
        if len(self.known) > _KNOWN:
            del self.known[next(iter(self.known))]

    def _refused(self, frame: f.Error) -> list[Event]:
        request = self._open.pop(frame.n or 0, None)
        if request is not None and request.why == "looked back":
            return []  # what the user asked for is refused in the same words
        match request.frame if request else None:
            case f.Join(room):
                self._arrived_at(room)
            case f.History() | f.Search() as page:
                self._lookback.give_up(type(page))
            case f.Operate(room="") as asked if frame.code == codes.NOT_ALLOWED and self.rooms:
                frame = f.Error(frame.code, f"{frame.text} {operating.hint(asked, self._a_room())}")
        unsent = self.outbox.pop(frame.id, None) if frame.id is not None else None
        if unsent is not None:
            self._said.pop(unsent.id, None)
            if frame.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
                self.known.pop(unsent.to, None)
                self._memory.turn_from(unsent.to)
            frame = f.Error(frame.code, f"Not sent: {frame.text}", frame.id, names=frame.names)
        return [self._trouble(as_exception(frame))]

    def _trouble(self, error: ChatError) -> Trouble:
        self.first_error = self.first_error or error
        return Trouble(error)

    def _people(self, frame: f.People) -> list[Event]:
        if not frame.to:
            self.nearby.counted(frame.people)
        if self._open.pop(frame.n, None) is None:
            return []
        return [Answer(telling.people(frame, self.user, day(self._clock())))]

    def _presence(self, frame: f.Presence) -> list[Event]:
        self._gone.difference_update(name.casefold() for name in frame.here)
        return self.nearby.changed(frame, self.user)

    def _done(self, frame: f.Done) -> list[Event]:
        request = self._open.pop(frame.n, None)
        if request is None:
            return []
        match request.frame:
            case f.Operate(to=to, room=room) as asked:
                asked.room = self._as_written(room) if room else ""
                return [Answer(operating.done(asked, self._as_written(to)))]
            case f.Leave(room):
                self._out_of(room)
        return [Answer(telling.done(request.frame))]

    def _a_room(self) -> str:
        """Return a room that the user belongs to: that of the newest message, if it is one of them."""
        return self.rooms.get(self._memory.place.room.casefold()) or next(iter(self.rooms.values()))

    def _out_of(self, room: str) -> None:
        self.rooms.pop(room.casefold(), None)
        self._memory.turn_from(room)

    def _entered(self, frame: f.Room) -> list[Event]:
        self._open.pop(frame.n, None)
        room = frame.room.name
        self._arrived_at(room)
        known = room.casefold() in self.rooms
        self.rooms[room.casefold()] = room
        self.other_rooms.pop(room.casefold(), None)
        self._outside.discard(room.casefold())
        self._memory.turn_to(room)
        if not known:
            self._following.append(self._ask(f.History(room, frame.since + 1, limit=HISTORY_PAGE), "entered"))
        return [Notice(telling.entered(frame.room, self.user))]

    def _arrived_at(self, room: str) -> None:
        """Note that the room was asked for and the server has answered: a later connection does not ask again."""
        rooms = tuple(name for name in self._arrival.rooms if name.casefold() != room.casefold())
        self._arrival = self._arrival._replace(rooms=rooms)

    def _room_list(self, frame: f.RoomList) -> list[Event]:
        request = self._open.pop(frame.n, None)
        self.other_rooms |= _by_name(room.name for room in frame.rooms if not room.joined)
        if request is not None and request.why == "leaving":
            return [event for room in frame.rooms for event in self._leaving(room, request.line)]
        if request is not None and isinstance(request.frame, f.Rooms) and request.frame.room:
            return [Answer(telling.topic(room)) for room in frame.rooms]
        if not frame.rooms:
            return [Answer("There are no rooms yet: /join #NAME makes one")]
        more = [Answer('These are not all: "chatcli rooms" lists them')] if frame.more else []
        return [*(Answer(telling.room_line(room, self.user)) for room in frame.rooms), *more]

    def _leaving(self, room: f.RoomInfo, line: str) -> list[Event]:
        """Leave a room that the user has not named, unless it is one that cannot be entered again at will."""
        if room.kind == "private":
            name = printable_line(room.name)
            return [self._trouble(InputError(f'{name} is private, and not left unnamed: write "/leave {name}".'))]
        self._following.append(self._ask(f.Leave(room.name), line=line))
        return []

    def _happened(self, frame: f.Happened) -> list[Event]:
        known = frame.room.casefold() in self.rooms
        asked = any(
            isinstance(request.frame, (f.Join, f.Leave)) and request.frame.room.casefold() == frame.room.casefold()
            for request in self._open.values()
        )
        if frame.user == self.user:
            match frame.what:
                case "joined" if asked or known:
                    return []  # said by the answer
                case "joined":
                    self.rooms[frame.room.casefold()] = frame.room
                case "left" if asked or not known:
                    return []
                case "left" | "kicked" | "banned":
                    self._out_of(frame.room)
                case "invited":
                    self.other_rooms[frame.room.casefold()] = frame.room
                case "uninvited":
                    self.other_rooms.pop(frame.room.casefold(), None)
        if frame.by == self.user:
            return []  # the answer to it says so
        return [Notice(telling.happened(frame, self.user))]

    def _history(self, frame: f.HistoryPage) -> list[Event]:
        request = self._open.pop(frame.n, None)
        for message in frame.messages:
            self._memory.note(message, frame.of)
        if request is None or not isinstance(request.frame, f.History):
            return []
        if request.why == "looked back":
            return []
        if request.why == "entered":
            return [self._memory.said(message, self.user, past=True) for message in frame.messages]
        return self._more(f.History, self._lookback.history(request.frame, frame, self.user))

    def _found(self, frame: f.Found) -> list[Event]:
        request = self._open.pop(frame.n, None)
        if request is None or not isinstance(request.frame, f.Search):
            return []
        return self._more(f.Search, self._lookback.found(request.frame, frame, self.user))

    def _more(self, kind: type[Page], events: list[Event]) -> list[Event]:
        """Ask for the next page of the kind too, if the user has not waited for this one to want it."""
        page = self._lookback.wanted(kind)
        if page is not None:
            self._following.append(self._ask(page, line="/history" if kind is f.History else "/search"))
        return events

    def _receipt(self, frame: f.Receipt) -> list[Event]:
        if frame.to:
            return []
        name = frame.user.casefold()
        if self._unseen.get(name, frame.seq + 1) > frame.seq:
            return []
        del self._unseen[name]
        return [Notice(f"{printable_line(frame.user)} has seen what you said")]

    def _receipts(self, frame: f.ReceiptList) -> list[Event]:
        request = self._open.pop(frame.n, None)
        if request is None:
            return []
        said = self._memory.said_by(self.user, frame.to)
        return [Answer(line) for line in telling.seen(frame, said, self.user, day(self._clock()))]


def _by_name(names: Iterable[str]) -> dict[str, str]:
    return {name.casefold(): name for name in names}


def too_long(frame: f.Send, limits: f.Limits) -> str | None:
    """Return why the server would not take a message of this length, or None where it would."""
    size = len(frame.text.encode())
    if size > limits.text:
        return f"Not sent: a message may have {limits.text} bytes, and this one has {size}. Send it in parts."
    if len(encode(frame)) > limits.frame:
        escaped = "with its quotes and control characters escaped"
        return f"Not sent: {escaped}, it is longer than {limits.frame} bytes. Send it in parts."
    return None
