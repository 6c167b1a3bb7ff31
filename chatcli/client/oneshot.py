"""Says or asks one thing and leaves, on a blocking socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from chatcli.client.exchange import TIMEOUT, Exchange, Kind, converse
from chatcli.client.files import config_directory
from chatcli.client.identity import Identity, load_identity
from chatcli.client.ids import new_id
from chatcli.client.trust import CAUTIOUS, Trust
from chatcli.errors import ChatError, ProtocolError, Refused, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.protocol.frames import (
    MAX_PAGE,
    VERSION,
    Bye,
    ClientFrame,
    Done,
    Found,
    Hello,
    History,
    HistoryPage,
    KeyList,
    LinkCode,
    Message,
    People,
    Person,
    Purpose,
    Receipt,
    ReceiptList,
    Receipts,
    RoomList,
    Search,
    Send,
    Sent,
    ServerFrame,
    Who,
)
from chatcli.protocol.keys import key_text
from chatcli.protocol.names import is_room

_ANSWERS: Final = (Sent, People, RoomList, LinkCode, KeyList, Done)
_OF_RECEIPTS: Final[tuple[type[ReceiptList | Receipt], ...]] = (ReceiptList, Receipt)
_BETWEEN_LOOKS: Final = 1.0  # seconds from one failure to reach the server to the next, while waiting for a receipt

Answer = TypeVar("Answer", bound=ServerFrame)


class Receipted(NamedTuple):
    """A message that is on the server's disk.

    Attributes:
        sent: what the server said of it.
        seen: whether a recipient has been shown it, as far as they let it be known.
        why: what kept us from learning that, as a sentence; empty if it is only that the time was over.
    """

    sent: Sent
    seen: bool
    why: str = ""


class Pages(NamedTuple):
    """Messages in the order of the question; ``more`` if there are older ones."""

    messages: list[Message]
    more: bool


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
        UnknownRecipient: nobody called ``to`` was ever here, or there is no such room.
        Refused: the server said no to the name or to the message.
        ProtocolError: what answers is no chatcli server.
    """
    return _expect(Sent, request(server, user, Send(new_id(), to, text, re), trust, identity), server)


def send_and_wait(
    server: Address,
    user: str,
    message: Send,
    timeout: float,
    trust: Trust = CAUTIOUS,
    identity: Identity | None = None,
    stored: Callable[[], None] = lambda: None,
) -> Receipted:
    """Send one message, then wait until its recipient, or somebody else in the room, has been shown it.

    Once the message is on disk nothing is raised any more, lest it is sent again: a connection that breaks is made
    again until the time is over.

    Args:
        server: where to.
        user: who says it.
        message: what, and to whom.
        timeout: how long to wait after the message is on disk, in seconds.
        trust: which servers to speak to.
        identity: the user's key; by default the one in their configuration.
        stored: called once the message is on disk.

    Raises:
        As :func:`send`.
    """
    wait = _Wait(message, timeout, stored)
    hello, identity = _named(user, "send", identity)
    while True:
        try:
            seen = converse(server, hello, wait.talk, trust, identity, wait.patience())
        except ServerUnreachable:
            if wait.sent is None:
                raise
            if wait.over():
                return Receipted(wait.sent, seen=False)
            time.sleep(min(_BETWEEN_LOOKS, wait.left()))
        except ChatError as error:
            if wait.sent is None:
                raise
            return Receipted(wait.sent, seen=False, why=str(error))
        else:
            assert wait.sent is not None  # noqa: S101 (it comes before anyone sees it)
            return Receipted(wait.sent, seen)
        trust = trust.settled()  # it is no first contact any more


class _Wait:
    """A message on its way, and the wait for its receipt, over as many connections as it takes."""

    def __init__(self, message: Send, timeout: float, stored: Callable[[], None]) -> None:
        self._message = message
        self._timeout = timeout
        self._stored = stored
        self._until = 0.0
        self.sent: Sent | None = None

    def left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def over(self) -> bool:
        return not self.left()

    def patience(self) -> float:
        """Return how long to try to reach the server, in seconds."""
        return TIMEOUT if self.sent is None else max(0.1, min(TIMEOUT, self.left()))

    def talk(self, exchange: Exchange) -> bool:
        """Return whether the message was seen in time."""
        if self.sent is None:
            exchange.say(self._message)
            self.sent = exchange.hear(Sent)
            self._until = time.monotonic() + self._timeout
            self._stored()
        exchange.deadline = self._until
        try:
            return self._watch(exchange, self.sent.seq)
        except TimeoutError:
            if self.over():
                return False
            raise

    def _watch(self, exchange: Exchange, seq: int) -> bool:
        """Return once someone else has been shown what stands at ``seq``."""
        exchange.say(Receipts(self._message.to, watch=True, n=1))
        early: list[Receipt] = []  # what came before the answer, and may be newer than what it says
        while True:
            known = exchange.hear(*_OF_RECEIPTS)
            if isinstance(known, ReceiptList):
                break
            early.append(known)
        to = known.to
        own = exchange.welcome.user if exchange.welcome else ""

        def counts(receipt: Receipt) -> bool:
            return receipt.since < seq <= receipt.seq and (receipt.user != own if is_room(to) else receipt.user == to)

        def concerns(receipt: Receipt) -> bool:
            return receipt.to == (to if is_room(to) else "") and counts(receipt)

        if any(map(counts, known.people)) or any(map(concerns, early)):
            return True
        while not concerns(exchange.hear(Receipt)):
            pass
        return True


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
    hello, identity = _named(user, purpose, identity)
    return converse(server, hello, _asking(frame), trust, identity)


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
    kind: type[HistoryPage | Found] = HistoryPage if isinstance(question, History) else Found
    pages: list[list[Message]] = []  # what was read before a connection broke is not read again
    before = question.before

    def talk(exchange: Exchange) -> bool:
        nonlocal before
        while True:
            left = limit - sum(map(len, pages))
            exchange.deadline = time.monotonic() + TIMEOUT
            exchange.say(msgspec.structs.replace(question, before=before, limit=min(left, MAX_PAGE), n=1))
            page = exchange.hear(kind)
            if page.messages:
                pages.append(page.messages)
                before = min(message.seq for message in page.messages)
            if not page.more or not page.messages or left <= len(page.messages):
                exchange.say(Bye())
                return page.more

    hello, identity = _named(user, "query", None)
    more = converse(server, hello, talk, trust, identity)
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
    try:
        answer = converse(server, Hello(VERSION, purpose="query"), _asking(question), trust, None)
    except Refused as refusal:
        if refusal.code != codes.KEY_REQUIRED or not user:
            raise
        answer = request(server, user, question, trust, purpose="query")
    return _expect(People, answer, server).people


def _named(user: str, purpose: Purpose, identity: Identity | None) -> tuple[Hello, Identity]:
    identity = identity or load_identity(config_directory())
    return Hello(VERSION, user, purpose, key_text(identity.public)), identity


def _asking(question: ClientFrame) -> Callable[[Exchange], ServerFrame]:
    """Return what says the question and goodbye in one breath, and returns the answer."""

    def talk(exchange: Exchange) -> ServerFrame:
        exchange.say(question, Bye())
        return exchange.hear(*_ANSWERS)

    return talk


def _expect(kind: type[Answer], answer: ServerFrame, server: Address) -> Answer:
    if not isinstance(answer, kind):
        raise ProtocolError(f"{server} answered with something else than was asked for.")
    return answer
