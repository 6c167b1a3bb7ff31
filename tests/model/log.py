"""A model of the log in a few lists: the messages, their order and their readers."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping
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
    """A room: periods of membership, the longest first, and rights; who is invited, each with their host."""

    name: str
    kind: str
    owners: list[str]
    stays: list[Stay] = field(default_factory=list)
    invited: dict[str, str] = field(default_factory=dict)

    @property
    def members(self) -> list[str]:
        """Return the present members, the longest-standing first."""
        return [stay.user for stay in self.stays if stay.until is None]

    def enter(self, user: str, since: int) -> None:
        """Add a member."""
        self.invited.pop(user, None)
        self.stays.append(Stay(user, since))

    def leave(self, user: str, head: int) -> None:
        """Remove a member, whose invitations end; a room without owners falls to its oldest member."""
        self.invited = {invited: by for invited, by in self.invited.items() if by != user}
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
class Receiving:
    """The bounds of the ``seq`` up to which the server takes a user's feed for received, which differ after a kill."""

    low: int = 0
    high: int = 0
    flushed: int = 0  # written, so that a kill cannot undo it

    def acknowledge(self, seq: int) -> None:
        """Record an acknowledgement that the server has read."""
        self.low, self.high = max(self.low, seq), max(self.high, seq)


@dataclass(frozen=True, slots=True)
class Positions:
    """The read positions of a user, and the parts of them that others may know."""

    general: int = 0
    shown: int = 0
    single: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of(self, name: str) -> tuple[int, int]:
        """Return both positions in a conversation."""
        return self.single.get(name, (self.general, self.shown))

    def read(self, name: str, seq: int, *, back: bool = False) -> Positions:
        """Return the positions after the user has read a conversation, or marked a part of it as unread."""
        read, shown = self.of(name)
        after = (seq, shown) if back else (max(read, seq), max(shown, seq))
        return Positions(self.general, self.shown, {**self.single, name: after})

    def read_all(self, seq: int) -> Positions:
        """Return the positions after the user has read everything."""
        single = {name: (max(read, seq), max(shown, seq)) for name, (read, shown) in self.single.items()}
        return Positions(max(self.general, seq), max(self.shown, seq), single)

    def agrees(self, other: Positions, names: Iterable[str]) -> bool:
        """Return whether the user has read the same in all of these conversations."""
        return all(self.of(name)[0] == other.of(name)[0] for name in names)


class Reading:
    """The read positions of a user: those that the server may have, and those that may be on its disk."""

    def __init__(self) -> None:
        self.now = [Positions()]
        self.disk = self.now

    def move(self, change: Callable[[Positions], Positions]) -> None:
        """Record a change that the server has processed; it may be written or not."""
        self.now = _different(map(change, self.now))
        self.disk = _different([*self.disk, *self.now])

    def stop(self) -> None:
        """Record that the server has written everything."""
        self.disk = self.now

    def kill(self) -> None:
        """Record that the server has started again with what was on its disk."""
        self.now = self.disk

    def learn(self, fits: Callable[[Positions], bool], what: object) -> None:
        """Keep the positions that fit with an answer of the server, one of which has to."""
        fitting = [positions for positions in self.now if fits(positions)]
        assert fitting, f"{what} fits with none of {self.now}"
        self.disk = fitting if self.disk is self.now else self.disk
        self.now = fitting


def _different(all_of_them: Iterable[Positions]) -> list[Positions]:
    found: list[Positions] = []
    for positions in all_of_them:
        if positions not in found:
            found.append(positions)
    return found


class Model:
    """All messages and rooms, according to the answers to their creators."""

    def __init__(self, users: list[str]) -> None:
        self.log: list[Said] = []
        self.rooms: dict[str, Room] = {}
        self.receiving = {user: Receiving() for user in users}
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

    def of(self, user: str, said: Said) -> str:
        """Return the conversation of a user that a message belongs to."""
        return said.to if said.to in self.rooms or said.sender == user else said.sender

    def conversations(self, user: str) -> list[str]:
        """Return the conversations of which a user has messages in their feed."""
        return list(dict.fromkeys(self.of(user, said) for said in self.feed(user, 0)))

    def unread(self, user: str, positions: Positions, now: int) -> list[dict[str, object]]:
        """Return the unread messages by conversation, the newest first, without answers and closed questions."""
        counts: dict[str, dict[str, object]] = {}
        for said in self.feed(user, 0)[::-1]:
            late = said.until is not None and now > said.until
            over = said.answer is not None or (said.choices and (late or self.answer_to(said)))
            of = self.of(user, said)
            if (said.sender != user or said.to == user) and not over and said.seq > positions.of(of)[0]:
                count = counts.setdefault(of, {"of": of, "count": 0, "seq": said.seq})
                _add(count, "count")
                if of in self.rooms and f"@{user}" in said.text:
                    _add(count, "mentions")
        return list(counts.values())

    def listed(self, user: str, positions: Positions, now: int) -> list[dict[str, object]]:
        """Return a user's conversations as the server lists them, with the ``seq`` of the last message of each."""
        newest: dict[str, int] = {}
        for said in self.seen(user, lambda _said: True):
            if said.to not in self.rooms or user in self.rooms[said.to].members:
                newest[self.of(user, said)] = said.seq
        unread = {one["of"]: one for one in self.unread(user, positions, now)}
        rows: list[dict[str, object]] = []
        for of, seq in sorted(newest.items(), key=lambda item: -item[1]):
            counts = unread.get(of, {})
            row = {"of": of, "last": seq, "unread": counts.get("count"), "mentions": counts.get("mentions")}
            row["read"] = positions.of(of)[0] or None
            rows.append({key: value for key, value in row.items() if value is not None})
        return rows

    def newest_between(self, user: str, other: str, upto: int) -> int:
        """Return the ``seq`` of the newest message of two users up to a position."""
        seqs = [said.seq for said in self.log if {said.sender, said.to} == {user, other} and said.seq <= upto]
        return max(seqs, default=0)

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


def _add(counts: dict[str, object], key: str) -> None:
    before = counts.get(key, 0)
    assert isinstance(before, int)
    counts[key] = before + 1


def _seq(said: Said) -> int:
    return said.seq
