"""History, search, receipts, read positions, presence, and what a feed skips after a long absence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatcli.server.state.presence_watches import WATCHED
from chatcli.store.batch import ignore
from chatcli.store.queries import OnResult, Unread, UnreadQuery
from tests.support import Caller, Frame, ThreadServer, eventually, known


def says(caller: Caller, to: str, text: str) -> int:
    """Send a message, and return its place in the log."""
    identity = caller.sends(to, text)
    return int(caller.hears("sent", id=identity)["seq"])


def shown(caller: Caller, to: str, **fields: object) -> dict[str, int]:
    """Return the next receipts."""
    return {person["user"]: person["seq"] for person in caller.asks("receipts", to=to, **fields)["people"]}


def test_pages_of_a_history(alice: Caller, bob: Caller) -> None:
    """Pages go back from the newest message, each in order, and say if there are older ones, to both users alike."""
    seqs = [says(alice, "bob", f"{number}") for number in range(5)]
    assert bob.texts(5) == list("01234")
    page = bob.asks("history", of="ALICE", limit=2)
    assert (page["t"], page["of"], page["more"]) == ("history", "alice", True)
    assert [message["text"] for message in page["messages"]] == ["3", "4"]
    page = bob.asks("history", of="alice", limit=3, before=seqs[3])
    assert ([message["text"] for message in page["messages"]], page["more"]) == (["0", "1", "2"], False)
    assert alice.asks("history", of="bob", since=page["messages"][0]["at"])["messages"][0]["text"] == "0"
    assert alice.asks("history", of="bob", since=253_370_764_800_000)["messages"] == []


def test_pages_forward(alice: Caller, bob: Caller) -> None:
    """Pages go on from a place, each in order, and say if there are newer ones; a page goes to a time, too."""
    seqs = [says(alice, "bob", f"{number}") for number in range(5)]
    assert bob.texts(5) == list("01234")

    def page(**fields: object) -> tuple[str, bool]:
        answer = bob.asks("history", of="alice", **fields)
        return " ".join(message["text"] for message in answer["messages"]), answer["more"]

    assert page(forward=True, limit=2) == ("0 1", True)
    assert page(forward=True, limit=2, after=seqs[1]) == ("2 3", True)
    assert page(forward=True, limit=2, after=seqs[3]) == ("4", False)
    assert page(forward=True, after=seqs[4]) == ("", False)
    assert page(forward=True, after=seqs[0], before=seqs[3]) == ("1 2", False)
    assert page(limit=2, after=seqs[0]) == ("3 4", True)
    assert page(until=0) == page(forward=True, until=0) == ("", False)
    assert page(until=253_370_764_800_000, limit=1) == ("4", True)
    assert bob.asks("history", of="alice", forward="yes")["code"] == "invalid"
    assert bob.asks("history", of="alice", after=-1)["code"] == "invalid"


def test_own_messages_are_seen_at_once(server: ThreadServer, alice: Caller) -> None:
    """A request right after a message sees it, before its answer has come."""
    alice.enters("#ops")
    for number in range(20):
        alice.sends("#ops", f"word{number}")
        alice.says("history", of="#ops", limit=1)
        alice.says("search", text=f"word{number}")
        alice.hears("sent")
        assert alice.hears("history")["messages"][0]["text"] == f"word{number}"
        assert len(alice.hears("search")["messages"]) == 1


def test_conversations_of_others(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """History and search show the asker's own conversations only."""
    says(alice, "bob", "the code is swordfish")
    bob.hears("message")
    with server.joined("eve") as eve:
        says(eve, "bob", "hello")
        assert [one["text"] for one in eve.asks("history", of="bob")["messages"]] == ["hello"]
        assert eve.asks("search", text="swordfish")["messages"] == []
        assert eve.asks("search", text="swordfish", **{"from": "alice"})["messages"] == []
        assert eve.asks("search", text="swordfish", **{"in": "bob"})["messages"] == []
    bob.hears("message", text="hello")
    assert [one["text"] for one in bob.asks("search", text="SWORDFISH")["messages"]] == ["the code is swordfish"]


