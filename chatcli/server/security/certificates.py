"""The server's key and certificate: its own, generated at the first start, or the operator's.

Clients recognise a server by its key. Its own certificate can be generated from that key again at any time without
anyone noticing.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from chatcli.errors import InputError, ServeError
from chatcli.protocol.keys import fingerprint
from chatcli.store.files import atomic_write

if TYPE_CHECKING:
    from chatcli.server.security.selfsigned import Contents

logger = logging.getLogger(__name__)

_KEY: Final = "server.key"
_CERTIFICATE: Final = "server.crt"
_SOON: Final = timedelta(days=14)  # before the end of a certificate, from which time on there are warnings
_RENEWED: Final = timedelta(days=30)  # before the end of the server's own certificate, which is then replaced

# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity that the server shows to clients.

    Attributes:
        context: the server's side of TLS.
        fingerprint: of the certificate's public key.
        channel: SHA-256 of the certificate (RFC 5929, ``tls-server-end-point``).
        chain: the certificate, and those that follow it in its file.
        path: the path of that file.
    """

    context: ssl.SSLContext
    fingerprint: str
    channel: bytes
    chain: tuple[Contents, ...]
    path: Path


class Certificates:
    """The server's identity, and the files it comes from.

    Args:
        directory: the directory of the server's own key and certificate; locked for this process.
        files: the operator's certificate, followed by those that lead to its authority, and key, both in PEM. They are
            used instead.

    Raises:
        ServeError: the files cannot be used or created.
    """

    def __init__(self, directory: Path, files: tuple[Path, Path] | None = None) -> None:
        self._directory = directory
        self._files = files
        self.identity = self._load()

    def read_again(self) -> Identity:
        """Return the identity in the files, or the one that was read before if they cannot be used now."""
        try:
            identity = self._load()
        except ServeError as error:
            logger.error("%s Until then the server shows the certificate that it had.", error)  # noqa: TRY400 (the sentence says it all)
            return self.identity
        logger.info("read the certificate; the key is %s", identity.fingerprint)
        return identity

    @property
    def expires(self) -> datetime:
        """The end of the certificate's validity."""
        return self.identity.chain[0].expires

    def faults(self, now: datetime) -> list[str]:
        """Return a sentence for each fault of the certificate that there is, or will be within two weeks."""
        own, *others = self.identity.chain
        path = self.identity.path
        found = [_fault(f"The certificate in {path}", own, now)]
        found += [_fault(f"A certificate of an authority in {path}", other, now) for other in others]
        if any(one.issuer != following.subject for one, following in pairwise(self.identity.chain)):
            found.append(
                f"The certificates in {path} are not in order, and some clients do not trust the server for that: put "
                "its own first, and after each the one of the authority that has issued it."
            )
        return [fault for fault in found if fault]

    def _load(self) -> Identity:
        if self._files is not None:
            certificate, key = self._files
            for path in self._files:
                _check_kind(path)
            # Group-readable keys are usual where a group of servers shares them.
            _check_mode(key, stat.S_IRWXO, "o=")
        else:
            certificate, key = _own(self._directory)
        return _identity(certificate, key)


def read_key(file: Path) -> bytes:
    """Return a server's own key, in PEM.

    Raises:
        InputError: the file is not such a key, or cannot be read.
    """
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from None
    if _key_info(pem) is None:
        raise InputError(f"{file} is not the key of a chatcli server: name the server.key of its data directory.")
    return pem


def install_key(directory: Path, pem: bytes) -> None:
    """Make a key the server's own; a former one is kept beside it. The certificate is made anew at the next start.

    Args:
        directory: the directory of the server's own key, locked for this process.
        pem: the key.

    Raises:
        ServeError: it cannot be written.
    """
    key = directory / _KEY
    former = _read(key) if key.exists() else pem
    if former != pem:
        _write(key.with_name(f"{_KEY}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"), former)
    _write(key, pem)


def own_fingerprint(directory: Path) -> str | None:
    """Return the fingerprint of the server's own key; None if there is none that can be used."""
    try:
        info = _key_info((directory / _KEY).read_bytes())
    except OSError:
        return None
    return None if info is None else fingerprint(info)


def _key_info(pem: bytes) -> bytes | None:
    """Return the public part of a key such as servers make, in DER; None if it is something else."""
    from chatcli.server.security import selfsigned  # noqa: PLC0415 (slow to import)

    try:
        return selfsigned.key_info(pem)
    except ValueError:
        return None


