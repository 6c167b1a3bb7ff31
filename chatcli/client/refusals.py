"""Turns what the server refuses into exceptions."""

from __future__ import annotations

from chatcli.errors import ChatError, ProtocolError, Refused, ServerUnreachable, StoreError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, ServerBye

#: After these the same thing may well work a little later: nothing was wrong with what was asked.
_GONE = {codes.STOPPING, codes.FULL, codes.TIMEOUT}
#: These mean that one end does not speak the protocol as the other understands it.
_GARBLED = {codes.MALFORMED, codes.UNKNOWN_TAG, codes.INVALID, codes.UNEXPECTED}


def as_exception(frame: Error | ServerBye) -> ChatError:
    """Return the exception that says what the frame says."""
    if frame.code == codes.UNKNOWN_USER:
        return UnknownRecipient(frame.code, frame.text, frame.names if isinstance(frame, Error) else [])
    if frame.code == codes.STORAGE:
        return StoreError(frame.text)
    if frame.code == codes.FRAME_TOO_LONG:
        return Refused(codes.TEXT_TOO_LONG, "That is longer than a message may be: send it in parts.")
    if frame.code in _GONE:
        return ServerUnreachable(frame.text)
    if frame.code in _GARBLED:
        return ProtocolError(f"The server did not understand: {frame.text}")
    return Refused(frame.code, frame.text)
