"""Limits how often others are notified of the same thing: of the first change at once, then once a second."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

_SECONDS: Final = 1.0

#: Calls a function after a number of seconds, as the event loop's ``call_later`` does.
Later = Callable[[float, Callable[[], None]], object]
#: Sends a notification; returns the number of connections that get it.
Send = Callable[[], int]


class Throttle:
    """Sends the first notification of a thing at once, and then the newest, once a second.

    Args:
        later: calls a function after a number of seconds.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._sent: dict[Hashable, object] = {}  # the states that were sent within the last second
        self._waiting: dict[Hashable, tuple[object, Send]] = {}

    def submit(self, thing: Hashable, state: object, send: Send) -> int:
        """Send a notification now, or when it is time; return the number of connections that get it now.

        Args:
            thing: the thing that has changed.
            state: its state; if it is the one that was sent last, nothing is sent.
            send: sends the notification.
        """
        if thing in self._sent:
            self._waiting[thing] = (state, send)
            return 0
        self._sent[thing] = state
        self._later(_SECONDS, lambda: self._send_newest(thing))
        return send()

    def _send_newest(self, thing: Hashable) -> None:
        sent = self._sent.pop(thing)
        state, send = self._waiting.pop(thing, (sent, None))
        if send is not None and state != sent:
            self.submit(thing, state, send)
