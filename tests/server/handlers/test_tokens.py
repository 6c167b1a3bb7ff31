"""Tokens: credentials for programs without a key, and what they are not good for."""

from __future__ import annotations

import contextlib
import json
import typing
from collections import Counter
from pathlib import Path

import pytest

from chatcli.protocol import frames as f
from chatcli.protocol.admin import Request
from chatcli.protocol.states import FROM_CLIENT, State
from chatcli.protocol.values.tokens import token_digest, token_text
from chatcli.server import slices
from chatcli.server.handlers.operator_commands import COMMANDS, Command
from chatcli.server.limits import Limits
from chatcli.server.security import scopes
from tests.admin import answers, does
from tests.store.town import change, rows
from tests.support import (
    OWN,
    Caller,
    Frame,
    TestKey,
    ThreadServer,
    eventually,
    feed,
    known,
    new_id,
    pass_time,
    sessions_of,
)


def makes(caller: Caller, **fields: object) -> Frame:
    """Make a token, and return the answer."""
    made = caller.asks("token", **fields)
    assert made["t"] == "token", made
    return made


def shows(server: ThreadServer, token: str, purpose: str = "send", **hello: object) -> Caller:
    """Log in with a token."""
    caller = server.connect()
    caller.says("hello", version=1, purpose=purpose, token=token, revision=1, **hello)
    caller.welcome = caller.hears("welcome")
    return caller


def refuses(server: ThreadServer, token: str, code: str, purpose: str = "send", **hello: object) -> str:
    """Try to log in with a token, and return the sentence of the refusal."""
    with server.connect() as caller:
        caller.says("hello", version=1, purpose=purpose, token=token, **hello)
        answer = caller.next()
        assert answer is not None
        assert answer["code"] == code
        return str(answer["text"])


def sends(caller: Caller, to: str, text: str, **fields: object) -> int:
    """Send a message, and return its place in the log; what comes before the answer does not matter."""
    identity = new_id()
    caller.says("send", id=identity, to=to, text=text, **fields)
    while (frame := caller.next()) is not None:
        if frame["t"] == "sent" and frame["id"] == identity:
            return int(frame["seq"])
    raise AssertionError("there was no answer")


def asks(caller: Caller, tag: str, **fields: object) -> Frame:
    """Send a request, and return its answer; what comes before does not matter."""
    caller.says(tag, n=9, **fields)
    while (frame := caller.next()) is not None:
        if frame.get("n") == 9:
            return frame
    raise AssertionError("there was no answer")


def ignored(_answer: object) -> None:
    """Ignore an answer."""


def is_refused(answer: Frame, code: str = "not_allowed") -> None:
    """Check that a frame is an error with this code."""
    assert (answer["t"], answer.get("code")) == ("error", code), answer


@pytest.fixture
def ops(alice: Caller, bob: Caller) -> str:
    """A room of alice and bob."""
    alice.enters("#ops")
    bob.enters("#ops")
    return "#ops"


# Making and using one


def test_token_speaks_for_its_maker(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The welcome comes at once, under the name of the maker, and says what the token is good for."""
    made = makes(alice, label="ci", seconds=3600)
    with shows(server, made["token"]) as ci:
        assert (ci.welcome["user"], ci.welcome["scope"]) == ("alice", "send")
        ci.sends("bob", "deployed")
        assert ci.hears("sent")["outcome"] == "delivered"
    for reader in (alice, bob):
        message = reader.hears("message")
        assert (message["from"], message["text"]) == ("alice", "deployed")
    (listed,) = alice.asks("tokens")["tokens"]
    assert (listed["id"], listed["label"], listed["scope"]) == (made["id"], "ci", "send")
    assert listed["until"] == made["until"]
    assert listed["used"] % 86_400_000 == 0
    assert listed["key"] == OWN.fingerprint


def test_name_may_be_left_out_but_not_be_another(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A token speaks for one name, whatever its spelling."""
    token = makes(alice)["token"]
    shows(server, token, user="ALICE").hang_up()
    refuses(server, token, "bad_token", user="bob")


def test_token_survives_a_restart_as_a_digest(tmp_path: Path) -> None:
    """The log has what recognizes it, and not the token itself."""
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice:
        alice.enters("#ops")
        token = makes(alice, to=["#ops"], label="hook")["token"]
        alice.asks("ping")
    for path in tmp_path.iterdir():
        if path.is_file():
            assert token.encode() not in path.read_bytes()
    with ThreadServer(tmp_path) as server, shows(server, token) as hook:
        assert hook.welcome["to"] == ["#ops"]
        hook.sends("#ops", "again")
        hook.hears("sent")


def test_at_most_fifty_at_once(server: ThreadServer, alice: Caller) -> None:
    """Those that are being written count, too."""
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.joined("alice", "send")) for _ in range(60)]

        def make_all() -> None:
            for session in sessions_of(server, "alice"):
                if session.purpose == "send":
                    feed(session, b'{"t":"token","n":1}\n')

        server.run(make_all)
        answers = [caller.next_but_presence() for caller in callers]
    assert Counter(frame["t"] for frame in answers if frame is not None) == {"token": 50, "error": 10}
    is_refused(alice.asks("token"), "too_many")
    alice.asks("untoken", token=alice.asks("tokens")["tokens"][0]["id"])
    assert alice.asks("token")["t"] == "token"


