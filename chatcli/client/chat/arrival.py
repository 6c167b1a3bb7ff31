"""Arriving at the server: the greeting of each connection, a log that was restored, and what was missed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chatcli.client.chat import phrases
from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.conversations import Conversations
from chatcli.client.chat.events import Event, Notice, Row, Separator, Shown, Trouble
from chatcli.client.chat.outgoing import Outgoing
from chatcli.client.chat.recent import Snippet
from chatcli.client.reading.attention import Attention
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.epochs import KnownLogs, Relation
from chatcli.protocol.values.names import fold, is_room

_NEWEST: Final = 100  # messages of each room that the server sends after a long absence
_LONG: Final = 3600.0  # seconds without a connection, after which much may have been missed
_LOGS: Final = 4  # earlier logs whose positions are remembered
_HELD: Final = 500  # events: with more, messages are shown as they come, and counted at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a user comes in, besides their name.

    Attributes:
        key: the public key, as it is written in a frame.
        device: the label of the device that has it.
        client: the identity of this start of the client: a later connection of the same start replaces the last one.
        present: what to do if the user is here already.
        link: a code from another device of the user's.
        invite: a code from the operator.
        receipts: whether others get receipts of messages that the user has seen.
        rooms: the rooms to enter at once.
        whole: whether to get everything that was missed in rooms, however much it is.
        alerts: words that notify the user as their name does.
        scripted: whether a program writes the lines: a word before a colon is a recipient, known or not, and nobody
            reads separators.
        watched: whether a person sees what is shown. In a pipe nothing counts as read.
    """

    key: str = ""
    device: str = ""
    client: str = ""
    present: f.Present = "refuse"
    link: str = ""
    invite: str = ""
    receipts: bool = True
    rooms: tuple[str, ...] = ()
    whole: bool = False
    alerts: tuple[str, ...] = ()
    scripted: bool = False
    watched: bool = True


class Greeting:
    """Says hello, and knows where in which log the next connection continues.

    A server that names no epoch, or the same one after its data was copied back by hand, has gone back if it does not
    accept the position. Then its record of what the user has received is what counts, on this and on all later
    connections, because nothing tells how far the logs agree.

    Args:
        arrival: how the user comes in.
        elapsed: returns the seconds since a fixed moment.

    Attributes:
        position: the place in the log of the newest message that came; None before the first welcome.
        logs: the log of that position, and those before it.
        was_reset: whether the log was reset to an earlier state without a new epoch.
        was_linked: whether a code has just given this device a key, and the server is yet to tell of it.
    """

    def __init__(self, arrival: Arrival, elapsed: Callable[[], float]) -> None:
        self.position: int | None = None
        self.logs = KnownLogs()
        self.was_reset = False
        self.was_linked = False
        self._arrival = arrival
        self._elapsed = elapsed
        self._last_received = elapsed()
        self._earlier: dict[str, int] = {}  # the positions in the logs before, by epoch, the newest last
        self._asked = 0  # the number of those that the server was asked for before it was welcome

    def hello(self, user: str, told: int | None = None) -> f.Hello:
        """Return the frame that greets the server.

        Args:
            user: the user's name.
            told: the place in the log of the newest change of a name that the user was told of; None if unknown.
        """
        # A machine that has slept notices it only on waking: so the moment that counts is when something last came.
        long_away = self.position is None or self._elapsed() - self._last_received > _LONG
        epoch, position = self._start()
        return f.Hello(
            version=f.VERSION,
            user=user,
            purpose="join",
            key=self._arrival.key,
            since=None if self.was_reset else position,
            present=self._arrival.present,
            client=self._arrival.client,
            link=self._arrival.link,
            invite=self._arrival.invite,
            newest=_NEWEST if long_away and not self._arrival.whole else None,
            receipts=self._arrival.receipts,
            revision=f.REVISION,
            renewed=told,
            epoch=epoch,
            device=self._arrival.device,
        )

    def _start(self) -> tuple[str, int | None]:
        """Return the epoch and the position to ask for."""
        earlier = list(self._earlier.items())
        return earlier[-self._asked] if self._asked else (self.logs.epoch, self.position)

    def set_present(self, present: f.Present) -> None:
        """Set what the next hello asks for if the user is here already."""
        self._arrival = replace(self._arrival, present=present)

    def must_ask_again(self, welcome: f.Welcome) -> bool:
        """Return whether the server must be greeted once more, as it does not know the log that it was asked for."""
        if self.position is None:
            return False
        match self.logs.relation(welcome, self.position):
            case Relation.OTHER:
                is_known = welcome.shared > 0 or welcome.epoch == self._start()[0]
                if is_known or self._asked == len(self._earlier):
                    return False
                self._asked += 1
                return True
            case Relation.PUT_BACK if not self.was_reset:
                self.was_reset = True
                return True
        return False

    def welcomed(self, welcome: f.Welcome) -> int | None:
        """Record that the server has let the user in.

        Returns:
            None if the log is the same as before. If it is another one, the place up to which both agree.
        """
        self.received()
        asked, _ = self._start()
        before, position = self.logs.epoch, self.position
        self._asked = 0
        is_other = self.logs.welcomed(welcome, asked)
        if position is None or self.was_reset or is_other:
            self.position = welcome.cursor
        self.was_linked = self.was_linked or bool(self._arrival.link)
        # Codes are valid once; and a client that has taken the place meanwhile keeps it.
        present: f.Present = "attach" if self._arrival.present == "attach" else "refuse"
        self._arrival = replace(self._arrival, present=present, link="", invite="")
        if not is_other or position is None:
            return None
        self.was_reset = False
        self._earlier[before] = position
        self._earlier.pop(welcome.epoch, None)
        if len(self._earlier) > _LOGS:
            del self._earlier[next(iter(self._earlier))]
        return self.logs.shared(before)

    def received(self) -> None:
        """Record that the server has sent something."""
        self._last_received = self._elapsed()


