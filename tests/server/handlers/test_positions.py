"""Positions: received, read and seen; unread counts and the list of conversations by them."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcli.server.limits import Limits
from tests.support import Caller, Frame, ThreadServer, chatcli, eventually, known, serving, sessions_of


def joined(server: ThreadServer, user: str, purpose: str = "join", **hello: object) -> Caller:
    """Log in with a client that knows revision 1, beside others of the user."""
    present = {"present": "attach"} if purpose == "join" else {}
    fields: dict[str, Any] = {"revision": 1, **present, **hello}
    return server.joined(user, purpose, **fields)


@pytest.fixture
def laptop(server: ThreadServer) -> Iterator[Caller]:
    """A device of bob."""
    with joined(server, "bob") as caller:
        caller.hears("live")
        yield caller


@pytest.fixture
def phone(server: ThreadServer, laptop: Caller) -> Iterator[Caller]:
    """Another device of bob."""
    with joined(server, "bob") as caller:
        caller.hears("live")
        yield caller


def says(caller: Caller, to: str, text: str = "hi") -> int:
    """Send a message, and return its place in the log."""
    identity = caller.sends(to, text)
    while (frame := caller.next()) is not None and frame.get("id") != identity:
        pass
    assert frame is not None
    assert frame["t"] == "sent", frame
    return int(frame["seq"])


def answer(caller: Caller, tag: str, **fields: object) -> Frame:
    """Return the answer to a request, whatever comes before it."""
    caller.says(tag, n=9, **fields)
    while (frame := caller.next()) is not None and frame.get("n") != 9:
        pass
    assert frame is not None
    return frame


def counts(caller: Caller) -> dict[str, int]:
    """Return the unread counts, which are the same in both answers that have them."""
    found = {one["of"]: one["count"] for one in answer(caller, "unread")["conversations"]}
    listed = answer(caller, "conversations")["conversations"]
    assert {one["of"]: one["unread"] for one in listed if "unread" in one} == found
    return found


def notices(caller: Caller, tag: str) -> list[Frame]:
    """Return the frames of one kind that have come."""
    caller.says("ping", n=8)
    found = []
    while (frame := caller.next()) and frame.get("n") != 8:
        if frame["t"] == tag:
            found.append(frame)
    return found


def stored_reads(data: Path) -> int:
    """Return the number of single positions on disk."""
    with contextlib.closing(sqlite3.connect(data / "chatcli.db")) as database:
        return int(database.execute("SELECT count(*) FROM reads").fetchone()[0])


# Read


def test_two_devices(server: ThreadServer, alice: Caller, laptop: Caller, phone: Caller) -> None:
    """One device reads a conversation; the other learns it at once, and both count the same."""
    with server.joined("cid", "send") as cid:
        first, newest = says(alice, "bob"), says(alice, "bob")
        other = says(cid, "bob")
    laptop.says("read", of="alice", seq=first)
    assert notices(phone, "read") == [{"t": "read", "seq": first, "of": "alice"}]
    assert counts(laptop) == counts(phone) == {"alice": 1, "cid": 1}
    phone.says("read", of="ALICE", seq=newest)
    phone.says("read", of="alice", seq=first)  # forward only
    assert counts(phone) == {"cid": 1}
    assert notices(laptop, "read") == [{"t": "read", "seq": newest, "of": "alice"}]
    laptop.says("read", seq=other)
    assert counts(laptop) == {}
    assert notices(phone, "read") == [{"t": "read", "seq": other}]
    assert notices(laptop, "read") == []


def test_acknowledging_reads_nothing(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """Received messages come once, and stay unread until somebody reads them."""
    seq = says(alice, "bob")
    laptop.says("ack", seq=seq)
    assert counts(laptop) == {"alice": 1}
    assert answer(laptop, "unread")["cursor"] == seq
    assert notices(alice, "receipt") == []
    with joined(server, "bob", "listen") as later:
        assert (later.welcome["cursor"], later.welcome["read"]) == (seq, 0)
        later.hears("live")


def test_mark_as_unread(server: ThreadServer, alice: Caller, laptop: Caller, phone: Caller) -> None:
    """A position goes back on all devices, and nobody else learns that."""
    first, newest = says(alice, "bob"), says(alice, "bob")
    laptop.says("read", of="alice", seq=newest)
    assert alice.hears("receipt")["seq"] == newest
    phone.says("read", of="alice", seq=first - 1, back=True)
    assert counts(phone) == {"alice": 2}
    assert notices(laptop, "read")[-1] == {"t": "read", "seq": first - 1, "of": "alice", "back": True}
    assert counts(laptop) == {"alice": 2}
    assert answer(alice, "receipts", to="bob")["people"][0]["seq"] == newest
    laptop.says("read", of="alice", seq=first)
    assert counts(laptop) == {"alice": 1}
    assert notices(alice, "receipt") == []
    refused = answer(laptop, "read", seq=1, back=True)
    assert (refused["t"], refused["code"]) == ("error", "invalid")


def test_reading_without_receipts(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """Devices learn it, others do not, until the user reads again where receipts are shown."""
    with joined(server, "bob", receipts=False) as secret:
        seq = says(alice, "bob")
        secret.says("ack", seq=seq)
        secret.says("read", of="alice", seq=seq)
        assert counts(secret) == {}
        assert notices(laptop, "read") == [{"t": "read", "seq": seq, "of": "alice"}]
        person = answer(alice, "receipts", to="bob")["people"][0]
        assert (person["seq"], person["received"]) == (0, seq)
        secret.says("read", seq=seq)
        assert counts(secret) == {}
        assert notices(laptop, "read") == [{"t": "read", "seq": seq}]
        assert notices(alice, "receipt") == []
    laptop.says("read", of="alice", seq=seq)
    assert alice.hears("receipt") == {"t": "receipt", "user": "bob", "seq": seq, "received": seq}
    assert notices(laptop, "read") == []


def test_old_client_beside_a_new_one(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """Each gets only what it understands, and the positions are true for both."""
    with server.joined("bob", "listen") as old, server.joined("cid") as cid:
        old.hears("live")
        first, other = says(alice, "bob"), says(cid, "bob")
        laptop.says("read", of="alice", seq=first)
        assert counts(laptop) == {"cid": 1}
        assert notices(old, "read") == []
        assert counts(old) == {"cid": 1}
        laptop.says("read", seq=other)
        assert counts(laptop) == {}
        assert notices(old, "read") == [{"t": "read", "seq": other}]
        newest = says(alice, "bob")
        laptop.says("read", of="alice", seq=first - 1, back=True)
        assert counts(laptop) == {"alice": 2}
        old.says("ack", seq=newest)
        assert counts(old) == {}
        assert notices(laptop, "read") == [{"t": "read", "seq": newest}]
        assert counts(laptop) == {}
        assert old.welcome["reads"] == []
    assert known(server, "bob").reads == {}


def test_positions_in_the_welcome(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """A client that takes a place, or is beside another, has all positions; one without a feed has not."""
    for caller in (alice, laptop):
        caller.enters("#ops")
    seq, busy = says(alice, "bob"), says(alice, "#ops")
    laptop.says("read", of="alice", seq=seq)
    laptop.says("read", of="#OPS", seq=busy)
    answer(laptop, "ping")
    for hello in ({"present": "attach"}, {"present": "takeover"}):
        with joined(server, "bob", **hello) as beside:
            assert beside.welcome["read"] == 0
            assert beside.welcome["reads"] == [{"of": "alice", "seq": seq}, {"of": "#ops", "seq": busy}]
            beside.says("read", of="alice", seq=seq - 1, back=True)
            assert counts(beside) == {"alice": 1}
            beside.says("read", of="alice", seq=seq)
            answer(beside, "ping")
    with joined(server, "bob", "send") as script:
        assert script.welcome["reads"] == []


def test_positions_for_a_slow_device(tmp_path: Path) -> None:
    """A notice that did not fit is replaced by all positions, once the device takes more."""
    with ThreadServer(tmp_path, Limits(unsent=16 * 1024)) as server, server.joined("alice", "send") as alice:
        with server.connect(receive_buffer=4096) as slow, joined(server, "bob", "send") as laptop:
            slow.greets("bob", purpose="listen", revision=1)
            slow.hears("welcome")
            slow.hears("live")
            seqs = [says(alice, "bob", "x" * 16_000) for _ in range(40)]
            eventually(lambda: server.run(lambda: any(one.output.full for one in sessions_of(server, "bob"))))
            laptop.says("read", of="alice", seq=seqs[-1])
            laptop.says("read", of="alice", seq=seqs[0], back=True)
            answer(laptop, "ping")
            frames: dict[str, list[Frame]] = {"message": [], "read": [], "live": []}
            while len(frames["message"]) < len(seqs) or len(frames["read"]) < 2:
                frame = slow.next()
                assert frame is not None
                frames[frame["t"]].append(frame)
            assert [frame["seq"] for frame in frames["message"]] == seqs
            positions = [{"t": "read", "seq": 0}, {"t": "read", "seq": seqs[0], "of": "alice", "back": True}]
            assert frames["read"] == positions


@pytest.mark.parametrize("purpose", ["send", "listen", "query"])
def test_reading_without_a_window(server: ThreadServer, alice: Caller, laptop: Caller, purpose: str) -> None:
    """A client without a feed moves positions, too."""
    seq = says(alice, "bob")
    with joined(server, "bob", purpose) as script:
        script.says("read", of="alice", seq=seq)
        assert counts(script) == {}
    assert notices(laptop, "read") == [{"t": "read", "seq": seq, "of": "alice"}]
    assert alice.hears("receipt")["seq"] == seq


def test_wrong_reads(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """A read beyond the head counts for the head; one of somebody unknown is refused with its number."""
    laptop.says("read", of="alice", seq=9000)
    assert counts(laptop) == {}
    says(alice, "bob")
    assert counts(laptop) == {"alice": 1}
    alice.enters("#plans", kind="private")
    for of, code in (("nobody", "unknown_user"), ("#nowhere", "unknown_room"), ("#plans", "unknown_room")):
        assert answer(laptop, "read", of=of, seq=1)["code"] == code
    hidden, missing = (answer(laptop, "read", of=of, seq=1) for of in ("#plans", "#planz"))
    assert hidden["text"].replace("#plans", "") == missing["text"].replace("#planz", "")


def test_room_that_was_left(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """A member who has left reads what they have from there, and the position holds when they come back."""
    alice.enters("#plans", kind="private")
    assert alice.asks("operate", do="invite", to="bob", room="#plans")["t"] == "done"
    laptop.enters("#plans")
    first, newest = says(alice, "#plans"), says(alice, "#plans")
    laptop.says("read", of="#plans", seq=first)
    answer(laptop, "leave", room="#plans")
    assert {one["of"]: one["count"] for one in answer(laptop, "unread")["conversations"]} == {"#plans": 1}
    laptop.says("read", of="#plans", seq=newest)
    assert answer(laptop, "unread")["conversations"] == []
    answer(alice, "operate", do="invite", to="bob", room="#plans")
    answer(laptop, "join", room="#plans")
    assert counts(laptop) == {}
    later = says(alice, "#plans")
    assert counts(laptop) == {"#plans": 1}
    laptop.says("read", of="#plans", seq=later)
    assert counts(laptop) == {}


def test_name_that_was_released(server: ThreadServer, laptop: Caller) -> None:
    """The conversation can be read, and marked as read, under the name that lists have; nobody can write there."""
    with server.joined("carol", "send") as carol:
        seq = says(carol, "bob")
    assert chatcli("admin", "release", "carol", "--data", str(server.data)).returncode == 0
    (name,) = counts(laptop)
    assert name == f"carol (released {known_id(server, name)})"
    assert [one["seq"] for one in answer(laptop, "history", of=name)["messages"]] == [seq]
    laptop.says("read", of=name, seq=seq)
    assert counts(laptop) == {}
    assert answer(laptop, "check", to=name)["code"] == "unknown_user"
    for wrong in (name.upper(), f"carol (released {10**30})", "carol"):
        assert answer(laptop, "history", of=wrong)["code"] == "unknown_user"
    server.stop()
    with ThreadServer(server.data) as again, joined(again, "bob") as later:
        assert later.welcome["reads"] == [{"of": name, "seq": seq}]
        assert [one["seq"] for one in answer(later, "history", of=name)["messages"]] == [seq]


def test_released_name_of_a_stranger(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """Those who have never talked with it are refused as if nobody had it."""
    with server.joined("carol", "send") as carol:
        says(carol, "bob")
    assert chatcli("admin", "release", "carol", "--data", str(server.data)).returncode == 0
    (name,) = counts(laptop)
    for request in ("history", "read"):
        fields = {"seq": 1} if request == "read" else {}
        real, invented = (answer(alice, request, of=of, **fields) for of in (name, "carol (released 99)"))
        assert (real["t"], real["code"]) == ("error", "unknown_user")
        assert real["text"].replace(name, "") == invented["text"].replace("carol (released 99)", "")


def known_id(server: ThreadServer, name: str) -> int:
    """Return the id of the user who is called so in lists."""
    user = server.hub.users.find_released(name)
    assert user is not None
    return user.id


def test_positions_after_a_restart(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """All of them are on disk when the server stops."""
    laptop.enters("#ops")
    seqs = [says(alice, to) for to in ("bob", "#ops", "bob")]
    laptop.says("ack", seq=seqs[1])
    laptop.says("read", of="alice", seq=seqs[0])
    laptop.says("read", of="#ops", seq=seqs[1])
    assert counts(laptop) == {"alice": 1}
    server.stop()
    with ThreadServer(server.data) as again, joined(again, "bob") as later:
        assert later.welcome["cursor"] == seqs[1]
        assert {one["of"]: one["seq"] for one in later.welcome["reads"]} == {"alice": seqs[0], "#ops": seqs[1]}
        assert counts(later) == {"alice": 1}


def test_positions_after_a_kill(tmp_path: Path) -> None:
    """They are written soon, although nothing else is: a killed server loses at most the latest."""
    data = tmp_path / "data"
    with serving(data) as (program, address):
        alice, bob = Caller(address), Caller(address)
        for caller, name in ((alice, "alice"), (bob, "bob")):
            caller.greets(name, revision=1)
            caller.hears("welcome")
        seq = says(alice, "bob")
        bob.says("read", of="alice", seq=seq)
        eventually(lambda: stored_reads(data) == 1)
        program.end(signal.SIGKILL)
        for caller in (alice, bob):
            caller.hang_up()
    with ThreadServer(data) as again, joined(again, "bob") as later:
        assert later.welcome["reads"] == [{"of": "alice", "seq": seq}]


def test_too_many_positions(
    server: ThreadServer, alice: Caller, laptop: Caller, phone: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the oldest position ends: what is before it is read everywhere, and devices learn that."""
    monkeypatch.setattr("chatcli.server.state.read_positions._MOST", 3)
    people = [f"user{number}" for number in range(5)]
    seqs = {}
    for name in people:
        with server.joined(name, "send") as caller:
            seqs[name] = says(caller, "bob")
    for name in people[1:4]:
        laptop.says("read", of=name, seq=seqs[name])
    assert counts(laptop) == {"user0": 1, "user4": 1}
    laptop.says("read", of="user4", seq=seqs["user4"])
    assert counts(laptop) == counts(phone) == {}  # user0 wrote before the oldest position
    bob = known(server, "bob")
    assert server.run(lambda: (bob.read, len(bob.reads))) == (seqs["user1"], 3)
    with joined(server, "bob") as beside:
        assert beside.welcome["read"] == seqs["user1"]
        assert [one["of"] for one in beside.welcome["reads"]] == people[2:]
    server.stop()
    assert stored_reads(server.data) == 3


