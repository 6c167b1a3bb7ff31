"""TLS at the client's end: attempts to connect, the channel of a connection, and sentences about bad certificates.

Imported only for servers that are contacted in TLS.
"""

from __future__ import annotations

import hashlib
import ipaddress
import selectors
import socket
import ssl
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatcli.client.identity.trust import Trust
from chatcli.errors import ChatError, ProtocolError, ServerNotTrusted, ServerUnreachable
from chatcli.protocol.keys import Channel, fingerprint
from chatcli.protocol.values.address import Address
from chatcli.protocol.values.text import printable_line

#: A connection in TLS: a socket, or what asyncio has in its place.
Connection = socket.socket | ssl.SSLObject

_HUNG_UP: Final = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
# OpenSSL's errors of certificates (X509_V_ERR_…, x509_vfy.h). Without a known authority the key decides.
_NO_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME: Final = frozenset({62, 64})  # of a host, or an IP address
_WEAK: Final = "is too weak ({why}): its operator must get a stronger one."
_FAULTS: Final = {
    9: "is vouched for by one that is not valid yet: its operator must put its chain right.",
    10: "is vouched for by one that has expired: its operator must renew its chain.",
    23: "was revoked by its authority: its operator must get another one.",
    66: _WEAK,  # its key
    67: _WEAK,  # its authority's
    68: _WEAK,  # the digest that is signed
}
_NAMES_SHOWN: Final = 4


class TlsAttempt:
    """An attempt to open a connection in TLS.

    Args:
        name: the server's name: its certificate and its key are checked for this one.
        address: the server's address that is dialled.
        trust: decides about the key that the server shows.
        context: the client's side of TLS.
        vouched: whether the handshake fails unless an authority vouches for the server.

    Attributes:
        host_name: the host in the server's name, as certificates name it: without the network interface of a link-local
            address.
    """

    hello_sent: Final = False

    def __init__(
        self, name: Address, address: Address, trust: Trust, context: ssl.SSLContext, *, vouched: bool
    ) -> None:
        self.context = context
        self.host_name = name.host.partition("%")[0]
        self._name = name
        self._address = address
        self._trust = trust
        self._vouched = vouched

    def start(self, plain: socket.socket) -> Handshake:
        """Start on an established, non-blocking connection."""
        return Handshake(self.context.wrap_socket(plain, server_hostname=self.host_name, do_handshake_on_connect=False))

    def is_final(self, error: OSError, /) -> bool:
        """Return whether the server has answered: with a certificate, if not with one that is vouched for."""
        return isinstance(error, ssl.SSLCertVerificationError)

    def failure(self, error: Exception) -> ChatError | None:
        """Return the exception for a handshake that failed; None if the handshake is not at fault."""
        return failure(self._address, error)

    def accept(self, connection: Connection, doubt: OSError | None) -> Channel:
        """Return the channel of the connection, if the server is to be trusted.

        Raises:
            UnknownServer: a person must confirm the server's key; nobody was asked.
            ServerNotTrusted: the server shows another key than it must.
            ProtocolError: its certificate cannot be read.
        """
        channel = shown(self._name, connection)
        why = doubt_sentence(self._name, connection, doubt)
        self._trust.check(self._name, channel, vouched=self._vouched, doubt=why)
        return channel


class Handshake:
    """The handshake on one connection.

    Attributes:
        connection: the connection to use once the handshake is done.
    """

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.connection = connection

    def advance(self) -> int:
        """Continue as far as possible; return the events to wait for, or 0 once the handshake is done.

        Raises:
            OSError: it has failed.
        """
        try:
            self.connection.do_handshake()
        except ssl.SSLWantReadError:
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        return 0


