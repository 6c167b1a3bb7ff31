"""The library for programs: receives messages and sends them, in a few lines of Python."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import math
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

import msgspec

from chatcli.client.api import validation
from chatcli.client.api.types import (
    Answer,
    Message,
    NameChange,
    Person,
    Room,
    Sent,
    of_answer,
    of_change,
    of_message,
    of_person,
    of_room,
    of_sent,
)
from chatcli.client.feed.listener import Delivery, Item, Listener, open_cursor
from chatcli.client.feed.requester import QuestionLost, Requester
from chatcli.client.feed.stream import Stream
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.environment import login_name, new_id
from chatcli.client.identity.key import load_identity
from chatcli.client.identity.token import Token, token_in_environment
from chatcli.client.identity.trust import Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.oneshot.pages import RoomPages
from chatcli.client.oneshot.questions import GRACE, WITHDRAWING
from chatcli.client.storage.files import config_directory
from chatcli.errors import ChatError, InputError
from chatcli.protocol import frames
from chatcli.protocol.values.address import DEFAULT_HOST, DEFAULT_PORT, Address, parse_address
from chatcli.protocol.values.choices import check_choices

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Since


logger: Final = logging.getLogger("chatcli")


class Chat:
    """A connection that repairs itself: an asynchronous iterator of messages, with methods to send and ask.

    A message counts as handled once the next one is requested, or the block is left without an exception: if the
    program crashes before, that message alone comes again the next time, with ``replayed`` set. A lost connection is
    made again. A call that waits for an answer waits until the server is back; ``asyncio.timeout`` limits that. See
    :func:`connect`.

    Attributes:
        user: the name as its owner first wrote it.
    """

    def __init__(
        self,
        login: Login,
        cursor: str | None,
        since: Since,
        *,
        mark_read: bool = False,
        on_name_change: Callable[[NameChange], None] | None = None,
    ) -> None:
        self.user = login.user
        self._login = login
        self._cursor = cursor
        self._since = since
        self._mark_read = mark_read
        self._on_name_change = on_name_change
        self._waiting: deque[Item] = deque()
        self._in_hand: int | None = None
        self._epoch = ""  # of the log that the last messages are from
        self._questions: dict[str, frames.Send] = {}  # without an answer, by id
        self._requester = Requester(login)
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        stream = Stream(self._login, logger.info, own=self._cursor is None)
        cursor = open_cursor(self._login, self._cursor)
        own = self._cursor is None
        self._listener = Listener(self._login, stream, cursor, own=own, mark_read=self._mark_read)
        try:
            await self._listener.start(self._since)
        except BaseException:
            await self._listener.close()
            raise
        self.user = stream.user
        self._requester = Requester(self._login.without_prompt(), stream.epoch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener = self._open()
        try:
            if kind is None:
                self._handled(listener)
        finally:
            self._listener, self._in_hand = None, None
            self._waiting.clear()
            try:
                await asyncio.gather(*map(self._withdraw, self._questions.values()))
                await self._requester.close()
            finally:
                await listener.close()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """Return the next message, however long that takes; the one before it was handled.

        Raises:
            Refused: the server refuses the user from now on.
            ServerNotTrusted: another server answers now than the one that was trusted.
            InputError: the position cannot be written.
        """
        listener = self._open()
        self._handled(listener)
        while True:
            if not self._waiting:
                self._waiting.extend(await listener.receive())
                self._epoch = listener.stream.epoch
            item = self._waiting[0]
            listener.record_delivery(item.seq)
            self._waiting.popleft()
            if isinstance(item, Delivery):
                self._in_hand = item.seq
                return of_message(item.message, self.user, replayed=item.replayed, epoch=self._epoch)
            if self._on_name_change is not None:
                self._on_name_change(of_change(item.change))
            listener.acknowledge(item.seq)

    async def send(self, to: str, text: str, reply_to: int | None = None) -> Sent:
        """Send a message to a person or a room; return once it is on the server's disk. It arrives once.

        Args:
            to: the person, or the room with its ``#``.
            text: the text.
            reply_to: the ``seq`` of the message that it answers. If that is gone, as the server was restored from a
                backup, the message is sent without it.

        Raises:
            UnknownRecipient: no person of that name was ever here, or there is no such room.
            Refused: the server refuses the message; ``code`` says why.
            ServerUnavailable: the server cannot store it at the moment: send it again later.
            InputError: there is no such message to answer.
        """
        return await self._send(to, text, reply_to, self._open().stream.epoch)

    async def reply(self, message: Message, text: str) -> Sent:
        """Answer a message, in its room or to its sender.

        Raises:
            As :meth:`send`.
        """
        self._open()
        return await self._send(message.room or message.sender, text, message.seq, message._epoch)  # noqa: SLF001

    async def _send(self, to: str, text: str, reply_to: int | None, epoch: str) -> Sent:
        validation.check_text(to, text)
        validation.check_seq(reply_to, "reply_to")
        return of_sent(await self._requester.send(frames.Send(new_id(), to, text, reply_to), epoch))

    async def ask(self, to: str, text: str, choices: Sequence[str], timeout: float) -> Answer | None:  # noqa: ASYNC109
        """Ask a question, and return the answer; None if there was none in time.

        In a room the first answer counts. The question is withdrawn if the wait for its answer is cancelled, or fails.
        It is asked again only if the server was restored from a backup that does not have it.

        Args:
            to: the person, or the room with its ``#``.
            text: the question.
            choices: the possible answers: 2 to 9 of them.
            timeout: the seconds for which the question is open.

        Raises:
            As :meth:`send`.
        """
        self._open()
        validation.check_text(to, text)
        seconds = validation.parse_timeout(timeout)
        check_choices(choices)
        question = frames.Send(new_id(), to, text, choices=list(choices), seconds=seconds)
        self._questions[question.id] = question
        asked = None
        try:
            asked = await self._requester.send(question)
            until = asyncio.get_running_loop().time() + seconds + GRACE
            answered = await self._answered(asked.seq, seconds + GRACE)
            while answered is None and (left := until - asyncio.get_running_loop().time()) > GRACE:
                again = msgspec.structs.replace(question, seconds=math.ceil(left - GRACE))
                answered = await self._answered((await self._requester.send(again)).seq, left)
        except BaseException as error:
            if asked is not None or isinstance(error, asyncio.CancelledError):
                await self._withdraw(question)
            raise
        finally:
            del self._questions[question.id]
        return None if answered is None or answered.message is None else of_answer(answered.message)

    async def _answered(self, seq: int, seconds: float) -> frames.Answered | None:
        """Return the state of a question once it is answered or its time is over; None if the log has lost it."""
        try:
            try:
                async with asyncio.timeout(seconds):
                    return await self._requester.wait_for_answer(seq)
            except TimeoutError:
                return await self._requester.request(frames.Answers(seq), frames.Answered)
        except QuestionLost:
            return None

    async def _withdraw(self, question: frames.Send) -> None:
        """Withdraw a question that may be stored: sent once more, it keeps its place."""
        with contextlib.suppress(TimeoutError, ChatError):
            async with asyncio.timeout(WITHDRAWING):
                seq = (await self._requester.send(question)).seq
                await self._requester.send(frames.Send(new_id(), question.to, "", seq, answer=frames.DECLINED))

    async def answer(self, message: Message, number: int | None) -> Sent:
        """Answer a question with one of its choices, from 0, or decline it with None.

        Raises:
            Refused: somebody else has answered before, its time is over, or it is gone, as the server was restored from
                a backup (``not_open``).
        """
        chosen = frames.DECLINED if number is None else number
        answer = frames.Send(new_id(), message.room or message.sender, "", message.seq, answer=chosen)
        self._open()
        return of_sent(await self._requester.send(answer, message._epoch))  # noqa: SLF001

    async def join(self, room: str) -> Room:
        """Enter a room, and create it if there is none; the messages there come from now on.

        Raises:
            Refused: the user may not enter it.
        """
        self._open()
        return of_room((await self._requester.request(frames.Join(room), frames.Room)).room)

    async def who(self, of: str = "") -> list[Person]:
        """Return the people in the chat by name, or the members of the room ``of``, or that one person.

        Raises:
            UnknownRecipient: there is no such room, and nobody of that name was ever here.
        """
        self._open()
        people = (await self._requester.request(frames.Who(of), frames.People)).people
        return list(map(of_person, people))

    async def rooms(self) -> list[Room]:
        """Return the rooms that the user may see, by name."""
        self._open()
        pages = RoomPages()
        while pages.add(await self._requester.request(pages.next_request(), frames.RoomList)):
            pass
        return list(map(of_room, pages.rooms))

    def _open(self) -> Listener:
        if self._listener is None:
            raise InputError('The connection is not open: write "async with chatcli.connect(...) as chat:".')
        return self._listener

    def _handled(self, listener: Listener) -> None:
        if self._in_hand is not None:
            listener.acknowledge(self._in_hand)
            self._in_hand = None


def connect(
    user: str | None = None,
    server: str | None = None,
    *,
    cursor: str | None = None,
    since: int | datetime.datetime | Literal["now"] | None = None,
    pin: str | None = None,
    accept_new: bool = False,
    mark_read: bool = False,
    receipts: bool = True,
    on_name_change: Callable[[NameChange], None] | None = None,
    config: str | None = None,
    token: str | None = None,
) -> Chat:
    """Return a connection to a chat, to open with ``async with``.

    ::

        async with chatcli.connect("echo") as chat:
            async for message in chat:
                await chat.reply(message, message.text)

    Args:
        user: your name; by default ``CHATCLI_USER``, or your login name (on GitHub in a codespace).
        server: the address of the server, as for the commands; by default ``CHATCLI_SERVER``, or this machine.
        cursor: the name of a position of its own, stored on this machine. By default it is the one up to which any
            client of the user has received messages: give a bot a name of its own, or a cursor.
        since: the place to start: after that ``seq``, at that time, or with the messages from now on; by default where
            it stopped.
        pin: the fingerprint of the server's key: connect to no other. By default ``CHATCLI_PIN``.
        accept_new: trust a server that is not known yet, whatever its key.
        mark_read: whether a message that was handled counts as read, with all that is before it in its conversation. By
            default a person who uses the same name still finds it unread.
        receipts: with ``mark_read``, whether others learn it.
        on_name_change: called when a name that you talk with has another key or another owner, in the order of the
            messages: the name may be somebody else's from then on.
        config: the directory of the key and of known servers; by default the user's, as for the commands.
        token: a token in place of the key, which has a name of its own; by default ``CHATCLI_TOKEN``.

    Raises:
        InputError: an address, a name, a key or a file is invalid. Opening it also raises

            - ``ServerUnreachable``: no server answers there;
            - ``ServerUnavailable``: it accepts nobody at the moment; ``code`` says why;
            - ``Refused``: the server refuses the name; ``code`` says why, ``names`` has a free one if it is taken;
            - ``ServerNotTrusted``: the server is not known, or not the one that was known.
    """
    start = validation.parse_since(since)
    login = _login(user, server, pin, accept_new=accept_new, receipts=receipts, config=config, token=token)
    return Chat(login, cursor, start, mark_read=mark_read, on_name_change=on_name_change)


def send(
    to: str,
    text: str,
    user: str | None = None,
    server: str | None = None,
    *,
    reply_to: int | None = None,
    pin: str | None = None,
    accept_new: bool = False,
    config: str | None = None,
    token: str | None = None,
) -> Sent:
    """Send one message and return once it is on the server's disk; for programs without ``asyncio``.

    If the connection breaks, it is made again for a few seconds; the message arrives once.

    Args:
        to: the person, or the room with its ``#``.
        text: the text.
        user: your name; by default ``CHATCLI_USER``, or your login name (on GitHub in a codespace).
        server: the address of the server, as for the commands; by default ``CHATCLI_SERVER``, or this machine.
        reply_to: the ``seq`` of the message that it answers.
        pin: the fingerprint of the server's key: connect to no other. By default ``CHATCLI_PIN``.
        accept_new: trust a server that is not known yet, whatever its key.
        config: the directory of the key and of known servers; by default the user's, as for the commands.
        token: a token in place of the key, which has a name of its own; by default ``CHATCLI_TOKEN``.

    Raises:
        UnknownRecipient: no person of that name was ever here, or there is no such room.
        Refused: the server refuses the name or the message; ``code`` says why.
        ServerUnreachable: the server does not answer. If it may have received the message, the sentence says so.
        ServerUnavailable: the server cannot store it at the moment; ``code`` says why.
        ServerNotTrusted: the server is not known, or not the one that was known.
        InputError: an address, a name, a key or a file is invalid.
    """
    validation.check_text(to, text)
    validation.check_seq(reply_to, "reply_to")
    login = _login(user, server, pin, accept_new=accept_new, config=config, token=token)
    return of_sent(Client(login).send(to, text, reply_to))


def _login(
    user: str | None,
    server: str | None,
    pin: str | None,
    *,
    accept_new: bool,
    receipts: bool = True,
    config: str | None,
    token: str | None,
) -> Login:
    """Return the login, as given or as in the variables of the commands."""
    where = server or os.environ.get("CHATCLI_SERVER", "")
    address = parse_address(where) if where else Address(DEFAULT_HOST, DEFAULT_PORT)
    key = pin or os.environ.get("CHATCLI_PIN") or None
    validation.check_pin(key)
    trust = Trust(key, accept_new=accept_new, directory=config)
    credential = Token(token) if token is not None else token_in_environment()
    own_name = credential.alias if credential is not None else login_name()
    name = user or os.environ.get("CHATCLI_USER", "") or own_name
    if not name:
        raise InputError("This system does not know your login name: say who you are.")
    validation.check_text(name)
    return Login(
        server=Server.at(address),
        user=name,
        trust=trust,
        identity=load_identity(config or config_directory()) if credential is None else None,
        token=credential,
        receipts=receipts,
    )
