"""Sanctions: the details of a ruling as the log stores them."""

from __future__ import annotations

import msgspec


class Sanction(msgspec.Struct, frozen=True, kw_only=True):
    """A sanction of a subject; a ``service`` is a name for programs, which no key may claim.

    Attributes:
        at: when it was imposed, in milliseconds since 1970-01-01 UTC.
        until: when it ends; None for never.
        uses: the number of newcomers who can still use an invitation.
        reason: in the moderator's words; for an invitation to a room, the name of the inviter; for a recovery code, its
            digest.
        by: the id of the inviter, for an invitation to a room; 0 if an older version has written it.
        keep: for a recovery code, whether the keys of the name stay valid.
    """

    at: int
    until: int | None = None
    uses: int = 0
    reason: str = ""
    by: int = 0
    keep: bool = False

    def over(self, now: int) -> bool:
        """Return whether it has ended at a time, in milliseconds since 1970-01-01 UTC."""
        return self.until is not None and self.until <= now


def encode(sanction: Sanction) -> str:
    """Return a sanction as the log stores it."""
    return msgspec.json.encode(sanction).decode()


def decode(value: str) -> Sanction:
    """Return a sanction that the log has stored.

    Raises:
        msgspec.DecodeError: it is damaged.
    """
    return msgspec.json.decode(value, type=Sanction)
