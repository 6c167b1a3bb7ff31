"""Waits for what comes of something that was said, over as many connections as that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from chatcli.client.outbox.leftovers import empty_spool
from chatcli.client.transport.blocking import TIMEOUT, Connection, with_retries
from chatcli.errors import ServerUnavailable

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login

_BETWEEN_LOOKS: Final = 1.0  # seconds from one failure to reach the server to the next

Result_co = TypeVar("Result_co", covariant=True)


class Wait(Protocol[Result_co]):
    """Something that is said, and then waited for."""

    @property
    def begun(self) -> bool:
        """Whether it was said, and is on the server's disk: then a server that is lost is waited for."""

    def left(self) -> float:
        """Return how many seconds are left from then on; none or less where the time is over."""

    def patience(self) -> float:
        """Return for how long to try to reach the server, in seconds."""

    def talk(self, connection: Connection) -> Result_co:
        """Say it, if it is not said, and return what comes of it, or that nothing did in time."""


def persist(
    login: Login,
    wait: Wait[Result_co],
    seconds: float = TIMEOUT,
) -> Result_co:
    """Say something and return what comes of it; where the server is lost after that, try until the time is over.

    Args:
        login: the server, and who logs in there.
        wait: what is said and waited for.
        seconds: what the user has left in the outbox may take so long before.

    Raises:
        ServerUnavailable: the server does not answer, or cannot take it, before it was stored or when the time is over.
        ChatError: as :func:`chatcli.client.transport.blocking.with_retries`.
    """
    empty_spool(login.server, login.user, login.trust, login.identity, asking=False, seconds=seconds)
    while True:
        over = wait.begun and wait.left() <= 0
        try:
            return with_retries(login, "send", wait.talk, wait.patience())
        except ServerUnavailable:
            if over or not wait.begun:
                raise
        time.sleep(min(_BETWEEN_LOOKS, max(0.0, wait.left())))
        login = login.without_prompt()  # it is no first contact any more
