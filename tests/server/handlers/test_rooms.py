"""Rooms: entering, reading and writing, and the rights of owners."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatcli.server.model import User
from chatcli.store.batch import ignore
from chatcli.store.records import UserRecord
from tests.support import Caller, Frame, ThreadServer, eventually, feed, known, new_id, session_of, waiting_frames


def history(caller: Caller, of: str) -> list[str]:
    """Return the texts of a history."""
    return [message["text"] for message in caller.asks("history", of=of)["messages"]]


def event(caller: Caller, what: str) -> dict[str, str]:
    """Return the fields of the next event of a kind; delayed ones of other kinds may precede it."""
    while (frame := caller.hears("happened"))["what"] != what:
        pass
    return {key: value for key, value in frame.items() if key not in ("t", "what")}


def test_first_member_owns_the_room(server: ThreadServer) -> None:
    """The first to enter owns the room; later ones become members."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        room = alice.enters("#Ops")["room"]
        assert room == {"name": "#Ops", "kind": "open", "members": 1, "owners": ["alice"], "joined": True}
        assert bob.enters("#ops")["room"]["members"] == 2
        alice.hears("happened", room="#Ops", what="joined", user="bob")


def test_message_reaches_members_only(server: ThreadServer) -> None:
    """Each member and the sender's other devices get the message once; others do not."""
    with (
        server.joined("alice") as alice,
        server.joined("alice", "listen") as phone,
        server.joined("bob") as bob,
        server.joined("eve") as eve,
    ):
        alice.enters("#ops")
        bob.enters("#ops")
        identity = alice.sends("#OPS", "deploy is out")
        sent = alice.hears("sent", id=identity, outcome="delivered")
        for caller in (bob, phone):
            caller.hears("message", seq=sent["seq"], to="#ops", text="deploy is out", **{"from": "alice"})
        bob.sends("eve", "just you")
        eve.hears("message", text="just you")


def test_membership_outlives_absence(server: ThreadServer) -> None:
    """An absent member gets the messages later, also after a restart of the server."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
    with server.joined("alice") as alice:
        alice.enters("#ops")
        alice.sends("#ops", "one")
        alice.hears("sent", outcome="stored")
    server.stop()
    with ThreadServer(server.data) as again, again.joined("bob") as bob:
        assert bob.welcome["rooms"] == ["#ops"]
        assert bob.texts(1) == ["one"]
        assert bob.asks("rooms")["rooms"][0]["members"] == 2


def test_feed_of_memberships(server: ThreadServer) -> None:
    """The feed has the messages from times of membership only; the history of an open room has all."""
    with server.joined("alice") as alice, server.joined("bob") as bob:

        def says(text: str) -> None:
            alice.sends("#ops", text)
            alice.hears("sent")

        alice.enters("#ops")
        says("before")
        bob.enters("#ops")
        says("while")
        bob.hears("message", text="while")
        assert bob.asks("leave", room="#ops")["t"] == "done"
        says("without")
        bob.enters("#ops")
        says("again")
        bob.hears("message", text="again")
        assert history(bob, "#ops") == ["before", "while", "without", "again"]
        with server.joined("bob", "listen", since=0) as whole:
            assert whole.texts(2) == ["while", "again"]


def test_private_room_is_hidden(server: ThreadServer) -> None:
    """Only members and invited users see it in lists, history, search, receipts or ``who``."""
    with server.joined("alice") as alice, server.joined("eve") as eve:
        assert alice.enters("#plans", kind="private")["room"]["kind"] == "private"
        alice.sends("#plans", "secret wedding")
        alice.hears("sent")
        assert eve.asks("rooms")["rooms"] == []
        for question, fields in (
            ("history", {"of": "#plans"}),
            ("who", {"to": "#plans"}),
            ("receipts", {"to": "#plans"}),
            ("topic", {"room": "#plans", "text": "mine"}),
            ("leave", {"room": "#plans"}),
            ("operate", {"do": "kick", "to": "alice", "room": "#plans"}),
        ):
            assert eve.asks(question, **fields)["code"] == "unknown_room", question
        assert eve.asks("search", text="wedding")["messages"] == []
        identity = eve.sends("#plans", "let me in")
        eve.hears("error", code="unknown_room", id=identity)
        assert eve.asks("join", room="#plans")["code"] == "not_invited"
        assert "#plan" not in eve.asks("history", of="#plan")["text"].replace('"#plan"', "").replace("/join #plan", "")


def test_invitation_to_a_private_room(server: ThreadServer) -> None:
    """Invited users get notice now or at login, read what comes after they enter, and can enter once."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        server.joined("cid").hang_up()
        alice.enters("#plans", kind="private")
        alice.sends("#plans", "before")
        alice.hears("sent")
        for name in ("bob", "cid"):
            assert alice.asks("operate", do="invite", to=name, room="#plans")["t"] == "done"
        bob.hears("happened", what="invited", room="#plans", user="bob", by="alice")
        assert bob.asks("rooms")["rooms"] == [
            {"name": "#plans", "kind": "private", "members": 1, "owners": ["alice"], "invited": True}
        ]
        bob.enters("#plans")
        alice.sends("#plans", "after")
        alice.hears("sent")
        bob.hears("message", text="after")
        assert history(bob, "#plans") == ["after"]
        assert bob.asks("operate", do="invite", to="eve", room="#plans")["code"] == "not_allowed"
        assert bob.asks("leave", room="#plans")["t"] == "done"
        assert bob.asks("join", room="#plans")["code"] == "not_invited"
    server.stop()
    with ThreadServer(server.data) as again, again.joined("cid") as cid:
        assert cid.welcome["invited"] == ["#plans"]
        assert cid.welcome["rooms"] == []
        cid.enters("#plans")