def test_search(alice: Caller, bob: Caller) -> None:
    """Committed messages are found, newest first; filters narrow the answer, and pages continue it."""
    alice.enters("#ops")
    says(alice, "bob", "deploy failed")
    says(alice, "#ops", "the deploy failed again")
    newest = says(alice, "#ops", "deploy done")
    bob.hears("message")

    def found(**fields: object) -> list[str]:
        return [message["text"] for message in alice.asks("search", **fields)["messages"]]

    assert found(text="deploy") == ["deploy done", "the deploy failed again", "deploy failed"]
    assert found(text='"deploy failed"', **{"in": "#ops"}) == ["the deploy failed again"]
    assert found(text="dep*", before=newest, limit=1) == ["the deploy failed again"]
    assert alice.asks("search", text="deploy", limit=1)["more"] is True
    assert [one["text"] for one in bob.asks("search", text="failed")["messages"]] == [
        "the deploy failed again",
        "deploy failed",
    ]


def test_bad_queries(alice: Caller) -> None:
    """No query raises an error of the database."""
    for words in ('"unclosed', "", "   ", "!!!", "*"):
        answer = alice.asks("search", text=words)
        assert answer["code"] == "bad_query", words
        assert "fts" not in answer["text"].lower()


def test_requests_need_a_name(server: ThreadServer) -> None:
    """Without a name they are refused."""
    with server.connect() as caller:
        caller.says("hello", version=1, purpose="query")
        caller.hears("welcome")
        for tag, fields in (
            ("history", {"of": "bob"}),
            ("search", {"text": "x"}),
            ("rooms", {}),
            ("join", {"room": "#a"}),
        ):
            assert caller.asks(tag, **fields)["code"] == "not_allowed"


def test_reply(alice: Caller, bob: Caller) -> None:
    """``re`` is in the message and in the history; a message of another conversation is refused."""
    secret = says(alice, "alice", "mine")
    question = says(alice, "bob", "lunch?")
    bob.hears("message")
    bob.says("send", id="0192f0c1-7b5e-7c3a-9d4e-1f2a3b4c5d6e", to="alice", text="yes", re=question)
    bob.hears("sent")
    alice.hears("message", text="yes", re=question)
    assert alice.asks("history", of="bob")["messages"][-1]["re"] == question
    for wrong in (99999, 0, secret):
        bob.sends("alice", "?", re=wrong)
        bob.hears("error", code="unknown_reply")


def test_receipt_for_the_sender(server: ThreadServer, alice: Caller) -> None:
    """A receipt comes with the acknowledgement, not with the delivery."""
    with server.joined("bob") as bob:
        seq = says(alice, "bob", "hi")
        bob.hears("message")
        assert shown(alice, "bob") == {"bob": 0}
        bob.says("ack", seq=seq)
        assert alice.hears("receipt")["seq"] == seq
    assert shown(alice, "bob") == {"bob": seq}


def test_receipt_has_a_place_of_these_two(server: ThreadServer, alice: Caller) -> None:
    """Reading what others wrote shows the sender nothing, neither that it happened nor its place."""
    server.joined("bob").hang_up()
    with server.joined("carol") as carol:
        for caller in (carol, alice, carol, carol, alice):
            caller.sends("bob", "hi")
            caller.hears("sent", outcome="stored")
    with server.joined("bob") as bob:
        for _ in range(5):
            bob.hears("message")
        bob.says("ack", seq=1)
        bob.says("ack", seq=4)
        assert alice.hears("receipt") == {"t": "receipt", "user": "bob", "seq": 2, "received": 2}
        bob.says("ack", seq=5)
        assert alice.hears("receipt")["seq"] == 5


