"""Binds the sockets that the server listens on: one for each address of its hosts, all on one port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from chatcli.errors import ServeError
from chatcli.protocol.values.address import Address

BACKLOG: Final = 1024  # connections that the kernel holds until they are accepted
_ALL_4: Final = "0.0.0.0"  # noqa: S104 (the operator wants all addresses)
_ALL_6: Final = "::"
_TRIES: Final = 16  # ports that are tried until one is free at every address
_NO_SUCH_ADDRESS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV)
_NOT_ALLOWED: Final = (errno.EACCES, errno.EPERM)


class Bound(NamedTuple):
    """The sockets, and a sentence for each address that has none."""

    sockets: list[socket.socket]
    missing: list[str]


class _Target(NamedTuple):
    """An address to listen at, and the host that it belongs to."""

    host: str
    family: int
    place: tuple[Any, ...]

    def __str__(self) -> str:
        address = str(self.place[0])
        return address if address == self.host else f"{address} ({self.host})"


def bind(hosts: Sequence[str], port: int) -> Bound:
    """Return sockets at all addresses of the hosts that this machine has.

    Raises:
        ServeError: it has none of them, or none is free.
    """
    targets, missing = _targets(hosts, port)
    for _ in range(_TRIES):
        bound = _bind_all(targets, port)
        in_use = any(error.errno == errno.EADDRINUSE for _, error in bound.failed)
        if not in_use or port or not bound.sockets:
            break
        bound.close()  # the port that is free at one address is in use at another
    if not bound.sockets and any(_is_no_ipv6(target, error) for target, error in bound.failed):
        return bind([_ALL_4], port)  # "::" means everywhere
    missing += [_reason(error, target, bound.port or port) for target, error in bound.failed]
    if not bound.sockets:
        raise ServeError(" ".join(dict.fromkeys(missing)))
    return Bound(bound.sockets, missing)


def _targets(hosts: Sequence[str], port: int) -> tuple[list[_Target], list[str]]:
    """Return the addresses of the hosts, and a sentence for each host that has none."""
    targets: list[_Target] = []
    missing = []
    for host in hosts:
        try:
            bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
            found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            missing.append(_not_found(host, error))
        else:
            targets += [_Target(bare, family, place) for family, _, _, _, place in found]
    return list({target[1:]: target for target in reversed(targets)}.values())[::-1], missing


class _Bound:
    """The outcome of binding all addresses to one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sockets: list[socket.socket] = []
        self.failed: list[tuple[_Target, OSError]] = []

    def close(self) -> None:
        """Close the sockets."""
        for bound in self.sockets:
            bound.close()


def _bind_all(targets: Sequence[_Target], port: int) -> _Bound:
    bound = _Bound(port)
    addresses = {str(target.place[0]) for target in targets}
    try:
        for target in sorted(targets, key=lambda target: target.place[0] != _ALL_6):
            if _covered(target, addresses, bound):
                continue
            try:
                bound.sockets.append(_listen(target, bound.port))
            except OSError as error:
                bound.failed.append((target, error))
            else:
                bound.port = bound.sockets[0].getsockname()[1]
    except BaseException:
        bound.close()
        raise
    return bound


def _covered(target: _Target, addresses: set[str], bound: _Bound) -> bool:
    """Return whether callers of an address reach a socket for all addresses anyway."""
    address = str(target.place[0])
    everything = any(one.getsockname()[0] == _ALL_6 for one in bound.sockets)
    if target.family == socket.AF_INET6:
        return everything and address != _ALL_6
    both = everything and socket.has_dualstack_ipv6()
    return both or (address != _ALL_4 and _ALL_4 in addresses)


def _listen(target: _Target, port: int) -> socket.socket:
    family, address = target.family, target.place[0]
    both = family == socket.AF_INET6 and address == _ALL_6 and socket.has_dualstack_ipv6()
    place = (address, port, *target.place[2:])  # with the network interface, where it matters
    return socket.create_server(place, family=family, backlog=BACKLOG, dualstack_ipv6=both)


def _is_no_ipv6(target: _Target, error: OSError) -> bool:
    return target.place[0] == _ALL_6 and error.errno in _NO_SUCH_ADDRESS


def _not_found(host: str, error: Exception) -> str:
    if getattr(error, "errno", None) == socket.EAI_AGAIN:
        return f'The name "{host}" cannot be looked up at the moment: name an IP address with --host, or try again.'
    return f'There is no host "{host}": name an address of this machine with --host.'


def _reason(error: OSError, target: _Target, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use on {target}: stop what uses it, or choose another with --port."
    if error.errno in _NOT_ALLOWED:
        return f"You may not use port {port}: choose one above 1023 with --port."
    if error.errno in _NO_SUCH_ADDRESS:
        return f"{target} is not an address of this machine: choose another with --host."
    if error.errno == errno.EINVAL and str(target.place[0]).startswith("fe80:"):
        return f'{target} is on each network anew: say on which, as in "{target.place[0]}%eth0".'
    return f"Cannot listen on {Address(str(target.place[0]), port)}: {error.strerror}."
