"""TLS at the client's end: how to try a server, what it has shown, and what to say when it does not speak TLS.

Imported only for servers that are spoken to in TLS.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatcli.client.trust import Channel, Trust
from chatcli.errors import ChatError, ProtocolError, ServerUnreachable
from chatcli.protocol.address import Address
from chatcli.protocol.keys import fingerprint

#: Raised by a handshake whose certificate no authority vouches for; the next way does without them.
NotVouched: Final = ssl.SSLCertVerificationError

_HUNG_UP: Final = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)


class Way(NamedTuple):
    """A way to make the handshake; ``vouched``: it fails unless an authority vouches for the server."""

    context: ssl.SSLContext
    vouched: bool


def ways(server: Address, trust: Trust) -> list[Way]:
    """Return the ways to try in turn, each on a connection of its own.

    Raises:
        InputError: the file of known servers cannot be used.
    """
    by_key = Way(_by_key(), vouched=False)
    if trust.expects_key(server):
        return [by_key]
    return [Way(_by_authority(), vouched=True), by_key]


def _by_authority() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _by_key() -> ssl.SSLContext:
    """Return a context that takes any certificate: what counts is the key, which :meth:`Trust.check` compares."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def host_name(server: Address) -> str:
    """Return the host as certificates have it: without the network interface of a link-local address."""
    return server.host.partition("%")[0]


def shown(server: Address, connection: ssl.SSLSocket | ssl.SSLObject) -> Channel:
    """Return what the server has shown in the handshake.

    Raises:
        ProtocolError: its certificate is not one.
    """
    certificate = connection.getpeercert(binary_form=True) or b""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProtocolError(f"The certificate of {server} cannot be read ({error}).") from None
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Channel(fingerprint(info), hashlib.sha256(certificate).digest())


def failure(server: Address, error: Exception) -> ChatError | None:
    """Return what to say of a handshake that failed, or None where something else did."""
    if isinstance(error, _HUNG_UP):
        return ServerUnreachable(
            f"{server} closed the connection instead of speaking TLS: is it a chatcli server? Check the address."
        )
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if "ALERT" in reason or reason == "UNSUPPORTED_PROTOCOL":
        return ProtocolError(f"{server} does not speak TLS 1.2 or newer with us ({reason}): is it a chatcli server?")
    return ProtocolError(f"{server} does not speak TLS: is it a chatcli server? Check the address and the port.")
