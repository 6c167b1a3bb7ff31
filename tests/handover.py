"""Names that change hands or keys: their owners, devices and releases, by hand."""

from __future__ import annotations

from typing import Any

from tests.admin import does
from tests.support import Caller, ThreadServer, key_of


def enters(server: ThreadServer, user: str, purpose: str = "join", **hello: object) -> Caller:
    """Log in as a client of the present revision, with a key that no other name has."""
    fields: dict[str, Any] = {"key": key_of(user), "revision": 1, **hello}
    return server.joined(user, purpose, **fields)


def talk(one: Caller, other: Caller, name: str) -> int:
    """Have the first send a message to the second, and return its ``seq``."""
    one.sends(name, "hi")
    other.hears("message")
    return int(one.hears("sent")["seq"])


def release(server: ThreadServer, name: str) -> None:
    """Release a name, as an operator does."""
    does(server.data, "release", to=name)


def add_key(server: ThreadServer, owner: Caller, name: str, device: str = "phone") -> None:
    """Add a key to a name."""
    code = owner.asks("link")["code"]
    server.joined(name, "send", key=key_of(device), link=code).hang_up()
