"""A user's feed as programs read it: in the order of the log, each message once, over as many connections as needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.errors import as_exception
from chatcli.client.feed.anchors import Place
from chatcli.client.feed.resumption import Glimpse, OtherLog, Resumed, resume
from chatcli.client.feed.seek import first_newer
from chatcli.client.transport.aio import Connection, connect
from chatcli.client.transport.reconnect import RetryPolicy, retry_async
from chatcli.errors import ChatError, ProtocolError, ServerUnavailable, ServerUnreachable
from chatcli.protocol.epochs import storable
from chatcli.protocol.frames import (
    MAX_SEQ,
    Ack,
    ClientFrame,
    Error,
    Happened,
    Live,
    MarkRead,
    Message,
    NameChange,
    Read,
    ServerBye,
    ServerFrame,
    Welcome,
)
from chatcli.protocol.values.names import fold

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login

_BETWEEN_ACKS: Final = 0.5  # seconds, while more messages wait
_LEAVING: Final = frozenset({"left", "kicked", "banned"})  # events that end a membership


class Stream:
    """The messages after a place. Nothing is read ahead: a slow caller makes the server wait.

    Args:
        login: the server and the user.
        report: is called with sentences for people about the connection.
        patient: whether to wait for a server that does not answer the first time.
        on_connect: is called whenever the server has accepted the user.
        own: whether it is the user's own position: messages that another client of theirs has received do not come.

    Attributes:
        user: the name as owned.
        rooms: the rooms that the user belongs to, by folded name.
        head: the newest message of the log when the connection was made.
        epoch: that of the log; empty if the server names none.
        place: the newest message that was received; the next connection goes on after it.
        acknowledged: the newest message that some client of the user is known to have received.
    """

    def __init__(
        self,
        login: Login,
        report: Callable[[str], None],
        *,
        patient: bool = False,
        on_connect: Callable[[], None] = lambda: None,
        own: bool = False,
    ) -> None:
        self.user = login.user
        self.rooms: dict[str, str] = {}
        self.head = 0
        self.epoch = ""
        self.place: Place | None = None
        self.acknowledged = 0
        self._moved: Place | None = None  # where another log than before goes on
        self._login = login
        self._report = report
        self._patient = patient
        self._on_connect = on_connect
        self._own = own
        self._was_accepted = False  # by the server, on some connection
        self._connection: Connection | None = None
        self._received: list[ServerFrame] = []  # while looking for the place to go on
        self._farewell: ServerBye | None = None
        self._handled = 0  # the newest message that can be acknowledged
        self._sent_ack = 0
        self._reads: dict[str, int] = {}  # read positions that the server does not know yet, by conversation
        self._revision = 0  # of the server
        self._last_ack = 0.0

    async def open(self, place: Place | None = None) -> None:
        """Connect, and go on after a place; by default after the newest one that a client of the user has received.

        Raises:
            ServerUnreachable: there is no server.
            Refused: the server refuses the user.
            ServerNotTrusted: it is not the one that was meant, or someone has to be asked first (UnknownServer).
            ProtocolError: the other end is not a chatcli server.
            OtherLog: the place is not one of that server's log.
        """
        await self._disconnect()
        self.place = place
        await self._connect()

    async def receive(self) -> list[Message | NameChange]:
        """Return the next messages and changes of names, at least one, however long that takes.

        Raises:
            Refused: the server refuses the user from now on.
            ServerNotTrusted: another server answers now than the one that was trusted.
            OtherLog: the place is not one of the log that is there now.
        """
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                if items := self._items(await self._receive()):
                    return items
            except (ServerUnavailable, ProtocolError) as lost:
                await self._disconnect()
                self._report(f"Connection lost: {lost} Trying again.")
                await self._connect_again(lost)

    def pop_moved(self) -> Place | None:
        """Return, once, the place in another log than before; None if the log is the same."""
        place, self._moved = self._moved, None
        return place

    def acknowledge(self, seq: int) -> None:
        """Record that all messages up to one were received; the server learns it soon, many at a time."""
        self._handled = max(self._handled, seq)
        self._send_soon()

    def mark_read(self, of: str, seq: int) -> None:
        """Record that the user has read a conversation up to a message; the server learns it soon, many at a time."""
        self._reads[of] = max(seq, self._reads.get(of, 0))
        self._send_soon()

    def _send_soon(self) -> None:
        if asyncio.get_running_loop().time() - self._last_ack >= _BETWEEN_ACKS:
            self._send_positions()

    async def close(self) -> None:
        """Acknowledge what is left, say goodbye, and wait a moment until the server has received it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        await connection.log_out(*self._pop_positions())

    def _send_positions(self) -> None:
        if self._connection is not None and (frames := self._pop_positions()):
            self._connection.send(*frames)
            self._last_ack = asyncio.get_running_loop().time()

    def _pop_positions(self) -> list[ClientFrame]:
        """Return the positions that the server does not know yet, once."""
        frames: list[ClientFrame] = []
        if self._handled > self._sent_ack:
            frames.append(Ack(self._handled))
            self._sent_ack = self._handled
            self.acknowledged = max(self.acknowledged, self._handled)
        reads, self._reads = self._reads, {}
        if self._revision >= 1:  # to an older server, the acknowledgement means the same
            frames += [MarkRead(seq, of) for of, seq in reads.items()]
        return frames

    async def _receive(self) -> list[ServerFrame]:
        assert self._connection is not None  # noqa: S101 (connected before)
        if self._farewell is not None:
            raise as_exception(self._farewell)
        self._send_positions()
        if self._received:
            frames, self._received = self._received, []
            return frames
        return await self._connection.receive()

    def _items(self, frames: list[ServerFrame]) -> list[Message | NameChange]:
        items: list[Message | NameChange] = []
        place = self.place or Place(0)
        for frame in frames:
            if not isinstance(frame, Message | NameChange):
                self._process(frame)
            elif frame.seq > (items[-1].seq if items else place.seq):
                items.append(frame)
        if items:
            self.place = place.after(items)
        return items

    def _process(self, frame: ServerFrame) -> None:
        """Process a frame without a place in the log."""
        match frame:
            case Read(seq, ""):
                self.acknowledged = max(self.acknowledged, seq)
            case Happened(room, "joined", user) if user == self.user:
                self.rooms[fold(room)] = room
            case Happened(room, what, user) if user == self.user and what in _LEAVING:
                if self.rooms.pop(fold(room), None) is not None:
                    self._report(f"{user} is no longer a member of {room}: its messages do not come any more.")
            case Error():
                self._report(frame.text)
            case ServerBye():
                self._farewell = frame

    async def _connect(self) -> None:
        """Connect; go on trying where that may work later, if the stream is patient or was connected before."""
        try:
            await self._connect_once()
        except ChatError as error:
            if not ((self._patient or self._was_accepted) and isinstance(error, ServerUnavailable)):
                raise
            self._report(f"{error} Trying until it answers.")
            await self._connect_again(error)

    async def _connect_again(self, failure: ChatError) -> None:
        """Connect after a failure, however long that takes; report each new reason why it does not work."""
        reported = ""

        def report(error: Exception) -> None:
            nonlocal reported
            if not isinstance(error, ServerUnreachable) and str(error) != reported:
                reported = str(error)
                self._report(reported)

        policy = RetryPolicy(accepted=self._was_accepted)
        await retry_async(self._connect_once, policy, wait=asyncio.sleep, after=failure, on_error=report)
        self._report("Connected.")

    async def _connect_once(self) -> None:
        before = self.place
        if before is None:
            cursor = (await self._log_in(None)).cursor
            self.place = Place(cursor, epoch=self.epoch)
        else:
            login = self._login.without_prompt()
            try:
                resumed = await resume(
                    before, self._look, lambda time, upto: first_newer(login.without_prompt(), time, upto)
                )
            except OtherLog as other:
                resumed = await self._other_log(before, other)
            if resumed.moved:
                await self._move(before, resumed)
            else:
                self.place = resumed.place._replace(epoch=self.epoch)
        self._on_connect()

    async def _look(self, since: int, epoch: str) -> Glimpse:
        """Connect after a place; return a glimpse of the log. The frames that came with it are received later."""
        # Files of older versions may have places that no server accepts.
        welcome = await self._log_in(min(since, MAX_SEQ), epoch)
        assert self._connection is not None  # noqa: S101 (just made)
        changes: list[ServerFrame] = []
        while True:
            frames = await self._connection.receive()
            first = next((frame for frame in frames if isinstance(frame, Message) and frame.seq > since), None)
            if first is not None or any(isinstance(frame, Live) for frame in frames):
                self._received = [*changes, *frames]
                return Glimpse(welcome.head, first, self.epoch, welcome.shared)
            for frame in frames:
                if isinstance(frame, NameChange):
                    changes.append(frame)
                else:
                    self._process(frame)
            if self._farewell is not None:
                raise as_exception(self._farewell)

    async def _move(self, before: Place, resumed: Resumed) -> None:
        """Go on at another place than before: the log is not the one that it was."""
        self._handled = 0
        self._reads = {}
        cursor = (await self._log_in(None)).cursor
        place = resumed.place._replace(epoch=self.epoch)
        if self._own and (cursor > place.seq or not (before.candidates or resumed.is_exact)):
            place = place._replace(seq=cursor, anchor=None)
        self.place = self._moved = place
        server, was = self._login.server, f"instead of {before.seq}" if place.seq != before.seq else "as before"
        if resumed.is_exact:
            self._report(
                f"The log of the server at {server} was restored from a backup. Going on after {place.seq} {was}: what "
                "comes now is new, or is marked as replayed."
            )
        else:
            self._report(
                f"The log of the server at {server} was restored from a backup, or is another one than before. Going "
                f"on after {place.seq} {was}; messages that may have come before are marked as replayed."
            )
        if place.seq != cursor:
            await self._log_in(place.seq, place.epoch)
            if self.epoch != place.epoch:
                raise ServerUnavailable(f"The log of the server at {server} has changed once more.")

    async def _other_log(self, before: Place, other: OtherLog) -> Resumed:
        if not self._own:
            raise OtherLog(
                f"The log of the server at {self._login.server} is another one than before ({other}), and the position "
                'of this listener means nothing there: say where to start, as in "--since 2h" or "--since now".'
            ) from None
        cursor = (await self._log_in(None)).cursor
        return Resumed(before.in_another_log()._replace(seq=cursor, delivered=0), moved=True)

    async def _log_in(self, since: int | None, epoch: str = "") -> Welcome:
        await self._disconnect()
        self._connection, welcome = await connect(self._login, self._login.hello("listen", since, epoch))
        self._login, self._was_accepted = self._login.without_prompt(), True
        self.user, self.head, self.epoch = welcome.user, welcome.head, storable(welcome.epoch)
        self._revision = welcome.revision
        self.rooms = {fold(room): room for room in welcome.rooms}
        if since is None:
            self.acknowledged = self._sent_ack = welcome.cursor
        return welcome

    async def _disconnect(self) -> None:
        connection, self._connection, self._farewell = self._connection, None, None
        self._received = []
        if connection is not None:
            await connection.close()
