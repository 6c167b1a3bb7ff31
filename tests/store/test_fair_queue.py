"""The fair queue: no user waits for all that another has queued."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatcli.store.fair_queue import FairQueue


def test_many_items_of_one_user() -> None:
    """Of one user with a hundred items and two with one each, these two are served second and third."""
    queue: FairQueue[str] = FairQueue(1)
    for number in range(100):
        queue.put(1, f"much {number}")
    assert queue.get() == (1, "much 0")
    queue.put(2, "one")
    queue.put(3, "other")
    queue.finish(1, 5.0)
    served = []
    for _ in range(3):
        found = queue.get()
        assert found is not None
        served.append(found[1])
        queue.finish(found[0], 0.1)
    assert served == ["one", "other", "much 1"]


def test_limit() -> None:
    """There is room for others even if a user has many items waiting."""
    queue: FairQueue[str] = FairQueue(1)
    queue.put(1, "a")
    queue.put(1, "b")
    assert queue.get() == (1, "a")
    assert queue.get() is None
    assert queue.waiting(1) == len(queue) == 1
    queue.put(2, "c")
    assert queue.get() == (2, "c")
    queue.finish(1, 1.0)
    assert queue.get() == (1, "b")


def test_no_saved_time() -> None:
    """A user who was away is not served before all others."""
    queue: FairQueue[int] = FairQueue(1)
    for number in range(10):
        queue.put(1, number)
        found = queue.get()
        assert found is not None
        queue.finish(1, 1.0)
    for number in range(4):
        queue.put(1, number)
        queue.put(2, number)
    order = []
    while (found := queue.get()) is not None:
        order.append(found[0])
        queue.finish(found[0], 1.0)
    assert sorted(order[:4]) == [1, 1, 2, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 10)), max_size=60), st.integers(1, 3))
def test_random_use(asked: list[tuple[int, float]], most: int) -> None:
    """Every item comes out once, a user's own in order, and never more at once than the limit."""
    queue: FairQueue[int] = FairQueue(most)
    for number, (person, _) in enumerate(asked):
        queue.put(person, number)
    running: list[tuple[int, int]] = []
    got: list[tuple[int, int]] = []
    while True:
        found = queue.get()
        if found is not None:
            running.append(found)
            got.append(found)
            assert sum(person == found[0] for person, _ in running) <= most
        elif running:
            person, number = running.pop(0)
            queue.finish(person, asked[number][1])
        else:
            break
    assert sorted(number for _, number in got) == list(range(len(asked)))
    for person in range(4):
        mine = [number for one, number in got if one == person]
        assert mine == sorted(mine)


def test_clear() -> None:
    """No item is served after that."""
    queue: FairQueue[str] = FairQueue(1)
    queue.put(1, "a")
    queue.put(2, "b")
    assert queue.clear() == ["a", "b"]
    assert queue.get() is None