def test_devices_learn_of_a_fold(
    server: ThreadServer, alice: Caller, laptop: Caller, phone: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The general position that has moved comes after that of the conversation."""
    monkeypatch.setattr("chatcli.server.state.read_positions._MOST", 1)
    first, newest = says(alice, "bob"), says(laptop, "bob", "note")
    laptop.says("read", of="alice", seq=first)
    laptop.says("read", of="bob", seq=newest)
    answer(laptop, "ping")
    assert notices(phone, "read") == [
        {"t": "read", "seq": first, "of": "alice"},
        {"t": "read", "seq": newest, "of": "bob"},
        {"t": "read", "seq": first},
    ]


# Conversations


def test_conversations(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """Pages of them, the newest first, with what is unread and the messages that mention the user."""
    laptop.enters("#ops")
    laptop.enters("#empty")
    note = says(laptop, "bob", "a note")
    direct = says(alice, "bob", "bob, lunch?")
    says(alice, "#ops", "@bob look")
    says(alice, "#ops", "bobby is here")
    newest = says(alice, "#ops", "thanks, BOB " + "x" * 300)
    page = answer(laptop, "conversations", limit=2)
    ops, talk = page["conversations"]
    assert (ops["of"], ops["unread"], ops["mentions"], ops["last"]["seq"]) == ("#ops", 3, 2, newest)
    assert len(ops["last"]["text"]) <= 201
    assert (talk["of"], talk["unread"], talk["last"]["text"]) == ("alice", 1, "bob, lunch?")
    assert page["more"]
    assert not {"mentions", "read"} & talk.keys()
    page = answer(laptop, "conversations", before=direct)
    assert [(one["of"], one["unread"], one["last"]["seq"]) for one in page["conversations"]] == [("bob", 1, note)]
    assert not page["more"]
    assert [one.get("mentions") for one in answer(laptop, "unread")["conversations"]] == [2, None, None]
    laptop.says("read", of="#ops", seq=newest)
    first = answer(laptop, "conversations")["conversations"][0]
    assert (first["of"], first["read"], "unread" in first) == ("#ops", newest, False)


def test_conversations_of_an_outsider(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """A room that the user has left is missing, and so is one that they were never in."""
    for room in ("#ops", "#garden"):
        alice.enters(room)
        says(alice, room)
    laptop.enters("#garden")
    says(alice, "#garden")
    answer(laptop, "leave", room="#garden")
    assert answer(laptop, "conversations")["conversations"] == []
    with server.joined("eve", "send") as eve:
        assert answer(eve, "conversations")["conversations"] == []


# Receipts of what was received


def test_stored_message_is_received(server: ThreadServer) -> None:
    """Its sender learns that a client has it, before anybody has read it; an older client learns nothing new."""
    joined(server, "bob").hang_up()
    with joined(server, "alice") as alice, server.joined("alice", "listen") as old, joined(server, "cid") as cid:
        alice.hears("live")
        seqs = [says(alice, "bob"), says(cid, "bob"), says(alice, "bob")]
        with joined(server, "bob") as bob:
            for _ in seqs:
                bob.hears("message")
            bob.says("ack", seq=seqs[0])
            assert alice.hears("receipt") == {"t": "receipt", "user": "bob", "seq": 0, "received": seqs[0]}
            bob.says("ack", seq=seqs[1])
            assert cid.hears("receipt")["received"] == seqs[1]
            assert notices(alice, "receipt") == []  # how far others' messages have come is private
            bob.says("ack", seq=seqs[2])
            assert alice.hears("receipt") == {"t": "receipt", "user": "bob", "seq": 0, "received": seqs[2]}
            (person,) = answer(alice, "receipts", to="bob")["people"]
            assert person == {"t": "receipt", "user": "bob", "seq": 0, "received": seqs[2]}
            (person,) = answer(cid, "receipts", to="bob")["people"]
            assert (person["seq"], person["received"]) == (0, seqs[1])
            assert notices(old, "receipt") == []
            bob.says("read", of="alice", seq=seqs[0])
            assert alice.hears("receipt") == {"t": "receipt", "user": "bob", "seq": seqs[0], "received": seqs[2]}
            assert notices(old, "receipt")[0]["seq"] == seqs[0]
    bob_is = known(server, "bob")
    assert server.run(lambda: bob_is.delivery_waiters) is None


def test_waiting_for_a_client_after_a_restart(server: ThreadServer) -> None:
    """With ``watch`` a sender learns both, whenever they come; what is known already is in the answer."""
    joined(server, "bob").hang_up()
    with joined(server, "ci", "send") as script:
        seq = says(script, "bob", "build failed")
    server.stop()
    with ThreadServer(server.data) as again, joined(again, "ci", "send") as script:
        (person,) = script.asks("receipts", to="bob", watch=True)["people"]
        assert person == {"t": "receipt", "user": "bob", "seq": 0}
        with joined(again, "bob") as bob:
            bob.hears("message")
            bob.says("ack", seq=seq)
            assert script.hears("receipt") == {"t": "receipt", "user": "bob", "seq": 0, "received": seq}
            bob.says("read", of="ci", seq=seq)
            assert script.hears("receipt") == {"t": "receipt", "user": "bob", "seq": seq, "received": seq}


def test_received_in_a_room(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """The answer has both positions of each member; a notice comes when one of them has read."""
    for caller in (alice, laptop):
        caller.enters("#ops")
    assert answer(alice, "receipts", to="#ops", watch=True)["people"][0]["seq"] == 0
    seq = says(alice, "#ops")
    laptop.says("ack", seq=seq)
    answer(laptop, "ping")
    (person,) = answer(alice, "receipts", to="#ops")["people"]
    assert (person["user"], person["seq"], person["received"]) == ("bob", 0, seq)
    laptop.says("read", of="#ops", seq=seq)
    notice = alice.hears("receipt")
    assert (notice["to"], notice["seq"], notice["received"]) == ("#ops", seq, seq)


@pytest.mark.usefixtures("brisk")
def test_watchers_of_a_room_are_few(
    server: ThreadServer, alice: Caller, laptop: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused, and may ask; each gets a first notice at once, and then only the newest."""
    monkeypatch.setattr("chatcli.server.state.receipts._MOST_WATCHERS", 2)
    for caller in (alice, laptop):
        caller.enters("#ops")
    seqs = [says(alice, "#ops") for _ in range(20)]
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(joined(server, "eve", "send")) for _ in range(3)]
        told = [answer(watcher, "receipts", to="#ops", watch=True) for watcher in watchers]
        assert [one["t"] for one in told] == ["receipts", "receipts", "error"]
        assert told[2]["code"] == "too_many"
        assert answer(watchers[0], "receipts", to="#ops", watch=True)["t"] == "receipts"  # it does so already
        assert answer(watchers[2], "receipts", to="#ops")["t"] == "receipts"
        laptop.says_raw(b"".join(b'{"t":"read","of":"#ops","seq":%d}\n' % seq for seq in seqs))
        for watcher in watchers[:2]:
            assert [watcher.hears("receipt")["seq"] for _ in range(2)] == [seqs[0], seqs[-1]]
        for watcher in watchers:
            assert notices(watcher, "receipt") == []
        watchers[0].hang_up()
        eventually(lambda: answer(watchers[2], "receipts", to="#ops", watch=True)["t"] == "receipts")