class Restoration:
    """Has the client forget the numbers that other messages have in a log that was restored, and the user told of it.

    Args:
        contacts: people, rooms and conversations.
        greeting: knows the logs.
        outgoing: the messages without an answer, which may refer to messages that are gone.
        attention: has read positions.
        drop_after: forgets what else has a number after a place, given the place up to which the logs agree and the one
            after which the feed continues; returns the messages that had one.
    """

    def __init__(
        self,
        contacts: Contacts,
        greeting: Greeting,
        outgoing: Outgoing,
        attention: Attention,
        drop_after: Callable[[int, int], Sequence[Snippet]],
    ) -> None:
        self._contacts = contacts
        self._greeting = greeting
        self._outgoing = outgoing
        self._attention = attention
        self._drop_after = drop_after
        self._news: list[Event] = []
        self._is_other = False  # whether the log is another one than on the connection before

    def must_ask_again(self, welcome: f.Welcome) -> bool:
        """Return whether the server must be greeted once more, as its log is another one than that of the hello."""
        was_reset = self._greeting.was_reset
        must = self._greeting.must_ask_again(welcome)
        if self._greeting.was_reset and not was_reset:
            self._is_other = True
            self._forget_positions()
            self._news.append(Notice(phrases.RESET))
        return must

    def welcomed(self, welcome: f.Welcome) -> None:
        """Record that the server has let the user in, and forget the numbers of another log than before."""
        agreed = self._greeting.welcomed(welcome)
        if agreed is None:
            return
        self._is_other = True
        self._forget_positions()
        gone = self._drop_after(agreed, welcome.cursor)
        own = sum(snippet.sender == self._contacts.user for snippet in gone)
        self._news.append(Notice(phrases.restored(len(gone), own) if agreed else phrases.RESET))

    def _forget_positions(self) -> None:
        conversations = self._contacts.conversations
        conversations.counts.reset()
        self._attention.reset()
        conversations.closed.clear()

    def lost(self, rooms: list[str]) -> None:
        """Have the user told of rooms that they belonged to on the connection before, and do not any more."""
        if rooms:
            self._news.append(Notice(phrases.lost_rooms(rooms, restored=self._is_other)))
        self._is_other = False

    def fit_outgoing(self) -> None:
        """Fit the messages without an answer to the log, and have the user told what cannot be sent as it was."""
        replies, answers = self._outgoing.fit(self._greeting.logs)
        self._news += [Notice(phrases.no_reply(message)) for message in replies]
        self._news += [Trouble(Refused(codes.NOT_OPEN, phrases.no_answer(message))) for message in answers]

    def pop_news(self) -> list[Event]:
        """Return the notices that the user is to see, each once."""
        news, self._news = self._news, []
        return news


