"""The messages that a listener gets."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.client.feed.filter import MessageFilter
from chatcli.protocol.frames import Message
from tests.support import new_id


def message(seq: int, sender: str, to: str, text: str = "hi", re: int | None = None) -> Message:
    """Return a message."""
    return Message(seq=seq, id=new_id(), sender=sender, to=to, text=text, at=1, re=re)


def mentions_of(*messages: Message, user: str = "Ann") -> list[int]:
    """Return the messages that are for a user."""
    only_mentions = MessageFilter((), (), (), mentions=True)
    return [one.seq for one in messages if only_mentions.accepts(one, user)]


def accepts(sender: str, to: str, *, sources: Sequence[str] = (), senders: Sequence[str] = ()) -> bool:
    """Return whether Ann's listener gets a message."""
    return MessageFilter(sources, senders, (), mentions=False).accepts(message(1, sender, to), "Ann")


def test_sources() -> None:
    """Names of users and rooms are compared without case."""
    assert accepts("Bob", "#ops", sources=["bob"])
    assert accepts("Carol", "#OPS", sources=["bob", "#ops"])
    assert not accepts("Carol", "Ann", sources=["bob", "#ops"])
    assert not accepts("Carol", "#ops", sources=["#ops"], senders=["bob"])


def test_places() -> None:
    """Bob's messages in a room are not in the conversation with Bob."""
    place = MessageFilter((), (), ["Bob"], mentions=False)
    assert place.accepts(message(1, "Bob", "Ann"), "Ann")
    assert not place.accepts(message(1, "Bob", "#ops"), "Ann")


def test_mentions() -> None:
    """Direct messages, answers to the user's messages and the user's name are mentions."""
    said = message(1, "Ann", "#ops")
    answer = message(2, "Bob", "#ops", re=1)
    other = message(3, "Bob", "#ops", re=2)
    assert mentions_of(said, answer, other) == [2]
    assert mentions_of(message(1, "Bob", "#ops", "ann: look"), message(2, "Bob", "Ann")) == [1, 2]


def test_key_of_a_filter() -> None:
    """Neither the order nor the case of names matters."""
    one = MessageFilter(["Bob", "#ops"], ["c"], (), mentions=True)
    other = MessageFilter(["#OPS", "bob", "Bob"], ["C"], (), mentions=True)
    assert one.key() == other.key() == ("of #ops", "of bob", "from c", "mentions")
