"""Invitations: their end, and limits on their number."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest

from chatcli.store.sanction import Sanction, encode
from tests.support import Caller, ThreadServer, chatcli, feed, key_of, sessions_of


def invite(by: Caller, user: str, room: str) -> str:
    """Invite a user, and return the answer's tag or code."""
    answer = by.asks("operate", do="invite", to=user, room=room)
    return str(answer.get("code", answer["t"]))


def may_enter(user: Caller, room: str) -> bool:
    """Return whether a user may enter a room."""
    return bool(user.asks("join", room=room)["t"] == "room")


def invited(server: ThreadServer, user: str) -> list[str]:
    """Return the invitations of a user at login."""
    with server.joined(user, "listen", **key(user)) as caller:
        return list(caller.welcome["invited"])


def key(user: str) -> dict[str, Any]:
    """Return the key for a login: eve has her own, so that she is not banned along with others."""
    return {"key": key_of("eve")} if user == "eve" else {}


def make_owner(by: Caller, user: Caller, name: str, room: str) -> None:
    """Make another user an owner of a private room."""
    assert invite(by, name, room) == "done"
    user.enters(room)
    assert by.asks("operate", do="own", to=name, room=room)["t"] == "done"


@pytest.fixture
def deal(server: ThreadServer, alice: Caller, bob: Caller) -> ThreadServer:
    """A private room of alice and bob, with an invitation from bob to eve."""
    server.joined("eve", **key("eve")).hang_up()
    alice.enters("#deal", kind="private")
    make_owner(alice, bob, "bob", "#deal")
    assert invite(bob, "eve", "#deal") == "done"
    return server


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(
    "end",
    [
        {"do": "ban", "to": "bob", "room": "#deal"},
        {"do": "kick", "to": "bob", "room": "#deal"},
        {"do": "disown", "to": "bob", "room": "#deal"},
        {"do": "ban", "to": "bob", "room": "#deal", "seconds": 60},
    ],
)
def test_inviter_loses_rights(deal: ThreadServer, alice: Caller, end: dict[str, object]) -> None:
    """Invitations end when their inviter is kicked, banned or disowned; the invited get notice."""
    with deal.joined("eve", **key("eve")) as eve:
        assert eve.welcome["invited"] == ["#deal"]
        assert alice.asks("operate", **end)["t"] == "done"
        eve.hears("happened", what="uninvited", room="#deal", user="eve")
        assert not may_enter(eve, "#deal")
        assert eve.asks("rooms")["rooms"] == []


def test_inviter_leaves(deal: ThreadServer, bob: Caller, alice: Caller) -> None:
    """Invitations end, and other owners can invite the same user again."""
    assert bob.asks("leave", room="#deal")["t"] == "done"
    assert invited(deal, "eve") == []
    assert invite(alice, "eve", "#deal") == "done"
    assert invited(deal, "eve") == ["#deal"]


@pytest.mark.parametrize("command", ["ban", "release"])
def test_inviter_is_banned_or_released(deal: ThreadServer, command: str) -> None:
    """A ban from the server and the release of a name end invitations, also across a restart."""
    assert chatcli("admin", command, "--data", str(deal.data), "bob").returncode == 0
    assert invited(deal, "eve") == []
    deal.stop()
    with ThreadServer(deal.data) as again:
        assert invited(again, "eve") == []