def test_revocation_that_is_refused(server: ThreadServer, alice: Caller, data: Path) -> None:
    """The token stays, as it does after a restart."""
    made = makes(alice)
    change(data, "CREATE TABLE pins (x NOT NULL)")
    change(data, "CREATE TRIGGER broken BEFORE DELETE ON tokens BEGIN INSERT INTO pins VALUES (NULL); END")
    is_refused(alice.asks("untoken", token=made["id"]), "invalid")
    assert [one["id"] for one in alice.asks("tokens")["tokens"]] == [made["id"]]
    change(data, "DROP TRIGGER broken")
    assert alice.asks("untoken", token=made["id"])["t"] == "done"


def test_at_most_fifty(server: ThreadServer, alice: Caller) -> None:
    """One more has room as soon as one is revoked."""
    made = [makes(alice) for _ in range(50)]
    is_refused(alice.asks("token"), "too_many")
    assert alice.asks("untoken", token=made[7]["id"])["t"] == "done"
    makes(alice)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"scope": "all", "to": ["bob"]}, "invalid"),
        ({"scope": "operate"}, "invalid"),
        ({"scope": "metrics"}, "not_allowed"),
        ({"to": ["#nowhere"]}, "unknown_room"),
        ({"to": ["nobody"]}, "unknown_user"),
        ({"seconds": 0}, "invalid"),
        ({"label": "a\nb"}, "invalid"),
        ({"label": "x" * 101}, "invalid"),
        ({"to": ["bob"] * 51}, "invalid"),
    ],
)
def test_token_that_cannot_be_made(alice: Caller, bob: Caller, fields: Frame, code: str) -> None:
    """Nothing is made."""
    is_refused(alice.asks("token", **fields), code)
    assert alice.asks("tokens")["tokens"] == []


# What it is not good for


def every_frame() -> dict[str, Frame]:
    """Return a valid frame of each kind that a client may send once it is logged in, by tag."""
    fields: dict[str, Frame] = {
        "send": {"id": new_id(), "to": "#ops", "text": "x"},
        "check": {"to": "#ops"},
        "ack": {"seq": 1},
        "read": {"seq": 1, "of": "#ops"},
        "who": {"to": "#ops"},
        "away": {"text": "lunch"},
        "join": {"room": "#ops"},
        "leave": {"room": "#left"},
        "topic": {"room": "#ops", "text": "t"},
        "history": {"of": "#ops"},
        "search": {"text": "x", "in": "#ops"},
        "receipts": {"to": "#ops"},
        "answers": {"re": 1},
        "revoke": {"key": OWN.fingerprint},
        "untoken": {"token": "0" * 12},
        "operate": {"do": "kick", "to": "bob", "room": "#ops"},
    }
    tags = [
        str(kind.__struct_config__.tag) for kind in typing.get_args(f.ClientFrame) if kind in FROM_CLIENT[State.READY]
    ]
    return {tag: fields.get(tag, {}) for tag in tags if tag != "bye"}


