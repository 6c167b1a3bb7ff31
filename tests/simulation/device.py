"""A simulated device of a user: it proves its key, repeats what was not answered, and records what it gets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from chatcli.protocol import frames as f
from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.connection import Connection
    from tests.support import TestKey

#: Frames that answer a request with their ``n``.
_ANSWERS: Final = (
    f.Done,
    f.Room,
    f.RoomList,
    f.LinkCode,
    f.Token,
    f.TokenList,
    f.KeyList,
    f.HistoryPage,
    f.Pong,
    f.Answered,
)
_UNNUMBERED: Final = (f.Ack, f.Idle, f.Bye, f.Hello, f.Prove, f.Send)
_UNANSWERED: Final = (f.Ack, f.Idle, f.MarkRead)


class Device:
    """A client of one user, connected or not.

    Args:
        name: the user's name.
        key: its key.
        number: distinguishes it from all others, for the ids of its messages and its address.

    Attributes:
        name: as given.
        key: as given.
        user: the user's id, once it was logged in; 0 before.
        token: logs in with this in place of a key, if it is not empty.
        welcome: the last welcome; None while it is not logged in.
        first: the place after which its feed began for the first time; None before that.
        unanswered: the messages that were not answered yet, oldest first.
        sent: the answers to those that were stored, in order of arrival.
        sendings: the numbers of the first and of the last time that it has sent each of its messages, by id.
        feeds: the messages and changes of names of each of its connections, in order of arrival.
        position: the place up to which it has its feed.
        refusals: the codes of all errors and goodbyes.
        answers: the answers to requests, by their number.
        open_requests: the requests on the present connection that have yet to be answered, by their number.
        vouched: whether it was ever let in with a code.
        knocking: whether it waits to be let in.
    """

    def __init__(self, name: str, key: TestKey, number: int) -> None:
        self.name = name
        self.key = key
        self.user = 0
        self.token = ""
        self.host = f"10.0.{number // 250}.{number % 250 + 1}"
        self.welcome: f.Welcome | None = None
        self.first: int | None = None
        self.unanswered: list[f.Send] = []
        self.sent: list[f.Sent] = []
        self.sendings: dict[str, tuple[int, int]] = {}
        self.feeds: list[list[f.Message | f.NameChange]] = []
        self.position = 0
        self.refusals: list[str] = []
        self.answers: dict[int, f.ServerFrame] = {}
        self.open_requests: dict[int, f.ClientFrame] = {}
        self.vouched = False
        self.knocking = False
        self._number = number
        self._requests = 0
        self._messages = 0
        self._sendings = 0
        self._hello: f.Hello | None = None
        self._connection: Connection | None = None

    def __str__(self) -> str:
        return f"{self.name}/{self._number}"

    @property
    def connected(self) -> bool:
        """Whether there is a connection, with a welcome or before it."""
        return self._connection is not None

    @property
    def welcomed(self) -> bool:
        """Whether it is logged in."""
        return self._connection is not None and self.welcome is not None

    @property
    def tokens(self) -> list[str]:
        """The tokens that it was given."""
        return [answer.token for answer in self.answers.values() if isinstance(answer, f.Token)]

    @property
    def codes(self) -> list[str]:
        """The codes with which another device may add its key, of which many are used or too old, and the tokens."""
        codes = [answer.code for answer in self.answers.values() if isinstance(answer, f.LinkCode)]
        return self.tokens + codes

    @property
    def messages(self) -> list[f.Message]:
        """All messages that have come, in order."""
        return [one for feed in self.feeds for one in feed if isinstance(one, f.Message)]

    @property
    def has_feed(self) -> bool:
        """Whether it gets messages on the present connection."""
        return self.welcomed and self._hello is not None and self._hello.purpose in ("join", "listen")

    def connect(
        self,
        connect: Callable[[str], Connection],
        purpose: f.Purpose = "join",
        *,
        link: str = "",
        invite: str = "",
        present: f.Present = "attach",
    ) -> None:
        """Connect; the rest of the login, and everything unanswered, follows as the server answers.

        Args:
            connect: opens a connection from an address.
            purpose: as in ``hello``.
            link: a code from another device, a recovery token, or a code of an operator.
            invite: a code of an operator.
            present: as in ``hello``.
        """
        self.hang_up()
        self._hello = f.Hello(
            f.VERSION,
            "" if self.token else self.name,
            purpose,
            key="" if self.token else key_text(self.key.public),
            since=None if self.first is None else self.position,
            present=present,
            link=link,
            invite=invite,
            revision=f.REVISION,
            token=self.token,
        )
        self.knocking = True
        self._connection = connect(self.host)
        self._connection.write([self._hello])

    def hang_up(self) -> None:
        """Close the connection, whatever is under way."""
        if self._connection is not None:
            self._connection.hang_up()
        self._forget()

    def _forget(self) -> None:
        self._connection, self.welcome, self.knocking = None, None, False
        self.open_requests.clear()

    def say(self, to: str, text: str, **more: object) -> str:
        """Send a message, or keep it for the next connection; return its id."""
        self._messages += 1
        identity = str(uuid.UUID(int=self._number << 64 | self._messages, version=4))
        frame = f.Send(identity, to, text)
        for name, value in more.items():
            setattr(frame, name, value)
        self.unanswered.append(frame)
        self._send([frame])
        return identity

    def _send(self, messages: list[f.Send]) -> None:
        if not self.welcomed or self._connection is None:
            return
        for message in messages:
            self._sendings += 1
            first, _ = self.sendings.get(message.id, (self._sendings, 0))
            self.sendings[message.id] = first, self._sendings
        self._connection.write(messages)

    def repeat(self) -> None:
        """Send everything again that is not answered."""
        self._send(list(self.unanswered))

    def ask(self, frame: f.ClientFrame) -> int:
        """Send a request; return its number, under which the answer will be found."""
        self._requests += 1
        if not isinstance(frame, _UNNUMBERED):
            frame.n = self._requests
        if self.welcomed and self._connection is not None:
            if not isinstance(frame, _UNANSWERED):
                self.open_requests[self._requests] = frame
            self._connection.write([frame])
        return self._requests

    def acknowledge(self) -> None:
        """Acknowledge the messages that have come."""
        if self.has_feed:
            self.ask(f.Ack(self.position))

    def hear(self) -> bool:
        """Process what the server has written; return whether there was anything."""
        connection = self._connection
        if connection is None:
            return False
        frames = connection.read()
        for frame in frames:
            self._process(frame)
        if connection.closed and self._connection is connection:
            self._forget()
        return bool(frames)

    def _process(self, frame: f.ServerFrame) -> None:
        match frame:
            case f.Challenge():
                self._prove(frame)
            case f.Welcome():
                self._enter(frame)
            case f.Message() | f.NameChange():
                self.feeds[-1].append(frame)
                self.position = max(self.position, frame.seq)
            case f.Live():
                self.position = max(self.position, frame.seq)
            case f.Sent():
                self._settle(frame.id)
                self.sent.append(frame)
            case f.Error() | f.ServerBye():
                self._refused(frame)
            case _ if isinstance(frame, _ANSWERS):
                self._answered(frame.n, frame)

    def _settle(self, identity: str) -> None:
        self.unanswered = [one for one in self.unanswered if one.id != identity]

    def _refused(self, frame: f.Error | f.ServerBye) -> None:
        self.refusals.append(frame.code)
        self.knocking = False
        if isinstance(frame, f.Error) and frame.id is not None:
            self._settle(frame.id)
        elif isinstance(frame, f.Error) and frame.n:
            self._answered(frame.n, frame)

    def _answered(self, number: int, frame: f.ServerFrame) -> None:
        self.answers[number] = frame
        self.open_requests.pop(number, None)

    def _prove(self, challenge: f.Challenge) -> None:
        connection, hello = self._connection, self._hello
        assert connection is not None
        assert hello is not None
        claim = Claim(
            version=f.VERSION,
            server_key=challenge.key,
            nonce=key_bytes(challenge.nonce, 32),
            user=hello.user,
            purpose=hello.purpose,
            channel=b"",
        )
        connection.write([f.Prove(key_text(self.key.sign(signed_bytes(claim))))])

    def _enter(self, welcome: f.Welcome) -> None:
        self.welcome, self.knocking = welcome, False
        assert self._connection is not None
        self.user = self._connection.session.require_user().id
        self.vouched |= bool(self._hello is not None and self._hello.link)
        if self.has_feed:
            self.feeds.append([])
            if self.first is None:
                self.first = welcome.cursor
            self.position = max(self.position, welcome.cursor)
        self.repeat()
