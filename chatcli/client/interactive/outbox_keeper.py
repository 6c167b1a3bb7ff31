"""Unsent messages on disk: those of earlier visits are sent again, and those of this one survive the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.outbox.store import Outbox
from chatcli.client.storage import files
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.client.chat.outgoing import Outgoing
    from chatcli.protocol.values.address import Address

_LONG: Final = 1.0  # seconds without an answer, after which a message is written to disk


class OutboxKeeper:
    """Writes to disk what waits too long to be sent.

    Args:
        outbox: the file; None if messages are not to survive the client.
        outgoing: the messages.
        report: shows the error if they cannot be written.
    """

    def __init__(self, outbox: Outbox | None, outgoing: Outgoing, report: Callable[[InputError], None]) -> None:
        self._outbox = outbox
        self._outgoing = outgoing
        self._report = report
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_writing(self) -> bool:
        """Whether unsent messages survive the client."""
        return self._outbox is not None

    @property
    def restored(self) -> int:
        """The number of messages of earlier visits."""
        return 0 if self._outbox is None else len(self._outbox.waiting)

    def update(self, *, connected: bool) -> None:
        """Write messages that wait for long, at once without a connection; remove those that were sent."""
        if self._outbox is None:
            return
        if not self._outgoing:
            self._outbox.clear()
        elif not connected:
            self.write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LONG, self.write)

    def write(self) -> None:
        """Write unsent messages now."""
        self._cancel()
        if self._outbox is None:
            return
        try:
            self._outbox.store(self._outgoing.unanswered(), epochs=self._outgoing.epochs)
        except InputError as error:
            self._outbox.close()
            self._outbox = None  # so that the error is reported once
            self._report(error)

    def close(self) -> None:
        """Write no more."""
        self._cancel()
        if self._outbox is not None:
            if not self._outgoing:
                self._outbox.clear()
            self._outbox.close()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def open_outbox(server: Address, user: str, outgoing: Outgoing, report: Callable[[InputError], None]) -> Outbox | None:
    """Open the file of unsent messages, and restore those of earlier visits; None if it cannot be used."""
    try:
        outbox = Outbox(files.outbox_directory(), server, user)
    except InputError as error:
        report(error)
        return None
    outgoing.restore(outbox.waiting, outbox.epochs)
    return outbox
