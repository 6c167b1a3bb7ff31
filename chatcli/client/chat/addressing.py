"""Addressing: the recipient, conversation or command that a typed line means, and lines held until a second Enter."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from typing import Final, NamedTuple

from chatcli.client.chat.ambiguity import Doubt, DoubtFinder, Meaning, Origin, shortened
from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.events import when
from chatcli.client.chat.phrases import listed
from chatcli.client.chat.questions import OpenQuestions, Question, answered_by, asker
from chatcli.client.chat.recent import Received, RecentMessages
from chatcli.client.names.sentences import sentence
from chatcli.client.names.unconfirmed import Unconfirmed
from chatcli.errors import InputError
from chatcli.protocol.frames import NameChange, Send
from chatcli.protocol.grammar import NO_RECIPIENT, Command, Say, Unclear, parse_line
from chatcli.protocol.values.names import fold, is_room, name_before_release
from chatcli.protocol.values.text import printable_line

_MISSING: Final = 1000  # names


class Held(NamedTuple):
    """A line that is not carried out yet: Enter once more does what the sentence says."""

    sentence: str


class _Newest(NamedTuple):
    """The messages of others, the newest first, and the first question's ``seq``: a line may refer to these."""

    received: tuple[Received, ...]
    question: int


class Addressing:
    """Finds the meaning of each line, and holds those that are in doubt.

    Args:
        contacts: the people and rooms that the user knows of.
        questions: those that the user may answer.
        recent: the messages that can be replied to.
        names: the changes of names that the user has yet to confirm.
        today: returns the user's day.
        scripted: whether a program writes the lines. Such a line is refused if its words alone make it doubtful, and
            not for who is known at the moment: nobody could confirm it.
    """

    def __init__(
        self,
        contacts: Contacts,
        questions: OpenQuestions,
        recent: RecentMessages,
        *,
        names: Unconfirmed,
        today: Callable[[], datetime.date],
        scripted: bool,
    ) -> None:
        self._contacts = contacts
        self._questions = questions
        self._recent = recent
        self._names = names
        self._today = today
        self._scripted = scripted
        self._doubts = DoubtFinder(contacts, questions, scripted=scripted)
        self._line = ""  # that is held
        self._meaning: Meaning = None  # of that
        self._told: NameChange | None = None  # the change of a name that it is held for
        self._held_answer: tuple[int, int, NameChange] | None = None  # a question's seq, the choice, and the change
        self._confirmed: set[str] = set()  # keys of doubts
        self._missing: dict[str, None] = {}  # folded names without an owner: no line for them is for anybody else
        self._started: _Newest | None = None

    @property
    def held_line(self) -> str:
        """The line that is held; empty if there is none."""
        return self._line

    def start_line(self) -> None:
        """Record that the user starts to type: the line is about what is there now."""
        self._started = self._newest()

    def reset(self) -> None:
        """Forget the line that is held."""
        self._line, self._started, self._told = "", None, None

    def add_missing(self, name: str) -> None:
        """Record that the user has written to a name that nobody has."""
        self._missing[fold(name)] = None
        if len(self._missing) > _MISSING:
            del self._missing[next(iter(self._missing))]

    def resolve(self, line: str, origin: Origin = "typed") -> Meaning | Held:
        """Return the meaning of a line, or the reason why it is held. The same line once more confirms its meaning.

        Raises:
            InputError: the line is about a message or a question that is not there.
        """
        started, self._started = self._started, None
        meaning = self._read(line, origin)
        changed = self._changed(meaning, started) if started is not None else ""
        before, self._line = self._line, ""
        if changed:
            doubt: Doubt | None = Doubt("Something has come or gone meanwhile", meaning)
        else:
            doubt = self._doubts.find(line, meaning, origin)
        told, self._told = self._told, None
        meant = meaning if doubt is None else doubt.meaning
        change = self._unconfirmed(meant)
        if change is not None:
            if not before or (before, told, self._meaning) != (line, change, meant):
                self._line, self._meaning, self._told = line, meant, change
                return self._hold_for(change, line, Doubt("", meant, doubt.remedy if doubt else ""), changed)
            self._names.confirm(change)
        if before and before == line and not changed:
            if doubt is not None and doubt.meaning == self._meaning:
                return self._confirm(doubt)
            if doubt is None and meaning != self._meaning:  # the sentence that the user has read is not true any more
                doubt = Doubt("Somebody has come or gone meanwhile", meaning)
        if doubt is None:
            return self._with_writers(meaning)
        if doubt.key and doubt.key in self._confirmed:
            return doubt.meaning
        if self._scripted:
            return Unclear(f"Not sent: {doubt.reason}; {doubt.remedy}.")
        self._line, self._meaning = line, doubt.meaning
        return self._hold(line, doubt, changed)

    def hold_answer(self, question: Question, choice: int) -> str:
        """Return the reason why an answer is held, or nothing; the same answer once more is sent."""
        held, self._held_answer = self._held_answer, None
        change = self.find_change(question.of) if question.direct else None
        if change is None:
            return ""
        if held == (question.seq, choice, change):
            self._names.confirm(change)
            return ""
        self._held_answer = question.seq, choice, change
        return f"{self._sentence(change)}. Answer once more to send it."

    def _unconfirmed(self, meaning: Meaning) -> NameChange | None:
        """Return the change of the name that a line writes to, unless the user has confirmed it."""
        match meaning:
            case Say(to):
                return self.find_change(to)
            case Command("msg", argument) if argument.strip():
                return self.find_change(argument.split(maxsplit=1)[0].rstrip(":"))
            case Command("me"):
                return self.find_change(self._contacts.conversations.current)
            case Command("reply" | "answer" as word, argument) if argument:
                with contextlib.suppress(InputError):
                    if word == "reply":
                        return self.find_change(self._recent.replied_to(argument)[0].of)
                    return self.find_change(answered_by(argument, self._questions.open())[0].of)
        return None

    def find_change(self, name: str) -> NameChange | None:
        """Return the change of a name that the user has to confirm before they write to it, or None."""
        return None if self._scripted or is_room(name) else self._names.find(name)

    def _hold_for(self, change: NameChange, line: str, doubt: Doubt, changed: str) -> Held:
        """Return the reason to hold a line for a change of a name."""
        reason = f"{self._sentence(change)}."
        if change.what == "released":  # nobody can get it: Enter once more only shows what the server says
            return Held(f"Not sent: {reason}{self._former(change.user)}")
        return self._hold(line, doubt._replace(reason=reason), changed)

    def _former(self, name: str) -> str:
        """Return a sentence that names the conversation with the owner of a released name; empty if it is not known."""
        names = [one.name for one in self._contacts.conversations.listed()]
        former = [one for one in names if fold(name_before_release(one) or "") == fold(name)]
        return f' What was said to them is in "{printable_line(former[0])}".' if former else ""

    def _sentence(self, change: NameChange) -> str:
        return sentence(change, when(change.at, self._today()))

    def describe_enter(self, line: str) -> str:
        """Describe what Enter does with a line that is typed while a question is open; empty if it just sends it."""
        if line and line == self._line:
            return f"Enter: {self._describe(line, self._meaning)}"
        if line.strip() and self._doubts.possible_answer(line) is not None:
            return f'Enter asks once what "{printable_line(line.strip())}" is meant for'
        return ""

    def line_for(self, message: Send) -> str:
        """Return the line that sends a message again, in whichever conversation the user is now."""
        conversations = self._contacts.conversations
        current, text = conversations.current, message.text
        is_plain = conversations.is_current(message.to) and parse_line(text, current) == Say(current, text)
        return text if is_plain and "\n" not in text else f"{message.to}: {text}"

    def no_recipient(self) -> Unclear:
        """Return the meaning of a text without a recipient, naming the people who have written to the user."""
        writers = self._contacts.conversations.writers()
        if self._scripted or not writers:
            return NO_RECIPIENT
        sentence = f"{NO_RECIPIENT.sentence} These have written to you: {listed(writers)}."
        return Unclear(sentence, is_text=True)

    def _read(self, line: str, origin: Origin) -> Meaning:
        current = self._contacts.conversations.current
        if origin in {"pasted", "burst"} and "\n" in line:
            return Say(current, line.rstrip("\r\n")) if current else NO_RECIPIENT
        return parse_line(line, current, self._is_recipient)

    def _is_recipient(self, name: str) -> bool:
        """Return whether a word before a colon names a recipient, while a conversation is open.

        A room does even if it is not known: a text that begins like that is rare, and what is meant for a room must not
        be sent elsewhere.
        """
        is_known = self._contacts.is_known(name) or fold(name) in self._missing
        return self._scripted or is_room(name) or is_known

    def _with_writers(self, meaning: Meaning) -> Meaning:
        return self.no_recipient() if meaning == NO_RECIPIENT else meaning

    def _newest(self) -> _Newest:
        received, question = self._recent.received, self._questions.first()
        return _Newest(tuple(received), question.seq if question is not None else 0)

    def _changed(self, meaning: Meaning, started: _Newest) -> str:
        """Describe the effect of a line if it has changed since the line was started; empty if it has not."""
        newest = self._newest()
        match meaning:
            case Command("reply", argument) if newest.received != started.received:
                answered, _ = self._recent.replied_to(argument)
                sender = printable_line(answered.sender)
                if not any(one is answered for one in started.received):
                    return f"replies to what {sender} has just said"
                with contextlib.suppress(InputError):
                    if self._recent.replied_to(argument, started.received)[0] is answered:
                        return ""
                return f"replies to what {sender} said before that"
            case Command("answer", argument) if (
                argument and started.question and newest.question not in (0, started.question)
            ):
                question, choice = answered_by(argument, self._questions.open())
                if question.seq == newest.question and not argument.startswith(str(question.seq)):
                    return f'answers "{question.words(choice)}" to {asker(question)}: {question.text}'
        return ""

    def _confirm(self, doubt: Doubt) -> Meaning:
        if doubt.key:
            self._confirmed.add(doubt.key)
            self._doubts.confirm(doubt.key)
        return doubt.meaning

    def _hold(self, line: str, doubt: Doubt, changed: str) -> Held:
        self._started = self._newest()  # the next Enter is about what is there now
        reason = doubt.reason if doubt.reason.endswith(("?", ".")) else f"{doubt.reason}:"
        remedy = f"; {doubt.remedy}" if doubt.remedy else ""
        return Held(f"{reason} Enter once more {changed or self._describe(line, doubt.meaning)}{remedy}.")

    def _describe(self, line: str, meaning: Meaning) -> str:
        match meaning:
            case Say(to, text):
                if text == line.rstrip("\r\n") and "\n" in text:
                    return f"sends all of it to {printable_line(to)} as one message"
                if text == line.rstrip("\r\n"):
                    return f"sends the line to {printable_line(to)} as it is"
                return f'sends "{shortened(text)}" to {printable_line(to)}'
            case Command("answer", argument):
                question = self._question(argument)
                return f"answers {asker(question)} with {_choice(argument, question)}" if question else "answers"
            case Command(word):
                return f"carries out /{word}"
        return "does nothing"

    def _question(self, argument: str) -> Question | None:
        seq = argument.partition(" ")[0]
        return next((one for one in self._questions.open() if str(one.seq) == seq), None)


def _choice(argument: str, question: Question) -> str:
    number = int(argument.partition("[")[2].rstrip("]"))
    return f'"{question.words(number - 1)}"'
