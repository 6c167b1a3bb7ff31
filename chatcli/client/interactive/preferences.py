"""The user's preferences: colours, notifications, keys and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatcli.client.chat.events import Clock

Color = Literal["auto", "always", "never"]
Background = Literal["auto", "dark", "light"]
Notify = Literal["bell", "osc", "off"]
Keys = Literal["emacs", "vi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preferences of one user.

    Attributes:
        color: whether colours are used; ``auto`` depends on the terminal and ``NO_COLOR``.
        background: the background of the terminal; ``auto`` depends on ``COLORFGBG``.
        notify: the notification of messages for the user: the terminal's bell, one of the desktop, or none.
        keys: the keys that edit a line.
        clock: the format of times.
    """

    color: Color = "auto"
    background: Background = "auto"
    notify: Notify = "bell"
    keys: Keys = "emacs"
    clock: Clock = "24h"
