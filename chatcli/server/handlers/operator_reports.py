"""Reports for operators: the state of the server, and its users."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec

from chatcli import __version__
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server import slices
from chatcli.server.handlers.operator_commands import Command, timestamp

if TYPE_CHECKING:
    from chatcli.protocol.admin import Row
    from chatcli.protocol.values.address import Address
    from chatcli.server.hub import Hub
    from chatcli.server.model import User
    from chatcli.server.security.certificates import Certificates

_AT_ONCE: Final = 300  # users who are listed in one tick of the loop


class Reports:
    """Answers the commands that change nothing.

    Args:
        certificates: the server's certificate.
        addresses: the addresses that the server listens on.
        started: when the server started, in milliseconds since 1970-01-01 UTC.

    Attributes:
        addresses: the same, as texts.
    """

    def __init__(self, certificates: Certificates, addresses: Sequence[Address], started: int) -> None:
        self.addresses = [str(address) for address in addresses]
        self._certificates = certificates
        self._started = started

    def status(self, command: Command) -> None:
        """Report the state of the server."""
        hub = command.hub
        health = hub.log.health()
        command.report(
            {
                "version": __version__,
                "since": timestamp(self._started),
                "addresses": self.addresses,
                "key": hub.server_key,
                "certificate": " ".join(self._certificates.faults(datetime.datetime.now(datetime.UTC))) or "good",
                "certificate_expires": timestamp(int(self._certificates.expires.timestamp() * 1000)),
                "access": hub.limits.access,
                "connections": len(hub.connections),
                "here": hub.presence.count,
                "users": hub.users.count,
                "messages": hub.log.head,
                "waiting_bytes": hub.log.pending_bytes,
                "log": "writable" if health.error is None else health.error,
                "log_since": None if health.error is None else timestamp(health.since),
                "log_damaged": health.damaged,
                "log_bytes": health.bytes,
                "banned": sorted(hub.moderation.all("ban")),
                "invitations": len(hub.moderation.all("invitation")),
            }
        )

    def users(self, command: Command) -> None:
        """Report all users, by name."""
        hub = command.hub
        connections = Counter(session.user.id for session in hub.sessions if session.user is not None)
        rows: list[Row] = []

        def add(users: list[User]) -> None:
            # Encoded in slices: to encode all rows together would hold up the loop.
            encoded = (msgspec.Raw(msgspec.json.encode(_row(hub, user, connections[user.id]))) for user in users)
            rows.extend(cast("list[Row]", list(encoded)))

        def list_users() -> Iterator[None]:
            yield from slices.in_order(hub.users.all(), lambda user: user.key, _AT_ONCE, add)
            command.report(*rows)

        slices.run(hub.later, list_users())


def _row(hub: Hub, user: User, connections: int) -> Row:
    moderation = hub.moderation
    keys = [ed25519_fingerprint(key) for key in user.keys]
    return {
        "user": user.name,
        "here": hub.presence.is_here(user),
        "connections": connections,
        "operator": moderation.is_operator(user),
        "muted": moderation.get("mute", user.key) is not None,
        "banned": any(moderation.get("ban", subject) is not None for subject in (user.key, *keys)),
        "keys": keys,
        "devices": [key.device for key in user.keys.values()],
    }
