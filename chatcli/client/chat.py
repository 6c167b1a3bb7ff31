"""The interactive client's mind, without its ears and mouth: lines and frames in, events and frames out.

It knows no sockets and no terminal, so that a dialogue is tested by calling it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, cast

from chatcli.client.events import Answer, Event, Notice, Said, Trouble
from chatcli.client.refusals import as_exception
from chatcli.errors import ChatError, InputError
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.durations import duration_text, parse_duration
from chatcli.protocol.frames import Operation
from chatcli.protocol.grammar import Command, Say, Unclear, help_lines, parse_line
from chatcli.protocol.text import is_text, printable_line

_REMEMBERED: Final = 10_000  # of one's own messages, to know them again when the log repeats them
_ROSTER: Final = 0  # the number of a ``who`` that the user did not ask
_KNOWN: Final = 500  # people
_NAMED: Final = 5  # people who come or go at once and are named


class Arrival(NamedTuple):
    """How a user comes in, beside their name.

    Attributes:
        key: the public key, as it stands in a frame.
        client: which start of the client this is: a later connection of the same start takes the place of the last.
        present: what to do if the user is here already.
        link: a code from another device of theirs.
        invite: a code from the operator.
    """

    key: str = ""
    client: str = ""
    present: f.Present = "refuse"
    link: str = ""
    invite: str = ""


class Chat:
    """One user's conversation, over as many connections as it takes.

    Args:
        new_id: makes message ids.
        clock: the time in milliseconds since 1970-01-01 UTC.
        arrival: how they come in.

    Attributes:
        user: the name as owned.
        position: the newest message of the feed that came; a new connection goes on behind it.
        here: the people in the chat.
        known: the people who were talked with, the most recent last.
        live: whether everything that waited for the user has come.
        outbox: what was said and the server has not answered, by id, in order.
        leaving: the user wants to go.
        first_error: the first thing that the user wanted and did not get.
    """

    def __init__(
        self, user: str, new_id: Callable[[], str], clock: Callable[[], int], arrival: Arrival | None = None
    ) -> None:
        self.user = user
        self.position: int | None = None
        self.here: set[str] = set()
        self.known: dict[str, None] = {}
        self.live = False
        self.outbox: dict[str, f.Send] = {}
        self.leaving = False
        self.first_error: ChatError | None = None
        self._arrival = arrival or Arrival()
        self._new_id = new_id
        self._clock = clock
        self._said: dict[str, None] = {}  # ids, the oldest first
        self._limits = f.Limits(f.MAX_TEXT, f.MAX_FRAME, 0)  # until the server says otherwise
        self._asked = 0
        self._open: dict[int, str] = {}  # what was asked and is not answered yet, by number
        self._expected: set[str] = set()  # those who were here before the connection broke
        self._away: set[str] = set()  # those whom the user knows to be away, by folded name

    @property
    def waits(self) -> bool:
        """Whether something was said or asked that the server has not answered."""
        return bool(self.outbox or self._open)

    def hello(self) -> f.Hello:
        """Return how to greet the server, the first time and again."""
        key, client, present, link, invite = self._arrival
        return f.Hello(f.VERSION, self.user, "join", key, self.position, present, client, link, invite)

    def welcomed(self, welcome: f.Welcome) -> list[f.ClientFrame]:
        """Take the server's welcome; return what to say at once: what it has not answered, and who is here."""
        self.user = welcome.user
        self._limits = welcome.limits
        if self.position is None:
            self.position = welcome.cursor
        self._open.clear()  # asked on a connection that is gone
        self._expected = set(self.here)
        # Codes are good for one time; and whoever has taken the place meanwhile keeps it.
        present: f.Present = "attach" if self._arrival.present == "attach" else "refuse"
        self._arrival = self._arrival._replace(present=present, link="", invite="")
        return [*self.outbox.values(), f.Who(_ROSTER)]

    def typed(self, line: str) -> tuple[list[Event], list[f.ClientFrame]]:
        """Take a line that the user typed; return what to show and what to say."""
        if not is_text(line):
            return [self._trouble(InputError("Not sent: that is not text in UTF-8."))], []
        meaning = parse_line(line)
        match meaning:
            case None:
                return [], []
            case Unclear(sentence):
                return [self._trouble(InputError(sentence))], []
            case Say(to, text):
                return self._say(to, text)
            case Command(word, argument):
                return self._command(word, argument)

    def _say(self, to: str, text: str) -> tuple[list[Event], list[f.ClientFrame]]:
        frame = f.Send(self._new_id(), to, text)
        if problem := too_long(frame, self._limits):
            return [self._trouble(InputError(problem))], []
        self.outbox[frame.id] = frame
        self._said[frame.id] = None
        if len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]
        name = next((name for name in self.here if name.casefold() == to.casefold()), to)
        self._talked_with(name)
        shown = f.Message(0, frame.id, self.user, name, text, self._clock())
        return [Said(shown, mine=True)], [frame]

    def _command(self, word: str, argument: str) -> tuple[list[Event], list[f.ClientFrame]]:
        match word:
            case "who":
                self._asked += 1
                self._open[self._asked] = word
                return [], [f.Who(self._asked)]
            case "help":
                return [Answer(line) for line in help_lines()], []
            case "exit":
                self.leaving = True
                return [], []
            case _:
                return self._operate(word, argument)

    def _operate(self, word: str, argument: str) -> tuple[list[Event], list[f.ClientFrame]]:
        to, _, rest = argument.partition(" ")
        first, _, reason = rest.strip().partition(" ")
        seconds = None
        if word in ("ban", "mute") and first[:1].isdigit():  # a length of time, or meant to be one
            try:
                seconds = parse_duration(first)
            except InputError as error:
                return [self._trouble(error)], []
        else:
            reason = rest.strip()
        self._asked += 1
        self._open[self._asked] = f"{word} {to}" + (f" for {duration_text(seconds)}" if seconds else "")
        frame = f.Operate(cast("Operation", word), to, seconds, reason.strip(), self._asked)
        return [], [frame]

    def heard(self, frames: Iterable[f.ServerFrame]) -> list[Event]:
        """Take what the server said; return what to show."""
        return [event for frame in frames for event in self._heard(frame)]

    def _heard(self, frame: f.ServerFrame) -> list[Event]:
        events: list[Event] = []
        match frame:
            case f.Message():
                events = self._message(frame)
            case f.Live():
                self.live = True
                self.position = max(self.position or 0, frame.seq)
            case f.Sent():
                events = self._sent(frame)
            case f.Error():
                events = [self._refused(frame)]
            case f.People():
                events = self._people(frame)
            case f.Presence():
                events = self._presence(frame)
            case f.Done():
                events = [Answer(f"Done: {self._open.pop(frame.n, 'it')}")]
        return events

    def _sent(self, frame: f.Sent) -> list[Event]:
        sent = self.outbox.pop(frame.id, None)
        if sent is None or sent.to.casefold() == self.user.casefold():
            return []
        if frame.outcome == "delivered":
            self._away.discard(sent.to.casefold())
        elif sent.to.casefold() not in self._away:
            self._away.add(sent.to.casefold())
            return [Notice(f"{sent.to} is away and gets it on return")]
        return []

    def _message(self, frame: f.Message) -> list[Event]:
        self.position = frame.seq
        self._talked_with(frame.to if frame.sender == self.user else frame.sender)
        mine = frame.sender == self.user and frame.to != self.user
        if frame.id in self._said:
            # The answer to it was lost with a connection, or is still on its way.
            return []
        return [Said(frame, mine)]

    def _talked_with(self, name: str) -> None:
        self.known.pop(name, None)
        self.known[name] = None
        if len(self.known) > _KNOWN:
            del self.known[next(iter(self.known))]

    def _refused(self, frame: f.Error) -> Event:
        self._open.pop(frame.n or 0, None)
        unsent = self.outbox.pop(frame.id, None) if frame.id is not None else None
        if unsent is not None:
            self._said.pop(unsent.id, None)
            if frame.code == codes.UNKNOWN_USER:
                self.known.pop(unsent.to, None)
            frame = f.Error(frame.code, f"Not sent: {frame.text}", frame.id, names=frame.names)
        return self._trouble(as_exception(frame))

    def _trouble(self, error: ChatError) -> Trouble:
        self.first_error = self.first_error or error
        return Trouble(error)

    def _people(self, frame: f.People) -> list[Event]:
        self._open.pop(frame.n, None)
        self.here = {person.user for person in frame.people}
        if frame.n == _ROSTER:
            return []
        names = [printable_line(person.user) + " (you)" * (person.user == self.user) for person in frame.people]
        return [Answer(f"Here: {', '.join(names) or 'nobody'}")]

    def _presence(self, frame: f.Presence) -> list[Event]:
        expected, self._expected = self._expected, self._expected - set(frame.here)
        came = [name for name in frame.here if name != self.user and name not in self.here | expected]
        went = [name for name in frame.gone if name != self.user and name in self.here]
        self.here.update(frame.here)
        self.here.difference_update(frame.gone)
        self._away.difference_update(name.casefold() for name in frame.here)
        return [Notice(f"{_listed(names)} {verb}") for names, verb in ((came, "joined"), (went, "left")) if names]


def too_long(frame: f.Send, limits: f.Limits) -> str | None:
    """Return why the server would not take a message of this length, or None where it would."""
    size = len(frame.text.encode())
    if size > limits.text:
        return f"Not sent: a message may have {limits.text} bytes, and this one has {size}. Send it in parts."
    if len(encode(frame)) > limits.frame:
        escaped = "with its quotes and control characters escaped"
        return f"Not sent: {escaped}, it is longer than {limits.frame} bytes. Send it in parts."
    return None


def _listed(names: list[str]) -> str:
    names = [printable_line(name) for name in names]
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return ", ".join(names)
