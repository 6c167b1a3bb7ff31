"""Unread counts, as every store must have them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import closing

import pytest

from chatcli.store.batch import Entry
from chatcli.store.queries import Unread, UnreadQuery
from chatcli.store.records import Enter, Leave
from chatcli.store.sqlite import counts
from chatcli.store.sqlite.connection import connect
from chatcli.store.sqlite.counts import read_unread
from chatcli.store.sqlite_log import SqliteLog
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, PEOPLE, ROOMS, Party, entry


def counted(
    owner: Owner, user: Party, after: int = 0, reads: Mapping[int, int] | None = None, name: str = ""
) -> object:
    """Return the unread conversations of a user."""
    assert not isinstance(user, int)
    return owner.ask(UnreadQuery(user=user.id, after=after, reads=reads or {}, name=name))


def wrote(owner: Owner, *entries: Entry) -> list[int]:
    """Write messages, and return their seqs."""
    owner.write(*entries)
    return [one.seq for one in entries]


def test_unread_by_conversation(house: Owner) -> None:
    """The newest first; a user's own messages count only if they are to themselves."""
    assert counted(house, ANN) == []
    first, _, third, own, noted = wrote(
        house, entry(BOB, ANN), entry(CID, BOB), entry(CID, ANN), entry(ANN, BOB), entry(ANN, ANN)
    )
    assert counted(house, ANN) == [Unread(ANN.id, 1, noted), Unread(CID.id, 1, third), Unread(BOB.id, 1, first)]
    assert counted(house, ANN, first) == [Unread(ANN.id, 1, noted), Unread(CID.id, 1, third)]
    assert counted(house, BOB, third) == [Unread(ANN.id, 1, own)]
    assert counted(house, ANN, noted) == []


def test_unread_in_rooms(house: Owner) -> None:
    """As in the feed: messages from a time when the user was away do not count."""
    house.write_all(
        *(entry(BOB, LOBBY), Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id), Enter(BOB.id, LOBBY.id)),
        *(entry(BOB, LOBBY), entry(BOB, LOBBY), entry(ANN, LOBBY), entry(BOB, OPS), Leave(ANN.id, LOBBY.id)),
        *(entry(BOB, LOBBY), entry(BOB, LOBBY), Enter(ANN.id, LOBBY.id), entry(CID, LOBBY)),
    )
    newest, in_ops = house.log.head, house.log.head - 3
    assert counted(house, ANN) == [Unread(LOBBY.id, 3, newest), Unread(OPS.id, 1, in_ops)]
    rows = house.feed(ANN.id, unread_only=True)
    assert [row.recipient for row in rows] == [LOBBY.id, LOBBY.id, OPS.id, LOBBY.id]


def test_positions_of_conversations(house: Owner) -> None:
    """Each holds in place of the general one, be it before or after it."""
    house.write_all(Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id))
    bob, cid, lobby, ops, note = wrote(
        house, entry(BOB, ANN), entry(CID, ANN), entry(BOB, LOBBY), entry(BOB, OPS), entry(ANN, ANN)
    )
    positions = {BOB.id: bob, CID.id: bob, LOBBY.id: bob, OPS.id: note, ANN.id: note}
    assert counted(house, ANN, 0, positions) == [Unread(LOBBY.id, 1, lobby), Unread(CID.id, 1, cid)]
    assert counted(house, ANN, ops, {LOBBY.id: cid}) == [Unread(ANN.id, 1, note), Unread(LOBBY.id, 1, lobby)]
    assert counted(house, ANN, ops, {LOBBY.id: 0, BOB.id: 0, CID.id: note, 99: 0, -99: 0}) == [
        Unread(ANN.id, 1, note),
        Unread(LOBBY.id, 1, lobby),
        Unread(BOB.id, 1, bob),
    ]
    assert counted(house, ANN, note, {LOBBY.id: 2**60}) == []


