"""Arbitrary records, as no handler makes them: servers decide alike about each, and memory follows what they decide.

``SIMULATION_EXAMPLES=500`` in the environment sets a number of stories that differ from run to run.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chatcli.protocol.values.lookalikes import look_of
from chatcli.protocol.values.names import released_name
from chatcli.store import records as r
from chatcli.store.batch import Entry
from chatcli.store.sanction import Sanction, encode
from tests.simulation.checks import check_memory, check_tables
from tests.simulation.memory import check_at_rest
from tests.simulation.node import Node
from tests.simulation.settings import chosen
from tests.simulation.world import World

NODES: Final = 2
NAMES: Final = ("ann", "Bob", "b0b", "cyd", "dov", "eve")
ROOMS: Final = {"#square": "open", "#cellar": "private", "#news": "announcement", "#neuus": "open"}
KINDS: Final = ("open", "private", "announcement")
ABOUT_NAMES: Final = ("ban", "mute", "operator", "invitation", "recovery", "service")
IN_ROOMS: Final = ("room_ban", "room_mute", "room_invitation")


def _any(kind: Callable[..., Any], *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for records of a kind, with the defaults of all other fields."""
    return st.tuples(*fields).map(lambda given: kind(*given))


users = st.sampled_from([1, 1, 2, 2, 3, 4, 5])
rooms = st.sampled_from([-1, -1, -2, -3, -4])
names = st.sampled_from(NAMES)
keys = st.integers(1, 4).map(lambda number: bytes([number]) * 32)
digests = st.integers(1, 3).map(lambda number: bytes([number + 100]) * 32)
times = st.integers(0, 20)
codes = st.sampled_from(["", "", "code 1", "code 2"])
values = st.none() | st.builds(
    lambda **given: encode(Sanction(**given)),
    at=times,
    until=st.none() | st.none() | times,
    uses=st.integers(0, 2),
    reason=codes,
    by=users,
    keep=st.booleans(),
)
ended = st.none() | st.none() | st.just(encode(Sanction(at=1)))
in_rooms = st.builds(lambda room, user: f"{room}:{user}", rooms, users)
events = st.sampled_from(["", "left", "kicked", "uninvited"])


def _claim(name: str, created: int = 1, **more: Any) -> r.Claim:  # noqa: ANN401 (of several types)
    return r.Claim(id=0, name=name, key=name.casefold(), look=look_of(name), created=created, **more)


def _room(name: str, kind: str) -> r.RoomRecord:
    return r.RoomRecord(id=0, name=name, key=name, look=look_of(name), kind=kind, topic="", created=1)


added = _any(r.KeyRecord, users, keys, times)
claims = st.builds(
    _claim,
    name=names,
    created=times,
    public_key=keys | st.just(b""),
    invitation=codes,
    recovery=codes,
    by=st.sampled_from(["", "root"]),
)
tokens = st.builds(
    r.TokenRecord,
    digest=digests,
    user=users,
    label=st.just("label"),
    scope=st.sampled_from(["send", "read", "all", "recover"]),
    places=st.none() | st.tuples(rooms, users),
    created=times,
    until=st.none() | times,
    key=st.just(b"") | keys,
)
releases = st.builds(
    lambda user, name, at: r.Release(user, name.casefold(), released_name(name, user), "root", at), users, names, times
)
#: Those with the id 0 get a new one from the log of the server that asks for it.
requests = st.one_of(
    claims,
    claims,
    _any(r.Found, st.builds(_room, st.sampled_from(list(ROOMS)), st.sampled_from(KINDS)), users),
    st.builds(r.AddKey, key=added, voucher=st.sampled_from(["none", "device"])),
    st.builds(r.AddKey, key=added, voucher=st.just("token"), digest=digests),
    st.builds(r.AddKey, key=added, voucher=st.just("recovery"), digest=codes, by=st.just("root")),
    _any(r.DropKey, users, keys),
    releases,
    _any(r.Enter, users, rooms),
    _any(r.Enter, users, rooms),
    _any(r.Leave, users, rooms, events, users),
    _any(r.SetOwner, users, rooms, st.booleans(), users),
    _any(r.SetTopic, rooms, st.sampled_from(["", "a", "b"]), users),
    _any(r.Ruling, st.sampled_from(ABOUT_NAMES), names.map(str.casefold) | codes, values, ended),
    _any(r.Ruling, st.sampled_from(IN_ROOMS), in_rooms, values, ended),
    _any(r.Ruling, st.sampled_from(IN_ROOMS), in_rooms, values, ended),
    tokens,
    _any(r.UseToken, digests, times),
    _any(r.DropToken, digests),
    _any(r.Seen, users, times),
    _any(r.Prune, st.just(0), st.integers(0, 9), times, times),
    st.just(r.Barrier()),
)
messages = st.builds(
    lambda number, sender, to, at: Entry(
        id=uuid.UUID(int=number).bytes, sender=sender, recipient=to, at=at, text=f"w{number}"
    ),
    st.integers(1, 30),
    users,
    users | rooms,
    times,
)
#: What happens on one of the servers: it is asked for something, publishes and applies, fails, or is started again.
steps = st.tuples(
    st.integers(0, NODES - 1),
    st.one_of(
        st.lists(requests | messages | messages, min_size=2, max_size=10),
        st.sampled_from(["publish", "apply", "again", "restart"]),
        st.tuples(st.integers(1, 5), st.integers(1, 3000)),
    ),
)


