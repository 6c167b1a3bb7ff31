"""One connection's account: pays for what the client says, and has nothing read while there is nothing to pay from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.protocol import frames as f
from chatcli.server.security import prices
from chatcli.server.security.prices import KIB, Purse, Terms

if TYPE_CHECKING:
    from chatcli.protocol.codec import BadFrame
    from chatcli.server.model import User
    from chatcli.server.security.rate_limits import Allowances

_SOONEST: Final = 0.02  # seconds after which a connection that has overdrawn its purse is read again


class Payer(Protocol):
    """The connection that pays."""

    user: User | None

    @property
    def host(self) -> str:
        """The other end's host."""

    @property
    def closed(self) -> bool:
        """Whether nothing is said any more."""

    @property
    def welcomed(self) -> bool:
        """Whether the client is in."""

    def hold(self) -> None:
        """Take nothing from the client until it can pay."""

    def release(self) -> None:
        """Take what comes from the client again."""


class Account:
    """Pays from the connection's own purse, and from that of the person on all their connections.

    Args:
        payer: the connection.
        allowances: how much there is to pay from.

    Attributes:
        spent: points since the connection's turn began.
        overdrawn: whether nothing is read from the connection until there is something to pay from.
    """

    __slots__ = ("_allowances", "_payer", "_purse", "overdrawn", "spent")

    def __init__(self, payer: Payer, allowances: Allowances) -> None:
        self._allowances = allowances
        self._payer = payer
        self._purse: Purse | None = None  # None while it is full: an idle connection keeps no numbers of its own
        self.spent = 0.0
        self.overdrawn = False

    def charge(self, points: float) -> None:
        """Pay for anything but messages."""
        self.spent += points
        self._pay(0, points)

    def charge_messages(self, messages: float) -> None:
        """Pay for messages, unless the operator takes any number of them."""
        if self._allowances.limits.message_rate:
            self._pay(messages, 0)

    def charge_read(self, frames: Sequence[f.ClientFrame | BadFrame], size: int, blank: int) -> None:
        """Pay for what the frames of a read do not pay for: blank lines, and bytes beyond a KiB for each of them."""
        kib = max(0.0, size / KIB - len(frames))
        welcomed = self._payer.welcomed
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
            self._purse = Purse(self._terms(), self._allowances.clock())
        overdrawn = self._purse.pay(messages, points)
        shared = self._shared()
        if shared is not None and shared.pay(messages, points):
            overdrawn = True
        if overdrawn and not self.overdrawn:
            self._settle()

    def _terms(self) -> Terms:
        return self._allowances.terms if self._payer.welcomed else prices.GREETING

    def _shared(self) -> Purse | None:
        """Return the purse of the person, or that of all at the address who give no name or are not in yet."""
        payer = self._payer
        if payer.user is None or not payer.welcomed:
            return self._allowances.purse(payer.host, greeting=not payer.welcomed)
        return self._allowances.personal_purse(payer.user)

    def _settle(self) -> None:
        """Have nothing taken until both purses hold something again."""
        payer, shared = self._payer, self._shared()
        now = self._allowances.clock()
        seconds = self._purse.wait(now) if self._purse is not None else 0.0
        if shared is not None:
            seconds = max(seconds, shared.wait(now))
        if seconds > 0:
            self.overdrawn = True
            payer.hold()
            self._allowances.later(max(seconds, _SOONEST), self._look_again)
        elif self.overdrawn:
            self.overdrawn = False
            payer.release()

    def _look_again(self) -> None:
        if self.overdrawn and not self._payer.closed:
            self._settle()

    def open(self) -> None:
        """Note that the client is in: what it had before the welcome does not count any more."""
        self._purse = None
        if self.overdrawn:
            self.overdrawn = False
            self._payer.release()

    def reset(self) -> bool:
        """Let go of what is full; return whether that is all, so that a new account would say the same."""
        payer = self._payer
        self.spent = 0.0
        if self._purse is not None and self._purse.full(self._allowances.clock()):
            self._purse = None
        if payer.user is not None:
            self._allowances.drop_full_purse(payer.user)
        return self._purse is None and not self.overdrawn and (payer.user is None or payer.user.purse is None)
