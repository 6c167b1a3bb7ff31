"""The user's key: made on first use, kept for nobody else to read, and carried from machine to machine as a text."""

from __future__ import annotations

import binascii
import os
from typing import Final

from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.keys import ed25519_fingerprint

_SEED_BYTES: Final = 32  # RFC 8032, section 5.1.5
_HEADING: Final = "# The secret key of a chatcli user (Ed25519). Whoever has it can write under your names."


class Identity:
    """An Ed25519 key.

    Args:
        seed: the secret, 32 bytes.
        path: of the file that it was read from; empty if there is none.

    Attributes:
        public: the public key, 32 bytes.
        path: as it was given.
    """

    def __init__(self, seed: bytes, path: str = "") -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.path = path
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"<Identity {self.fingerprint}>"

    @property
    def fingerprint(self) -> str:
        """The public key's fingerprint, ``SHA256:…``."""
        return ed25519_fingerprint(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of the data, 64 bytes."""
        return self._key.sign(data)

    def export_text(self) -> str:
        """Return the key as it stands in its file. It is a secret."""
        return f"{_HEADING}\n{binascii.b2a_base64(self._seed, newline=False).decode()}\n"


def load_identity(directory: str) -> Identity:
    """Return the key in the directory; make one where there is none. Processes that come at once get the same.

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
            f'{path} is damaged: put your key back with "chatcli key import --force FILE". If there is no copy of it, '
            "move the file away, and the next start makes a new key; the names of the old one are lost to it."
        ) from None


def import_identity(directory: str, identity: Identity, *, force: bool) -> str | None:
    """Make this the key in the directory; return where the one that was there is kept, if it was another.

    Raises:
        InputError: there is another key and no ``force``, or the key cannot be written.
    """
    path = key_path(directory)
    text = identity.export_text()
    if files.create(path, text) or _is_same(files.read(path), identity):
        return None
    if not force:
        raise InputError(
            f'{path} holds another key, whose names would be lost here: see "chatcli key export", then say --force.'
        )
    files.replace(path, text, kept := f"{path}.old")
    return kept


def parse_identity(text: str, path: str = "") -> Identity:
    """Return the key that a text holds, which was read from a file at that path.

    Raises:
        InputError: it holds none, or more than one.
    """
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    try:
        (line,) = lines
        seed = binascii.a2b_base64(line, strict_mode=True)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise InputError('That is no key of chatcli: it is what "chatcli key export" prints.')
    return Identity(seed, path)


def key_path(directory: str) -> str:
    """Return where the key in the directory lies."""
    return os.path.join(directory, "key")


def _new() -> Identity:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Identity(Ed25519PrivateKey.generate().private_bytes_raw())


def _is_same(text: str | None, identity: Identity) -> bool:
    try:
        return text is not None and parse_identity(text).public == identity.public
    except InputError:
        return False
