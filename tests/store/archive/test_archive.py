"""Archives: an export is imported into an empty log or another one, all of it or nothing."""

from __future__ import annotations

import json
import re
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from chatcli.errors import InputError, StoreError, UnknownRecipient
from chatcli.protocol import frames
from chatcli.store.archive.exporter import Exported, export
from chatcli.store.archive.format import AnyLine
from chatcli.store.archive.importer import import_archive
from chatcli.store.archive.merge import Imported
from chatcli.store.maintenance.check import examine
from chatcli.store.queries import Unread, UnreadQuery
from chatcli.store.records import Enter, Found, ReadRecord
from tests.reference import ROOT
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, CID, PEOPLE, claim, entry, new_user
from tests.store.town import DAN, OPS, SECRET, change, rows, said_in, settle, spoil

NOW = 1_700_000_000_123
WHOLE = "SELECT seq, id, sender, conversation, at, text, re FROM messages ORDER BY seq"


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture
def town(chat: Owner) -> Owner:
    """Open a log with a little of everything."""
    settle(chat)
    return chat


def written(data: Path, *conversations: str) -> bytes:
    """Return an export."""
    lines = bytearray()
    export(data, conversations, lines.extend, NOW)
    return bytes(lines)


def objects(archive: bytes, tag: str = "") -> list[dict[str, Any]]:
    """Return the lines of an archive, of one kind or of all kinds."""
    return [line for line in map(json.loads, archive.splitlines()) if not tag or line["t"] == tag]


def archive_of(*lines: dict[str, Any]) -> bytes:
    """Return an archive with these lines between the first and the last."""
    messages = sum(line["t"] == "message" for line in lines)
    whole = [{"t": "export", "version": 1}, *lines, {"t": "end", "messages": messages}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in whole)


def taken(data: Path, archive: bytes) -> Imported:
    """Import an archive that must be right."""
    complaints: list[tuple[int, str]] = []
    done = import_archive(data, BytesIO(archive), lambda *complaint: complaints.append(complaint))
    assert not complaints
    return done


def refused(data: Path, archive: bytes) -> list[tuple[int, str]]:
    """Import an archive that must be wrong, and return the complaints."""
    complaints: list[tuple[int, str]] = []
    with pytest.raises(InputError, match=r"^Nothing was imported: "):
        import_archive(data, BytesIO(archive), lambda *complaint: complaints.append(complaint))
    return complaints


def dump(data: Path) -> list[list[tuple[Any, ...]]]:
    """Return the users, rooms and messages of a log."""
    tables = ("users", "keys", "conversations", "rooms", "members", "messages", "answers", "rulings", "marks", "reads")
    return [sorted(rows(data, f"SELECT * FROM {table}"), key=repr) for table in tables]  # noqa: S608 (our own)


def user(name: str, **fields: object) -> dict[str, Any]:
    """Return the line of a user."""
    return {"t": "user", "name": name, "created": "2024-05-01T12:00:00Z", **fields}


def room(name: str, kind: str = "open") -> dict[str, Any]:
    """Return the line of a room."""
    return {"t": "room", "name": name, "kind": kind, "created": "2024-05-01T12:00:00Z"}


def message(seq: int, sender: str, to: str, text: str = "hi", **fields: object) -> dict[str, Any]:
    """Return the line of a message."""
    identity = f"00000000-0000-7000-8000-{seq:012}"
    at = f"2024-05-01T12:00:{seq % 60:02}Z"
    return {"t": "message", "seq": seq, "id": identity, "from": sender, "to": to, "text": text, "at": at, **fields}


def test_labels_of_devices(tmp_path: Path) -> None:
    """They come through an archive, harmless and not too long."""
    keys = [
        {"key": "A" * 43, "since": "2024-05-01T12:00:00Z", "device": "\x1b" + "x" * 50},
        {"key": "B" * 42 + "A", "since": "2024-05-01T12:00:01Z"},
    ]
    taken(tmp_path / "new", archive_of(user("zoe", keys=keys)))
    (zoe,) = objects(written(tmp_path / "new"), "user")
    assert [key.get("device") for key in zoe["keys"]] == ["␛" + "x" * 39, None]


# Exports


def test_export_order(town: Owner, data: Path) -> None:
    """First the format, then users, rooms, members and read positions, then messages, then the end."""
    lines = objects(written(data))
    assert [line["t"] for line in lines] == [
        "export", *["user"] * 4, *["room"] * 2, *["member"] * 4, *["read"] * 4, *["message"] * 7, "end"
    ]  # fmt: skip
    assert lines[0] == {"t": "export", "version": 1, "at": "2023-11-14T22:13:20.123000Z"}
    assert lines[-1] == {"t": "end", "messages": 7}
    ann, _, _, dan = objects(written(data), "user")
    assert ann["keys"] == [{"key": "A" * 43, "since": "1970-01-01T00:00:01.234000Z"}]
    assert (dan["name"], dan["released"]) == ("Dan (released 4)", True)


