"""Unread counts that follow the server's, whatever was read where."""

from __future__ import annotations

from chatcli.client.reading.unread_counts import UnreadCounts


def counts(cursor: int = 10) -> UnreadCounts:
    """Return the counts of a client to which everything after ``cursor`` has come, as they are asked for."""
    counts = UnreadCounts()
    counts.connected(cursor)
    counts.welcomed(5, {"#ops": 8})
    counts.asked()
    counts.live = True
    return counts


def test_messages_that_come() -> None:
    """Each counts once, after the position of its conversation; mentions count apart."""
    some = counts()
    for seq in (11, 12, 12):
        some.add("Bob", seq)
    some.add("#ops", 13, mention=True)
    assert (some.unread("bob"), some.unread("#OPS"), some.mentions("#ops"), some.unread("cid")) == (2, 1, 1, 0)


def test_the_server_counts_what_came_before() -> None:
    """Its count holds up to its newest message; what has come since is added, in whatever order the two come."""
    some = counts()
    some.add("bob", 12)
    some.counted("bob", unread=4, mentions=0, read=5, upto=12)
    some.add("bob", 13)
    assert some.unread("bob") == 5
    assert some.unshown("bob") == 3
    some.move("bob", 13)
    assert (some.unread("bob"), some.unshown("bob"), some.is_outdated) == (0, 0, False)


def test_read_on_another_device() -> None:
    """Known messages are counted here; the message and the notice may come in either order."""
    some = counts()
    for seq in range(11, 15):
        some.add("bob", seq)
    some.move("bob", 13)
    assert some.unread("bob") == 1
    some.move("bob", 20)
    some.add("bob", 19)
    assert some.unread("bob") == 0
    some.add("bob", 21)
    some.move("bob", 12)  # marked as unread
    assert (some.unread("bob"), some.is_outdated) == (4, False)


def test_unknown_places_are_counted_by_the_server() -> None:
    """Until its answer comes, the count is an estimate."""
    some = counts()
    some.counted("bob", unread=4, mentions=2, read=5, upto=9)
    some.add("bob", 11)
    some.move("bob", 7)
    assert some.is_outdated
    some.asked()
    some.counted("bob", unread=3, mentions=1, read=7, upto=11)
    assert (some.unread("bob"), some.mentions("bob"), some.is_outdated) == (3, 1, False)
    some.move("bob", 11)
    some.move("bob", 6)
    assert (some.unread("bob"), some.is_outdated) == (1, True)


def test_a_count_from_before_the_move() -> None:
    """A count that may not know of a later position is not believed."""
    some = counts()
    some.counted("bob", unread=4, mentions=0, read=5, upto=9)
    some.asked()
    some.move("bob", 9)
    some.counted("bob", unread=4, mentions=0, read=5, upto=9)
    assert (some.unread("bob"), some.is_outdated) == (0, False)
    some.asked()
    some.move("bob", 6)
    some.asked()
    some.move("bob", 7)
    some.counted("bob", unread=3, mentions=0, read=7, upto=9)
    assert some.is_outdated


def test_all_conversations_read() -> None:
    """A notice without a conversation moves those behind it, and is the position of new ones."""
    some = counts()
    some.add("bob", 11)
    some.add("cid", 14)
    some.move_all(12)
    assert (some.unread("bob"), some.unread("cid"), some.position("dan")) == (0, 1, 12)


def test_settled_questions() -> None:
    """They need no reading; if the question is not known here, the server is asked."""
    some = counts()
    some.add("bob", 11)
    some.counted("bob", unread=1, mentions=0, read=5, upto=11)
    some.settle(11)
    assert (some.unread("bob"), some.is_outdated) == (0, False)
    some.counted("bob", unread=2, mentions=0, read=5, upto=11)
    some.settle(7)
    assert some.is_outdated


def test_left_out_messages_were_told_of() -> None:
    """Messages that the server has left out are unread, but the user knows of them."""
    some = counts()
    some.left_out("#ops", 100)
    some.add("#ops", 101)
    some.counted("#ops", unread=91, mentions=0, read=8, upto=101)
    assert (some.unread("#ops"), some.unshown("#ops")) == (91, 0)
    some.counted("bob", unread=3, mentions=0, read=5, upto=9)
    assert some.unshown("bob") == 3
    some.showed("bob")
    assert some.unshown("bob") == 0


def test_positions_of_a_later_connection() -> None:
    """Positions that moved elsewhere meanwhile count, forward and back."""
    some = counts()
    for seq in (11, 12, 13):
        some.add("bob", seq)
        some.add("cid", seq + 10)
    some.move("cid", 23)
    some.connected(23)
    some.welcomed(5, {"bob": 12, "cid": 21})
    assert (some.unread("bob"), some.unread("cid")) == (1, 2)


def test_memory_is_bounded() -> None:
    """Of very many messages the number is known, up to that at which the server stops."""
    some = counts()
    for seq in range(11, 3011):
        some.add("bob", seq)
    assert some.unread("bob") == 1000
    some.move("bob", 3005)
    assert some.unread("bob") == 5
