"""Messages on their way out: handed to those who are to have them once they are committed, and answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.errors import StoreError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import Error, Message, Outcome, Sent
from chatcli.server.feed import Mode
from chatcli.server.state import questions
from chatcli.server.state.rooms import Room
from chatcli.server.state.users import User

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.session import Session
    from chatcli.store.records import Entry

logger = logging.getLogger(__name__)

_PIECE: Final = 32 * 1024  # bytes, about, handed on in one piece: a connection has room for it or has not
_OVERHEAD: Final = 100  # bytes that a message takes beside its text, about


class Origin:
    """What is to be known of a message when it is committed; those that came together share one.

    Attributes:
        session: where it was said.
        sender: by whom.
        recipient: to whom, or where.
    """

    __slots__ = ("recipient", "sender", "session")

    def __init__(self, session: Session, sender: User, recipient: User | Room) -> None:
        self.session = session
        self.sender = sender
        self.recipient = recipient


class _Run(NamedTuple):
    """Messages that were said together, and how many characters that are."""

    entries: list[Entry]
    size: int

    @property
    def length(self) -> int:
        """How many bytes they take, about."""
        return self.size + len(self.entries) * _OVERHEAD


def hand_on(hub: Hub, entries: list[Entry], error: StoreError | None) -> None:
    """Answer messages, in order; deliver those that were stored."""
    start = 0
    while start < len(entries):
        runs = _together(entries, start) if error is None else [_Run(entries[start : start + 1], entries[start].size)]
        start += sum(len(run.entries) for run in runs)
        try:
            answers = _answers(hub, runs, error)
        except Exception:
            # A fault of ours: the others of the batch are committed, and must not go without.
            logger.exception("Message %d was not handed on.", runs[0].entries[0].seq)
            continue
        for run, answer in zip(runs, answers, strict=True):
            try:
                run.entries[0].origin.session.settle(answer, run.size, len(run.entries))
            except Exception:
                # As above.
                logger.exception("Message %d was not answered.", run.entries[0].seq)


def _together(entries: list[Entry], start: int) -> list[_Run]:
    """Return what can be handed on in one piece: what was said together, and in a room what others said behind it."""
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
    """Return whether nothing is to be said of a message but the message."""
    return not entry.duplicate and not entry.refused and entry.extra is None


def _run(entries: list[Entry], start: int) -> _Run:
    """Return the messages that can be encoded together, for they were said together."""
    origin, size, end = entries[start].origin, 0, start
    while end < len(entries) and size + (end - start) * _OVERHEAD < _PIECE:
        entry = entries[end]
        if entry.origin is not origin or entry.duplicate or entry.refused or entry.extra is not None:
            break
        size += len(entry.text)
        end += 1
    return _Run(entries[start:end], size) if end > start else _Run(entries[start : start + 1], entries[start].size)


def _answers(hub: Hub, runs: list[_Run], error: StoreError | None) -> list[bytes]:
    """Deliver what was stored; return what each who said it is to be told."""
    first = runs[0].entries[0]  # there are no others, unless all are stored and plain
    if error is not None:
        text = "The server cannot write its log, so nothing was stored now. Tell its operator, and try again later."
        return [encode(Error(codes.STORAGE, text, first.written))]
    if first.refused:
        return [_refusal(hub, first)]
    if first.duplicate:
        return [_repeat(first)]
    hub.rooms.handed_on = runs[-1].entries[-1].seq
    recipient = first.origin.recipient
    if isinstance(recipient, Room):
        return _deliver_in_room(hub, recipient, runs)
    return [_deliver(hub, recipient, run.entries) for run in runs]


def _refusal(hub: Hub, entry: Entry) -> bytes:
    if entry.closed is not None:
        text = questions.why_closed(hub, entry.origin.sender, entry.closed)
        return encode(Error(codes.NOT_OPEN, text, entry.written))
    return encode(Error(codes.ID_TAKEN, "Someone else's message has this id; make a new one.", entry.written))


def _deliver(hub: Hub, recipient: User, run: list[Entry]) -> bytes:
    """Hand on to someone what was said together, encoded once; return the answers.

    Delivered is what was handed to them, and where they wrote to themselves to another connection of theirs.
    """
    origin: Origin = run[0].origin
    session, sender, seq = origin.session, origin.sender, run[-1].seq
    messages = _messages(run)
    lines = encode_all(messages)
    outcome: Outcome = "stored"
    for feed in recipient.feeds:
        if feed.session is not session and feed.push(seq, lines):
            outcome = "delivered"
    if sender is not recipient:
        for feed in sender.feeds:
            if feed.session is not session:
                feed.push(seq, lines)
        hub.receipts.owe(recipient, sender, seq)
        hub.presence.talked(sender, recipient)
    if session.feed is not None:
        session.feed.passed(seq)
    hub.questions.tell(hub, run[0], messages[0])
    return _sent(run, outcome)


def _deliver_in_room(hub: Hub, room: Room, runs: list[_Run]) -> list[bytes]:
    """Hand on what was said in a room, one behind the other: encoded once, and in one piece; return the answers.

    Delivered is what was handed to someone else.
    """
    said = [(run.entries[0].origin.session, _messages(run.entries)) for run in runs]
    lines = [encode_all(messages) for _, messages in said]
    speakers = {session.feed: session for session, _ in said if session.feed is not None}
    # Whoever spoke gets what the others said.
    pieces = {
        feed: b"".join([line for line, (session, _) in zip(lines, said, strict=True) if session is not speaker])
        for feed, speaker in speakers.items()
        if feed in room.feeds
    }
    everything, seq = b"".join(lines), runs[-1].entries[-1].seq
    if said[0][0].feed is not None:
        said[0][0].feed.passed(runs[0].entries[-1].seq)  # even if the others' is too much for it
    took: set[User] = set()
    for feed in room.feeds:
        piece = pieces.get(feed, everything)
        if piece and feed.push(seq, piece):
            took.add(feed.user)
    room.newest = seq
    for feed in speakers:
        feed.passed(seq)
    hub.questions.tell(hub, runs[0].entries[0], said[0][1][0])
    return [
        _sent(run.entries, "delivered" if len(took) > (run.entries[0].origin.sender in took) else "stored")
        for run in runs
    ]


def _messages(run: list[Entry]) -> list[Message]:
    """Return the frames of what was said together."""
    origin: Origin = run[0].origin
    by, to = origin.sender.name, origin.recipient.name
    messages = [Message(entry.seq, entry.written, by, to, entry.text, entry.at, entry.re) for entry in run]
    extra = run[0].extra
    if extra is not None:
        questions.add(messages[0], extra)
    return messages


def _sent(run: list[Entry], outcome: Outcome) -> bytes:
    return encode_all([Sent(entry.written, entry.seq, entry.at, outcome) for entry in run])


def _repeat(entry: Entry) -> bytes:
    """Answer a retry: the message has its place already."""
    origin: Origin = entry.origin
    sender, recipient = origin.sender, origin.recipient
    delivered = (isinstance(recipient, User) and recipient.shown >= entry.seq) or any(
        feed.mode is Mode.LIVE and feed.position >= entry.seq and (feed.user is not sender or sender is recipient)
        for feed in recipient.feeds
    )
    return encode(Sent(entry.written, entry.seq, entry.at, "delivered" if delivered else "stored"))
