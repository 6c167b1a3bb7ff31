"""The exceptions that chatcli raises, each with one sentence for people.

::

    ChatError
    ├── InputError            an address, a name, a text or a file of yours is invalid
    │   └── UnknownReply      a message answers one that is not in the same conversation
    ├── ServerUnavailable     the server cannot do it now; ``code`` gives the reason if it sent one
    │   └── ServerUnreachable no server answers at that address, or the connection broke
    ├── ProtocolError         the other end does not speak the chatcli protocol
    │   └── ForeignAnswer     a web server or a proxy answers, and leads to no chatcli server
    ├── Refused               the server understood and refused; ``code`` gives the reason
    │   └── UnknownRecipient  nobody has ever used that name, or there is no such room
    │       └── UnknownAsker  nobody has ever used the name of the user who asks
    ├── HeldBack              not sent, because another recipient cannot get it
    ├── ServerNotTrusted      the server's key is wrong, or nothing vouches for it
    │   └── UnknownServer     a person can be asked whether ``key`` is the server's
    ├── StoreError            the log cannot be opened, read or written
    └── ServeError            the server cannot start here
"""

from __future__ import annotations

from collections.abc import Sequence


class ChatError(Exception):
    """Base class; ``str()`` is a sentence that names the cause and the remedy."""


class InputError(ChatError):
    """Invalid input from the person at this end."""


class UnknownReply(InputError):
    """A message answers one that is not in the same conversation, or that its sender may not read."""


class ServerUnavailable(ChatError):
    """The server cannot do it now; the request is valid, and trying again later may help.

    Attributes:
        code: the server's reason, one of :mod:`chatcli.protocol.codes`; empty if it sent none.
    """

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class ServerUnreachable(ServerUnavailable):
    """The connection to the server failed, or broke before the answer came."""


class ProtocolError(ChatError):
    """The other end does not speak the chatcli protocol."""


class ForeignAnswer(ProtocolError):
    """A web server or a proxy answers in HTTP, and does not lead to a chatcli server."""


class Refused(ChatError):
    """The server refused a request.

    Attributes:
        code: the stable code of the refusal, one of :mod:`chatcli.protocol.codes`.
        advice: the part of the sentence that names options of a command; empty if there is none.
        names: names to use instead, the best first: free ones for one that is taken, known ones for an unknown one.
    """

    def __init__(self, code: str, sentence: str, advice: str = "", names: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.advice = advice
        self.names = list(names)

    @property
    def reason(self) -> str:
        """The sentence without its advice, for a person who is asked what to do."""
        return f"{str(self).removesuffix(self.advice).rstrip(' :.')}."


class UnknownRecipient(Refused):
    """Nobody has ever used that name, or there is no such room that the user may see."""

    def __init__(self, code: str, sentence: str, names: list[str]) -> None:
        super().__init__(code, sentence, names=names)


class UnknownAsker(UnknownRecipient):
    """Nobody has ever used the name of the user who asks; asking does not register it."""


class HeldBack(ChatError):
    """A message was not sent, because another recipient of it cannot get it.

    Attributes:
        cause: the error for that other recipient.
    """

    def __init__(self, sentence: str, cause: ChatError) -> None:
        super().__init__(sentence)
        self.cause = cause


class ServerNotTrusted(ChatError):
    """The server may be an impostor: nothing was sent to it."""


class UnknownServer(ServerNotTrusted):
    """The server is unknown, and a person can be asked about its key.

    Attributes:
        key: the fingerprint of the server's key.
        question: a yes-or-no question for that person.
    """

    def __init__(self, sentence: str, key: str, question: str) -> None:
        super().__init__(sentence)
        self.key = key
        self.question = question


class StoreError(ChatError):
    """The log cannot be opened, read or written."""


class ServeError(ChatError):
    """The server cannot start because of its port, a permission, the certificate or the data directory."""
