"""Whether anything is left in the outbox, and having it sent before anything else: what every command asks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from chatcli.client.storage.files import outbox_directory
from chatcli.client.transport.blocking import TIMEOUT
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.client.identity.key import Identity
    from chatcli.client.identity.trust import Trust
    from chatcli.protocol.address import Address


def anything_waits() -> bool:
    """Return whether anything waits to be sent, by whomever and to whatever server."""
    try:
        return bool(os.listdir(outbox_directory()))
    except (OSError, InputError):
        return False


def empty_spool(
    server: Address,
    user: str,
    trust: Trust,
    identity: Identity | None = None,
    *,
    asking: bool,
    seconds: float | None = None,
) -> None:
    """Send what waits in the outbox for this server and user; without anything there, that is one look.

    Args:
        server: where to.
        user: whose.
        trust: which servers to speak to.
        identity: the user's key; by default the one in their configuration.
        asking: nothing is to be sent behind it, so that a server which does not take it is no reason not to ask, and
            nobody is waited for who is sending it.
        seconds: how long that may take; where something is to be sent behind it, as long more as the server takes it.

    Raises:
        ServerUnreachable: the server does not answer.
        ServerNotTrusted: the server is not the one that was meant.
        ChatError: where more is to be sent, and this could not be.
    """
    if anything_waits():
        from chatcli.client.outbox import flush as spool

        spool.send_left(server, user, trust, identity, asking=asking, seconds=TIMEOUT if seconds is None else seconds)
