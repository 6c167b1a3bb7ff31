"""Dialogues with the core of the interactive client: lines and frames in, events and frames out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Effects, Event
from chatcli.protocol import frames as f

LIMITS = f.Limits(100, 300, 60)


class Dialogue(Chat):
    """A chat on a screen that draws everything at once; it records some of its effects.

    Attributes:
        returned: the texts that came back into the input line.
        ack: the place in the log that the last frames acknowledge.
        left: whether the user has left.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed on)
        super().__init__(*args, **kwargs)
        self.returned: list[str] = []
        self.ack: int | None = None
        self.left = False

    def typed(self, line: str, origin: Origin = "typed") -> Effects:
        """Carry out a line."""
        self.attention.key_pressed()
        effects = super().typed(line, origin)
        self.attention.key_took_effect()
        self.returned += effects.returned
        self.left = self.left or effects.leave
        return effects

    def receive(self, frames: Iterable[f.ServerFrame]) -> Effects:
        """Receive frames."""
        effects = super().receive(frames)
        self.returned += effects.returned
        self.ack = effects.ack
        for event in effects.events:
            self.printing(event, 1)
        self.shown(effects.events)
        return effects


def types(chat: Chat, line: str, origin: Origin = "typed") -> tuple[list[Event], list[f.ClientFrame]]:
    """Return the events and the frames of a typed line, without the client's own requests."""
    effects = chat.typed(line, origin)
    return [*effects.events], [frame for frame in effects.frames if not _is_unasked(frame)]


def receives(chat: Chat, frames: Iterable[f.ServerFrame]) -> tuple[list[Event], list[f.ClientFrame]]:
    """Return the events and the frames that follow from frames of the server."""
    effects = chat.receive(frames)
    return [*effects.events], [*effects.frames]


def hears(chat: Chat, *frames: f.ServerFrame) -> list[Event]:
    """Return the events of the server's frames, which may cause no frames but requests for users."""
    events, following = receives(chat, frames)
    assert [frame for frame in following if not isinstance(frame, f.Who)] == []
    return events


def unasked(effects: Effects) -> list[f.ClientFrame]:
    """Return the client's own request for online users or a room's members."""
    return [frame for frame in effects.frames if _is_unasked(frame)]


def _is_unasked(frame: f.ClientFrame) -> bool:
    return isinstance(frame, f.Who) and frame.n in (0, 2**53 - 1, 2**53 - 4)
