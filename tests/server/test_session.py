"""Dialogues with one connection: greeting, requests, goodbye."""

from __future__ import annotations

import pytest

from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes
from tests.support import ThreadServer, eventually, key_of


def test_welcome_has_name_and_limits(server: ThreadServer) -> None:
    """A newcomer gets their name, the head of the log, and the limits."""
    with server.joined("Alice") as alice:
        assert alice.welcome["user"] == "Alice"
        assert (alice.welcome["head"], alice.welcome["cursor"]) == (0, 0)
        assert alice.welcome["limits"] == {"text": 32 * 1024, "frame": 64 * 1024, "silence": 60}


def test_first_spelling_of_a_name(server: ThreadServer) -> None:
    """Another spelling of the name gets the first one in the welcome."""
    server.joined("Alice").hang_up()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    with server.joined("ALICE") as alice:
        assert alice.welcome["user"] == "Alice"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("x" * 33, "32 characters"),
        ("a:b", "colon"),
        ("two words", "spaces"),
        ("Server", "reserved"),
        ("аlice", "mixes scripts"),
        ("a\x1b[31m", "U+001B"),
    ],
)
def test_invalid_names(server: ThreadServer, name: str, why: str) -> None:
    """The refusal names the broken rule, and another name may be tried on the same connection."""
    with server.connect() as caller:
        caller.greets(name)
        assert why in caller.hears("error", code="bad_name")["text"]
        caller.greets("alice")
        caller.hears("welcome", user="alice")


def test_name_in_use_in_any_case(server: ThreadServer) -> None:
    """A ``join`` with another key under an owned name is refused; the owner does not notice."""
    with server.joined("Alice") as alice, server.connect() as other:
        other.greets("aLICE", key=key_of("mallory"))
        assert "choose another name" in other.hears("error", code="name_taken")["text"]
        assert alice.asks_who() == ["Alice"]


def test_race_for_a_name(server: ThreadServer) -> None:
    """Of many connections that claim a free name at once, each with its own key, exactly one is let in."""
    callers = [server.connect() for _ in range(50)]
    for number, caller in enumerate(callers):
        key = key_of(f"racer {number}")
        caller.says("hello", version=1, user="alice", key=key_text(key.public))
    challenges = [caller.hears("challenge") for caller in callers]
    for number, (caller, challenge) in enumerate(zip(callers, challenges, strict=True)):
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user="alice",
            purpose="join",
            channel=b"",
        )
        caller.says("prove", signature=key_text(key_of(f"racer {number}").sign(signed_bytes(claim))))
    answers = [caller.next_but_presence() for caller in callers]
    codes = sorted(str(frame.get("code", frame["t"])) for frame in answers if frame)
    assert codes == ["name_taken"] * 49 + ["welcome"]
    for caller in callers:
        caller.hang_up()


def test_send_beside_an_open_join(server: ThreadServer) -> None:
    """The purpose ``send`` neither displaces a join, nor is it refused because of one."""
    with server.joined("alice") as alice, server.joined("alice", "send") as script:
        script.sends("alice", "done")
        script.hears("sent", outcome="delivered")
        alice.hears("message", **{"from": "alice", "to": "alice", "text": "done"})
        assert alice.asks_who() == ["alice"]


def test_query_has_no_name(server: ThreadServer) -> None:
    """A query needs no name, creates no user, and cannot send."""
    with server.joined("alice"), server.connect() as caller:
        caller.says("hello", version=1, purpose="query")
        caller.hears("welcome", user="")
        assert caller.asks_who() == ["alice"]
        identity = caller.sends("alice", "hi")
        caller.hears("error", code="not_allowed", id=identity)


def test_other_version(server: ThreadServer) -> None:
    """The refusal has both versions of the protocol."""
    with server.connect() as caller:
        caller.says("hello", version=99, user="alice")
        text = caller.hears("error", code="unsupported_version")["text"]
        assert "version 1" in text
        assert "99" in text


def test_only_hello_first(server: ThreadServer) -> None:
    """Before the welcome everything else is out of turn, and a second hello is after it."""
    with server.connect() as caller:
        caller.says("who")
        caller.hears("error", code="unexpected")
        caller.says("prove", signature="")
        caller.hears("error", code="unexpected")
        caller.greets("alice")
        caller.hears("welcome")
        caller.says("hello", version=1, user="bob")
        caller.hears("error", code="unexpected")


def test_frames_with_the_proof(server: ThreadServer) -> None:
    """A newcomer may prove, send and leave in one write; all of it is answered, in order."""
    with server.joined("bob") as bob, server.connect() as caller:
        key = key_of("newcomer")
        caller.says("hello", version=1, user="newcomer", purpose="send", key=key_text(key.public))
        challenge = caller.hears("challenge")
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user="newcomer",
            purpose="send",
            channel=b"",
        )
        caller.says_raw(
            b'{"t":"prove","signature":"%s"}\n'
            b'{"t":"send","id":"01890a5d-ac96-774b-bcce-b302099a8057","to":"bob","text":"hi"}\n'
            b'{"t":"bye"}\n' % key_text(key.sign(signed_bytes(claim))).encode()
        )
        caller.hears("welcome", user="newcomer")
        caller.hears("sent", outcome="delivered")
        caller.hears("bye", code="left")
        caller.hears_end()
        bob.hears("message", text="hi")


def test_half_closed_connection(server: ThreadServer) -> None:
    """A client that closes its side after the last line, as ``nc -N`` does, gets every answer first."""
    with server.joined("bob"), server.joined("alice", "send") as alice:
        for number in range(50):
            alice.sends("bob", f"line {number}")
        alice.socket.shutdown(1)
        seqs = [alice.hears("sent")["seq"] for _ in range(50)]
        assert seqs == sorted(seqs)
        alice.hears("bye", code="left")
        alice.hears_end()


def test_ping(server: ThreadServer) -> None:
    """A ping is answered with a pong of the same number."""
    with server.joined("alice") as alice:
        alice.says("ping", n=42)
        alice.hears("pong", n=42)


def test_bye_frees_the_name(server: ThreadServer) -> None:
    """A user who says goodbye is gone from all lists before the answer."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        bob.says("bye")
        bob.hears("bye", code="left")
        assert alice.asks_who() == ["alice"]
        with server.joined("bob") as again:
            assert again.asks_who() == ["alice", "bob"]


def test_lost_connection_frees_the_name(server: ThreadServer) -> None:
    """A connection that breaks without a goodbye is noticed, and the name can be used again."""
    with server.joined("alice") as alice:
        server.joined("bob").hang_up()
        eventually(lambda: alice.asks_who() == ["alice"])
        server.joined("bob").hang_up()
