"""The exceptions for the server's refusals."""

from __future__ import annotations

import pytest

from chatcli.client.errors import as_exception, login_refusal
from chatcli.errors import Refused, UnknownAsker
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
def test_advice_for_programs_only(text: str, reason: str) -> None:
    """The advice is in the sentence only where nobody can be asked."""
    refusal = login_refusal(Error(codes.ALREADY_HERE, text))
    assert isinstance(refusal, Refused)
    assert (str(refusal), refusal.reason) == (text, reason)


def test_unknown_user_with_a_link_code() -> None:
    """The advice how to get a name is for those who cannot get it by what they do."""
    error = Error(codes.UNKNOWN_USER, 'Nobody called "zoe" was ever here: check the spelling.')
    assert str(login_refusal(error, purpose="join")) == error.text
    assert isinstance(login_refusal(error, purpose="query"), UnknownAsker)


@pytest.mark.parametrize(
    ("names", "suggested"),
    [
        ([], []),
        (["bob-2"], ["bob-2"]),
        (["bob-2", "bob-3", "bob-4", "bob-5"], ["bob-2", "bob-3", "bob-4"]),
        (["\x1b[31mbob", "b b", "", "me", "#room", "-x", "x" * 33], []),
        (["\u202ebob", "bob-2"], ["bob-2"]),
        (["Bob\u0301"], ["B\u00f3b".replace("\u00f3b", "ob\u0301")]),
    ],
)
def test_names_in_place_of_a_taken_one(names: list[str], suggested: list[str]) -> None:
    """Only what can be a name is suggested, whatever the server says."""
    refusal = login_refusal(Error(codes.NAME_TAKEN, "bob belongs to another key.", names=names), "/home/bob/key")
    assert isinstance(refusal, Refused)
    assert refusal.names == suggested
    assert "The key that was shown is in /home/bob/key" in str(refusal)


@pytest.mark.parametrize("code", [codes.NAME_TAKEN, codes.ALREADY_HERE, codes.FULL, codes.UNKNOWN_USER, codes.BANNED])
def test_text_with_further_lines(code: str) -> None:
    """They do not look like lines of this program's own."""
    for explain in (as_exception, login_refusal):
        for text in ("No.\nchatcli: fake", "No.\r\nchatcli: fake", "No.\x1b[2J\u2028chatcli: fake"):
            assert len(str(explain(Error(code, text))).splitlines()) == 1