@pytest.mark.usefixtures("brisk")
def test_withdrawn_invitation(server: ThreadServer) -> None:
    """The user gets notice, and stays outside."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#plans", kind="private")
        alice.asks("operate", do="invite", to="bob", room="#plans")
        alice.asks("operate", do="uninvite", to="bob", room="#plans")
        bob.hears("happened", what="invited")
        bob.hears("happened", what="uninvited")
        assert bob.asks("join", room="#plans")["code"] == "not_invited"


def test_announcement_room(server: ThreadServer) -> None:
    """Others enter and read, and may not write or change the topic; an operator of the server may."""
    with server.joined("alice") as alice, server.joined("bob") as bob, server.joined("cid") as cid:
        alice.enters("#news", kind="announcement")
        bob.enters("#news")
        identity = bob.sends("#news", "hello?")
        assert "announcements" in bob.hears("error", id=identity, code="not_allowed")["text"]
        assert bob.asks("topic", room="#news", text="mine")["code"] == "not_allowed"
        alice.sends("#news", "1.0 is out")
        bob.hears("message", text="1.0 is out")
        server.run(lambda: server.hub.moderation.impose("operator", "cid"))
        cid.sends("#news", "maintenance at ten")
        cid.hears("sent")
        bob.hears("message", text="maintenance at ten")


def test_posting_without_entering(server: ThreadServer) -> None:
    """Posting in an open room does not need membership."""
    with server.joined("alice") as alice, server.joined("ci", "send") as script:
        alice.enters("#ops")
        script.sends("#ops", "build failed")
        script.hears("sent", outcome="delivered")
        alice.hears("message", text="build failed", to="#ops", **{"from": "ci"})


def test_room_of_another_kind(server: ThreadServer) -> None:
    """A request for a private room never ends in one that others can read."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#plans")
        assert "open" in bob.asks("join", room="#plans", kind="private")["text"]
        assert alice.asks("join", room="#plans", kind="private")["code"] == "room_exists"
        assert alice.enters("#plans", kind="open")["room"]["members"] == 1


@pytest.mark.parametrize("name", ["ops", "#", "#two words", "#a:b", "#" + "x" * 33, "##ops"])
def test_impossible_names(server: ThreadServer, name: str) -> None:
    """The rules are those for names of users, after a ``#``."""
    with server.joined("alice") as alice:
        assert alice.asks("join", room=name)["code"] == "bad_name"


def test_lookalike_room(server: ThreadServer) -> None:
    """A Cyrillic letter does not make another room of the same look."""
    with server.joined("alice") as alice:
        alice.enters("#cop")
        assert alice.asks("join", room="#сор")["code"] == "bad_name"


@pytest.mark.parametrize(("first", "second"), [("#list", "#li\u0307st"), ("#b0b", "#bob"), ("#modem", "#modern")])
def test_lookalikes_with_marks_and_digits(server: ThreadServer, first: str, second: str) -> None:
    """The first one wins; a private one is not named to users who may not know of it."""
    with server.joined("alice") as alice, server.joined("eve") as eve:
        alice.enters(first)
        assert f"looks like {first}" in eve.asks("join", room=second)["text"]
        alice.enters("#plans", kind="private")
        answer = eve.asks("join", room="#p1ans")
        assert answer["code"] == "bad_name"
        assert "#plans" not in answer["text"]


