"""Tokens: secrets for callers that cannot keep a key, known by sight, with a checksum against typing errors."""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import Final

from chatcli.errors import InputError

SECRET_BYTES: Final = 20

_PREFIX: Final = "cct_"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET: Final = 27  # digits: 62^27 > 2^160
_CHECKSUM: Final = 6  # digits: 62^6 > 2^32
_FORM: Final = re.compile(rf"{_PREFIX}[0-9A-Za-z]{{{_SECRET + _CHECKSUM}}}")
_ID: Final = re.compile(r"[0-9a-f]{12}")


def token_text(secret: bytes) -> str:
    """Return the token of a secret of 20 random bytes."""
    digits = _base62(int.from_bytes(secret), _SECRET)
    return f"{_PREFIX}{digits}{_checksum(digits)}"


def resembles_token(text: str) -> bool:
    """Return whether a text is meant as a token: other codes do not begin so."""
    return text.lstrip().startswith(_PREFIX)


def check_token(text: str) -> str:
    """Return a token as it was typed, without white space around it.

    Raises:
        InputError: it is none, or not all of one; the sentence does not repeat it.
    """
    token = text.strip()
    if _FORM.fullmatch(token) is None:
        raise InputError(
            f'That is no token: one begins with "{_PREFIX}" and has {len(_PREFIX) + _SECRET + _CHECKSUM} characters. '
            'Make one with "chatcli key token".'
        )
    digits, checksum = token[len(_PREFIX) : -_CHECKSUM], token[-_CHECKSUM:]
    if _checksum(digits) != checksum:
        raise InputError("That token has a typing error: copy it once more, all of it.")
    return token


def token_digest(token: str) -> bytes:
    """Return the digest by which a server knows a token: all randomness is in the token, so a fast hash will do."""
    return hashlib.sha256(token.encode()).digest()


def token_id(digest: bytes) -> str:
    """Return the public name of the token with that digest."""
    return digest[:6].hex()


def is_token_id(text: str) -> bool:
    """Return whether a text has the form of a token's public name."""
    return _ID.fullmatch(text) is not None


def _checksum(digits: str) -> str:
    return _base62(zlib.crc32(digits.encode()), _CHECKSUM)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
