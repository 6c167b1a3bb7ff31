"""Says or asks one thing and leaves, on a blocking socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import new_id
from chatcli.client.identity.key import Identity
from chatcli.client.identity.trust import CAUTIOUS, Channel, Trust
from chatcli.client.outbox.batch import SendBatch
from chatcli.client.outbox.leftovers import empty_spool
from chatcli.client.transport.blocking import TIMEOUT, Connection, Kind, Result, with_retries
from chatcli.errors import ChatError, ProtocolError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.protocol.frames import (
    MAX_PAGE,
    Bye,
    ClientFrame,
    Done,
    Found,
    History,
    HistoryPage,
    KeyList,
    LinkCode,
    Message,
    People,
    Person,
    Purpose,
    RoomList,
    Search,
    Send,
    Sent,
    ServerFrame,
    Unread,
    UnreadList,
    Welcome,
    Who,
)

if TYPE_CHECKING:
    from chatcli.client.oneshot.receipts import Confirming

_ANSWERS: Final = (Sent, People, RoomList, LinkCode, KeyList, Done)

Answer = TypeVar("Answer", bound=ServerFrame)


class Pages(NamedTuple):
    """Messages in the order of the question; ``more`` if there are older ones."""

    messages: list[Message]
    more: bool


class Looked(NamedTuple):
    """What the server welcomed the user with, what is unread, and what the connection is known by."""

    welcome: Welcome
    unread: UnreadList
    channel: Channel


def send(
    server: Address,
    user: str,
    to: str,
    text: str,
    trust: Trust = CAUTIOUS,
    identity: Identity | None = None,
    re: int | None = None,
) -> Sent:
    """Send one message, and return once the server has it on disk.

    A connection that breaks is tried again with the same id, so that the message arrives once.

    Args:
        server: where to.
        user: who says it.
        to: to whom: a person or a room.
        text: what.
        trust: which servers to speak to.
        identity: the user's key; by default the one in their configuration.
        re: the ``seq`` of the message that it answers.

    Raises:
        InputError: the user's key cannot be used.
        ServerNotTrusted: the server is not the one that was meant; nothing was said to it.
        ServerUnreachable: the server does not answer; where it may have got the message, the sentence says so.
        ServerUnavailable: the server cannot store it at the moment.
        UnknownRecipient: nobody called ``to`` was ever here, or there is no such room.
        Refused: the server said no to the name or to the message.
        ProtocolError: what answers is no chatcli server.
    """
    message = Send(new_id(), to, text, re)
    answer = send_all(server, user, [message], trust, identity)[0]
    if isinstance(answer, ChatError):
        raise answer
    return answer


def send_all(
    server: Address,
    user: str,
    messages: Sequence[Send],
    trust: Trust = CAUTIOUS,
    identity: Identity | None = None,
) -> list[Sent | ChatError]:
    """Send messages in one breath, and return once each of them is on the server's disk or refused.

    All of them are sent, or none: the server is asked first whether the user may write to each recipient.

    A connection that breaks is made again, and what is not answered is said again with the same ids.

    Args:
        server: where to.
        user: who says it.
        messages: what, and to whom.
        trust: which servers to speak to.
        identity: the user's key; by default the one in their configuration.

    Returns:
        What became of each, in order; where the server was lost after it had answered some, why of the others.

    Raises:
        As :func:`send`, where nothing was answered.
    """
    batch = SendBatch(messages, together=[[message.id for message in messages]])
    try:
        deliver(server, user, batch, trust, identity)
    except ChatError as error:
        if not batch.answers:
            raise
        return [batch.answers.get(message.id, error) for message in messages]
    return [batch.answers[message.id] for message in messages]


def deliver(
    server: Address, user: str, batch: SendBatch, trust: Trust = CAUTIOUS, identity: Identity | None = None
) -> None:
    """Send a batch, which records the answers, those included that came before an error.

    Raises:
        As :func:`send`.
    """
    _converse(server, user, "send", batch.run, trust, identity)


def confirm(
    server: Address, user: str, confirming: Confirming, trust: Trust = CAUTIOUS, identity: Identity | None = None
) -> None:
    """Send messages, then wait until each was shown to somebody, or the time is over.

    Raises:
        As :func:`send`, but not once each message is answered.
    """
    from chatcli.client.oneshot.retry import persist

    login = Login(server=server, user=user, trust=trust, identity=identity).with_identity()
    try:
        persist(login, confirming)
    except ChatError as error:
        if not confirming.begun:
            raise
        if not isinstance(error, ServerUnavailable):
            confirming.give_up(str(error))


def request(
    server: Address,
    user: str,
    frame: ClientFrame,
    trust: Trust = CAUTIOUS,
    identity: Identity | None = None,
    purpose: Purpose = "send",
) -> ServerFrame:
    """Ask one thing under a name, and return the answer.

    Raises:
        As :func:`send`.
    """
    return _converse(server, user, purpose, _asking(frame), trust, identity)


def query(server: Address, user: str, frame: ClientFrame, kind: type[Kind], trust: Trust = CAUTIOUS) -> Kind:
    """Ask one thing under a name, and return the answer, which is of this kind.

    Raises:
        As :func:`send`.
    """
    return _expect(kind, request(server, user, frame, trust, purpose="query"), server)


def read(server: Address, user: str, question: History | Search, limit: int, trust: Trust = CAUTIOUS) -> Pages:
    """Read messages, in as many pages as it takes, in the order in which the server gives those of one page.

    Args:
        server: where.
        user: who asks.
        question: what for; its ``limit`` does not matter.
        limit: so many at most.
        trust: which servers to speak to.

    Raises:
        As :func:`send`.
    """
    from chatcli.client.oneshot.pages import check_messages

    kind: type[HistoryPage | Found] = HistoryPage if isinstance(question, History) else Found
    pages: list[list[Message]] = []  # what was read before a connection broke is not read again
    before = question.before

    def talk(connection: Connection) -> bool:
        nonlocal before
        while True:
            left = limit - sum(map(len, pages))
            connection.deadline = time.monotonic() + TIMEOUT
            asked = msgspec.structs.replace(question, before=before, limit=min(left, MAX_PAGE), n=1)
            connection.send(asked)
            page = connection.receive(kind)
            check_messages(asked, page)
            if page.messages:
                pages.append(page.messages)
                before = min(message.seq for message in page.messages)
            if not page.more or not page.messages or left <= len(page.messages):
                connection.send(Bye())
                return page.more

    more = _converse(server, user, "query", talk, trust)
    if kind is HistoryPage:
        pages.reverse()
    return Pages([message for page in pages for message in page], more)


def who(server: Address, trust: Trust = CAUTIOUS, user: str = "") -> list[Person]:
    """Return who is in the chat; under a name only where the server does not answer everyone.

    Raises:
        ServerNotTrusted: the server is not the one that was meant.
        ServerUnreachable: the server does not answer.
        Refused: the server said no.
        ProtocolError: what answers is no chatcli server.
    """
    question = Who(n=1)
    if user:
        empty_spool(server, user, trust, asking=True)
    try:
        answer = with_retries(Login(server=server, trust=trust), "query", _asking(question))
    except Refused as refusal:
        if refusal.code != codes.KEY_REQUIRED or not user:
            raise
        answer = request(server, user, question, trust, purpose="query")
    people = _expect(People, answer, server)
    if user:
        from chatcli.client.storage.roster_observer import RosterObserver

        observer = RosterObserver(server, user)
        observer.receive(people)
        observer.store()
    return people.people


def look(server: Address, user: str, trust: Trust = CAUTIOUS, timeout: float | None = None) -> Looked:
    """Return how the server is reached, and what is unread there.

    Args:
        server: where.
        user: who asks.
        trust: which servers to speak to.
        timeout: how long to wait, in seconds; who says so is in a hurry, and leaves the outbox alone.

    Raises:
        As :func:`send`.
    """

    def talk(connection: Connection) -> Looked:
        connection.send(Unread(n=1), Bye())
        unread = connection.receive(UnreadList)
        assert connection.welcome is not None  # noqa: S101 (it comes before any answer)
        return Looked(connection.welcome, unread, connection.channel)

    if timeout is None:
        return _converse(server, user, "query", talk, trust)
    login = Login(server=server, user=user, trust=trust).with_identity()
    return with_retries(login, "query", talk, timeout)


def _converse(
    server: Address,
    user: str,
    purpose: Purpose,
    talk: Callable[[Connection], Result],
    trust: Trust,
    identity: Identity | None = None,
) -> Result:
    """Do as :func:`~chatcli.client.transport.blocking.with_retries` does, under a name; the outbox goes out first."""
    login = Login(server=server, user=user, trust=trust, identity=identity).with_identity()
    empty_spool(server, user, trust, login.identity, asking=purpose == "query")
    return with_retries(login, purpose, talk)


def _asking(question: ClientFrame) -> Callable[[Connection], ServerFrame]:
    """Return what says the question and goodbye in one breath, and returns the answer."""

    def talk(connection: Connection) -> ServerFrame:
        connection.send(question, Bye())
        return connection.receive(*_ANSWERS)

    return talk


def _expect(kind: type[Answer], answer: ServerFrame, server: Address) -> Answer:
    if not isinstance(answer, kind):
        raise ProtocolError(f"{server} answered with something else than was asked for.")
    return answer
