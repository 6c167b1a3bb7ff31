"""The exceptions that stand for the server's refusals."""

from __future__ import annotations

import pytest

from chatcli.client.errors import login_refusal
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import Error


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "bob is already in the chat from fe80:: since 12:00: join with --takeover to end that.",
            "bob is already in the chat from fe80:: since 12:00.",
        ),
        ("bob is already in the chat.", "bob is already in the chat."),
    ],
)
def test_a_person_who_is_asked_reads_no_advice(text: str, reason: str) -> None:
    """The whole sentence is for those who are not asked."""
    refusal = login_refusal(Error(codes.ALREADY_HERE, text))
    assert isinstance(refusal, Refused)
    assert (str(refusal), refusal.reason) == (text, reason)
