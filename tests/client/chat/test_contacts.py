"""Members of open rooms, and their presence."""

from __future__ import annotations

import pytest

from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.conversations import Conversations
from chatcli.protocol import frames as f


@pytest.fixture
def contacts() -> Contacts:
    """Alice's contacts, which are empty."""
    return Contacts("alice", Conversations())


def listed(*people: tuple[str, f.Where], count: int = 0) -> f.People:
    """Return the server's answer with a room's members."""
    return f.People([f.Person(user, 0, state) for user, state in people], "#Ops", count)


def test_presence_of_a_room(contacts: Contacts) -> None:
    """The number follows the list, and later notices of presence and membership."""
    assert contacts.count_here("#ops") is None
    contacts.list_people(listed(("alice", "here"), ("bob", "away"), ("carol", "gone")))
    assert contacts.count_here("#ops") == 2
    contacts.update_presence(f.Presence(here=["carol", "stranger"], gone=["bob"]))
    assert contacts.count_here("#ops") == 2
    contacts.update_presence(f.Presence(away=[f.Person("bob", 0, "away", "tea")]))
    assert contacts.count_here("#ops") == 3
    contacts.add_member("dora", "#ops", entered=True)
    contacts.remove_member("bob", "#ops")
    assert contacts.count_here("#OPS") == 3
    contacts.add_member("eve", "#other", entered=True)
    contacts.remove_member("eve", "#other")
    assert contacts.count_here("#other") is None
    contacts.reconnected()
    assert contacts.count_here("#ops") is None


def test_crowded_room(contacts: Contacts) -> None:
    """For a room with more members than the server names, only the members are counted."""
    contacts.list_people(listed(("alice", "here"), ("bob", "gone"), count=4000))
    assert (contacts.count_here("#ops"), contacts.count_members("#ops")) == (None, 4000)


def test_list_of_everyone(contacts: Contacts) -> None:
    """The answer to a bare ``who`` belongs to no room."""
    contacts.list_people(f.People([f.Person("alice", 0)]))
    assert contacts.count_here("") is None


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("bbo", "bob"),
        ("bo", ""),
        ("boob", "bob"),
        ("bab", "bob"),
        ("BOBB", "bob"),
        ("bob", ""),
        ("robreta", "Roberta"),
        ("note", ""),
        ("oberta", "Roberta"),
        ("robert", "Roberta"),
        ("robe", ""),
    ],
)
def test_misspellings(contacts: Contacts, written: str, known: str) -> None:
    """One letter added, missing or changed, or two swapped, is a misspelling; very short names are not."""
    contacts.add_people("bob", "Roberta")
    assert contacts.resembling(written) == known
