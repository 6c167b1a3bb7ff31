"""Recovery tokens: each adds one key to a name, for the day on which its keys are lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.protocol.keys import Claim, key_bytes, key_text, origin_channel, signed_bytes
from chatcli.protocol.values.tokens import token_digest, token_text
from chatcli.server.limits import Limits
from tests.admin import answers, does
from tests.server.web.callers import calls
from tests.server.web.websockets import Foreign
from tests.store.town import change, rows
from tests.support import Caller, Frame, ThreadServer, key_of, pass_time


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of the ``server`` fixture."""
    return tmp_path / "data"


@pytest.fixture
def alice(server: ThreadServer) -> Iterator[Caller]:
    """The owner of the name."""
    with server.joined("alice") as caller:
        yield caller


def recovery(caller: Caller, **fields: object) -> str:
    """Make a recovery token."""
    made = caller.asks("token", scope="recover", **fields)
    assert made["t"] == "token", made
    return str(made["token"])


def adds(
    server: ThreadServer,
    link: str,
    device: str = "new",
    user: str = "alice",
    *,
    purpose: str = "join",
    present: str = "attach",
) -> Frame:
    """Log in with a key that is new and a token; return the answer."""
    with server.connect() as caller:
        caller.greets(user, key=key_of(device), purpose=purpose, link=link, present=present)
        answer = caller.next_but_presence()
        assert answer is not None
        return answer


def fingerprints(caller: Caller) -> list[str]:
    """Return the keys of the caller's name."""
    return [key["fingerprint"] for key in caller.asks("keys")["keys"]]


def test_one_key(server: ThreadServer, alice: Caller) -> None:
    """The new key is one of the name's, for good; the token is gone, for the same key and for others."""
    token = recovery(alice, label="in the safe")
    listed = alice.asks("tokens")["tokens"]
    assert [(one["scope"], one["label"], "until" in one) for one in listed] == [("recover", "in the safe", False)]
    assert adds(server, f" {token}\n", device="new", purpose="listen")["user"] == "alice"
    assert fingerprints(alice)[1:] == [key_of("new").fingerprint]
    assert alice.asks("tokens")["tokens"] == []
    refused = adds(server, token, device="thief")
    assert (refused["t"], refused["code"]) == ("error", "bad_code")
    assert "chatcli key token --scope recover" in refused["text"]
    assert adds(server, "", device="new")["t"] == "welcome"
    assert adds(server, token, device="new")["t"] == "welcome"  # what is not needed is ignored
    assert len(fingerprints(alice)) == 2


def test_people_are_told(server: ThreadServer, alice: Caller) -> None:
    """As they are of link codes: the user on other devices, and those who talk with them."""
    with server.joined("bob", revision=1) as bob, server.joined("alice", present="attach", revision=1) as other:
        alice.sends("bob", "hi")
        alice.hears("sent")
        assert adds(server, recovery(alice))["t"] == "welcome"
        bob.texts(1)
        other.texts(1)
        for caller in (bob, other):
            renewed = caller.hears("renewed", user="alice")
            assert (renewed["what"], renewed.get("by")) == ("key", None)


def test_after_a_restart(tmp_path: Path) -> None:
    """It is in the log, as a digest, until it is used."""
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice:
        token = recovery(alice)
    assert rows(tmp_path, "SELECT digest, scope, until FROM tokens") == [(token_digest(token), "recover", None)]
    with ThreadServer(tmp_path) as server:
        assert adds(server, token, device="new")["t"] == "welcome"
    assert rows(tmp_path, "SELECT * FROM tokens") == []
    with ThreadServer(tmp_path) as server:
        assert adds(server, token, device="thief")["code"] == "bad_code"
        assert adds(server, "", device="new")["t"] == "welcome"


