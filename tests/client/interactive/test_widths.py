"""Widths of texts, and their shortening."""

from __future__ import annotations

import pytest

from chatcli.client.interactive.widths import columns, cut

FAMILY = "👨‍👩‍👧"
HEART = "❤\ufe0f"


@pytest.mark.parametrize(
    ("text", "wide"),
    [("", 0), ("hi", 2), ("你好", 4), ("e\u0301", 1), (FAMILY, 2), (HEART, 2), ("🇩🇪", 2), ("שלום", 4), ("한국", 4)],
)
def test_columns(text: str, wide: int) -> None:
    """A Chinese character has two columns, a combining mark none, an emoji of several people two."""
    assert columns(text) == wide


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("hello", 5, "hello"),
        ("hello", 4, "hel…"),
        ("hello there", 7, "hello…"),
        ("你好吗", 6, "你好吗"),
        ("你好吗", 5, "你好…"),
        ("你好吗", 4, "你…"),
        ("cafe\u0301s", 5, "cafe\u0301s"),
        ("cafe\u0301s!", 5, "cafe\u0301…"),
        (f"a{FAMILY}b{FAMILY}", 5, f"a{FAMILY}b…"),
        (f"a{FAMILY}", 2, "a…"),
        ("hello", 1, "…"),
        ("hello", 0, ""),
    ],
)
def test_shortening(text: str, most: int, shown: str) -> None:
    """Graphemes are not cut, and the result is never wider than the limit."""
    assert cut(text, most) == shown
    assert columns(shown) <= most
