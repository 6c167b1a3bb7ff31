"""A user's device in the model's world: it speaks the protocol by hand, retries, and records all frames."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from chatcli.protocol.values.address import Address
from tests.model.log import Model, Positions, Said
from tests.support import DEADLINE, Caller, Frame, key_of

OLD: Final = {("ann", "phone"), ("bob", "phone")}  # clients that know no revision of the protocol

#: Frames beside the feed, which the model ignores.
_BESIDE: Final = {"presence", "happened", "receipt", "who"}


@dataclass(slots=True)
class Feed:
    """The feed of one connection, and its start.

    Attributes:
        head: the newest ``seq`` when it was welcomed.
        unread_only: it began at the user's read position, and so without own messages to others.
        got: messages, and the ``seq`` of each ``live``, in order of arrival.
        own: ids of messages sent over it, which may be in the feed or not.
    """

    name: str
    user: str
    start: int
    head: int
    unread_only: bool
    got: list[Frame | int] = field(default_factory=list)
    own: set[str] = field(default_factory=set)

    @property
    def position(self) -> int:
        """Return the feed's position."""
        return max([self.start, *(one if isinstance(one, int) else one["seq"] for one in self.got)])

    @property
    def live(self) -> bool:
        """Return whether it has caught up at least once."""
        return any(isinstance(one, int) for one in self.got)

    def check(self, model: Model, *, whole: bool) -> None:
        """Compare the feed with the model, if ``whole`` up to the end of the log."""
        wanted = iter(self._wanted(model))
        following = next(wanted, None)
        for one in self.got:
            seq = one if isinstance(one, int) else one["seq"]
            while following is not None and following.seq < seq + isinstance(one, int):
                assert self._optional(following), f"{self.name} did not get {following} before {one}"
                following = next(wanted, None)
            if not isinstance(one, int):
                assert following is not None, f"{self.name} got what is not theirs, or got it twice: {one}"
                assert following.seq == seq, f"{self.name} got what is not theirs, or out of order: {one}"
                _compare(one, following)
                following = next(wanted, None)
        while whole and following is not None:
            assert self._optional(following), f"{self.name} did not get {following}"
            following = next(wanted, None)

    def last_wanted(self, model: Model) -> int:
        """Return the ``seq`` of the last required message, or the start of the feed."""
        return max((said.seq for said in self._wanted(model) if not self._optional(said)), default=self.start)

    def _wanted(self, model: Model) -> list[Said]:
        feed = model.feed(self.user, self.start)
        return [said for said in feed if not (self._left_out(said) and said.seq <= self.head)]

    def _optional(self, said: Said) -> bool:
        """Return whether a message is optional in the feed, like own messages sent during the catch-up."""
        live = next((one for one in self.got if isinstance(one, int)), None)
        return said.id in self.own or (self._left_out(said) and (live is None or said.seq <= live))

    def _left_out(self, said: Said) -> bool:
        return self.unread_only and said.sender == self.user != said.to


def _compare(frame: Frame, said: Said) -> None:
    """Compare a received message with the sent one."""
    got = (frame["id"], frame["from"], frame["to"], frame["text"], frame["at"], frame.get("re"))
    assert got == (said.id, said.sender, said.to, said.text, said.at, said.re), f"not as it was said: {frame} {said}"
    more = (frame.get("choices", []), frame.get("until"), frame.get("answer"))
    assert more == (said.choices, said.until, said.answer), f"not as it was asked or answered: {frame} {said}"


def compare_all(frames: list[Frame], wanted: list[Said], what: str) -> None:
    """Compare shown messages with the expected ones."""
    seqs = [frame["seq"] for frame in frames]
    assert seqs == [said.seq for said in wanted], f"{what}: {seqs}, not {[str(said) for said in wanted]}"
    for frame, said in zip(frames, wanted, strict=True):
        _compare(frame, said)


class Wire(Caller):
    """A connection that reads while it cannot write, so that neither side waits for ever."""

    def __init__(self, address: Address, *, slow: bool) -> None:
        super().__init__(address, 4096 if slow else 0)
        self._buffer = b""
        self._lines: list[bytes] = []
        self.silent = False  # the server has closed its side

    def next(self) -> Frame | None:
        """Return the next frame, or None at the end of the connection."""
        deadline = time.monotonic() + DEADLINE
        while not self._lines and not self.silent:
            assert time.monotonic() < deadline, "the server says nothing"
            self._wait([])
        return json.loads(self._lines.pop(0)) if self._lines else None

    def says_raw(self, data: bytes) -> None:
        """Send bytes, and buffer incoming data meanwhile."""
        left = memoryview(data)
        deadline = time.monotonic() + DEADLINE
        while left and not self.silent:
            assert time.monotonic() < deadline, "the server takes nothing"
            if self._wait([self.socket]):
                with contextlib.suppress(ConnectionError):
                    left = left[self.socket.send(left) :]

    def _wait(self, writers: list[socket.socket]) -> bool:
        """Buffer incoming data, and return whether the socket is writable."""
        readable, writable, _ = select.select([self.socket], writers, [], 0.5)
        if readable:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionError:
                data = b""
            self.silent = not data
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._lines += lines
        return bool(writable)


