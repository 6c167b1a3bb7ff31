"""How much of something one address may do in a while: buckets that fill again with time."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.address import is_loopback
from chatcli.server.limits import Limits
from chatcli.server.security.prices import GREETINGS, HINTS, LISTED, PERSON, VISIT, Purse, Terms

if TYPE_CHECKING:
    from chatcli.server.model import User
    from chatcli.server.throttle import Later

_ADDRESSES: Final = 10_000  # remembered; those that have been quiet the longest are forgotten first
_SOON: Final = 10.0  # seconds
_SOME, _AT_ONCE = 1000, 0.1  # purses that are looked at in one turn, and seconds until the next where there are more
_MINUTE, _HOUR = 60.0, 3600.0  # seconds


def network(address: str) -> str:
    """Return what counts as one address: an IPv6 network of 64 bits is one customer's (RFC 6177), IPv4 is as it is."""
    host = address.partition("%")[0]
    if ":" not in host or "." in host:
        return host
    try:
        return str(ipaddress.ip_network((host, 64), strict=False))
    except ValueError:
        return host


class Buckets:
    """A leaky bucket for each address (https://en.wikipedia.org/wiki/Leaky_bucket).

    Args:
        size: what may be taken at once.
        seconds: until an emptied bucket is full again.
        clock: seconds, never going back.
    """

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._rate = size / seconds
        self._clock = clock
        self._taken: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how much, and as of when

    def taken(self, address: str) -> float:
        """Return how much of the address's bucket is gone."""
        address = network(address)
        if address not in self._taken:
            return 0.0
        taken, at = self._taken[address]
        return max(0.0, taken - (self._clock() - at) * self._rate)

    def empty(self, address: str) -> bool:
        """Return whether nothing can be taken at the moment."""
        return self.taken(address) > self._size - 1

    def take(self, address: str) -> None:
        """Take one."""
        address = network(address)
        self._taken[address] = (min(self.taken(address) + 1, float(self._size)), self._clock())
        self._taken.move_to_end(address)
        if len(self._taken) > _ADDRESSES:
            self._taken.popitem(last=False)


class Allowances:
    """What strangers may do. This machine's own addresses are exempt: everyone here shares them.

    Args:
        limits: how much of each.
        clock: seconds, never going back.
        later: runs a callable after so many seconds.

    Attributes:
        limits: as given.
        clock: as given.
        later: as given.
        terms: what is put into the purse of one connection.
        personal_terms: what is put into that of a person, for all connections together.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], later: Later) -> None:
        self.limits = limits
        self.clock = clock
        self.later = later
        self.terms = Terms(limits.message_rate, limits.message_burst)
        self.personal_terms = self.terms.times(PERSON)
        self._purses: OrderedDict[tuple[str, bool], Purse] = OrderedDict()
        self._visitors: dict[User, None] = {}  # people whose purses are to be dropped once they are full
        self._proofs = Buckets(limits.proofs, _MINUTE, clock)
        self._names = Buckets(limits.names, _HOUR, clock)
        self._connections: dict[str, int] = {}

    def _exempt(self, address: str) -> bool:
        return self.limits.exempt_loopback and is_loopback(address)

    def connect(self, address: str) -> bool:
        """Count a connection; return whether there may be one more from there."""
        exempt, address = self._exempt(address), network(address)
        count = self._connections.get(address, 0)
        if count >= self.limits.connections_per_address and not exempt:
            return False
        self._connections[address] = count + 1
        return True

    def disconnect(self, address: str) -> None:
        """Take a connection off the count."""
        address = network(address)
        count = self._connections.pop(address, 1) - 1
        if count:
            self._connections[address] = count

    def purse(self, address: str, *, greeting: bool) -> Purse | None:
        """Return the purse that strangers from one address share; None for greetings from an address that is exempt.

        Args:
            address: where they are.
            greeting: whether they have yet to be let in.
        """
        if greeting and self._exempt(address):
            return None
        key = network(address), greeting
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = Purse(GREETINGS if greeting else self.personal_terms, self.clock())
            if len(self._purses) > _ADDRESSES:
                self._purses.popitem(last=False)
        return purse

    def personal_purse(self, user: User) -> Purse:
        """Return the purse of a person, for all their connections together."""
        if user.purse is None:
            user.purse = Purse(self.personal_terms, self.clock())
        return user.purse

    def charge_visit(self, user: User) -> None:
        """Have a person pay for a connection that has ended: whoever comes and goes without end has less to say."""
        self.personal_purse(user).pay(0, VISIT + len(user.rooms) * LISTED)
        if not self._visitors:
            self.later(_SOON, self._drop_full_purses)
        self._visitors[user] = None

    def _drop_full_purses(self) -> None:
        """Drop those of visitors who have all that they may say by now, some at a time; look at the others again."""
        visitors = list(islice(self._visitors, _SOME))
        for user in visitors:
            del self._visitors[user]
        for user in visitors:
            self.drop_full_purse(user)
            if user.purse is not None:
                self._visitors[user] = None
        if self._visitors:
            self.later(_AT_ONCE if len(self._visitors) > _SOME else _SOON, self._drop_full_purses)

    def drop_full_purse(self, user: User) -> None:
        """Keep no numbers of somebody who has all that they may say."""
        if user.purse is not None and user.purse.full(self.clock()):
            user.purse = None

    def hints(self, user: User) -> bool:
        """Return whether to look for names that come close to what a user has written, and have them pay for that."""
        purse = self.personal_purse(user)
        if purse.low:
            return False
        purse.pay(0, HINTS)
        return True

    def check_proofs(self, address: str) -> None:
        """Refuse another proof from where too many have failed.

        Raises:
            Refused: try again in a minute.
        """
        if self._proofs.empty(address) and not self._exempt(address):
            raise Refused(codes.TOO_MANY, "Too many proofs and codes from your address were wrong: wait a minute.")

    def take_proof(self, address: str) -> None:
        """Count a proof or a code that was wrong."""
        self._proofs.take(address)

    def take_name(self, address: str) -> None:
        """Count a new name.

        Raises:
            Refused: there were too many from that address.
        """
        if self._names.empty(address) and not self._exempt(address):
            raise Refused(
                codes.TOO_MANY,
                f"{self.limits.names} new names came from your address within the hour: use one of them, or wait.",
            )
        self._names.take(address)
