"""Parses the input of a terminal into keys, pastes and reports of the focus, and drops everything else.

prompt_toolkit's parser knows a list of sequences and types all others into the text, character by character (its issue
1178 and pull request 2067). After a paste whose end is lost it never reads a key again, and a paste of megabytes is
copied with each kilobyte. This parser knows the forms of sequences instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from chatcli.client.interactive.sequences import PASTE_BEGIN, PASTE_END, Stroke, end, is_part, stroke

_ESCAPE: Final = "\x1b"
_INTERRUPT: Final = re.compile(r"(?:\x03|\x1b\[99(?::\d*)*;5(?::[12])?u|\x1b\[27;5;99~)\Z")
_BREAKS: Final = re.compile(r"[\x00-\x06\x08-\x1f]")  # characters that no report of a terminal contains
# Longer pastes are cut here, and refused as too long for a message when they are inserted.
_LONGEST_PASTE: Final = 1 << 20
_LONGEST_PART: Final = 1 << 14  # characters of a sequence; the middle of a longer one is dropped

_AT_ONCE: Final = 0.1  # seconds between two reads of data that was sent at once
_TYPED: Final = 8  # characters in one read, at most, that may have been typed
_SHORTEST: Final = len("\x1b]4")  # a part of a sequence that Alt and a key cannot have sent

_PATIENCE: Final = 1.0  # seconds for the rest of a sequence
_PATIENCE_WITH_PASTES: Final = 3.0  # seconds: pastes may come over slow lines
_PATIENCE_WITH_INTERRUPTS: Final = 0.2

_FUNCTIONAL: Final = re.compile(r"\x1b\[(\d*)(?:;(\d*)(?::(\d*))?)?(?:;[\d:]*)?([A-HPQS~])")
_POSITION: Final = re.compile(r"\x1b\[(\d{1,5});(\d{1,5})R")
_FOCUS: Final = re.compile(r"\x1b\[[IO]")
_FOCUS_IN: Final = "\x1b[I"
_LOCKS: Final = 64 | 128
_NAVIGATION: Final[dict[int, Keys]] = dict(
    zip(
        range(57417, 57427),
        (
            *(Keys.Left, Keys.Right, Keys.Up, Keys.Down, Keys.PageUp),
            *(Keys.PageDown, Keys.Home, Keys.End, Keys.Insert, Keys.Delete),
        ),
        strict=True,
    )
)
# In the application mode, which another program may have left on.
_KEYPAD: Final[dict[str, str | Keys]] = {
    "\x1bOM": Keys.ControlM,
    **{f"\x1bO{code}": char for code, char in zip("jklmnopqrstuvwxyX", "*+,-./0123456789=", strict=True)},
}
_ENTERS: Final = ("\r", "\n")
_WITH_CTRL: Final = {" ": "@", "2": "@", "3": "[", "4": "\\", "5": "]", "6": "^", "7": "_", "/": "_"}


class KeyParser(Vt100Parser):
    """A parser that waits for the rest of a sequence or of a paste until a deadline.

    Args:
        press: called with each key.
        clock: returns the seconds since some moment.
        on_position: called with row and column when the terminal reports the cursor's position.
        on_focus: called when the terminal reports that it has got the focus, or lost it.
    """

    def __init__(
        self,
        press: Callable[[KeyPress], None],
        clock: Callable[[], float],
        on_position: Callable[[int, int], None] = lambda _row, _column: None,
        on_focus: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._on_focus = on_focus
        self._on_position = on_position
        self._unread = ""  # an incomplete sequence
        self._sent = 0  # characters of it that came at once, and so from the terminal, not from fingers
        self._escaped = -_PATIENCE  # the moment when Esc alone counted as a key
        self._fed = -_PATIENCE
        self._deadline: float | None = None
        self._paste: _Paste | None = None
        super().__init__(press)

    def reset(self, request: bool = False) -> None:  # noqa: ARG002 (as the base class has it)
        """Drop an incomplete sequence or paste."""
        self._unread, self._paste, self._deadline = "", None, None

    @property
    def deadline(self) -> float | None:
        """The moment to call :meth:`expire`, by the clock, unless data comes before; None if nothing is incomplete."""
        return self._deadline

    def feed(self, data: str) -> None:
        """Parse data from the terminal."""
        if not data:
            return
        now = self._clock()
        at_once = len(data) > _TYPED or now - self._fed < _AT_ONCE
        self._fed = now
        if self._paste is not None:
            self._feed_paste(data, at_once=at_once)
            return
        if not self._unread and now - self._escaped < _PATIENCE and _rest_of_sequence(data):
            data = _ESCAPE + data  # that Esc was the start of this sequence, not a key
        self._unread += data
        self._read()
        if self._paste is not None or not self._unread:
            return
        if at_once or not self._sent:
            self._sent = len(self._unread)
            self._deadline = now + _PATIENCE
        if len(self._unread) > _LONGEST_PART:
            self._unread = self._unread[: _LONGEST_PART // 2] + self._unread[-2:]

    def flush(self) -> None:
        """Press Esc if nothing has followed it; other sequences wait until their deadline."""
        if self._unread == _ESCAPE:
            self._unread, self._deadline = "", None
            self._escaped = self._clock()
            self._press(Keys.Escape, _ESCAPE)

    def expire(self) -> None:
        """Stop waiting: end a paste, and press the keys that were typed after an incomplete sequence."""
        self._deadline = None
        if self._paste is not None:
            self._end_paste(self._paste.text())
        elif self._unread:
            self._give_up()

    def _read(self) -> None:
        """Press the keys before an incomplete sequence."""
        while self._unread:
            escape = self._unread.find(_ESCAPE)
            typed, self._unread = (self._unread, "") if escape < 0 else (self._unread[:escape], self._unread[escape:])
            for char in typed:
                self._press_character(char)
            if typed:
                self._sequence_ended()
            after = end(self._unread, 0)
            if after is not None:
                sequence, self._unread = self._unread[:after], self._unread[after:]
                self._sequence_ended()
                if sequence == PASTE_BEGIN:
                    rest, self._unread = self._unread, ""
                    self._paste = _Paste()
                    self._feed_paste(rest, at_once=True)
                    return
                self._press_sequence(sequence)
            elif is_part(self._unread):
                return
            elif self._unread:
                self._press_start()

    def _press_start(self) -> None:
        """Press keys that cannot start a sequence: Esc and another key, or the keys after a broken one."""
        for length in (3, 2):  # SS3, and the Linux console's Shift-Tab
            start = self._unread[:length]
            keys = ANSI_SEQUENCES.get(start) or _KEYPAD.get(start)
            if keys is not None and len(start) == length:
                self._unread = self._unread[length:]
                self._sequence_ended()
                self._press_all(keys, start[-1])
                return
        broken = _BREAKS.search(self._unread, _SHORTEST)
        if broken and is_part(self._unread[: broken.start()]):
            typed = _SHORTEST <= self._sent < broken.start()
            self._unread = self._unread[self._sent if typed else broken.start() :]
        else:
            self._press(Keys.Escape, _ESCAPE)
            self._unread = self._unread[1:]
        self._sequence_ended()

    def _sequence_ended(self) -> None:
        self._sent, self._deadline = 0, None

    def _give_up(self) -> None:
        """Drop the terminal's part of a sequence, and press the keys that were typed after it."""
        unread, self._unread = self._unread, ""
        if self._sent >= _SHORTEST:
            rest = unread[self._sent :]
        else:
            self._press(Keys.Escape, _ESCAPE)
            rest = unread[1:]
        if rest:
            self._unread = rest
            self._sequence_ended()
            self._read()

    def _feed_paste(self, data: str, *, at_once: bool) -> None:
        paste = self._paste
        assert paste is not None  # noqa: S101 (the caller has checked)
        after = paste.add(data)
        if after is not None:
            self._end_paste(paste.text())
            self.feed(after)
            return
        now = self._clock()
        if paste.interrupted(data):
            self._deadline = now + _PATIENCE_WITH_INTERRUPTS
        elif at_once or self._deadline is None:
            self._deadline = now + _PATIENCE_WITH_PASTES

    def _end_paste(self, text: str) -> None:
        self._paste, self._deadline = None, None
        for report in _FOCUS.findall(text):
            self._on_focus(report == _FOCUS_IN)
        text = _FOCUS.sub("", text)
        interrupt = _last_interrupt(text)
        text = text[: interrupt.start()] if interrupt else text
        self._press(Keys.BracketedPaste, text.replace(PASTE_BEGIN, ""))
        if interrupt:
            self._press(Keys.ControlC, "\x03")

    def _press_sequence(self, sequence: str) -> None:
        key = stroke(sequence)
        if position := _POSITION.fullmatch(sequence):
            self._on_position(int(position[1]), int(position[2]))
        elif _FOCUS.fullmatch(sequence):
            self._on_focus(sequence == _FOCUS_IN)
        elif key is not None:
            self._press_stroke(key)
        elif sequence in ANSI_SEQUENCES and not sequence.endswith(("u", PASTE_END)):
            self._press_all(ANSI_SEQUENCES[sequence], "")
        elif functional := _FUNCTIONAL.fullmatch(sequence):
            self._press_functional(*functional.groups())

    def _press_functional(self, number: str, modifiers: str | None, event: str | None, final: str) -> None:
        """Press an arrow, Home, F5 or the like, with the locks and kinds of events of kitty's protocol."""
        if event == "3":
            return
        held = (int(modifiers or 1) - 1) & ~_LOCKS
        number = number or "1"
        bare = f"\x1b[{number}~" if final == "~" else f"\x1b[{final}"
        keys = ANSI_SEQUENCES.get(f"\x1b[{number};{held + 1}{final}") if held else None
        if keys is None and number not in ("200", "201", "27"):
            keys = ANSI_SEQUENCES.get(bare, ANSI_SEQUENCES.get(f"\x1bO{final}"))
        if keys is not None:
            self._press_all(keys, "")

    def _press_stroke(self, key: Stroke) -> None:
        char = chr(key.code) if key.code <= 0x10FFFF else ""
        if key.code in _NAVIGATION:
            self._press_all(_NAVIGATION[key.code], "")
        elif char in _ENTERS:
            # Shift-Enter breaks the line, as Alt-Enter does.
            self._press_all((Keys.Escape, Keys.ControlM) if key.alt or key.shift else Keys.ControlM, "\r")
        elif char == "\t":
            self._press_all(Keys.BackTab if key.shift else Keys.ControlI, "\t")
        elif char == _ESCAPE:
            self._press(Keys.Escape, _ESCAPE)
        elif char in ("\x7f", "\x08"):
            whole_word = Keys.ControlW if key.ctrl else (Keys.Escape, Keys.ControlH)
            self._press_all(whole_word if key.ctrl or key.alt else Keys.ControlH, "\x7f")
        elif key.ctrl:
            self._press_control(key, char)
        elif key.text:
            if key.alt:
                self._press(Keys.Escape, _ESCAPE)
            for one in key.text:
                self._press(one, one)

    def _press_control(self, key: Stroke, char: str) -> None:
        char = _WITH_CTRL.get(char, char).upper()
        if len(char) == 1 and "@" <= char <= "_":
            control = chr(ord(char) & 0x1F)
            if key.alt:
                self._press(Keys.Escape, _ESCAPE)
            self._press_all(ANSI_SEQUENCES[control], control)

    def _press_character(self, char: str) -> None:
        self._press_all(ANSI_SEQUENCES.get(char, char), char)

    def _press_all(self, keys: Keys | str | tuple[Keys, ...], data: str) -> None:
        for number, key in enumerate(keys if isinstance(keys, tuple) else (keys,)):
            self._press(key, "" if number else data)

    def _press(self, key: Keys | str, data: str) -> None:
        self.feed_key_callback(KeyPress(key, data))