def test_exported_messages(town: Owner, data: Path) -> None:
    """Names instead of ids, the text unchanged, and the message that is answered."""
    found = objects(written(data), "message")
    assert [(line["from"], line["to"], line.get("re")) for line in found] == [
        ("Ann", "#Ops", None),
        ("Bob", "#Ops", 1),
        ("Ann", "Bob", None),
        ("Bob", "Ann", None),
        ("Жанна", "#secret", None),
        ("Ann", "#Ops", None),
        ("Dan (released 4)", "Ann", None),
    ]
    assert found[3]["text"] == "  \x1b[31m\n\tünïcode 🎉 "
    ops = [line for line in objects(written(data), "member") if line["room"] == "#Ops"]
    assert ops == [
        {"t": "member", "room": "#Ops", "user": "Ann", "owner": True},
        {"t": "member", "room": "#Ops", "user": "Bob", "since": 1, "until": 4},
        {"t": "member", "room": "#Ops", "user": "Bob", "since": 6},
    ]


def test_one_conversation_has_its_users_only(town: Owner, data: Path) -> None:
    """A room with its members and senders, or two users; names are found as users spell them."""
    ops = written(data, "#OPS")
    assert [line["name"] for line in objects(ops, "user")] == ["Ann", "Bob"]
    assert [line["seq"] for line in objects(ops, "message")] == [1, 2, 6]
    assert objects(ops)[0]["conversations"] == ["#OPS"]
    pair = written(data, "bob:ANN")
    assert [line["t"] for line in objects(pair)] == [
        "export", *["user"] * 2, *["read"] * 2, *["message"] * 2, "end"
    ]  # fmt: skip
    both = written(data, "bob:ann", "#secret")
    assert [line["seq"] for line in objects(both, "message")] == [3, 4, 5]
    assert objects(written(data, "ann:жанна"), "message") == []


@pytest.mark.parametrize(
    ("conversation", "error", "sentence"),
    [
        ("ann", InputError, "write #room, or alice:bob"),
        ("#nowhere", UnknownRecipient, "There is no room #nowhere"),
        ("ann:zoe", UnknownRecipient, 'Nobody called "zoe" was ever here'),
        ("ann:", InputError, "cannot be empty"),
        ("#", InputError, "after the #"),
    ],
)
def test_unknown_conversation(
    town: Owner, data: Path, conversation: str, error: type[Exception], sentence: str
) -> None:
    """The error comes before anything is written."""
    lines = bytearray()
    with pytest.raises(error, match=sentence):
        export(data, [conversation], lines.extend, NOW)
    assert not lines


def test_damage_is_counted(town: Owner, data: Path) -> None:
    """The messages of the other pages are exported, and can be imported."""
    texts = [f"{number} " + "x" * 3000 for number in range(50)]
    town.write(*(entry(ANN, BOB, text) for text in texts))
    town.log.close()
    spoil(data, texts[20])
    lines = bytearray()
    done = export(data, [], lines.extend, NOW)
    found = [line["text"] for line in objects(bytes(lines), "message")]
    assert 0 < done.unread < 5
    assert len(found) == done.messages == 57 - done.unread
    assert texts[20] not in found
    assert {texts[0], texts[-1]} <= set(found)
    assert objects(bytes(lines))[-1] == {"t": "end", "messages": done.messages, "unread": done.unread}
    assert taken(data.parent / "other", bytes(lines)).messages == done.messages


# Questions

ANSWERS = "SELECT question, seq FROM answers ORDER BY question"
EXTRAS = "SELECT seq, re, extra FROM messages ORDER BY seq"


def asked_and_answered() -> bytes:
    """Return an archive with two questions, one of which is answered."""
    return archive_of(
        user("ann"),
        user("bob"),
        message(4, "ann", "bob", "Deploy?", choices=["yes", "no"], until="2024-05-01T12:30:00Z"),
        message(6, "bob", "ann", "no", re=4, answer=1),
        message(9, "bob", "ann", "Sure?", choices=["a", "b", "c"], re=6),
    )


def test_questions_and_answers(tmp_path: Path) -> None:
    """Into an empty log and into another one; the answer that counts does so there, too."""
    one, other = tmp_path / "one", tmp_path / "other"
    taken(one, asked_and_answered())
    assert rows(one, ANSWERS) == [(4, 6)]
    assert rows(one, EXTRAS) == [
        (4, None, '{"choices":["yes","no"],"until":1714566600000}'),
        (6, 4, '{"answer":1}'),
        (9, 6, '{"choices":["a","b","c"]}'),
    ]
    assert objects(written(one), "message") == objects(asked_and_answered(), "message")
    taken(other, archive_of(user("ann"), message(7, "ann", "ann")))
    taken(other, written(one))
    assert rows(other, ANSWERS) == [(8, 9)]
    assert [line[0:1] + line[2:] for line in rows(other, EXTRAS)[1:]] == [
        (seq, extra) for seq, (_, _, extra) in zip((8, 9, 10), rows(one, EXTRAS), strict=True)
    ]
    before = dump(other)
    assert taken(other, written(one)).messages == 0
    assert dump(other) == before