def test_unknown_room_with_close_names(server: ThreadServer) -> None:
    """A message to an unknown room is refused with close names."""
    with server.joined("alice") as alice:
        alice.enters("#deploys")
        identity = alice.sends("#deploy", "hi")
        assert alice.hears("error", id=identity, code="unknown_room")["names"] == ["#deploys"]


@pytest.mark.usefixtures("brisk")
def test_kick_ban_and_mute_in_a_room(server: ThreadServer) -> None:
    """Each is in force in that room only, is announced, and can be lifted."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        bob.enters("#ops")

        def does(what: str, **fields: object) -> None:
            assert alice.asks("operate", do=what, to="bob", room="#ops", **fields)["t"] == "done"

        assert bob.asks("operate", do="kick", to="alice", room="#ops")["code"] == "not_allowed"
        does("mute", reason="noise")
        bob.hears("happened", what="muted", user="bob", by="alice", text="noise")
        identity = bob.sends("#ops", "hm")
        bob.hears("error", code="muted", id=identity)
        bob.sends("alice", "sorry")
        bob.hears("sent")
        alice.hears("message", text="sorry")
        does("unmute")
        bob.sends("#ops", "thanks")
        bob.hears("sent")
        alice.hears("message", text="thanks")
        does("kick", reason="go home")
        assert event(bob, "kicked") == {"room": "#ops", "user": "bob", "by": "alice", "text": "go home"}
        bob.enters("#ops")
        does("ban")
        event(bob, "banned")
        assert bob.asks("join", room="#ops")["code"] == "banned"
        assert bob.asks("history", of="#ops")["code"] == "banned"
        alice.sends("#ops", "thanks for nothing")
        alice.hears("sent")
        assert [one["text"] for one in bob.asks("search", text="thanks")["messages"]] == ["thanks"]
        identity = bob.sends("#ops", "let me")
        bob.hears("error", code="banned", id=identity)
        does("unban")
        bob.enters("#ops")


def test_owners(server: ThreadServer) -> None:
    """Owners make others owners; the oldest member inherits the room from the last owner."""
    with server.joined("alice") as alice, server.joined("bob") as bob, server.joined("cid") as cid:
        for caller in (alice, bob, cid):
            caller.enters("#ops")
        assert alice.asks("operate", do="disown", to="alice", room="#ops")["code"] == "not_allowed"
        assert alice.asks("operate", do="own", to="cid", room="#ops")["t"] == "done"
        cid.hears("happened", what="owner", user="cid", by="alice")
        assert cid.asks("operate", do="disown", to="alice", room="#ops")["t"] == "done"
        cid.asks("leave", room="#ops")
        assert alice.asks("rooms")["rooms"][0]["owners"] == ["alice"]
        alice.asks("leave", room="#ops")
    server.stop()
    with ThreadServer(server.data) as again, again.joined("bob") as bob:
        assert bob.asks("rooms")["rooms"][0]["owners"] == ["bob"]


def test_repetition_after_a_ban(server: ThreadServer) -> None:
    """A client that lost the answer learns that the message was stored, even if it may not post now."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        identity = bob.sends("#ops", "once")
        sent = bob.hears("sent", id=identity)
        alice.hears("message", text="once")
        alice.asks("operate", do="ban", to="bob", room="#ops")
        bob.sends("#ops", "once", identity)
        bob.hears("sent", id=identity, seq=sent["seq"], at=sent["at"], outcome="stored")
        alice.sends("#ops", "mine")
        mine = alice.hears("sent")["id"]
        bob.sends("#ops", "once", mine)
        bob.hears("error", id=mine, code="banned")


