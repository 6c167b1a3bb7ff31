"""Generates the server's own key and certificate, and reads the contents of certificates.

Imported only when needed: ``cryptography.x509`` is slow to import.
"""

from __future__ import annotations

import ipaddress
import platform
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

_VALID: Final = timedelta(days=3650)
_SKEW: Final = timedelta(days=1)  # by which a client's clock may be slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of a certificate that the server needs.

    Attributes:
        der: the certificate, in DER.
        key_info: the SubjectPublicKeyInfo of its key, in DER.
        begins: the beginning of its validity.
        expires: the end of its validity.
        subject: its subject, in DER.
        issuer: its issuer, in DER.
        names: the host names that it is for.
    """

    der: bytes
    key_info: bytes
    begins: datetime
    expires: datetime
    subject: bytes
    issuer: bytes
    names: tuple[str, ...]


def new_key() -> bytes:
    """Return a new private key: ECDSA on P-256, in PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_certificate(key_pem: bytes) -> bytes:
    """Return a self-signed certificate for this machine, in PEM.

    Raises:
        ValueError: it is not a key as :func:`new_key` generates it.
    """
    key = _private_key(key_pem)
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "chatcli server")])
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_info(key_pem: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a private key, in DER.

    Raises:
        ValueError: it is not a key as :func:`new_key` generates it.
    """
    return _info(_private_key(key_pem).public_key())


def read_certificate(pem: bytes) -> Contents:
    """Return the contents of the first certificate in ``pem``.

    Raises:
        ValueError: there is no certificate that can be read.
    """
    return read_chain(pem)[0]


def read_chain(pem: bytes) -> tuple[Contents, ...]:
    """Return the contents of all certificates in ``pem``, in their order.

    Raises:
        ValueError: there is no certificate, or one that cannot be read.
    """
    try:
        return tuple(map(_contents, x509.load_pem_x509_certificates(pem)))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None


def _contents(certificate: x509.Certificate) -> Contents:
    return Contents(
        der=certificate.public_bytes(serialization.Encoding.DER),
        key_info=_info(certificate.public_key()),
        begins=certificate.not_valid_before_utc,
        expires=certificate.not_valid_after_utc,
        subject=certificate.subject.public_bytes(),
        issuer=certificate.issuer.public_bytes(),
        names=_host_names(certificate),
    )


def _host_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()  # nothing needs them but browsers, which then refuse the certificate
    return tuple(found.get_values_for_type(x509.DNSName))


def _names() -> list[x509.GeneralName]:
    host = platform.node()
    names = dict.fromkeys(["localhost", *([host] if host and host.isascii() else [])])
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    return [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted with a passphrase
        raise ValueError(str(error)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(type(key).__name__)  # noqa: TRY004 (the caller has given bytes, not an object)
    return key


def _info(public: CertificatePublicKeyTypes) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
