"""Tells the user of what is for them: rings the terminal's bell, or has the desktop show a notification.

Terminals show notifications for one of two escape sequences: ``OSC 9`` (iTerm2, kitty, Windows Terminal and others), or
``OSC 777`` (urxvt, and those on VTE, as GNOME's). Those that know both would show two: where the environment tells
which terminal it is, only its own is sent. tmux and screen pass on only what is wrapped up for them; tmux has to be
told that it may (``set -g allow-passthrough on``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chatcli.client.chat.events import Event, Said
from chatcli.client.chat.recent import conversation
from chatcli.client.interactive.preferences import Notify
from chatcli.client.interactive.widths import cut
from chatcli.protocol.frames import Message
from chatcli.protocol.names import is_room
from chatcli.protocol.text import printable_line

_BETWEEN: Final = 1.0  # seconds: at most one in so many
_LONGEST: Final = 100  # columns
_LOOKED_AT: Final = 400  # characters of a text, of which that many columns may be made
_BELL: Final = "\a"
_BOTH: Final = ("9", "777")


class Notifier:
    """Knows when the user was last notified.

    Args:
        way: how they want it.
        write: takes what the terminal is sent.
        typing_in: whether the user is typing in a conversation now: then they look at it.
        clock: the seconds since some moment.
        environ: the environment, which tells what terminal this is.
    """

    def __init__(
        self,
        way: Notify,
        write: Callable[[str], None],
        typing_in: Callable[[str], bool],
        clock: Callable[[], float],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        # The Linux console knows neither sequence, and old ones print part of them.
        self._way: Notify = "bell" if way == "osc" and environ.get("TERM", "").startswith("linux") else way
        self._write = write
        self._typing_in = typing_in
        self._clock = clock
        self._environ = environ
        self._last: float | None = None

    def notify(self, events: Sequence[Event], user: str) -> None:
        """Notify the user of the notable ones among events that are shown now, at most once."""
        if self._way == "off":
            return
        notable = [event.message for event in events if isinstance(event, Said) and event.notable and not event.past]
        notable = [message for message in notable if not self._typing_in(conversation(message, user))]
        now = self._clock()
        if not notable or (self._last is not None and now - self._last < _BETWEEN):
            return
        self._last = now
        self._write(_BELL if self._way == "bell" else notification(*_words(notable), self._environ))


def _words(messages: list[Message]) -> tuple[str, str]:
    """Return a title and a text, of the newest message."""
    message = messages[-1]
    title = message.sender + (f" in {message.to}" if is_room(message.to) else "")
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return title, cut(printable_line(message.text[:_LOOKED_AT]), _LONGEST) + more


def notification(title: str, text: str, environ: Mapping[str, str]) -> str:
    """Return the escape sequences that have the desktop show a text; nothing in it can end them or begin others."""
    # A semicolon would end the title; and "4;" at the beginning of a text is a progress bar to some terminals.
    title, text = (printable_line(part).replace(";", ",") for part in (title, text))
    bodies = {"9": f"9;{title}: {text}", "777": f"777;notify;{title};{text}"}
    return "".join(_passed_through(f"\x1b]{bodies[kind]}\a", environ) for kind in _kinds(environ))


def _kinds(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sequences that the terminal knows; all of them where it is not known, as in tmux or through ssh."""
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