def test_topic(server: ThreadServer) -> None:
    """Any member of an open room may change its topic; others get notice, and it survives a restart."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        assert bob.asks("topic", room="#ops", text="mine")["code"] == "not_allowed"
        bob.enters("#ops")
        assert bob.asks("topic", room="#ops", text="deploys & outages")["t"] == "done"
        alice.hears("happened", what="joined")
        alice.hears("happened", what="topic", by="bob", text="deploys & outages")
        assert bob.asks("topic", room="#ops", text="x" * 501)["code"] == "text_too_long"
    server.stop()
    with ThreadServer(server.data) as again, again.joined("eve") as eve:
        assert eve.asks("rooms")["rooms"][0]["topic"] == "deploys & outages"


def test_list_of_rooms_has_last_messages(server: ThreadServer) -> None:
    """Everyone may read an open room, so everyone sees its newest message."""
    with server.joined("alice") as alice, server.joined("eve") as eve:
        alice.enters("#b")
        alice.enters("#a")
        alice.sends("#b", "latest")
        sent = alice.hears("sent")
        first, second = eve.asks("rooms")["rooms"]
        assert (first["name"], first.get("last")) == ("#a", None)
        assert (second["last"]["seq"], second["last"]["text"], second["last"]["to"]) == (sent["seq"], "latest", "#b")


def test_frames_keep_their_order(server: ThreadServer) -> None:
    """Entering, posting and leaving without waiting for answers happen in that order."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
        with server.joined("alice") as alice:
            alice.says("join", room="#new", n=1)
            alice.sends("#new", "first")
            alice.says("join", room="#ops", n=2)
            alice.sends("#ops", "hi")
            alice.says("leave", room="#ops", n=3)
            alice.says("bye")
            assert [alice.hears(tag)["t"] for tag in ("room", "sent", "room", "sent", "done", "bye")]
        bob.hears("message", text="hi")
        assert [one["members"] for one in bob.asks("rooms")["rooms"]] == [1, 1]


def test_too_many_rooms(server: ThreadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit one has to leave a room first."""
    monkeypatch.setattr("chatcli.server.state.room_permissions.MAX_ROOMS", 2)
    with server.joined("alice") as alice:
        alice.enters("#a")
        alice.enters("#b")
        assert alice.asks("join", room="#c")["code"] == "too_many"
        alice.asks("leave", room="#a")
        alice.enters("#c")


def test_released_name_leaves_its_rooms(server: ThreadServer, tmp_path: Path) -> None:
    """The next owner of the name does not inherit the rooms of the former one."""
    with server.joined("alice") as alice:
        alice.enters("#ops")
    with server.joined("bob") as bob:
        bob.enters("#ops")
        server.run(lambda: server.hub.release(known(server, "alice"), "operator", ignore))
        eventually(lambda: bob.asks("rooms")["rooms"][0]["members"] == 1)
        assert bob.asks("rooms")["rooms"][0]["owners"] == ["bob"]


def test_ban_while_entering(server: ThreadServer) -> None:
    """Of two frames in the same tick, the later ban decides."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        at_once(server, ("bob", b'{"t":"join","room":"#ops","n":9}'), ("alice", BAN))
        bob.hears("room")
        alice.hears("done")
        alice.sends("#ops", "without him")
        alice.hears("sent")
        assert bob.asks("history", of="#ops")["code"] == "banned"
        assert alice.asks("rooms")["rooms"][0]["members"] == 1


def test_entering_while_last_owner_leaves(server: ThreadServer) -> None:
    """No room is ever without an owner."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        at_once(server, ("alice", b'{"t":"leave","room":"#ops","n":9}'), ("bob", b'{"t":"join","room":"#ops","n":9}'))
        alice.hears("done")
        bob.hears("room")
        eventually(lambda: bob.asks("rooms")["rooms"][0]["owners"] == ["bob"])
    server.stop()
    with ThreadServer(server.data) as again, again.joined("bob") as bob:
        assert bob.asks("rooms")["rooms"][0]["owners"] == ["bob"]


def test_two_create_a_room_at_once(server: ThreadServer) -> None:
    """One of them creates it; the other waits until it exists."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        join = b'{"t":"join","room":"#ops","kind":"private","n":9}'
        at_once(server, ("alice", join), ("bob", join))
        assert alice.hears("room")["room"]["owners"] == ["alice"]
        bob.hears("error", code="not_invited")


def test_lookalikes_at_once(server: ThreadServer) -> None:
    """The log decides between them, and the other is told why there is no such room."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        at_once(
            server, ("alice", b'{"t":"join","room":"#modem","n":9}'), ("bob", b'{"t":"join","room":"#modern","n":9}')
        )
        assert alice.hears("room")["room"]["owners"] == ["alice"]
        assert "looks like it" in bob.hears("error", n=9, code="bad_name")["text"]
        assert [room["name"] for room in bob.asks("rooms")["rooms"]] == ["#modem"]


def test_room_that_cannot_be_stored(server: ThreadServer) -> None:
    """It is refused, and asked for once."""
    with server.joined("alice") as alice:
        server.run(lambda: setattr(server.hub.log, "_last_room", 1))  # no room has such an id
        assert alice.asks("join", room="#ops")["code"] == "invalid"
        assert alice.enters("#ops")["room"]["owners"] == ["alice"]


@pytest.mark.usefixtures("brisk")
def test_heir_is_notified(server: ThreadServer) -> None:
    """The heir of a room gets notice."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        bob.enters("#ops")
        alice.asks("leave", room="#ops")
        told = [bob.hears("happened") for _ in range(2)]
        assert {(frame["what"], frame["user"]) for frame in told} == {("left", "alice"), ("owner", "bob")}


def test_empty_room_is_hidden(server: ThreadServer) -> None:
    """Nobody can post where nobody would get it; the history is there for the next to enter."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        alice.sends("#ops", "anyone?")
        alice.hears("sent")
        alice.asks("leave", room="#ops")
        assert bob.asks("rooms")["rooms"] == []
        identity = bob.sends("#ops", "hello?")
        bob.hears("error", id=identity, code="unknown_room")
        assert bob.enters("#ops")["room"]["owners"] == ["bob"]
        assert history(bob, "#ops") == ["anyone?"]


BAN = b'{"t":"operate","do":"ban","to":"bob","room":"#ops","n":9}'


def at_once(server: ThreadServer, *frames: tuple[str, bytes]) -> None:
    """Let the server process frames of several users in one tick."""

    def take() -> None:
        for name, line in frames:
            feed(session_of(server, name), line + b"\n")

    server.run(take)


def test_message_after_a_kick(server: ThreadServer) -> None:
    """A message in the same tick after the kick is refused, and is not in the history."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#plans", kind="private")
        alice.asks("operate", do="invite", to="bob", room="#plans")
        bob.hears("happened", what="invited")
        bob.enters("#plans")
        line = b'{"t":"send","id":"0192f0c1-7b5e-7c3a-9d4e-1f2a3b4c5d6e","to":"#plans","text":"one more thing"}'
        at_once(server, ("alice", KICK), ("bob", line))
        bob.hears("error", code="unknown_room")
        alice.hears("done")
        assert history(alice, "#plans") == []