@chosen(100)
@given(st.lists(steps, min_size=10, max_size=40))
def test_memory_follows_any_records(story: list[tuple[int, Any]]) -> None:
    """Nothing that a record says spoils its batch, or makes two servers decide differently."""
    with tempfile.TemporaryDirectory(prefix="chatcli-simulation-") as folder:
        world = World(Path(folder), NODES)
        try:
            _begin(world)
            for number, step in story:
                _take(world, number, step)
            world.settle()
            check_tables(world)
            for node in world.nodes:
                check_memory(node)
                check_at_rest(node.hub)
            world.check_log()
        finally:
            world.close()


def _begin(world: World) -> None:
    """Make some users and rooms, and what they need."""
    first: list[r.Record] = [_claim(name, public_key=bytes([number]) * 32) for number, name in enumerate(NAMES[:4])]
    first += [
        r.Ruling("invitation", "code 1", encode(Sanction(at=1, uses=2))),
        r.Ruling("recovery", "ann", encode(Sanction(at=1, reason="code 1"))),
        r.Ruling("recovery", "cyd", encode(Sanction(at=1, reason="code 2", keep=True))),
        r.Ruling("service", "eve", encode(Sanction(at=1))),
        r.TokenRecord(digest=b"e" * 32, user=1, label="", scope="recover", places=None, created=1, until=None),
    ]
    second = [r.Found(_room(name, kind), user) for user, (name, kind) in enumerate(list(ROOMS.items())[:3], 1)]
    for requested in (first, second):
        for number, record in enumerate(requested):
            _queue(world.nodes[number % NODES], record)
        for node in world.nodes:
            node.log.commit()
        world.settle()


def _take(world: World, number: int, step: Any) -> None:  # noqa: ANN401 (of several types)
    node = world.nodes[number]
    match step:
        case list():
            for one in step:
                _queue(node, one)
            node.log.commit()
        case "publish":
            world.publish(number)
            world.apply(number, 2)
        case "apply":
            world.apply(number)
            check_memory(node)
        case "again":
            if len(world.bus):
                world.bus.repeat(len(world.bus) // 2)
        case "restart":
            world.restart(number)
        case (count, steps_of_database):
            world.fail(number, count, steps_of_database)


def _queue(node: Node, what: r.Record | Entry) -> None:
    log, hub = node.log, node.hub
    match what:
        case Entry():
            recipient = hub.users.get(what.recipient) or hub.rooms.by_id(what.recipient)
            if hub.users.get(what.sender) is not None and recipient is not None:  # nobody writes to those who are not
                log.append_message(
                    Entry(id=what.id, sender=what.sender, recipient=what.recipient, at=what.at, text=what.text)
                )
        case r.Claim():
            log.append_change(structs.replace(what, id=log.new_user_id()))
        case r.Found():
            log.append_change(what._replace(room=structs.replace(what.room, id=log.new_room_id())))
        case _:
            log.append_change(what)
