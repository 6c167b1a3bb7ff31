"""Answers the server's challenge: proves the user's key on one connection, for one name and purpose."""

from __future__ import annotations

from chatcli.client.identity.key import Identity
from chatcli.client.identity.trust import Channel
from chatcli.errors import ProtocolError, ServerNotTrusted
from chatcli.protocol.frames import Challenge, Hello, Prove
from chatcli.protocol.keys import NONCE_BYTES, Claim, key_bytes, key_text, signed_bytes


def prove(identity: Identity, hello: Hello, challenge: Challenge, channel: Channel) -> Prove:
    """Return the proof that the server asks for.

    Raises:
        ServerNotTrusted: over TLS, the server claims another key than that of the certificate it has shown.
        ProtocolError: the challenge is none.
    """
    if channel.server_key and channel.server_key != challenge.key:
        raise ServerNotTrusted(
            "The server claims another key than it shows: something is in between, or TLS ends before the server. "
            "Ask its operator."
        )
    try:
        nonce = key_bytes(challenge.nonce, NONCE_BYTES)
    except ValueError:
        raise ProtocolError("The server's challenge is none: is it a chatcli server?") from None
    claim = Claim(hello.version, challenge.key, nonce, hello.user, hello.purpose, channel.binding)
    return Prove(key_text(identity.sign(signed_bytes(claim))))
