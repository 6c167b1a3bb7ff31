"""The token of a program that cannot keep a key: from the environment, and never shown."""

from __future__ import annotations

import os
from typing import Final

from chatcli.errors import InputError
from chatcli.protocol.values.tokens import check_token, is_token_id, token_digest, token_id

VARIABLE: Final = "CHATCLI_TOKEN"
ALIAS: Final = "token-"  # and the public name of a token, in place of the user's name on this machine


class Token:
    """A token. Nothing that prints it shows more than its public name.

    Args:
        text: the token as it was given.

    Attributes:
        text: the token.
        alias: stands for the name of its user on this machine, where that is not known.

    Raises:
        InputError: the text is no token.
    """

    __slots__ = ("alias", "text")

    def __init__(self, text: str) -> None:
        self.text = check_token(text)
        self.alias = f"{ALIAS}{token_id(token_digest(self.text))}"

    def __repr__(self) -> str:
        return f"<{self.alias}>"


def token_in_environment() -> Token | None:
    """Return the token in ``CHATCLI_TOKEN``, if there is one.

    Raises:
        InputError: what is there is none.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    if not text.strip():
        # Where a secret of a CI is missing, its variable is empty. A key and a name must not be made instead.
        raise InputError(f"{VARIABLE} is empty: is the secret missing that belongs there? To use your key, unset it.")
    try:
        return Token(text)
    except InputError as error:
        raise InputError(f"{VARIABLE}: {error}") from None


def check_no_alias(user: str) -> None:
    """Raise if a user's name stands for a token, as that of messages in the outbox may: no key must take such a name.

    Raises:
        InputError: it does.
    """
    identity = user.removeprefix(ALIAS)
    if identity != user and is_token_id(identity):
        raise InputError(f"That needs the token {identity}: set {VARIABLE} to it.")
