"""Long work in slices, with other connections served in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chatcli.server import slices
from chatcli.server.feed import EndedFeeds, Feed
from tests.support import Caller, ThreadServer, eventually, known


class Loop:
    """Runs delayed callbacks, one tick at a time."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Schedule a callback for the next tick."""
        assert seconds == 0
        self.waiting.append(function)

    def turn(self) -> None:
        """Run the waiting callbacks, but not their new ones."""
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


def test_work_in_several_ticks() -> None:
    """The first part is done at once, and each further one in a tick of its own."""
    loop, done = Loop(), []

    def work() -> Iterator[None]:
        for number in range(3):
            done.append(number)
            yield

    slices.run(loop.later, work())
    assert done == [0]
    for expected in ([0, 1], [0, 1, 2], [0, 1, 2]):
        loop.turn()
        assert done == expected
    assert loop.waiting == []


def test_portions() -> None:
    """All but the last have the same size, nothing is left out, and no items give no portion."""
    assert list(slices.portions(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(slices.portions([], 3)) == []


def test_items_are_sorted_across_slices() -> None:
    """They come in order, equal ones as they were, no more at once than a slice."""
    given = [(5, "a"), (1, "b"), (5, "c"), (3, "d"), (1, "e"), (2, "f"), (4, "g")]
    portions: list[list[tuple[int, str]]] = []
    pauses = sum(1 for _ in slices.in_order(given, lambda item: item[0], 3, portions.append))
    assert [item for portion in portions for item in portion] == sorted(given, key=lambda item: item[0])
    assert [len(portion) for portion in portions] == [3, 3, 1]
    assert pauses == 6


def test_ended_feeds_leave_rooms_in_slices(server: ThreadServer, alice: Caller) -> None:
    """A few feeds in each tick, until no room has any of them."""
    for number in range(30):
        alice.enters(f"#r{number}")

    def gone() -> tuple[int, int]:
        user = known(server, "alice")
        (feed,) = user.feeds
        loop, room = Loop(), user.rooms[0]
        ended = EndedFeeds(loop.later)
        feeds = [
            Feed(feed.connection, user, server.hub._feed_source, position=0, unread_only=False) for _ in range(100)
        ]
        for one in feeds:
            one.listening = True
            for where in user.rooms:
                where.feeds[one] = None
        for one in feeds:
            assert one.end()
            ended.add(one, user.rooms)
        counts = [len(room.feeds)]
        while loop.waiting:
            loop.turn()
            counts.append(len(room.feeds))
        return len(counts), sum(len(where.feeds) for where in user.rooms)

    turns, left = server.run(gone)
    assert turns > 3
    assert left == 30  # alice's own


def test_rooms_drop_ended_feeds(server: ThreadServer, alice: Caller) -> None:
    """Messages go to the members who are still connected."""
    with server.joined("bob") as bob:
        for caller in (alice, bob):
            caller.enters("#ops")
        room = server.run(lambda: known(server, "alice").rooms[0])
        assert server.run(lambda: len(room.feeds)) == 2
    eventually(lambda: server.run(lambda: len(room.feeds) == 1))
    alice.sends("#ops", "who is here?")
    assert alice.hears("sent")["outcome"] == "stored"
