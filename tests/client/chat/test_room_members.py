"""Who is in the rooms that the user looks at."""

from __future__ import annotations

from chatcli.client.chat.room_members import Company
from chatcli.protocol import frames as f


def listed(*people: tuple[str, f.Where], count: int = 0) -> f.People:
    """Return what the server says of a room's members."""
    return f.People([f.Person(user, 0, state) for user, state in people], "#Ops", count)


def test_those_who_are_here_are_counted() -> None:
    """From the list on, by what is told of coming and going, entering and leaving."""
    company = Company()
    assert company.here("#ops") is None
    company.heard([listed(("alice", "here"), ("bob", "away"), ("carol", "gone"))])
    assert company.here("#ops") == 2
    company.heard([f.Presence(here=["carol", "stranger"], gone=["bob"])])
    assert company.here("#ops") == 2
    company.heard([f.Presence(away=[f.Person("bob", 0, "away", "tea")])])
    assert company.here("#ops") == 3
    company.heard([f.Happened("#ops", "joined", "dora"), f.Happened("#ops", "kicked", "bob", "alice")])
    assert company.here("#OPS") == 3
    company.heard([f.Happened("#other", "joined", "eve"), f.Happened("#other", "left", "eve")])
    assert company.here("#other") is None
    company.reconnected()
    assert company.here("#ops") is None


def test_of_a_crowd_the_members_are_counted() -> None:
    """Who is here is not known of a room with more members than the server names."""
    company = Company()
    company.heard([listed(("alice", "here"), ("bob", "gone"), count=4000)])
    assert (company.here("#ops"), company.members("#ops")) == (None, 4000)


def test_a_list_of_everyone_is_of_no_room() -> None:
    """What ``who`` alone answers is no room's."""
    company = Company()
    company.heard([f.People([f.Person("alice", 0)])])
    assert company.here("") is None
