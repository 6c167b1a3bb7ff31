"""Recovery codes: someone whose key is lost comes back as the same person."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes
from chatcli.store.archive.importer import import_archive
from tests.admin import answers, does, joined, noted
from tests.support import Caller, TestKey, ThreadServer, eventually, key_of, known


@pytest.fixture
def data(server: ThreadServer) -> Path:
    """Return the data directory."""
    return server.data


def test_same_person(server: ThreadServer, data: Path) -> None:
    """Rooms and rank stay; the old key is revoked, and its connection closed."""
    with joined(server, "bob") as bob, joined(server, "eve") as old:
        old.enters("#ops")
        does(data, "op", to="eve")
        row = does(data, "link", to="EVE")
        assert (row["user"], row["new"], row["keeps_keys"]) == ("eve", False, False)
        with server.connect() as new:
            new.greets("eve", key=key_of("new"), link=row["code"])
            assert new.hears("welcome")["rooms"] == ["#ops"]
            assert "new key" in old.hears("bye", code="kicked")["text"]
            new.says("operate", do="kick", to="bob", n=1)
            new.hears("done", n=1)
            bob.hears("bye", code="kicked")
            new.says("keys", n=2)
            assert len(new.hears("keys", n=2)["keys"]) == 1
    with server.connect() as thief:
        thief.greets("eve", key=key_of("eve"))
        thief.hears("error", code="name_taken")
    assert [line["do"] for line in noted(data)] == ["op", "link", "kick"]


def test_other_devices_are_sent_away(server: ThreadServer, data: Path) -> None:
    """A connection that only listens learns why."""
    with joined(server, "eve", "listen") as old:
        code = does(data, "link", to="eve")["code"]
        with server.connect() as new:
            new.greets("eve", key=key_of("new"), link=code)
            new.hears("welcome")
            assert "new key" in old.hears("bye", code="kicked")["text"]


def test_key_that_is_being_added(server: ThreadServer, data: Path) -> None:
    """A thief who lets another device in meanwhile is sent away with both, and gets no further code."""
    with joined(server, "eve") as thief, server.connect() as other, server.connect() as owner:
        link = thief.asks("link")["code"]
        code = does(data, "link", to="eve")["code"]
        with slow_disk(server):
            for caller, key, typed in ((other, "other", link), (owner, "new", code)):
                caller.greets("eve", key=key_of(key), link=typed, purpose="listen", present="attach")
                eventually(functools.partial(is_adding, server, key), key)
            assert thief.asks("link")["code"] == "not_allowed"
            assert thief.asks("revoke", key=key_of("new").fingerprint)["code"] == "not_allowed"
        owner.hears("welcome")
        assert [key["fingerprint"] for key in owner.asks("keys")["keys"]] == [key_of("new").fingerprint]
        other.hears("bye", code="kicked")
        thief.hears("bye", code="kicked")


def is_adding(server: ThreadServer, key: str) -> bool:
    """Return whether a key of eve is being written."""
    return server.run(lambda: known(server, "eve").is_adding(key_of(key).public))


@contextlib.contextmanager
def slow_disk(server: ThreadServer) -> Iterator[None]:
    """Let another program lock the log meanwhile."""
    with contextlib.closing(sqlite3.connect(server.data / "chatcli.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


def test_code_is_used_once(server: ThreadServer, data: Path) -> None:
    """Another device cannot use it again."""
    joined(server, "eve").hang_up()
    code = does(data, "link", to="eve")["code"]
    for key, expected in (("new", "welcome"), ("thief", "error")):
        with server.connect() as caller:
            caller.greets("eve", key=key_of(key), link=code, purpose="listen")
            caller.hears(expected)


def test_later_code_counts(server: ThreadServer, data: Path) -> None:
    """A second code for the name replaces the first."""
    joined(server, "eve").hang_up()
    first, second = (does(data, "link", to="eve")["code"] for _ in range(2))
    for code, expected in ((first, "error"), (second, "welcome")):
        with server.connect() as caller:
            caller.greets("eve", key=key_of("new"), link=code)
            caller.hears(expected)


def test_keys_are_kept_on_request(server: ThreadServer, data: Path) -> None:
    """Both keys are valid then, and nobody is sent away."""
    with joined(server, "eve", "listen") as old:
        code = does(data, "link", to="eve", keep=True)["code"]
        with server.connect() as new:
            new.greets("eve", key=key_of("new"), link=code)
            new.hears("welcome")
        old.says("keys", n=1)
        assert len(old.hears("keys", n=1)["keys"]) == 2


def test_code_survives_a_restart(server: ThreadServer, data: Path) -> None:
    """It is on disk, as a digest."""
    joined(server, "eve").hang_up()
    code = does(data, "link", to="eve")["code"]
    server.stop()
    assert code.replace("-", "").encode() not in (data / "chatcli.db").read_bytes().replace(b"-", b"")
    with ThreadServer(data) as again, again.connect() as new:
        new.greets("eve", key=key_of("new"), link=code)
        new.hears("welcome")


def test_expired_code(server: ThreadServer, data: Path) -> None:
    """It is refused like a wrong one."""
    joined(server, "eve").hang_up()
    code = does(data, "link", to="eve", seconds=60)["code"]
    clock = server.hub.moderation._clock
    server.run(lambda: setattr(server.hub.moderation, "_clock", lambda: clock() + 61_000))
    with server.connect() as caller:
        caller.greets("eve", key=key_of("new"), link=code)
        caller.hears("error", code="bad_code")


def test_released_name(server: ThreadServer, data: Path) -> None:
    """The code of the former owner does not apply to the next."""
    joined(server, "eve").hang_up()
    code = does(data, "link", to="eve")["code"]
    does(data, "release", to="eve")
    joined(server, "eve").hang_up()
    with server.connect() as caller:
        caller.greets("eve", key=key_of("former"), link=code)
        caller.hears("error", code="bad_code")


@pytest.mark.parametrize("do", ["link", "op", "mute", "release"])
def test_name_that_is_being_released(server: ThreadServer, data: Path, do: str) -> None:
    """Nothing can be decided about it that its next owner would have."""
    joined(server, "eve").hang_up()
    with ThreadPoolExecutor() as pool:
        with slow_disk(server):
            releasing = pool.submit(does, data, "release", to="eve")
            eventually(lambda: server.run(lambda: bool(server.hub.losing_names)))
            assert "released" in answers(data, do, to="eve")["text"]
        assert releasing.result()["released"] == "eve"
    assert server.run(lambda: server.hub.losing_names) == set()


@pytest.mark.parametrize("name", ["admin", "Root2", "the_moderator"])
def test_names_for_operators(server: ThreadServer, data: Path, name: str) -> None:
    """Such a name is taken with a code of the operator, and with nothing else."""
    with server.connect() as caller:
        caller.greets(name)
        assert "admin link" in caller.hears("error", code="bad_name")["text"]
        caller.greets(name, link="bazu-kito")
        caller.hears("error", code="unknown_user")
    row = does(data, "link", to=name)
    assert row["new"]
    with server.connect() as caller:
        caller.greets(name, link=row["code"])
        assert caller.hears("welcome")["user"] == name
    with server.connect() as thief:
        thief.greets(name, key=key_of("thief"), link=row["code"])
        thief.hears("error", code="bad_code")


@pytest.mark.parametrize("name", ["admin", "Root2"])
def test_imported_name_for_operators(tmp_path: Path, name: str) -> None:
    """One that came without keys, such as from another chat, is taken with a code only, and others with none."""
    archive = (
        '{"t":"export","version":1}',
        *(f'{{"t":"user","name":"{one}","created":"2025-11-22T10:00:00Z"}}' for one in (name, "zoe")),
        '{"t":"end","messages":0}',
    )
    import_archive(tmp_path, BytesIO("\n".join(archive).encode()), print)
    with ThreadServer(tmp_path) as server, server.connect() as caller, server.joined("zoe"):
        caller.greets(name)
        assert "admin link" in caller.hears("error", code="bad_name")["text"]
        caller.greets(name, link="bazu-kito")
        caller.hears("error", code="bad_name")
        row = does(tmp_path, "link", to=name)
        assert not row["new"]
        caller.greets(name, link=row["code"])
        assert caller.hears("welcome")["user"] == name


def test_unknown_name(server: ThreadServer, data: Path) -> None:
    """A name that nobody has is refused: it may be misspelt."""
    joined(server, "eve").hang_up()
    assert answers(data, "link", to="evee")["names"] == ["eve"]


def test_two_who_prove_at_the_same_time(server: ThreadServer) -> None:
    """One gets the name and stays: the other one's request would have ended their key, but is refused."""
    with server.joined("alice"), server.connect() as one, server.connect() as other:
        code = does(server.data, "link", to="alice")["code"]
        proofs = [challenged(caller, key_of(seed), code) for caller, seed in ((one, "one"), (other, "other"))]
        both_sent = threading.Event()
        server.loop.call_soon_threadsafe(both_sent.wait)
        for caller, signature in zip((one, other), proofs, strict=True):
            caller.says("prove", signature=signature)
        both_sent.set()
        outcomes = {(frame["t"], frame.get("code")) for frame in map(Caller.next, (one, other)) if frame}
        assert outcomes == {("welcome", None), ("error", "bad_code")}


def challenged(caller: Caller, key: TestKey, code: str) -> str:
    """Ask for the name with a code, and return the proof."""
    caller.says("hello", version=1, user="alice", purpose="listen", key=key_text(key.public), link=code)
    challenge = caller.hears("challenge")
    nonce = key_bytes(challenge["nonce"], 32)
    claim = Claim(
        version=1, server_key=challenge["key"], nonce=nonce, user="alice", purpose="listen", channel=caller.channel
    )
    return key_text(key.sign(signed_bytes(claim)))