def test_inviter_loses_operator_rights(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """An operator invites to rooms that they belong to, for as long as they are an operator."""
    alice.enters("#deal", kind="private")
    assert invite(alice, "bob", "#deal") == "done"
    bob.enters("#deal")
    server.joined("eve", **key("eve")).hang_up()
    assert invite(bob, "eve", "#deal") == "not_allowed"
    chatcli("admin", "op", "--data", str(server.data), "bob")
    assert invite(bob, "eve", "#deal") == "done"
    chatcli("admin", "deop", "--data", str(server.data), "bob")
    assert invited(server, "eve") == []


def test_empty_private_room_is_reset(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Invitations, topic, bans and mutes are gone, because the next owner does not know of them."""
    with server.joined("eve", **key("eve")) as eve, server.joined("cid") as cid:
        alice.enters("#deal", kind="private")
        for name in ("eve", "cid"):
            assert invite(alice, name, "#deal") == "done"
        cid.enters("#deal")
        assert alice.asks("operate", do="mute", to="bob", room="#deal")["t"] == "done"
        assert alice.asks("operate", do="ban", to="cid", room="#deal")["t"] == "done"
        assert alice.asks("topic", room="#deal", text="what nobody else may know")["t"] == "done"
        assert alice.asks("leave", room="#deal")["t"] == "done"
        assert "topic" not in bob.enters("#deal", kind="private")["room"]
        bob.sends("#deal", "mine now")
        bob.hears("sent")
        assert not may_enter(eve, "#deal")
        assert invite(bob, "cid", "#deal") == "done"
        assert may_enter(cid, "#deal")


def test_empty_open_room_keeps_bans(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Topic and bans stay, as its messages are still readable; mutes do not."""
    with server.joined("cid") as cid:
        alice.enters("#ops")
        alice.asks("topic", room="#ops", text="what runs")
        alice.asks("operate", do="ban", to="cid", room="#ops")
        alice.asks("operate", do="mute", to="bob", room="#ops")
        alice.asks("leave", room="#ops")
        assert bob.enters("#ops")["room"]["topic"] == "what runs"
        assert cid.asks("join", room="#ops")["code"] == "banned"
        bob.sends("#ops", "hello?")
        bob.hears("sent")


def test_empty_rooms_are_reset_at_start(server: ThreadServer, alice: Caller) -> None:
    """The same happens after a kill in between by which an older version has left something."""
    server.joined("eve", **key("eve")).hang_up()
    alice.enters("#deal", kind="private")
    alice.asks("leave", room="#deal")
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "chatcli.db")) as log, log:
        log.execute("UPDATE rooms SET topic = 'old'")
        value = encode(Sanction(at=0, by=1, reason="alice"))
        log.execute("INSERT INTO rulings VALUES ('room_invitation', '-1:2', ?)", (value,))
    with ThreadServer(server.data) as again, again.joined("bob") as bob:
        assert invited(again, "eve") == []
        assert "topic" not in bob.enters("#deal")["room"]


@pytest.mark.parametrize(("by", "expected"), [("alice", ["#deal"]), ("nobody", [])])
def test_invitation_of_an_older_version(server: ThreadServer, alice: Caller, by: str, expected: list[str]) -> None:
    """It has the inviter's name only, and ends like any other."""
    server.joined("eve", **key("eve")).hang_up()
    alice.enters("#deal", kind="private")
    server.run(lambda: server.hub.moderation.impose("room_invitation", "-1:2", seconds=60, reason=by))
    server.stop()
    with ThreadServer(server.data) as again:
        assert invited(again, "eve") == expected


