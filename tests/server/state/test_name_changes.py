"""Names that change hands or keys, and who is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.admin import answers, does
from tests.handover import add_key, enters, release, talk
from tests.support import Caller, Frame, ThreadServer, chatcli, key_of, known


@pytest.fixture(params=["few", "many"], autouse=True)
def number(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log read changes as if they were few, and as if they were many."""
    monkeypatch.setattr("chatcli.store.sqlite.name_changes._MANY", 1 if request.param == "many" else 500)


def missed(caller: Caller) -> list[Frame]:
    """Return the messages and changes before the feed is live."""
    frames = []
    while (frame := caller.next()) is not None and frame["t"] != "live":
        if frame["t"] in ("message", "renewed"):
            frames.append(frame)
    return frames


def changes(caller: Caller) -> list[tuple[str, str]]:
    """Return the names and kinds of the changes before the feed is live."""
    return [(frame["user"], frame["what"]) for frame in missed(caller) if frame["t"] == "renewed"]


def told_nothing(caller: Caller) -> bool:
    """Return whether no change comes before the answer to a ping."""
    caller.says("ping", n=8)
    while (frame := caller.next()) is not None and frame["t"] != "pong":
        if frame["t"] == "renewed":
            return False
    return True


@pytest.fixture
def bob(server: ThreadServer) -> Iterator[Caller]:
    """A user in the chat, who is told of changes."""
    with enters(server, "bob") as caller:
        yield caller


@pytest.fixture
def carol(server: ThreadServer) -> Iterator[Caller]:
    """A user whose name changes hands."""
    with enters(server, "carol") as caller:
        yield caller


