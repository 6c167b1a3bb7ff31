"""The last message of a room is part of its description, for users who may read it."""

from __future__ import annotations

import pytest

from tests.support import Caller, Frame, ThreadServer, new_id


def says(caller: Caller, room: str, text: str, **fields: object) -> int:
    """Send a message; return its place."""
    caller.says("send", id=new_id(), to=room, text=text, **fields)
    return int(caller.hears("sent")["seq"])


def last(info: Frame) -> str | None:
    """Return the text of the last message in a description."""
    return info["last"]["text"] if "last" in info else None


def listed(caller: Caller, room: str) -> str | None:
    """Return the last message in the list of rooms, which is the same when asked for the room alone."""
    (one,) = caller.asks("rooms", room=room)["rooms"]
    (same,) = [info for info in caller.asks("rooms")["rooms"] if info["name"] == room]
    assert one == same
    return last(one)


def test_entering_an_open_room(alice: Caller, bob: Caller) -> None:
    """Members get the last message, too, and messages sent right before the request count."""
    assert last(alice.enters("#ops")["room"]) is None
    says(alice, "#ops", "first " + "x" * 300)
    assert last(bob.enters("#ops")["room"]) == ("first " + "x" * 300)[:200]
    bob.says_raw(
        b'{"t":"send","id":"0192f0c1-7b5e-7c3a-9d4e-1f2a3b4c5d6e","to":"#ops","text":"second"}\n'
        b'{"t":"join","room":"#ops","n":3}\n'
    )
    bob.hears("sent")
    assert last(bob.hears("room", n=3)["room"]) == "second"
    assert listed(bob, "#ops") == "second"


@pytest.mark.parametrize("again", [False, True])
def test_return_to_a_private_room(server: ThreadServer, alice: Caller, bob: Caller, *, again: bool) -> None:
    """Messages between two memberships stay unknown, and all of them to others."""
    alice.enters("#plans", kind="private")
    says(alice, "#plans", "before")
    alice.asks("operate", do="invite", to="bob", room="#plans")
    assert last(bob.enters("#plans")["room"]) is None
    assert listed(bob, "#plans") is None
    says(alice, "#plans", "while")
    bob.hears("message")
    assert listed(bob, "#plans") == "while"
    bob.asks("leave", room="#plans")
    says(alice, "#plans", "between")
    alice.asks("operate", do="invite", to="bob", room="#plans")
    assert listed(bob, "#plans") is None
    assert last(bob.enters("#plans")["room"]) == "while"
    assert listed(bob, "#plans") == "while"
    if again:
        server.stop()
        with ThreadServer(server.data) as later, later.joined("bob", "send") as back:
            assert listed(back, "#plans") == "while"
        return
    says(alice, "#plans", "after")
    bob.hears("message")
    assert listed(bob, "#plans") == "after"


def test_invited_users_may_ask(alice: Caller, bob: Caller) -> None:
    """An invited user gets it in the list and for the room; others do not."""
    alice.enters("#plans", kind="private")
    says(alice, "#plans", "secret")
    assert bob.asks("rooms", room="#plans")["code"] == "unknown_room"
    alice.asks("operate", do="invite", to="bob", room="#plans")
    (info,) = bob.asks("rooms", room="#plans")["rooms"]
    assert info == {"name": "#plans", "kind": "private", "members": 1, "owners": ["alice"], "invited": True}


def test_hidden_after_a_ban(alice: Caller, bob: Caller) -> None:
    """A banned user gets it neither in the list nor for the room."""
    alice.enters("#ops")
    says(alice, "#ops", "not for bob")
    alice.asks("operate", do="ban", to="bob", room="#ops")
    assert listed(bob, "#ops") is None


def test_wait_from_earlier_membership(alice: Caller, bob: Caller) -> None:
    """The asker gets the answer as a member again, and not while outside."""
    alice.enters("#plans", kind="private")
    alice.asks("operate", do="invite", to="bob", room="#plans")
    bob.enters("#plans")
    question = says(bob, "#plans", "Lunch?", choices=["yes", "no"])
    alice.hears("message")
    bob.asks("leave", room="#plans")
    assert bob.asks("answers", re=question)["code"] == "invalid"
    alice.asks("operate", do="invite", to="bob", room="#plans")
    bob.enters("#plans")
    assert bob.asks("answers", re=question)["t"] == "answer"
    says(alice, "#plans", "", re=question, answer=0)
    heard = [bob.next_but_presence() for _ in range(2)]
    assert {frame["t"] for frame in heard if frame} == {"message", "answer"}