_NEVER: typing.Final = {"link", "keys", "revoke", "token", "tokens", "untoken", "operate"}
_MAY: typing.Final = {
    "send": {"send", "check", "answers", "ping"},
    "read": {
        "ack", "read", "who", "rooms", "history", "search", "receipts", "answers", "unread", "conversations", "ping",
    },
}  # fmt: skip


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("scope", ["send", "read", "all"])
def test_every_frame_that_a_scope_does_not_permit(
    server: ThreadServer, alice: Caller, ops: str, scope: str, limited: bool
) -> None:
    """It is refused with not_allowed, and changes nothing; those that it permits are not."""
    if limited and scope == "all":
        return
    token = makes(alice, scope=scope, to=[ops] if limited else [])["token"]
    alice.enters("#left")
    may = _MAY.get(scope, set(every_frame()) - _NEVER)
    for tag, fields in every_frame().items():
        with shows(server, token) as caller:
            caller.says(tag, n=5, **fields)
            caller.says("ping", n=6)
            codes = []
            while (frame := caller.next()) is not None and (frame["t"], frame.get("n")) != ("pong", 6):
                codes.append(frame.get("code") if "allowed" in frame.get("code", "") else None)
                if tag == "away" and scope == "all":
                    codes.clear()  # the purpose does not permit that
            assert ("not_allowed" in codes) == (tag not in may), (tag, codes)
    assert len(asks(alice, "keys")["keys"]) == 1


def test_every_kind_of_frame_is_in_a_table_or_refused() -> None:
    """A new kind of frame is out of reach of every token until somebody decides about it."""
    kinds = set(FROM_CLIENT[State.READY])
    decided = set().union(*scopes.PERMITTED.values())
    never = {f.Link, f.Keys, f.Revoke, f.MakeToken, f.Tokens, f.RevokeToken, f.Operate}
    assert decided <= kinds
    assert kinds - decided == never


@pytest.mark.parametrize(
    ("scope", "purpose", "is_good"),
    [
        ("send", "send", True),
        ("send", "query", True),
        ("send", "listen", False),
        ("send", "join", False),
        ("read", "listen", True),
        ("read", "join", False),
        ("all", "join", True),
        ("all", "listen", True),
    ],
)
def test_purposes(server: ThreadServer, alice: Caller, scope: str, purpose: str, is_good: bool) -> None:
    """A feed needs the right to read, and a join all rights."""
    token = makes(alice, scope=scope)["token"]
    if is_good:
        shows(server, token, purpose, present="attach").hang_up()
    else:
        refuses(server, token, "not_allowed", purpose, present="attach")


@pytest.mark.parametrize("name", ["bob", "#other", "#secret", "nobody", "#nowhere", "!", "#", ""])
def test_limited_token_tells_nothing_of_other_places(
    server: ThreadServer, alice: Caller, bob: Caller, ops: str, name: str
) -> None:
    """A name that exists is refused like one that nobody has."""
    alice.enters("#other")
    alice.enters("#secret", kind="private")
    sender, reader = makes(alice, to=[ops])["token"], makes(alice, to=[ops], scope="read")["token"]
    texts = set()
    with shows(server, sender) as hook:
        for tag in ("send", "check"):
            hook.says(tag, to=name, n=9, **({"id": new_id(), "text": "x"} if tag == "send" else {}))
            texts.add(hook.hears("error", code="not_allowed")["text"])
    with shows(server, reader) as hook:
        requests: list[tuple[str, Frame]] = [
            ("who", {"to": name}),
            ("history", {"of": name}),
            ("search", {"text": "x", "in": name}),
            ("receipts", {"to": name, "watch": True}),
            ("read", {"seq": 1, "of": name}),
            *([("rooms", {"room": name})] if name else []),
        ]
        for tag, fields in requests:
            answer = hook.asks(tag, **fields)
            is_refused(answer)
            texts.add(answer["text"])
    assert len(texts) == 1


