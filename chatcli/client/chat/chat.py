"""The interactive client's mind, without its ears and mouth: lines and frames in, events and frames out.

It knows no sockets and no terminal, so that a dialogue is tested by calling it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from chatcli.client.chat import phrases
from chatcli.client.chat.ambiguity import Doubts, Held, Meaning, Origin
from chatcli.client.chat.catch_up import CatchingUp
from chatcli.client.chat.commands import LOCAL, frame_for
from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.conversations import Conversations
from chatcli.client.chat.events import Answer, Event, Notice, Trouble
from chatcli.client.chat.pager import Page
from chatcli.client.chat.questions import OpenQuestions, answer_to, answered_by, asker, listed
from chatcli.client.chat.receipts import Delivery
from chatcli.client.chat.recent import Memory, conversation
from chatcli.client.chat.replies import Answers
from chatcli.client.chat.room_events import Happenings
from chatcli.client.errors import as_exception
from chatcli.errors import ChatError, InputError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.grammar import (
    NOTHING_YET,
    TO_WHOM,
    Command,
    Say,
    Unclear,
    command_help,
    help_lines,
    parse_line,
    usage,
)
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import is_text, printable_line

_REMEMBERED: Final = 10_000  # of one's own messages, to know them again when the log repeats them
_NEWEST: Final = 100  # messages of each room, where much was missed
_MUCH: Final = 3600.0  # seconds without a connection, after which that may be
_RETURNED: Final = 20  # texts that nobody has put back into an input line

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
        alerts: words of which the user is told as of their name.
        scripted: a program writes the lines: a word before a colon is a recipient, whether or not they are known, and
            nobody reads separators.
    """

    key: str = ""
    client: str = ""
    present: f.Present = "refuse"
    link: str = ""
    invite: str = ""
    receipts: bool = True
    rooms: tuple[str, ...] = ()
    whole: bool = False
    alerts: tuple[str, ...] = ()
    scripted: bool = False