def test_answer_that_does_not_count(tmp_path: Path) -> None:
    """The question has another answer here, or is not in the archive."""
    lines = objects(asked_and_answered())[1:-1]
    second = {**message(8, "bob", "ann", "yes", re=4, answer=0)}
    taken(tmp_path, archive_of(*lines[:4]))
    taken(tmp_path, archive_of(*lines[:3], second))
    assert rows(tmp_path, ANSWERS) == [(4, 6)]
    assert rows(tmp_path, EXTRAS)[-1] == (7, 4, None)
    taken(tmp_path, archive_of(*lines[:2], message(9, "bob", "ann", "yes", re=5, answer=0)))
    assert rows(tmp_path, EXTRAS)[-1] == (8, None, None)
    taken(tmp_path / "part", archive_of(*lines[:2], message(9, "bob", "ann", "yes", re=5, answer=0)))
    assert rows(tmp_path / "part", EXTRAS) == [(9, 5, '{"answer":0}')]
    assert rows(tmp_path / "part", ANSWERS) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"choices": ["yes"]}, "A question has 2 to 9 choices, and this one has 1"),
        ({"choices": ["yes", "\n"]}, "A choice cannot be empty"),
        ({"answer": 0}, "it is an answer without a question, or both"),
        ({"answer": 0, "re": 4, "choices": ["a", "b"]}, "it is an answer without a question, or both"),
        ({"answer": 0, "re": 9}, "it answers the message 9, which is not a question there"),
        ({"answer": 3, "re": 4}, "it is the answer 3 to the message 4, which has 2"),
        ({"answer": 0, "re": 4, "to": "cid"}, "it answers the message 4, which is not a question there"),
    ],
)
def test_invalid_questions(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    """Each is rejected with its reason."""
    line = {**message(12, "bob", "ann", "yes"), **fields}
    lines = [
        *(user("ann"), user("bob"), user("cid")),
        message(4, "ann", "bob", "Deploy?", choices=["yes", "no"]),
        message(9, "bob", "ann", "hm"),
    ]
    assert refused(tmp_path, archive_of(*lines, line)) == [(7, sentence)]


# Imports into an empty log


def test_import_into_an_empty_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """Users, keys, rooms, members and messages keep their places; a second export is the same, byte by byte."""
    other = tmp_path / "other"
    assert taken(other, written(data)) == Imported(messages=7, known=0, users=4, rooms=2)
    assert written(other) == written(data)
    assert rows(other, WHOLE) == rows(data, WHOLE)
    assert rows(other, "SELECT key FROM users ORDER BY id") == [("ann",), ("bob",), ("жанна",), ("\x004",)]


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "\r\n", "\u2028", "\ufeffx", "\U0010ffff", '"\\', " ", "e\u0301", "x" * 2**20]
)
def test_texts_are_unchanged(chat: Owner, data: Path, tmp_path: Path, text: str) -> None:
    """Every text survives export and import."""
    chat.write(entry(ANN, BOB, text))
    assert objects(written(data), "message")[0]["text"] == text
    taken(tmp_path / "other", written(data))
    assert rows(tmp_path / "other", WHOLE)[0][5] == text


def test_server_after_an_import(town: Owner, data: Path, tmp_path: Path) -> None:
    """Nobody gets old messages as new ones, everybody gets those that follow, and all can be read."""
    other = tmp_path / "other"
    for person in (*PEOPLE, DAN):
        town.log.set_received(person.id, 7)
        town.log.set_read(person.id, 0, ReadRecord(person.id, 0, 7, 7))
    town.commit(positions=True)
    taken(other, written(data))
    after = Owner(partial(open_sqlite, other))
    assert after.log.head == 7
    assert {(one.received, one.read, one.public_read) for one in after.state.users} == {(7, 7, 7)}
    assert after.texts(BOB.id) == town.texts(BOB.id)
    town.reopen()
    assert [member[:4] for member in after.state.members] == [member[:4] for member in town.state.members]
    assert after.write(said_in(OPS, ANN, "news")).batch.entries[0].seq == 8
    assert [row.text for row in after.read(BOB.id, after=7).rows] == ["news"]
    after.log.close()


def test_import_makes_a_private_directory(tmp_path: Path) -> None:
    """For its owner only, as a server does."""
    data = tmp_path / "a" / "data"
    taken(data, archive_of(user("ann")))
    assert (data.stat().st_mode & 0o777, (data / "chatcli.db").stat().st_mode & 0o777) == (0o700, 0o600)
    assert {path.name for path in data.iterdir()} == {"chatcli.db", "lock"}


def test_part_of_a_log_keeps_its_seqs(town: Owner, data: Path, tmp_path: Path) -> None:
    """A user who entered a room after the part's last message misses nothing that follows."""
    other = tmp_path / "other"
    taken(other, written(data, "#ops"))
    after = Owner(partial(open_sqlite, other))
    assert after.log.head == 6
    ann, bob = after.state.users
    after.write(said_in(OPS, ann, "news"))
    assert [row.text for row in after.read(bob.id, after=6).rows] == ["news"]
    after.log.close()


# Imports into a log that has messages


def test_import_into_another_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """Messages get new seqs in their order; replies and conversations are found again."""
    other = tmp_path / "other"
    here = Owner(partial(open_sqlite, other))
    here.add_users(replace(BOB, id=1), replace(ANN, id=2))
    here.write(entry(replace(BOB, id=1), replace(ANN, id=2), "mine"))
    here.log.close()
    assert taken(other, written(data)) == Imported(messages=7, known=0, users=2, rooms=2)
    found = objects(written(other), "message")
    assert [line["seq"] for line in found] == list(range(1, 9))
    assert [line["text"] for line in found[1:]] == [line["text"] for line in objects(written(data), "message")]
    assert (found[2]["from"], found[2]["re"]) == ("Bob", 2)
    assert len(rows(other, "SELECT * FROM conversations WHERE low = 1 AND high = 2")) == 1
    bob = [line for line in objects(written(other), "member") if line["user"] == "Bob"]
    assert [(line["since"], line.get("until")) for line in bob] == [(2, 5), (7, None)]