def test_receipts_of_others(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Receipts do not reveal that a user has read messages of others."""
    seq = says(alice, "bob", "hi")
    bob.texts(1)
    alice.hears("receipt", user="bob", seq=seq)
    with server.joined("eve") as eve:
        assert shown(eve, "bob") == {"bob": 0}


def test_watching_for_a_receipt(server: ThreadServer) -> None:
    """A watcher gets the receipt whenever it comes, also after a restart of the server."""
    server.joined("bob").hang_up()
    with server.joined("ci", "send") as script:
        seq = says(script, "bob", "build failed")
    server.stop()
    with ThreadServer(server.data) as again, again.joined("ci", "send") as script:
        script.asks("receipts", to="bob", watch=True)
        with again.joined("bob") as bob:
            bob.texts(1)
            assert script.hears("receipt", user="bob")["seq"] == seq


def test_receipts_of_a_room(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The answer lists the other members, and the watch goes on for each."""
    for caller in (alice, bob):
        caller.enters("#ops")
    with server.joined("ci", "send") as script:
        seq = says(script, "#ops", "build failed")
        assert shown(script, "#ops", watch=True) == {"alice": 0, "bob": 0}
        bob.texts(1)
        assert script.hears("receipt", user="bob", to="#ops")["seq"] == seq


def test_receipts_of_a_room_have_places_of_it(server: ThreadServer, alice: Caller) -> None:
    """Neither the answer nor a pushed receipt shows which messages of others somebody has received or read."""
    alice.enters("#ops")
    with server.joined("bob") as bob, server.joined("carol") as carol:
        bob.enters("#ops")
        bob.says("bye")
        bob.hears("bye")
        first, _, private, last = (
            says(caller, to, "hi") for caller, to in ((alice, "#ops"), *2 * [(carol, "bob")], (alice, "#ops"))
        )
        with server.joined("bob") as back:
            assert [back.hears("message")["seq"] for _ in range(4)][-2:] == [private, last]
            back.says("ack", seq=private)
            back.asks_who()
            (found,) = alice.asks("receipts", to="#ops", watch=True)["people"]
            assert (found["seq"], found["received"]) == (first, first)
            back.says("ack", seq=last)
            assert alice.hears("receipt", to="#ops")["seq"] == last


def test_connection_without_receipts(server: ThreadServer, alice: Caller) -> None:
    """Messages shown on it count as read, and nobody gets a receipt."""
    with server.joined("bob", receipts=False) as bob:
        says(alice, "bob", "hi")
        assert bob.texts(1) == ["hi"]
        bob.asks_who()
    assert shown(alice, "bob") == {"bob": 0}
    eventually(lambda: alice.asks_who() == ["alice"])
    with server.joined("bob") as bob:
        bob.hears("live")
        seq = says(alice, "bob", "again")
        assert bob.texts(1) == ["again"]
        alice.hears("receipt", user="bob", seq=seq)


def test_shared_read_position(server: ThreadServer, alice: Caller) -> None:
    """Other devices get the position at once, and later ones start after it."""
    with server.joined("bob") as laptop, server.joined("bob", "listen") as phone:
        seq = says(alice, "bob", "hi")
        phone.hears("message")
        laptop.texts(1)
        assert phone.hears("read") == {"t": "read", "seq": seq}
    eventually(lambda: alice.asks_who() == ["alice"])
    with server.joined("bob") as tablet:
        tablet.hears("live", seq=seq)


def test_newest_limits_rooms(server: ThreadServer, alice: Caller) -> None:
    """With ``newest`` all direct messages come, and the newest of each room, with the number of skipped ones."""
    with server.joined("bob") as bob:
        bob.enters("#busy")
        bob.enters("#calm")
    eventually(lambda: alice.asks_who() == ["alice"])
    alice.enters("#busy")
    alice.enters("#calm")
    busy = [says(alice, "#busy", f"b{number}") for number in range(8)]
    direct = [f"d{number}" for number in range(5)]
    for text in direct:
        says(alice, "bob", text)
    says(alice, "#calm", "c0")
    with server.joined("bob", "listen", newest=3) as bob:
        bob.hears("skipped", to="#busy", count=5, before=busy[5])
        assert [bob.hears("message")["text"] for _ in range(9)] == ["b5", "b6", "b7", *direct, "c0"]
        assert [one["text"] for one in bob.asks("history", of="#busy", before=busy[5])["messages"]] == [
            "b0", "b1", "b2", "b3", "b4",
        ]  # fmt: skip
    with server.joined("bob", "listen") as bob:
        assert len(bob.texts(14)) == 14


@pytest.mark.usefixtures("brisk")
def test_audience_of_presence(server: ThreadServer, alice: Caller) -> None:
    """Users who share a room or have talked get notices; strangers do not."""
    alice.enters("#ops")
    with server.joined("bob") as bob:
        bob.enters("#ops")
    with server.joined("eve") as eve, server.joined("cid") as cid:
        says(eve, "cid", "hi")
        cid.hears("message")
        with server.joined("bob"):
            hears_of(alice, "here", "bob")
        hears_of(alice, "gone", "bob")
        eve.hang_up()
        hears_of(cid, "gone", "eve")
        with server.joined("eve"):
            hears_of(cid, "here", "eve")
        for caller, strangers in ((alice, {"cid", "eve"}), (cid, {"alice", "bob"})):
            assert strangers.isdisjoint(heard_of(caller))


def hears_of(caller: Caller, state: str, name: str) -> None:
    """Wait for a notice about a user."""
    while name not in caller.hears("presence").get(state, []):
        pass


def heard_of(caller: Caller) -> set[str]:
    """Return the names in notices until the next answer."""
    caller.says("ping", n=5)
    names: set[str] = set()
    while (frame := caller.next()) and frame["t"] != "pong":
        names.update(frame.get("here", []), frame.get("gone", []))
    return names


@pytest.mark.usefixtures("brisk")
def test_presence_of_those_asked_about(server: ThreadServer, alice: Caller) -> None:
    """A ``join`` gets notices about the last people it has asked about, also if nobody had the name then."""
    assert alice.asks("who", to="Dave")["t"] == "error"
    with server.joined("dave") as dave, server.joined("eve", "listen") as eve:
        assert eve.asks("who", to="dave")["people"][0].get("state") is None
        hears_of(alice, "here", "dave")
        dave.asks("away", text="tea")
        while not (away := alice.hears("presence").get("away")):
            pass
        assert [person["text"] for person in away] == ["tea"]
        dave.hang_up()
        hears_of(alice, "gone", "dave")
        assert heard_of(eve) == set()
    for number in range(WATCHED):
        alice.asks("who", to=f"somebody{number}")
    with server.joined("dave"), server.joined("somebody0"):
        hears_of(alice, "here", "somebody0")
        assert "dave" not in heard_of(alice)


def test_presence_that_changes_back(server: ThreadServer, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question between a change and its notice brings a notice, even if the state is the former one again."""
    with server.joined("dave"):
        pass
    eventually(lambda: server.run(lambda: not server.hub.presence._scheduled))
    monkeypatch.setattr("chatcli.server.state.presence._SOONEST", 3600)
    with server.joined("dave"):
        assert alice.asks("who", to="dave")["people"][0].get("state") is None
    eventually(lambda: alice.asks("who", to="dave")["people"][0].get("state") == "gone")
    server.run(server.hub.presence.send_notices)
    hears_of(alice, "gone", "dave")


def test_watches_end_with_their_connection(server: ThreadServer) -> None:
    """Nothing is kept of a connection that is gone."""
    with server.joined("alice") as alice:
        alice.asks("who", to="dave")
    watches = server.hub.presence._watches
    eventually(lambda: server.run(lambda: not watches._watched and not watches._watching))


@pytest.mark.usefixtures("brisk")
def test_release_is_announced_in_rooms(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The user is not a member any more; members of the same rooms get the notice all the same."""
    for caller in (alice, bob):
        caller.enters("#ops")
    bob.hang_up()
    server.run(lambda: server.hub.release(known(server, "bob"), "operator", ignore))
    hears_of(alice, "gone", "bob")


@pytest.mark.usefixtures("brisk")
def test_away(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Others get the text and the time; ``who`` shows both; a message ends it."""
    bob.enters("#ops")
    alice.enters("#ops")
    assert bob.asks("away", text="lunch")["t"] == "done"
    (person,) = alice.hears("presence")["away"]
    assert (person["user"], person["state"], person["text"]) == ("bob", "away", "lunch")
    assert alice.asks("who")["people"][1] == person
    says(bob, "#ops", "back")
    heard: dict[str, Frame] = {}  # in any order: one waits for the disk, the other for the next notice
    while not {"message", "presence"} <= heard.keys():
        frame = alice.next()
        assert frame is not None
        heard[frame["t"]] = frame
    assert heard["message"]["text"] == "back"
    assert heard["presence"] == {"t": "presence", "here": ["bob"]}


def test_who_of_a_room(server: ThreadServer, alice: Caller) -> None:
    """Absent members are listed with the time since when, also after a restart."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
    eventually(lambda: alice.asks_who() == ["alice"])
    alice.enters("#ops")
    people = alice.asks("who", to="#ops")
    assert people["to"] == "#ops"
    here, gone = people["people"]
    assert here["user"] == "alice"
    assert "state" not in here
    assert (gone["user"], gone["state"]) == ("bob", "gone")
    alice.hang_up()
    server.stop()
    with ThreadServer(server.data) as again, again.joined("alice", "listen") as later:
        assert later.asks("who", to="#ops")["people"][1] == gone


def test_who_with_a_limit(server: ThreadServer, alice: Caller) -> None:
    """Related users come first, and the answer has the number of all."""
    callers = [server.joined(f"user{number}") for number in range(5)]
    alice.enters("#ops")
    callers[4].enters("#ops")
    answer = alice.asks("who", limit=1)
    assert ([person["user"] for person in answer["people"]], answer["count"]) == (["user4"], 6)
    for caller in callers:
        caller.hang_up()


def says_over(caller: Caller, to: str, text: str) -> int:
    """Send a message while others wait to be read; return its place in the log."""
    identity = caller.sends(to, text)
    while (frame := caller.next()) is not None and frame.get("id") != identity:
        pass
    assert frame is not None
    return int(frame["seq"])


def unread(caller: Caller) -> list[tuple[str, int, int]]:
    """Return the unread counts: each conversation, its count, and its newest message."""
    caller.says("unread", n=9)
    while (frame := caller.next()) is not None and frame.get("n") != 9:
        pass
    assert frame is not None
    assert frame["t"] == "unread", frame
    return [(one["of"], one["count"], one["seq"]) for one in frame["conversations"]]


def test_counts_are_shared(server: ThreadServer, alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections that ask share the next count, which includes all earlier messages."""
    says(bob, "alice", "hi")
    count = server.hub.log.read
    begun: list[UnreadQuery] = []
    begin: list[Callable[[], None]] = []

    def slow(query: UnreadQuery, done: OnResult[list[Unread]]) -> None:
        begun.append(query)
        begin.append(lambda: count(query, done))

    monkeypatch.setattr(server.hub.log, "read", slow)
    many = [server.joined("alice", "query") for _ in range(20)]
    for caller in many:
        caller.says("unread", n=9)
    eventually(
        lambda: server.run(lambda: len(begun) + sum(map(len, server.hub.unread_counter._waiting.values()))) == 20
    )
    newest = says(bob, "alice", "hi")
    server.run(begin.pop())
    eventually(lambda: begin)
    server.run(begin.pop())
    counts = [caller.hears("unread")["conversations"] for caller in many]
    assert counts == [[{"of": "bob", "count": 2, "seq": newest}]] * 20
    assert len(begun) == 2
    for caller in many:
        caller.hang_up()


def test_unread(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Messages after the read position count, for every purpose; own ones do not, and asking moves nothing."""
    alice.enters("#ops")
    bob.enters("#ops")
    seqs = [says(bob, to, "hi") for to in ("alice", "#ops", "alice")]
    own = says_over(alice, "alice", "note")
    wanted = [("alice", 1, own), ("bob", 2, seqs[2]), ("#ops", 1, seqs[1])]
    for _ in range(2):
        assert unread(alice) == wanted
    for purpose in ("listen", "send", "query"):
        with server.joined("alice", purpose) as caller:
            assert unread(caller) == wanted
    assert unread(bob) == []
    alice.says("ack", seq=seqs[1])
    assert unread(alice) == [("alice", 1, own), ("bob", 1, seqs[2])]
    alice.says("ack", seq=own)
    assert alice.asks("unread") == {"t": "unread", "cursor": own, "conversations": [], "n": 9}
    later = says(bob, "alice", "in one breath")
    assert unread(alice) == [("bob", 1, later)]