class _Paste:
    """The text pasted so far."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._tail = ""  # the last characters, which may be the start of the end mark

    def add(self, data: str) -> str | None:
        """Add data; return the data after the end of the paste, or None if it is not complete."""
        data = self._tail + data
        found = data.find(PASTE_END)
        if found >= 0:
            self._append(data[:found])
            self._tail = ""
            return data[found + len(PASTE_END) :]
        started = next(self._end_mark_starts(data), 0)
        self._append(data[: len(data) - started])
        self._tail = data[len(data) - started :]
        return None

    def interrupted(self, data: str) -> bool:
        """Return whether the data ends with Ctrl-C, perhaps pressed because nothing happens."""
        return _last_interrupt(data) is not None

    def text(self) -> str:
        """Return the whole text."""
        return "".join(self._pieces) + self._tail

    @staticmethod
    def _end_mark_starts(data: str) -> Iterator[int]:
        """Yield the numbers of characters of the end mark that the data ends with."""
        return (size for size in range(len(PASTE_END) - 1, 0, -1) if data.endswith(PASTE_END[:size]))

    def _append(self, text: str) -> None:
        if text and self._length <= _LONGEST_PASTE:
            self._pieces.append(text)
            self._length += len(text)


def _last_interrupt(text: str) -> re.Match[str] | None:
    """Return the match of Ctrl-C, in any encoding, at the end of a text."""
    return _INTERRUPT.search(text, max(0, len(text) - len("\x1b[99:67:99;5:1u")))


_LATE: Final = re.compile(r"\[[0-9;:<=>?]+[@-~]|\[[IO](?:\Z|\x1b)|\]\d[^\x00-\x1f]*(?:\x07|\x1b\\)")


def _rest_of_sequence(data: str) -> bool:
    """Return whether the data follows Esc in a sequence, and cannot have been typed at once."""
    return _LATE.match(data) is not None
