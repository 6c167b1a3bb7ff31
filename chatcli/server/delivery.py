"""Delivers messages once they are committed, and answers those who sent them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import Error, Message, Outcome, Sent
from chatcli.protocol.values.ids import id_text
from chatcli.server.model import Room, User
from chatcli.server.refusals import INVALID, cannot_write
from chatcli.server.state import questions

if TYPE_CHECKING:
    from chatcli.server.counts import Counts
    from chatcli.server.model import Connection
    from chatcli.server.state.presence import Presence
    from chatcli.server.state.questions import Questions
    from chatcli.server.state.receipts import Receipts
    from chatcli.server.state.rooms import Rooms
    from chatcli.server.state.users import Users
    from chatcli.store.batch import Entry

logger = logging.getLogger(__name__)

_PIECE: Final = 32 * 1024  # bytes, about, delivered as one piece: a connection has space for all of it or for none
_OVERHEAD: Final = 100  # bytes of a message beside its text, about


class Origin:
    """Where a message comes from and goes to; one object for all that arrived together.

    Attributes:
        session: the connection that sent it; None if none waits for the outcome.
        sender: the user who sent it.
        recipient: the user or the room that gets it.
    """

    __slots__ = ("recipient", "sender", "session")

    def __init__(self, session: Connection | None, sender: User, recipient: User | Room) -> None:
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

    def __init__(self, entries: list[Entry], size: int, origin: Origin) -> None:
        self.entries = entries
        self.size = size
        self.origin = origin
        self.seq = entries[-1].seq
        self.messages: list[Message] = []
        self.lines = b""

    @property
    def length(self) -> int:
        """The number of bytes once they are encoded, about."""
        return self.size + len(self.entries) * _OVERHEAD

    def encode(self) -> bytes:
        """Encode the messages, once for all who get them, and only if somebody does; return the lines."""
        if self.origin.session is None:
            for entry in self.entries:
                entry.id_text = entry.id_text or id_text(entry.id)
        by, to = self.origin.sender.name, self.origin.recipient.name
        self.messages = [
            Message(seq=entry.seq, id=entry.id_text, sender=by, to=to, text=entry.text, at=entry.at, re=entry.re)
            for entry in self.entries
        ]
        extra = self.entries[0].extra
        if extra is not None:
            questions.add(self.messages[0], extra)
        self.lines = encode_all(self.messages)
        return self.lines

    def answer(self, outcome: Outcome) -> bytes:
        """Return the encoded answers to the sender."""
        return encode_all([Sent(entry.id_text, entry.seq, entry.at, outcome) for entry in self.entries])


class Delivery:
    """Delivers what was committed.

    Args:
        users: those who send messages, and get them.
        rooms: learn which message was delivered last.
        receipts: learn who waits for whom to read.
        presence: learns who has talked with whom.
        questions: learn what was answered.
        counts: count the messages.
    """

    def __init__(
        self,
        *,
        users: Users,
        rooms: Rooms,
        receipts: Receipts,
        presence: Presence,
        questions: Questions,
        counts: Counts,
    ) -> None:
        self._users = users
        self._rooms = rooms
        self._receipts = receipts
        self._presence = presence
        self._questions = questions
        self._counts = counts
        self._damaged = False  # a message is from or to somebody unknown

    def deliver_batch(self, entries: list[Entry], error: StoreError | None) -> None:
        """Deliver the messages of a batch and answer them, in order.

        Args:
            entries: the messages.
            error: why none of them was stored; None if they were.
        """
        start = 0
        while start < len(entries):
            if error is not None or entries[start].conflict is not None:
                self._answer_unstored(entries[start], error)
                start += 1
            else:
                runs, start = self._group(entries, start)
                if runs:
                    self._deliver_and_answer(runs)

    def _answer_unstored(self, entry: Entry, error: StoreError | None) -> None:
        """Answer a message that was not stored now, if a connection waits for that."""
        origin: Origin | None = entry.origin
        if origin is None or origin.session is None:
            return
        try:
            if error is None and entry.conflict == "duplicate":
                answer = _repeat(entry, origin)
            else:
                answer = self._refusal(entry, origin, error)
            origin.session.acknowledge(answer, entry.size, 1)
        except Exception:
            # A bug with one message must not keep the others from being delivered: they are committed.
            logger.exception("Message %d was not answered.", entry.seq)

    def _refusal(self, entry: Entry, origin: Origin, error: StoreError | None) -> bytes:
        if error is not None:
            refusal = cannot_write("nothing was stored now")
        elif entry.conflict == "id_taken":
            refusal = Refused(codes.ID_TAKEN, "Someone else's message has this id; make a new one.")
        elif entry.conflict == "invalid":
            refusal = Refused(codes.INVALID, INVALID)
        else:
            refusal = Refused(codes.NOT_OPEN, self._questions.why_closed(origin.sender, entry.prior_answer))
        self._counts.refused[refusal.code] += 1
        return encode(Error(refusal.code, str(refusal), entry.id_text))

    def _deliver_and_answer(self, runs: list[Run]) -> None:
        try:
            outcomes = self._deliver(runs)
        except Exception:
            # As above.
            logger.exception("Message %d was not delivered.", runs[0].entries[0].seq)
            return
        for run, outcome in zip(runs, outcomes, strict=True):
            session = run.origin.session
            if session is None:
                continue
            try:
                session.acknowledge(run.answer(outcome), run.size, len(run.entries))
            except Exception:
                # As above.
                logger.exception("Message %d was not answered.", run.entries[0].seq)

    def _group(self, entries: list[Entry], start: int) -> tuple[list[Run], int]:
        """Return the runs that can be delivered as one piece, and the index of the message after them.

        That is the run that begins at ``start``, and those that follow it in the same room. There is none if the sender
        or the recipient is unknown.
        """
        first = entries[start]
        origin: Origin | None = first.origin or self._find_origin(first)
        if origin is None:
            return [], start + 1
        runs = [_run(entries, start, origin)]
        end, room = start + len(runs[0].entries), origin.recipient
        if isinstance(room, Room) and first.extra is None:
            length = runs[0].length
            while end < len(entries) and length < _PIECE:
                entry = entries[end]
                if entry.recipient != room.id or not _is_plain(entry):
                    break
                origin = entry.origin or self._find_origin(entry)
                if origin is None:
                    break
                run = _run(entries, end, origin)
                runs.append(run)
                length += run.length
                end += len(run.entries)
        return runs, end

    def _find_origin(self, entry: Entry) -> Origin | None:
        """Return the origin of a message that has none; None if a damaged log lacks its sender or its recipient."""
        sender = self._users.get(entry.sender)
        recipient = (self._rooms.by_id if entry.recipient < 0 else self._users.get)(entry.recipient)
        if sender is not None and recipient is not None:
            return Origin(None, sender, recipient)
        if not self._damaged:
            self._damaged = True  # once is enough: there may be many
            logger.error("The log is damaged: message %d is from or to somebody unknown.", entry.seq)
        return None

    def _deliver(self, runs: list[Run]) -> list[Outcome]:
        """Deliver runs; return the outcome of each."""
        self._rooms.delivered_seq = runs[-1].seq
        self._counts.messages += sum(len(run.entries) for run in runs)
        recipient = runs[0].origin.recipient
        if isinstance(recipient, Room):
            return self._deliver_in_room(recipient, runs)
        return [self._deliver_to_user(recipient, run) for run in runs]

    def _deliver_to_user(self, recipient: User, run: Run) -> Outcome:
        """Deliver a run to a user and to the sender's other connections; return the outcome.

        It is "delivered" if a connection of the recipient, other than the one that sent it, gets it now.
        """
        session, sender, seq = run.origin.session, run.origin.sender, run.seq
        reached, copies = _deliver_to_limited(run) if sender.limited_feeds or recipient.limited_feeds else (0, 0)
        for feed in recipient.feeds:
            if feed.connection is not session and feed.push(seq, run.lines or run.encode()):
                reached += 1
        outcome: Outcome = "delivered" if reached else "stored"
        if sender is not recipient:
            for feed in sender.feeds:
                if feed.connection is not session and feed.push(seq, run.lines or run.encode()):
                    copies += 1
            oldest = run.entries[0].seq
            self._receipts.await_receipt(recipient, sender, oldest, seq)
            if outcome == "stored":
                self._receipts.await_delivery(recipient, sender, oldest, seq)
            self._presence.add_contact(sender, recipient)
        self._counts.delivered += (reached + copies) * len(run.entries)
        if session is not None and session.feed is not None:
            session.feed.skip_own(seq)
        self._notify_waiting(run)
        return outcome

    def _notify_waiting(self, run: Run) -> None:
        """Send an answer to those who wait for it."""
        first = run.entries[0]
        if self._questions.awaits(first):
            if not run.messages:
                run.encode()
            self._questions.notify(first, run.messages[0])

    # How the messages that several connections have sent to a room within one batch reach its members:
    #
    # * Each run is encoded once for everybody who gets it.
    # * A connection that sent nothing gets all runs, joined to one piece: one push, one comparison of sizes.
    # * A connection that sent something gets a piece without its own runs. If nobody else sent anything, that piece is
    #   empty and nothing is pushed.
    # * A feed whose push fails is not live any more, and skip_own() leaves its position alone: it reads the runs from
    #   the log, in their order. Only the first run is different: the feed of its speaker moves past it before anything
    #   is pushed, because nothing before it is missing.

    def _deliver_in_room(self, room: Room, runs: list[Run]) -> list[Outcome]:
        """Deliver consecutive runs to a room; return the outcome of each.

        It is "delivered" if someone else than the sender gets it now.
        """
        seq = runs[-1].seq
        sessions = [run.origin.session for run in runs]
        speakers = {feed: None for session in sessions if session is not None and (feed := session.feed) is not None}
        pieces = {
            feed: _join([run for run in runs if run.origin.session is not feed.connection])
            for feed in speakers
            if feed in room.feeds
        }
        everything = _join(runs if len(room.feeds) > len(pieces) else [])
        if sessions[0] is not None and sessions[0].feed is not None:
            sessions[0].feed.skip_own(runs[0].seq)
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
        self._notify_waiting(runs[0])
        return ["delivered" if len(reached) > (run.origin.sender in reached) else "stored" for run in runs]


def _join(runs: list[Run]) -> tuple[bytes, int]:
    """Return the lines of runs as one piece, and the number of their messages."""
    return b"".join([run.lines or run.encode() for run in runs]), sum(len(run.entries) for run in runs)


def _deliver_to_limited(run: Run) -> tuple[int, int]:
    """Deliver a run of two people to limited feeds; return how many of the recipient and of the sender get it now."""
    session, sender, recipient = run.origin.session, run.origin.sender, run.origin.recipient
    reached = copies = 0
    if isinstance(recipient, User):
        for feed in recipient.limited_feeds:
            if feed.connection is not session and feed.includes(sender.id):
                reached += feed.push(run.seq, run.lines or run.encode())
        for feed in sender.limited_feeds if sender is not recipient else ():
            if feed.connection is not session and feed.includes(recipient.id):
                copies += feed.push(run.seq, run.lines or run.encode())
    return reached, copies


def _is_plain(entry: Entry) -> bool:
    """Return whether a message was stored now and is neither a question nor an answer to one."""
    return entry.conflict is None and entry.extra is None


def _run(entries: list[Entry], start: int, origin: Origin) -> Run:
    """Return the run with which ``entries[start:]`` begins."""
    first = entries[start]
    given, size, end = first.origin, 0, start
    while end < len(entries) and size + (end - start) * _OVERHEAD < _PIECE:
        entry = entries[end]
        if entry.origin is not given or entry.conflict is not None or entry.extra is not None:
            break
        if given is None and (entry.sender != first.sender or entry.recipient != first.recipient):
            break
        size += len(entry.text)
        end += 1
    return Run(entries[start:end], size, origin) if end > start else Run([first], first.size, origin)


def _repeat(entry: Entry, origin: Origin) -> bytes:
    """Return the answer to a message that was stored before."""
    sender, recipient = origin.sender, origin.recipient
    delivered = (isinstance(recipient, User) and recipient.received >= entry.seq) or any(
        feed.live and feed.position >= entry.seq and (feed.user is not sender or sender is recipient)
        for feed in recipient.feeds
    )
    return encode(Sent(entry.id_text, entry.seq, entry.first_at, "delivered" if delivered else "stored"))
