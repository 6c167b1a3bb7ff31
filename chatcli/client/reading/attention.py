"""The attention of the person at a terminal: which messages they have read there, and whether they are there at all.

Never more is claimed than is known. A message is read once it has been drawn in the open conversation and a key is
pressed while it is still in view; or at once, if the terminal reports that it has the focus and somebody has touched it
just before. Focus alone proves nothing: people leave their desks without locking the screen. What has left the window
is read when it is shown anew, as the user opens the conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatcli.client.reading.unread_counts import UnreadCounts
from chatcli.protocol.frames import Idle, MarkRead, Ping
from chatcli.protocol.values.names import fold

_THERE: Final = 120.0  # seconds after a touch, in which somebody looks at a terminal that has the focus
_IDLE: Final = 300.0  # seconds without a touch, after which the server is told that nobody is here
_DRAWN: Final = 10_000  # conversations
_BETWEEN: Final = 0.5  # seconds between two positions of the same conversation, at least
_PINGS: Final = 2**52  # and more: the numbers of the pings whose answer shows that the positions before have arrived

#: The number of the positions that are sent: nothing answers, and a refusal concerns nobody.
READS: Final = 2**53 - 2


class Attention:
    """Moves the read positions.

    Args:
        counts: the positions.
        current: returns the open conversation, and whether the user has opened it; empty if there is none.
        elapsed: returns the seconds since a fixed moment.
        watched: whether a person may be there; nothing is read in a pipe.
        is_away: returns whether the user has said, on any of their devices, that they are away from the keyboard.
            Nothing is read then.
        in_view: returns whether a message of a conversation is in the window.

    Attributes:
        is_watched: whether a person may be there, see above.
        focus: whether the terminal has the focus; None unless it has reported it.
    """

    def __init__(
        self,
        counts: UnreadCounts,
        current: Callable[[], tuple[str, bool]],
        elapsed: Callable[[], float],
        *,
        watched: bool,
        is_away: Callable[[], bool] = lambda: False,
        in_view: Callable[[str, int], bool] = lambda _name, _seq: True,
    ) -> None:
        self.focus: bool | None = None
        self._is_away = is_away
        self._in_view = in_view
        self._counts = counts
        self._current = current
        self._elapsed = elapsed
        self.is_watched = watched
        self._touched = elapsed()
        self._was_away = False  # when the last key was pressed
        self._idle = False  # as the server knows it
        self._speaks = False  # whether the server knows read positions
        self._drawn: dict[str, int] = {}  # the newest message that was drawn, by folded conversation
        self._anew: dict[str, int] = {}  # up to here, a conversation was shown anew as it was opened, by folded name
        self._left: set[str] = set()  # conversations that were marked as unread, and not opened since, folded
        self._due: dict[str, MarkRead] = {}  # positions to send, by folded conversation
        self._sent: dict[str, tuple[MarkRead, float]] = {}  # the last one that was sent, and when
        self._unsure: dict[str, tuple[MarkRead, int]] = {}  # those that may not have arrived, and the ping after each
        self._pings = _PINGS  # the number of the next ping

    @property
    def is_there(self) -> bool:
        """Whether somebody is known to look at the terminal."""
        return self.is_watched and self.focus is True and not self._is_away() and self._is_fresh()

    @property
    def may_be_there(self) -> bool:
        """Whether somebody has just touched the terminal, and it has not lost the focus since."""
        return self.is_watched and self.focus is not False and not self._is_away() and self._is_fresh()

    def _is_fresh(self) -> bool:
        return self._elapsed() - self._touched < _THERE

    # The person

    def key_pressed(self) -> None:
        """Record a key, before it takes effect: what is in view of the conversation that the user has opened is read.

        One that has opened by itself is read once the key has taken effect, unless the key has left it.
        """
        if self.focus is False:  # the report that it is back was lost, or went to another program
            self.focus = None
        self._touched = self._elapsed()
        self._was_away = self._is_away()
        current, chosen = self._current()
        if chosen and current:
            self._read(current)

    def key_took_effect(self) -> None:
        """Record that a key that is none of a command has taken effect: what is in view is read."""
        self._read_open()

    def focus_changed(self, *, has_focus: bool | None) -> None:
        """Record that the terminal has got the focus, or has lost it; None if it does not say any more."""
        self.focus = has_focus
        if has_focus:
            self._touched = self._elapsed()
            self._read_open()

    def opened(self, name: str) -> None:
        """Record that the user has opened a conversation, or has written there."""
        self._left.discard(fold(name))
        self._read(name)

    def shown_anew(self, name: str, upto: int) -> None:
        """Record that a conversation has shown what is unread there, as the user opened it or wrote there.

        Args:
            name: the conversation.
            upto: the place of its newest message when they did so: those after it are read with a key.
        """
        drawn = self._drawn.get(fold(name), 0)
        self._anew[fold(name)] = drawn
        self._read(name, min(upto, drawn))

    def drawn(self, name: str, seq: int) -> None:
        """Record that a message of a conversation is on the screen now."""
        key = fold(name)
        self._drawn[key] = max(seq, self._drawn.pop(key, 0))
        if len(self._drawn) > _DRAWN:
            del self._drawn[next(iter(self._drawn))]
        current, chosen = self._current()
        if chosen and fold(current) == key and self.is_there:
            self._read(name)

    def look(self) -> None:
        """Read what could not be read yet: messages before it were missing, or the last key has said "I am back"."""
        is_back, self._was_away = self._was_away and not self._is_away(), self._was_away and self._is_away()
        if self.is_there or (is_back and self.may_be_there):
            self._read_open()

    def _read_open(self) -> None:
        current, _ = self._current()
        if current:
            self._read(current)

    def _read(self, name: str, upto: int | None = None) -> None:
        """Move the position of a conversation to what was drawn, unless unread messages before it are not in view.

        Args:
            name: the conversation.
            upto: the place of the last message that is read; None for all.
        """
        anew = self._anew.get(fold(name), 0)
        seq = self._drawn.get(fold(name), 0) if upto is None else upto
        first = self._counts.first_unread(name, anew)
        if first and first <= seq and not self._in_view(name, first):
            seq = anew
        if not self.is_watched or seq <= self._counts.position(name) or fold(name) in self._left or self._is_away():
            return
        if self._counts.live and not self._counts.unshown(name):
            self._move(MarkRead(seq, name, n=READS))

    @property
    def can_mark_unread(self) -> bool:
        """Whether the server knows read positions."""
        return self._speaks

    def mark_unread(self, name: str, seq: int) -> None:
        """Make the messages of a conversation from this place on unread again."""
        self._left.add(fold(name))
        self._move(MarkRead(seq - 1, name, back=True, n=READS))

    def moved_elsewhere(self, name: str, seq: int, *, back: bool) -> None:
        """Record the position of a conversation after the user has moved it on another device.

        Args:
            name: the conversation.
            seq: the position.
            back: whether it may have gone back: then it stays there until the conversation is opened anew here, too.
        """
        if self._is_overtaken(name, back=back):
            return
        key, before = fold(name), self._counts.position(name)
        if back and self._due.pop(key, None) is not None:
            self._counts.sent(name)
        if back and seq < before:
            self._left.add(key)
        if back or seq > before:  # two devices may read at once: the further position holds
            self._counts.move(name, seq)

    def _is_overtaken(self, name: str, *, back: bool) -> bool:
        """Return whether the server handles a position of this device's after the one of another device.

        It answers in order: what it has not answered yet, it handles later.
        """
        due, (sent, _) = self._due.get(fold(name)), self._unsure.get(fold(name), (None, 0))
        return (due is not None and due.back) or (sent is not None and (back or sent.back))

    def _move(self, position: MarkRead) -> None:
        self._counts.move(position.of, position.seq)
        self._counts.wait(position.of)
        self._due[fold(position.of)] = position

    # The server

    def connected(self, *, speaks: bool) -> None:
        """Start on a new connection; ``speaks`` is whether the server knows read positions.

        To be called after the server's positions were recorded: those that may have been lost are sent again.
        """
        self._speaks = speaks
        self._idle = False
        self._sent.clear()
        unsure = {key: position for key, (position, _) in self._unsure.items()}
        self._unsure.clear()
        for key, position in {**unsure, **self._due}.items():
            ahead = position.seq > self._counts.position(position.of)
            if ahead or (position.back and position.seq < self._counts.position(position.of)):
                self._move(position)
            else:
                self._due.pop(key, None)
                self._counts.sent(position.of)

    def frames(self, *, now: bool = False) -> list[MarkRead | Idle | Ping]:
        """Return the frames to send; ``now`` is for the last ones, which cannot wait."""
        moment = self._elapsed()
        frames: list[MarkRead | Idle | Ping] = []
        for key, position in list(self._due.items()):
            if now or key not in self._sent or moment - self._sent[key][1] >= _BETWEEN:
                del self._due[key]
                self._counts.sent(position.of)
                self._sent[key] = position, moment
                self._unsure[key] = position, self._pings
                frames.append(position)
        if frames:
            frames.append(Ping(self._pings))
            self._pings += 1
        idle = self.is_watched and moment - self._touched >= _IDLE
        if idle != self._idle:
            self._idle = idle
            frames.append(Idle(back=not idle))
        return frames if self._speaks else []

    def answered(self, number: int) -> None:
        """Record the answer to a ping: the positions that were sent before it have arrived."""
        if number >= _PINGS:
            self._unsure = {key: one for key, one in self._unsure.items() if one[1] > number}

    def due_in(self) -> float:
        """Return the seconds until there is something to tell the server, if nothing happens before."""
        moment = self._elapsed()
        waits = [self._sent[key][1] + _BETWEEN - moment for key in self._due if key in self._sent]
        waits += [0.0 for key in self._due if key not in self._sent]
        if not self._idle:
            waits.append(self._touched + _IDLE - moment)
        return max(0.0, min(waits, default=_IDLE))

    def reset(self) -> None:
        """Start anew: the log was reset, and gives out places anew."""
        self._drawn.clear()
        self._anew.clear()
        self._left.clear()
        self._due.clear()
        self._sent.clear()
        self._unsure.clear()
