"""Enforcement of bans from the server: the connections of banned names and keys are closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from chatcli.protocol import codes
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server import slices

if TYPE_CHECKING:
    from chatcli.server.model import Connection
    from chatcli.server.throttle import Later

_AT_ONCE: Final = 300  # connections that are checked in one tick of the loop

#: Called with the number of connections that were closed, by the subject of the ban.
OnEnforced = Callable[[Mapping[str, int]], None]


class BanEnforcement:
    """Gathers the bans of a batch, and closes the connections that they concern in one round.

    Args:
        later: calls a function after a number of seconds.
        sessions: returns all connections that can be sent away.
    """

    def __init__(self, later: Later, sessions: Callable[[], Collection[Connection]]) -> None:
        self._later = later
        self._sessions = sessions
        self._reasons: dict[str, str] = {}  # by subject
        self._waiting: list[OnEnforced] = []

    def add(self, subject: str, reason: str) -> None:
        """Have a ban enforced with the next :meth:`run`."""
        self._reasons[subject] = reason

    def when_enforced(self, on_enforced: OnEnforced) -> None:
        """Call a function once the bans have been enforced that were added up to now."""
        self._waiting.append(on_enforced)

    def run(self) -> None:
        """Enforce what was added, in slices."""
        if self._reasons or self._waiting:
            reasons, self._reasons = self._reasons, {}
            waiting, self._waiting = self._waiting, []
            slices.run(self._later, self._enforce(reasons, waiting))

    def _enforce(self, reasons: Mapping[str, str], waiting: list[OnEnforced]) -> Iterator[None]:
        closed: Counter[str] = Counter()
        for sessions in slices.portions(tuple(self._sessions()), _AT_ONCE):
            for session in sessions:
                subject = next((one for one in _subjects(session) if one in reasons), None)
                if subject is not None:
                    because = f" ({reasons[subject]})" if reasons[subject] else ""
                    text = f"You have been banned from this server{because}: speak with its operator."
                    session.close(codes.BANNED, text)
                    closed[subject] += 1
            yield
        for on_enforced in waiting:
            on_enforced(closed)


def _subjects(session: Connection) -> list[str]:
    """Return the folded name of a connection, and the fingerprint of its key, or of the one that made its token."""
    if session.user is None:
        return []
    key = session.key if session.token is None else session.token.key
    return [session.user.key, ed25519_fingerprint(key)] if key else [session.user.key]