@pytest.mark.parametrize("purpose", ["join", "listen", "send", "query"])
def test_it_lets_nobody_in_by_itself(server: ThreadServer, alice: Caller, purpose: str) -> None:
    """It is no token for ``hello``, nor for HTTP, and is good afterwards."""
    token = recovery(alice)
    with server.connect() as caller:
        caller.says("hello", version=1, purpose=purpose, token=token, present="attach")
        assert "--link" in caller.hears("error", code="not_allowed")["text"]
    with calls(server, token) as http:
        assert http.posts("/@alice", "hi").status == 403
    assert alice.asks("tokens")["tokens"][0].get("used") is None
    assert adds(server, token)["t"] == "welcome"


def test_other_tokens_add_no_key(server: ThreadServer, alice: Caller) -> None:
    """Only the scope for it does; a link code is not voided by a token that is wrong."""
    code = alice.asks("link")["code"]
    for scope in ("send", "read", "all"):
        assert adds(server, alice.asks("token", scope=scope)["token"])["code"] == "bad_code"
    for number in range(7):
        assert adds(server, token_text(bytes([number] * 20)))["code"] == "bad_code"
    assert adds(server, code)["t"] == "welcome"


def test_another_name(server: ThreadServer, alice: Caller) -> None:
    """It is for the name of the one who made it, and for no name that is free."""
    token = recovery(alice)
    server.joined("bob").hang_up()
    assert adds(server, token, user="bob")["code"] == "bad_code"
    assert adds(server, token, user="carol")["code"] == "unknown_user"
    assert adds(server, token)["t"] == "welcome"


def test_other_spellings(server: ThreadServer, alice: Caller) -> None:
    """Nothing but the token will do."""
    token = recovery(alice)
    other = token[:-1] + ("0" if token[-1] != "0" else "1")
    for spelling in ("cct_", "cct_" + "0" * 33, token.upper(), token[4:], f"{token}x", token[:-1], f"x{token}", other):
        assert adds(server, spelling)["code"] == "bad_code", spelling
    assert adds(server, token)["t"] == "welcome"


def test_how_it_ends(server: ThreadServer, alice: Caller, data: Path) -> None:
    """By its owner, at its time, with the key that made it, and with the name."""
    revoked, short = recovery(alice), recovery(alice, seconds=60)
    assert alice.asks("untoken", token=alice.asks("tokens")["tokens"][0]["id"])["t"] == "done"
    assert adds(server, revoked)["code"] == "bad_code"
    pass_time(server, 61)
    assert adds(server, short)["code"] == "bad_code"
    code = alice.asks("link")["code"]
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), link=code, present="attach")
        phone.hears("welcome")
        of_phone = recovery(phone)
        assert alice.asks("revoke", key=key_of("phone").fingerprint)["t"] == "done"
        assert adds(server, of_phone)["code"] == "bad_code"
    last = recovery(alice)
    does(data, "release", to="alice")
    assert adds(server, last, device="thief")["code"] == "unknown_user"
    server.joined("alice", key=key_of("next")).hang_up()
    assert adds(server, last, device="thief")["code"] == "bad_code"


def test_ban(server: ThreadServer, alice: Caller, data: Path) -> None:
    """Neither a name nor a key comes back so while it is banned."""
    code = alice.asks("link")["code"]
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), link=code, present="attach")
        phone.hears("welcome")
        token = recovery(phone)
        does(data, "ban", to=key_of("phone").fingerprint)
    assert adds(server, token)["code"] == "banned"
    does(data, "unban", to=key_of("phone").fingerprint)
    does(data, "ban", to="alice")
    assert adds(server, token)["code"] == "banned"
    does(data, "unban", to="alice")
    assert adds(server, token)["t"] == "welcome"


def test_operators(server: ThreadServer, alice: Caller, data: Path) -> None:
    """They make none, and see and end those of others."""
    assert answers(data, "token", to="robot", scope="recover")["code"] == "not_allowed"
    assert rows(data, "SELECT name FROM users") == [("alice",)]
    token = recovery(alice)
    row = does(data, "tokens", to="alice")
    assert row["scope"] == "recover"
    does(data, "revoke", to=row["id"])
    assert adds(server, token)["code"] == "bad_code"
    alice.says("token", scope="recover", to=["alice"], n=5)
    alice.hears("error", code="invalid", n=5)


