"""Measures searching and reading in a log of a million messages: ``python -m tests.benchmarks.reading [FOLDER]``.

The log is made through the store, which needs a minute or two, and remains in the folder if one is named. All requests
are the server's, from the owner's thread; nothing else runs meanwhile.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.batch import Entry
from chatcli.store.queries import FeedPage, FeedQuery, HistoryQuery, Page, SearchQuery
from chatcli.store.records import Enter
from chatcli.store.sqlite_log import SqliteLog
from tests.store.owner import Owner
from tests.store.people import claim, empty, new_room, new_user
from tests.support import serving

_MESSAGES: Final = 1_000_000
_BATCH: Final = 10_000
_PEOPLE, _ROOMS, _WORDS = 200, 50, 20_000
_OWN_ROOMS: Final = 20  # rooms of the asker
_TIMES: Final = 200
_MISSED: Final = 10_000
_PAGE: Final = 500
_ME: Final = 1

_choose: Final = random.Random(1)  # the same log every time


def _vocabulary() -> list[str]:
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        words["".join(_choose.choices(letters, range(len(letters), 0, -1), k=_choose.randint(3, 9)))] = None
    return list(words)


_VOCABULARY: Final = _vocabulary()  # the most common first, with Zipf's frequencies: the n-th has 1/n of the first


def _said() -> Iterator[Entry]:
    """Yield messages of about ten words: half of them in rooms, half of them to users."""
    weights = [1 / (rank + 1) for rank in range(_WORDS)]
    at = 1_700_000_000_000
    while True:
        words = iter(_choose.choices(_VOCABULARY, weights, k=10 * _BATCH))
        for _ in range(_BATCH):
            at += 1000
            sender = _choose.randint(1, _PEOPLE)
            recipient = -_choose.randint(1, _ROOMS) if _choose.random() < 0.5 else _choose.randint(1, _PEOPLE)
            yield Entry(
                id=at.to_bytes(6) + _choose.randbytes(10),
                sender=sender,
                recipient=recipient,
                at=at,
                text=" ".join(islice(words, 10)),
            )


def _fill(owner: Owner) -> None:
    for user in range(1, _PEOPLE + 1):
        owner.log.append_change(claim(new_user(user, f"user{user}", 0)))
    for room in range(1, _ROOMS + 1):
        for record in empty(new_room(-room, f"#room{room}", 0)):
            owner.log.append_change(record)
        if room <= _OWN_ROOMS:
            owner.log.append_change(Enter(_ME, -room))
    said = _said()
    for _ in range(_MESSAGES // _BATCH):
        owner.write(*islice(said, _BATCH))


def _find(owner: Owner, words: str, within: int | None = None, rooms: int = _ROOMS) -> Page:
    query = SearchQuery(user=_ME, words=words, rooms=[-room for room in range(1, rooms + 1)], limit=20, within=within)
    page = owner.ask(query)
    if isinstance(page, StoreError):
        raise page
    assert isinstance(page, Page)
    return page


def _index(owner: Owner) -> None:
    """Wait until everything is indexed."""
    while True:
        try:
            _find(owner, "word")
        except StoreError:
            continue
        return


def _catch_up(owner: Owner) -> int:
    """Read the newest missed messages, page by page."""
    after, count = owner.log.head - _MISSED, 0
    while after < owner.log.head:
        page = owner.ask(FeedQuery(user=_ME, after=after, upto=owner.log.head, limit=_PAGE))
        assert isinstance(page, FeedPage)
        after, count = page.upto, count + len(page.rows)
    return count


def _report(what: str, measured: Callable[[], object], times: int = _TIMES) -> None:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        measured()
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    median, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    sys.stdout.write(f"{what:44} median {median:8.2f} ms, p99 {p99:8.2f} ms\n")


def _report_once(what: str, measured: Callable[[], object]) -> None:
    begun = time.perf_counter()
    measured()
    sys.stdout.write(f"{what:44} {time.perf_counter() - begun:8.2f} s\n")
    sys.stdout.flush()


def _measure(folder: Path) -> None:
    def open_log() -> Owner:
        return Owner(lambda post, committed: SqliteLog(folder, post=post, on_commit=committed))

    owner = open_log()
    if owner.log.head < _MESSAGES:
        _report_once(f"writing {_MESSAGES:,} messages", partial(_fill, owner))
        _report_once("indexing the rest of them", partial(_index, owner))
    before = owner.log.health().bytes
    sys.stdout.write(f"{'all files':44} {before / 1e6:8.0f} MB\n")
    _report("opening and closing", owner.reopen, 20)
    _index(owner)
    searches = {
        "a rare word": lambda: _VOCABULARY[_choose.randint(15_000, _WORDS - 1)],
        "a common word": lambda: _VOCABULARY[_choose.randint(0, 9)],
        "a word that nobody said": lambda: "zzzyzx",
        "two common words": lambda: " ".join(_choose.sample(_VOCABULARY[:20], 2)),
        "a common and a rare word": lambda: f"{_VOCABULARY[0]} {_VOCABULARY[_choose.randint(5_000, 9_999)]}",
        "a phrase of common words": lambda: f'"{" ".join(_choose.sample(_VOCABULARY[:20], 2))}"',
        "a phrase of less common words": lambda: f'"{" ".join(_choose.sample(_VOCABULARY[100:200], 2))}"',
        "a start of three letters": lambda: _VOCABULARY[_choose.randint(0, 999)][:3] + "*",
        "a start of two letters": lambda: _VOCABULARY[_choose.randint(0, 999)][:2] + "*",
        "a start of four letters": lambda: _VOCABULARY[_choose.randint(0, 999)][:4] + "*",
    }
    for what, words in searches.items():
        _report(f"search: {what}", lambda words=words: _find(owner, words()))  # type: ignore[misc]
    _report("search: a common word in one room", lambda: _find(owner, _VOCABULARY[_choose.randint(0, 9)], -1))
    _report("search: a common word where one sees little", lambda: _find(owner, _VOCABULARY[0], None, 0))
    head = owner.log.head
    _report(
        "history: a page of 50 somewhere in a room",
        lambda: owner.ask(
            HistoryQuery(user=_ME, of=-_choose.randint(1, _ROOMS), limit=50, before=_choose.randint(1, head))
        ),
    )
    _report(
        "history: the newest 50 with a person",
        lambda: owner.ask(HistoryQuery(user=_ME, of=_choose.randint(1, _PEOPLE), limit=50)),
    )
    count = _catch_up(owner)
    _report(f"catching up: {count:,} of {_MISSED:,} missed", lambda: _catch_up(owner), 20)
    owner.log.close()
    with tempfile.TemporaryDirectory() as empty:
        _report("starting a server, and its end, over nothing", partial(_serve, Path(empty)), 5)
    _report("starting a server, and its end, over all this", partial(_serve, folder), 5)


def _serve(folder: Path) -> None:
    with serving(folder) as (program, _):
        program.end(signal.SIGTERM)


def main() -> None:
    """Measure in the folder named, or in one that is deleted afterwards."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", nargs="?", type=Path, help="where the log is kept")
    chosen = options.parse_args()
    if chosen.folder is not None:
        _measure(chosen.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder))


if __name__ == "__main__":
    main()