def test_position_in_a_room_that_was_left(house: Owner) -> None:
    """A position before or within an absence counts what came to the user after it."""
    house.write_all(Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id))
    first, second = wrote(house, entry(BOB, LOBBY), entry(BOB, LOBBY))
    house.write_all(Leave(ANN.id, LOBBY.id), Leave(ANN.id, OPS.id))
    (away,) = wrote(house, entry(BOB, LOBBY))
    house.write_all(Enter(ANN.id, LOBBY.id))
    (newest,) = wrote(house, entry(BOB, LOBBY))
    for position, count in ((0, 3), (first, 2), (second, 1), (away, 1)):
        assert counted(house, ANN, newest, {LOBBY.id: position}) == [Unread(LOBBY.id, count, newest)]
    house.write_all(Leave(ANN.id, LOBBY.id), entry(BOB, LOBBY))
    assert counted(house, ANN, 0, {LOBBY.id: second}) == [Unread(LOBBY.id, 1, newest)]


def test_mentions(house: Owner) -> None:
    """Messages of others in rooms that have the name as a word, in any spelling; not those that are read."""
    house.write_all(Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id))
    texts = (
        "@ann",
        "ANN!",
        "anna",
        'a "quote" for ann',
        "ａｎｎ",
        "it\u2019s Ann\x00\x1f\n",
        "nobody",
        "x" * 3000 + " ann",
    )
    (first, *_, last) = wrote(house, *(entry(BOB, LOBBY, text) for text in texts))
    (own, direct) = wrote(house, entry(ANN, LOBBY, "ann"), entry(BOB, ANN, "ann"))
    listed = counted(house, ANN, name="Ann")
    assert listed == [Unread(BOB.id, 1, direct, 0), Unread(LOBBY.id, 8, last, 6)]
    assert counted(house, ANN, own, {LOBBY.id: first}, "Ann") == [
        Unread(BOB.id, 1, direct, 0),
        Unread(LOBBY.id, 7, last, 5),
    ]
    assert counted(house, ANN, own, {LOBBY.id: first}, "") == [Unread(BOB.id, 1, direct), Unread(LOBBY.id, 7, last)]
    (newest,) = wrote(house, entry(ANN, OPS, "Привет, ЖАННА"))
    house.write_all(Enter(CID.id, OPS.id), entry(ANN, OPS, "Привет, ЖАННА"), entry(ANN, OPS, "и Жанне"))
    assert counted(house, CID, name=CID.name) == [Unread(OPS.id, 2, newest + 2, 1)]


def test_mentions_in_several_periods(house: Owner) -> None:
    """They are added up."""
    for _ in range(3):
        house.write_all(Enter(ANN.id, LOBBY.id), entry(BOB, LOBBY, "Ann?"), entry(BOB, LOBBY, "no"))
        house.write_all(Leave(ANN.id, LOBBY.id), entry(BOB, LOBBY, "Ann is away"))
    assert counted(house, ANN, name="Ann") == [Unread(LOBBY.id, 6, house.log.head - 1, 3)]