class Device:
    """A user's device, connected or not; its messages are kept until they are answered."""

    def __init__(self, model: Model, user: str, place: str, note: Callable[[str], None]) -> None:
        self.user = user
        self.place = place
        self.name = f"{user}'s {place}"
        self.position = 0  # the position at which it resumes
        self.unanswered: list[Said] = []
        self.feed: Feed | None = None
        self.ended: list[Feed] = []  # of ended connections, not yet compared
        self.awaited: dict[int, Frame] = {}  # the received answers by question
        self.positions: Positions | None = None  # the read positions that it knows of, if it gets any
        self._revision = 0 if (user, place) in OLD else 1
        self._model = model
        self._note = note
        self._wire: Wire | None = None
        self._answers: dict[int, Frame] = {}
        self._number = 0
        self._last_said = 0
        self._goodbye = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._wire is not None

    def connect(
        self,
        address: Address,
        purpose: str,
        *,
        resume: bool,
        slow: bool,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Connect, and repeat unanswered messages; call ``meanwhile`` before the welcome."""
        since = {"revision": self._revision, **({"since": self.position} if resume else {})}
        wire = self._wire = Wire(address, slow=slow)
        self._goodbye = False
        wire.greets(self.user, key=key_of(self.user), purpose=purpose, present="attach", **since)
        meanwhile()
        welcome = wire.next()
        assert welcome is not None, f"the connection of {self.name} ended before the welcome"
        assert welcome["t"] == "welcome", welcome
        self._note(f"{self.name} connects to {purpose} behind {welcome['cursor']}, {since}, slow={slow}")
        rooms = sorted(room.name for room in self._model.rooms.values() if self.user in room.members)
        assert sorted(welcome.get("rooms", [])) == rooms, f"{self.name} belongs to {welcome['rooms']}, not {rooms}"
        if purpose != "send":
            self._begin_feed(welcome, resume=resume)
        self._say(self.unanswered)

    def _begin_feed(self, welcome: Frame, *, resume: bool) -> None:
        """Compare the start of the feed with the position of this device, or of its user."""
        cursor, receiving = welcome["cursor"], self._model.receiving[self.user]
        if resume:
            assert cursor == self.position, f"{self.name} wanted to go on behind {self.position}: {welcome}"
        else:
            assert receiving.low <= cursor <= receiving.high, f"{self.user} had received {receiving}: {welcome}"
            receiving.low = receiving.high = cursor
        if self._revision:
            positions = Positions(welcome["read"], 0, {one["of"]: (one["seq"], 0) for one in welcome["reads"]})
            self._compare_positions(positions, welcome)
            self.positions = positions
        self.feed = Feed(self.name, self.user, cursor, welcome["head"], not resume)

    def say(self, messages: list[Said]) -> None:
        """Send messages; the answers are read later."""
        self.unanswered += messages
        self._say(messages)

    def _say(self, messages: list[Said]) -> None:
        lines = []
        for said in messages:
            if self.feed is not None and not said.seq:
                self.feed.own.add(said.id)
            fields: Frame = {"t": "send", "id": said.id, "to": said.to, "text": said.text}
            more = {"re": said.re, "choices": said.choices or None, "seconds": said.seconds, "answer": said.answer}
            fields.update((name, value) for name, value in more.items() if value is not None)
            lines.append(json.dumps(fields).encode() + b"\n")
        assert self._wire is not None
        self._wire.says_raw(b"".join(lines))

    def ask(self, tag: str, **fields: object) -> Frame:
        """Send a request, and read up to its answer."""
        assert self._wire is not None
        self._number += 1
        self._wire.says(tag, n=self._number, **fields)
        self._read_until(lambda: self._number in self._answers, f"an answer to {tag} {fields}")
        return self._answers.pop(self._number)

    def wait_for_answer(self, question: Said) -> None:
        """Wait for the answer to a question, and record it from now on."""
        frame = self.ask("answers", re=question.seq)
        if not self._model.waits(self.user, question):
            assert frame["code"] in ("invalid", "not_allowed"), frame
            return
        assert (frame["t"], frame["re"]) == ("answer", question.seq), frame
        self.awaited[question.seq] = frame

    def check_answers(self) -> None:
        """Compare received answers with the model, once all messages are answered."""
        if not self.awaited:
            return
        self.ask("ping")
        for question in [said for said in self._model.log if said.seq in self.awaited]:
            told, answer = self.awaited[question.seq].get("message"), self._model.answer_to(question)
            if answer is None:
                assert told is None, f"{self.name} was told of an answer that there is not: {told}"
            elif told is not None:
                compare_all([told], [answer], f"the answer to {question}")
            else:
                assert not self._model.waits(self.user, question), f"{self.name} was not told of {answer}"

    def _compare_positions(self, known: Positions, what: object) -> None:
        names = self._model.conversations(self.user)
        self._model.reading[self.user].learn(lambda own: own.agrees(known, names), f"{self.name}: {what}")

    def acknowledge(self) -> None:
        """Acknowledge the received messages, and wait until the server has read that."""
        if self._wire is None or self.feed is None:
            return
        seq = self.feed.position
        self._wire.says("ack", seq=seq)
        self._model.receiving[self.user].acknowledge(seq)
        if not self._revision:
            self._model.reading[self.user].move(lambda own: own.read_all(seq))
        self.ask("ping")

    def mark_read(self, of: str, seq: int, *, back: bool) -> None:
        """Read a conversation, or all if it is empty, and wait until the server knows it."""
        assert self._wire is not None
        self.ask("ping")  # so that earlier notices of other devices have come

        def move(own: Positions) -> Positions:
            return own.read(of, seq, back=back) if of else own.read_all(seq)

        self._wire.says("read", seq=seq, **({"of": of, "back": back} if of else {}))
        self._model.reading[self.user].move(move)
        if self.positions is not None:
            self.positions = move(self.positions)
        self.ask("ping")

    def check_positions(self) -> None:
        """Compare the read positions that the device knows of with the model."""
        if self.positions is not None:
            self.ask("ping")
            self.ask("ping")  # after dropped notices the present state follows the next answer
        if self.positions is not None:
            self._compare_positions(self.positions, self.positions)

    def settle(self) -> None:
        """Read until all messages are answered."""
        self._read_until(lambda: not self.unanswered, "an answer to everything that was said")

    def catch_up(self) -> None:
        """Read the whole feed, and make sure that no more comes."""
        feed = self.feed
        if feed is None:
            return
        # The required messages are known once the feed is live: earlier own ones are optional.
        self._read_until(lambda: feed.live and feed.position >= feed.last_wanted(self._model), "all that is theirs")
        self.ask("ping")
        feed.check(self._model, whole=True)

    def bid_goodbye(self) -> None:
        """Say goodbye after all messages are answered."""
        assert self._wire is not None
        self._wire.says("bye")
        self.read_to_end()
        assert self._goodbye, f"there was no goodbye for {self.name}"
        assert not self.unanswered, f"{self.name} said bye, and was not told of {[str(s) for s in self.unanswered]}"

    def read_to_end(self) -> None:
        """Read the rest of a connection that the server closes."""
        while self._wire is not None:
            self._hear()

    def hang_up(self) -> None:
        """Close the connection, whatever is in flight."""
        if self._wire is not None:
            self._wire.hang_up()
            self._wire = None
        self.awaited.clear()
        self.positions = None
        if self.feed is not None:
            self.ended.append(self.feed)
            self.position = self.feed.position
            self.feed = None

    def _read_until(self, condition: Callable[[], bool], what: str) -> None:
        while not condition():
            assert self._wire is not None, f"the connection of {self.name} ended before {what}"
            try:
                self._hear()
            except AssertionError as error:
                raise AssertionError(f"{self.name}: {error}, but did not get {what}") from error

    def _hear(self) -> None:
        assert self._wire is not None
        frame = self._wire.next()
        if frame is None:
            self.hang_up()
            return
        match frame:
            case {"t": "message" | "live" as tag, "seq": seq}:
                assert self.feed is not None, f"{self.name} only sends, and got {frame}"
                self.feed.got.append(seq if tag == "live" else frame)
            case {"t": "sent" | "error", "id": _}:
                self._answered(frame)
            case {"t": "bye"}:
                self._goodbye = True
            case {"n": number}:
                self._answers[number] = frame
            case {"t": "read", "seq": seq}:
                self._other_device_read(seq, frame.get("of", ""), back=frame.get("back", False))
            case {"t": "answer", "re": question}:
                assert "message" not in self.awaited[question], f"{self.name} was told twice: {frame}"
                self.awaited[question] = frame
            case {"t": tag}:
                assert tag in _BESIDE, f"{self.name} got {frame}"

    def _other_device_read(self, seq: int, of: str, *, back: bool) -> None:
        assert self.feed is not None, f"{self.name} only sends, and got a position"
        assert self._revision or not of, f"{self.name} knows no conversations, and got the position of {of}"
        if self.positions is not None:
            self.positions = self.positions.read(of, seq, back=back) if of else self.positions.read_all(seq)

    def _answered(self, frame: dict[str, Any]) -> None:
        """Process the answer to the oldest message: a connection's messages are answered in order."""
        said = self.unanswered.pop(0)
        assert said.id == frame["id"], f"{self.name} waits for the answer to {said}, and got {frame}"
        if frame["t"] == "error" and said.at_once:
            assert frame["code"] == "not_open", f"{said} was refused: {frame}"
            said.refusal = frame["code"]
            return
        if frame["t"] == "error":
            assert said.refusal == frame["code"], f"{said} was refused: {frame}"
            return
        assert not said.refusal, f"{said} should have been refused with {said.refusal}: {frame}"
        again = bool(said.seq)
        self._model.committed(said, frame["seq"], frame["at"])
        if not again:
            assert said.seq > self._last_said, f"{said} was said on {self.name} behind seq {self._last_said}"
            self._last_said = said.seq
