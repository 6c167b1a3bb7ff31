"""Scenes of messages: chatter, repetitions, questions and answers, deletion, and lookups."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from chatcli.store.batch import Entry
from chatcli.store.question_data import QuestionData, encode
from chatcli.store.records import Barrier, Lookup, Probe, Prune
from tests.store.recorded.scenes.world import LATEST, Scene, World

_MOST_PRUNED: Final = 500  # as the log prunes at a time
_DRIFT: Final = 12  # of the place of the newest message, which a world does not know exactly


def message(world: World, sender: int, recipient: int, text: str | None = None) -> Entry:
    """Make a new message, which may be sent again later."""
    entry = Entry(
        id=world.message_id(),
        sender=sender,
        recipient=recipient,
        at=world.now,
        text=world.text() if text is None else text,
    )
    world.remember(entry)
    return entry


def party(world: World) -> int:
    """Return a user or a room to write to."""
    return world.room() if world.rooms and world.chance(0.5) else world.user()


def chatter(world: World) -> Scene:
    """Two write to each other, or in a room."""
    one, other = world.user(), party(world)
    for _ in range(world.dice.choice((1, 2, 4, 8))):
        entry = message(world, one, other)
        if world.chance(0.2):
            entry.re = max(0, world.seq - world.dice.randrange(20))
        if world.chance(0.01):
            entry.at, entry.re = world.dice.choice((0, LATEST)), LATEST
        yield entry
        if other > 0:
            one, other = other, one
        if world.chance(0.2):
            yield None


def burst(world: World) -> Scene:
    """One writes many lines at once."""
    sender, recipient = world.user(), party(world)
    for number in range(world.dice.choice((17, 33, 70, 200))):
        yield message(world, sender, recipient, f"line {number}")


def repetition(world: World) -> Scene:
    """A message is sent again, at once or later, as it was, with another text, or by somebody else."""
    fresh = message(world, world.user(), party(world))
    if world.chance(0.5):
        yield fresh
    for _ in range(world.dice.choice((1, 2, 3))):
        again = world.dice.choice((fresh, *world.sent[-1:], world.dice.choice(world.sent)))
        others: dict[str, int | str] = {"at": world.now}
        if world.chance(0.3):
            others["sender"] = world.user()
        if world.chance(0.3):
            others["text"] = "with other words"
        if world.chance(0.2):
            others["recipient"] = party(world)
        yield replace(again, **others)
        if world.chance(0.3):
            yield None


def quiz(world: World) -> Scene:
    """Questions, some of which end soon, and more answers than they wait for, before and after that."""
    asker, recipient = world.user(), party(world)
    asked = world.dice.choice((1, 2, 3, 6))
    for _ in range(asked):
        until = world.dice.choice((None, None, world.now, world.now - 1, world.now + 60_000, LATEST, 0))
        question = message(world, asker, recipient)
        question.extra = encode(QuestionData(choices=("yes", "no"), until=until))
        yield question
    last = world.seq
    for _ in range(asked + world.dice.choice((0, 1, 4))):
        answer = message(world, world.user(), recipient)
        answer.re = max(0, last - world.dice.randrange(-_DRIFT, asked + _DRIFT))
        answer.extra = encode(QuestionData(answer=world.dice.choice((-1, 0, 1))))
        yield answer
        if world.chance(0.2):
            yield replace(answer, sender=world.user()) if world.chance(0.3) else replace(answer)
        if world.chance(0.2):
            yield None


def deletion(world: World) -> Scene:
    """Old messages are deleted; then some are sent again, and looked for."""
    after = max(0, world.seq - world.dice.choice((30, 200, 400, world.seq)))
    upto = after + world.dice.choice((1, 5, 20, 50, _MOST_PRUNED if world.chance(0.2) else 100))
    before = world.now - world.dice.choice((0, 0, 1_000, 86_400_000)) if world.chance(0.9) else LATEST
    yield Prune(after, upto, before, world.now)
    if world.chance(0.3):
        yield Prune(after, upto, before, world.now)
    for _ in range(world.dice.choice((1, 3, 6))):
        age = min(max(world.seq - world.dice.randint(after, upto), 0), len(world.sent) - 1)
        sent = world.sent[-1 - age]
        yield Lookup(sent.id, sent.sender)
        yield replace(sent, sender=sent.sender if world.chance(0.8) else world.user())
        if world.chance(0.3):
            yield None


def lookups(world: World) -> Scene:
    """Messages are looked for; a query, a barrier and a probe change nothing."""
    for _ in range(3):
        sent = world.dice.choice(world.sent)
        yield Lookup(sent.id, world.dice.choice((sent.sender, world.user())))
    yield Lookup(world.message_id(), world.user())
    yield Barrier()
    if world.chance(0.3):
        yield Probe()
