"""Every exception that chatcli raises on purpose, each carrying one sentence for people.

::

    ChatError
    ├── InputError            you erred: an address, a name, a text or a file of yours that cannot be right
    │   └── UnknownReply      a message answers one that is not in the same conversation
    ├── ServerUnavailable     not now: the server cannot do it at the moment; ``code`` says why, where it has said so
    │   └── ServerUnreachable nobody answers at that address, or the connection broke
    ├── ProtocolError         the peer erred: what it said is not the chatcli protocol
    ├── Refused               the server understood and said no; ``code`` says why
    │   └── UnknownRecipient  nobody was ever here under that name, or there is no such room
    │       └── UnknownAsker  nobody was ever here under the name of who asks
    ├── HeldBack              not sent, since another recipient cannot get it
    ├── ServerNotTrusted      the server's key is not the right one, or nobody says that it is
    │   └── UnknownServer     someone can be asked whether ``key`` is the server's
    ├── StoreError            the log cannot be opened, read or written
    └── ServeError            the server cannot start here
"""

from __future__ import annotations


class ChatError(Exception):
    """Base of all of them; ``str()`` is a sentence that names the cause and the remedy."""


class InputError(ChatError):
    """Something given by the person at this end cannot be right."""


class UnknownReply(InputError):
    """A message answers one that is not in the same conversation, or that its sender may not read."""


class ServerUnavailable(ChatError):
    """The server cannot do that at the moment; nothing is wrong with what was asked, and trying again later may help.

    Attributes:
        code: what the server has said of it, one of :mod:`chatcli.protocol.codes`; empty where it has said nothing.
    """

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class ServerUnreachable(ServerUnavailable):
    """No connection to the server, or it broke before the answer came."""


class ProtocolError(ChatError):
    """The other end said something that is not the chatcli protocol."""


class Refused(ChatError):
    """The server said no.

    Attributes:
        code: the stable code of the refusal, one of :mod:`chatcli.protocol.codes`.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class UnknownRecipient(Refused):
    """Nobody has ever been here under that name, or there is no room of that name that one may see.

    Attributes:
        names: known names that come close, the closest first.
    """

    def __init__(self, code: str, sentence: str, names: list[str]) -> None:
        super().__init__(code, sentence)
        self.names = names


class UnknownAsker(UnknownRecipient):
    """Nobody has ever been here under the name of who asks; asking does not make it known."""


class HeldBack(ChatError):
    """Not sent, since another recipient of the same cannot get it.

    Attributes:
        cause: why that one cannot.
    """

    def __init__(self, sentence: str, cause: ChatError) -> None:
        super().__init__(sentence)
        self.cause = cause


class ServerNotTrusted(ChatError):
    """The server may not be the one that was meant: nothing was said to it."""


class UnknownServer(ServerNotTrusted):
    """Nothing speaks for or against the server, and there is someone who can be asked about its key.

    Attributes:
        key: the fingerprint of the key that the server shows.
        question: what to ask, to be answered with yes or no.
    """

    def __init__(self, sentence: str, key: str, question: str) -> None:
        super().__init__(sentence)
        self.key = key
        self.question = question


class StoreError(ChatError):
    """The log cannot be opened, read or written."""


class ServeError(ChatError):
    """The server cannot start: the port, the permission, the certificate or the data directory is in the way."""
