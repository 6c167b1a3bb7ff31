"""Authentication: names belong to keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatcli.client.identity.key import Identity
from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes
from chatcli.server.limits import Limits
from chatcli.server.security.rate_limits import network
from tests.support import OWN, Caller, TestKey, ThreadServer, eventually, key_of, sessions_of


def proves(caller: Caller, key: TestKey | Identity, claim: Claim) -> None:
    """Send the proof of a claim."""
    caller.says("prove", signature=key_text(key.sign(signed_bytes(claim))))


def challenged(caller: Caller, user: str, key: TestKey | Identity, purpose: str = "join") -> Claim:
    """Send a hello, and return the claim to sign."""
    caller.says("hello", version=1, user=user, purpose=purpose, key=key_text(key.public))
    challenge = caller.hears("challenge")
    return Claim(
        version=1,
        server_key=challenge["key"],
        nonce=key_bytes(challenge["nonce"], 32),
        user=user,
        purpose=purpose,
        channel=caller.channel,
    )


def test_first_key_owns_the_name(server: ThreadServer) -> None:
    """Another key is refused with the remedy, before and after the owner has gone, for every purpose."""
    server.joined("alice").hang_up()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    for purpose in ("join", "listen", "send"):
        with server.connect() as thief:
            thief.greets("ALICE", key=key_of("thief"), purpose=purpose)
            assert "key link" in thief.hears("error", code="name_taken")["text"]
    with server.joined("alice") as alice:
        assert alice.welcome["user"] == "alice"


def test_ownership_survives_a_restart(tmp_path: Path) -> None:
    """The owner of a name is on disk before the welcome."""
    with ThreadServer(tmp_path) as server, server.joined("alice"):
        pass
    with ThreadServer(tmp_path) as server, server.connect() as thief:
        thief.greets("alice", key=key_of("thief"))
        thief.hears("error", code="name_taken")


@pytest.mark.parametrize("key", ["", "x", "AAAA", "!" * 43, "A" * 44])
def test_no_name_without_a_key(server: ThreadServer, key: str) -> None:
    """A hello must have an Ed25519 public key."""
    with server.connect() as caller:
        caller.says("hello", version=1, user="alice", key=key)
        caller.hears("error", code="key_required")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"server_key": "SHA256:" + "A" * 43},
        {"nonce": b"n" * 32},
        {"user": "bob"},
        {"purpose": "send"},
        {"channel": b"c" * 32},
    ],
)
def test_proof_of_another_claim(server: ThreadServer, change: dict[str, object]) -> None:
    """A proof with another version, server, nonce, name, purpose or channel is refused."""
    with server.connect() as caller:
        claim = challenged(caller, "alice", OWN)
        proves(caller, OWN, replace(claim, **change))
        caller.hears("bye", code="bad_proof")
        caller.hears_end()
    assert server.run(lambda: server.hub.users.find("alice")) is None


@pytest.mark.parametrize("signature", ["", "A", "A" * 86, "!" * 86, "A" * 100_0])
def test_garbage_signature(server: ThreadServer, signature: str) -> None:
    """Garbage in place of a signature is refused."""
    with server.connect() as caller:
        challenged(caller, "alice", OWN)
        caller.says("prove", signature=signature)
        caller.hears("bye", code="bad_proof")


def test_replayed_proof(server: ThreadServer) -> None:
    """A recorded signature is refused, because the next challenge is another."""
    with server.connect() as alice, server.connect() as thief:
        claim = challenged(alice, "alice", OWN)
        signature = key_text(OWN.sign(signed_bytes(claim)))
        alice.says("prove", signature=signature)
        alice.hears("welcome")
        challenged(thief, "alice", OWN)
        thief.says("prove", signature=signature)
        thief.hears("bye", code="bad_proof")
        assert alice.asks_who() == ["alice"]


def test_second_proof_on_one_challenge(server: ThreadServer) -> None:
    """A challenge is answered once."""
    with server.joined("alice"), server.connect() as other:
        claim = challenged(other, "alice", OWN)
        proves(other, OWN, claim)
        other.hears("error", code="already_here")
        proves(other, OWN, claim)
        other.hears("error", code="unexpected")


def test_one_key_with_several_names(server: ThreadServer) -> None:
    """A key may own several names, for instance for scripts."""
    with server.connect() as one, server.connect() as two:
        for caller, name in ((one, "alice"), (two, "alice-ci")):
            caller.greets(name, key=OWN)
            caller.hears("welcome", user=name)


def test_second_join_is_refused(server: ThreadServer) -> None:
    """The refusal has the address and the time of the first join, and the remedy."""
    with server.joined("alice"), server.connect() as second:
        second.greets("alice")
        text = second.hears("error", code="already_here")["text"]
        assert "already in the chat from 127.0.0.1 since " in text
        assert "--takeover" in text
        assert "--attach" in text


def test_return_beside_an_attached_join(server: ThreadServer) -> None:
    """An earlier join comes back without asking; a new one is refused, and one after a takeover, too."""
    server.joined("alice", client="first").hang_up()
    with server.joined("alice", present="attach", client="second") as second:
        with server.joined("alice", since=0, client="first") as first:
            assert first.asks_who() == ["alice"]
        with server.connect() as third:
            third.greets("alice", client="third")
            third.hears("error", code="already_here")
        second.asks_who()
    with server.joined("alice", present="takeover", client="second"), server.connect() as first:
        first.greets("alice", since=0, client="first")
        first.hears("error", code="already_here")


def test_takeover(server: ThreadServer) -> None:
    """The displaced connection gets the reason; others notice no change."""
    with server.joined("bob") as bob, server.joined("alice") as first:
        assert bob.asks_who() == ["alice", "bob"]
        with server.connect() as second:
            second.greets("alice", present="takeover")
            second.hears("welcome")
            first.hears("bye", code="taken_over")
            first.hears_end()
            bob.sends("alice", "hi")
            second.hears("message", text="hi")
            bob.hears("sent", outcome="delivered")
            assert bob.asks_who() == ["alice", "bob"]


def test_attach(server: ThreadServer) -> None:
    """Two open joins of a user get the same messages, and the user is online until both have ended."""
    with server.joined("bob") as bob, server.joined("alice") as first, server.connect() as second:
        second.greets("alice", present="attach")
        second.hears("welcome")
        bob.sends("alice", "both")
        first.hears("message", text="both")
        second.hears("message", text="both")
        first.sends("bob", "from one")
        second.hears("message", text="from one")
        first.says("bye")
        first.hears("sent")
        first.hears("bye")
        assert second.asks_who() == ["alice", "bob"]
        second.says("bye")
        second.hears("bye")
        bob.hears("sent")
        bob.hears("message")
        assert bob.asks_who() == ["bob"]


def test_reconnect_of_the_same_client(server: ThreadServer) -> None:
    """A client that returns does not wait until the server notices that its old connection is dead."""
    with server.joined("alice", client="one start") as dead, server.joined("alice", client="one start") as again:
        dead.hears("bye", code="taken_over")
        assert again.asks_who() == ["alice"]


@pytest.fixture
def linked(server: ThreadServer) -> Iterator[tuple[Caller, str]]:
    """Alice, with a code for another device."""
    with server.joined("alice") as alice:
        alice.says("link", n=1)
        yield alice, alice.hears("link", n=1)["code"]


def test_device_code(server: ThreadServer, linked: tuple[Caller, str]) -> None:
    """With the code the new device's key is one of the user's, from then on without the code."""
    alice, code = linked
    assert len(code) >= 12
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), link=code.upper().replace("-", " "), present="attach")
        phone.hears("welcome", user="alice")
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), purpose="listen")
        phone.hears("welcome", user="alice")
    alice.says("keys", n=2)
    keys = [key["fingerprint"] for key in alice.hears("keys", n=2)["keys"]]
    assert keys == [OWN.fingerprint, key_of("phone").fingerprint]


def test_labels_of_devices(tmp_path: Path) -> None:
    """A key gets the label of the hello that adds it, made harmless; its user sees it, also after a restart."""
    labels = [("laptop", "chatcli on laptop"), ("phone", "Firefox on\n\x1b[31m\u202eLinux " + "x" * 40), ("old", "")]
    shown = ["chatcli on laptop", "Firefox on␤␛[31m<U+202E>Linux xxxxxxxxxx", None]
    with ThreadServer(tmp_path) as server:
        for key, device in labels:
            with server.connect() as caller:
                code = {}
                if key != "laptop":
                    with server.joined("alice", key=key_of("laptop"), device="another name") as laptop:
                        code = {"link": laptop.asks("link")["code"]}
                caller.greets("alice", key=key_of(key), **code, **({"device": device} if device else {}))
                caller.hears("welcome")
                keys = caller.asks("keys")["keys"]
        assert [key.get("device") for key in keys] == shown
    with ThreadServer(tmp_path) as server, server.joined("alice", key=key_of("old"), device="late") as alice:
        assert [key.get("device") for key in alice.asks("keys")["keys"]] == shown


def test_device_code_is_used_once(server: ThreadServer, linked: tuple[Caller, str]) -> None:
    """A used code is invalid."""
    _, code = linked
    for device, answer in (("phone", "welcome"), ("thief", "error")):
        with server.connect() as caller:
            caller.greets("alice", key=key_of(device), link=code, purpose="listen")
            caller.hears(answer)


def test_codes_cannot_be_guessed(server: ThreadServer, linked: tuple[Caller, str]) -> None:
    """After a few wrong codes the right one is refused, too."""
    _, code = linked
    for _ in range(5):
        with server.connect() as thief:
            thief.greets("alice", key=key_of("thief"), link="bazu-bazu-bazu")
            thief.hears("error", code="bad_code")
    with server.connect() as thief:
        thief.greets("alice", key=key_of("thief"), link=code)
        thief.hears("error", code="bad_code")


def test_code_of_another_user(server: ThreadServer, linked: tuple[Caller, str]) -> None:
    """A code is valid for the name of the user who asked for it."""
    _, code = linked
    with server.joined("bob"), server.connect() as thief:
        thief.greets("bob", key=key_of("thief"), link=code)
        thief.hears("error", code="bad_code")


def test_revoked_key(server: ThreadServer, linked: tuple[Caller, str]) -> None:
    """Its connections are closed at once, and its later logins are refused."""
    alice, code = linked
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), link=code, purpose="listen")
        phone.hears("welcome")
        alice.says("revoke", key=key_of("phone").fingerprint, n=3)
        alice.hears("done", n=3)
        phone.hears("bye", code="kicked")
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"))
        phone.hears("error", code="name_taken")


def test_revoking_the_key_in_use(linked: tuple[Caller, str], server: ThreadServer) -> None:
    """The answer comes before the connection is closed."""
    _, code = linked
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), link=code, purpose="send")
        phone.hears("welcome")
        phone.says("revoke", key=key_of("phone").fingerprint, n=3)
        phone.hears("done", n=3)
        phone.hears("bye", code="kicked")


def test_revoking_the_last_key(server: ThreadServer) -> None:
    """It is refused, so that users cannot lock themselves out."""
    with server.joined("alice") as alice:
        alice.says("revoke", key=OWN.fingerprint, n=1)
        alice.hears("error", code="not_allowed", n=1)
        alice.says("revoke", key=key_of("nobody").fingerprint, n=2)
        alice.hears("error", code="not_allowed", n=2)


def test_too_many_wrong_proofs(tmp_path: Path) -> None:
    """After many failures from one address, even a right proof has to wait."""
    with ThreadServer(tmp_path, Limits(proofs=3, exempt_loopback=False)) as server:
        for _ in range(3):
            with server.connect() as thief:
                claim = challenged(thief, "alice", OWN)
                proves(thief, key_of("thief"), claim)
                thief.hears("bye", code="bad_proof")
        with server.connect() as caller:
            caller.greets("alice")
            caller.hears("error", code="too_many")


def test_new_names_of_one_address(tmp_path: Path) -> None:
    """New names from one address are limited; existing ones still work."""
    with ThreadServer(tmp_path, Limits(names=3, exempt_loopback=False)) as server:
        for name in ("a1", "a2", "a3"):
            server.joined(name).hang_up()
        with server.connect() as fourth:
            fourth.greets("a4")
            fourth.hears("error", code="too_many")
        eventually(lambda: server.run(lambda: not server.hub.connections))
        server.joined("a1").hang_up()


def test_connections_of_one_address(tmp_path: Path) -> None:
    """Connections from one address are limited, and counted down when they end."""
    with ThreadServer(tmp_path, Limits(connections_per_address=2, exempt_loopback=False)) as server:
        with server.connect() as one, server.connect(), server.connect() as third:
            third.says("hello", version=1, purpose="query")
            third.hears("bye", code="too_many")
            one.says("hello", version=1, purpose="query")
            one.hears("welcome")
        eventually(lambda: server.run(lambda: not server.hub.connections))
        with server.joined("alice") as alice:
            assert alice.asks_who() == ["alice"]


def test_flood_is_slowed(tmp_path: Path) -> None:
    """A client beyond its allowance is not read for a while: nothing is lost, and others do not wait."""
    limits = Limits(message_rate=400, message_burst=100)
    with ThreadServer(tmp_path, limits) as server, server.joined("bob") as bob, server.joined("carol") as carol:
        with server.joined("alice") as alice:
            for number in range(500):
                alice.sends("bob", f"{number}")
            eventually(lambda: server.run(lambda: any(session.flow.paused for session in sessions_of(server))))
            carol.sends("carol", "not waiting")
            carol.hears("sent")
            assert bob.texts(500) == [f"{number}" for number in range(500)]


def test_access_by_invitation(tmp_path: Path) -> None:
    """A new name needs a valid code; existing names do not."""
    with ThreadServer(tmp_path) as server:
        server.joined("alice").hang_up()
    with ThreadServer(tmp_path, Limits(access="invite")) as server:
        server.joined("alice").hang_up()
        with server.connect() as stranger:
            stranger.greets("bob")
            assert "--invite" in stranger.hears("error", code="invitation_required")["text"]
            stranger.says("hello", version=1, purpose="query")
            stranger.hears("error", code="key_required")
        code = server.run(lambda: server.hub.moderation.invite(uses=2, seconds=60))
        for name, answer in (("bob", "welcome"), ("carol", "welcome"), ("dave", "error")):
            with server.connect() as stranger:
                stranger.greets(name, invite=code.upper())
                stranger.hears(answer)
        old = server.run(lambda: server.hub.moderation.invite(uses=2, seconds=-1))
        with server.connect() as stranger:
            stranger.greets("erin", invite=old)
            stranger.hears("error", code="bad_code")
        assert server.run(lambda: server.hub.users.find("dave")) is None


def test_ban_by_name_and_by_key(tmp_path: Path) -> None:
    """A ban holds for the name with any key and for the key with any name, also after a restart, until lifted."""
    with ThreadServer(tmp_path) as server:
        server.joined("eve").hang_up()
        server.run(lambda: server.hub.moderation.impose("ban", "eve", reason="spam"))
        server.run(lambda: server.hub.moderation.impose("ban", key_of("mallory").fingerprint))
    with ThreadServer(tmp_path) as server:
        for name, key in (("eve", OWN), ("EVE", OWN), ("innocent", key_of("mallory"))):
            with server.connect() as caller:
                caller.greets(name, key=key)
                caller.hears("error", code="banned")
        server.run(lambda: server.hub.moderation.lift("ban", "eve"))
        server.joined("eve").hang_up()


def test_mute(server: ThreadServer) -> None:
    """A muted user gets messages, and a refusal for each attempt to send one."""
    with server.joined("eve") as eve, server.joined("alice") as alice:
        server.run(lambda: server.hub.moderation.impose("mute", "eve", seconds=3600))
        identity = eve.sends("alice", "spam")
        eve.hears("error", code="muted", id=identity)
        alice.sends("eve", "quiet, please")
        eve.hears("message", text="quiet, please")
        server.run(lambda: server.hub.moderation.impose("mute", "eve", seconds=-1))
        eve.sends("alice", "sorry")
        alice.hears("sent")
        alice.hears("message", text="sorry")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("alice", "ɑlice"),
        ("alice", "alıce"),
        ("coco", "сосо"),
        ("сосо", "coco"),
        ("lisa", "li\u0307sa"),
        ("li\u0307sa", "lisa"),
        ("bob", "b0b"),
        ("Ian", "lan"),
        ("Том", "tom"),
    ],
)
def test_lookalike_of_a_name(server: ThreadServer, first: str, second: str) -> None:
    """A name that looks like an existing one is refused."""
    with server.joined(first), server.connect() as thief:
        thief.greets(second, key=key_of("thief"))
        assert f"looks like {first}" in thief.hears("error", code="bad_name")["text"]


@pytest.mark.parametrize("name", ["ɑll", "ԝһо", "һеӏр", "ѕегѵег", "a11", "sẹrver"])
def test_lookalike_of_reserved_word(server: ThreadServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is refused to newcomers; an earlier owner still logs in, also after a restart."""
    with server.connect() as stranger:
        stranger.greets(name)
        assert "which is reserved" in stranger.hears("error", code="bad_name")["text"]
    with monkeypatch.context() as before:
        before.setattr("chatcli.server.handlers.auth.check_new_name", str)
        server.joined(name).hang_up()
    server.joined(name).hang_up()
    server.stop()
    with ThreadServer(server.data) as again, again.joined(name) as owner:
        assert owner.welcome["user"] == name


