"""The open conversation, and the list of all."""

from __future__ import annotations

from msgspec.structs import replace

from chatcli.client.chat.conversations import Conversations
from chatcli.protocol.frames import ConversationInfo, Message


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
    conversations.close("#ops")
    assert conversations.numbered() == ["bob", "cid"]
    assert [conversations.number(name) for name in ("#ops", "bob", "cid")] == [0, 2, 3]
    assert conversations.numbered_as(1) == ""
    conversations.switch("dan")
    assert conversations.numbered_as(1) == "dan"


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
    assert conversations.unread["p1999"] == 1000


def test_owner_spelling() -> None:
    """Conversation and draft stay the same when the owner's spelling becomes known."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.drafts["bob"] = "half"
    conversations.respell("Bob")
    assert (conversations.current, conversations.ordered(), conversations.drafts) == ("Bob", ["Bob"], {"Bob": "half"})


def test_list_of_the_server() -> None:
    """It comes before what is known here, in its order; a conversation with unread messages has a number."""
    conversations = Conversations()
    conversations.add_unread("bob", 30)
    last = Message(20, "x", "cid", "alice", "hi", 1)
    conversations.add_listed(
        [ConversationInfo("cid", last, 2, 0, 18), ConversationInfo("#ops", replace(last, seq=10, to="#ops"), 0, 0, 10)]
    )
    assert conversations.ordered() == ["bob", "cid", "#ops"]
    assert conversations.numbered() == ["bob", "cid"]
    assert [(one.name, one.unread, one.last) for one in conversations.listed()][1] == ("cid", 2, last)


def test_closed_until_something_comes() -> None:
    """A conversation closed in an earlier visit stays closed, unless a message has come since."""
    conversations = Conversations()
    conversations.closed = {"cid": 20, "dan": 20}
    last = Message(20, "x", "cid", "alice", "hi", 1)
    conversations.add_listed(
        [
            ConversationInfo("dan", replace(last, seq=21, sender="dan"), 1, 0, 20),
            ConversationInfo("cid", last, 1, 0, 18),
        ]
    )
    assert (conversations.ordered(), conversations.numbered()) == (["dan"], ["dan"])
    conversations.switch("cid")
    assert not conversations.closed