def test_new_key_by_an_operator(server: ThreadServer, alice: Caller, data: Path) -> None:
    """It ends all credentials from before, recovery tokens too."""
    token = recovery(alice)
    code = does(data, "link", to="alice")["code"]
    assert adds(server, code)["t"] == "welcome"
    assert adds(server, token, device="thief")["code"] == "bad_code"


def test_two_at_once(server: ThreadServer, alice: Caller) -> None:
    """Of two who prove at the same time, one gets a key."""
    token = recovery(alice)
    with server.connect() as one, server.connect() as other:
        for caller, device in ((one, "one"), (other, "other")):
            caller.greets("alice", key=key_of(device), link=token, purpose="listen")
        outcomes = {(frame["t"], frame.get("code")) for frame in (one.next(), other.next()) if frame}
    assert outcomes == {("welcome", None), ("error", "bad_code")}
    assert len(fingerprints(alice)) == 2


def test_refused_for_another_reason(server: ThreadServer, alice: Caller, data: Path) -> None:
    """It is not used up by a login that fails: somebody is here already, the proof is wrong, or the disk is full."""
    token = recovery(alice)
    assert adds(server, token, present="refuse")["code"] == "already_here"
    with server.connect() as caller:
        caller.says("hello", version=1, user="alice", key=key_text(key_of("new").public), link=token, present="attach")
        caller.hears("challenge")
        caller.says("prove", signature="A" * 86)
        caller.hears("bye", code="bad_proof")
    for what in ("INSERT ON keys", "DELETE ON tokens"):  # neither without the other
        change(data, f"CREATE TRIGGER broken BEFORE {what} BEGIN INSERT INTO missing VALUES (1); END")  # noqa: S608 (ours)
        assert adds(server, token)["code"] == "storage"
        change(data, "DROP TRIGGER broken")
        assert len(fingerprints(alice)) == 1
    assert [one["scope"] for one in alice.asks("tokens")["tokens"]] == ["recover"]
    assert adds(server, token)["t"] == "welcome"
    assert adds(server, token, device="thief")["code"] == "bad_code"


def test_guesses(tmp_path: Path) -> None:
    """Wrong ones count against the address of the one who tries, as wrong codes do; the right one has to wait then."""
    limits = Limits(proofs=3, exempt_loopback=False)
    with ThreadServer(tmp_path, limits) as server, server.joined("alice") as alice:
        token = recovery(alice)
        for number in range(3):
            assert adds(server, token_text(bytes([number] * 20)))["code"] == "bad_code"
        assert adds(server, token)["code"] == "too_many"


def test_many_keys(server: ThreadServer, alice: Caller) -> None:
    """Twenty keys an hour are the limit for these, too; the token that was one too many stays."""
    for number in range(20):
        assert adds(server, recovery(alice), device=f"device {number}", purpose="send")["t"] == "welcome"
    token = recovery(alice)
    assert adds(server, token, device="one more")["code"] == "too_many"
    assert len(alice.asks("tokens")["tokens"]) == 1


def test_in_a_browser(server: ThreadServer, alice: Caller) -> None:
    """A page recovers the name with its own key, bound to its origin."""
    origin = f"http://{server.address.host}:{server.address.port}"
    token = recovery(alice)
    with Foreign(server, origin=origin) as page:
        key = key_of("a browser")
        page.says(
            "hello", version=1, user="alice", key=key_text(key.public), origin=origin, link=token, present="attach"
        )
        challenge = page.hears("challenge")
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user="alice",
            purpose="join",
            channel=origin_channel(origin),
        )
        page.says("prove", signature=key_text(key.sign(signed_bytes(claim))))
        assert page.hears("welcome")["user"] == "alice"
