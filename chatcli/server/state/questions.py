"""Questions: their checks, the checks of answers, and the connections that wait for an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import DECLINED, MAX_OPEN, Answered, Message, Send
from chatcli.protocol.values.choices import DECLINED_TEXT, WITHDRAWN_TEXT, check_choices
from chatcli.server.model import Room
from chatcli.store import question_data
from chatcli.store.question_data import QuestionData

if TYPE_CHECKING:
    from chatcli.server.model import Connection, User
    from chatcli.store.batch import Entry, PriorAnswer
    from chatcli.store.records import MessageRow

_MOST_AWAITED: Final = 100  # answers, by one connection
_TIME_IS_OVER: Final = "That question's time is over."


def check(frame: Send) -> QuestionData | None:
    """Return the data of a question; None for an answer, which is checked once its question is known.

    Raises:
        Refused: the fields contradict each other or are out of range.
    """
    if frame.answer is not None:
        if frame.re is None or frame.choices or frame.seconds is not None:
            text = "An answer names its question in re, and has neither choices nor seconds of its own."
            raise Refused(codes.INVALID, text)
        return None
    if not frame.choices:
        raise Refused(codes.INVALID, "Only a question can have seconds: give it choices.")
    try:
        check_choices(frame.choices)
    except InputError as error:
        raise Refused(codes.INVALID, str(error)) from None
    if frame.seconds is not None and not 1 <= frame.seconds <= MAX_OPEN:
        days = MAX_OPEN // 86_400
        raise Refused(codes.INVALID, f"A question is open for 1 to {MAX_OPEN} seconds, which is {days} days.")
    return QuestionData(frame.choices)


def stored(more: QuestionData, seconds: int | None, at: int) -> str:
    """Return the data of a question or an answer as the log stores it.

    Args:
        more: the data.
        seconds: the time for which the question is open; None for ever.
        at: the time of the message, in milliseconds since 1970-01-01 UTC.
    """
    return question_data.encode(more if seconds is None else QuestionData(more.choices, at + seconds * 1000))


def _words(recipient: User | Room, sender: User, number: int, choices: Sequence[str]) -> str:
    if isinstance(recipient, Room):
        if sender not in recipient.members or sender in recipient.leaving:
            text = f"Only those who belong to {recipient.name} may answer there: join it first."
            raise Refused(codes.NOT_ALLOWED, text)
        if number == DECLINED:
            text = f"Nobody can decline for all of {recipient.name}: leave it to the others."
            raise Refused(codes.NOT_ALLOWED, text)
    if number >= len(choices):
        text = f"There is no choice {number}: the first is 0, and the last {len(choices) - 1}."
        raise Refused(codes.INVALID, text)
    return DECLINED_TEXT if number == DECLINED else choices[number]


def add(message: Message, stored: str) -> None:
    """Add the stored data of a question or an answer to a message."""
    more = question_data.decode(stored)
    message.choices, message.until, message.answer = more.choices, more.until, more.answer


class _Wait:
    """A connection that waits for an answer.

    Attributes:
        reading: whether the log is being read; an answer that comes meanwhile is part of the result.
        message: the answer that came meanwhile.
        until: when the question closes; None while that is unknown, or if it never does.
    """

    __slots__ = ("message", "reading", "until")

    def __init__(self) -> None:
        self.reading = True
        self.message: Message | None = None
        self.until: int | None = None


class Questions:
    """Connections that wait for answers. Without any, an answer costs no more than another message.

    Args:
        clock: the time in milliseconds since 1970-01-01 UTC.
        name_of: returns the name of the user with that id.
        sees: returns whether a user may read a message, given by the ids of its sender and recipient and its seq.
    """

    def __init__(
        self, clock: Callable[[], int], name_of: Callable[[int], str], sees: Callable[[User, int, int, int], bool]
    ) -> None:
        self._clock = clock
        self._name_of = name_of
        self._sees = sees
        self._waiting: dict[int, dict[Connection, _Wait]] = {}  # by the seq of the question
        self._awaited: dict[Connection, set[int]] = {}

    def answer(self, sender: User, recipient: User | Room, frame: Send, row: MessageRow) -> QuestionData:
        """Replace the text of an answer by the words of its choice; return its data.

        The log decides whether it is the first one.

        Args:
            sender: the user who answers.
            recipient: the user or the room to whom the answer goes.
            frame: the answer.
            row: the question, which the sender may read.

        Raises:
            Refused: it is not a question, the sender may not answer it, or it is closed.
        """
        question, number = question_data.decode(row.extra), frame.answer
        assert number is not None  # noqa: S101 (the caller has checked that)
        if not question.choices:
            raise Refused(codes.INVALID, f"Message {row.seq} is not a question: answer it without a choice.")
        if row.sender == sender.id != recipient.id:
            if number != DECLINED:
                raise Refused(codes.NOT_ALLOWED, "You have asked that yourself: you can withdraw it, and nothing else.")
            frame.text = WITHDRAWN_TEXT
        else:
            frame.text = _words(recipient, sender, number, question.choices)
        if question.until is not None and self._clock() > question.until:
            raise Refused(codes.NOT_OPEN, _TIME_IS_OVER)
        return QuestionData(answer=number)

    def why_closed(self, sender: User, prior: PriorAnswer | None) -> str:
        """Return a sentence about the answer that came first; if it is None, the time was over."""
        if prior is None:
            return _TIME_IS_OVER
        if not prior.sender:
            return "That question has been answered already."
        own = prior.sender == sender.id
        name, have = ("You", "have") if own else (self._name_of(prior.sender), "has")
        if prior.answer != DECLINED:
            return f"{name} {have} answered that already: {prior.text}."
        if prior.text == WITHDRAWN_TEXT:
            return f"{name} {have} withdrawn that question."
        return f"{name} {have} declined to answer that."

    def start_waiting(self, session: Connection, question: int) -> None:
        """Have a connection get the answer to a question; to be called before the log is read for an earlier one.

        Raises:
            Refused: it waits for too many.
        """
        awaited = self._awaited.setdefault(session, set())
        if len(awaited) >= _MOST_AWAITED:
            self._stop_expired(session, awaited)
        if question not in awaited and len(awaited) >= _MOST_AWAITED:
            raise Refused(codes.TOO_MANY, f"One connection can wait for {_MOST_AWAITED} answers, and no more.")
        awaited.add(question)
        self._waiting.setdefault(question, {})[session] = _Wait()

    def _stop_expired(self, session: Connection, awaited: set[int]) -> None:
        """Have a connection stop waiting for answers to questions whose time is over."""
        now = self._clock()
        for question in tuple(awaited):
            until = self._waiting[question][session].until
            if until is not None and until < now:
                self.stop(session, question)

    def answered_meanwhile(self, session: Connection, question: int, until: int | None) -> Message | None:
        """Return the answer that came while the log was read; from now on one is sent at once.

        Args:
            session: the connection that waits.
            question: the ``seq`` of the question.
            until: when the question closes; None for never.
        """
        wait = self._waiting.get(question, {}).get(session)
        if wait is None:
            return None
        wait.reading, wait.until = False, until
        if wait.message is not None:
            self.stop(session, question)
        return wait.message

    def until(self, session: Connection, question: int) -> int | None:
        """Return when a question closes for which a connection waits; None for never, and while that is not known."""
        wait = self._waiting.get(question, {}).get(session)
        return None if wait is None else wait.until

    def stop(self, session: Connection, question: int) -> None:
        """Have a connection stop waiting for the answer to a question."""
        self._awaited.get(session, set()).discard(question)
        sessions = self._waiting.get(question, {})
        sessions.pop(session, None)
        if not sessions:
            self._waiting.pop(question, None)

    def forget(self, session: Connection) -> None:
        """Forget a connection that has ended."""
        for question in tuple(self._awaited.get(session, ())):
            self.stop(session, question)
        self._awaited.pop(session, None)

    def awaits(self, entry: Entry) -> bool:
        """Return whether somebody waits for an answer to the question that a message is about."""
        return entry.re in self._waiting

    def notify(self, entry: Entry, message: Message) -> None:
        """Send a message that was just committed to those who wait for it, if it is an answer."""
        question = entry.re
        if question is None or message.answer is None or question not in self._waiting:
            return
        line = encode(Answered(question, message))
        for session, wait in tuple(self._waiting[question].items()):
            if wait.reading:
                wait.message = message
                continue
            if session.user is not None and self._sees(session.user, entry.sender, entry.recipient, entry.seq):
                session.send(line)
            self.stop(session, question)