def test_import_twice(town: Owner, data: Path, tmp_path: Path) -> None:
    """Into an empty log, and into the log that was exported."""
    archive = written(data)
    other = tmp_path / "other"
    taken(other, archive)
    town.log.close()
    for directory in (other, data):
        before = dump(directory)
        assert taken(directory, archive) == Imported(messages=0, known=7, users=0, rooms=0)
        assert dump(directory) == before


def test_newer_archive_of_the_same_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """Answers find the messages that were there before."""
    other = tmp_path / "other"
    taken(other, written(data))
    town.write(said_in(OPS, BOB, "late answer", re=1))
    assert taken(other, written(data)) == Imported(messages=1, known=7, users=0, rooms=0)
    assert rows(other, WHOLE)[-1][5:] == ("late answer", 1)


def test_reply_to_a_message_outside_the_archive(chat: Owner, data: Path) -> None:
    """Its number belongs to some other message here."""
    chat.write(entry(ANN, BOB, "mine"))
    chat.log.close()
    taken(data, archive_of(user("ann"), user("bob"), message(7, "ann", "bob", re=1)))
    assert rows(data, "SELECT seq, re FROM messages") == [(1, None), (2, None)]


def test_keys_of_known_users(chat: Owner, data: Path) -> None:
    """An archive gives nobody access to a name that exists."""
    chat.log.close()
    keys = [{"key": "A" * 43, "since": "2024-05-01T12:00:00Z"}]
    taken(data, archive_of(user("ANN", keys=keys), user("zoe", keys=keys)))
    assert rows(data, "SELECT name FROM keys JOIN users ON users.id = user") == [("zoe",)]
    assert rows(data, "SELECT name FROM users") == [(one.name,) for one in PEOPLE] + [("zoe",)]


def eve_in(*times: dict[str, Any]) -> bytes:
    """Return an archive in which Eve, with a key of hers, owns rooms."""
    keys = [{"key": "A" * 43, "since": "2024-05-01T12:00:00Z"}]
    members = [{"t": "member", "user": "eve", "owner": True, **time} for time in times]
    rooms = (room("#ops"), room("#secret", "private"), room("#own", "private"))
    return archive_of(user("eve", keys=keys), *rooms, *members, message(7, "eve", "#secret", "planted"))


def test_members_of_known_rooms(town: Owner, data: Path) -> None:
    """Nobody becomes an owner or can read a private room that way; new rooms get their members."""
    town.log.close()
    taken(data, eve_in({"room": "#ops"}, {"room": "#secret"}, {"room": "#own"}))
    town.reopen()
    members = [(one.room, one.owner) for one in town.state.members if one.user == 5]
    assert members == [(OPS.id, False), (-3, True)]
    town.write(said_in(SECRET, CID, "among us"))
    assert town.texts(5) == []


def test_former_members_of_private_rooms(town: Owner, data: Path) -> None:
    """A period that has ended gives access to the archive's messages of that time, and to no others."""
    town.log.close()
    taken(data, eve_in({"room": "#secret", "until": 2**53}))
    town.reopen()
    town.write(said_in(SECRET, CID, "among us"))
    assert town.texts(5) == ["planted"]


@pytest.mark.parametrize("times", [[(0, 5), (4, 9)], [(0, None), (3, None)], [(4, 9), (0, 4)], [(0, None), (0, 3)]])
def test_periods_must_not_overlap(tmp_path: Path, times: list[tuple[int, int | None]]) -> None:
    """Otherwise a feed would have a message twice."""
    members = [{"room": "#ops", "since": since, "until": until} for since, until in times]
    assert refused(tmp_path, eve_in(*members)) == [(7, "it begins before the last time of eve in #ops has ended")]


def test_users_who_left_stay_away(town: Owner, data: Path) -> None:
    """Between known users and known rooms the membership of the log counts."""
    archive = written(data)
    town.log.close()
    change(data, "UPDATE members SET until = 7 WHERE until IS NULL AND user = 2 AND conversation = -1")
    before = dump(data)
    taken(data, archive)
    assert dump(data) == before


# Read positions

POSITIONS = "SELECT name, cursor, read, shown FROM users ORDER BY id"
READS = """
SELECT reader.name, CASE WHEN conversation < 0 THEN (SELECT name FROM rooms WHERE id = conversation) ELSE (
    SELECT name FROM users WHERE id = iif(low = reader.id, high, low)) END, seq, reads.shown
FROM reads JOIN users AS reader ON reader.id = user JOIN conversations ON conversations.id = conversation
ORDER BY user, conversation
"""


def positioned(town: Owner) -> None:
    """Give users of a log positions: general ones, those of conversations, and what was received."""
    town.log.set_received(ANN.id, 7)
    town.log.set_received(BOB.id, 3)
    for user_id, of, seq, seen in (
        (1, 0, 7, 6),
        (1, 2, 4, 4),
        (1, -1, 2, 5),
        (2, 0, 3, 3),
        (2, 1, 0, 0),
        (3, -2, 5, 0),
    ):
        town.log.set_read(user_id, of, ReadRecord(user_id, of, seq, seen))
    town.commit(positions=True)


def read(name: str, seq: int, of: str | None = None, **fields: object) -> dict[str, Any]:
    """Return the line of a read position."""
    return {"t": "read", "user": name, "seq": seq, **({"of": of} if of else {}), **fields}