def test_code_from_before_a_revocation(server: ThreadServer, linked: tuple[Caller, str]) -> None:
    """A thief's device code is void once the key is revoked."""
    alice, code = linked
    with server.connect() as phone:
        phone.greets("alice", key=key_of("phone"), link=code, purpose="listen")
        phone.hears("welcome")
        phone.says("link", n=1)
        stolen = phone.hears("link", n=1)["code"]
        alice.says("revoke", key=key_of("phone").fingerprint, n=1)
        alice.hears("done", n=1)
    with server.connect() as thief:
        thief.greets("alice", key=key_of("another"), link=stolen)
        thief.hears("error", code="bad_code")


@pytest.mark.parametrize("code", ["é", "\0", "x" * 5000])
def test_garbage_code(server: ThreadServer, linked: tuple[Caller, str], code: str) -> None:
    """Garbage gets the answer of a wrong code."""
    with server.connect() as thief:
        thief.greets("alice", key=key_of("thief"), link=code)
        thief.hears("error", code="bad_code")


def test_code_with_a_misspelt_name(server: ThreadServer) -> None:
    """A device code never creates a new name."""
    with server.connect() as caller:
        caller.greets("alcie", link="bazu-bazu-bazu")
        caller.hears("error", code="unknown_user")
    assert server.run(lambda: server.hub.users.find("alcie")) is None


def test_ipv6_network() -> None:
    """The 2^64 addresses of one network share one allowance."""
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("fe80::1%eth0") == network("fe80::2")