def test_limited_lists(server: ThreadServer, alice: Caller, bob: Caller, ops: str) -> None:
    """Rooms, conversations and unread counts have only what the token is for."""
    alice.enters("#other")
    bob.enters("#other")
    for to in (ops, "#other", "alice"):
        bob.sends(to, "hello")
        bob.hears("sent")
        alice.hears("message")
    with shows(server, makes(alice, scope="read", to=[ops])["token"], "query") as reader:
        assert [room["name"] for room in reader.asks("rooms")["rooms"]] == [ops]
        assert [one["of"] for one in reader.asks("conversations")["conversations"]] == [ops]
        assert [one["of"] for one in reader.asks("unread")["conversations"]] == [ops]
        assert reader.welcome["rooms"] == [ops]
        assert reader.welcome["read"] == 0
    with shows(server, makes(alice, scope="read", to=["bob"])["token"], "query") as reader:
        assert reader.asks("rooms")["rooms"] == []
        assert [one["of"] for one in reader.asks("conversations")["conversations"]] == ["bob"]


def test_limited_feed(server: ThreadServer, alice: Caller, bob: Caller, ops: str) -> None:
    """It has the messages of its room alone, live and from the log, and moves no position of the user."""
    alice.enters("#other")
    bob.enters("#other")

    def says_everywhere(text: str) -> None:
        for to in ("#other", "alice", ops):
            sends(bob, to, f"{text} {to}")

    token = makes(alice, scope="read", to=[ops])["token"]
    with shows(server, token, "listen") as hook:
        hook.hears("live")
        says_everywhere("live")
        assert hook.hears("message")["text"] == f"live {ops}"
        alice.sends("bob", "private")
        alice.sends("#other", "elsewhere")
        bob.says("topic", room="#other", text="secret topic")
        says_everywhere("more")
        message = hook.hears("message")
        assert message["text"] == f"more {ops}"
        hook.says("ack", seq=message["seq"])
        hook.asks("ping")
    assert server.run(lambda: known(server, "alice").received) == 0
    with shows(server, token, "listen", since=0) as hook:
        assert [hook.hears("message")["text"] for _ in range(2)] == [f"live {ops}", f"more {ops}"]
        hook.hears("live")


def test_limited_feed_with_the_newest_only(server: ThreadServer, alice: Caller, bob: Caller, ops: str) -> None:
    """Messages skipped in other rooms are not announced, either."""
    alice.enters("#other")
    bob.enters("#other")
    token = makes(alice, scope="read", to=[ops])["token"]
    for number in range(5):
        for to in ("#other", ops):
            sends(bob, to, f"{number} {to}")
    with shows(server, token, "listen", newest=2) as hook:
        skipped = hook.hears("skipped")
        assert (skipped["to"], skipped["count"]) == (ops, 3)
        assert [hook.hears("message")["text"] for _ in range(2)] == [f"3 {ops}", f"4 {ops}"]
        hook.asks("ping")


def test_limited_feed_that_falls_behind(server: ThreadServer, alice: Caller, bob: Caller, ops: str) -> None:
    """It reads the rest from the log, and nothing of other rooms."""
    alice.enters("#other")
    bob.enters("#other")
    token = makes(alice, scope="read", to=[ops])["token"]
    with shows(server, token, "listen") as hook:
        hook.hears("live")
        session = next(one for one in server.run(lambda: sessions_of(server, "alice")) if one.token is not None)
        server.run(session.pause_writing)
        for number in range(300):
            bob.sends("#other" if number % 2 else ops, f"{number} {'x' * 4000}")
        for _ in range(300):
            bob.hears("sent")
        server.run(session.resume_writing)
        heard = [hook.hears("message")["text"].split()[0] for _ in range(150)]
        assert heard == [str(number) for number in range(0, 300, 2)]
        hook.asks("ping")


