"""A model of the log in a few lists: the messages, their order and their readers."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Said:
    """One message, committed once it has a ``seq``; ``refusal`` is the code of the error that answers it instead.

    A question has ``choices``. Of concurrent answers all but one are refused; the server decides which.
    """

    id: str
    sender: str
    to: str
    text: str
    word: str
    re: int | None = None
    seq: int = 0
    at: int = 0
    refusal: str = ""
    choices: list[str] = field(default_factory=list)
    seconds: int | None = None
    answer: int | None = None
    at_once: bool = False

    @property
    def until(self) -> int | None:
        """Return the time until which a question is open."""
        return None if self.seconds is None else self.at + self.seconds * 1000

    def __str__(self) -> str:
        return f"{self.word} ({self.sender} to {self.to}, seq {self.seq or 'unknown'})"


@dataclass(slots=True)
class Stay:
    """A period of membership in a room, with the messages after ``since`` and up to ``until``."""

    user: str
    since: int
    until: int | None = None

    def covers(self, seq: int) -> bool:
        """Return whether a message is from that period."""
        return self.since < seq and (self.until is None or seq <= self.until)


@dataclass(slots=True)
class Room:
    """A room: periods of membership, the longest first, and rights."""

    name: str
    kind: str
    owners: list[str]
    stays: list[Stay] = field(default_factory=list)
    invited: set[str] = field(default_factory=set)

    @property
    def members(self) -> list[str]:
        """Return the present members, the longest-standing first."""
        return [stay.user for stay in self.stays if stay.until is None]

    def enter(self, user: str, since: int) -> None:
        """Add a member."""
        self.invited.discard(user)
        self.stays.append(Stay(user, since))

    def leave(self, user: str, head: int) -> None:
        """Remove a member; a room without owners falls to its oldest member."""
        for stay in self.stays:
            if stay.user == user and stay.until is None:
                stay.until = head
        if user in self.owners:
            self.owners.remove(user)
        if not self.owners:
            self.owners = self.members[:1]

    def told(self, user: str, seq: int) -> bool:
        """Return whether a message is in a user's feed."""
        return any(stay.covers(seq) for stay in self.stays if stay.user == user)

    def told_now(self, user: str, seq: int) -> bool:
        """Return whether a message is from a user's present membership in the room."""
        return any(stay.covers(seq) for stay in self.stays if stay.user == user and stay.until is None)


@dataclass(slots=True)
class Reading:
    """The bounds of the server's read position of a user, which differ after a kill."""

    low: int = 0
    high: int = 0
    flushed: int = 0  # written, so that a kill cannot undo it

    def acknowledge(self, seq: int) -> None:
        """Record an acknowledgement that the server has read."""
        self.low, self.high = max(self.low, seq), max(self.high, seq)


class Model:
    """All messages and rooms, according to the answers to their creators."""

    def __init__(self, users: list[str]) -> None:
        self.log: list[Said] = []
        self.rooms: dict[str, Room] = {}
        self.reading = {user: Reading() for user in users}

    @property
    def head(self) -> int:
        """Return the ``seq`` of the newest message."""
        return self.log[-1].seq if self.log else 0

    def committed(self, said: Said, seq: int, at: int) -> None:
        """Add a message to the log, where its place is final."""
        if said.seq:
            assert (said.seq, said.at) == (seq, at), f"{said} was answered with another seq or time: {seq}, {at}"
            return
        said.seq, said.at = seq, at
        bisect.insort(self.log, said, key=_seq)
        place = bisect.bisect_left(self.log, seq, key=_seq)
        assert [other.seq for other in self.log[place : place + 2]].count(seq) == 1, f"two messages have seq {seq}"

    def refusal(self, user: str, to: str) -> str:
        """Return the code with which a message to a room is refused, or an empty string."""
        room = self.rooms.get(to)
        if not to.startswith("#"):
            return ""
        if room is None or (room.kind == "private" and user not in room.members):
            return "unknown_room"
        return "not_allowed" if room.kind == "announcement" and user not in room.owners else ""

    def answer_refusal(self, user: str, to: str, question: Said, number: int, now: int) -> str:
        """Return the code with which an answer is refused, or an empty string if it counts."""
        if refusal := self.refusal(user, to):
            return refusal
        if question not in self.conversation(user, to) or not question.choices:
            return "invalid" if question in self.conversation(user, to) else "unknown_reply"
        room = self.rooms.get(to)
        if question.sender == user != question.to:
            if number >= 0:
                return "not_allowed"
        elif room and (user not in room.members or number < 0):
            return "not_allowed"
        elif number >= len(question.choices):
            return "invalid"
        late = question.until is not None and now > question.until
        return "not_open" if late or self.answer_to(question) else ""

    def answer_to(self, question: Said) -> Said | None:
        """Return the answer to a question."""
        return next((said for said in self.log if said.answer is not None and said.re == question.seq), None)

    def waits(self, user: str, question: Said) -> bool:
        """Return whether a user may wait for an answer: as the asker, and in private rooms as a member."""
        room = self.rooms.get(question.to)
        hidden = room is not None and room.kind == "private" and not room.told_now(user, question.seq)
        return question.sender == user and bool(question.choices) and not hidden

    def unread(self, user: str, behind: int, now: int) -> list[dict[str, object]]:
        """Return the unread messages by conversation, the newest first, without answers and closed questions."""
        counts: dict[str, tuple[int, int]] = {}
        for said in self.feed(user, behind):
            late = said.until is not None and now > said.until
            over = said.answer is not None or (said.choices and (late or self.answer_to(said)))
            if (said.sender != user or said.to == user) and not over:
                of = said.to if said.to in self.rooms else said.sender
                counts[of] = counts.get(of, (0, 0))[0] + 1, said.seq
        newest_first = sorted(counts.items(), key=lambda item: item[1][1], reverse=True)
        return [{"of": of, "count": count, "seq": seq} for of, (count, seq) in newest_first]

    def in_feed(self, user: str, said: Said) -> bool:
        """Return whether a message belongs to a user's feed."""
        room = self.rooms.get(said.to)
        return room.told(user, said.seq) if room else user in (said.sender, said.to)

    def feed(self, user: str, behind: int) -> list[Said]:
        """Return a user's feed after a ``seq``."""
        start = bisect.bisect_right(self.log, behind, key=_seq)
        return [said for said in self.log[start:] if self.in_feed(user, said)]

    def may_see(self, user: str, said: Said) -> bool:
        """Return whether a user may find a message."""
        room = self.rooms.get(said.to)
        if room is None or room.kind == "private":
            return self.in_feed(user, said)
        return True

    def conversation(self, user: str, of: str) -> list[Said]:
        """Return the messages of a conversation that a user may see."""

        def belongs(said: Said) -> bool:
            return said.to == of if of.startswith("#") else {said.sender, said.to} == {user, of}

        return self.seen(user, belongs)

    def seen(self, user: str, fits: Callable[[Said], bool]) -> list[Said]:
        """Return the matching messages that a user may see, in order."""
        return [said for said in self.log if fits(said) and self.may_see(user, said)]


def _seq(said: Said) -> int:
    return said.seq
