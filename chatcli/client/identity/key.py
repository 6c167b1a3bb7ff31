"""The user's key: generated on first use, stored for nobody else to read, and carried between machines as text."""

from __future__ import annotations

import binascii
import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.keys import ed25519_fingerprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED_BYTES: Final = 32  # RFC 8032, section 5.1.5
_HEADING: Final = "# The secret key of a chatcli user (Ed25519). Whoever has it can write under your names."


class Identity:
    """An Ed25519 key.

    Args:
        seed: the secret, 32 bytes.
        path: the file that it was read from; empty if there is none.

    Attributes:
        path: as given.
    """

    def __init__(self, seed: bytes, path: str = "") -> None:
        self.path = path
        self._seed = seed

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._seed)

    @cached_property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"<Identity {self.fingerprint}>"

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the public key, ``SHA256:…``."""
        return ed25519_fingerprint(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of the data, 64 bytes."""
        return self._key.sign(data)

    def export_text(self) -> str:
        """Return the text of the key file. It is a secret."""
        return f"{_HEADING}\n{binascii.b2a_base64(self._seed, newline=False).decode()}\n"


def load_identity(directory: str) -> Identity:
    """Return the key in a directory, generating it if there is none. Processes at the same time get the same one.

    Raises:
        InputError: the key is open to others, damaged, or cannot be read or written.
    """
    path = key_path(directory)
    text = files.read(path)
    if text is None:
        files.create(path, _new().export_text())
        text = files.read(path) or ""
    try:
        return parse_identity(text, path)
    except InputError:
        raise InputError(
            f'{path} is damaged: restore your key with "chatcli key import --force FILE". Without a copy of it, '
            "move the file away: the next start generates a new key, which cannot use the names of the old one."
        ) from None


def import_identity(directory: str, identity: Identity, *, force: bool) -> str | None:
    """Make this the key in a directory; return the path of the backup if there was another.

    Raises:
        InputError: there is another key and no ``force``, or the key cannot be written.
    """
    path = key_path(directory)
    text = identity.export_text()
    if files.create(path, text) or _is_same(files.read(path), identity):
        return None
    if not force:
        raise InputError(
            f'{path} holds another key, whose names would be lost here: save it with "chatcli key export", then add '
            "--force."
        )
    files.replace(path, text, backup := f"{path}.old")
    return backup


def parse_identity(text: str, path: str = "") -> Identity:
    """Return the key in a text.

    Args:
        text: the text of a key file.
        path: the path of that file; empty if there is none.

    Raises:
        InputError: there is no key in it, or more than one.
    """
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    try:
        (line,) = lines
        seed = binascii.a2b_base64(line, strict_mode=True)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise InputError('That is not a key of chatcli: it must be the output of "chatcli key export".')
    return Identity(seed, path)


def key_path(directory: str) -> str:
    """Return the path of the key in a directory."""
    return os.path.join(directory, "key")


def _new() -> Identity:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Identity(Ed25519PrivateKey.generate().private_bytes_raw())


def _is_same(text: str | None, identity: Identity) -> bool:
    try:
        return text is not None and parse_identity(text).public == identity.public
    except InputError:
        return False
