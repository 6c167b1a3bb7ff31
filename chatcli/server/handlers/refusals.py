"""Refusals: what the answer to a frame says where there is no other answer."""

from __future__ import annotations

from chatcli.errors import ChatError, InputError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode


def as_refusal(error: ChatError) -> Refused:
    """Return the refusal with which an error of the server is answered."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InputError):
        return Refused(codes.BAD_QUERY, str(error))
    return Refused(codes.STORAGE, f"The server cannot do that at the moment: {error}. Tell its operator.")


def error_line(frame: f.ClientFrame, refusal: Refused) -> bytes:
    """Return the encoded error that refuses a frame and names it."""
    identity, number = getattr(frame, "id", None), getattr(frame, "n", None)
    names = refusal.names if isinstance(refusal, UnknownRecipient) else []
    return encode(f.Error(refusal.code, str(refusal), identity, number, names))
