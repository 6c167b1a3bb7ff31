"""Accounts of connections: each pays for what its client sends, and has reading stopped while it cannot pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.protocol import frames as f
from chatcli.server.purse import Purse, Terms
from chatcli.server.security import prices
from chatcli.server.security.prices import KIB

if TYPE_CHECKING:
    from chatcli.protocol.codec import BadFrame
    from chatcli.server.model import Token, User
    from chatcli.server.security.rate_limits import RateLimits

_SOONEST: Final = 0.02  # seconds after which a connection that has overdrawn its purse is read again


class Payer(Protocol):
    """The connection that pays."""

    user: User | None
    token: Token | None

    @property
    def caller(self) -> str:
        """The address under which the limits of each address count."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""

    @property
    def welcomed(self) -> bool:
        """Whether the client was welcomed."""

    def hold(self) -> None:
        """Stop reading from the client."""

    def release(self) -> None:
        """Read from the client again."""


class Account:
    """Pays from the connection's own purse, from that of all connections of the user, and from that of its token.

    Args:
        payer: the connection.
        rate_limits: have the terms and the shared purses.

    Attributes:
        payer: as given, or the session that has followed the opening of the connection.
        spent: points that the connection has paid in this tick.
        overdrawn: whether reading is stopped until all purses have recovered.
    """

    __slots__ = ("_purse", "_rate_limits", "overdrawn", "payer", "spent")

    def __init__(self, payer: Payer, rate_limits: RateLimits) -> None:
        self._rate_limits = rate_limits
        self.payer = payer
        self._purse: Purse | None = None  # None while it is full, so that an idle connection needs no memory for it
        self.spent = 0.0
        self.overdrawn = False

    def charge(self, points: float) -> None:
        """Pay for anything but messages."""
        self.spent += points
        self._pay(0, points)

    def charge_messages(self, messages: float) -> None:
        """Pay for messages, unless the operator has set no limit for them."""
        if self._rate_limits.limits.message_rate:
            self._pay(messages, 0)

    def charge_read(self, frames: Sequence[f.ClientFrame | BadFrame], size: int, blank: int) -> None:
        """Pay for what the price of the frames does not cover: blank lines, and bytes beyond one KiB for each frame."""
        kib = max(0.0, size / KIB - len(frames))
        welcomed = self.payer.welcomed
        points = blank * prices.BLANK
        if not frames:
            points += prices.READ if welcomed else prices.READ_GREETING
        if not welcomed:
            points += kib * prices.GREETING_KIB
        elif frames and type(frames[0]) is f.Send:
            self.charge_messages(kib)
        else:
            points += kib
        self.charge(points)

    def _pay(self, messages: float, points: float) -> None:
        if self._purse is None:
            self._purse = Purse(self._terms(), self._rate_limits.clock())
        overdrawn = self._purse.pay(messages, points)
        shared = self._shared()
        if shared is not None and shared.pay(messages, points):
            overdrawn = True
        token = self.payer.token
        if token is not None and messages and self._rate_limits.purse_of_token(token).pay(messages, 0):
            overdrawn = True
        if overdrawn and not self.overdrawn:
            self._settle()

    def _terms(self) -> Terms:
        return self._rate_limits.terms if self.payer.welcomed else prices.GREETING

    def _shared(self) -> Purse | None:
        """Return the user's purse; before the welcome, and without a name, the one of the address."""
        payer = self.payer
        if payer.user is None or not payer.welcomed:
            return self._rate_limits.shared_purse(payer.caller, greeting=not payer.welcomed)
        return self._rate_limits.personal_purse(payer.user)

    def debt(self) -> float:
        """Return the seconds until no purse is overdrawn; 0.0 if none is now."""
        payer, shared = self.payer, self._shared()
        now = self._rate_limits.clock()
        seconds = self._purse.wait(now) if self._purse is not None else 0.0
        if shared is not None:
            seconds = max(seconds, shared.wait(now))
        if payer.token is not None and payer.token.purse is not None:
            seconds = max(seconds, payer.token.purse.wait(now))
        return seconds

    def _settle(self) -> None:
        """Stop reading while a purse is overdrawn; read again once none is."""
        if (seconds := self.debt()) > 0:
            self.overdrawn = True
            self.payer.hold()
            self._rate_limits.later(max(seconds, _SOONEST), self._check_again)
        elif self.overdrawn:
            self.overdrawn = False
            self.payer.release()

    def _check_again(self) -> None:
        if self.overdrawn and not self.payer.closed:
            self._settle()

    def open(self) -> None:
        """Start with a full purse after the welcome, whatever the greeting has cost."""
        self._purse = None
        if self.overdrawn:
            self.overdrawn = False
            self.payer.release()

    def reset(self) -> bool:
        """Drop purses that are full; return whether the account is now as good as a new one."""
        payer = self.payer
        self.spent = 0.0
        if self._purse is not None and self._purse.full(self._rate_limits.clock()):
            self._purse = None
        if payer.user is not None:
            self._rate_limits.drop_full_purse(payer.user)
        return self._purse is None and not self.overdrawn and (payer.user is None or payer.user.purse is None)