class UnreadAtStart:
    """The conversations that were unread when the user came in, until they are read.

    Args:
        conversations: those of the user.
    """

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._names: list[str] | None = None  # None until it is known what is unread

    @property
    def is_known(self) -> bool:
        """Whether the unread messages are known."""
        return self._names is not None

    def record(self) -> None:
        """Record what is unread now: those first in which the user is mentioned, then people, then rooms."""
        self._names = [one.name for one in self._conversations.listed()]
        self._names.sort(key=lambda name: (not self._conversations.counts.mentions(name), is_room(name)))
        self.rows()
        if not self._conversations.has_chosen:  # nobody has seen a number yet
            self._conversations.number_first(self._names)

    def dismiss(self) -> None:
        """Forget all of them: the user has seen a list."""
        self._names = self._names and []

    def rows(self) -> list[Row]:
        """Return those that are still unread, the most important first; without the one that the user has opened."""
        conversations = self._conversations
        self._names = self._names and [
            name
            for name in self._names
            if conversations.counts.unread(name)
            and not conversations.is_muted(name)
            and fold(name) not in conversations.closed
        ]
        opened = fold(conversations.current) if conversations.has_chosen else ""
        return [conversations.row(name, "") for name in self._names or () if fold(name) != opened]


class CatchUp:
    """Holds missed messages until the server says that all of them have come.

    Args:
        separate: whether anybody reads separators; if not, nothing is held.

    Attributes:
        is_behind: whether the messages that come now are missed ones.
    """

    def __init__(self, *, separate: bool) -> None:
        self._separate = separate
        self.is_behind = False
        self._held: list[Event] = []
        self._own: list[
            Shown
        ] = []  # the user's messages meanwhile: their place is after those that were stored before them
        self._count = 0
        self._overflowed = False

    @property
    def is_holding(self) -> bool:
        """Whether messages that came are not shown yet."""
        return bool(self._held)

    def connected(self) -> None:
        """Start on a new connection."""
        self.is_behind = True

    def drop_places(self) -> None:
        """Put the user's messages in their order now: their places are those of a log that is gone."""
        self._held += self._own
        self._own = []

    def add(self, events: list[Event], seq: int, count: int) -> list[Event]:
        """Return the events to show now, for events at a place in the log.

        Args:
            events: what happened there.
            seq: the place.
            count: the number of other people's messages among the events.
        """
        if not self.is_behind:
            return events
        before = [said for said in self._own if said.message.seq < seq]
        self._own = self._own[len(before) :]
        self._count += count
        if not self._separate or self._overflowed:
            return [*before, *events]
        self._held += [*before, *events]
        if len(self._held) < _HELD:
            return []
        self._overflowed = True
        return self._release("Messages while you were away:")

    def add_own(self, said: Shown) -> list[Event]:
        """Return the events to show now, for a message of the user's that the server has just stored."""
        if not self.is_behind:
            return [said]
        self._own.append(said)
        return []

    def caught_up(self) -> list[Event]:
        """Return the events that are left: all missed messages have come."""
        self.is_behind = False
        end = f"{phrases.messages(self._count)} while you were away"
        if self._overflowed:
            shown: list[Event] = [Separator(f"{end}, up to here")]
        else:
            shown = self._release(end if self._count and self._separate else "")
        own, self._own, self._count, self._overflowed = self._own, [], 0, False
        return [*shown, *own]

    def _release(self, heading: str) -> list[Event]:
        held, self._held = self._held, []
        return [Separator(heading), *held] if heading else held
