"""Credentials of a request: a token, as a bearer of it or as a password."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes

NEEDED: Final = 'A token is needed, as in "Authorization: Bearer cct_…": make one with "chatcli key token".'
_UNREADABLE: Final = 'That header "Authorization" is not understood: write "Authorization: Bearer cct_…".'


def shown_token(headers: Mapping[str, str], needed: str = NEEDED) -> str:
    """Return the token that a request shows: with ``Bearer``, or as the password of ``Basic``, whatever the name.

    Args:
        headers: of the request, by name in small letters.
        needed: the sentence for a request without one.

    Raises:
        Fault: it shows none, or what cannot be one.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "":
            raise fault(codes.BAD_TOKEN, needed)
        case "bearer":
            token = value.strip()
        case "basic":
            token = _password(value.strip())
        case _:
            raise fault(codes.BAD_TOKEN, _UNREADABLE)
    if not token:
        raise fault(codes.BAD_TOKEN, needed)
    return token


def _password(value: str) -> str:
    """Return the password in a value of ``Basic``, or the name if the password is empty, as with ``curl -u TOKEN:``.

    Raises:
        Fault: it has none.
    """
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise fault(codes.BAD_TOKEN, _UNREADABLE) from None
    return password or name
