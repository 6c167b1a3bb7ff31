"""Tokens as text: their form, and their checksum."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol.values.tokens import check_token, is_token_id, token_digest, token_id, token_text

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def value(digits: str) -> int:
    """Return the number that some digits stand for."""
    number = 0
    for digit in digits:
        number = number * 62 + DIGITS.index(digit)
    return number


@given(st.binary(min_size=20, max_size=20))
def test_form(secret: bytes) -> None:
    """All of the secret is in it, and a checksum that others can compute."""
    token = token_text(secret)
    assert (token[:4], len(token)) == ("cct_", 37)
    assert value(token[4:31]) == int.from_bytes(secret)
    assert value(token[31:]) == zlib.crc32(token[4:31].encode())
    assert check_token(f" {token}\n") == token


@given(st.binary(min_size=20, max_size=20), st.integers(4, 36), st.sampled_from(DIGITS))
def test_typing_error(secret: bytes, place: int, digit: str) -> None:
    """One wrong character is found, and what was typed is not repeated."""
    token = token_text(secret)
    typed = token[:place] + digit + token[place + 1 :]
    if typed != token:
        with pytest.raises(InputError) as error:
            check_token(typed)
        assert typed not in str(error.value)


@pytest.mark.parametrize("text", ["", "cct_", "x" * 37, token_text(bytes(20))[:-1], token_text(bytes(20)) + "0"])
def test_no_token(text: str) -> None:
    """The sentence says how to get one."""
    with pytest.raises(InputError, match="chatcli key token"):
        check_token(text)


def test_public_name() -> None:
    """It is the beginning of the digest, and tells nothing of the token."""
    token = token_text(bytes(range(20)))
    digest = token_digest(token)
    assert digest == hashlib.sha256(token.encode()).digest()
    assert token_id(digest) == digest.hex()[:12]
    assert is_token_id(token_id(digest))
    assert not is_token_id(token)