def test_exported_positions(town: Owner, data: Path) -> None:
    """A general one of each user, then those of their conversations; what others may know if it is something else."""
    positioned(town)
    assert objects(written(data), "read") == [
        {"t": "read", "user": "Ann", "seq": 7, "seen": 6, "received": 7},
        {"t": "read", "user": "Bob", "seq": 3, "received": 3},
        {"t": "read", "user": "Жанна", "seq": 0, "received": 0},
        {"t": "read", "user": "Dan (released 4)", "seq": 6, "received": 6},
        {"t": "read", "user": "Ann", "of": "#Ops", "seq": 2, "seen": 5},
        {"t": "read", "user": "Ann", "of": "Bob", "seq": 4},
        {"t": "read", "user": "Bob", "of": "Ann", "seq": 0},
        {"t": "read", "user": "Жанна", "of": "#secret", "seq": 5, "seen": 0},
    ]
    found = objects(written(data, "#secret", "ann:bob"), "read")
    assert [(line["user"], line.get("of")) for line in found] == [
        *((name, None) for name in ("Ann", "Bob", "Жанна")),
        *(("Ann", "Bob"), ("Bob", "Ann"), ("Жанна", "#secret")),
    ]


def test_damaged_positions_are_left_out(town: Owner, data: Path) -> None:
    """The rest of the log is exported."""
    positioned(town)
    town.log.close()
    page = rows(data, "SELECT pgoffset FROM dbstat WHERE name = 'reads'")[0][0]
    with (data / "chatcli.db").open("r+b") as file:
        file.seek(page)
        file.write(b"\xa5" * 4096)
    archive = written(data)
    assert len(objects(archive, "read")) == 4
    assert taken(data.parent / "other", archive).messages == 7


def test_part_of_a_log_with_damaged_memberships(town: Owner, data: Path) -> None:
    """All people are exported, since nobody knows whom the part concerns."""
    people = [new_user(n, f"p{n}", 1) for n in range(10, 410)]
    town.write_all(*map(claim, people), *(Enter(person.id, OPS.id) for person in people))
    town.log.close()
    pages = rows(data, "SELECT pgoffset FROM dbstat WHERE name = 'sqlite_autoindex_members_1' AND pagetype = 'leaf'")
    with (data / "chatcli.db").open("r+b") as file:
        file.seek(pages[-1][0])
        file.write(b"\xa5" * 4096)
    assert len(objects(written(data, "ann:bob"), "user")) > 2


def test_positions_in_an_empty_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """They are as they were, and what was unread is unread."""
    positioned(town)
    other = tmp_path / "other"
    taken(other, written(data))
    assert rows(other, POSITIONS) == rows(data, POSITIONS)
    assert rows(other, READS) == rows(data, READS)
    assert written(other) == written(data)
    after = Owner(partial(open_sqlite, other))
    counted = UnreadQuery(user=BOB.id, after=3, reads={ANN.id: 0})
    assert after.ask(counted) == town.ask(counted) == [Unread(ANN.id, 1, 3)]
    after.log.close()


def test_positions_in_another_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """They lie after the same messages, which have other numbers; people of that log keep theirs."""
    positioned(town)
    other = tmp_path / "other"
    taken(other, archive_of(user("ann"), *(message(seq, "ann", "ann") for seq in range(1, 11))))
    change(other, "UPDATE users SET read = 5, shown = 4, cursor = 6")
    taken(other, written(data))
    assert rows(other, POSITIONS) == [
        ("ann", 6, 5, 4),
        ("Bob", 13, 13, 13),
        ("Жанна", 10, 10, 10),
        ("Dan (released 4)",) + (16,) * 3,
    ]
    assert rows(other, READS) == [("Bob", "ann", 10, 10), ("Жанна", "#secret", 15, 10)]
    assert not [finding for examined in examine(other) for finding in examined.findings]


def test_positions_of_a_part(town: Owner, data: Path, tmp_path: Path) -> None:
    """None is beyond the newest message that was imported."""
    positioned(town)
    taken(tmp_path, written(data, "#ops"))
    assert rows(tmp_path, POSITIONS) == [("Ann", 6, 6, 6), ("Bob", 3, 3, 3)]
    assert rows(tmp_path, READS) == [("Ann", "#Ops", 2, 5)]
    assert not [finding for examined in examine(tmp_path) for finding in examined.findings]


def test_people_without_positions(tmp_path: Path) -> None:
    """They have read and received everything, but for the conversations with a position."""
    said = (message(3, "ann", "bob"), message(5, "bob", "ann"))
    taken(tmp_path, archive_of(user("ann"), user("bob"), read("bob", 2, "ann"), read("ann", 4), *said))
    assert rows(tmp_path, POSITIONS) == [("ann", 5, 4, 4), ("bob", 5, 5, 5)]
    assert rows(tmp_path, READS) == [("bob", "ann", 2, 2)]


def test_positions_where_nothing_was_written(tmp_path: Path) -> None:
    """They say nothing, but those in rooms are kept."""
    lines = (
        user("ann"),
        user("bob"),
        room("#ops"),
        read("ann", 1, "bob"),
        read("ann", 1, "#ops"),
        message(1, "bob", "bob"),
    )
    taken(tmp_path, archive_of(*lines))
    assert rows(tmp_path, READS) == [("ann", "#ops", 1, 1)]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([read("zoe", 1)], (5, 'no line before it says who "zoe" is')),
        ([read("ann", 1, "zoe")], (5, 'no line before it says who "zoe" is')),
        ([read("ann", 1, "#nowhere")], (5, 'no line before it says who "#nowhere" is')),
        ([read("ann", 1), read("ann", 2)], (6, "there is another position of ann before it")),
        ([read("ann", 1, "#ops"), read("ann", 2, "#ops")], (6, "there is another position of ann in #ops before it")),
        (
            [read("ann", 1, "bob", received=1)],
            (5, "`received` holds for all conversations: write it in a line without `of`"),
        ),
        ([read("ann", -1)], (5, "it cannot be read: expected `int` >= 0 - at `$.seq`")),
        ([{"t": "read", "user": "ann"}], (5, "it cannot be read: object missing required field `seq`")),
    ],
)
def test_wrong_positions(tmp_path: Path, lines: list[dict[str, Any]], complaint: tuple[int, str]) -> None:
    """Each is rejected with its reason."""
    assert refused(tmp_path, archive_of(user("ann"), user("bob"), room("#ops"), *lines)) == [complaint]