def test_story(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """Those who have talked with any owner of the name are told of each change, in the order of the log."""
    first = talk(bob, carol, "carol")
    add_key(server, carol, "carol")
    key = bob.hears("renewed", user="carol", what="key")
    assert "by" not in key
    assert carol.hears("renewed")["seq"] == key["seq"]
    release(server, "carol")
    released = bob.hears("renewed", user="carol", what="released", by="operator")
    bob.sends("Carol", "are you there?")
    assert bob.hears("error")["text"] == 'Nobody is called "Carol" any more: an operator has released the name'
    with enters(server, "Carol", key=key_of("new")) as new:
        taken = bob.hears("renewed", user="Carol", what="taken")
        assert first < key["seq"] < released["seq"] < taken["seq"] < talk(bob, new, "carol")
        add_key(server, new, "carol", "tablet")
        bob.hears("renewed", user="Carol", what="key")
    release(server, "carol")
    bob.hears("renewed", user="Carol", what="released")
    with enters(server, "carol", key=key_of("third")):
        bob.hears("renewed", user="carol", what="taken")


def test_first_owner(server: ThreadServer, bob: Caller) -> None:
    """A name that was never released is nobody's change."""
    bob.enters("#ops")
    with enters(server, "carol") as carol:
        carol.enters("#ops")
        talk(bob, carol, "carol")
        assert told_nothing(bob)


def test_strangers(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """Nobody learns of a name that they have never talked with, live, later or from its history."""
    bob.enters("#ops")
    carol.enters("#dev")
    add_key(server, carol, "carol")
    release(server, "carol")
    with enters(server, "carol", key=key_of("new")), enters(server, "bob", "listen", since=0) as listener:
        assert told_nothing(bob)
        assert missed(listener) == []
        assert "changes" not in bob.asks("history", of="carol")


def test_own_changes(server: ThreadServer, carol: Caller) -> None:
    """The owner is told of one more key, live and later, as it may be somebody else's; not in the history of notes."""
    carol.sends("carol", "a note")
    carol.hears("sent")
    add_key(server, carol, "carol")
    assert carol.hears("renewed", user="carol", what="key")
    assert "changes" not in carol.asks("history", of="carol")
    with enters(server, "carol", "listen", since=0) as listener:
        assert changes(listener) == [("carol", "key")]


def test_room(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """Members of a room of the owner's are told, live and later; those who have left or come later are not."""
    bob.enters("#ops")
    carol.enters("#ops")
    with enters(server, "dave") as dave:
        dave.enters("#ops")
        dave.asks("leave", room="#ops")
        release(server, "carol")
        bob.hears("renewed", user="carol", what="released")
        assert told_nothing(dave)
        with enters(server, "eve") as eve:
            eve.enters("#ops")
    for user, expected in (("bob", [("carol", "released")]), ("dave", []), ("eve", [])):
        with enters(server, user, "listen", since=0) as listener:
            assert changes(listener) == expected, user


def test_room_of_the_one_before(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """A member who learned of a release learns of the new owner, once, wherever they are by then."""
    for caller in (bob, carol):
        caller.enters("#ops")
    with enters(server, "dave") as dave, enters(server, "eve") as eve:
        dave.enters("#ops")
        eve.enters("#dev")
        release(server, "carol")
        bob.hears("renewed", what="released")
        bob.asks("leave", room="#ops")
        dave.hang_up()
        eve.enters("#ops")
        with enters(server, "carol", key=key_of("new")):
            bob.hears("renewed", what="taken")
            assert told_nothing(eve)
        release(server, "carol")
        assert told_nothing(bob)
        with enters(server, "carol", key=key_of("third")):
            assert told_nothing(bob)
    both = [("carol", "released"), ("carol", "taken")]
    for user, expected in (("bob", both), ("dave", both), ("eve", [])):
        with enters(server, user, "listen", since=0) as listener:
            assert changes(listener) == expected, user


def test_returning(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """Changes come in their places among the missed messages, once, and again only if they were not acknowledged."""
    talk(carol, bob, "bob")
    bob.says("ack", seq=99)
    bob.asks("unread")
    bob.hang_up()
    add_key(server, carol, "carol")
    carol.sends("bob", "between")
    carol.hears("sent")
    release(server, "carol")
    for _ in range(2):
        with enters(server, "bob", present="takeover") as back:
            frames = missed(back)
            assert [frame.get("what", frame.get("text")) for frame in frames] == ["key", "between", "released"]
            assert sorted(frame["seq"] for frame in frames) == [frame["seq"] for frame in frames]
    for since, expected in ((frames[0]["seq"], 2), (frames[1]["seq"], 1), (frames[2]["seq"], 0)):
        with enters(server, "bob", "listen", since=since) as listener:
            assert len(missed(listener)) == expected
    with enters(server, "bob", present="takeover") as back:
        missed(back)
        back.says("ack", seq=frames[2]["seq"])
        back.asks("unread")
    with enters(server, "bob", present="takeover") as back:
        assert missed(back) == []


def test_told_elsewhere(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """A client that names the changes it was told of gets those that another one has received, first of all, once."""
    seq = talk(carol, bob, "bob")
    add_key(server, carol, "carol")
    key = bob.hears("renewed")["seq"]
    release(server, "carol")
    bob.says("ack", seq=bob.hears("renewed")["seq"])
    bob.asks("unread")
    with enters(server, "eve") as eve:
        eve.sends("bob", "hello")
        eve.hears("sent")
    bob.hears("message")
    for renewed, expected in (
        (0, ["key", "released"]),
        (seq, ["key", "released"]),
        (key, ["released"]),
        (99, []),
        (None, []),
    ):
        with enters(server, "bob", present="attach", renewed=renewed) as device:
            found = [frame.get("what", "message") for frame in missed(device)]
            assert found == [*expected, "message"], renewed


def test_later_acquaintance(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """A change from before the first message to a name is none for the one who has sent it."""
    add_key(server, carol, "carol")
    talk(bob, carol, "carol")
    with enters(server, "bob", "listen", since=0) as listener:
        assert [frame["t"] for frame in missed(listener)] == ["message"]


def test_restart(tmp_path: Path) -> None:
    """Changes, and the names that were released, are on disk; no later message has the place of a change."""
    with ThreadServer(tmp_path) as server, enters(server, "bob") as bob, enters(server, "carol") as carol:
        talk(bob, carol, "carol")
        release(server, "carol")
        seq = bob.hears("renewed")["seq"]
    with ThreadServer(tmp_path) as server, enters(server, "bob", since=seq) as bob:
        assert bob.welcome["head"] == seq
        assert missed(bob) == []
        with enters(server, "carol", key=key_of("new")) as new:
            bob.hears("renewed", what="taken")
            assert talk(bob, new, "carol") > seq + 1


def test_old_clients(server: ThreadServer, carol: Caller) -> None:
    """A client below revision 1 gets no such frame."""
    with enters(server, "bob", revision=0) as bob:
        talk(bob, carol, "carol")
        release(server, "carol")
        assert told_nothing(bob)
    with enters(server, "bob", "listen", since=0, revision=0) as listener:
        assert changes(listener) == []


def test_history(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """Each page has the changes of its time, the newest page those after its messages, too."""
    talk(bob, carol, "carol")
    release(server, "carol")
    with enters(server, "carol", key=key_of("new")) as new:
        seqs = [talk(bob, new, "carol")]
        add_key(server, new, "carol", "tablet")
        seqs.append(talk(bob, new, "carol"))
        add_key(server, new, "carol", "laptop")
        newest = bob.asks("history", of="carol", limit=1)
        assert [message["seq"] for message in newest["messages"]] == seqs[1:]
        assert [change["what"] for change in newest["changes"]] == ["key"]
        assert newest["changes"][0]["seq"] > seqs[1]
        older = bob.asks("history", of="carol", limit=1, before=seqs[1])
        assert ([message["seq"] for message in older["messages"]], older["more"]) == (seqs[:1], False)
        assert [change["what"] for change in older["changes"]] == ["released", "taken", "key"]
        first = bob.asks("history", of="carol", limit=1, forward=True)
        assert ([message["seq"] for message in first["messages"]], first["more"]) == (seqs[:1], True)
        assert [change["what"] for change in first["changes"]] == ["released", "taken"]
        rest = bob.asks("history", of="carol", limit=1, forward=True, after=seqs[0])
        assert ([message["seq"] for message in rest["messages"]], rest["more"]) == (seqs[1:], False)
        assert [change["what"] for change in rest["changes"]] == ["key", "key"]
        between = bob.asks("history", of="carol", after=seqs[0], before=seqs[1])
        assert (between["messages"], [change["what"] for change in between["changes"]]) == ([], ["key"])
        assert "changes" not in bob.asks("history", of="carol", until=older["changes"][0]["at"] - 1)
        later = bob.asks("history", of="carol", since=older["changes"][-1]["at"] + 1000 * 3600)
        assert (later["messages"], later.get("changes")) == ([], None)
        assert "changes" not in new.asks("history", of="carol")
        listed = bob.asks("conversations")["conversations"]
        assert [one["of"] for one in listed] == ["carol", f"carol (released {known_id(server, 'carol ')})"]


def known_id(server: ThreadServer, prefix: str) -> int:
    """Return the id of the only user whose name begins like this."""
    (found,) = server.run(lambda: [user.id for user in server.hub.users.all() if user.name.startswith(prefix)])
    return found


def test_new_owner_gets_nothing(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """The conversation, the unread messages and the rooms of the former owner are not theirs."""
    carol.enters("#secret", kind="private")
    talk(bob, carol, "carol")
    release(server, "carol")
    with enters(server, "carol", key=key_of("new"), since=0) as new:
        assert (new.welcome["rooms"], missed(new)) == ([], [])
        assert new.asks("conversations")["conversations"] == []
        assert new.asks("history", of="bob")["messages"] == []
        assert new.asks("search", text="hi")["messages"] == []
        assert new.asks("unread")["conversations"] == []
        assert new.asks("rooms")["rooms"] == []


def test_half_read_feed(server: ThreadServer, carol: Caller) -> None:
    """A client that reads nothing for a while gets everything in order, each once."""
    with enters(server, "bob") as bob:
        talk(bob, carol, "carol")
        size = server.hub.limits.text - 100
        for _ in range(40):
            carol.sends("bob", "x" * size)
            carol.hears("sent")
        add_key(server, carol, "carol")
        for _ in range(3):
            carol.sends("bob", "y" * size)
            carol.hears("sent")
        frames: list[Frame] = []
        while len(frames) < 44:
            frame = bob.next()
            if frame is not None and frame["t"] in ("message", "renewed"):
                frames.append(frame)
        seqs = [frame["seq"] for frame in frames]
        assert seqs == sorted(set(seqs))
        assert [frame["t"] for frame in frames].index("renewed") == 40


def test_many_keys(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """Someone who adds keys without end is refused after a while, and the name keeps its devices."""
    talk(bob, carol, "carol")
    for number in range(20):
        add_key(server, carol, "carol", f"device {number}")
    code = carol.asks("link")["code"]
    with server.connect() as caller:
        caller.greets("carol", key=key_of("one more"), purpose="send", link=code)
        assert "within the hour" in caller.hears("error", code="too_many")["text"]
    assert len(known(server, "carol").keys) == 21


def test_refused_release(server: ThreadServer, bob: Caller) -> None:
    """A release of an unknown name changes nothing."""
    assert answers(server.data, "release", to="nobody")["code"] == "unknown_user"
    assert told_nothing(bob)


def test_recovered(server: ThreadServer, bob: Caller, carol: Caller) -> None:
    """An operator's code gives the name a new key."""
    talk(bob, carol, "carol")
    code = does(server.data, "link", to="carol")["code"]
    with enters(server, "carol", key=key_of("new laptop"), link=code):
        bob.hears("renewed", user="carol", what="recovered", by="operator")
    (change,) = bob.asks("history", of="carol")["changes"]
    assert change["what"] == "recovered"


def test_imported_log(tmp_path: Path) -> None:
    """The new owner of a name that was released in an archive's log is somebody else there, too."""
    with ThreadServer(tmp_path / "old") as server, enters(server, "bob") as bob, enters(server, "carol") as carol:
        talk(bob, carol, "carol")
        release(server, "carol")
        bob.hears("renewed")
    export = tmp_path / "archive"
    assert chatcli("admin", "export", "--data", str(tmp_path / "old"), "--output", str(export)).returncode == 0
    assert chatcli("admin", "import", str(export), "--data", str(tmp_path / "new")).returncode == 0
    with ThreadServer(tmp_path / "new") as server, enters(server, "bob") as bob:
        with enters(server, "carol", key=key_of("new")):
            bob.hears("renewed", user="carol", what="taken")
        changes = bob.asks("history", of="carol")["changes"]
        assert [change["what"] for change in changes] == ["taken"]


def test_upgraded_log(tmp_path: Path) -> None:
    """So it is in the log of an older version."""
    with ThreadServer(tmp_path) as server, enters(server, "bob") as bob, enters(server, "carol") as carol:
        talk(bob, carol, "carol")
        release(server, "carol")
        bob.hears("renewed")
    with closing(sqlite3.connect(tmp_path / "chatcli.db", isolation_level=None)) as connection:
        for table in ("reads", "epochs", "name_changes", "tokens"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE users DROP COLUMN read")
        connection.execute("ALTER TABLE keys DROP COLUMN device")
        for table in ("users", "rooms"):
            connection.execute(f"DROP INDEX {table}_by_look")
            connection.execute(f"ALTER TABLE {table} DROP COLUMN look")
        connection.execute("DROP INDEX members_of_rooms")
        connection.execute("PRAGMA user_version = 5")
    with ThreadServer(tmp_path) as server, enters(server, "bob") as bob, enters(server, "carol", key=key_of("new")):
        bob.hears("renewed", user="carol", what="taken")


def test_backup(tmp_path: Path) -> None:
    """A backup has the changes, and goes on after them."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with ThreadServer(tmp_path / "old") as server, enters(server, "bob") as bob, enters(server, "carol") as carol:
        talk(bob, carol, "carol")
        release(server, "carol")
        seq, epoch = bob.hears("renewed")["seq"], bob.welcome["epoch"]
        done = chatcli("admin", "backup", str(copy / "chatcli.db"), "--data", str(tmp_path / "old"))
        assert done.returncode == 0, done.stderr
    with ThreadServer(copy) as server, enters(server, "bob", since=seq, epoch=epoch) as bob:
        assert (bob.welcome["head"], bob.welcome["shared"], missed(bob)) == (seq, seq, [])
        with enters(server, "carol", key=key_of("new")):
            assert bob.hears("renewed", what="taken")["seq"] > seq
    with ThreadServer(copy) as server, enters(server, "bob", since=0) as bob:
        assert changes(bob) == [("carol", "released"), ("carol", "taken")]
