"""Rate limits: what one address, and one user on all connections, may do within a time."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.values.address import is_loopback
from chatcli.server.limits import Limits
from chatcli.server.purse import Purse, Terms
from chatcli.server.security.prices import GREETINGS, HINTS, LISTED, PERSON, TOKEN, VISIT

if TYPE_CHECKING:
    from chatcli.server.model import Token, User
    from chatcli.server.throttle import Later

_ADDRESSES: Final = 10_000  # kept in memory; the least recently used ones are dropped first
_SOON: Final = 10.0  # seconds
_SOME, _AT_ONCE = 1000, 0.1  # purses that are checked in one tick; seconds until the next, if there are more
_MINUTE, _HOUR = 60.0, 3600.0  # seconds
_LINKS: Final = 20  # keys that a user may add within an hour; others are told of each


def network(address: str) -> str:
    """Return the unit to which limits apply: an IPv4 address, or the /64 network of an IPv6 address.

    Such a network is the least that one customer gets (RFC 6177).
    """
    host = address.partition("%")[0]
    if ":" not in host or "." in host:
        return host
    try:
        return str(ipaddress.ip_network((host, 64), strict=False))
    except ValueError:
        return host


def by_http(host: str) -> str:
    """Return the address under which the limits count a caller by HTTP at a host: this machine is never exempt there.

    Whatever comes from this machine by HTTP may come from anywhere, through a proxy or a forwarded port.
    """
    return f"{host} by HTTP" if is_loopback(host) else host


class Buckets:
    """A leaky bucket for each address (https://en.wikipedia.org/wiki/Leaky_bucket).

    Args:
        size: the number of events that one address may cause at once.
        seconds: until a full bucket is empty again.
        clock: seconds, never going back.
    """

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._rate = size / seconds
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # a level, and the time when it was reached

    def level(self, address: str) -> float:
        """Return the level of an address's bucket, in events."""
        address = network(address)
        if address not in self._levels:
            return 0.0
        level, at = self._levels[address]
        return max(0.0, level - (self._clock() - at) * self._rate)

    def full(self, address: str) -> bool:
        """Return whether an address may cause no more events at the moment."""
        return self.level(address) > self._size - 1

    def add(self, address: str) -> None:
        """Record an event."""
        address = network(address)
        self._levels[address] = (min(self.level(address) + 1, float(self._size)), self._clock())
        self._levels.move_to_end(address)
        if len(self._levels) > _ADDRESSES:
            self._levels.popitem(last=False)


class RateLimits:
    """The limits of all addresses and users. Loopback is exempt if so configured: its users share one address.

    Args:
        limits: the configured limits.
        clock: seconds, never going back.
        later: runs a callable after a number of seconds.

    Attributes:
        limits: as given.
        clock: as given.
        later: as given.
        terms: the terms of one connection's purse.
        personal_terms: the terms of a user's purse, which all their connections share.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], later: Later) -> None:
        self.limits = limits
        self.clock = clock
        self.later = later
        self.terms = Terms(limits.message_rate, limits.message_burst)
        self.personal_terms = self.terms.times(PERSON)
        self._purses: OrderedDict[tuple[str, bool], Purse] = OrderedDict()
        self._visitors: dict[User, None] = {}  # users whose purses are dropped once they are full
        self._failures = Buckets(limits.proofs, _MINUTE, clock)
        self._names = Buckets(limits.names, _HOUR, clock)
        self._links = Buckets(_LINKS, _HOUR, clock)
        self._connections: dict[str, int] = {}

    def _exempt(self, address: str) -> bool:
        return self.limits.exempt_loopback and is_loopback(address)

    def add_connection(self, address: str) -> bool:
        """Count a connection, if there may be one more from that address; return whether there may."""
        exempt, address = self._exempt(address), network(address)
        count = self._connections.get(address, 0)
        if count >= self.limits.connections_per_address and not exempt:
            return False
        self._connections[address] = count + 1
        return True

    def remove_connection(self, address: str) -> None:
        """Count a connection that has ended."""
        address = network(address)
        count = self._connections.pop(address, 1) - 1
        if count:
            self._connections[address] = count

    def shared_purse(self, address: str, *, greeting: bool) -> Purse | None:
        """Return the purse that nameless clients from one address share; None for greetings from an exempt address.

        Args:
            address: the address.
            greeting: whether the client has yet to be welcomed.
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
        """Return the purse that all connections of a user share."""
        if user.purse is None:
            user.purse = Purse(self.personal_terms, self.clock())
        return user.purse

    def purse_of_token(self, token: Token) -> Purse:
        """Return the purse that all connections under a token share."""
        if token.purse is None:
            token.purse = Purse(TOKEN, self.clock())
        return token.purse

    def charge_visit(self, user: User) -> None:
        """Charge a user for a connection that has ended, so that coming and going without end has its limit, too."""
        self.personal_purse(user).pay(0, VISIT + (len(user.rooms) + len(user.reads)) * LISTED)
        if not self._visitors:
            self.later(_SOON, self._drop_full_purses)
        self._visitors[user] = None

    def _drop_full_purses(self) -> None:
        """Drop the full purses among those of some visitors; check the others again later."""
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
        """Drop a user's purse if it is full: a new one would be the same."""
        if user.purse is not None and user.purse.full(self.clock()):
            user.purse = None

    def charge_hints(self, user: User) -> bool:
        """Charge a user for a search for close names; return False, and charge nothing, if they cannot afford it."""
        purse = self.personal_purse(user)
        if purse.low:
            return False
        purse.pay(0, HINTS)
        return True

    def check_failures(self, address: str) -> None:
        """Raise if too many proofs and codes from an address were wrong lately.

        Raises:
            Refused: the client has to wait a minute.
        """
        if self._failures.full(address) and not self._exempt(address):
            raise Refused(codes.TOO_MANY, "Too many proofs and codes from your address were wrong: wait a minute.")

    def record_failure(self, address: str) -> None:
        """Record a proof or a code that was wrong."""
        self._failures.add(address)

    def record_name(self, address: str) -> None:
        """Record a new name of a user or a room.

        Raises:
            Refused: there were too many from that address.
        """
        if self._names.full(address) and not self._exempt(address):
            raise Refused(
                codes.TOO_MANY,
                f"{self.limits.names} new names came from your address within the hour: use one of them, or wait.",
            )
        self._names.add(address)

    def record_link(self, user: User) -> None:
        """Record that a user adds a key.

        Raises:
            Refused: they have added too many lately.
        """
        if self._links.full(str(user.id)):
            raise Refused(codes.TOO_MANY, f"{user.name} has added {_LINKS} keys within the hour: wait.")
        self._links.add(str(user.id))