def test_many_read_one_room(server: ThreadServer, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notices are as many as those who read times the few who watch, and each reader pays for theirs."""
    monkeypatch.setattr("chatcli.server.state.receipts._MOST_WATCHERS", 3)
    alice.enters("#ops")
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(joined(server, f"user{number}")) for number in range(12)]
        for reader in readers:
            reader.enters("#ops")
            reader.says("receipts", to="#ops", watch=True)
        seq = says(alice, "#ops")
        for reader in readers:
            reader.says("read", of="#ops", seq=seq)
        for reader in readers:
            answer(reader, "ping")
        told = [len(notices(reader, "receipt")) for reader in readers]
        room = server.hub.rooms.find(known(server, "alice"), "#ops")
        assert server.run(lambda: len(room.watchers)) == 3
        assert sum(told) <= 3 * len(readers)


# Who, and idle


def test_who_of_a_person(server: ThreadServer, alice: Caller) -> None:
    """One person's presence is answered in any spelling, also if they are gone; someone unknown is refused."""
    with joined(server, "bob") as bob:
        assert answer(alice, "who", to="BOB")["people"][0].keys() == {"user", "since"}
        answer(bob, "away", text="lunch")
        away = answer(alice, "who", to="bob")
        assert away["to"] == "bob"
        assert [(one["user"], one["state"], one["text"]) for one in away["people"]] == [("bob", "away", "lunch")]
    eventually(lambda: answer(alice, "who", to="bob")["people"][0].get("state") == "gone")
    assert answer(alice, "who", to="bbo")["code"] == "unknown_user"


def test_idle(server: ThreadServer, alice: Caller, laptop: Caller) -> None:
    """Someone is idle while all their joins are; it ends with a key, a new join, and the connection."""

    def idle() -> list[bool]:
        alice.enters("#ops")
        asked = [answer(alice, "who", **to)["people"] for to in ({}, {"to": "bob"}, {"to": "#ops"})]
        return ["idle" in one for people in asked for one in people if one["user"] == "bob"]

    def touch(caller: Caller, **fields: object) -> None:
        caller.says("idle", **fields)
        answer(caller, "ping")

    laptop.enters("#ops")
    assert idle() == [False] * 3
    touch(laptop)
    assert idle() == [True] * 3
    since = answer(alice, "who", to="bob")["people"][0]["idle"]
    touch(laptop)
    assert answer(alice, "who", to="bob")["people"][0]["idle"] == since
    with joined(server, "bob") as phone:
        assert idle() == [False] * 3
        touch(phone)
        assert idle() == [True] * 3
        touch(laptop, back=True)
        assert idle() == [False] * 3
        touch(laptop)
    eventually(lambda: idle() == [True] * 3)
    with joined(server, "bob", "listen") as pager:
        touch(pager, back=True)
        assert idle() == [True] * 3
    assert notices(alice, "presence") == []
    laptop.hang_up()
    eventually(lambda: answer(alice, "who", to="bob")["people"][0].get("state") == "gone")
    bob = known(server, "bob")
    assert server.run(lambda: bob.idle) == {}
    with joined(server, "bob"):
        assert idle() == [False] * 3
