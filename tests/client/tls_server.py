"""Servers with TLS and generated certificates, and the part of the protocol that clients need."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from chatcli.protocol.keys import fingerprint
from chatcli.protocol.values.address import Address
from tests.addresses import own_address
from tests.support import DEADLINE

Key = Ed25519PrivateKey | ec.EllipticCurvePrivateKey

_LIMITS: Final = {"text": 32768, "frame": 65536, "silence": 60}
_LIVE: Final = {"t": "live", "seq": 0}
_WELCOME: Final = {"t": "welcome", "user": "alice", "head": 0, "cursor": 0, "server": "x", "limits": _LIMITS}


#: The server's host in tests; a machine without another address patches loopback within the test's process.
HOST: Final = own_address() or "127.0.0.1"


def key_of(key: Key) -> str:
    """Return the fingerprint of a key's public half."""
    return fingerprint(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


class Authority:
    """A certificate authority."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = make_certificate(self.key, "An authority", authority=True)

    def write(self, path: Path) -> str:
        """Write its certificate to a file for SSL_CERT_FILE, and return the path."""
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return str(path)


def make_certificate(
    key: Key,
    name: str = HOST,
    issuer: Authority | None = None,
    *,
    authority: bool = False,
    hours: tuple[float, float] = (-1, 1),
) -> x509.Certificate:
    """Make a certificate, self-signed or from an authority; its validity begins and ends at ``hours`` from now."""
    signing = issuer.key if issuer else key
    issuer_name = issuer.certificate.subject if issuer else _name(name)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(hours=hours[0]))
        .not_valid_after(now + datetime.timedelta(hours=hours[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
    return builder.sign(signing, None if isinstance(signing, Ed25519PrivateKey) else hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


class TlsServer:
    """Shows a certificate, welcomes everyone, and answers ``who`` and messages.

    Attributes:
        heard: the tags of all frames from clients.
    """

    def __init__(self, key: Key | None = None, certificate: x509.Certificate | None = None) -> None:
        self.heard: list[str] = []
        self.connected = 0
        self.certificate = b""
        self.show(key or Ed25519PrivateKey.generate(), certificate)
        self._listener = socket.create_server((HOST, 0))
        self.address = Address(HOST, self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, name="tls-server")
        self._talking: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def show(self, key: Key, certificate: x509.Certificate | None = None) -> None:
        """Show this key from the next connection on, self-signed without a given certificate."""
        certificate = certificate or make_certificate(key)
        self.key = key_of(key)
        self.certificate = certificate.public_bytes(Encoding.DER)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.write(certificate.public_bytes(Encoding.PEM))
            file.flush()
            context.load_cert_chain(file.name)
        self._context = context

    def only(self, version: ssl.TLSVersion) -> None:
        """Accept no newer version of TLS."""
        self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._context.minimum_version = self._context.maximum_version = version

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(DEADLINE)
        self.hang_up()
        for thread in self._talking:
            thread.join(DEADLINE)
            assert not thread.is_alive()
        self._listener.close()

    def hang_up(self) -> None:
        """End all connections."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(plain,), name="tls-connection")
            self._talking.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(DEADLINE)
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            self.connected += 1
            self._open.append(connection)
            with connection.makefile("rb") as lines:
                for line in lines:
                    connection.sendall(self._answer(json.loads(line)))

    def _answer(self, frame: dict[str, Any]) -> bytes:
        self.heard.append(frame["t"])
        answer: dict[str, Any]
        match frame["t"]:
            case "hello" if frame.get("purpose", "join") == "join":
                return b"".join(json.dumps(said).encode() + b"\n" for said in (_WELCOME, _LIVE))
            case "hello":
                answer = _WELCOME
            case "who":
                answer = {"t": "who", "n": frame.get("n", 0), "people": [{"user": "bob", "since": 1}]}
            case "send":
                answer = {"t": "sent", "id": frame["id"], "seq": 1, "at": 1, "outcome": "stored"}
            case "bye":
                answer = {"t": "bye", "code": "left", "text": "Goodbye."}
            case _:
                return b""
        return json.dumps(answer).encode() + b"\n"