def attempts(name: Address, address: Address, trust: Trust) -> list[TlsAttempt]:
    """Return the attempts to make in order: first with an authority's word, if that counts, then by the key alone.

    Within a tunnel no authority's word counts: the proxy at its beginning has a certificate for the name, too.

    Args:
        name: the server's name.
        address: the server's address to dial.
        trust: decides about the key that the server shows.

    Raises:
        InputError: the file of known servers cannot be used.
    """
    by_key = TlsAttempt(name, address, trust, _by_key(), vouched=False)
    if name.scheme or address.scheme or trust.expects_key(name):
        return [by_key]
    return [TlsAttempt(name, address, trust, _by_authority(), vouched=True), by_key]


def _by_authority() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _by_key() -> ssl.SSLContext:
    """Return a context that accepts any certificate: only its key counts, which :meth:`Trust.check` compares."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shown(server: Address, connection: Connection) -> Channel:
    """Return the channel of a connection, by the certificate that the server has shown.

    Raises:
        ProtocolError: the certificate cannot be read.
    """
    der = _der(connection)
    return Channel(_key(_certificate(server, der)), hashlib.sha256(der).digest())


def doubt_sentence(server: Address, connection: Connection, error: OSError | None) -> str:
    """Return the reason why no authority vouches for the server, for a person who is asked; empty if one does.

    A self-signed certificate says nothing: only its key counts. One from an authority says until when it is valid, and
    for which names: if it has expired, or is for other names, nobody is asked to trust it all the same.

    Raises:
        ServerNotTrusted: the certificate is from an authority, and not valid here.
    """
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    certificate = _certificate(server, _der(connection))
    code = error.verify_code
    own_work = certificate.issuer == certificate.subject
    if own_work and code in _NO_AUTHORITY | _OTHER_NAME:
        return "It made its certificate itself: no authority vouches for it."
    why = _fault(server, certificate, code, error.verify_message)
    if why:
        raise ServerNotTrusted(
            f"The certificate of {server} {why} Its key is {_key(certificate)}: if you know that this is the right "
            "one, give it with --pin, and no authority is asked."
        )
    issuer = printable_line(certificate.issuer.rfc4514_string())
    return f"Its certificate is from an authority that this system does not trust ({issuer})."


def _fault(server: Address, certificate: x509.Certificate, code: int, message: str) -> str:
    """Return the fault of an authority's certificate, as the rest of a sentence; empty if it is valid."""
    now = datetime.now(UTC)
    host = server.host.partition("%")[0]
    if now > certificate.not_valid_after_utc:
        return f"expired on {_day(certificate.not_valid_after_utc)}: its operator must renew it."
    if now < certificate.not_valid_before_utc:
        return (
            f"is not valid before {_day(certificate.not_valid_before_utc)}: check this machine's clock, which says "
            f"{_day(now)}, or ask its operator."
        )
    names = _names(certificate)
    if code in _OTHER_NAME or not any(_is_for(name, host) for name in names):
        shown = ", ".join(map(printable_line, names[:_NAMES_SHOWN])) or "no name at all"
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        return f"is for {shown}{more}, and not for {host}: use a name that it is for, or ask its operator."
    return (
        "" if code in _NO_AUTHORITY else _FAULTS.get(code, "is not good ({why}): ask its operator.").format(why=message)
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _is_for(name: str, host: str) -> bool:
    """Return whether a name in a certificate matches a host (RFC 9525, section 6)."""
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    except ValueError:
        start, _, rest = name.lower().rstrip(".").partition(".")
        return name.lower().rstrip(".") == host or (start == "*" and host.partition(".")[2] == rest != "")


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _der(connection: Connection) -> bytes:
    assert isinstance(connection, ssl.SSLSocket | ssl.SSLObject)  # noqa: S101 (the handshake is done)
    return connection.getpeercert(binary_form=True) or b""


def _certificate(server: Address, der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProtocolError(f"The certificate of {server} cannot be read ({error}).") from None
    return certificate


def _key(certificate: x509.Certificate) -> str:
    return fingerprint(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def failure(server: Address, error: Exception) -> ChatError | None:
    """Return the exception for a handshake that failed; None if the handshake is not at fault."""
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
