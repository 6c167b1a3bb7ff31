"""The questions that the user may answer now, and the choice that an answer means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chatcli.client.chat.contacts import Contacts
from chatcli.errors import InputError
from chatcli.protocol import codes
from chatcli.protocol.frames import DECLINED, Error, Message, Send
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable_line

DECLINE: Final = "decline"  # the word for it, unless a choice is called so
SEEN: Final = 1.0  # seconds for which a question must have been shown before one key answers it
_REMEMBERED: Final = 100  # open questions
_CLOSED: Final = 1000  # others
_LATELY: Final = 60.0  # seconds after a question closes for which a possible answer to it is not simply sent as a text
NO_CHOICE: Final = -2
_YES_OR_NO: Final = frozenset({"y", "yes", "n", "no", "ok", "okay", "yep", "nope"})
_START: Final = 400  # characters of a question


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to the user.

    Attributes:
        seq: its place in the log.
        of: the conversation: the person who asks, or the room.
        sender: the person who asks.
        text: its beginning, in one line.
        choices: the possible answers, printable.
        until: the moment at which it closes, in milliseconds since 1970-01-01 UTC by the server's clock; None if it
            does not close by itself.
        ends: the same moment, by the clock of :class:`OpenQuestions`.
    """

    seq: int
    of: str
    sender: str
    text: str
    choices: tuple[str, ...]
    until: int | None
    ends: float

    @property
    def direct(self) -> bool:
        """Whether it is for the user alone, who may decline it then."""
        return not is_room(self.of)

    def words(self, choice: int) -> str:
        """Return the words of a choice."""
        return self.choices[choice] if choice >= 0 else "declined"


class OpenQuestions:
    """Tracks questions until they are answered, withdrawn, or over.

    Args:
        contacts: the user and their rooms.
        clock: returns the milliseconds since 1970-01-01 UTC.
        elapsed: returns the seconds since a fixed moment.
    """

    def __init__(self, contacts: Contacts, clock: Callable[[], int], elapsed: Callable[[], float]) -> None:
        self._contacts = contacts
        self._clock = clock
        self._elapsed = elapsed
        self._questions: dict[int, Question] = {}  # by seq, in the order of arrival
        self._closed: dict[int, None] = {}  # questions that are not opened again, the oldest first
        self._over: deque[tuple[Question, float]] = deque(maxlen=_REMEMBERED)  # questions that have closed, and when
        self._answered: set[int] = set()  # questions whose answer the server has not stored yet

    def add(self, message: Message, of: str, *, live: bool) -> bool:
        """Record a message if it is a question; return whether the user may answer it now.

        Args:
            message: any message.
            of: its conversation.
            live: whether it was sent just now. Then its time starts now, whatever the clock here shows; only for older
                ones is that clock read.
        """
        if not message.choices or message.seq in self._closed:
            return False
        if message.seq in self._questions:
            return True
        left = math.inf
        if message.until is not None:
            left = (message.until - (message.at if live else self._clock())) / 1000
        if left <= 0 or not self._concerns(message):
            return False
        text = printable_line(message.text[:_START].strip())
        choices = tuple(printable_line(choice) for choice in message.choices)
        self._questions[message.seq] = Question(
            seq=message.seq,
            of=of,
            sender=message.sender,
            text=text,
            choices=choices,
            until=message.until,
            ends=self._elapsed() + left,
        )
        if len(self._questions) > _REMEMBERED:
            del self._questions[next(iter(self._questions))]
        return True

    def has(self, seq: int) -> bool:
        """Return whether the message at a place in the log is a question that is not over."""
        return seq in self._questions

    def _concerns(self, message: Message) -> bool:
        if is_room(message.to):
            return message.sender != self._contacts.user and fold(message.to) in self._contacts.rooms
        return message.to == self._contacts.user  # a program of the user's may ask them under their own name

    def close_answered(self, messages: Iterable[Message]) -> None:
        """Close the questions that messages answer.

        To be called before the questions among the same messages are added, which are not opened then.
        """
        for message in messages:
            if message.answer is not None and message.re is not None:
                self.close(message.re)

    def close(self, seq: int) -> None:
        """Record that a question is answered, withdrawn or over."""
        question = self._questions.pop(seq, None)
        if question is not None:
            self._over.append((question, self._elapsed()))
        self._contacts.conversations.counts.settle(seq)
        self._answered.discard(seq)
        self._closed[seq] = None
        if len(self._closed) > _CLOSED:
            del self._closed[next(iter(self._closed))]

    def drop_after(self, seq: int) -> None:
        """Close the questions after a place, and forget those that are closed: others have these numbers now."""
        for question in [one for one in self._questions.values() if one.seq > seq]:
            self.close(question.seq)
        self._closed = {closed: None for closed in self._closed if closed <= seq}
        self._answered = {answered for answered in self._answered if answered <= seq}

    def answered(self, seq: int) -> None:
        """Record that the user has answered: the question is not open unless the server refuses the answer."""
        self._answered.add(seq)

    def refused(self, answer: Send, error: Error) -> None:
        """Record that an answer was refused; unless the question is over, it is open again."""
        if answer.re is not None:
            self.reopen(answer.re)
            if error.code == codes.NOT_OPEN:
                self.close(answer.re)

    def reopen(self, seq: int) -> None:
        """Record that the user's answer to a question was not sent."""
        self._answered.discard(seq)

    def open(self) -> list[Question]:
        """Return the open questions, the oldest first."""
        now = self._elapsed()
        for question in list(self._questions.values()):
            if question.ends <= now or not (question.direct or fold(question.of) in self._contacts.rooms):
                self.close(question.seq)
        return [question for question in self._questions.values() if question.seq not in self._answered]

    def first(self) -> Question | None:
        """Return the oldest open question, or None if there is none."""
        return next(iter(self.open()), None)

    def lately(self) -> list[Question]:
        """Return the questions that the user has just answered or that have just closed, the latest first."""
        now = self._elapsed()
        waiting = [question for question in self._questions.values() if question.seq in self._answered]
        return [*waiting, *(question for question, at in reversed(self._over) if now - at < _LATELY)]

    def changes_in(self) -> float | None:
        """Return the seconds until the next question closes by itself, or None if none will."""
        ends = min((question.ends for question in self.open()), default=math.inf)
        return None if ends == math.inf else max(0.0, ends - self._elapsed())


