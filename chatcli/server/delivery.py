"""Delivers messages once they are committed, and answers those who sent them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from chatcli.errors import StoreError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import Error, Message, Outcome, Sent
from chatcli.server.model import Room, User
from chatcli.server.refusals import cannot_write
from chatcli.server.state import questions

if TYPE_CHECKING:
    from chatcli.server.counts import Counts
    from chatcli.server.model import Connection
    from chatcli.server.state.presence import Presence
    from chatcli.server.state.questions import Questions
    from chatcli.server.state.receipts import Receipts
    from chatcli.server.state.rooms import Rooms
    from chatcli.store.records import Entry

logger = logging.getLogger(__name__)

_PIECE: Final = 32 * 1024  # bytes, about, delivered as one piece: a connection has space for all of it or for none
_OVERHEAD: Final = 100  # bytes of a message beside its text, about


class Origin:
    """Where a message comes from and goes to; one object for all that arrived together.

    Attributes:
        session: the connection that sent it.
        sender: the user who sent it.
        recipient: the user or the room that gets it.
    """

    __slots__ = ("recipient", "sender", "session")

    def __init__(self, session: Connection, sender: User, recipient: User | Room) -> None:
        self.session = session
        self.sender = sender
        self.recipient = recipient


class Run:
    """Consecutive messages of one origin, which are encoded and answered together.

    Attributes:
        entries: the messages as they are in the log.
        size: characters of all texts together.
        origin: where they come from and go to.
        seq: of the last of them.
        messages: the frames; filled by :meth:`encode`.
        lines: the frames, encoded; filled by :meth:`encode`.
    """

    __slots__ = ("entries", "lines", "messages", "origin", "seq", "size")

    def __init__(self, entries: list[Entry], size: int) -> None:
        self.entries = entries
        self.size = size
        self.origin: Origin = entries[0].origin
        self.seq = entries[-1].seq
        self.messages: list[Message] = []
        self.lines = b""

    @property
    def length(self) -> int:
        """The number of bytes once they are encoded, about."""
        return self.size + len(self.entries) * _OVERHEAD

    def encode(self) -> None:
        """Encode the messages, once for all who get them."""
        by, to = self.origin.sender.name, self.origin.recipient.name
        self.messages = [
            Message(seq=entry.seq, id=entry.id_text, sender=by, to=to, text=entry.text, at=entry.at, re=entry.re)
            for entry in self.entries
        ]
        extra = self.entries[0].extra
        if extra is not None:
            questions.add(self.messages[0], extra)
        self.lines = encode_all(self.messages)

    def answer(self, outcome: Outcome) -> bytes:
        """Return the encoded answers to the sender."""
        return encode_all([Sent(entry.id_text, entry.seq, entry.at, outcome) for entry in self.entries])


class Delivery:
    """Delivers what was committed.

    Args:
        rooms: learn which message was delivered last.
        receipts: learn who waits for whom to read.
        presence: learns who has talked with whom.
        questions: learn what was answered.
        counts: count the messages.
    """

    def __init__(
        self, *, rooms: Rooms, receipts: Receipts, presence: Presence, questions: Questions, counts: Counts
    ) -> None:
        self._rooms = rooms
        self._receipts = receipts
        self._presence = presence
        self._questions = questions
        self._counts = counts

    def deliver_batch(self, entries: list[Entry], error: StoreError | None) -> None:
        """Deliver the messages of a batch and answer them, in order.

        Args:
            entries: the messages.
            error: why none of them was stored; None if they were.
        """
        start = 0
        while start < len(entries):
            runs = _group(entries, start) if error is None else [Run(entries[start : start + 1], entries[start].size)]
            start += sum(len(run.entries) for run in runs)
            try:
                answers = self._deliver(runs, error)
            except Exception:
                # A bug with some messages must not keep the others from being delivered: they are committed.
                logger.exception("Message %d was not delivered.", runs[0].entries[0].seq)
                continue
            for run, answer in zip(runs, answers, strict=True):
                try:
                    run.origin.session.acknowledge(answer, run.size, len(run.entries))
                except Exception:
                    # As above.
                    logger.exception("Message %d was not answered.", run.entries[0].seq)

    def _deliver(self, runs: list[Run], error: StoreError | None) -> list[bytes]:
        """Deliver runs if they were stored; return the answer to each."""
        first = runs[0].entries[0]  # the only one, unless all are stored and plain
        if error is not None:
            refusal = cannot_write("nothing was stored now")
            self._counts.refused[refusal.code] += 1
            return [encode(Error(refusal.code, str(refusal), first.id_text))]
        if first.refused:
            return [self._refusal(first)]
        if first.duplicate:
            return [_repeat(first)]
        self._rooms.delivered_seq = runs[-1].seq
        self._counts.messages += sum(len(run.entries) for run in runs)
        recipient = runs[0].origin.recipient
        if isinstance(recipient, Room):
            return self._deliver_in_room(recipient, runs)
        return [self._deliver_to_user(recipient, run) for run in runs]

    def _refusal(self, entry: Entry) -> bytes:
        code, text = codes.ID_TAKEN, "Someone else's message has this id; make a new one."
        if entry.prior_answer is not None:
            code, text = codes.NOT_OPEN, self._questions.why_closed(entry.origin.sender, entry.prior_answer)
        self._counts.refused[code] += 1
        return encode(Error(code, text, entry.id_text))

    def _deliver_to_user(self, recipient: User, run: Run) -> bytes:
        """Deliver a run to a user and to the sender's other connections; return the answers.

        The outcome is "delivered" if a connection of the recipient, other than the one that sent it, gets it now.
        """
        session, sender, seq = run.origin.session, run.origin.sender, run.seq
        run.encode()
        lines = run.lines
        reached, copies = _deliver_to_limited(run) if sender.limited_feeds or recipient.limited_feeds else (0, 0)
        for feed in recipient.feeds:
            if feed.connection is not session and feed.push(seq, lines):
                reached += 1
        outcome: Outcome = "delivered" if reached else "stored"
        if sender is not recipient:
            for feed in sender.feeds:
                if feed.connection is not session and feed.push(seq, lines):
                    copies += 1
            oldest = run.entries[0].seq
            self._receipts.await_receipt(recipient, sender, oldest, seq)
            if outcome == "stored":
                self._receipts.await_delivery(recipient, sender, oldest, seq)
            self._presence.add_contact(sender, recipient)
        self._counts.delivered += (reached + copies) * len(run.entries)
        if session.feed is not None:
            session.feed.skip_own(seq)
        self._questions.notify(run.entries[0], run.messages[0])
        return run.answer(outcome)

    # How the messages that several connections have sent to a room within one batch reach its members:
    #
    # * Each run is encoded once for everybody.
    # * A connection that sent nothing gets all runs, joined to one piece: one push, one comparison of sizes.
    # * A connection that sent something gets a piece without its own runs. If nobody else sent anything, that piece is
    #   empty and nothing is pushed.
    # * A feed whose push fails is not live any more, and skip_own() leaves its position alone: it reads the runs from
    #   the log, in their order. Only the first run is different: the feed of its speaker moves past it before anything
    #   is pushed, because nothing before it is missing.

    def _deliver_in_room(self, room: Room, runs: list[Run]) -> list[bytes]:
        """Deliver consecutive runs to a room; return the answers to each.

        The outcome is "delivered" if someone else than the sender gets it now.
        """
        for run in runs:
            run.encode()
        seq = runs[-1].seq
        everything = _join(runs)
        speakers = {feed: None for run in runs if (feed := run.origin.session.feed) is not None}
        pieces = {
            feed: _join([run for run in runs if run.origin.session is not feed.connection])
            for feed in speakers
            if feed in room.feeds
        }
        first = runs[0].origin.session.feed
        if first is not None:
            first.skip_own(runs[0].seq)
        reached: set[User] = set()
        copies = 0
        for feed in room.feeds:
            piece, count = pieces.get(feed, everything)
            if piece and feed.push(seq, piece):
                reached.add(feed.user)
                copies += count
        self._counts.delivered += copies
        room.newest = seq
        for feed in speakers:
            feed.skip_own(seq)
        self._questions.notify(runs[0].entries[0], runs[0].messages[0])
        return [run.answer("delivered" if len(reached) > (run.origin.sender in reached) else "stored") for run in runs]


def _join(runs: list[Run]) -> tuple[bytes, int]:
    """Return the lines of encoded runs as one piece, and the number of their messages."""
    return b"".join([run.lines for run in runs]), sum(len(run.entries) for run in runs)


def _deliver_to_limited(run: Run) -> tuple[int, int]:
    """Deliver a run of two people to limited feeds; return how many of the recipient and of the sender get it now."""
    session, sender, recipient = run.origin.session, run.origin.sender, run.origin.recipient
    reached = copies = 0
    if isinstance(recipient, User):
        for feed in recipient.limited_feeds:
            if feed.connection is not session and feed.includes(sender.id):
                reached += feed.push(run.seq, run.lines)
        for feed in sender.limited_feeds if sender is not recipient else ():
            if feed.connection is not session and feed.includes(recipient.id):
                copies += feed.push(run.seq, run.lines)
    return reached, copies


def _group(entries: list[Entry], start: int) -> list[Run]:
    """Return the runs that can be delivered as one piece: the first, and those that follow it in the same room."""
    runs = [_run(entries, start)]
    first = entries[start]
    room = first.origin.recipient
    if isinstance(room, Room) and _is_plain(first):
        length, end = runs[0].length, start + len(runs[0].entries)
        while end < len(entries) and length < _PIECE:
            if entries[end].origin.recipient is not room or not _is_plain(entries[end]):
                break
            run = _run(entries, end)
            runs.append(run)
            length += run.length
            end += len(run.entries)
    return runs


def _is_plain(entry: Entry) -> bool:
    """Return whether a message was stored now and is neither a question nor an answer to one."""
    return not entry.duplicate and not entry.refused and entry.extra is None


def _run(entries: list[Entry], start: int) -> Run:
    """Return the run with which ``entries[start:]`` begins."""
    origin, size, end = entries[start].origin, 0, start
    while end < len(entries) and size + (end - start) * _OVERHEAD < _PIECE:
        entry = entries[end]
        if entry.origin is not origin or entry.duplicate or entry.refused or entry.extra is not None:
            break
        size += len(entry.text)
        end += 1
    return Run(entries[start:end], size) if end > start else Run(entries[start : start + 1], entries[start].size)


def _repeat(entry: Entry) -> bytes:
    """Return the answer to a message that was stored before."""
    origin: Origin = entry.origin
    sender, recipient = origin.sender, origin.recipient
    delivered = (isinstance(recipient, User) and recipient.received >= entry.seq) or any(
        feed.live and feed.position >= entry.seq and (feed.user is not sender or sender is recipient)
        for feed in recipient.feeds
    )
    return encode(Sent(entry.id_text, entry.seq, entry.at, "delivered" if delivered else "stored"))
