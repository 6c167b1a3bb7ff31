"""Says things and asks them, and has each answered, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

import msgspec

from chatcli.client.errors import as_exception
from chatcli.client.identity.credentials import Login
from chatcli.client.transport.aio import Connection, connect
from chatcli.client.transport.backoff import backoff
from chatcli.errors import ChatError, InputError, ProtocolError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import (
    Answered,
    Answers,
    ClientFrame,
    Error,
    History,
    Join,
    Rooms,
    Send,
    Sent,
    ServerBye,
    ServerFrame,
    Who,
)

NO_TEXT: Final = "Half of a character is no text: take out what is no UTF-8."
_TOO_LONG: Final = "That is longer than a message may be: send it in parts."

Question = Answers | History | Join | Rooms | Who
Answer = TypeVar("Answer", bound=ServerFrame)


class Speaker:
    """A connection of its own, made when there is something to say: answers never wait behind messages.

    Who asks waits until there is an answer, whatever becomes of the server meanwhile; ``asyncio.timeout`` limits that.
    A message keeps its id, so it arrives once.

    Args:
        login: who speaks, and where; that server has let them in before.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: Connection | None = None
        self._open: dict[str | int, tuple[ClientFrame, asyncio.Future[ServerFrame]]] = {}  # by id or number, in order
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._patient: set[int] = set()  # of what was asked, the numbers of what waits until there is an answer
        self._heard = False  # anything, since the connection was made
        self._closed = False

    async def send(self, frame: Send) -> Sent:
        """Send a message; return once it is on the server's disk.

        Raises:
            Refused: the server does not take it; UnknownRecipient where there is nobody, or no room, of that name.
            InputError: there is no such message to answer, or it is no text.
            ChatError: the server does not want us, or is not the one that was meant.
        """
        return await self._answered(frame.id, frame, Sent)

    async def ask(self, question: Question, kind: type[Answer]) -> Answer:
        """Ask something; return the answer.

        Args:
            question: what; its number does not matter.
            kind: what answers it.

        Raises:
            Refused: the server does not answer that.
            ChatError: the server does not want us, or is not the one that was meant.
        """
        self._number += 1
        return await self._answered(self._number, msgspec.structs.replace(question, n=self._number), kind)

    async def answer(self, seq: int) -> Answered:
        """Return what counts as the answer to a question of the user's, as soon as there is one.

        Raises:
            Refused: there is no such question.
            ChatError: the server does not want us, or is not the one that was meant.
        """
        self._number += 1
        number = self._number
        self._patient.add(number)
        try:
            return await self._answered(number, Answers(seq, n=number), Answered)
        finally:
            self._patient.remove(number)

    async def close(self) -> None:
        """Say goodbye, for good; who still waits is told that they wait in vain."""
        self._closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for _, future in self._open.values():
            future.cancel()
        self._open.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.say_goodbye()

    async def _answered(self, key: str | int, frame: ClientFrame, kind: type[Answer]) -> Answer:
        if self._closed:
            raise InputError("The connection was closed: nothing can be said on it any more.")
        try:
            encode(frame)
        except UnicodeEncodeError:
            raise InputError(NO_TEXT) from None
        future: asyncio.Future[ServerFrame] = asyncio.get_running_loop().create_future()
        self._open[key] = (frame, future)
        self._say(key)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="speaker")
        try:
            answer = await future
        finally:
            self._open.pop(key, None)
        if not isinstance(answer, kind):
            raise ProtocolError(f"{self._login.server} answered with something else than was asked for.")
        return answer

    def _say(self, key: str | int) -> None:
        """Say something, if there is a connection; what a server would not know whose it is, is refused here."""
        frame, future = self._open[key]
        if self._connection is None or future.done():
            return
        if len(encode(frame)) > self._connection.longest:
            future.set_exception(Refused(codes.TEXT_TOO_LONG, _TOO_LONG))
        else:
            self._connection.send(frame)

    async def _run(self) -> None:
        """Hear answers, and connect again for as long as there is something to be answered."""
        try:
            await self._hear_all()
        except Exception as error:  # noqa: BLE001 (whatever it is, who waits for an answer must not wait for ever)
            await self._lose()
            self._fail(error)

    async def _hear_all(self) -> None:
        waits = backoff()
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                await self._hear()
            except ChatError as error:
                await self._lose()
                # While a server is put up anew, something else may answer in its place.
                if not isinstance(error, (ServerUnavailable, ProtocolError)):
                    self._fail(error)
                    return
            if self._heard:
                waits, self._heard = backoff(), False
            await asyncio.sleep(next(waits) if self._open else 0)
            if not self._open:
                return

    async def _connect(self) -> None:
        self._connection, _ = await connect(self._login, self._login.hello("send"))
        self._login = self._login.without_prompt()
        for key in self._open:
            self._say(key)

    async def _hear(self) -> None:
        assert self._connection is not None  # noqa: S101 (whoever calls has seen to it)
        while True:
            for frame in await self._connection.receive():
                if isinstance(frame, ServerBye):
                    raise as_exception(frame)
                self._heard = True
                if isinstance(frame, Error) and (frame.id, frame.n) == (None, None):
                    self._fail(as_exception(frame))
                for key in self._answers(frame):
                    _, future = self._open[key]
                    if not future.done() and isinstance(frame, Error):
                        future.set_exception(as_exception(frame))
                    elif not future.done():
                        future.set_result(frame)

    def _answers(self, frame: ServerFrame) -> list[str | int]:
        """Return what of that which waits is answered by a frame."""
        if isinstance(frame, Answered) and frame.n not in self._open.keys() - self._patient:
            asked = [(number, self._open[number][0]) for number in self._patient] if frame.message else []
            return [number for number, question in asked if getattr(question, "re", None) == frame.re]
        key = getattr(frame, "id", None) or getattr(frame, "n", None)
        return [key] if key in self._open else []

    def _fail(self, error: Exception) -> None:
        """Tell everyone who waits that they wait in vain."""
        for _, future in self._open.values():
            if not future.done():
                future.set_exception(error)

    async def _lose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
