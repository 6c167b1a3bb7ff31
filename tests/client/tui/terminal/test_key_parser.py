"""Input of a terminal read as keys: a whole sequence is its key or nothing, and plain keys always come back."""

from __future__ import annotations

import time

import pytest
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from chatcli.client.tui.terminal.key_parser import KeyParser


class Reader:
    """A parser, its clock, and what was pressed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pressed: list[str] = []
        self.focus: list[bool] = []
        self.parser = KeyParser(self._take, lambda: self.now, on_focus=self.focus.append)

    def _take(self, press: KeyPress) -> None:
        key = press.key.value if isinstance(press.key, Keys) else press.key
        self.pressed.append(f"paste {press.data!r}" if press.key is Keys.BracketedPaste else key)

    def reads(self, *pieces: str, after: float = 0.0) -> list[str]:
        """Feed each piece some seconds after the one before; return all that was pressed so far."""
        for piece in pieces:
            self.passes(after)
            self.parser.feed(piece)
        return self.pressed

    def passes(self, seconds: float) -> list[str]:
        """Let the time pass, as the input does."""
        self.now += seconds
        if self.parser.deadline is not None and self.parser.deadline <= self.now:
            self.parser.expire()
        return self.pressed

    def in_the_end(self) -> list[str]:
        """Return the keys pressed, with all timeouts over."""
        self.parser.flush()
        return self.passes(10.0)


KEYS = [
    ("\x1b[13;2u", ["escape", "c-m"]),  # Shift-Enter breaks the line, as Alt-Enter does
    ("\x1b[13u", ["c-m"]),
    ("\x1b[57414u", ["c-m"]),
    ("\x1b[99;5u", ["c-c"]),
    ("\x1b[99;69u", ["c-c"]),  # with Caps Lock
    ("\x1b[1089::99;5u", ["c-c"]),  # on a Russian keyboard
    ("\x1b[27;5;99~", ["c-c"]),
    ("\x1b[27;2;13~", ["escape", "c-m"]),
    ("\x1b[27;3;49~", ["escape", "1"]),
    ("\x1b[49;3u", ["escape", "1"]),
    ("\x1b[27u", ["escape"]),
    ("\x1b[9u", ["c-i"]),
    ("\x1b[9;2u", ["s-tab"]),
    ("\x1b[127u", ["c-h"]),
    ("\x1b[127;3u", ["escape", "c-h"]),
    ("\x1b[127;5u", ["c-w"]),
    ("\x1b[32;5u", ["c-@"]),
    ("\x1b[47;5u", ["c-_"]),
    ("\x1b[97u", ["a"]),
    ("\x1b[97;2u", ["A"]),
    ("\x1b[97;65u", ["A"]),
    ("\x1b[97:65;2u", ["A"]),
    ("\x1b[97;2:1;65u", ["A"]),
    ("\x1b[49:33;2u", ["!"]),
    ("\x1b[0;;229u", ["å"]),
    ("\x1b[97;1:2u", ["a"]),  # held down
    ("\x1b[97;1:3u", []),  # let go
    ("\x1b[97;9u", []),  # with Super
    ("\x1b[57441;2u", []),  # Shift itself
    ("\x1b[57399u", ["0"]),
    ("\x1b[57419u", ["up"]),
    ("\x1b[A", ["up"]),
    ("\x1bOA", ["up"]),
    ("\x1b[1;3A", ["escape", "up"]),
    ("\x1b[1;67:1A", ["escape", "up"]),
    ("\x1b[1;1:3A", []),
    ("\x1b[3;129~", ["delete"]),
    ("\x1b[1;9H", ["home"]),
    ("\x1bOM", ["c-m"]),
    ("\x1bOp", ["0"]),
    ("\x1b[[A", ["f1"]),
    ("\x1b\x1b[A", ["escape", "up"]),
    ("\x1b\r", ["escape", "c-m"]),
    ("\x1b1", ["escape", "1"]),
    ("\x1b[", ["escape", "["]),
    ("\x1b]", ["escape", "]"]),
    ("\x1bPut", ["escape", "P", "u", "t"]),
    ("\x1b", ["escape"]),
]

NO_KEYS = [
    *("\x1b[I", "\x1b[O", "\x1b[?64;1;2c", "\x1b[>0;276;0c", "\x1bP!|00000000\x1b\\", "\x1b[0n", "\x1b[24;80R"),
    *("\x1b[?1u", "\x1b[?2026;2$y", "\x1b[4;768;1024t", "\x1b[8;24;80t", "\x1b[1;1R", "\x1b[99999999999;5u"),
    *("\x1b]11;rgb:0000/0000/0000\x07", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\", "\x1b]4;1;rgb:00/00/00\x9c"),
    *("\x1b]52;c;aGk=\x07", "\x1bP1$r0m\x1b\\", "\x1bP>|tmux 3.3a\x1b\\", "\x1b_Gi=1;OK\x1b\\", "\x1b[<0;5;5M"),
    *("\x1b[<64;5;5M", "\x1b[<0;5;5m", "\x1b[M !!", "\x1b[96;14;13M", "\x1b[201~", "\x1b[200;5~"),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize(("sent", "keys"), KEYS)
def test_a_sequence_means_its_keys(sent: str, keys: list[str], *, split: bool) -> None:
    """In one piece and in many, with text in front of it."""
    reader = Reader()
    reader.reads("hi", *(sent if split else [sent]), after=0.02)
    assert reader.in_the_end() == ["h", "i", *keys]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("sent", NO_KEYS)
def test_what_is_no_key_is_dropped(sent: str, *, split: bool) -> None:
    """Answers, reports and marks are not typed, and what follows them is."""
    reader = Reader()
    assert reader.reads("a", *(sent if split else [sent]), "b", after=0.02) == ["a", "b"]
    assert reader.in_the_end() == ["a", "b"]


def test_unknown_strings_are_dropped_whole() -> None:
    """Alt-X and Alt-^ begin them, so they are not waited for."""
    assert Reader().reads("a\x1bXfoo\x1b\\\x1b^bar\x1b\\b") == ["a", "b"]


def test_an_escape_that_came_early() -> None:
    """Where lines are slow, Esc may have been taken for the key; the rest of the sequence is not typed."""
    reader = Reader()
    reader.reads("\x1b")
    reader.parser.flush()
    assert reader.reads("[?64;1;2c", after=0.3) == ["escape"]


@pytest.mark.parametrize("begun", ["\x1b]11;rgb:00", "\x1bP1$r", "\x1b_Gi=", "\x1b[13;2", "\x1b[M !"])
def test_an_unfinished_report(begun: str) -> None:
    """After a while, and at once with Enter or Ctrl-C; what was typed meanwhile is not lost."""
    reader = Reader()
    reader.reads(begun)
    assert reader.reads(*"\x03a", after=0.3) == ["c-c", "a"]
    reader = Reader()
    reader.reads(begun)
    reader.passes(5.0)
    assert reader.reads(*"ok", after=0.3) == ["o", "k"]


def test_keys_within_an_unfinished_report() -> None:
    """Nothing that fingers have typed is taken for the rest of an answer."""
    reader = Reader()
    reader.reads("\x1b]11;rgb:00")
    reader.reads(*"ok", after=0.3)
    assert reader.passes(1.0) == ["o", "k"]


def test_pastes_are_text() -> None:
    """Whatever is in them, and however they are split; a second beginning is no text, an end without one is nothing."""
    for sent, keys in (
        ("\x1b[200~a\rb\x00\x1b[A\x1b[201~c", ["paste 'a\\rb\\x00\\x1b[A'", "c"]),
        ("\x1b[200~a\x1b[200~b\x1b[201~c\x1b[201~d", ["paste 'ab'", "c", "d"]),
        ("\x1b[200~\x1b[201~\x1b[200~two\x1b[201~", ["paste ''", "paste 'two'"]),
    ):
        assert Reader().reads(sent) == keys
        assert Reader().reads(*sent, after=0.02) == keys


def test_a_paste_without_an_end() -> None:
    """After a while, with what was pasted as text; or at Ctrl-C, in whatever encoding."""
    reader = Reader()
    reader.reads("\x1b[200~hello")
    reader.reads(*"xyz", after=0.4)
    assert reader.passes(3.0) == ["paste 'helloxyz'"]
    assert reader.reads("k") == ["paste 'helloxyz'", "k"]
    for interrupt in ("\x03", "\x1b[99;5u", "\x1b[27;5;99~"):
        reader = Reader()
        reader.reads("\x1b[200~hello", interrupt, after=0.5)
        assert reader.passes(0.3) == ["paste 'hello'", "c-c"]


def test_a_paste_that_contains_control_c() -> None:
    """A file may have that byte anywhere, at the end of a piece too; the lines after it are not taken for keys."""
    reader = Reader()
    reader.reads("\x1b[200~" + "x" * 1000 + "\x03", "rm -r\r\x1b[201~", after=0.05)
    assert reader.passes(1.0) == [f"paste '{'x' * 1000}\\x03rm -r\\r'"]


def test_a_paste_of_ten_megabytes() -> None:
    """It comes in ten thousand pieces, of which each costs the same."""
    reader = Reader()
    begun = time.process_time()
    reader.reads("\x1b[200~", *["x" * 1024] * 10_240, "\x1b[201~", "k")
    assert time.process_time() - begun < 10  # copied anew with each piece it takes minutes
    assert len(reader.pressed[0]) > 1 << 20
    assert reader.pressed[1:] == ["k"]


@pytest.mark.parametrize(
    ("pieces", "pressed", "focus"),
    [
        (("\x1b[I",), "", [True]),
        (("\x1b[O\x1b[I",), "", [False, True]),
        (("a\x1b[Ob",), "ab", [False]),
        (("\x1b[", "O"), "", [False]),
        (("\x1b[200~half \x1b[Oa line\x1b[201~",), "paste 'half a line'", [False]),
        (("\x1b[200~half \x1b", "[Oa", " line\x1b[201~x"), "paste 'half a line'x", [False]),
    ],
)
def test_focus_reports(pieces: tuple[str, ...], pressed: str, focus: list[bool]) -> None:
    """They are no keys, also in pieces, and within a paste."""
    reader = Reader()
    assert "".join(reader.reads(*pieces)) == pressed
    assert reader.focus == focus


def test_focus_report_after_a_pause() -> None:
    """Esc may have been read as a key; the rest of the report is still none."""
    reader = Reader()
    reader.reads("\x1b")
    reader.parser.flush()
    assert reader.reads("[I", after=0.2) == ["escape"]
    assert reader.focus == [True]
