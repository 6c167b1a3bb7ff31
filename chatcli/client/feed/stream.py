"""A user's feed as a program reads it: in log order, each message once, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.errors import as_exception
from chatcli.client.feed.anchors import Place
from chatcli.client.feed.resumption import Glimpse, OtherLog, Resumed, resume
from chatcli.client.feed.seek import newer_than
from chatcli.client.transport.aio import Connection, connect
from chatcli.client.transport.backoff import backoff
from chatcli.errors import ChatError, ProtocolError, ServerUnavailable, ServerUnreachable
from chatcli.protocol.frames import (
    MAX_SEQ,
    Ack,
    Error,
    Happened,
    Live,
    Message,
    Read,
    ServerBye,
    ServerFrame,
    Welcome,
)
from chatcli.protocol.names import fold

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login

_BETWEEN_ACKS: Final = 0.5  # seconds, while there is more to be taken
_ENDS: Final = frozenset({"left", "kicked", "banned"})  # what happens to a member who then is none


class Stream:
    """The messages behind a position. Nothing is read ahead: who does not take them makes the server wait.

    Args:
        login: who listens, and where.
        told: takes sentences for people about the connection.
        patient: whether to wait for the server where it does not answer the first time either.
        reached: called whenever the server has let us in.
        own: whether it is the user's own position: what they have read elsewhere does not come.

    Attributes:
        user: the name as owned.
        rooms: those that the user belongs to, by folded name.
        head: the newest message of the log when the connection was made.
        place: the newest message that was taken; the next connection goes on after it.
        acknowledged: how far the user has read, on any connection, as far as that is known.
        moved: where the reading goes on in a log that is not the one it was; None once that was noted.
    """

    def __init__(
        self,
        login: Login,
        told: Callable[[str], None],
        *,
        patient: bool = False,
        reached: Callable[[], None] = lambda: None,
        own: bool = False,
    ) -> None:
        self.user = login.user
        self.rooms: dict[str, str] = {}
        self.head = 0
        self.place: Place | None = None
        self.acknowledged = 0
        self.moved: Place | None = None
        self._login = login
        self._told = told
        self._patient = patient
        self._reached = reached
        self._own = own
        self._met = False  # the server has let us in before
        self._connection: Connection | None = None
        self._glimpsed: list[ServerFrame] = []  # what came while we looked where to go on
        self._farewell: ServerBye | None = None
        self._handled = 0  # what can be acknowledged
        self._last_ack = 0.0

    async def open(self, place: Place | None = None) -> None:
        """Connect, and go on after a place, or else after what the user has read.

        Raises:
            ServerUnreachable: there is no server.
            Refused: the server does not want us.
            ServerNotTrusted: it is not the one that was meant, or someone has to be asked first (UnknownServer).
            ProtocolError: what answers there is no chatcli server.
            OtherLog: the place says nothing about the log of that server.
        """
        await self._hang_up()
        self.place = place
        await self._connect()

    async def take(self) -> list[Message]:
        """Return the next messages, at least one, however long that takes.

        Raises:
            Refused: the server does not want us any more.
            ServerNotTrusted: what answers there now is not the server that was trusted.
            OtherLog: what was read says nothing about the log that is there now.
        """
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                if messages := self._heard(await self._receive()):
                    return messages
            except (ServerUnavailable, ProtocolError) as lost:
                await self._hang_up()
                self._told(f"Connection lost: {lost} Trying again.")
                await self._connect_again()

    def ack(self, seq: int) -> None:
        """Note that the user has read up to here; the server is told before long."""
        self._handled = max(self._handled, seq)
        if asyncio.get_running_loop().time() - self._last_ack >= _BETWEEN_ACKS:
            self._acknowledge()

    async def close(self) -> None:
        """Tell the server how far we have come, say goodbye, and wait a moment until it has heard."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        await connection.say_goodbye(*([Ack(self._handled)] if self._handled > self.acknowledged else []))

    def _acknowledge(self) -> None:
        if self._connection is not None and self._handled > self.acknowledged:
            self._connection.send(Ack(self._handled))
            self.acknowledged = self._handled
            self._last_ack = asyncio.get_running_loop().time()

    async def _receive(self) -> list[ServerFrame]:
        assert self._connection is not None  # noqa: S101 (whoever calls has seen to it)
        if self._farewell is not None:
            raise as_exception(self._farewell)
        self._acknowledge()
        if self._glimpsed:
            frames, self._glimpsed = self._glimpsed, []
            return frames
        return await self._connection.receive()

    def _heard(self, frames: list[ServerFrame]) -> list[Message]:
        messages: list[Message] = []
        place = self.place or Place(0)
        for frame in frames:
            if not isinstance(frame, Message):
                self._heard_beside(frame)
            elif frame.seq > (messages[-1].seq if messages else place.seq):
                messages.append(frame)
        if messages:
            self.place = place.after(messages)
        return messages

    def _heard_beside(self, frame: ServerFrame) -> None:
        match frame:
            case Read(seq):
                self.acknowledged = max(self.acknowledged, seq)
            case Happened(room, "joined", user) if user == self.user:
                self.rooms[fold(room)] = room
            case Happened(room, what, user) if user == self.user and what in _ENDS:
                if self.rooms.pop(fold(room), None) is not None:
                    self._told(f"{user} no longer belongs to {room}: what is said there does not come any more.")
            case Error():
                self._told(frame.text)
            case ServerBye():
                self._farewell = frame

    async def _connect(self) -> None:
        """Connect; where that fails and may work later, go on trying if we are patient, or have been in before."""
        try:
            await self._connect_once()
        except ChatError as error:
            if not ((self._patient or self._met) and isinstance(error, ServerUnavailable)):
                raise
            self._told(f"{error} Trying until it answers.")
            await self._connect_again()

    async def _connect_again(self) -> None:
        said = ""
        for wait in backoff():
            await asyncio.sleep(wait)
            try:
                await self._connect_once()
            except (ServerUnavailable, ProtocolError) as error:
                # While a server is put up anew, something else may answer in its place.
                if isinstance(error, ProtocolError) and not self._met:
                    raise
                if not isinstance(error, ServerUnreachable) and str(error) != said:
                    said = str(error)
                    self._told(said)
            else:
                self._told("Connected.")
                return

    async def _connect_once(self) -> None:
        before = self.place
        if before is None:
            self.place = Place((await self._greet(None)).cursor)
        else:
            login = self._login.without_prompt()
            try:
                resumed = await resume(before, self._look, lambda time, upto: newer_than(login, time, upto))
            except OtherLog as other:
                resumed = await self._other_log(before, other)
            if resumed.moved:
                await self._move(before, resumed.place)
            else:
                self.place = resumed.place
        self._reached()

    async def _look(self, since: int) -> Glimpse:
        """Connect after a place; return what the log has there. What came with it is heard later."""
        # Files of older versions may name places that no server takes.
        welcome = await self._greet(min(since, MAX_SEQ))
        assert self._connection is not None  # noqa: S101 (just made)
        while True:
            frames = await self._connection.receive()
            first = next((frame for frame in frames if isinstance(frame, Message) and frame.seq > since), None)
            if first is not None or any(isinstance(frame, Live) for frame in frames):
                self._glimpsed = frames
                return Glimpse(welcome.head, first)
            for frame in frames:
                self._heard_beside(frame)
            if self._farewell is not None:
                raise as_exception(self._farewell)

    async def _move(self, before: Place, place: Place) -> None:
        """Go on elsewhere than before: the log is not the one that it was."""
        self._handled = 0
        cursor = (await self._greet(None)).cursor
        if self._own and (cursor > place.seq or not before.candidates):
            place = place._replace(seq=cursor, anchor=None)
        self.place = self.moved = place
        self._told(
            f"The log of the server at {self._login.server} was put back, or is another one than before. Going on "
            f"after {place.seq}, and not after {before.seq}; what may have come before is marked as replayed."
        )
        if place.seq != cursor:
            await self._greet(place.seq)

    async def _other_log(self, before: Place, other: OtherLog) -> Resumed:
        if not self._own:
            raise OtherLog(
                f"The log of the server at {self._login.server} is another one than before ({other}), so that how far "
                'this listener had come says nothing: say where to begin, as in "--since 2h" or "--since now".'
            ) from None
        cursor = (await self._greet(None)).cursor
        return Resumed(before.left()._replace(seq=cursor, tried=0), moved=True)

    async def _greet(self, since: int | None) -> Welcome:
        await self._hang_up()
        self._connection, welcome = await connect(self._login, self._login.hello("listen", since))
        self._login, self._met = self._login.without_prompt(), True
        self.user, self.head = welcome.user, welcome.head
        self.rooms = {fold(room): room for room in welcome.rooms}
        if since is None:
            self.acknowledged = welcome.cursor
        return welcome

    async def _hang_up(self) -> None:
        connection, self._connection, self._farewell = self._connection, None, None
        self._glimpsed = []
        if connection is not None:
            await connection.close()
