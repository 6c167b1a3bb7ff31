"""Text forms of keys, and the bytes that a client signs to prove its key.

Nothing here signs or verifies: both ends do that with their libraries.
"""

from __future__ import annotations

import binascii
from typing import Final

from msgspec import Struct

PUBLIC_KEY_BYTES: Final = 32  # Ed25519 (RFC 8032)
SIGNATURE_BYTES: Final = 64
NONCE_BYTES: Final = 32

# SubjectPublicKeyInfo of an Ed25519 key, up to the key itself (RFC 8410, section 4).
_ED25519_INFO: Final = bytes.fromhex("302a300506032b6570032100")

# Names the use and its version, so that the signature is useless elsewhere.
_CONTEXT: Final = b"chatcli proof of key, version 1"


class Channel(Struct, frozen=True):
    """The channel of a connection; a proof that is bound to it is useless on any other.

    Attributes:
        server_key: the fingerprint of the server's key; empty on a plain connection.
        binding: SHA-256 of the certificate that the server showed; empty on a plain connection.
    """

    server_key: str
    binding: bytes


#: The channel of every connection without TLS.
PLAIN: Final = Channel("", b"")


class Claim(Struct, frozen=True, kw_only=True):
    """The statement that a client signs to prove its key.

    Attributes:
        version: of the protocol.
        server_key: the fingerprint of the server's key, as the client knows it.
        nonce: as in the server's ``challenge``, 32 bytes.
        user: the name, as in ``hello``.
        purpose: as in ``hello``.
        channel: SHA-256 of the certificate that the server showed (RFC 5929, ``tls-server-end-point``), 32 bytes;
            empty on a plain connection; of a page in a browser :func:`origin_channel`.
    """

    version: int
    server_key: str
    nonce: bytes
    user: str
    purpose: str
    channel: bytes


def origin_channel(origin: str) -> bytes:
    """Return the channel of a proof by a page in a browser, which cannot know the certificate."""
    return f"origin {origin}".encode()


def signed_bytes(claim: Claim) -> bytes:
    """Return the bytes to sign: each part preceded by its length, so that no two claims read alike."""
    parts = (
        _CONTEXT,
        str(claim.version).encode(),
        claim.server_key.encode(),
        claim.nonce,
        claim.user.encode(),
        claim.purpose.encode(),
        claim.channel,
    )
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def fingerprint(public_key_info: bytes) -> str:
    """Return a key's fingerprint, ``SHA256:9yCz…``: of its SubjectPublicKeyInfo in DER, base64 without padding."""
    import hashlib  # noqa: PLC0415 (loads OpenSSL, which a command to a server on this machine does not need)

    return "SHA256:" + key_text(hashlib.sha256(public_key_info).digest())


def ed25519_fingerprint(public_key: bytes) -> str:
    """Return the fingerprint of an Ed25519 public key of 32 bytes."""
    return fingerprint(_ED25519_INFO + public_key)


def is_fingerprint(text: str) -> bool:
    """Return whether ``text`` has the form of a fingerprint."""
    algorithm, colon, digest = text.partition(":")
    return bool(colon) and algorithm == "SHA256" and len(digest) == 43 and _decodes(digest + "=")


def _decodes(text: str) -> bool:
    try:
        return len(binascii.a2b_base64(text, strict_mode=True)) == 32
    except ValueError:
        return False


def key_text(raw: bytes) -> str:
    """Return a key, a nonce or a signature as text for a frame: base64 without padding."""
    return binascii.b2a_base64(raw, newline=False).decode().rstrip("=")


def key_bytes(text: str, length: int) -> bytes:
    """Return the bytes of a key, a nonce or a signature.

    Raises:
        ValueError: it is not base64, or not of that length.
    """
    raw = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    if len(raw) != length or key_text(raw) != text:
        raise ValueError(text)
    return raw
