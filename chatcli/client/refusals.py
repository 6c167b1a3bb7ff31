"""Turns what the server refuses into exceptions."""

from __future__ import annotations

from typing import Final

from chatcli.errors import (
    ChatError,
    InputError,
    ProtocolError,
    Refused,
    ServerUnreachable,
    StoreError,
    UnknownRecipient,
)
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, ServerBye

#: What the server's sentence says it all for.
_TOLD: Final[dict[str, type[ChatError]]] = {
    codes.BAD_QUERY: InputError,
    codes.STORAGE: StoreError,
    # After these the same thing may well work a little later: nothing was wrong with what was asked.
    codes.STOPPING: ServerUnreachable,
    codes.FULL: ServerUnreachable,
    codes.TIMEOUT: ServerUnreachable,
}
#: These mean that one end does not speak the protocol as the other understands it.
_GARBLED: Final = {codes.MALFORMED, codes.UNKNOWN_TAG, codes.INVALID, codes.UNEXPECTED}


def as_exception(frame: Error | ServerBye) -> ChatError:
    """Return the exception that says what the frame says."""
    if frame.code in _TOLD:
        return _TOLD[frame.code](frame.text)
    if frame.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
        return UnknownRecipient(frame.code, frame.text, frame.names if isinstance(frame, Error) else [])
    if frame.code == codes.FRAME_TOO_LONG:
        return Refused(codes.TEXT_TOO_LONG, "That is longer than a message may be: send it in parts.")
    if frame.code == codes.INVALID and isinstance(frame, Error) and frame.id is not None:
        return InputError(frame.text)  # it was read: what is wrong is the message that it names
    if frame.code in _GARBLED:
        return ProtocolError(f"The server did not understand: {frame.text}")
    return Refused(frame.code, frame.text)
