"""Runs an operation that sends and then waits, over as many connections as that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from chatcli.client.outbox.flush import flush_outbox
from chatcli.client.transport.blocking import TIMEOUT, Connection, with_retries
from chatcli.errors import ServerUnavailable

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login

_WAIT: Final = 1.0  # seconds from one failure to reach the server to the next attempt

Result_co = TypeVar("Result_co", covariant=True)


class Operation(Protocol[Result_co]):
    """Something that is sent, and then waited for."""

    @property
    def is_stored(self) -> bool:
        """Whether the server has it on disk: from then on a server that is lost is waited for."""

    def left(self) -> float:
        """Return the seconds that are left once it is stored; 0 or less if the time is over."""

    def patience(self) -> float:
        """Return the seconds for reaching the server."""

    def run(self, connection: Connection) -> Result_co:
        """Send it, if it is not stored, and return the result, or that there was none in time."""


def run_until_over(login: Login, operation: Operation[Result_co], seconds: float = TIMEOUT) -> Result_co:
    """Run an operation and return its result; if the server is lost after it was stored, retry until the time is over.

    Args:
        login: the server and the user.
        operation: the operation.
        seconds: for sending the messages in the outbox before.

    Raises:
        ServerUnavailable: the server does not answer, or cannot store it, or is gone when the time is over.
        ChatError: as :func:`chatcli.client.transport.blocking.with_retries`.
    """
    flush_outbox(login, read_only=False, seconds=seconds)
    while True:
        is_over = operation.is_stored and operation.left() <= 0
        try:
            return with_retries(login, "send", operation.run, operation.patience())
        except ServerUnavailable:
            if is_over or not operation.is_stored:
                raise
        time.sleep(min(_WAIT, max(0.0, operation.left())))
        login = login.without_prompt()  # it is no first contact any more
