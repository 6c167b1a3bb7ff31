"""The file of changes that the user has yet to confirm."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.client.names.store import KIND, UnconfirmedFile
from chatcli.client.names.unconfirmed import Unconfirmed
from chatcli.protocol.epochs import KnownLogs
from chatcli.protocol.frames import Limits, NameChange, Welcome
from chatcli.protocol.values.address import Address

SERVER = Address("127.0.0.1", 8080)
CAROL = NameChange("Carol", "taken", 1, 5)
DAVE = NameChange("dave", "released", 2, 6, "operator")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of the client's state."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def restored(user: str = "alice") -> tuple[UnconfirmedFile, Unconfirmed]:
    """Return the file and its content."""
    file, names = UnconfirmedFile(SERVER, user), Unconfirmed()
    file.restore(names)
    return file, names


def test_kept() -> None:
    """Changes are there the next time, for the same user and server, until they are confirmed."""
    file, names = restored()
    assert (names.told, names.all()) == (None, {})
    names.add_all([CAROL, DAVE])
    file.save(names)
    again, names = restored("Alice")
    assert (names.told, list(names.all().values())) == (6, [CAROL, DAVE])
    assert restored("bob")[1].all() == {}
    names.confirm(CAROL)
    again.save(names)
    assert list(restored()[1].all().values()) == [DAVE]
    names.confirm(DAVE)
    again.save(names)
    assert (restored()[1].told, restored()[1].all()) == (6, {})


def test_two_clients() -> None:
    """Each leaves alone what only the other knows."""
    (one, first), (two, second) = restored(), restored()
    first.add(CAROL)
    one.save(first)
    second.add(DAVE)
    two.save(second)
    first.confirm(CAROL)
    one.save(first)
    assert list(restored()[1].all().values()) == [DAVE]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"changes":[{"t":"renewed"}]}', "[" * 100_000, "\0"])
def test_damaged_file(state: Path, text: str) -> None:
    """A damaged file is like none."""
    file, names = restored()
    names.add(CAROL)
    file.save(names)
    (path,) = (state / "chatcli" / KIND).glob("alice*")
    path.write_text(text)
    file, names = restored()
    assert names.all() == {}
    names.add(DAVE)
    file.save(names)
    assert list(restored()[1].all().values()) == [DAVE]


def test_newest_change_counts() -> None:
    """Of a name the newest change counts, keys alone do not, and a confirmed one is gone."""
    names = Unconfirmed()
    newer = NameChange("carol", "taken", 1, 9)
    names.add_all([CAROL, newer, CAROL, NameChange("carol", "key", 1, 10), DAVE])
    assert names.find("CAROL") == newer
    names.confirm(CAROL)
    assert names.find("carol") == newer
    names.confirm(newer)
    assert (names.find("carol"), names.all()) == (None, {"dave": DAVE})


def test_many_names() -> None:
    """The number of names is bounded; the oldest are dropped."""
    names = Unconfirmed()
    names.add_all(NameChange(f"user{number}", "released", 1, number + 1) for number in range(1001))
    assert (names.find("user0"), len(names.all())) == (None, 1000)


def test_restored_log() -> None:
    """In a log that went back, a change under a number that the client has seen is a new one."""
    names = Unconfirmed()
    names.epoch = "before"
    names.add(NameChange("bob", "taken", 1, 9))
    logs = KnownLogs("before")
    logs.welcomed(Welcome("alice", 8, 5, "s", Limits(1, 1, 1), epoch="after", shared=5), "before")
    names.fit(logs)
    assert (names.told, names.epoch) == (5, "after")
    names.add(NameChange("bob", "released", 2, 7))
    assert [change.what for change in names.all().values()] == ["released"]