def test_maximum_of_mentions(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names in the oldest of too many texts are left out; the messages still count."""
    house.write_all(Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id))
    long, in_ops, in_lobby = wrote(
        house, entry(BOB, LOBBY, "x" * 4000 + " ann"), entry(BOB, OPS, "ann"), entry(BOB, LOBBY, "ann")
    )
    assert counted(house, ANN, name="Ann") == [Unread(LOBBY.id, 2, in_lobby, 1), Unread(OPS.id, 1, in_ops, 1)]
    monkeypatch.setattr(counts, "_MAX_TEXTS", 4000)
    assert counted(house, ANN, name="Ann") == [Unread(LOBBY.id, 2, in_lobby, 1), Unread(OPS.id, 1, in_ops, 0)]
    house.write(*(entry(BOB, OPS, "ann") for _ in range(1200)))
    assert counted(house, ANN, long, name="Ann") == [
        Unread(OPS.id, 1000, house.log.head, 1000),
        Unread(LOBBY.id, 1, in_lobby, 0),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_against_a_model(house: Owner, seed: int) -> None:
    """Unread is what the feed has after the position in its conversation, without the user's own messages."""
    choose = random.Random(seed)
    house.write_all(Enter(BOB.id, OPS.id), Enter(CID.id, LOBBY.id))
    for _ in range(12):
        room = choose.choice((LOBBY, OPS))
        change = choose.choice((Enter, Leave))(ANN.id, room.id)
        said = [
            entry(choose.choice(PEOPLE), choose.choice((*PEOPLE, *ROOMS)), choose.choice(("hi", "hi Ann")))
            for _ in range(6)
        ]
        house.write_all(*said, change)
    feed = house.feed(ANN.id)
    others = [ANN.id, BOB.id, CID.id, LOBBY.id, OPS.id]
    for _ in range(20):
        after = choose.choice((0, house.log.head, choose.randint(0, house.log.head)))
        reads = {of: choose.randint(0, house.log.head) for of in choose.sample(others, choose.randint(0, 5))}
        expected: dict[int, Unread] = {}
        for row in feed:
            of = row.sender if row.recipient == ANN.id else row.recipient
            if row.seq > reads.get(of, after) and (row.sender != ANN.id or of == ANN.id):
                before = expected.get(of, Unread(of, 0, 0))
                mentioned = before.mentions + (of < 0 and "Ann" in row.text)
                expected[of] = Unread(of, before.count + 1, row.seq, mentioned)
        newest_first = sorted(expected.values(), key=lambda one: one.newest, reverse=True)
        assert counted(house, ANN, after, reads, "Ann") == newest_first


def test_work_for_many_positions(house: Owner) -> None:
    """One statement finds what has news, by the index alone, and one counts each of these."""
    assert isinstance(house.log, SqliteLog)
    house.write_all(Enter(ANN.id, LOBBY.id), entry(BOB, LOBBY), *(entry(sender, ANN) for sender in PEOPLE))
    positions = dict.fromkeys(range(1, 2000), house.log.head)
    statements: list[str] = []
    with closing(connect(house.log._database.path)) as connection:
        connection.set_trace_callback(statements.append)
        found, _ = read_unread(connection, UnreadQuery(user=ANN.id, after=0, reads=positions))
        connection.set_trace_callback(None)
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statements[0])]
    assert [one.of for one in found] == [LOBBY.id]
    assert len(statements) == 2
    assert [step for step in plan if "messages" in step] == [
        "SEARCH messages USING COVERING INDEX messages_of_conversation (conversation=? AND seq>? AND seq<?)"
    ]


def test_maximum_count(house: Owner) -> None:
    """The newest is found all the same, also after many messages of the user's own."""
    house.write_all(Enter(ANN.id, LOBBY.id), *(entry(BOB, LOBBY) for _ in range(1200)))
    newest = house.log.head
    assert counted(house, ANN) == [Unread(LOBBY.id, 1000, newest)]
    house.write(*(entry(ANN, LOBBY) for _ in range(1500)))
    assert counted(house, ANN) == [Unread(LOBBY.id, 1000, newest)]
    assert counted(house, ANN, newest - 7) == [Unread(LOBBY.id, 7, newest)]


def test_maximum_of_work(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of many conversations are left out, and so is what would need too much work."""
    one, two, three = wrote(house, entry(BOB, ANN), entry(CID, ANN), entry(ANN, ANN))
    monkeypatch.setattr(counts, "MAX_CONVERSATIONS", 2)
    assert counted(house, ANN) == [Unread(ANN.id, 1, three), Unread(CID.id, 1, two)]
    monkeypatch.setattr(counts, "_MAX_SCANNED", 1)
    assert counted(house, ANN) == [Unread(ANN.id, 1, three)]
    assert counted(house, ANN, three) == []
    assert one < two