def _fault(name: str, contents: Contents, now: datetime) -> str:
    """Return a sentence about the dates of a certificate, with the remedy; empty if they are good for a while."""
    renew = "renew it, and send the server SIGHUP"
    if now < contents.begins:
        return f"{name} is not valid before {_when(contents.begins)}: clients refuse it until then. Check the clock."
    if now > contents.expires:
        return f"{name} expired on {_when(contents.expires)}: clients that do not know the key refuse it. Now {renew}."
    if contents.expires - now < _SOON:
        days = (contents.expires - now).days
        remaining = "today" if not days else "tomorrow" if days == 1 else f"in {days} days"
        return f"{name} expires {remaining}, on {_when(contents.expires)}: {renew}."
    return ""


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _own(directory: Path) -> tuple[Path, Path]:
    """Generate those of the server's own files that are missing, broken or about to expire; return both paths."""
    from chatcli.server.security import selfsigned  # noqa: PLC0415 (slow to import)

    certificate, key = directory / _CERTIFICATE, directory / _KEY
    if not key.exists():
        _check_first_start(certificate, key)
        _write(key, selfsigned.new_key())
    _check_mode(key, stat.S_IRWXG | stat.S_IRWXO, "600")
    pem = _read(key)
    try:
        if not _good(certificate, selfsigned.key_info(pem)):
            _write(certificate, selfsigned.new_certificate(pem))
            logger.info("generated the certificate %s", certificate)
    except ValueError:
        raise ServeError(
            f"{key} holds no key that this server could have made: put it back from a backup, name your own with "
            "--tls-key, or delete it together with the certificate beside it; then everyone has to accept a new key."
        ) from None
    return certificate, key


def _check_first_start(certificate: Path, key: Path) -> None:
    """Raise if only the key is missing: clients would take a new one for an attack."""
    if certificate.exists():
        raise ServeError(
            f"{key} is missing beside its certificate: put it back from a backup, or delete {certificate}; then "
            "everyone has to accept a new key."
        )


def _good(certificate: Path, key_info: bytes) -> bool:
    """Return whether the server's own certificate exists, belongs to this key, and is valid for a while."""
    from chatcli.server.security.selfsigned import read_certificate  # noqa: PLC0415 (slow to import)

    if not certificate.exists():
        return False
    try:
        contents = read_certificate(_read(certificate))
    except ValueError:
        return False
    return contents.key_info == key_info and contents.expires - datetime.now(UTC) > _RENEWED


def _identity(certificate: Path, key: Path) -> Identity:
    from chatcli.server.security.selfsigned import read_chain  # noqa: PLC0415 (slow to import)

    pem = _read(certificate)
    try:
        chain = read_chain(pem)
    except ValueError:
        raise ServeError(f"{certificate} holds no certificate in PEM: name one that does with --tls-cert.") from None
    context = _context(certificate, key, len(chain))
    contents = chain[0]
    if _read(certificate) != pem:  # the context may hold neither of the two
        raise ServeError(f"{certificate} was changed while it was read: try again.")
    return Identity(
        context=context,
        fingerprint=fingerprint(contents.key_info),
        channel=hashlib.sha256(contents.der).digest(),
        chain=chain,
        path=certificate,
    )


def _context(certificate: Path, key: Path, certificates: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Connections last for hours: resuming one saves nothing, and a ticket may still be unread when a caller closes.
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except _Locked:
        raise ServeError(
            f"{key} is locked with a passphrase, which the server has no way to ask for: unlock a copy with "
            '"openssl pkey", readable for the server only.'
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            first = " Of several certificates in a file, the server's own must stand first." * (certificates > 1)
            raise ServeError(
                f"{key} is not the key of {certificate}: name the two that belong together.{first}"
            ) from None
        why = (error.reason or "no private key in PEM").replace("_", " ").lower()
        raise ServeError(f"{certificate} and {key} cannot be used ({why}): name others.") from None
    except OSError as error:
        raise ServeError(_cannot("read", key, error)) from None
    return context


class _Locked(Exception):
    """The file of the key is encrypted with a passphrase."""


def _no_passphrase() -> NoReturn:
    raise _Locked


def _check_kind(path: Path) -> None:
    """Raise unless a path is a file or a directory: others may block their reader, or have no end."""
    with _explained("read", path):
        mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a directory fails with a good sentence
        raise ServeError(f"{path} is a pipe or a device, which cannot be read a second time: name a file.")


def _check_mode(key: Path, forbidden: int, remedy: str) -> None:
    with _explained("read", key):
        mode = stat.S_IMODE(key.stat().st_mode)
    if mode & forbidden:
        raise ServeError(f"Others than you may use the key {key} (mode {mode:04o}): run chmod {remedy} {key}.")


def _read(path: Path) -> bytes:
    with _explained("read", path):
        return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    with _explained("write", path), atomic_write(path) as unfinished:
        unfinished.write_bytes(content)


@contextlib.contextmanager
def _explained(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServeError(_cannot(verb, path, error)) from None


def _cannot(verb: str, path: Path, error: OSError) -> str:
    remedy = "make room, or choose another directory with --data" if verb == "write" else "name a file that can be"
    return f"Cannot {verb} {path}: {error.strerror}: {remedy}."
