"""How far a user has received their feed and read each conversation, and how much of that others may know.

A user has one position for all conversations, and positions of their own for those that were read one by one. The
public part of a position never goes back: what others have learnt cannot be taken back. Here a position is moved in
memory and in the log; :mod:`chatcli.server.state.receipts` has others learn of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.store.records import ReadRecord

if TYPE_CHECKING:
    from chatcli.server.model import User
    from chatcli.store.interface import Log

_ALL: Final = 0  # stands for all conversations without a position of their own
_MOST: Final = 2000  # conversations of one user with a position of their own


class Positions(NamedTuple):
    """How far a user has read one conversation.

    Attributes:
        read: the ``seq`` up to which they have read it.
        public: the part of that which others may know about.
        general: the ``seq`` up to which they have read all conversations without a position of their own.
    """

    read: int
    public: int
    general: int


def restore(user: User, record: ReadRecord) -> None:
    """Take a position over from the log."""
    _own(user)[record.of] = record.seq, record.public


def read_up_to(user: User, of: int) -> int:
    """Return the ``seq`` up to which a user has read a conversation, given by the id of the other user or the room."""
    return user.reads[of][0] if of in user.reads else user.read


def public_up_to(user: User, of: int) -> int:
    """Return the part of :func:`read_up_to` that others may know about."""
    return user.reads[of][1] if of in user.reads else user.public_read


def positions(user: User, of: int) -> Positions:
    """Return the positions of a user in a conversation, given by the id of the other user or the room."""
    return Positions(read_up_to(user, of), public_up_to(user, of), user.read)


def receive(log: Log, user: User, seq: int) -> bool:
    """Move the position up to which a user has received their feed; return whether that is further than before."""
    if seq <= user.received:
        return False
    user.received = seq
    log.set_received(user.id, seq)
    return True


def move(log: Log, user: User, of: int, seq: int, *, public: bool, back: bool = False) -> bool:
    """Move the position of one conversation; return whether anything has changed.

    Args:
        log: stores it.
        user: the user.
        of: the id of the other user, or of the room.
        seq: everything up to it was read.
        public: whether others may know.
        back: whether the position may go back.
    """
    before = read_up_to(user, of), public_up_to(user, of)
    now = (seq if back else max(seq, before[0])), (max(seq, before[1]) if public and not back else before[1])
    if now == before:
        return False
    _set(log, user, of, now)
    if len(user.reads) > _MOST:
        _fold(log, user)
    return True


def move_all(log: Log, user: User, seq: int, *, public: bool) -> bool:
    """Move the positions of all conversations forward; return whether the user has read anything by that."""
    read, shown = max(seq, user.read), max(seq, user.public_read) if public else user.public_read
    has_read = read != user.read
    if (read, shown) != (user.read, user.public_read):
        user.read, user.public_read = read, shown
        log.set_read(user.id, _ALL, ReadRecord(user.id, _ALL, read, shown))
    for of, (before, before_shown) in tuple(user.reads.items()):
        now = max(before, seq), max(before_shown, seq) if public else before_shown
        has_read |= now[0] != before
        if now == (read, shown):
            _drop(log, user, of)
        elif now != (before, before_shown):
            _set(log, user, of, now)
    return has_read


def _set(log: Log, user: User, of: int, position: tuple[int, int]) -> None:
    _own(user)[of] = position
    log.set_read(user.id, of, ReadRecord(user.id, of, *position))


def _own(user: User) -> dict[int, tuple[int, int]]:
    if not isinstance(user.reads, dict):  # the empty one that all users share
        user.reads = {}
    return user.reads


def _drop(log: Log, user: User, of: int) -> None:
    assert isinstance(user.reads, dict)  # noqa: S101 (it has that position)
    del user.reads[of]
    log.set_read(user.id, of, None)


def _fold(log: Log, user: User) -> None:
    """Drop the oldest position: what is before it counts as read everywhere, but others do not learn of that.

    A later answer about that one conversation may say less than an earlier one; it never says more than is known.
    """
    oldest = min(user.reads, key=lambda of: user.reads[of][0])
    seq, _ = user.reads[oldest]
    _drop(log, user, oldest)
    move_all(log, user, seq, public=False)