def answered_with(line: str, question: Question) -> int | None:
    """Return the number of the choice that a text may mean; None if it means none.

    A text may be a choice, its number or its first letter. A yes or no that is not a choice gives :data:`NO_CHOICE`.
    """
    words = " ".join(line.split()).casefold().strip(".,!?()[]# ")
    if not words or "\n" in line.strip():
        return None
    choice = _choice(words, question)
    if choice is None and len(words) == 1:
        starts = [number for number, one in enumerate(question.choices) if one.casefold().startswith(words)]
        choice = starts[0] if len(starts) == 1 else None
    return NO_CHOICE if choice is None and words in _YES_OR_NO else choice


def answered_by(argument: str, questions: Sequence[Question]) -> tuple[Question, int]:
    """Return the question that is answered, and the number of the choice.

    Args:
        argument: a choice, in words or by its number; before it may stand the question's place in the log, the name of
            the person who asked, or the room.
        questions: those that are open; the first one is meant unless another one is named.

    Raises:
        InputError: there is no such question, or no such choice.
    """
    if not questions:
        raise InputError("No question is open: it was answered or withdrawn, its time is over, or nobody has asked.")
    choice = _choice(argument, questions[0])
    if choice is not None:
        return questions[0], choice
    first, rest = (*argument.split(maxsplit=1), "", "")[:2]
    named = next((question for question in questions if _is_named(question, first)), None)
    choice = _choice(rest, named) if named is not None and rest else None
    if named is not None and choice is not None:
        return named, choice
    raise InputError(
        _how_to_choose(argument if named is None else rest, named or questions[0], named=named is not None)
    )


def _is_named(question: Question, word: str) -> bool:
    return word == str(question.seq) or fold(word.rstrip(":")) in (fold(question.of), fold(question.sender))


def _choice(written: str, question: Question) -> int | None:
    """Return the number of a choice, or None if there is no such choice.

    Words are compared before numbers, as ``2`` may be a choice; ``[2]`` is the second choice in any case.
    """
    words = " ".join(written.split()).casefold()
    for number, choice in enumerate(question.choices):
        if words and " ".join(choice.split()).casefold() == words:
            return number
    words = words.removeprefix("[").removesuffix("]")
    if question.direct and words in (DECLINE, "0"):
        return DECLINED
    if words.isascii() and words.isdigit() and 1 <= int(words[:9]) <= len(question.choices):
        return int(words) - 1
    return None


def _how_to_choose(written: str, question: Question, *, named: bool) -> str:
    choices = [f'"{choice}"' for choice in question.choices]
    if question.direct:
        choices.append(f'"{DECLINE}"')
    which = f"{question.seq} " if named else ""
    problem = f'"{printable_line(written)}" is not an answer' if written else "The answer is missing"
    return f'{problem} to "{question.text}": write /answer {which}and one of {", ".join(choices)}, or its number.'


def answer_to(question: Question, choice: int, identity: str) -> Send:
    """Return the message that answers a question; its text is shown only until the server replaces it."""
    return Send(identity, question.of, question.words(choice), question.seq, answer=choice)


def listed(questions: Sequence[Question]) -> list[str]:
    """Return a line for each open question, with its place in the log."""
    return [
        f"{question.seq}  {asker(question)}: {question.text}   {choices_text(question.choices)}"
        for question in questions
    ]


def asker(question: Question) -> str:
    """Return the name of the person who asks, and the room if it is in one."""
    sender = printable_line(question.sender)
    return sender if question.direct else f"{sender} in {printable_line(question.of)}"


def choices_text(choices: Sequence[str]) -> str:
    """Return choices with their numbers, in one line."""
    return "  ".join(f"[{number}] {printable_line(choice)}" for number, choice in enumerate(choices, 1))


def how_to_answer(message: Message, *, digits: bool) -> str:
    """Return a hint how to answer a question, for views that do not show it above the input line.

    Args:
        message: the question.
        digits: whether a line that is only a digit is an answer.
    """
    numbers = [str(number) for number in range(1, len(message.choices) + 1)]
    line = "" if digits else "/answer "
    ways = f"{', '.join(line + number for number in numbers[:-1])} or {line}{numbers[-1]}"
    decline = "" if is_room(message.to) else f"; {'0' if digits else f'/answer {DECLINE}'} declines"
    return f"To answer, type {ways}{decline}"
