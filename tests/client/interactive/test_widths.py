"""How wide texts are, and how they are cut."""

from __future__ import annotations

import pytest

from chatcli.client.interactive.widths import columns, cut

FAMILY = "👨‍👩‍👧"
HEART = "❤\ufe0f"


@pytest.mark.parametrize(
    ("text", "wide"),
    [("", 0), ("hi", 2), ("你好", 4), ("e\u0301", 1), (FAMILY, 2), (HEART, 2), ("🇩🇪", 2), ("שלום", 4), ("한국", 4)],
)
def test_columns_are_what_a_terminal_takes(text: str, wide: int) -> None:
    """Chinese takes two columns a character, a combining mark none, an emoji of several people two in all."""
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
def test_what_is_too_long_is_cut_between_characters_as_people_see_them(text: str, most: int, shown: str) -> None:
    """Neither an emoji nor a letter with its accent is cut in two, and the result is never wider than asked for."""
    assert cut(text, most) == shown
    assert columns(shown) <= most
