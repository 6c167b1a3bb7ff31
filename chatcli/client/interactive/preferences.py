"""How the user wants the client to look, to sound and to be typed at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatcli.client.chat.events import Clock

Color = Literal["auto", "always", "never"]
Background = Literal["auto", "dark", "light"]
Notify = Literal["bell", "osc", "off"]
Keys = Literal["emacs", "vi"]


@dataclass(frozen=True, slots=True)
class Looks:
    """What can be chosen.

    Attributes:
        color: whether there is any; ``auto`` asks the terminal and ``NO_COLOR``.
        background: what the colours are to be read on; ``auto`` asks ``COLORFGBG``.
        notify: how the user learns of what is for them: the terminal's bell, a notification of the desktop, or not.
        keys: those with which a line is edited.
        clock: how times are written.
    """

    color: Color = "auto"
    background: Background = "auto"
    notify: Notify = "bell"
    keys: Keys = "emacs"
    clock: Clock = "24h"
