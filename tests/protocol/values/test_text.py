"""Text of other users cannot control the reader's terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatcli.protocol.values.text import printable, printable_line

REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Hypothesis generates lone surrogates and rare controls too seldom.
any_text = st.text(st.characters(codec=None) | st.sampled_from("\x00\t\n\r\x1b\x7f\x85\x9b\u2028\ud800" + REORDERING))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hi Bob!",
        "a\tb\nc",
        "Grüße, Жанна",
        "李明さん",
        "👩\u200d🚀",
        "e\u0301",
        "\u200fשלום\u200e",
        "نص\u061c",
        "␛[31m",
    ],
)
def test_honest_text(text: str) -> None:
    """Letters of all scripts, joined emoji, direction marks, tabs and line feeds are unchanged."""
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x1b]52;c;ZWNobw==\x1b\\", "␛]52;c;ZWNobw==␛\\"),
        ("\x00\x08\x1f", "␀␈␟"),
        ("\x0b\x0c", "␋␌"),
        ("\x7f", "␡"),
        ("\x9b2J", "<U+009B>2J"),
        ("\x80\x9f", "<U+0080><U+009F>"),
        ("a\x85b", "a<U+0085>b"),
        ("gpj.\u202eexe", "gpj.<U+202E>exe"),
        ("\u2066a\u2069", "<U+2066>a<U+2069>"),
        ("\ud800", "<U+D800>"),
    ],
)
def test_escape_sequences(text: str, shown: str) -> None:
    """Escape sequences, C1 controls and bidirectional overrides become visible and harmless."""
    assert printable(text) == printable_line(text) == shown


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\u2029"])
def test_line_ends(newline: str) -> None:
    """A carriage return, which could overwrite its line, becomes a line feed."""
    assert printable(f"a{newline}b") == "a\nb"
    assert printable_line(f"a{newline}b") == "a␤b"


def test_tab_on_one_line() -> None:
    """In one-line text a tab becomes a space."""
    assert printable_line("a\tb") == "a b"


@given(any_text)
@example("\r\n\r\r\n")
def test_no_control_characters(text: str) -> None:
    """The only control characters in the result are tabs and line feeds, and nothing reorders a line."""
    left = {char for char in printable(text) if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")}
    assert left <= {"\t", "\n"}
    assert not set(REORDERING) & set(printable(text))


@given(any_text)
def test_one_line_has_no_controls(text: str) -> None:
    """One-line text has no control character, and nothing that splits the line."""
    line = printable_line(text)
    assert not any(unicodedata.category(char) == "Cc" for char in line)
    assert len(line.splitlines()) <= 1


@given(any_text)
def test_idempotent(text: str) -> None:
    """Making a text printable twice is the same as once, and the result can be encoded."""
    shown = printable(text)
    assert printable(shown) == shown
    assert printable_line(printable_line(text)) == printable_line(text)
    shown.encode()
