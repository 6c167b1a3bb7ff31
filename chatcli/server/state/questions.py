"""Questions: what makes one, who may answer it and with what, and who waits for the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.choices import DECLINED_TEXT, WITHDRAWN_TEXT, check_choices
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import DECLINED, MAX_OPEN, Answered, Message, Send
from chatcli.server.model import Room
from chatcli.store import question_data
from chatcli.store.question_data import QuestionData

if TYPE_CHECKING:
    from chatcli.server.model import Connection, User
    from chatcli.store.records import Closed, Entry, MessageRow

_MOST_AWAITED: Final = 100  # answers, by one connection
_TIME_IS_OVER: Final = "That question's time is over."


def check(frame: Send) -> QuestionData | None:
    """Return what a question has beside its text; None for an answer, which is looked at once its question is known.

    Raises:
        Refused: it makes no sense.
    """
    if frame.answer is not None:
        if frame.re is None or frame.choices or frame.seconds is not None:
            text = "An answer names its question in re, and has neither choices nor seconds of its own."
            raise Refused(codes.INVALID, text)
        return None
    if not frame.choices:
        raise Refused(codes.INVALID, "Only a question is open for so many seconds: give it choices.")
    try:
        check_choices(frame.choices)
    except InputError as error:
        raise Refused(codes.INVALID, str(error)) from None
    if frame.seconds is not None and not 1 <= frame.seconds <= MAX_OPEN:
        days = MAX_OPEN // 86_400
        raise Refused(codes.INVALID, f"A question is open for 1 to {MAX_OPEN} seconds, which is {days} days.")
    return QuestionData(frame.choices)


def kept(more: QuestionData, seconds: int | None, at: int) -> str:
    """Return what the log keeps of a question that is taken at that time, or of an answer."""
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
    """Put into a message what it has beside its text."""
    more = question_data.decode(stored)
    message.choices, message.until, message.answer = more.choices, more.until, more.answer


class _Wait:
    """A connection's waiting for an answer.

    Attributes:
        reading: whether the log is being asked; what is answered then belongs into what the connection is told of that.
        message: what was answered then.
        until: when the question closes; None if that is not known yet, or never.
    """

    __slots__ = ("message", "reading", "until")

    def __init__(self) -> None:
        self.reading = True
        self.message: Message | None = None
        self.until: int | None = None


class Questions:
    """Who waits for which answer. Where nobody does, an answer costs no more than another message.

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
        """Put the words of an answer in the place of its text; return what it has beside that.

        Whether another one came before, the log decides.

        Args:
            sender: who answers.
            recipient: whom, or in which room.
            frame: with what.
            row: the message that is answered, which the sender may read there.

        Raises:
            Refused: it is no question, or not theirs to answer, or not any more.
        """
        question, number = question_data.decode(row.extra), frame.answer
        assert number is not None  # noqa: S101 (what the caller has looked at)
        if not question.choices:
            raise Refused(codes.INVALID, f"Message {row.seq} is no question: answer it without a choice.")
        if row.sender == sender.id != recipient.id:
            if number != DECLINED:
                raise Refused(codes.NOT_ALLOWED, "You have asked that yourself: you can withdraw it, and nothing else.")
            frame.text = WITHDRAWN_TEXT
        else:
            frame.text = _words(recipient, sender, number, question.choices)
        if question.until is not None and self._clock() > question.until:
            raise Refused(codes.NOT_OPEN, _TIME_IS_OVER)
        return QuestionData(answer=number)

    def why_closed(self, sender: User, closed: Closed) -> str:
        """Say why an answer came too late: which one counts."""
        if not closed.sender:
            return "That question has been answered already."
        own = closed.sender == sender.id
        name, have = ("You", "have") if own else (self._name_of(closed.sender), "has")
        if closed.answer != DECLINED:
            return f"{name} {have} answered that already: {closed.text}."
        if closed.text == WITHDRAWN_TEXT:
            return f"{name} {have} withdrawn that question."
        return f"{name} {have} declined to answer that."

    def wait(self, session: Connection, question: int) -> None:
        """Have a connection told of the answer to a question, while the log is asked whether there is one.

        Raises:
            Refused: it waits for enough already.
        """
        awaited = self._awaited.setdefault(session, set())
        if len(awaited) >= _MOST_AWAITED:
            self._stop_late(session, awaited)
        if question not in awaited and len(awaited) >= _MOST_AWAITED:
            raise Refused(codes.TOO_MANY, f"One connection can wait for {_MOST_AWAITED} answers, and no more.")
        awaited.add(question)
        self._waiting.setdefault(question, {})[session] = _Wait()

    def _stop_late(self, session: Connection, awaited: set[int]) -> None:
        """Have a connection wait no more for what can come no more: who did not ask once more never will."""
        now = self._clock()
        for question in tuple(awaited):
            until = self._waiting[question][session].until
            if until is not None and until < now:
                self.stop(session, question)

    def answered_meanwhile(self, session: Connection, question: int, until: int | None) -> Message | None:
        """Return what was answered while the log was asked; from now on the connection is told at once.

        Args:
            session: which waits.
            question: for whose answer.
            until: when the question closes.
        """
        wait = self._waiting.get(question, {}).get(session)
        if wait is None:
            return None
        wait.reading, wait.until = False, until
        if wait.message is not None:
            self.stop(session, question)
        return wait.message

    def stop(self, session: Connection, question: int) -> None:
        """Have a connection wait no more: it has its answer, or there is none for it."""
        self._awaited.get(session, set()).discard(question)
        sessions = self._waiting.get(question, {})
        sessions.pop(session, None)
        if not sessions:
            self._waiting.pop(question, None)

    def forget(self, session: Connection) -> None:
        """Note that a connection is gone."""
        for question in tuple(self._awaited.get(session, ())):
            self.stop(session, question)
        self._awaited.pop(session, None)

    def tell(self, entry: Entry, message: Message) -> None:
        """Tell those who wait for it of a message that was just committed, if it is an answer."""
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
