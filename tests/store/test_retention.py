"""Retention, as every store must do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.store.batch import Entry
from chatcli.store.maintenance import retention
from chatcli.store.queries import HistoryQuery
from chatcli.store.records import Prune, Seen
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, entry
from tests.store.town import mistype, rows, spoil

NOW = 1_000_000


@pytest.fixture(autouse=True)
def _restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune without rests."""
    monkeypatch.setattr(retention, "_REST", 0.0)


def old(text: str = "old word") -> Entry:
    """Make an old message."""
    said = entry(ANN, BOB, text)
    said.at = NOW - 1
    return said


def prune(owner: Owner, times: int = 1, before: int = NOW) -> None:
    """Prune the log this many times, each time until it is done."""
    for _ in range(times):
        owner.prune(before)


def texts(owner: Owner) -> list[str]:
    """Return the texts of Bob's feed."""
    return owner.texts(BOB.id)


def test_prune(chat: Owner) -> None:
    """Neither feed nor history has them; newer ones are kept, wherever they are."""
    chat.write(old(), entry(ANN, BOB, "new"), old(), entry(ANN, BOB, "newer"))
    prune(chat)
    assert texts(chat) == ["new", "newer"]
    assert [row.text for row in chat.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=10)).rows] == ["new", "newer"]


def test_small_steps(chat: Owner) -> None:
    """A step is short, however much there is to do."""
    chat.write(*(old() for _ in range(1200)), entry(ANN, BOB, "new"))
    prune(chat)
    assert len(texts(chat)) == 701
    prune(chat, 3)
    assert texts(chat) == ["new"]


def test_old_messages_after_newer_ones(chat: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an import: they are found after some rests, and those at the beginning meanwhile, too."""
    monkeypatch.setattr(retention, "_NEWER_IN_A_ROW", 2000)
    newer = [entry(ANN, BOB, "new") for _ in range(8000)]
    chat.write(*newer, old("imported"))
    prune(chat, 6)
    assert len(texts(chat)) == 8001
    prune(chat, 6, before=newer[300].at)
    assert len(texts(chat)) == 7701
    prune(chat, 40)
    assert len(texts(chat)) == 7700
    assert "imported" not in texts(chat)
    chat.write(old("late"))
    prune(chat, 60)
    assert "late" not in texts(chat)


def test_search(chat: Owner) -> None:
    """It does not find deleted messages, and still finds the others."""
    chat.write(old("old secret"), entry(ANN, BOB, "new secret"))
    assert chat.find(BOB.id, "secret") == ["new secret", "old secret"]
    prune(chat)
    assert chat.find(BOB.id, "secret") == ["new secret"]
    chat.reopen()
    assert chat.find(BOB.id, "secret") == ["new secret"]
    assert chat.find(BOB.id, "old") == []


def test_file(chat: Owner, data: Path) -> None:
    """Deleted text is overwritten."""
    chat.write(*(old(f"a secret worth {number}" + "!" * 300) for number in range(100)), entry(ANN, BOB, "new"))
    prune(chat)
    chat.log.close()
    assert texts_in(data / "chatcli.db") == 0


def texts_in(path: Path) -> int:
    """Return the number of times that the secret is in a file."""
    return path.read_bytes().count(b"a secret worth")


def test_seqs_are_not_reused(chat: Owner) -> None:
    """Even if everything was deleted, also after a restart."""
    said = [old() for _ in range(3)]
    chat.write(*said)
    chat.delete(NOW)
    chat.reopen()
    assert chat.log.head == said[-1].seq
    after = entry(ANN, BOB, "after")
    chat.write(after)
    assert after.seq > said[-1].seq
    assert texts(chat) == ["after"]


def test_rooms(house: Owner) -> None:
    """Messages in rooms are deleted as well."""
    said = entry(ANN, LOBBY, "old")
    said.at = NOW - 1
    house.write(said)
    prune(house)
    assert house.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10)).rows == []


def test_prune_while_writing(chat: Owner) -> None:
    """A second call during a step does nothing, and messages are written meanwhile."""
    chat.write(*(old() for _ in range(400)))
    for number in range(20):
        chat.log.prune(NOW, NOW)
        chat.log.append_message(entry(ANN, BOB, str(number)))
        chat.log.commit()
    chat.run_until(lambda: chat.log.idle)
    prune(chat)
    assert texts(chat) == [str(number) for number in range(20)]


def test_closed_log(chat: Owner) -> None:
    """Pruning it is harmless."""
    chat.write(old())
    chat.log.close()
    chat.log.prune(NOW, NOW)


def test_time_that_is_not_a_number(chat: Owner, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Messages are written as before, and readable old ones are deleted."""
    chat.write(old("damaged"), *(old() for _ in range(600)), entry(ANN, BOB, "new"))
    chat.log.close()
    mistype(data, "damaged", time=True)
    chat.reopen()
    prune(chat, 3)
    assert chat.write(entry(ANN, BOB, "newer")).error is None
    assert len(chat.texts(ANN.id)) < 600
    assert "Cannot delete old messages from the log" in caplog.text
    assert "some of them are damaged" in caplog.text


def test_damaged_messages(chat: Owner, data: Path) -> None:
    """The deletion is refused as a whole, and harms nothing that is written with it."""
    chat.write(*(old(f"{number:03} " + "." * 3000) for number in range(20)))
    chat.log.close()
    spoil(data, "014 ..")
    chat.reopen()
    report = chat.write_all(Prune(0, 20, NOW, NOW), entry(ANN, CID, "kept"), Seen(ANN.id, 5))
    assert report.error is None
    assert [change.outcome.conflict for change in report.batch.changes] == ["damaged", None]
    assert chat.texts(CID.id) == ["kept"]
    assert chat.facts(Prune(0, 3, NOW, NOW)) == []
    assert rows(data, "SELECT seq FROM deleted ORDER BY seq") == [(1,), (2,), (3,)]


def test_report_of_a_deletion(chat: Owner) -> None:
    """The owner gets it with its record, in a batch of its own."""
    chat.write(old(), old(), entry(ANN, BOB, "new"))
    chat.log.append_message(entry(ANN, BOB, "newer"))
    chat.delete(NOW)
    batch = chat.reports[-1].batch
    assert [change.record for change in batch.changes] == [Prune(0, 2, NOW, NOW)]
    assert (batch.entries, batch.newest) == ([], 3)
