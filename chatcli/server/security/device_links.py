"""Link codes, with which one device of a user lets another one log in."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.server.security.spoken_codes import new_code, plain_code

if TYPE_CHECKING:
    from chatcli.server.model import User

_MINUTES: Final = 10
_TRIES: Final = 5
_SYLLABLES: Final = 6  # 15 * 4 possibilities each: 35 bits, against five tries


@dataclass(slots=True)
class _Open:
    code: str
    until: float
    tries: int = _TRIES


class LinkCodes:
    """Link codes that are valid, one for each user, in memory only.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[int, _Open] = {}

    def issue(self, user: User) -> tuple[str, float]:
        """Return a new code for the user, in place of any earlier one, and the seconds for which it is valid."""
        now = self._clock()
        self._open.pop(user.id, None)
        while self._open and next(iter(self._open.values())).until <= now:  # the oldest come first
            del self._open[next(iter(self._open))]
        code = new_code(_SYLLABLES)
        self._open[user.id] = _Open(plain_code(code), now + _MINUTES * 60)
        return code, _MINUTES * 60.0

    def discard(self, user: User) -> None:
        """Make the user's code invalid."""
        self._open.pop(user.id, None)

    def check(self, user: User, typed: str) -> None:
        """Validate a code, counting failures. The caller discards the code after use.

        Raises:
            Refused: it is wrong, or there is no valid one.
        """
        link = self._open.get(user.id)
        if link is not None and link.until > self._clock():
            if hmac.compare_digest(link.code.encode(), plain_code(typed).encode()):
                return
            link.tries -= 1
            if link.tries > 0:
                raise Refused(codes.BAD_CODE, f"That is not the code for {user.name}: look at it again.")
            del self._open[user.id]
        raise Refused(
            codes.BAD_CODE,
            f"That code is not valid for {user.name}, or not any more: check its spelling. "
            f'Another one comes from "chatcli key link" where you are {user.name} already, or from an operator.',
        )