def test_query_changes_nothing(server: ThreadServer) -> None:
    """A query cannot enter, leave, moderate or be away."""
    with server.joined("alice") as alice, server.joined("alice", "query") as asking:
        alice.enters("#ops")
        for tag, fields in (
            ("join", {"room": "#new"}),
            ("leave", {"room": "#ops"}),
            ("topic", {"room": "#ops", "text": "x"}),
            ("operate", {"do": "invite", "to": "alice", "room": "#ops"}),
            ("away", {"text": "x"}),
        ):
            assert asking.asks(tag, **fields)["code"] == "not_allowed", tag


def test_other_texts_of_muted_users(server: ThreadServer) -> None:
    """A topic, a reason, an away text and the name of a new room are refused like messages."""
    with server.joined("eve") as eve, server.joined("bob"):
        eve.enters("#ops")
        server.run(lambda: server.hub.moderation.impose("mute", "eve"))
        for tag, fields in (
            ("topic", {"room": "#ops", "text": "spam"}),
            ("operate", {"do": "invite", "to": "bob", "room": "#ops", "reason": "spam"}),
            ("away", {"text": "spam"}),
            ("join", {"room": "#spam"}),
        ):
            assert eve.asks(tag, **fields)["code"] == "muted", tag
        assert eve.asks("away")["t"] == "done"


def test_pointless_actions(server: ThreadServer) -> None:
    """Lifting what is not in force, and repeating what is, is refused and not announced."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        bob.enters("#ops")
        for what in ("unmute", "unban", "uninvite", "disown"):
            assert alice.asks("operate", do=what, to="bob", room="#ops")["code"] == "not_allowed", what
        assert "already" in alice.asks("operate", do="own", to="alice", room="#ops")["text"]
        server.joined("cid").hang_up()
        assert alice.asks("operate", do="invite", to="cid", room="#ops")["t"] == "done"
        assert "already" in alice.asks("operate", do="invite", to="cid", room="#ops")["text"]
        alice.asks("operate", do="ban", to="cid", room="#ops")
        assert "unban them first" in alice.asks("operate", do="invite", to="cid", room="#ops")["text"]
        bob.says("ping", n=3)
        told = []
        while (frame := bob.next()) and frame["t"] != "pong":
            told.append(frame.get("what"))
        assert [what for what in told if what] == ["banned"]


def test_declined_invitation(server: ThreadServer) -> None:
    """Leaving a room without having entered it declines its invitation."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#plans", kind="private")
        alice.asks("operate", do="invite", to="bob", room="#plans")
        assert bob.asks("leave", room="#Plans")["t"] == "done"
        assert bob.asks("rooms")["rooms"] == []
        assert bob.asks("join", room="#plans")["code"] == "not_invited"


