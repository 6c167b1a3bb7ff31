"""The open conversation, and unread counts of the others."""

from __future__ import annotations

from chatcli.client.chat.conversations import Conversations


def test_most_recent_first() -> None:
    """Opening a conversation and a message in it both count; the spelling of a name does not matter."""
    conversations = Conversations()
    for name in ("bob", "#ops", "cid"):
        conversations.switch(name)
    conversations.add_unread("bob", 5)
    conversations.switch("#OPS")
    assert conversations.ordered() == ["#ops", "bob", "cid"]
    assert conversations.current == "#ops"


def test_numbers_are_stable() -> None:
    """A conversation keeps its number; only a removed one frees its own."""
    conversations = Conversations()
    for name in ("#ops", "bob", "cid"):
        conversations.switch(name)
    conversations.add_unread("#ops", 1)
    conversations.switch("BOB")
    assert conversations.numbered() == ["#ops", "bob", "cid"]
    conversations.forget("#ops")
    assert conversations.numbered() == ["bob", "cid"]


def test_going_back() -> None:
    """Going back swaps the last two open conversations; without a previous one nothing happens."""
    conversations = Conversations()
    assert not conversations.back()
    conversations.switch("bob")
    conversations.switch("#ops")
    assert (conversations.back(), conversations.current) == (True, "bob")
    assert (conversations.back(), conversations.current) == (True, "#ops")


def test_removed_conversation() -> None:
    """No other conversation opens in its place; the previous one is one command away."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.switch("#ops")
    conversations.forget("#OPS")
    assert (conversations.current, conversations.ordered()) == ("", ["bob"])
    assert (conversations.back(), conversations.current) == (True, "bob")


def test_unread_counts() -> None:
    """The open conversation is not counted; a quiet one is, but not in the sum."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.muted.add("#ops")
    for seq, name in enumerate(("bob", "#Ops", "#Ops", "cid"), 1):
        conversations.add_unread(name, seq)
    assert conversations.unread == {"#Ops": 2, "cid": 1}
    assert conversations.count_unread() == 1
    conversations.switch("#ops")
    assert conversations.unread == {"cid": 1}


def test_read_on_another_device() -> None:
    """The message and the notice that it was read may come in either order."""
    conversations = Conversations()
    for seq in range(1, 5):
        conversations.add_unread("bob", seq)
    conversations.read_up_to(3)
    assert conversations.unread == {"bob": 1}
    conversations.read_up_to(6)
    conversations.add_unread("bob", 5)
    assert conversations.unread == {}
    conversations.add_unread("bob", 7)
    assert conversations.unread == {"bob": 1}


def test_memory_is_bounded() -> None:
    """The oldest conversations are forgotten, but never the open one; the numbers are kept."""
    conversations = Conversations()
    conversations.switch("bob")
    for number in range(2000):
        conversations.add_unread(f"p{number}", number + 1)
    assert len(conversations.ordered()) == 500
    assert "bob" in conversations.ordered()
    assert len(conversations.unread) == 499
    for number in range(5000):
        conversations.add_unread("p1999", 2001 + number)
    assert conversations.unread["p1999"] == 5001


def test_owner_spelling() -> None:
    """Conversation and draft stay the same when the owner's spelling becomes known."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.drafts["bob"] = "half"
    conversations.respell("Bob")
    assert (conversations.current, conversations.ordered(), conversations.drafts) == ("Bob", ["Bob"], {"Bob": "half"})
