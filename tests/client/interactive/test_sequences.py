"""Escape sequences in lines from a terminal that edits them itself."""

from __future__ import annotations

import pytest

from chatcli.client.interactive.sequences import strip_sequences


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("hello\x1b[I\x1b]11;rgb:0/0/0\x07 there\x1b[?64;1;2c", "hello there"),
        ("\x1b[104;1u\x1b[105ux\x1b[127u", "hi"),
        ("a\x1b[13;2u\x1b[99;5u\x1b[97;1:3ub", "ab"),
        ("\x1b[200~pasted\x1b[201~", "pasted"),
        ("a lone \x1b stays", "a lone \x1b stays"),
        ("plain", "plain"),
    ],
)
def test_sequences_are_removed(line: str, text: str) -> None:
    """Typed characters stay in the line, and escape sequences are removed."""
    assert strip_sequences(line) == text
