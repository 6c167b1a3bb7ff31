"""Makes a stream of batches from a seed: every kind of record, in friendly and hostile orders."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from itertools import accumulate
from typing import Final

from chatcli.store.batch import Batch, Change, Entry, Outcome, ignore
from chatcli.store.records import AddKey, Claim, ReadRecord, Release
from tests.store.recorded.scenes import messages, people, rooms
from tests.store.recorded.scenes.world import LATEST, NOBODY, Item, Scene, World

#: How often each kind of scene begins.
_SCENES: Final[dict[Callable[[World], Scene], int]] = {
    people.newcomers: 14,
    people.rivals: 4,
    people.namesakes: 9,
    people.invited: 4,
    people.recovering: 7,
    people.devices: 8,
    people.tokens: 9,
    people.vouchers: 8,
    people.seen: 4,
    rooms.founders: 6,
    rooms.visitors: 9,
    rooms.departures: 7,
    rooms.owners: 7,
    rooms.guests: 12,
    rooms.topics: 3,
    rooms.decisions: 8,
    messages.chatter: 60,
    messages.burst: 6,
    messages.repetition: 14,
    messages.quiz: 18,
    messages.deletion: 12,
    messages.lookups: 6,
}


class _End(Enum):
    """The end of a scene."""

    END = auto()


#: How often a change of a name follows from a record, so that the place of the newest message can be guessed.
_CHANGES: Final[dict[type[Item], float]] = {Release: 0.65, AddKey: 0.25, Claim: 0.13}
_CHOICES: Final = list(_SCENES)
_WEIGHTS: Final = list(accumulate(_SCENES.values()))


def make(seed: int, count: int) -> list[Batch]:
    """Make a stream of batches; the same seed and count always give the same one."""
    world = World(seed)
    active = [people.newcomers(world), people.newcomers(world), rooms.founders(world), messages.chatter(world)]
    batches = []
    for _ in range(count):
        # A batch of one thing, or of none but positions, is as frequent as one of many.
        new = world.dice.choice((0, 1, 2, 2, 3, 6)) if world.owners and world.sent else 0
        active += (scene(world) for scene in world.dice.choices(_CHOICES, cum_weights=_WEIGHTS, k=new))
        batches.append(Batch())
        active = _weave(world, active, batches[-1])
        if world.chance(0.3):
            _add_positions(world, batches[-1])
        world.pass_time()
    return batches


def put(batch: Batch, item: Item) -> None:
    """Append a message or a record to a batch."""
    if isinstance(item, Entry):
        batch.entries.append(item)
        batch.bytes += item.size
    else:
        batch.changes.append(Change(item, ignore, len(batch.entries), Outcome()))


def _weave(world: World, awake: list[Scene], batch: Batch) -> list[Scene]:
    """Let scenes go on at random until each ends or waits for the next batch; return those that wait."""
    known = {entry.id for entry in world.sent}
    waiting: list[Scene] = []
    awake = list(awake)
    while awake:
        scene = world.dice.choice(awake)
        for _ in range(world.dice.choice((1, 1, 3, 100))):
            item = next(scene, _End.END)
            if isinstance(item, _End) or item is None:
                awake.remove(scene)
                waiting += [scene] if item is None else []
                break
            put(batch, item)
            _count(world, item, known)
    return waiting


def _count(world: World, item: Item, known: set[bytes]) -> None:
    """Count the places in the log that an item takes, more or less."""
    if isinstance(item, Entry):
        world.seq += item.id not in known
        known.add(item.id)
    else:  # a change of a name has a place of its own, if it comes to be
        world.seq += world.chance(_CHANGES.get(type(item), 0.0))


def _add_positions(world: World, batch: Batch) -> None:
    """Add positions of users, old and new ones, in all conversations or in one."""
    for _ in range(world.dice.choice((1, 3, 8))):
        user = world.user()
        seq = world.dice.choice((world.seq, world.dice.randrange(world.seq + 1), 0, LATEST if world.chance(0.1) else 1))
        batch.received[user] = seq
        of = world.dice.choice((0, world.room(), world.user(), user, *NOBODY[:1]))
        public = world.dice.randrange(seq + 1)
        # Only positions in single conversations are ever removed.
        drop = of != 0 and world.chance(0.25)
        batch.reads[user, of] = None if drop else ReadRecord(user, of, seq, public)