def test_limit_of_invitations(server: ThreadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further invitations are refused."""
    monkeypatch.setattr("chatcli.server.state.invitations._MOST", 2)
    server.joined("bob").hang_up()
    with server.joined("eve") as eve:
        answers = []
        for room in ("#a", "#b", "#c"):
            eve.enters(room, kind="private")
            answers.append(eve.asks("operate", do="invite", to="bob", room=room).get("code"))
        assert answers == [None, None, "too_many"]


def test_banned_users_see_nothing(server: ThreadServer) -> None:
    """Banned users can neither read, list members, nor watch receipts."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        alice.asks("operate", do="ban", to="bob", room="#ops")
        for tag, fields in (("who", {"to": "#ops"}), ("history", {"of": "#ops"}), ("receipts", {"to": "#ops"})):
            assert bob.asks(tag, **fields)["code"] == "banned", tag


def test_frames_after_a_goodbye(server: ThreadServer) -> None:
    """Frames after ``bye`` are ignored, even while answers are still to come."""
    with server.joined("alice") as alice:
        frames: list[Frame] = [
            {"t": "send", "id": new_id(), "to": "alice", "text": "before"},
            {"t": "bye"},
            {"t": "send", "id": new_id(), "to": "alice", "text": "after"},
        ]
        alice.says_raw("".join(json.dumps(frame) + "\n" for frame in frames).encode())  # what comes later may be reset
        alice.hears("sent")
        alice.hears("bye")
        assert alice.next() is None
    with server.joined("alice", "send") as alice:
        assert history(alice, "alice") == ["before"]


def test_requests_are_interleaved(server: ThreadServer) -> None:
    """Between two requests of one connection others are served: their answer comes before the last of them."""
    with server.joined("eve") as eve, server.joined("bob") as bob:
        questions = b"".join(b'{"t":"history","of":"nobody%d","n":%d}\n' % (number, number) for number in range(1, 200))
        pong_at: list[int] = []

        def take() -> None:
            asking, other = session_of(server, "eve"), session_of(server, "bob")
            feed(asking, questions)
            pong_at.append(waiting_frames(asking))
            feed(other, b'{"t":"ping","n":1}\n')

        server.run(take)
        bob.hears("pong")
        assert pong_at[0] > 150
        assert [eve.hears("error")["n"] for _ in range(1, 200)] == list(range(1, 200))


KICK = b'{"t":"operate","do":"kick","to":"bob","room":"#plans","n":9}'


def test_hundred_owners_at_most(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """All of them are named in every list of rooms, so the number is limited."""
    for caller in (alice, bob):
        caller.enters("#ops")

    def fill() -> None:
        room = known(server, "alice").rooms[0]
        records = [
            UserRecord(id=1000 + number, name=f"u{number}", key=f"u{number}", look="", created=1, received=0)
            for number in range(99)
        ]
        room.owners |= {User(record) for record in records}

    server.run(fill)
    answer = alice.asks("operate", do="own", to="bob", room="#ops")
    assert (answer["code"], "disown" in answer["text"]) == ("too_many", True)
    assert len(alice.asks("rooms")["rooms"][0]["owners"]) == 100


def test_long_list_of_rooms(server: ThreadServer, alice: Caller) -> None:
    """It is complete and in order, although it takes several ticks of the loop."""
    names = [f"#r{number:03}" for number in range(120)]
    for name in names:
        alice.enters(name)
    assert [room["name"] for room in alice.asks("rooms")["rooms"]] == names


def test_other_devices_learn_of_each_departure(server: ThreadServer, alice: Caller) -> None:
    """However soon somebody comes back, their other devices know that they have been away."""
    with server.joined("alice", present="attach") as other:
        for _ in range(3):
            alice.enters("#ops")
            other.hears("happened", what="joined", user="alice")
            alice.asks("leave", room="#ops")
            other.hears("happened", what="left", user="alice")