def test_nothing_unread_afterwards(chat: Owner, data: Path) -> None:
    """Whoever had read everything, be it by single positions, has read what was imported; others have what they had."""
    chat.write_all(
        *(Found(OPS, ANN.id), Enter(BOB.id, OPS.id)),
        *(entry(BOB, ANN), said_in(OPS, BOB, "hi"), entry(ANN, BOB), said_in(OPS, ANN, "ho")),
    )
    for user_id, of, seq, seen in ((1, BOB.id, 1, 1), (1, OPS.id, 4, 0), (2, 0, 4, 4), (2, ANN.id, 2, 3)):
        chat.log.set_read(user_id, of, ReadRecord(user_id, of, seq, seen))
    chat.log.set_received(BOB.id, 4)
    chat.commit(positions=True)
    chat.log.close()
    said = (message(1, "bob", "ann"), message(2, "ann", "#ops"), message(3, "bob", "#ops"))
    taken(data, archive_of(user("ann"), user("bob"), room("#ops"), *said))
    assert rows(data, POSITIONS)[:2] == [("Ann", 0, 7, 7), ("Bob", 7, 4, 4)]
    assert rows(data, READS) == [("Ann", "#Ops", 7, 0), ("Ann", "Bob", 7, 7), ("Bob", "Ann", 2, 3)]


def test_imported_messages_are_read(chat: Owner, data: Path) -> None:
    """Users with unread messages keep these; the position that others know stays behind."""
    chat.write(entry(ANN, BOB, "unread"), entry(CID, CID, "read"))
    chat.log.set_received(CID.id, 2)
    chat.log.set_read(CID.id, 0, ReadRecord(CID.id, 0, 2, 0))
    chat.commit(positions=True)
    chat.log.close()
    taken(
        data, archive_of(user("ann"), user("bob"), user("жанна"), message(1, "ann", "bob"), message(2, "жанна", "ann"))
    )
    assert rows(data, "SELECT id, cursor, read, shown FROM users") == [(1, 4, 4, 4), (2, 0, 0, 0), (3, 4, 4, 0)]


# What is refused


def test_import_while_a_server_runs(town: Owner, data: Path) -> None:
    """The error names the process, and nothing happens."""
    with pytest.raises(StoreError, match=r"process \d+\) uses the data directory .*: stop it first"):
        import_archive(data, BytesIO(written(data)), print)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"t": "user", "name": "a b", "created": "2024-05-01T12:00:00Z"}, "no spaces"),
        ({"t": "user", "name": "eve"}, "missing required field `created`"),
        (user("eve") | {"created": "yesterday"}, "invalid RFC3339"),
        (user("eve") | {"created": "2024-05-01T12:00:00"}, "with a timezone"),
        (user("ann"), '"ann" is there twice'),
        (user("eve", keys=[{"key": "x", "since": "2024-05-01T12:00:00Z"}]), '"x" is not a public key'),
        (room("ops"), "begins with #"),
        (room("#ops"), "#ops is there twice"),
        (room("#x", "odd"), '"odd" is not a kind of room'),
        ({"t": "member", "room": "#ops", "user": "eve"}, 'who "eve" is'),
        ({"t": "member", "room": "#x", "user": "ann"}, 'what "#x" is'),
        ({"t": "member", "room": "#ops", "user": "ann", "since": 5, "until": 4}, "ends before it begins"),
        (message(9, "eve", "ann"), 'who "eve" is'),
        (message(9, "ann", "eve"), 'who "eve" is'),
        (message(9, "ann", "#x"), 'who "#x" is'),
        (message(1, "ann", "bob"), "not above the one before, 1"),
        (message(9, "ann", "bob", re=9), "answers the message 9, which is not before it"),
        (message(9, "ann", "bob", "x" * (2**20 + 1)), "more than 1048576 bytes"),
        (message(9, "ann", "bob") | {"id": "7"}, '"7" is not an id'),
        (message(9, "bob", "ann") | {"id": message(1, "", "")["id"]}, "another message has the id"),
        (message(0, "ann", "bob"), "`int` >= 1"),
        (message(9, "ann", "bob", ""), "it has no text"),
        (message(9, "ann", "bob") | {"at": "1969-12-31T23:59:59Z"}, "is not between 1970 and 9999-01-01"),
        (message(9, "ann", "bob") | {"at": "9999-06-01T00:00:00Z"}, "is not between 1970 and 9999-01-01"),
        (user("eve") | {"created": "0001-01-01T00:00:00Z"}, "is not between"),
        (user("eve", seen="1950-01-01T00:00:00Z"), "is not between"),
        (user("eve", keys=[{"key": "A" * 43, "since": "9999-12-31T23:59:59Z"}]), "is not between"),
        (room("#x") | {"created": "1950-01-01T00:00:00Z"}, "is not between"),
        (room("#x") | {"topic": "x" * 501}, "a topic has 500 characters at most, and this one has 501"),
        (user("server"), "is reserved"),
        (user("x" * 33), "32 characters at most"),
        (user("annа"), "mixes scripts"),
        (user("αnn"), "mixes scripts"),
        (user("", released=True), "is not a released name"),
        (user("eve", released=True), "is not a released name"),
        (user("bob\x1b (released 7)", released=True), "A name is made of letters"),
        (user(" (released 7)", released=True), "cannot be empty"),
        (user("x" * 33 + " (released 7)", released=True), "32 characters at most"),
        (user("eve (released 7)\n", released=True), "is not a released name"),
        (user("eve (released 7)"), "no spaces"),
        ({"t": "export", "version": 1}, "begins with one line"),
        ({"t": "poem"}, "invalid value 'poem'"),
        ({"t": "end", "messages": 7}, "there should be 7 messages before it, and there are 1"),
        ([], "expected `object`"),
    ],
)  # fmt: skip
def test_wrong_lines(tmp_path: Path, line: dict[str, Any], sentence: str) -> None:
    """Each is reported with its number and a reason, and nothing is imported."""
    data = tmp_path / "data"
    good = archive_of(user("ann"), user("bob"), room("#ops"), message(1, "ann", "bob")).splitlines(keepends=True)
    archive = b"".join([*good[:5], json.dumps(line).encode() + b"\n", good[5]])
    (number, why), *others = refused(data, archive)
    assert number == 6
    assert sentence in why
    assert not others or others[0][1].startswith("it stands after the last one")
    assert dump(data) == [*[[]] * 8, [("pruned", 0)], []]


