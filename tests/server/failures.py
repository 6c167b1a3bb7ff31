"""Callers of a server whose disk fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatcli.protocol.values.address import Address
from tests.support import UNASKED, Caller, chatcli


def status_of(data: Path) -> dict[str, Any]:
    """Return the row of ``chatcli admin status``."""
    done = chatcli("admin", "--data", str(data), "status", "--json")
    assert done.returncode == 0, done.stderr
    row: dict[str, Any] = json.loads(done.stdout)
    return row


@contextmanager
def here(address: Address, user: str, **hello: Any) -> Iterator[Caller]:  # noqa: ANN401 (as the frame's)
    """Join for the time of the block."""
    with Caller(address) as caller:
        caller.greets(user, **hello)
        caller.welcome = caller.hears("welcome")
        yield caller


def says(caller: Caller, to: str, text: str) -> bool:
    """Send a message, and return whether it was stored or refused because of the disk."""
    caller.sends(to, text)
    while True:
        frame = caller.next()
        assert frame is not None
        if frame["t"] == "sent":
            return True
        if frame["t"] == "error":
            assert frame["code"] == "storage", frame
            return False
        assert frame["t"] in UNASKED, frame


def until_refused(caller: Caller, to: str, stored: list[str]) -> str:
    """Send messages until one is refused, and return that one; record the others."""
    for number in range(1000):
        text = f"{number} " + "x" * 3000
        if not says(caller, to, text):
            return text
        stored.append(text)
    raise AssertionError("there is no end to the room")
