"""Proofs of keys, and the text form of keys."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from chatcli.protocol.keys import (
    Claim,
    ed25519_fingerprint,
    fingerprint,
    is_fingerprint,
    key_bytes,
    key_text,
    signed_bytes,
)

_short = st.text(max_size=5)
claims = st.builds(
    Claim,
    version=st.integers(1, 99),
    server_key=_short,
    nonce=st.binary(max_size=5),
    user=_short,
    purpose=st.sampled_from(["join", "send"]),
    channel=st.binary(max_size=5),
)


@given(claims, claims)
def test_claims_are_unambiguous(one: Claim, other: Claim) -> None:
    """No two claims have the same signed bytes: no part can be moved into its neighbour."""
    assert (signed_bytes(one) == signed_bytes(other)) == (one == other)


def test_fingerprint() -> None:
    """An Ed25519 key has the same fingerprint in a frame and in a certificate."""
    public = Ed25519PrivateKey.generate().public_key()
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.b64encode(hashlib.sha256(info).digest()).decode()
    assert fingerprint(info) == ed25519_fingerprint(public.public_bytes_raw()) == "SHA256:" + digest.rstrip("=")
    assert is_fingerprint(fingerprint(info))


@pytest.mark.parametrize("text", ["", "SHA256:", "SHA256:abc", "MD5:" + "A" * 43, "SHA256:" + "!" * 43, "A" * 43])
def test_form_of_a_fingerprint(text: str) -> None:
    """A fingerprint is the name of the digest and 43 characters of base64."""
    assert not is_fingerprint(text)


@given(st.binary(min_size=32, max_size=32))
def test_key_round_trip(raw: bytes) -> None:
    """A key's text gives back the key."""
    assert key_bytes(key_text(raw), 32) == raw


@pytest.mark.parametrize(
    "text", ["", "A", "A" * 42, "A" * 44, "A" * 43 + "=", "é" * 43, " " + "A" * 42, "A" * 42 + "B"]
)
def test_invalid_keys(text: str) -> None:
    """Other lengths, other characters, padding and stray bits are refused."""
    refused = False
    try:
        key_bytes(text, 32)
    except ValueError:  # of any message, as versions of the library differ
        refused = True
    assert refused
