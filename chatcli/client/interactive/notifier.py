"""Notifications of messages for the user: the terminal's bell, or a notification of the desktop.

Terminals show notifications for one of two escape sequences: ``OSC 9`` (iTerm2, kitty, Windows Terminal and others), or
``OSC 777`` (urxvt, and those on VTE, as GNOME's). Those that know both would show two: if the environment names the
terminal, only its own is sent. tmux and screen pass on only sequences that are wrapped for them; tmux has to be allowed
to (``set -g allow-passthrough on``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chatcli.client.chat.events import Event, Shown
from chatcli.client.chat.recent import conversation
from chatcli.client.interactive.preferences import Notify
from chatcli.client.interactive.widths import cut
from chatcli.protocol.frames import Message
from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.text import printable_line

_INTERVAL: Final = 1.0  # seconds between two notifications, at least
_LONGEST: Final = 100  # columns
_READ: Final = 400  # characters of a text, enough for that many columns
_BELL: Final = "\a"
_BOTH: Final = ("9", "777")


class Notifier:
    """Notifies the user, not too often.

    Args:
        kind: the kind of notification.
        write: writes to the terminal.
        is_watching: whether the user looks at a conversation now.
        clock: returns the seconds since a fixed moment.
        environ: the environment, which may name the terminal.
        is_undisturbed: whether the user wants no notifications now.
    """

    def __init__(
        self,
        kind: Notify,
        write: Callable[[str], None],
        is_watching: Callable[[str], bool],
        clock: Callable[[], float],
        environ: Mapping[str, str] = os.environ,
        *,
        is_undisturbed: Callable[[], bool] = lambda: False,
    ) -> None:
        # The Linux console knows neither sequence, and old ones print part of them.
        self._kind: Notify = "bell" if kind == "osc" and environ.get("TERM", "").startswith("linux") else kind
        self._write = write
        self._is_watching = is_watching
        self._clock = clock
        self._environ = environ
        self._is_undisturbed = is_undisturbed
        self._last: float | None = None

    def notify(self, events: Sequence[Event], user: str) -> None:
        """Notify the user of the notable ones among events that are shown now, at most once."""
        if self._kind == "off" or self._is_undisturbed():
            return
        notable = [event.message for event in events if isinstance(event, Shown) and event.notable and not event.past]
        notable = [message for message in notable if not self._is_watching(conversation(message, user))]
        now = self._clock()
        if not notable or (self._last is not None and now - self._last < _INTERVAL):
            return
        self._last = now
        self._write(_BELL if self._kind == "bell" else notification(*_words(notable), self._environ))


def _words(messages: list[Message]) -> tuple[str, str]:
    """Return the title and the text of a notification of the newest message."""
    message = messages[-1]
    title = message.sender + (f" in {message.to}" if is_room(message.to) else "")
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return title, cut(printable_line(message.text[:_READ]), _LONGEST) + more


def notification(title: str, text: str, environ: Mapping[str, str]) -> str:
    """Return the escape sequences that make the desktop show a text; nothing in it can end them or begin others."""
    # A semicolon would end the title; and "4;" at the beginning of a text is a progress bar to some terminals.
    title, text = (printable_line(part).replace(";", ",") for part in (title, text))
    bodies = {"9": f"9;{title}: {text}", "777": f"777;notify;{title};{text}"}
    return "".join(_passed_through(f"\x1b]{bodies[kind]}\a", environ) for kind in _kinds(environ))


def _kinds(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sequences that the terminal knows; all of them if it is unknown, as in tmux or through ssh."""
    if environ.get("TMUX") or environ.get("STY"):
        return _BOTH
    if environ.get("TERM", "").startswith(("rxvt", "foot")) or environ.get("VTE_VERSION"):
        return ("777",)
    known = environ.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm", "ghostty", "kitty") or environ.get("WT_SESSION")
    return ("9",) if known or environ.get("TERM") in ("xterm-kitty", "xterm-ghostty", "wezterm") else _BOTH


def _passed_through(sequence: str, environ: Mapping[str, str]) -> str:
    if environ.get("TMUX"):
        escaped = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{escaped}\x1b\\"
    return f"\x1bP{sequence}\x1b\\" if environ.get("STY") else sequence
