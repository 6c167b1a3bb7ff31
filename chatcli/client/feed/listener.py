"""Listening with a memory: hands on each message once, and knows after any end what was handled and what was not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chatcli.client import diagnostics
from chatcli.client.feed.anchors import Anchor, Place
from chatcli.client.feed.cursor import Cursor, Held, Mark, adopt
from chatcli.client.feed.seek import place_of
from chatcli.client.feed.stream import Stream
from chatcli.client.identity.credentials import Login
from chatcli.client.storage import files
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message

_DIRECTORY: Final = "cursors"


class Moment(NamedTuple):
    """A time to begin with, in milliseconds since 1970-01-01 UTC."""

    at: int


#: Where to begin: behind a place in the log, at a time, at its end, or (None) where the listener left off.
Since = int | Moment | Literal["now"] | None


class Heard(NamedTuple):
    """A message to be handled; ``replayed`` if it may have been handed on before."""

    message: Message
    replayed: bool


def open_cursor(login: Login, name: str | None, wanted: tuple[str, ...] = (), *, must: bool = False) -> Cursor | None:
    """Return the file in which a listener keeps its position.

    Without a name it is of the user's own position, which the server keeps: the file then knows what has not reached
    the server's disk, and what the listener has handled behind messages that were not for it.

    Args:
        login: who listens, and where.
        name: the listener's name.
        wanted: what it listens for, in words.
        must: whether to go without one where another process has it is out of the question.

    Raises:
        InputError: another process has it, or it cannot be used.
    """
    directory = os.path.join(files.state_directory(), _DIRECTORY)
    servers = files.names_of(login.server)
    whose = (login.user.casefold(), *(("as", name) if name is not None else ("own", *wanted)))
    adopt(directory, servers, whose)
    if name is not None:
        return Cursor(directory, (servers[0], *whose), f'the cursor "{name}" of {login.user}')
    try:
        return Cursor(directory, (servers[0], *whose), f"{login.user}'s own read position for the same messages")
    except Held:
        if must:
            raise
        return None


class Listener:
    """A stream of messages to be handled one by one, or some at a time.

    What the user said to others is no news and left out.

    Args:
        login: who listens, and where.
        stream: brings the messages.
        cursor: where the position is kept; None for nowhere but on the server.
        own: whether it is the user's own position, which the server keeps.
        wanted: whether a message is for this listener; it is shown what the user says to others, too.
    """

    def __init__(
        self,
        login: Login,
        stream: Stream,
        cursor: Cursor | None,
        *,
        own: bool,
        wanted: Callable[[Message], bool] = lambda _: True,
    ) -> None:
        self._login = login
        self._stream = stream
        self._cursor = cursor
        self._own = own
        self._wanted = wanted
        self._mark = cursor.mark if cursor is not None and cursor.mark is not None else Mark(0)
        self._unseen = 0  # where what the user has not seen begins: nothing from there on is acknowledged; 0: nowhere
        self._heard: dict[int, Message] = {}  # what was last heard, whether or not it is for this listener

    @property
    def stream(self) -> Stream:
        """What brings the messages."""
        return self._stream

    async def start(self, since: Since = None) -> None:
        """Connect, and find the place to begin.

        Raises:
            ChatError: as :meth:`Stream.open` raises it.
            InputError: the position cannot be kept, or what was kept cannot be read.
        """
        stream, mark = self._stream, self._mark
        known = self._cursor is not None and self._cursor.mark is not None
        kept = Place(mark.seq, mark.tried, mark.anchor, mark.others) if known and since is None else None
        if since is None:
            self._check_cursor()
        if kept is not None and not self._own:
            await stream.open(kept)
            self._begin()
            return
        await stream.open()
        read = stream.acknowledged
        if kept is None:
            place = await self._place(since, read)
        else:
            if kept.seq > read:
                await stream.open(kept)
            place = max(self._reached, read)
        if place != self._reached:
            await stream.open(Place(place, mark.tried))
        if self._own and stream.moved is None:
            self._look_for_unseen(read, place)
        self._begin()

    @property
    def _reached(self) -> int:
        """How far the stream has come."""
        return self._stream.place.seq if self._stream.place is not None else 0

    def _check_cursor(self) -> None:
        """See to it that nothing is passed over because nobody knows any more where the listener left off."""
        if self._cursor is None or not self._cursor.damaged:
            return
        path = self._cursor.path
        if not self._own:
            raise InputError(
                f"{path} is damaged, so that how far this listener had come is lost: say where to begin, as in "
                '"--since 2h", or remove that file to begin where you left off yourself.'
            )
        diagnostics.trouble(f"{path} is damaged: what came last may come again, and is not marked then.")

    async def _place(self, since: Since, read: int) -> int:
        match since:
            case "now":
                return self._stream.head
            case Moment(at):
                return await place_of(self._login.without_prompt(), at, self._stream.head)
            case int():
                return min(since, self._stream.head)
            case _:
                return read

    def _look_for_unseen(self, read: int, place: int) -> None:
        """Acknowledge nothing that the user has not seen: what was left out before, or is by beginning later."""
        skipped = place if place != self._mark.seq else 0
        self._mark = self._mark._replace(left=max(self._mark.left, skipped))
        self._unseen = read + 1 if self._mark.left > read else 0

    def _begin(self) -> None:
        if self._stream.moved is not None:
            self._go_elsewhere(self._stream.moved)
        self._keep_up()
        self.flush()

    def _go_elsewhere(self, place: Place) -> None:
        """Begin anew in a log that is not the one that it was; what may have been handed over there is marked."""
        self._stream.moved, self._unseen = None, 0
        self._keep(Mark(place.seq, place.tried, 0, place.anchor, place.others))

    def _keep_up(self) -> None:
        """Note that all that the stream has brought was handled."""
        place = self._stream.place
        if place is not None:
            self._keep(self._mark._replace(seq=place.seq, anchor=place.anchor, others=place.others))

    async def heard(self) -> list[Heard]:
        """Return the next messages, at least one; all that was returned before has been handled.

        Raises:
            Refused: the server does not want us any more.
            ServerNotTrusted: what answers there now is not the server that was trusted.
            InputError: the position cannot be kept.
        """
        self._keep_up()
        while True:
            self.flush()
            messages = await self._stream.take()
            if self._stream.moved is not None:
                self._go_elsewhere(self._stream.moved)
            self._heard = {message.seq: message for message in messages}
            tried = self._mark.tried
            heard = [Heard(message, message.seq <= tried) for message in self._for_us(messages)]
            if heard:
                return heard
            self._keep_up()

    def _for_us(self, messages: list[Message]) -> list[Message]:
        user = self._stream.user
        for_us, left = [], []
        for message in messages:
            wanted = self._wanted(message)
            if message.sender == user and message.to != user:
                continue
            if wanted:
                for_us.append(message)
            else:
                left.append(message.seq)
        if self._own:
            self._leave_unseen(left)
        return for_us

    def _leave_unseen(self, left: list[int]) -> None:
        """Note what is not for this listener: from there on nothing is acknowledged until the user has read it."""
        if self._unseen and self._stream.acknowledged >= self._mark.left:
            self._unseen = 0  # they have, elsewhere
        if left:
            self._unseen = self._unseen or left[0]
            self._mark = self._mark._replace(left=left[-1])

    def begun(self, seq: int) -> None:
        """Note that messages up to this one are about to be handed on: they come marked if they come again.

        Raises:
            InputError: the position cannot be kept.
        """
        if seq > self._mark.tried:
            self._keep(self._mark._replace(tried=seq))

    def done(self, seq: int) -> None:
        """Note that all messages up to this one were handled.

        Raises:
            InputError: the position cannot be kept.
        """
        anchor = Anchor.of(self._heard[seq])
        self._keep(self._mark._replace(seq=seq, tried=max(seq, self._mark.tried), anchor=anchor))
        if self._own:
            self._stream.ack(min(seq, self._unseen - 1) if self._unseen else seq)

    def flush(self) -> None:
        """Have what was noted survive a power cut.

        Raises:
            InputError: the position cannot be kept.
        """
        if self._cursor is not None:
            self._cursor.flush()

    async def close(self) -> None:
        """Say goodbye to the server, and let go of the position."""
        try:
            await self._stream.close()
        finally:
            if self._cursor is not None:
                self._cursor.close()

    def _keep(self, mark: Mark) -> None:
        self._mark = mark
        if self._cursor is not None:
            self._cursor.move(mark)
