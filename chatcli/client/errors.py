"""Turns what the server refuses into exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.errors import (
    ChatError,
    InputError,
    ProtocolError,
    Refused,
    ServerUnavailable,
    ServerUnreachable,
    UnknownRecipient,
    UnknownReply,
)
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, ServerBye

if TYPE_CHECKING:
    from chatcli.client.identity.key import Identity

#: After these what was asked may work a little later: nothing is wrong with it.
_PASSING: Final[dict[str, type[ServerUnavailable]]] = {
    codes.STORAGE: ServerUnavailable,
    codes.STOPPING: ServerUnreachable,
    codes.FULL: ServerUnreachable,
    codes.TIMEOUT: ServerUnreachable,
}
#: These mean that one end does not speak the protocol as the other understands it.
_GARBLED: Final = {codes.MALFORMED, codes.UNKNOWN_TAG, codes.INVALID, codes.UNEXPECTED}


def of_greeting(frame: Error | ServerBye, identity: Identity | None) -> ChatError:
    """Return the exception for what the server says before it lets us in.

    Where the name is that of another key, the sentence names the key that was shown: it may be one that was made for
    another user, or just now, as where cron or sudo has another HOME.
    """
    if frame.code != codes.NAME_TAKEN or identity is None or not identity.path:
        return as_exception(frame)
    return Refused(
        frame.code,
        f"{frame.text} The key that was shown is in {identity.path}: HOME or XDG_CONFIG_HOME may lead to another one.",
    )


def as_exception(frame: Error | ServerBye) -> ChatError:
    """Return the exception that says what the frame says."""
    if (kind := _passing(frame)) is not None:
        return kind(frame.text, frame.code)
    if frame.code in (codes.UNKNOWN_USER, codes.NOT_HERE, codes.UNKNOWN_ROOM):
        return UnknownRecipient(frame.code, frame.text, frame.names if isinstance(frame, Error) else [])
    if frame.code == codes.FRAME_TOO_LONG:
        return Refused(codes.TEXT_TOO_LONG, "That is longer than a message may be: send it in parts.")
    if (mistake := _mistake(frame)) is not None:
        return mistake
    if frame.code in _GARBLED:
        return ProtocolError(f"The server did not understand: {frame.text}")
    return Refused(frame.code, frame.text)


def _mistake(frame: Error | ServerBye) -> InputError | None:
    """Return the exception for a request that can never be right, None for anything else."""
    if frame.code == codes.UNKNOWN_REPLY:
        return UnknownReply(frame.text)
    # An error that names a message means that the frame could be read: the message itself is wrong.
    if frame.code == codes.BAD_QUERY or (frame.code == codes.INVALID and getattr(frame, "id", None) is not None):
        return InputError(frame.text)
    return None


def _passing(frame: Error | ServerBye) -> type[ServerUnavailable] | None:
    """Return the exception for what is over in a while by itself, None for anything else."""
    of_the_connection = isinstance(frame, ServerBye) or (frame.id, frame.n) == (None, None)
    if frame.code == codes.TOO_MANY and of_the_connection:
        return ServerUnavailable  # an address may do so much in a while; other limits wait for the user to do something
    return _PASSING.get(frame.code)
