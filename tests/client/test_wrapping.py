"""Where lines are broken that are wider than the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.client.widths import columns
from chatcli.client.wrapping import indentation, wrapped

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
        ("", [""]),
    ],
)
def test_a_line_is_broken_between_words(line: str, rows: list[str]) -> None:
    """Ten columns wide; words that are wider are broken, links are not."""
    assert wrapped(line, 10, 2) == rows


def test_a_line_stays_whole_where_the_width_is_not_known() -> None:
    """Zero columns stand for that."""
    assert wrapped("one two three", 0, indentation(6, 0)) == ["one two three"]


def test_where_there_is_no_room_the_indentation_is_less() -> None:
    """A third of the window at most."""
    assert [indentation(6, width) for width in (80, 18, 12, 3, 0)] == [6, 6, 4, 1, 1]


TEXT = st.lists(
    st.sampled_from(
        ["a", "b", " ", "\u3000", "\u00a0", "你", "e\u0301", "\u200d", "\u200b", "👍🏽", FAMILY, "❤\ufe0f", "12:05"]
    )
).map("".join)


@given(TEXT, st.integers(8, 30))
def test_rows_fit_go_on_indented_and_hold_everything(line: str, width: int) -> None:
    """All but blanks, in its order; and no row of several is wider than the terminal."""
    indent = indentation(6, width)
    rows = wrapped(line, width, indent)
    assert all(row.startswith(" " * indent) for row in rows[1:])
    if len(rows) > 1:
        assert all(columns(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(line.split())
