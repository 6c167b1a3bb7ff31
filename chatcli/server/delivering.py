"""Messages on their way out: handed to those who are to have them once they are committed, and answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from chatcli.errors import StoreError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import Error, Message, Outcome, Sent
from chatcli.server import questions
from chatcli.server.directory import User
from chatcli.server.feed import Mode
from chatcli.server.rooms import Room

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.session import Session
    from chatcli.store.log import Entry

logger = logging.getLogger(__name__)

_RUN: Final = 16 * 1024  # characters of text, about, handed on in one piece: a connection has room for it or has not


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


def hand_on(hub: Hub, entries: list[Entry], error: StoreError | None) -> None:
    """Answer messages, in order; deliver those that were stored."""
    start = 0
    while start < len(entries):
        run, size = _run(entries, start) if error is None else (entries[start : start + 1], entries[start].size)
        start += len(run)
        session: Session = run[0].origin.session
        try:
            session.settle(_answer(hub, run, error), size, len(run))
        except Exception:
            # A fault of ours: the others of the batch are committed, and must not go without.
            logger.exception("Message %d was not handed on.", run[0].seq)


def _run(entries: list[Entry], start: int) -> tuple[list[Entry], int]:
    """Return the messages that can be encoded and handed on together, for they were said together, and their size."""
    origin, size, end = entries[start].origin, 0, start
    while end < len(entries) and size < _RUN:
        entry = entries[end]
        if entry.origin is not origin or entry.duplicate or entry.refused or entry.extra is not None:
            break
        size += len(entry.text)
        end += 1
    return (entries[start:end], size) if end > start else (entries[start : start + 1], entries[start].size)


def _answer(hub: Hub, run: list[Entry], error: StoreError | None) -> bytes:
    entry = run[0]  # the only one, unless all are stored and plain
    if error is not None:
        text = "The server cannot write its log; the message was not stored. Tell its operator, and try again later."
        return encode(Error(codes.STORAGE, text, entry.written))
    if entry.refused:
        return _refusal(hub, entry)
    if entry.duplicate:
        return _repeat(entry)
    hub.rooms.handed_on = run[-1].seq
    return _deliver(hub, run)


def _refusal(hub: Hub, entry: Entry) -> bytes:
    if entry.closed is not None:
        text = questions.why_closed(hub, entry.origin.sender, entry.closed)
        return encode(Error(codes.NOT_OPEN, text, entry.written))
    return encode(Error(codes.ID_TAKEN, "Someone else's message has this id; make a new one.", entry.written))


def _deliver(hub: Hub, run: list[Entry]) -> bytes:
    """Hand on what was said together, encoded once, to every live connection that is to have it; return the answers.

    Delivered is what was handed to someone else, or to another connection of one's own where it is for oneself.
    """
    origin: Origin = run[0].origin
    session, sender, recipient = origin.session, origin.sender, origin.recipient
    seq, by, to = run[-1].seq, sender.name, recipient.name
    messages = [Message(entry.seq, entry.written, by, to, entry.text, entry.at, entry.re) for entry in run]
    extra = run[0].extra
    if extra is not None:
        questions.add(messages[0], extra)
    lines = encode_all(messages)
    outcome: Outcome = "stored"
    for feed in recipient.feeds:
        if feed.session is not session and feed.push(seq, lines) and (feed.user is not sender or sender is recipient):
            outcome = "delivered"
    if isinstance(recipient, Room):
        recipient.newest = seq
    elif sender is not recipient:
        for feed in sender.feeds:
            if feed.session is not session:
                feed.push(seq, lines)
        hub.receipts.owe(recipient, sender, seq)
        hub.presence.talked(sender, recipient)
    if session.feed is not None:
        session.feed.passed(seq)
    if extra is not None:
        hub.questions.tell(hub, run[0], messages[0])
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
