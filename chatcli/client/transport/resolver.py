"""Looks up names of hosts in threads, as the system's look-up may take minutes and cannot be interrupted."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar

from chatcli.errors import ServerUnreachable

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

_UNKNOWN: Final = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


Result = TypeVar("Result")


def look_up(server: Address, find: Callable[[], Result], deadline: float) -> Result:
    """Return the result of ``find``, which runs in a thread.

    Args:
        server: the server's address, for the sentence.
        find: looks up the addresses of its host.
        deadline: when to give up, by the monotonic clock.

    Raises:
        ServerUnreachable: there are no addresses, or nobody knows them in time.
    """
    answers: list[Result | Exception] = []
    thread = start_look_up(find, answers.append)
    thread.join(max(0.0, deadline - time.monotonic()))
    answer: Result | Exception = answers[0] if answers else TimeoutError()
    if isinstance(answer, Exception):
        raise ServerUnreachable(unresolved(server, answer))
    return answer


def start_look_up(find: Callable[[], Result], report: Callable[[Result | Exception], object]) -> Thread:
    """Start a look-up in a thread that need not be waited for.

    Args:
        find: looks up the addresses of a host.
        report: called in that thread with the addresses, or with the error.
    """

    def run() -> None:
        try:
            found: Result | Exception = find()
        except (OSError, UnicodeError) as error:
            found = error
        report(found)

    thread = Thread(target=run, name="look-up", daemon=True)
    thread.start()
    return thread


def unresolved(server: Address, error: Exception) -> str:
    """Return a sentence that says why a name has no address, and what to do about it."""
    if isinstance(error, TimeoutError):
        return f'The name "{server.host}" was not resolved in time: check the network, or give its IP address.'
    if isinstance(error, UnicodeError) or getattr(error, "errno", None) in _UNKNOWN:
        return f'There is no host called "{server.host}": check the spelling, or give its IP address with --server.'
    if getattr(error, "errno", None) == socket.EAI_AGAIN:
        return (
            f'The name "{server.host}" cannot be looked up at the moment: check the network and the spelling, or give '
            "its IP address with --server."
        )
    reason = getattr(error, "strerror", None) or error
    return f'The name "{server.host}" cannot be looked up ({reason}): give its IP address with --server.'