def test_feed_limited_to_a_person(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Both directions of one conversation, and nothing else."""
    with server.joined("carol") as carol:
        token = makes(alice, scope="read", to=["bob"])["token"]
        with shows(server, token, "listen") as hook:
            hook.hears("live")
            carol.sends("alice", "not for the hook")
            carol.hears("sent")
            bob.sends("alice", "one")
            bob.hears("sent")
            alice.sends("carol", "not this either")
            alice.sends("bob", "two")
            alice.sends("alice", "nor this")
            assert [hook.hears("message")["text"] for _ in range(2)] == ["one", "two"]
            hook.asks("ping")


def test_limited_feed_follows_a_room_that_is_entered_later(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Leaving ends it, and coming back goes on with it."""
    bob.enters("#ops")
    token = makes(alice, scope="read", to=["#ops"])["token"]
    with shows(server, token, "listen") as hook:
        hook.hears("live")
        alice.enters("#ops")
        alice.enters("#other")
        bob.sends("#ops", "one")
        assert hook.hears("message")["text"] == "one"
        asks(alice, "leave", room="#ops")
        sends(bob, "#ops", "two")
        hook.asks("ping")
        asks(alice, "join", room="#ops")
        sends(bob, "#ops", "three")
        assert hook.hears("message")["text"] == "three"


def test_send_token_hears_no_receipts_of_others(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A hook does not learn of the messages that bob has read."""
    with shows(server, makes(alice)["token"]) as hook:
        alice.sends("bob", "hello")
        seq = alice.hears("sent")["seq"]
        bob.hears("message")
        bob.says("ack", seq=seq)
        bob.says("read", seq=seq, of="alice")
        alice.hears("receipt")
        hook.says("ping", n=3)
        frame = hook.next()
        assert frame is not None
        assert frame["t"] == "pong"


def test_answers_outside_the_places_of_a_token(server: ThreadServer, alice: Caller, bob: Caller, ops: str) -> None:
    """Only its own conversations have questions for it."""
    alice.sends("bob", "coffee?", choices=["yes", "no"])
    seq = alice.hears("sent")["seq"]
    with shows(server, makes(alice, to=[ops])["token"]) as hook:
        is_refused(hook.asks("answers", re=seq), "invalid")
        bob.hears("message")
        bob.sends("alice", "", re=seq, answer=0)
        bob.hears("sent")
        hook.says("ping", n=3)
        assert (hook.next() or {})["t"] == "pong"
    alice.hears("message")
    with shows(server, makes(alice, to=["bob"])["token"]) as hook:
        assert hook.asks("answers", re=seq)["message"]["text"] == "yes"


# How it ends


def ends(caller: Caller, code: str = "kicked") -> str:
    """Wait for the goodbye of the server, and return its sentence."""
    while (frame := caller.next()) is not None:
        if frame["t"] == "bye":
            assert frame["code"] == code
            return str(frame["text"])
    raise AssertionError("there was no goodbye")


def test_revoked_while_connected(server: ThreadServer, alice: Caller) -> None:
    """Its connections are closed, and it is no good any more."""
    made = makes(alice, scope="all")
    with shows(server, made["token"], "listen") as one, shows(server, made["token"]) as other:
        assert alice.asks("untoken", token=made["id"])["t"] == "done"
        assert "revoked" in ends(one)
        assert "revoked" in ends(other)
    refuses(server, made["token"], "bad_token")
    assert alice.asks("tokens")["tokens"] == []
    is_refused(alice.asks("untoken", token=made["id"]))


def test_end_of_its_time(server: ThreadServer, alice: Caller) -> None:
    """A silent connection is closed by a timer, not by its next frame."""
    made = makes(alice, seconds=1, scope="read")
    with shows(server, made["token"], "listen") as hook:
        assert "ended" in ends(hook)
    refuses(server, made["token"], "bad_token")
    assert alice.asks("tokens")["tokens"] == []


def test_frame_after_the_end_of_its_time(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """It is refused even before the timer."""
    made = makes(alice, seconds=3600)
    with shows(server, made["token"]) as hook:
        pass_time(server, 3601)
        hook.sends("bob", "late")
        hook.hears("error", code="bad_token")


def test_token_of_another_is_not_theirs_to_revoke(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The id of a token is no secret, and no power."""
    made = makes(alice)
    is_refused(bob.asks("untoken", token=made["id"]))
    shows(server, made["token"]).hang_up()


def test_ban_closes_and_an_unban_opens_again(server: ThreadServer, alice: Caller, data: Path) -> None:
    """A ban of the name is one of its tokens, too."""
    token = makes(alice, scope="read")["token"]
    with shows(server, token, "listen") as hook:
        does(data, "ban", to="alice")
        ends(hook, "banned")
    refuses(server, token, "banned")
    does(data, "unban", to="alice")
    shows(server, token).hang_up()


def test_ban_of_the_key_that_made_it(server: ThreadServer, alice: Caller, data: Path) -> None:
    """Whoever is banned by their key does not come back by a token."""
    token = makes(alice, scope="read")["token"]
    with shows(server, token, "listen") as hook:
        does(data, "ban", to=OWN.fingerprint)
        ends(hook, "banned")
    refuses(server, token, "banned")


def test_released_name(server: ThreadServer, alice: Caller, data: Path) -> None:
    """The next owner of the name has nothing to do with the tokens of the last one."""
    token = makes(alice, scope="read")["token"]
    with shows(server, token, "listen") as hook:
        assert does(data, "release", to="alice")["closed"] == 2  # that of alice, and the token's
        ends(hook)
    refuses(server, token, "bad_token")
    with server.joined("alice", key=TestKey("another")) as other:
        assert other.asks("tokens")["tokens"] == []
    refuses(server, token, "bad_token")


@pytest.mark.parametrize("keep", [False, True])
def test_recovered_name(server: ThreadServer, alice: Caller, data: Path, keep: bool) -> None:
    """A new key for a name whose key is lost ends its tokens, since someone else may have made them."""
    token = makes(alice, scope="read")["token"]
    row = does(data, "link", to="alice", keep=keep)
    with shows(server, token, "listen") as hook:
        server.joined("alice", key=TestKey("new"), link=row["code"], present="attach").hang_up()
        if keep:
            hook.asks("ping")
            return
        ends(hook)
    refuses(server, token, "bad_token")


def test_revoked_key_ends_its_tokens(server: ThreadServer, alice: Caller) -> None:
    """A token that was made on a stolen laptop does not outlive the laptop's key."""
    laptop = TestKey("laptop")
    code = alice.asks("link")["code"]
    with server.joined("alice", key=laptop, link=code, purpose="send") as other:
        stolen = makes(other)["token"]
    kept = makes(alice)["token"]
    assert alice.asks("revoke", key=laptop.fingerprint)["t"] == "done"
    refuses(server, stolen, "bad_token")
    shows(server, kept).hang_up()


def test_key_that_is_being_revoked_makes_no_token(server: ThreadServer, alice: Caller) -> None:
    """Nor in the moment until that is on disk, and its connections are closed."""
    laptop = TestKey("laptop")
    code = alice.asks("link")["code"]
    with server.joined("alice", key=laptop, link=code, purpose="send") as thief:
        session = next(one for one in server.run(lambda: sessions_of(server, "alice")) if one.key == laptop.public)

        def revoke_and_make() -> None:
            owner = next(one for one in sessions_of(server, "alice") if one.key != laptop.public)
            feed(owner, json.dumps({"t": "revoke", "key": laptop.fingerprint, "n": 1}).encode() + b"\n")
            feed(session, b'{"t":"token","n":2}\n')

        server.run(revoke_and_make)
        is_refused(thief.hears("error", n=2))
    assert alice.hears("done", n=1)
    assert alice.asks("tokens")["tokens"] == []


def test_tokens_of_a_key_that_is_being_revoked(server: ThreadServer, alice: Caller) -> None:
    """They let nobody in from the moment of the request, not only once it is on disk."""
    laptop = TestKey("laptop")
    code = alice.asks("link")["code"]
    with server.joined("alice", key=laptop, link=code, purpose="send") as thief:
        token = makes(thief)["token"]

        def revoke_and_find() -> bool:
            owner = next(one for one in sessions_of(server, "alice") if one.key != laptop.public)
            feed(owner, json.dumps({"t": "revoke", "key": laptop.fingerprint, "n": 1}).encode() + b"\n")
            return server.hub.tokens.find(token) is not None

        assert not server.run(revoke_and_find)
    assert alice.hears("done", n=1)


def test_token_made_while_the_name_is_released(server: ThreadServer, alice: Caller, data: Path) -> None:
    """It ends with the name."""

    def release_and_make() -> None:
        request = Request("release", "alice")
        COMMANDS["release"](Command(hub=server.hub, request=request, addresses=[], answer=ignored, refuse=ignored))
        feed(sessions_of(server, "alice")[0], b'{"t":"token","n":2}\n')

    server.run(release_and_make)
    made = alice.next()
    while made is not None and made["t"] != "token":
        made = alice.next()
    assert made is None  # the connection was closed before the answer
    eventually(lambda: not server.run(lambda: [one for one in server.hub.tokens._by_digest.values() if not one.ended]))
    eventually(lambda: rows(data, "SELECT * FROM tokens") == [])


# Names for programs


def test_name_for_a_program(server: ThreadServer, alice: Caller, data: Path) -> None:
    """An operator makes it with its token; no key may claim it, before an operator lets one have it."""
    alice.enters("#ops", kind="private")
    made = does(data, "token", to="grafana", places=["#ops"])
    assert made["new"]
    with shows(server, made["token"]) as hook:
        hook.sends("#ops", "disk full")
        hook.hears("sent")
    assert alice.hears("message")["from"] == "grafana"
    for purpose in ("join", "send", "query"):
        with server.connect() as thief:
            thief.greets("Grafana", purpose=purpose)
            thief.hears("error", code="name_taken")
    row = does(data, "link", to="grafana", keep=True)
    with server.joined("grafana", key=TestKey("owner"), link=row["code"]) as owner:
        assert [one["id"] for one in owner.asks("tokens")["tokens"]] == [made["id"]]


def test_name_for_a_program_in_too_many_rooms(alice: Caller, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rooms of one command are counted together, and it enters none of them if they are too many."""
    monkeypatch.setattr("chatcli.server.state.room_permissions.MAX_ROOMS", 2)
    for room in ("#ops", "#dev"):
        alice.enters(room)
    does(data, "token", to="grafana", places=["#ops", "#OPS"])
    does(data, "token", to="grafana", places=["#ops", "#dev"])
    monkeypatch.setattr("chatcli.server.state.room_permissions.MAX_ROOMS", 1)
    assert answers(data, "token", to="nagios", places=["#ops", "#dev"])["code"] == "too_many"
    assert not does(data, "token", to="nagios", places=["#ops"])["new"]
    assert alice.asks("rooms", room="#dev")["rooms"][0]["members"] == 2


def test_name_for_a_program_survives_a_restart(tmp_path: Path) -> None:
    """Even without any token, nobody may claim it."""
    with ThreadServer(tmp_path):
        made = does(tmp_path, "token", to="grafana")
        does(tmp_path, "revoke", to=made["id"])
    with ThreadServer(tmp_path) as server, server.connect() as thief:
        thief.greets("grafana")
        thief.hears("error", code="name_taken")
        does(tmp_path, "release", to="grafana")
        server.joined("grafana").hang_up()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "alice"}, "name_taken"),
        ({"to": "admin"}, "bad_name"),
        ({"to": "#ops"}, "bad_name"),
        ({"to": "hook", "places": ["#nowhere"]}, "unknown_room"),
        ({"to": "hook", "scope": "all", "places": ["alice"]}, "invalid"),
        ({"to": "hook", "scope": "metrics", "places": ["alice"]}, "invalid"),
    ],
)
def test_name_that_a_program_cannot_have(alice: Caller, data: Path, fields: Frame, code: str) -> None:
    """Nobody speaks under the name of a person."""
    assert answers(data, "token", **fields)["code"] == code


def test_operators_list_and_revoke(server: ThreadServer, alice: Caller, data: Path) -> None:
    """Also the tokens that people have made."""
    made = makes(alice, scope="read", label="feed")
    row = does(data, "tokens", to="alice")
    assert (row["id"], row["label"], row["to"]) == (made["id"], "feed", None)
    with shows(server, made["token"], "listen") as hook:
        row = does(data, "revoke", to=made["id"])
        assert row["closed"] == 1
        ends(hook)
    assert answers(data, "revoke", to=made["id"])["code"] == "unknown_user"


def test_a_token_for_the_metrics(server: ThreadServer, alice: Caller, data: Path) -> None:
    """Its connection learns nothing and does nothing."""
    alice.enters("#ops")
    does(data, "token", to="prometheus", places=["#ops"])
    token = does(data, "token", to="prometheus", scope="metrics")["token"]
    for purpose in ("send", "listen", "join"):
        assert "reads the metrics of the server" in refuses(server, token, "not_allowed", purpose)
    with shows(server, token, "query") as caller:
        assert (caller.welcome["scope"], caller.welcome["rooms"], caller.welcome["reads"]) == ("metrics", [], [])
        for tag, fields in every_frame().items():
            if tag not in ("ping", "bye"):
                caller.says(tag, n=5, **fields)
                caller.hears("error", code="not_allowed")
        caller.says("ping", n=6)
        caller.hears("pong", n=6)
    sentence = alice.asks("token", scope="metrics")["text"]
    assert "chatcli admin token NAME --scope metrics" in sentence


# Tokens whose time is over


def test_expired_tokens_leave_the_disk(server: ThreadServer, alice: Caller, bob: Caller, data: Path) -> None:
    """All of them at once, however many there are, and no others."""
    kept = [makes(alice, seconds=7200)["id"], makes(bob)["id"]]
    for caller in (alice, bob):
        for _ in range(48):
            makes(caller, seconds=3600)
    for number in range(3):
        for _ in range(49):
            does(data, "token", to=f"hook{number}", seconds=3600)
    pass_time(server, 3601)
    server.run(lambda: slices.run(server.hub.later, server.hub.tokens.drop_all_expired()))
    eventually(lambda: rows(data, "SELECT count(*) FROM tokens") == [(2,)])
    assert server.run(lambda: server.hub.tokens.count) == 2
    assert [caller.asks("tokens")["tokens"][0]["id"] for caller in (alice, bob)] == kept


def test_expired_tokens_leave_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after the start of the server, and again and again."""
    monkeypatch.setattr("chatcli.server.security.tokens._FIRST_ROUND", 0.05)
    monkeypatch.setattr("chatcli.server.security.tokens._ROUND", 0.05)
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice:
        for seconds in (3600, 7200):
            makes(alice, seconds=seconds)
            pass_time(server, seconds + 1)
            eventually(lambda: rows(tmp_path, "SELECT count(*) FROM tokens") == [(0,)])


# Attacks


def test_guessing_is_limited_like_wrong_proofs(tmp_path: Path) -> None:
    """After some wrong tokens an address has to wait, with a right one, too."""
    limits = Limits(proofs=3, exempt_loopback=False)
    with ThreadServer(tmp_path, limits) as server, server.joined("alice") as alice:
        token = makes(alice)["token"]
        for number in range(3):
            refuses(server, token_text(bytes([number] * 20)), "bad_token")
        refuses(server, token, "too_many")


@pytest.mark.parametrize("token", ["x", "cct_", " ", "cct_" + "0" * 33, "\0" * 37, "é" * 37])
def test_wrong_tokens_look_alike(server: ThreadServer, alice: Caller, token: str) -> None:
    """The answer does not say in which way a token is wrong."""
    made = makes(alice)
    alice.asks("untoken", token=made["id"])
    assert refuses(server, token, "bad_token") == refuses(server, made["token"], "bad_token")


def test_token_is_found_by_its_digest_alone(server: ThreadServer, alice: Caller) -> None:
    """No comparison takes longer for a guess that is closer: what is compared is a hash of it."""
    token = makes(alice)["token"]
    found = server.run(lambda: server.hub.tokens._by_digest)
    assert list(found) == [token_digest(token)]
    refuses(server, token[:-1] + ("0" if token[-1] != "0" else "1"), "bad_token")


def test_rate_of_a_token(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """All its connections together say no more than the allowance; the rest waits."""
    token = makes(alice)["token"]
    with shows(server, token) as hook:
        for number in range(601):
            hook.sends("bob", str(number))
        for _ in range(601):
            hook.hears("sent")
        session = next(one for one in server.run(lambda: sessions_of(server, "alice")) if one.token is not None)
        eventually(lambda: server.run(lambda: session.account.overdrawn))
        with shows(server, token) as other:
            for number in range(2):
                other.sends("bob", str(number))
            second = next(
                one for one in server.run(lambda: sessions_of(server, "alice")) if one.token and one is not session
            )
            eventually(lambda: server.run(lambda: second.account.overdrawn))
