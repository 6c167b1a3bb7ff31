"""Throttling of notices: the first change at once, then the newest, once a second."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatcli.server.throttle import Throttle
from tests.support import Caller, ThreadServer


class Clock:
    """Runs delayed callables when the test lets time pass."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, _seconds: float, function: Callable[[], None]) -> None:
        """Schedule a callback."""
        self.waiting.append(function)

    def ring(self) -> None:
        """Let a second pass."""
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


def test_first_change_at_once_then_the_newest() -> None:
    """Changes in between are skipped, and an unchanged state is not reported again."""
    clock, told = Clock(), []
    throttle = Throttle(clock.later)

    def tell(thing: str, state: int) -> int:
        def say() -> int:
            told.append((thing, state))
            return 5

        return throttle.submit(thing, state, say)

    assert tell("a", 1) == 5
    assert [tell("a", state) for state in (2, 3, 4)] == [0, 0, 0]
    assert tell("b", 1) == 5
    clock.ring()
    assert told == [("a", 1), ("b", 1), ("a", 4)]
    assert tell("a", 5) == 0
    assert tell("a", 4) == 0
    clock.ring()
    assert told[3:] == []
    assert tell("a", 5) == 5
    clock.ring()
    clock.ring()
    assert clock.waiting == []


@pytest.mark.usefixtures("brisk")
def test_many_topics_at_once(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Others get the first of twenty changes and the last; each change is answered."""
    for caller in (alice, bob):
        caller.enters("#ops")
    for number in range(20):
        alice.says("topic", room="#ops", text=f"topic {number}", n=number + 1)
    assert [alice.hears("done")["n"] for _ in range(20)] == list(range(1, 21))
    assert bob.hears("happened", what="topic")["text"] == "topic 0"
    assert bob.hears("happened", what="topic")["text"] == "topic 19"
    assert bob.asks("rooms", room="#ops")["rooms"][0]["topic"] == "topic 19"


@pytest.mark.usefixtures("brisk")
def test_leaving_and_returning_at_once(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Of ten times others get the first change, and the final state."""
    bob.enters("#ops")
    alice.enters("#ops")
    bob.hears("happened", what="joined", user="alice")
    for number in range(10):
        alice.says("leave", room="#ops", n=2 * number + 1)
        alice.says("join", room="#ops", n=2 * number + 2)
    for _ in range(10):
        alice.hears("done")
        alice.hears("room")
    alice.asks("leave", room="#ops")
    bob.hears("happened", what="left", user="alice")


@pytest.mark.usefixtures("brisk")
def test_presence_that_flaps(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Others get the first state and the last, one change a second."""
    for caller in (alice, bob):
        caller.enters("#ops")
    alice.says("away", text="0", n=1)
    while (frame := bob.hears("presence")).get("away") is None:
        pass
    assert frame["away"][0]["text"] == "0"
    for number in range(1, 10):
        alice.says("away", text=f"{number}", n=1)
    assert [person["text"] for person in bob.hears("presence")["away"]] == ["9"]