class Chat:
    """One user's conversation, over as many connections as it takes.

    Args:
        user: the name that is asked for.
        new_id: makes message ids.
        clock: the time in milliseconds since 1970-01-01 UTC.
        arrival: how they come in.
        elapsed: the seconds since some moment that stays the same.

    Attributes:
        position: the newest message of the feed that came; a new connection goes on behind it.
        shown: the newest message among what was last heard and is to be shown now, or None where there is none.
        conversations: those of the user.
        contacts: the people and rooms that the user knows of.
        questions: those that the user may answer.
        doubts: the line that waits for a second Enter.
        live: whether everything that waited for the user has come.
        outbox: what was said and the server has not taken, by id, in order.
        unstored: the server could not store what was said last, and the user knows it.
        postponed: ids of what in it is to be said again, or was not said because of that.
        returned: texts that were not sent, for the user to mend; whoever has the input line takes them from here.
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
        self.position: int | None = None
        self.shown: int | None = None
        self.conversations = Conversations()
        self.contacts = Contacts(user, self.conversations)
        self.questions = OpenQuestions(self.contacts, clock, elapsed)
        self.doubts = Doubts(self.contacts, self.questions, scripted=bool(arrival and arrival.scripted))
        self.live = False
        self.outbox: dict[str, f.Send] = {}
        self.unstored = False
        self.postponed: set[str] = set()
        self.returned: list[str] = []
        self.leaving = False
        self.first_error: ChatError | None = None
        self._arrival = arrival or Arrival()
        self._new_id = new_id
        self._elapsed = elapsed
        self._last_heard = elapsed()
        self._line = ""  # that the user typed last
        self._begun: tuple[int, int] | None = None  # the newest message and the first question when that was begun
        self._addressed: set[str] = set()  # written to in vain: what is for them is for no other
        self._said: dict[str, None] = {}  # ids of one's own messages that were shown, the oldest first
        self._limits = f.Limits(f.MAX_TEXT, f.MAX_FRAME, 0)  # until the server says otherwise
        self._newest = 0  # message that came
        self._put_back = False  # the log was: from then on, what the server knows to have been read is not asked for
        self._owed = False  # whether one came that is yet to be shown
        self._invitations: list[str] = []  # rooms; the user is yet to be told of these
        self._memory = Memory(self._arrival.alerts)
        self._catching_up = CatchingUp(separate=not self._arrival.scripted)
        self._answers = answers = Answers(self.contacts, self._memory, clock, self.questions, self._trouble)
        answers.rooms = self._arrival.rooms
        self._happenings = Happenings(self.contacts, answers)
        self._delivery = Delivery(self.contacts)
        if answers.rooms:
            self.conversations.switch(answers.rooms[-1])
        self._hearing: dict[type, Callable[[Any], list[Event]]] = {
            f.Message: self._message,
            f.Live: self._live,
            f.Sent: self._sent,
            f.Error: self._refused,
            f.Presence: self._presence,
            f.Read: self._read,
            f.Receipt: self._delivery.seen,
            f.Happened: self._happenings.happened,
            f.Skipped: self._skipped,
            f.People: answers.people,
            f.Done: answers.done,
            f.Room: self._entered,
            f.RoomList: answers.room_list,
            f.HistoryPage: answers.history,
            f.Found: answers.found,
            f.ReceiptList: answers.receipts,
        }

    def has_seen(self, name: str) -> bool:
        """Return whether someone is known to have seen what the user has said to them."""
        return self._delivery.has_seen(name)

    @property
    def waits(self) -> bool:
        """Whether something was said or asked that the server has not answered."""
        return bool(self.outbox) or self._answers.waits

    def insist(self, present: f.Present) -> None:
        """From the next greeting on, do this if the user is here already."""
        self._arrival = self._arrival._replace(present=present)

    def hello(self) -> f.Hello:
        """Return how to greet the server, the first time and again."""
        key, client, present, link, invite, receipts, _, whole, *_ = self._arrival
        # A machine that has slept learns of it only on waking: so what counts is when something was heard at last.
        much = self.position is None or self._elapsed() - self._last_heard > _MUCH
        newest = _NEWEST if much and not whole else None
        since = None if self._put_back else self.position
        return f.Hello(
            f.VERSION, self.contacts.user, "join", key, since, present, client, link, invite, newest, receipts
        )

    def put_back(self, welcome: f.Welcome) -> bool:
        """Return whether the log ends before what came from it: it is to be greeted once more then.

        Numbers say nothing from then on; where the user left off is what the server knows.
        """
        if self._put_back or self.position is None or welcome.cursor >= self.position:
            return False
        self._put_back = True
        self.conversations.put_back()
        return True

    def welcomed(self, welcome: f.Welcome) -> list[f.ClientFrame]:
        """Take the server's welcome; return what to say at once: what it has not answered, and who is here."""
        self._last_heard = self._elapsed()
        self.unstored = False
        self.postponed.clear()
        self.contacts.user = welcome.user
        self._limits = welcome.limits
        if self.position is None or self._put_back:
            self.position = welcome.cursor
        self._catching_up.begin()
        self.contacts.reconnected()
        self.contacts.rooms = by_name(welcome.rooms)
        self._invitations = [room for room in welcome.invited if fold(room) not in self.contacts.other_rooms]
        self.contacts.other_rooms |= by_name(welcome.invited)
        # Codes are good for one time; and whoever has taken the place meanwhile keeps it.
        present: f.Present = "attach" if self._arrival.present == "attach" else "refuse"
        self._arrival = self._arrival._replace(present=present, link="", invite="")
        return [*self._answers.welcomed(welcome.rooms), *self.outbox.values(), self._answers.roster()]

    def say_again(self) -> list[f.ClientFrame]:
        """Return what was postponed, in order; only the first of it until the server stores something again."""
        again = [frame for frame in self.outbox.values() if frame.id in self.postponed]
        again = again[:1] if self.unstored else again
        self.postponed.difference_update(frame.id for frame in again)
        return [*again]

    def take_up(self, left: Iterable[f.Send]) -> None:
        """Put what an earlier run of the client has not sent before anything else; to be called before the welcome."""
        self.outbox = {frame.id: frame for frame in left} | self.outbox

    def unanswered(self) -> list[Event]:
        """Give up what was asked on a connection that is gone; return what to show of it."""
        return self._answers.unanswered()

    def curious(self) -> list[f.ClientFrame]:
        """Return what to ask though the user has not: who belongs to the room that is open now."""
        return self._answers.following()

    # What the user types

    def typed(self, line: str, origin: Origin = "typed") -> Turn:
        """Take a line that the user typed; return what to show and what to say.

        A line that may have been meant otherwise is held: it comes back, and the same once more means what was said.
        """
        if not is_text(line):
            return [self._trouble(InputError("Not sent: that is not text in UTF-8."))], []
        self._line = line
        begun, self._begun = self._begun, None
        try:
            meaning = self._reading(line, origin)
            changed = self._means_another(meaning, begun) if begun is not None else ""
            return self._meant(self.doubts.settled(line, meaning, origin, changed))
        except Held as held:
            self._give_back(line)
            return [Trouble(held)], []
        except InputError as error:
            if "\n" in line and line not in self.returned:
                self._give_back(line)
            return [self._trouble(error)], []

    def begins(self) -> None:
        """Note that the user begins to type: what a line is about is what was there then."""
        self._begun = self._newest_of_all()

    def _newest_of_all(self) -> tuple[int, int]:
        received, question = self._memory.received, self.questions.first()
        return received[0].seq if received else 0, question.seq if question is not None else 0

    def _means_another(self, meaning: Meaning, begun: tuple[int, int]) -> str:
        """Return what a line has come to mean since it was begun; empty where it means the same."""
        newest, question = self._newest_of_all()
        match meaning:
            case Command("reply", argument) if newest != begun[0]:
                answered, _ = self._memory.replied_to(argument)
                if answered.seq > begun[0]:
                    return f"answers what {printable_line(answered.sender)} has said just now"
            case Command("answer", argument) if question and question != begun[1] and begun[1] and argument:
                answer, choice = answered_by(argument, self.questions.open())
                if answer.seq == question and not argument.startswith(str(question)):
                    return f'answers "{answer.words(choice)}" to {asker(answer)}: {answer.text}'
        return ""

    def _reading(self, line: str, origin: Origin) -> Meaning:
        current = self.conversations.current
        if origin in {"pasted", "burst"} and "\n" in line:
            return Say(current, line.rstrip("\r\n")) if current else Unclear(TO_WHOM)
        return parse_line(line, current, self._is_recipient)

    def _is_recipient(self, name: str) -> bool:
        """Return whether a word before a colon names somebody, where a conversation is open.

        A room is one even if it is not known: a text that begins like that is rare, and what is meant for a room is
        not to be said elsewhere.
        """
        known = self.contacts.is_known(name) or fold(name) in self._addressed
        return self._arrival.scripted or is_room(name) or known

    def _meant(self, meaning: Meaning) -> Turn:
        if meaning is None:
            return [], []
        page = self._answers.lookback.turn()  # only the very next line can ask for it
        match meaning:
            case Unclear(sentence):
                if sentence == TO_WHOM or sentence.startswith(NOTHING_YET):
                    self._give_back(self._line)
                raise InputError(self._to_whom() if sentence == TO_WHOM else sentence)
            case Say(to, text):
                return self._say(to, text)
            case Command(word, argument):
                return self._command(word, argument, page)

    def _to_whom(self) -> str:
        """Return how to say to whom a text goes; those who have written are named."""
        writers = self.conversations.writers()
        if self._arrival.scripted or not writers:
            return TO_WHOM
        return f"{TO_WHOM} These have written to you: {phrases.listed(writers)}."

    def _say(self, to: str, text: str, re: int | None = None, *, stay: bool = False) -> Turn:
        frame = f.Send(self._new_id(), to, text, re)
        if problem := too_long(frame, self._limits):
            self._give_back(self._line)
            return [self._trouble(Refused(codes.TEXT_TOO_LONG, problem))], []
        self.outbox[frame.id] = frame
        name = self.contacts.spelling(to)
        self.contacts.add_partner(name)
        if stay and self.conversations.current:
            self.conversations.touch(name)
        else:
            self.conversations.switch(name)
        if self.unstored:  # this goes behind what was said before
            self.postponed.add(frame.id)
            return [], []
        return [], [frame]

    def _give_back(self, text: str) -> None:
        """Have a text put back into the input line."""
        self.returned.append(text)
        del self.returned[:-_RETURNED]

    def _command(self, word: str, argument: str, page: Page | None) -> Turn:
        if word in LOCAL:
            return [LOCAL[word](argument, self.contacts)], []
        match word:
            case "help":
                return [Answer(line) for line in (command_help(argument) if argument else help_lines())], []
            case "exit":
                self.leaving = True
                return [], []
            case "edit":
                raise InputError("There is no editor here: it belongs to the input line of a terminal.")
            case "answer":
                return self._answer(argument)
            case "reply" | "msg" | "me" | "say":
                return self._said_by(word, argument)
            case _:
                return [], self._question(word, argument, page)

    def _said_by(self, word: str, argument: str) -> Turn:
        if word == "reply":
            answered, text = self._memory.replied_to(argument)
            return self._say(answered.of, text, answered.seq)
        if word == "msg":
            return self._message_to(argument)
        if word == "me" and self.conversations.current:
            return self._say(self.conversations.current, f"* {self.contacts.user} {argument}")
        # With a conversation open, /say is no command but what is said.
        self._give_back(argument if word == "say" else self._line)
        raise InputError(self._to_whom())

    def _message_to(self, argument: str) -> Turn:
        to, text = (*argument.split(maxsplit=1), "")[:2]
        if not text.strip():
            raise InputError(usage("msg"))
        return self._say(to.rstrip(":"), text, stay=True)

    def _answer(self, argument: str) -> Turn:
        waiting = self.questions.open()
        if waiting and not argument:
            return [Answer(line) for line in listed(waiting)], []
        question, choice = answered_by(argument, waiting)
        frame = answer_to(question, choice, self._new_id())
        self.outbox[frame.id] = frame
        self.questions.answered(question.seq)
        return [], [frame]

    def _question(self, word: str, argument: str, page: Page | None) -> list[f.ClientFrame]:
        if word in ("history", "search") and not argument:
            asked = self._answers.once_more(word, page)
            if asked is not None:
                return asked
        frame = frame_for(word, argument, self.conversations.current)
        if isinstance(frame, f.Join):
            # At once: what is typed before the answer comes is meant for the room.
            self.conversations.switch(self.contacts.spelling(frame.room))
        return self._answers.question(frame, word, f"/{word} {argument}".rstrip())

    # What the server says

    def heard(self, frames: Iterable[f.ServerFrame]) -> Turn:
        """Take what the server said; return what to show, and what to ask because of it."""
        self._last_heard = self._elapsed()
        # Who has seen something is behind who came: what was seen came along with them.
        frames = sorted(frames, key=lambda frame: isinstance(frame, f.Receipt))
        self.questions.heard(frame for frame in frames if isinstance(frame, f.Message))
        events = [event for frame in self._happenings.together(frames) for event in self._heard(frame)]
        self._owed = self._owed or any(isinstance(frame, f.Message) for frame in frames)
        self.shown = self._newest if self._owed and not self._catching_up.holds else None
        self._owed = self._owed and self.shown is None
        return events, self._answers.following()

    def _heard(self, frame: f.ServerFrame | list[f.Happened]) -> list[Event]:
        if isinstance(frame, list):
            return self._happenings.happened(*frame)
        hear = self._hearing.get(type(frame))
        return hear(frame) if hear is not None else []

    def _live(self, frame: f.Live) -> list[Event]:
        self.live = True
        self.position = max(self.position or 0, frame.seq)
        invitations, self._invitations = self._invitations, []
        return [*self._catching_up.caught_up(), *(Notice(phrases.invited(room)) for room in invitations)]

    def _skipped(self, frame: f.Skipped) -> list[Event]:
        return self._catching_up.missed(self._answers.lookback.left_out(frame), frame.before, frame.count)

    def _message(self, frame: f.Message) -> list[Event]:
        self.position = self._newest = frame.seq
        of = conversation(frame, self.contacts.user)
        if self._put_back and self._memory.knows(frame, of):
            return []
        self.contacts.add_people(frame.sender)
        self.contacts.add_partner(of)
        self._memory.note(frame, of)
        is_open = self.questions.asked(frame, of, live=not self._catching_up.behind)
        if frame.sender == self.contacts.user and not is_open:
            return self._own_message(frame, of)
        self._memory.receive(frame, of)
        self.contacts.add_member(frame.sender, of)
        self.conversations.respell(of)
        if (frame.choices and not is_open) or frame.answer is not None:
            self.conversations.touch(of)  # a question is settled, or its time is over: nothing waits for the user
        else:
            self.conversations.arrived(of, frame.seq)
        if not is_room(frame.to) and frame.sender != self.contacts.user and not frame.choices:
            self.conversations.wrote(frame.sender)
            if self.live:
                self._answers.talked(frame.sender, here=True)
        notable = not self.conversations.is_muted(of) and (is_open or self._memory.is_for(frame, self.contacts.user))
        said = self._memory.said(frame, self.contacts.user, notable=notable, is_open=is_open)
        return self._catching_up.missed([said], frame.seq, 1)

    def _own_message(self, frame: f.Message, of: str) -> list[Event]:
        """Return what to show of what the user has said elsewhere, or here and its answer was lost or is on its way."""
        self.outbox.pop(frame.id, None)
        self.conversations.touch(of)
        shown: list[Event] = []
        if frame.id not in self._said:
            self._note_said(frame.id)
            shown = [self._memory.said(frame, self.contacts.user)]
        return self._catching_up.missed(shown, frame.seq, 0)

    def _note_said(self, identity: str) -> None:
        self._said[identity] = None
        if len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]

    def _sent(self, frame: f.Sent) -> list[Event]:
        sent = self.outbox.pop(frame.id, None)
        if sent is None:
            return []
        self.unstored = False
        self._note_said(frame.id)
        of = self.contacts.spelling(sent.to)
        message = f.Message(
            frame.seq, frame.id, self.contacts.user, of, sent.text, frame.at, sent.re, answer=sent.answer
        )
        self.questions.heard([message])
        self._memory.note(message, of)
        said = self._catching_up.own(self._memory.said(message, self.contacts.user))
        if sent.answer is not None:
            return said  # who has asked waits for it, on a connection that does not count as being here
        self._answers.talked(of, here=frame.outcome == "delivered")
        return [*said, *self._delivery.sent(frame, of)]

    def _refused(self, frame: f.Error) -> list[Event]:
        if frame.id in self.outbox and isinstance(as_exception(frame), ServerUnavailable):
            return self._postpone(frame)
        told = self._answers.refused(frame)
        if told is None:
            return []
        unsent = self.outbox.pop(frame.id, None) if frame.id is not None else None
        if unsent is not None and unsent.answer is not None:
            self.questions.refused(unsent, frame)
            told = f.Error(frame.code, f"Not answered: {frame.text}", frame.id)
        elif unsent is not None:
            if frame.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
                self.contacts.forget(unsent.to)
                self._addressed.add(fold(unsent.to))
            self._give_back(self._retyped(unsent))
            told = f.Error(frame.code, f"Not sent: {frame.text}", frame.id, names=frame.names)
        return [self._trouble(as_exception(told))]

    def _postpone(self, frame: f.Error) -> list[Event]:
        """Keep a message that the server cannot store now; return what to show of it, once for all of them."""
        self.postponed.add(frame.id or "")
        told, self.unstored = self.unstored, True
        return [] if told else [Notice(f"Not sent yet: {frame.text} Trying again until it is.")]

    def _retyped(self, unsent: f.Send) -> str:
        """Return what to type so that it is said again, wherever the user is now."""
        current = self.conversations.current
        text = unsent.text
        plain = self.conversations.is_current(unsent.to) and parse_line(text, current) == Say(current, text)
        return text if plain and "\n" not in text else f"{unsent.to}: {text}"

    def _trouble(self, error: ChatError) -> Trouble:
        self.first_error = self.first_error or error
        return Trouble(error)

    def _presence(self, frame: f.Presence) -> list[Event]:
        self._delivery.here(frame.here)
        return self.contacts.update_presence(frame)

    def _read(self, frame: f.Read) -> list[Event]:
        # Not the position: this connection goes on behind what came to it, whether or not that was shown elsewhere.
        self.conversations.read_up_to(frame.seq)
        return []

    def _entered(self, frame: f.Room) -> list[Event]:
        self._delivery.entered(frame.room.name)
        return self._answers.entered(frame)


def too_long(frame: f.Send, limits: f.Limits) -> str | None:
    """Return why the server would not take a message of this length, or None where it would."""
    size = len(frame.text.encode())
    if size > limits.text:
        return f"Not sent: a message may have {limits.text} bytes, and this one has {size}. Send it in parts."
    if len(encode(frame)) > limits.frame:
        escaped = "with its quotes and control characters escaped"
        return f"Not sent: {escaped}, it is longer than {limits.frame} bytes. Send it in parts."
    return None
