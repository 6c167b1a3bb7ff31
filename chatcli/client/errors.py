"""The exceptions that stand for the server's refusals."""

from __future__ import annotations

import contextlib
from typing import Final

from msgspec.structs import replace

from chatcli.errors import (
    ChatError,
    InputError,
    ProtocolError,
    Refused,
    ServerUnavailable,
    ServerUnreachable,
    UnknownAsker,
    UnknownRecipient,
    UnknownReply,
)
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, Purpose, ServerBye
from chatcli.protocol.values.names import check_name
from chatcli.protocol.values.text import printable_line

_MOST_NAMES: Final = 3

#: Errors that pass: the same request may succeed a little later.
_TEMPORARY: Final[dict[str, type[ServerUnavailable]]] = {
    codes.STORAGE: ServerUnavailable,
    codes.STOPPING: ServerUnreachable,
    codes.FULL: ServerUnreachable,
    codes.TIMEOUT: ServerUnreachable,
}
#: Errors after which one end must be at fault.
_GARBLED: Final = {codes.MALFORMED, codes.UNKNOWN_TAG, codes.INVALID, codes.UNEXPECTED}


def login_refusal(frame: Error | ServerBye, key_path: str = "", *, purpose: Purpose = "join") -> ChatError:
    """Return the exception for a frame that refuses the login.

    Args:
        frame: the server's answer to the hello or to the proof.
        key_path: the file of the key, which the sentence about a name of another key mentions: the key may have been
            made for another user, or just now, as where cron or sudo sets another HOME.
        purpose: the purpose of the hello: only those who join or send can take a new name.
    """
    frame = _on_one_line(frame)
    if frame.code == codes.UNKNOWN_USER and purpose == "query":
        return UnknownAsker(frame.code, f"{frame.text} To ask, one must have joined or sent something before.", [])
    if frame.code == codes.ALREADY_HERE:
        _, colon, advice = frame.text.rpartition(": ")
        return Refused(frame.code, frame.text, advice if colon else "")
    if frame.code != codes.NAME_TAKEN:
        return as_exception(frame)
    shown = f" The key that was shown is in {key_path}: HOME or XDG_CONFIG_HOME may lead to another one."
    return Refused(frame.code, frame.text + (shown if key_path else ""), names=_valid_names(frame))


def as_exception(frame: Error | ServerBye) -> ChatError:
    """Return the exception that stands for a refusal."""
    frame = _on_one_line(frame)
    if (kind := _temporary(frame)) is not None:
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


def _on_one_line(frame: Error | ServerBye) -> Error | ServerBye:
    """Return a frame whose text is one line: a further one would look like a line of this program's own."""
    return replace(frame, text=printable_line(frame.text))


def _valid_names(frame: Error | ServerBye) -> list[str]:
    """Return the names in a frame that can be names of people: they are suggested and part of commands."""
    names = []
    for name in frame.names[:_MOST_NAMES] if isinstance(frame, Error) else ():
        with contextlib.suppress(InputError):
            names.append(check_name(name).text)
    return names


def _mistake(frame: Error | ServerBye) -> InputError | None:
    """Return the exception for a request that can never succeed; None for any other error."""
    if frame.code == codes.UNKNOWN_REPLY:
        return UnknownReply(frame.text)
    # An error that names a message means that the frame could be read: the message itself is wrong.
    if frame.code == codes.BAD_QUERY or (frame.code == codes.INVALID and getattr(frame, "id", None) is not None):
        return InputError(frame.text)
    return None


def _temporary(frame: Error | ServerBye) -> type[ServerUnavailable] | None:
    """Return the exception for an error that passes by itself; None for any other."""
    whole_connection = isinstance(frame, ServerBye) or (frame.id, frame.n) == (None, None)
    if frame.code == codes.TOO_MANY and whole_connection:
        return ServerUnavailable  # a limit per address and time; other limits wait for the user to act
    return _TEMPORARY.get(frame.code)
