"""Sends messages and requests, and waits for the answer to each, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

import msgspec

from chatcli.client import diagnostics
from chatcli.client.errors import as_exception
from chatcli.client.identity.credentials import Login
from chatcli.client.outbox.batch import NO_ANSWER, NO_REPLY
from chatcli.client.transport.aio import Connection, connect
from chatcli.client.transport.reconnect import RetryPolicy
from chatcli.errors import ChatError, InputError, ProtocolError, Refused
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.epochs import KnownLogs, fitted
from chatcli.protocol.frames import (
    MAX_SEQ,
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
from chatcli.protocol.in_flight import InFlight
from chatcli.protocol.values.text import printable_line

NOT_UTF_8: Final = "The text has half a character, a lone surrogate, which is not UTF-8: remove it."
_TOO_LONG: Final = "That is longer than a message may be: send it in parts."

Request = Answers | History | Join | Rooms | Who
Answer = TypeVar("Answer", bound=ServerFrame)


class QuestionLost(ChatError):
    """The log was restored, and does not have the question whose answer is waited for."""


class Requester:
    """A connection of its own, made when there is something to send: answers never queue after messages.

    A caller waits until there is an answer, whatever becomes of the server meanwhile; ``asyncio.timeout`` limits that.
    A message keeps its id, so it arrives once.

    Args:
        login: the server and the user; that server has accepted them before.
        epoch: that of the log which they have seen there.
    """

    def __init__(self, login: Login, epoch: str = "") -> None:
        self._login = login
        self._logs = KnownLogs(epoch)
        self._epochs: dict[str, str] = {}  # the epochs of the numbers in messages without an answer, by id
        self._connection: Connection | None = None
        self._messages = InFlight()
        self._requests: dict[int, Request] = {}  # without an answer, by number, in order
        self._until_answered: set[int] = set()  # requests for the answer to a question, however late it comes
        self._futures: dict[str | int, asyncio.Future[ServerFrame]] = {}  # by id or number
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._has_received = False  # anything, on this connection
        self._is_closed = False

    async def send(self, message: Send, epoch: str = "") -> Sent:
        """Send a message; return once it is on the server's disk.

        Args:
            message: the message. If the one that it answers is gone from a log that was restored, it is sent without
                that number.
            epoch: that of the log which the number belongs to.

        Raises:
            Refused: the server does not accept it; UnknownRecipient if there is no person, or no room, of that name.
                Also an answer to a question that is gone.
            InputError: there is no such message to answer, or the text is not UTF-8.
            ChatError: the server refuses the user, or is not the one that was meant.
        """
        self._check(message)
        epoch = epoch or self._logs.epoch
        # One that is not known is that of a newer log, which the next connection finds.
        fit = fitted(message, self._logs.shared(epoch) if self._logs.knows(epoch) else MAX_SEQ)
        if fit is None:
            raise Refused(codes.NOT_OPEN, NO_ANSWER)
        self._messages.add(message)
        if fit is not message:
            self._strip(fit)
        elif message.re is not None:
            self._epochs[message.id] = epoch
        try:
            return await self._answer(message.id, Sent)
        finally:
            self._epochs.pop(message.id, None)
            if message.id not in self._futures:
                self._messages.resolve(message.id)
                self._send_messages()

    async def request(self, request: Request, kind: type[Answer]) -> Answer:
        """Send a request; return the answer.

        Args:
            request: the frame; its number does not matter.
            kind: the type of its answer.

        Raises:
            Refused: the server does not answer it.
            ChatError: the server refuses the user, or is not the one that was meant.
        """
        return await self._request(self._next_number(), request, kind)

    async def wait_for_answer(self, seq: int) -> Answered:
        """Return the answer that counts to a question of the user's, as soon as there is one.

        Raises:
            QuestionLost: the log was restored, and it is gone.
            Refused: there is no such question.
            ChatError: the server refuses the user, or is not the one that was meant.
        """
        number = self._next_number()
        self._until_answered.add(number)
        try:
            return await self._request(number, Answers(seq), Answered)
        finally:
            self._until_answered.remove(number)

    async def close(self) -> None:
        """Say goodbye, and cancel everything that waits."""
        self._is_closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for future in self._futures.values():
            future.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.log_out()

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _request(self, number: int, request: Request, kind: type[Answer]) -> Answer:
        numbered = msgspec.structs.replace(request, n=number)
        self._check(numbered)
        self._requests[number] = numbered
        try:
            return await self._answer(number, kind)
        finally:
            del self._requests[number]

    def _check(self, frame: ClientFrame) -> None:
        if self._is_closed:
            raise InputError("The connection was closed: nothing can be sent on it any more.")
        try:
            encode(frame)
        except UnicodeEncodeError:
            raise InputError(NOT_UTF_8) from None

    async def _answer(self, key: str | int, kind: type[Answer]) -> Answer:
        """Send a message or a request that was added; return its answer."""
        future: asyncio.Future[ServerFrame] = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        if isinstance(key, int):
            self._send(key, self._requests[key])
        else:
            self._send_messages()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="requester")
        try:
            answer = await future
        finally:
            if self._futures.get(key) is future:  # no other task has sent the same message meanwhile
                del self._futures[key]
        if not isinstance(answer, kind):
            raise ProtocolError(f"{self._login.server} sent another answer than was requested.")
        return answer

    def _send_messages(self) -> None:
        """Send the messages for which the window has room, if there is a connection."""
        if self._connection is not None:
            for message in self._messages.next_batch():
                self._send(message.id, message)

    def _send(self, key: str | int, frame: ClientFrame) -> None:
        """Send a frame, if there is a connection. Oversized ones fail here: the server's error could not name them."""
        future = self._futures[key]
        if self._connection is None or future.done():
            return
        if not self._connection.fits(frame):
            future.set_exception(Refused(codes.TEXT_TOO_LONG, _TOO_LONG))
        else:
            self._connection.send(frame)

    async def _run(self) -> None:
        """Receive answers, and connect again for as long as something is without one."""
        try:
            await self._receive_all()
        except Exception as error:  # noqa: BLE001 (whatever it is, nobody may wait for an answer for ever)
            await self._disconnect()
            self._fail(error)

    async def _receive_all(self) -> None:
        policy = RetryPolicy(accepted=True)
        while True:
            try:
                if self._connection is None:
                    await self._connect()
                await self._receive()
            except ChatError as error:
                await self._disconnect()
                if self._has_received:
                    policy.succeeded()
                    self._has_received = False
                wait = policy.wait_after(error)
                await asyncio.sleep(wait if self._futures else 0)
            if not self._futures:
                return

    async def _connect(self) -> None:
        asked = self._logs.epoch
        self._connection, welcome = await connect(self._login, self._login.hello("send", epoch=asked))
        self._login = self._login.without_prompt()
        if self._logs.welcomed(welcome, asked):
            self._fit(asked)
        for number, request in self._requests.items():
            self._send(number, request)
        self._messages.disconnected()
        self._send_messages()

    def _fit(self, before: str) -> None:
        """Fit what has no answer to another log than before."""
        for number, request in self._requests.items():
            if isinstance(request, Answers) and request.re > self._logs.shared(before):
                self._raise(number, QuestionLost())
        for message in self._messages.unanswered():
            if (epoch := self._epochs.get(message.id)) is None:
                continue
            fit = fitted(message, self._logs.shared(epoch))
            self._epochs[message.id] = self._logs.epoch
            if fit is None:
                self._raise(message.id, Refused(codes.NOT_OPEN, NO_ANSWER))
            elif fit is not message:
                self._strip(fit)

    def _strip(self, message: Send) -> None:
        """Send a reply as a mere message."""
        diagnostics.trouble(f"{printable_line(message.to)}: {NO_REPLY}")
        self._messages.exchange(message)
        self._epochs.pop(message.id, None)

    def _raise(self, key: str | int, error: ChatError) -> None:
        """Raise an error in the one who waits."""
        if not (future := self._futures[key]).done():
            future.set_exception(error)

    async def _receive(self) -> None:
        assert self._connection is not None  # noqa: S101 (connected just before)
        while True:
            for frame in await self._connection.receive():
                if isinstance(frame, ServerBye):
                    raise as_exception(frame)
                self._has_received = True
                if isinstance(frame, Error) and (frame.id, frame.n) == (None, None):
                    self._fail(as_exception(frame))
                for key in self._answered_by(frame):
                    future = self._futures[key]
                    if not future.done() and isinstance(frame, Error):
                        future.set_exception(as_exception(frame))
                    elif not future.done():
                        future.set_result(frame)

    def _answered_by(self, frame: ServerFrame) -> list[str | int]:
        """Return the ids and numbers that a frame answers."""
        if isinstance(frame, Answered) and frame.n not in self._futures.keys() - self._until_answered:
            waiting = self._until_answered.intersection(self._requests) if frame.message is not None else ()
            return [number for number in waiting if getattr(self._requests[number], "re", None) == frame.re]
        key = getattr(frame, "id", None) or getattr(frame, "n", None)
        return [key] if key in self._futures else []

    def _fail(self, error: Exception) -> None:
        """Raise an error in everyone who waits."""
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
