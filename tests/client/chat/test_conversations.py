"""Which conversation is open, and what is unread in the others."""

from __future__ import annotations

from chatcli.client.chat.conversations import Conversations


def test_the_most_recent_conversation_comes_first() -> None:
    """Switching to one and hearing from one both count; a name is the same however it is written."""
    conversations = Conversations()
    for name in ("bob", "#ops", "cid"):
        conversations.switch(name)
    conversations.add_unread("bob", 5)
    conversations.switch("#OPS")
    assert conversations.ordered() == ["#ops", "bob", "cid"]
    assert conversations.current == "#ops"


def test_numbers_stay_whatever_comes() -> None:
    """A conversation keeps its number while messages come in others; only one that is gone makes room."""
    conversations = Conversations()
    for name in ("#ops", "bob", "cid"):
        conversations.switch(name)
    conversations.add_unread("#ops", 1)
    conversations.switch("BOB")
    assert conversations.numbered() == ["#ops", "bob", "cid"]
    conversations.forget("#ops")
    assert conversations.numbered() == ["bob", "cid"]


def test_going_back_swaps_two_conversations() -> None:
    """The one before is the one that was open last; without one, nothing happens."""
    conversations = Conversations()
    assert not conversations.back()
    conversations.switch("bob")
    conversations.switch("#ops")
    assert (conversations.back(), conversations.current) == (True, "bob")
    assert (conversations.back(), conversations.current) == (True, "#ops")


def test_a_conversation_that_is_gone_leaves_none_open() -> None:
    """What the user was about to say must not go to another one; that is one word away."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.switch("#ops")
    conversations.forget("#OPS")
    assert (conversations.current, conversations.ordered()) == ("", ["bob"])
    assert (conversations.back(), conversations.current) == (True, "bob")


def test_unread_messages_are_counted_until_the_user_looks() -> None:
    """Those in the open conversation are not; those in a quiet one are, but not in the sum."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.muted.add("#ops")
    for seq, name in enumerate(("bob", "#Ops", "#Ops", "cid"), 1):
        conversations.add_unread(name, seq)
    assert conversations.unread == {"#Ops": 2, "cid": 1}
    assert conversations.count_unread() == 1
    conversations.switch("#ops")
    assert conversations.unread == {"cid": 1}


def test_what_was_read_on_another_device_is_not_unread() -> None:
    """It does not matter which of the two came first, the message or the word that it was read."""
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


def test_memory_stays_flat() -> None:
    """Of many conversations the oldest are forgotten, but never the open one; of many messages the number stays."""
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


def test_the_spelling_of_a_name_is_taken_from_its_owner() -> None:
    """Whoever wrote to bob before Bob was heard of has one conversation and one draft with him."""
    conversations = Conversations()
    conversations.switch("bob")
    conversations.drafts["bob"] = "half"
    conversations.respell("Bob")
    assert (conversations.current, conversations.ordered(), conversations.drafts) == ("Bob", ["Bob"], {"Bob": "half"})
