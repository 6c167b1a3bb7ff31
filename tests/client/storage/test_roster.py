"""The local roster: its content, and its robustness."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from chatcli.client.storage import cache, roster
from chatcli.client.storage.roster_observer import RosterObserver
from chatcli.protocol.frames import Limits, People, Person, RoomInfo, RoomList, Welcome
from chatcli.protocol.values.address import Address

SERVER = Address("chat.example", 7)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory for this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "chatcli"


def noted(**people: str) -> roster.Roster:
    """Add people, and return the roster's content."""

    def saw(known: roster.Roster) -> None:
        for name, where in people.items():
            known.add_person(name, where)

    roster.update(SERVER, "alice", saw)
    return roster.load(SERVER, "alice")


def test_round_trip(state: Path) -> None:
    """A private text file for each server and user, in any spelling."""
    noted(bob="here", carol="away")
    roster.update(SERVER, "Alice", lambda known: known.add_room("#ops"))
    known = roster.load(SERVER, "ALICE")
    assert [(one.name, one.state) for one in known.people()] == [("carol", "away"), ("bob", "here")]
    assert [room.name for room in known.rooms()] == ["#ops"]
    assert roster.load(SERVER, "bob").people() == roster.load(Address("chat.example", 8), "alice").people() == []
    (path,) = (state / "roster").iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("alice@chat.example:7", 0o600)
    assert cache.entries_of("roster") == [("chat.example:7", "alice")]


def test_last_place() -> None:
    """A user who is missing from a list has left; a name without a place changes nothing."""
    noted(bob="here", carol="here")

    def carol_is_here(known: roster.Roster) -> None:
        known.set_present(["Carol"])
        known.add_person("carol")

    roster.update(SERVER, "alice", carol_is_here)
    states = {one.name: one.state for one in roster.load(SERVER, "alice").people()}
    assert states == {"bob": "gone", "carol": "here"}


def test_most_recent_people() -> None:
    """The number of people is bounded."""
    noted(**{f"p{n}": "here" for n in range(roster.MAX_PEOPLE + 5)})
    people = roster.load(SERVER, "alice").people()
    assert len(people) == roster.MAX_PEOPLE
    assert people[0].name == f"p{roster.MAX_PEOPLE + 4}"


def test_own_rooms_are_kept() -> None:
    """A thousand other rooms displace none of them, and the file stays small."""
    observer = RosterObserver(SERVER, "alice")
    observer.receive(Welcome("alice", 0, 0, "", Limits(1, 1, 1), rooms=["#mine"]))
    observer.receive(RoomList([RoomInfo(f"#r{n}", "open", 1) for n in range(1000)], False))
    observer.receive(People([Person(f"p{n}", 0) for n in range(2000)], count=2000))
    observer.store()
    known = roster.load(SERVER, "alice")
    assert known.rooms()[0].name == "#mine"
    assert len(known.rooms()) + len(known.people()) <= 500


@pytest.mark.parametrize("name", ["", "a\tb", "a\nb", "a b", "a\x1b[2J", "a:b", "a,b", "a\u202eb", "#", "\u200b"])
def test_impossible_names(name: str) -> None:
    """They are ignored, from a server and from the file."""
    known = noted(**{name: "here"})
    known.add_room(f"#{name}")
    assert known.people() == known.rooms() == []
    known = roster.Roster(f"@{name}\there\t1\n#{name}\t\t1\n")
    assert {one.name for one in (*known.people(), *known.rooms())} <= {"a", "#a"}  # the part before a tab


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"@bob\n@\t\t\nasked\t\tx\n@eve\tnowhere\t99999999999999999999\n"])
def test_damaged_file(state: Path, damage: bytes) -> None:
    """Readable lines are used, and the next command writes a whole file."""
    noted()
    (state / "roster" / "alice@chat.example:7").write_bytes(damage)
    assert "bob" in {one.name for one in noted(bob="here").people()}
    assert (state / "roster" / "alice@chat.example:7").read_text().startswith("asked\t\t0\n")


def test_concurrent_writers(state: Path) -> None:
    """The file is whole, and no temporary file is left."""
    threads = [threading.Thread(target=noted, kwargs={f"p{n}": "here"}) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert roster.load(SERVER, "alice").people()
    assert [path.name for path in (state / "roster").iterdir()] == ["alice@chat.example:7"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", ["alice@chat.example:7", ".new"])
def test_not_a_regular_file(state: Path, make: Callable[[Path], None], name: str) -> None:
    """A pipe, which would block for ever, is ignored."""
    noted()
    (state / "roster" / name).unlink(missing_ok=True)
    make(state / "roster" / name)
    known = noted(bob="here")
    assert bool(known.people()) == (make is os.mkfifo)  # a directory is not replaced
    assert [place[1] for place in cache.entries_of("roster")] == ["alice"]


def test_unwritable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised, because the roster is a side effect."""
    (tmp_path / "chatcli").write_text("a file in the way")
    assert noted(bob="here").people() == []
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "nowhere")
    assert noted(bob="here").people() == []
    assert cache.entries_of("roster") == []


def test_file_names(state: Path) -> None:
    """For any names the file is in the directory, and no two share one."""
    names = ["../../x", ".x", "a%2fb", "a/b", "ä" * 32, "x" * 300, "x" * 301]
    for name in names:
        roster.update(SERVER, name, lambda known: known.add_person("bob", "here"))
    assert len(list((state / "roster").iterdir())) == len(names)
    assert {user for _, user in cache.entries_of("roster")} >= {"../../x", ".x", "a%2fb", "a/b", "ä" * 32}