def test_limit_of_a_stranger(server: ThreadServer, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger may give someone ten, and however many strangers there are, others get through."""
    monkeypatch.setattr("chatcli.server.state.invitations._MOST", 20)
    server.joined("victim").hang_up()
    for stranger in ("eve", "mallory"):
        with server.joined(stranger, **key(stranger)) as caller:
            answers = []
            for number in range(11):
                caller.enters(f"#{stranger}{number}", kind="private")
                answers.append(invite(caller, "victim", f"#{stranger}{number}"))
            assert answers == ["done"] * 10 + ["too_many"]
    alice.enters("#real", kind="private")
    assert invite(alice, "victim", "#real") == "done"
    found = invited(server, "victim")
    assert len(found) == 20
    assert "#real" in found
    assert not {"#eve0", "#mallory0"} <= set(found)


def test_hints_and_permissions(server: ThreadServer, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest hints stay, and permissions have a count of their own."""
    monkeypatch.setattr("chatcli.server.state.invitations._MOST_HINTS", 3)
    monkeypatch.setattr("chatcli.server.state.invitations._MOST", 1)
    server.joined("victim").hang_up()
    for number in range(10, 22):  # more than the limit of permissions
        alice.enters(f"#open{number}")
        assert invite(alice, "victim", f"#open{number}") == "done"
    alice.enters("#real", kind="private")
    assert invite(alice, "victim", "#real") == "done"
    assert invited(server, "victim") == ["#open19", "#open20", "#open21", "#real"]


def test_limit_of_an_inviter(server: ThreadServer, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invitations that are used or withdrawn do not count."""
    monkeypatch.setattr("chatcli.server.state.invitations._MOST_GIVEN", 2)
    names = ("one", "two", "three")
    for name in names:
        server.joined(name).hang_up()
    alice.enters("#big", kind="private")
    assert [invite(alice, name, "#big") for name in names] == ["done", "done", "too_many"]
    alice.asks("operate", do="uninvite", to="one", room="#big")
    assert invite(alice, "three", "#big") == "done"
    with server.joined("two") as two:
        two.enters("#big")
    assert invite(alice, "one", "#big") == "done"


def test_pointless_invitations(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Members, banned and invited users cannot be invited."""
    alice.enters("#deal", kind="private")
    assert invite(alice, "bob", "#deal") == "done"
    assert invite(alice, "bob", "#deal") == "not_allowed"
    bob.enters("#deal")
    assert invite(alice, "bob", "#deal") == "not_allowed"
    alice.asks("operate", do="ban", to="bob", room="#deal")
    assert invite(alice, "bob", "#deal") == "not_allowed"


@pytest.mark.parametrize("kind", ["open", "private"])
def test_after_the_inviter_has_left(server: ThreadServer, kind: str) -> None:
    """One that is asked for before the end of the membership is on disk is refused: it would stay in an empty room."""
    server.joined("eve", **key("eve")).hang_up()
    with server.joined("alice") as alice, server.joined("alice", "send") as again:
        alice.enters("#deal", kind=kind)

        def leave_and_invite() -> None:
            leaving, inviting = sessions_of(server, "alice")
            feed(leaving, b'{"t":"leave","room":"#deal","n":9}\n')
            feed(inviting, b'{"t":"operate","do":"invite","to":"eve","room":"#deal","n":9}\n')

        server.run(leave_and_invite)
        assert alice.hears("done")["n"] == again.hears("error")["n"] == 9
    assert invited(server, "eve") == []
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "chatcli.db")) as log:
        assert log.execute("SELECT * FROM rulings").fetchall() == []


def test_limit_at_once(server: ThreadServer) -> None:
    """Those that are being written count: ten from one inviter are open, however many are asked for in one tick."""
    server.joined("eve", **key("eve")).hang_up()
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.joined("alice", "send")) for _ in range(15)]
        for number in range(15):
            callers[0].enters(f"#deal{number}", kind="private")

        def invite_all() -> None:
            for number, session in enumerate(sessions_of(server, "alice")):
                line = f'{{"t":"operate","do":"invite","to":"eve","room":"#deal{number}","n":1}}\n'
                feed(session, line.encode())

        server.run(invite_all)
        answers = [caller.next_but_presence() for caller in callers]
        codes = [frame.get("code", frame["t"]) for frame in answers if frame is not None]
        assert codes == ["done"] * 10 + ["too_many"] * 5
        assert len(invited(server, "eve")) == 10


def test_same_one_at_once(server: ThreadServer) -> None:
    """It is given once."""
    server.joined("eve", **key("eve")).hang_up()
    with server.joined("alice", "send") as one, server.joined("alice", "send") as other:
        one.enters("#deal", kind="private")

        def invite_twice() -> None:
            for session in sessions_of(server, "alice"):
                feed(session, b'{"t":"operate","do":"invite","to":"eve","room":"#deal","n":1}\n')

        server.run(invite_twice)
        one.hears("done", n=1)
        other.hears("error", n=1, code="not_allowed")


def test_invited_again_at_once(alice: Caller, bob: Caller) -> None:
    """Each invitation is announced, however soon after the one before, which was used."""
    alice.enters("#deal", kind="private")
    for _ in range(3):
        assert invite(alice, "bob", "#deal") == "done"
        bob.hears("happened", what="invited", user="bob")
        assert may_enter(bob, "#deal")
        alice.asks("operate", do="kick", to="bob", room="#deal")
        bob.hears("happened", what="kicked", user="bob")
