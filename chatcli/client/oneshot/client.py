"""The one-shot client: sends or requests one thing and leaves, on a blocking socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from chatcli.client.identity.environment import new_id
from chatcli.client.outbox.batch import SendBatch
from chatcli.client.storage.files import outbox_is_empty
from chatcli.client.transport.blocking import Connection, Kind, Result, Wait, with_retries
from chatcli.errors import ChatError, ProtocolError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.frames import (
    Bye,
    ClientFrame,
    ConversationInfo,
    Done,
    History,
    KeyList,
    LinkCode,
    People,
    Person,
    Purpose,
    RoomList,
    Search,
    Send,
    Sent,
    ServerFrame,
    Token,
    TokenList,
    Unread,
    UnreadList,
    Welcome,
    Who,
)

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.pages import MessagePages
    from chatcli.client.oneshot.receipts import ReceiptWaiter
    from chatcli.protocol.keys import Channel

_ANSWERS: Final = (People, RoomList, LinkCode, KeyList, Token, TokenList, Done)


class ServerStatus(msgspec.Struct, frozen=True):
    """The server's welcome, the user's unread messages, and what identifies the connection."""

    welcome: Welcome
    unread: UnreadList
    channel: Channel


class Client:
    """Requests to one server under one login, each on a connection of its own.

    Messages that wait in the outbox for that login are sent first. If a connection breaks, the request is sent again on
    another one; a message keeps its id, so that it arrives once.

    Every method raises:
        InputError: the user's key cannot be used.
        ServerNotTrusted: the server is not the one that was meant; nothing was sent to it.
        ServerUnreachable: the server does not answer. If it may have received a message, the sentence says so.
        ServerUnavailable: the server cannot store it at the moment.
        UnknownRecipient: there is no person, or no room, of that name.
        Refused: the server refuses the name or the request.
        ProtocolError: the other end is not a chatcli server.

    Args:
        login: the server and the user; by default with the key in the user's configuration.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    def send(self, to: str, text: str, re: int | None = None) -> Sent:
        """Send one message, and return once it is on the server's disk.

        Args:
            to: the recipient: a person or a room.
            text: the text.
            re: the ``seq`` of the message that it answers.
        """
        message = Send(new_id(), to, text, re)
        batch = SendBatch([message])
        self.send_batch(batch)
        answer = batch.answers[message.id]
        if isinstance(answer, ChatError):
            raise answer
        return answer

    def send_batch(self, batch: SendBatch) -> None:
        """Send messages; the batch has the answers, those included that came before an error."""
        self._run("send", batch.run)

    def send_and_wait(self, waiter: ReceiptWaiter) -> None:
        """Send messages, then wait until each has its receipt, or the time is over.

        Once every message is answered nothing is raised: the waiter has the reason.
        """
        try:
            self._run("send", waiter.run, waiter)
        except ChatError as error:
            if not waiter.is_stored:
                raise
            if not isinstance(error, ServerUnavailable):
                waiter.give_up(str(error))

    def request(self, frame: ClientFrame, kind: type[Kind]) -> Kind:
        """Send one request, and return its answer, which must be of this kind."""
        return _expect(kind, self._run("query", _asking(frame)), self._login)

    def read(self, question: History | Search, limit: int) -> MessagePages:
        """Read messages, in as many pages as it takes, in the order in which the server gives those of one page.

        Args:
            question: the question; its ``limit`` does not matter.
            limit: the largest number of messages.
        """
        from chatcli.client.oneshot.pages import MessagePages

        pages = MessagePages(question, limit)
        self._run("query", pages.run)
        return pages

    def conversations(self, limit: int, *, only_unread: bool = False) -> list[ConversationInfo]:
        """Return the user's conversations, those with the newest messages first.

        Args:
            limit: the largest number of conversations.
            only_unread: leave out those without unread messages.
        """
        from chatcli.client.oneshot.pages import ConversationPages

        return self._run("query", ConversationPages(limit, only_unread=only_unread).run)

    def mark_read(self, of: Sequence[str], *, back: bool = False) -> UnreadList:
        """Mark conversations as read, and return what is unread then.

        Args:
            of: people and rooms; none of them for all conversations.
            back: mark the last message from others as unread instead.
        """
        from chatcli.client.oneshot.read_positions import marking

        return self._run("query", marking(of, back=back))

    def who(self) -> list[Person]:
        """Return the people in the chat. The user's name is used only if the server does not answer everyone."""
        login = self._login
        if login.token is not None:
            return self.request(Who(n=1), People).people
        if login.user:
            self._flush_outbox(read_only=True)
        question = Who(n=1)
        try:
            answer = with_retries(replace(login, user="", identity=None), "query", _asking(question))
        except Refused as refusal:
            if refusal.code != codes.KEY_REQUIRED or not login.user:
                raise
            answer = self._run("query", _asking(question))
        people = _expect(People, answer, login)
        if login.user:
            from chatcli.client.storage.roster_observer import RosterObserver

            observer = RosterObserver(login.server.name, login.user)
            observer.receive(people)
            observer.store()
        return people.people

    def status(self, timeout: float | None = None) -> ServerStatus:
        """Return the state of the connection and the user's unread counts.

        Args:
            timeout: seconds to wait; the messages in the outbox are then left alone.
        """
        if timeout is None:
            return self._run("query", _status)
        return with_retries(self._login.with_identity(), "query", _status, timeout)

    def _run(self, purpose: Purpose, run: Callable[[Connection], Result], wait: Wait | None = None) -> Result:
        """Call a function with a connection, and again with another one if that breaks, after the outbox."""
        self._login = self._login.with_identity()
        self._flush_outbox(read_only=purpose == "query")
        return with_retries(self._login, purpose, run, wait=wait)

    def _flush_outbox(self, *, read_only: bool) -> None:
        if not outbox_is_empty():
            from chatcli.client.outbox.flush import flush_outbox

            flush_outbox(self._login, read_only=read_only)


def _asking(request: ClientFrame) -> Callable[[Connection], ServerFrame]:
    """Return a function that sends a request and goodbye in one write, and returns the answer."""

    def run(connection: Connection) -> ServerFrame:
        connection.send(request, Bye())
        return connection.receive(*_ANSWERS)

    return run


def _status(connection: Connection) -> ServerStatus:
    connection.send(Unread(n=1), Bye())
    unread = connection.receive(UnreadList)
    assert connection.welcome is not None  # noqa: S101 (it comes before any answer)
    return ServerStatus(connection.welcome, unread, connection.channel)


def _expect(kind: type[Kind], answer: ServerFrame, login: Login) -> Kind:
    if not isinstance(answer, kind):
        raise ProtocolError(f"{login.server} sent another answer than was requested.")
    return answer
