"""Wrapping of lines that are wider than the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from chatcli.client.interactive.widths import columns, most_columns
from chatcli.client.interactive.wrap import (
    any_breaks,
    indentation,
    is_one_code_point_each,
    is_one_column_each,
    narrow_breaks,
    wrapped,
)

FAMILY = "👨‍👩‍👧"


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("one two three", ["one two", "  three"]),
        ("one    two three", ["one    two", "  three"]),
        ("one two three ", ["one two", "  three "]),
        ("exactly ten", ["exactly", "  ten"]),
        ("0123456789", ["0123456789"]),
        ("0123456789abcdefgh", ["0123456789", "  abcdefgh"]),
        ("ab 0123456789abc", ["ab 0123456", "  789abc"]),
        ("a 0123456789abc", ["a 01234567", "  89abc"]),
        ("one     ", ["one     "]),
        ("one" + " " * 20, ["one"]),
        ("one\u3000\u3000\u3000\u3000two", ["one", "  two"]),
        ("你好吗你好吗", ["你好吗你好", "  吗"]),
        ("ab你好吗cd", ["ab你好吗cd"]),
        ("ab你好吗cde", ["ab你好吗", "  cde"]),
        (f"{FAMILY}{FAMILY}", [FAMILY, f"  {FAMILY}"]),  # six columns each on some terminals
        ("see http://example.org/long at", ["see http://example.org/long", "  at"]),
        ("see http://example/12:05", ["see http:/", "  /example", "  /12:05"]),
        ("you http://a.org/12:05", ["you http://a.org/12:05"]),
        ("👍🏽 http://a.org/12:05", ["👍🏽 http:", "  //a.org/", "  12:05"]),
        ("", [""]),
    ],
)
def test_break_between_words(line: str, rows: list[str]) -> None:
    """At ten columns, longer words are broken and links are not."""
    assert wrapped(line, 10, 2) == rows


def test_unknown_width() -> None:
    """Width zero means unknown, and the line stays whole."""
    assert wrapped("one two three", 0, indentation(6, 0)) == ["one two three"]


def test_narrow_window() -> None:
    """The indentation is at most a third of the window."""
    assert [indentation(6, width) for width in (80, 18, 12, 3, 0)] == [6, 6, 4, 1, 1]


TEXT = st.lists(
    st.sampled_from(
        ["a", "b", " ", "\u3000", "\u00a0", "你", "e\u0301", "\u200d", "\u200b", "👍🏽", FAMILY, "❤\ufe0f", "12:05"]
    )
).map("".join)


@given(TEXT, st.integers(8, 30))
def test_wrapped_rows(line: str, width: int) -> None:
    """Rows fit, go on indented, and have everything in order but blanks; only single ones are wider."""
    indent = indentation(6, width)
    rows = wrapped(line, width, indent)
    assert all(row.startswith(" " * indent) for row in rows[1:])
    if len(rows) > 1:
        assert all(columns(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(line.split())


WORDS = st.lists(
    st.one_of(
        st.text("ab→ö", min_size=1, max_size=40),
        st.text(" ", min_size=1, max_size=40),
        st.sampled_from(["http://a/", "http://" + "a" * 30, "http://aaaa/12:05", "12:05", "a://12:0512:0512:0512:05"]),
    ),
    max_size=30,
).map("".join)


@settings(max_examples=1000)
@given(WORDS, st.integers(2, 40), st.integers(1, 8))
def test_narrow_characters(line: str, width: int, indent: int) -> None:
    """The fast path breaks lines like the general one."""
    indent = min(indent, width - 1)
    assert is_one_column_each(line)
    assert list(narrow_breaks(line, width, indent)) == list(any_breaks(line, width, indent))


def test_narrow_table() -> None:
    """Each character that counts as narrow has one column, joins nothing, and is no blank but the space."""
    chars = [char for char in map(chr, range(0x110000)) if char >= " " and char != "\x7f"]
    narrow, single = list(filter(is_one_column_each, chars)), list(filter(is_one_code_point_each, chars))
    assert len(narrow) > 1000
    assert len(single) > 30_000
    assert {most_columns(char) for char in narrow} == {1}
    assert [char for char in single if char.isspace()] == [" "]
    together = "a".join(char * 2 for char in single)
    assert list(iter_graphemes(together)) == list(together)