def test_line_of_brackets(tmp_path: Path) -> None:
    """Wherever it is."""
    nested = b'{"t":"user","x":' + b"[" * 100_000
    complaints = refused(tmp_path, b'{"t":"export","version":1}\n' + nested + b'\n{"t":"end","messages":0}\n')
    assert [number for number, _ in complaints] == [2]
    assert complaints[0][1].startswith("it cannot be read: ")


def test_names_that_look_like_known_ones(town: Owner, data: Path) -> None:
    """New names must not look like names of the log; those of one archive may look alike."""
    town.log.close()
    taken(data, archive_of(user("Cop")))
    before = dump(data)
    complaints = refused(data, archive_of(user("сор"), room("#орѕ"), user("eve"), user("еѕ"), user("ES")))
    assert complaints == [
        (2, "сор looks like Cop: give one another name"),
        (3, "#орѕ looks like #Ops: give one another name"),
    ]
    assert dump(data) == before


def test_names_that_look_reserved(town: Owner, data: Path) -> None:
    """Only the first archive of a log may have them."""
    town.log.close()
    taken(data, archive_of(user("Cop")))
    assert refused(data, archive_of(user("ɑll"))) == [
        (2, 'The name "ɑll" looks like "all", which is reserved; choose another one')
    ]


def test_first_and_last_times(tmp_path: Path) -> None:
    """All times that frames can carry are imported."""
    times = ["1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]
    messages = [message(seq, "ann", "ann") | {"at": at} for seq, at in enumerate(times, 1)]
    assert taken(tmp_path, archive_of(user("ann"), *messages)).messages == 2
    found = [at for (at,) in rows(tmp_path, "SELECT at FROM messages ORDER BY seq")]
    assert [msgspec.convert(at, frames.Time) for at in found] == [0, 253_370_764_800_000]


FAR = 10**11


def pair(*messages: dict[str, Any]) -> bytes:
    """Return an archive of messages between Ann and Bob."""
    return archive_of(user("Ann"), user("Bob"), *messages)


def test_gaps_between_seqs(data: Path) -> None:
    """Export, backup, search index, feeds and pruning go from row to row."""
    archive = pair(message(1, "Ann", "Bob", "one"), message(FAR, "Ann", "Bob", "two"), message(FAR + 7, "Bob", "Ann"))
    taken(data, archive)
    assert [line["seq"] for line in objects(written(data), "message")] == [1, FAR, FAR + 7]
    owner = Owner(partial(open_sqlite, data))
    assert owner.texts(2) == ["one", "two", "hi"]
    assert owner.find(2, "two") == ["two"]
    assert owner.write(entry(1, 2, "three")).batch.entries[0].seq == FAR + 8
    owner.delete(2**62)
    assert not owner.read(2, upto=2**62).rows
    owner.log.close()


def test_gaps_in_a_damaged_log(data: Path) -> None:
    """The row after the damage is found without trying each number before it."""
    long = "x" * 3000  # one to a page
    archive = pair(*(message(seq, "Ann", "Bob", f"{seq} {long}") for seq in (1, FAR, 2 * FAR, 3 * FAR)))
    taken(data, archive)
    spoil(data, f"{2 * FAR} {long[:9]}")
    lines = bytearray()
    done = export(data, (), lines.extend, NOW)
    assert [line["seq"] for line in objects(bytes(lines), "message")] == [1, FAR, 3 * FAR]
    assert done.unread
    owner = Owner(partial(open_sqlite, data))
    assert len(owner.find(2, "xxx*")) == 3
    assert len(owner.find(2, str(3 * FAR))) == 1
    owner.log.close()


@pytest.mark.parametrize("numbers", [(2**53,), (1, 2**53 - 1), (1, 2, 2**63 - 2, 2**63 - 1)])
def test_seqs_near_the_maximum(data: Path, tmp_path: Path, numbers: tuple[int, ...]) -> None:
    """They are not kept: messages that follow get new ones, and the export can be imported."""
    lines = [
        message(seq, "Ann", "Bob", str(seq), id=f"00000000-0000-7000-8000-{n:012}") for n, seq in enumerate(numbers)
    ]
    if len(lines) > 1:
        lines[-1]["re"] = numbers[-2]
    lines.insert(0, {"t": "member", "room": "#ops", "user": "Ann", "since": numbers[-1]})
    taken(data, archive_of(user("Ann"), user("Bob"), room("#ops"), *lines))
    owner = Owner(partial(open_sqlite, data))
    after = owner.write(entry(1, 2, "after")).batch.entries[0].seq
    assert after == len(numbers) + 1
    owner.log.close()
    assert rows(data, "SELECT since FROM members WHERE conversation < 0") == [(len(numbers),)]
    assert rows(data, "SELECT seq, re FROM messages WHERE re IS NOT NULL") == [
        (n, n - 1) for n in [len(numbers)] if n > 1
    ]
    assert taken(tmp_path / "again", written(data)).messages == len(numbers) + 1


@pytest.mark.parametrize(
    "line",
    [
        message(0, "Ann", "Bob"),
        message(2**63, "Ann", "Bob"),
        message(10**400, "Ann", "Bob"),
        message(-1, "Ann", "Bob"),
        message(3, "Ann", "Bob", re=10**30),
        message(3, "Ann", "Bob", at="0001-01-01T00:00:00+14:00"),
        message(3, "Ann", "Bob", at="9999-12-31T23:59:59-14:00"),
        message(3, "Ann", "Bob", id="\x1b]0;x"),
        message(3, "Ann", "Bob", re=1, answer=10**25),
        {"t": "member", "room": "#ops", "user": "Ann", "since": 10**25},
        {"t": "end", "messages": 10**25},
        {"t": "end", "messages": -1},
        {"t": "user", "name": "a\0b", "created": "2024-05-01T12:00:00Z"},
    ],
)
def test_values_out_of_range(tmp_path: Path, line: dict[str, Any]) -> None:
    """Numbers, times, ids and names are reported; nothing is imported, without a traceback."""
    archive = b"".join(
        json.dumps(one).encode() + b"\n"
        for one in ({"t": "export", "version": 1}, user("Ann"), user("Bob"), room("#ops"), line)
    )
    assert refused(tmp_path, archive)[0][0] == 5


def test_many_wrong_lines(tmp_path: Path) -> None:
    """All of them are reported at once, up to a maximum."""
    wrong = [{"t": "user", "name": f"a b{number}"} for number in range(3)]
    complaints = refused(tmp_path, archive_of(user("ann"), wrong[0], user("bob"), *wrong[1:]))
    assert [number for number, _ in complaints] == [3, 5, 6]
    assert len(refused(tmp_path, archive_of(*(wrong * 100)))) == 50


@pytest.mark.parametrize("archive", [b"", b"Dear diary\n" * 100, b"\xff\xfe\n", b"[" * 10_000, b"x" * (2**24 + 5)])
def test_file_that_is_no_archive(tmp_path: Path, archive: bytes) -> None:
    """It gets one complaint, however many lines it has."""
    assert [number for number, _ in refused(tmp_path, archive)] == [1]


def test_documented_archive(tmp_path: Path) -> None:
    """The example in ``docs/operation.md`` can be imported."""
    (example,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs/operation.md").read_text(), flags=re.DOTALL)
    assert taken(tmp_path, example.encode()) == Imported(messages=2, known=0, users=2, rooms=1)
    page = (ROOT / "docs/operation.md").read_text()
    for line in get_args(AnyLine):
        for field in msgspec.structs.fields(line):
            assert f"`{field.encode_name}`" in page


def test_newer_version(tmp_path: Path) -> None:
    """The error has both versions and the remedy."""
    (complaint,) = refused(tmp_path, b'{"t":"export","version":2}\n{"t":"end","messages":0}\n')
    assert complaint == (1, "it is an archive of version 2; this chatcli reads 1: upgrade")


def test_cut_short(town: Owner, data: Path, tmp_path: Path) -> None:
    """Between two lines, or within one."""
    archive = written(data)
    *_, (_, why) = refused(tmp_path / "other", archive.rsplit(b"\n", 2)[0] + b"\n")
    assert "cut short" in why
    *_, (_, why) = refused(tmp_path / "other", archive[: len(archive) // 2])
    assert "cut short" in why


def test_private_room_and_open_room(town: Owner, data: Path, tmp_path: Path) -> None:
    """Otherwise everybody could read its messages."""
    other = tmp_path / "other"
    taken(other, archive_of(room("#SECRET")))
    ((_, why), *_) = refused(other, written(data))
    assert why == "#secret is private in the archive and open here: give one another name"
    assert SECRET.name == "#secret"


def test_unknown_fields(tmp_path: Path) -> None:
    """A newer chatcli may write more about the same things."""
    assert taken(tmp_path, archive_of(user("ann", colour="red"))).users == 1


def test_number_of_exported_messages(town: Owner, data: Path) -> None:
    """The last line and the command report the same number."""
    assert export(data, ["#ops"], bytearray().extend, NOW) == Exported(messages=3, unread=0)
