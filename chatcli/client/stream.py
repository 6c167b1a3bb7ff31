"""A user's feed as a program reads it: in log order, each message once, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.client.backoff import backoff
from chatcli.client.conversations import folded
from chatcli.client.link import Connection, connect
from chatcli.client.refusals import as_exception
from chatcli.errors import ChatError, ProtocolError, ServerUnavailable, ServerUnreachable
from chatcli.protocol.frames import (
    VERSION,
    Ack,
    Error,
    Happened,
    Hello,
    Live,
    Message,
    Purpose,
    Read,
    ServerBye,
    ServerFrame,
    Welcome,
)
from chatcli.protocol.keys import key_text

if TYPE_CHECKING:
    from chatcli.client.identity import Identity
    from chatcli.client.trust import Trust
    from chatcli.protocol.address import Address

_BETWEEN_ACKS: Final = 0.5  # seconds, while there is more to be taken
_ENDS: Final = frozenset({"left", "kicked", "banned"})  # what happens to a member who then is none


class Login(NamedTuple):
    """Who listens, and where.

    Attributes:
        server: where.
        user: under which name.
        trust: which servers to speak to.
        identity: the user's key.
        receipts: whether others are told what was handed on.
    """

    server: Address
    user: str
    trust: Trust
    identity: Identity
    receipts: bool = True

    def hello(self, purpose: Purpose, since: int | None = None) -> Hello:
        """Return how to greet the server."""
        key = key_text(self.identity.public)
        return Hello(VERSION, self.user, purpose, key, since, receipts=self.receipts)

    def settled(self) -> Login:
        """Return the same for connecting again: nothing new is accepted, nobody is asked."""
        return self._replace(trust=self.trust.settled())


class Stream:
    """The messages behind a position. Nothing is read ahead: who does not take them makes the server wait.

    Args:
        login: who listens, and where.
        told: takes sentences for people about the connection.
        patient: whether to wait for the server where it does not answer the first time either.
        reached: called whenever the server has let us in.

    Attributes:
        user: the name as owned.
        rooms: those that the user belongs to, by folded name.
        head: the newest message of the log when the connection was made.
        position: the newest message that was taken; the next connection goes on behind it.
        acknowledged: how far the user has read, on any connection, as far as that is known.
        server_key: the fingerprint of the server's key.
        moved: the log is not the one that it was: ``position`` has been set back.
    """

    def __init__(
        self,
        login: Login,
        told: Callable[[str], None],
        *,
        patient: bool = False,
        reached: Callable[[], None] = lambda: None,
    ) -> None:
        self.user = login.user
        self.rooms: dict[str, str] = {}
        self.head = 0
        self.position: int | None = None
        self.acknowledged = 0
        self.server_key = ""
        self.moved = False
        self._login = login
        self._told = told
        self._patient = patient
        self._reached = reached
        self._met = False  # the server has let us in before
        self._connection: Connection | None = None
        self._farewell: ServerBye | None = None
        self._handled = 0  # what can be acknowledged
        self._last_ack = 0.0

    async def open(self, since: int | None = None, server_key: str = "") -> None:
        """Connect, and begin behind ``since``, or else behind what the user has read.

        Args:
            since: a place in the log.
            server_key: of the server whose log that is; empty if that is not known.

        Raises:
            ServerUnreachable: there is no server.
            Refused: the server does not want us.
            ServerNotTrusted: it is not the one that was meant, or someone has to be asked first (UnknownServer).
            ProtocolError: what answers there is no chatcli server.
        """
        await self._hang_up()
        self.position, self.server_key = since, server_key or self.server_key
        await self._connect()

    async def take(self) -> list[Message]:
        """Return the next messages, at least one, however long that takes.

        Raises:
            Refused: the server does not want us any more.
            ServerNotTrusted: what answers there now is not the server that was trusted.
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
        return await self._connection.receive()

    def _heard(self, frames: list[ServerFrame]) -> list[Message]:
        messages = []
        position = self.position or 0
        for frame in frames:
            if isinstance(frame, Message):
                if frame.seq > position:
                    position = frame.seq
                    messages.append(frame)
            else:
                if isinstance(frame, Live):
                    position = max(position, frame.seq)
                self._heard_beside(frame)
        self.position = position
        return messages

    def _heard_beside(self, frame: ServerFrame) -> None:
        match frame:
            case Read(seq):
                self.acknowledged = max(self.acknowledged, seq)
            case Happened(room, "joined", user) if user == self.user:
                self.rooms[folded(room)] = room
            case Happened(room, what, user) if user == self.user and what in _ENDS:
                if self.rooms.pop(folded(room), None) is not None:
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
        welcome = await self._greet(self.position)
        since = self.position
        if since is not None and (welcome.cursor < since or self._is_another()):
            await self._hang_up()
            welcome = await self._greet(None)
            self.moved = True
            self.position = min(since, welcome.cursor)
            self._told(
                f"The server at {self._login.server} is another one than before, or its log was put back: it ends at "
                f"{welcome.head}, and {since} was reached before. Going on behind {self.position}."
            )
            if self.position < welcome.cursor:
                await self._hang_up()
                await self._greet(self.position)
        elif since is None:
            self.position = welcome.cursor
        assert self._connection is not None  # noqa: S101 (just made)
        self.server_key = self._connection.server_key
        self._reached()

    def _is_another(self) -> bool:
        shown = self._connection.server_key if self._connection is not None else ""
        return bool(self.server_key and shown) and shown != self.server_key

    async def _greet(self, since: int | None) -> Welcome:
        self._connection, welcome = await connect(
            self._login.server, self._login.hello("listen", since), self._login.identity, self._login.trust
        )
        self._login, self._met, self._farewell = self._login.settled(), True, None
        self.user, self.head = welcome.user, welcome.head
        self.rooms = {folded(room): room for room in welcome.rooms}
        if since is None:
            self.acknowledged = welcome.cursor
        return welcome

    async def _hang_up(self) -> None:
        connection, self._connection, self._farewell = self._connection, None, None
        if connection is not None:
            await connection.close()
