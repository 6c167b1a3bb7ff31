"""Kills a log's process again and again while it overwrites deleted text, with other programs using its file.

``python -m tests.store.killing DIRECTORY SEED ROUNDS`` does what the test does, with any number of rounds. It is a
program of its own because it forks: no other thread may run meanwhile.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatcli.store.maintenance import erasure, retention
from chatcli.store.search import parts, renewal
from tests.store.conftest import open_sqlite
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, PEOPLE, entry

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SECRETS: Final = re.compile(rb"secret(\d+)end")  # in lower case: that is searched six times as fast
_ENOUGH: Final = 4000  # messages; a round that finds more deletes most of them
_SIZES: Final = (0, 5, 20, 60, 100, 300, 900, 4000, 9000, 30000)
_LONGEST_ROUND: Final = 0.4  # seconds


@cache
def text_of(number: int) -> str:
    """Return the text of a message; no other may ever be read in its place."""
    dice = random.Random(number)
    size = dice.choice(_SIZES[:6] if dice.random() < 0.9 else _SIZES)
    return f"Secret{number}end" + chr(97 + number % 26) * dice.randint(size // 2, size)


def hurry() -> None:
    """Clean as soon as something was deleted, in the smallest slices."""
    retention._REST = erasure._PAUSE = erasure._RETRY = erasure._SLICE = 0.0  # type: ignore[misc]  # for all of the process
    renewal._DELAY = renewal._INTERVAL = renewal._RETRY = 0.01  # type: ignore[misc]
    parts._MESSAGES = 300  # type: ignore[misc]


class _Killed:
    """Kills the process halfway through one of its own writes."""

    def __init__(self, after: int) -> None:
        self._left = after
        self._write = os.pwrite

    def __call__(self, file: int, content: ReadableBuffer, offset: int, /) -> int:
        self._left -= 1
        if self._left < 0:
            self._write(file, bytes(content)[: len(bytes(content)) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return self._write(file, content, offset)


def work(data: Path, dice: random.Random, output: int) -> None:
    """Write and delete until the process is killed; report each deletion before it and each message after it."""
    parent = os.getppid()  # whose end is this one's too
    if dice.random() < 0.7:
        os.pwrite = _Killed(dice.choice([0, 1, 5, 20, 100, 400]))  # the system's, not ours
    owner = Owner(partial(open_sqlite, data))
    numbers = iter(range(owner.log.head + 1, sys.maxsize))
    while os.getppid() == parent:
        made = []
        for _ in range(dice.choice([1, 20, 300])):
            number = next(numbers)
            message = entry(ANN, BOB, text_of(number))
            message.at = number + dice.choice([0, 0, 0, 50, 400])
            made.append(message)
        owner.write(*made)
        os.write(output, b"".join(b"+%d %d\n" % (one.seq, one.at) for one in made))
        before = owner.log.head - dice.randint(0, _ENOUGH)
        os.write(output, b"-%d\n" % before)
        for _ in range(dice.choice([1, 3])):
            owner.log.prune(before, before)
            owner.log.append_message(entry(ANN, ANN, text_of(next(numbers))))
            owner.commit()
            owner.run_until(lambda: owner.log.idle)


def read(data: Path, dice: random.Random) -> None:
    """Read everything, in one transaction or in several, on a connection that caches pages."""
    parent = os.getppid()  # whose end is this one's too
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None, timeout=10)) as connection:
        while os.getppid() == parent:
            connection.execute("BEGIN" if dice.random() < 0.5 else "SELECT 1")
            for _ in range(2):
                for seq, text in connection.execute("SELECT seq, text FROM messages"):
                    assert text == text_of(seq)
                assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            if connection.in_transaction:
                connection.execute("COMMIT")
            time.sleep(dice.choice([0, 0.05]))


def meddle(data: Path, dice: random.Random) -> None:
    """Write to the same file, which no other program should do."""
    parent = os.getppid()  # whose end is this one's too
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None, timeout=10)) as connection:
        while os.getppid() == parent:
            with suppress(sqlite3.OperationalError):  # "busy"
                connection.execute("INSERT INTO meddled VALUES (?)", (dice.randbytes(dice.choice([10, 2000, 50000])),))
                connection.execute("DELETE FROM meddled WHERE rowid % 7 = ?", (dice.randrange(7),))
                if dice.random() < 0.3:  # moves rows about in their pages
                    number, left = dice.choice([1, 1 << 20, 1 << 45]), dice.randrange(50)
                    connection.execute("UPDATE messages SET re = ? WHERE seq % 50 = ?", (number, left))
                if dice.random() < 0.1:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            time.sleep(dice.choice([0.001, 0.05]))


def fork(function: Callable[[], object]) -> int:
    """Run a function in a process of its own."""
    child = os.fork()
    if child:
        return child
    try:
        function()
    finally:
        os._exit(1)


def end(child: int) -> None:
    """Kill a process, which must not have ended before."""
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


class Torture:
    """The rounds, and the checks after each.

    Args:
        data: the data directory, which is made.
        seed: of the random numbers.
    """

    def __init__(self, data: Path, seed: int) -> None:
        self._data = data
        self._dice = random.Random(seed)
        self._written: dict[int, int] = {}
        self._before = 0
        owner = Owner(partial(open_sqlite, data))
        owner.add_users(*PEOPLE)
        owner.log.close()
        with closing(sqlite3.connect(data / "chatcli.db")) as connection:
            connection.execute("CREATE TABLE meddled (data BLOB)")

    def round(self) -> None:
        """Let the log work until it is killed, and check what is left."""
        reading, writing = os.pipe()
        dice = [random.Random(self._dice.random()) for _ in range(3)]
        others = [fork(partial(read, self._data, dice[0])), fork(partial(meddle, self._data, dice[1]))]
        child = fork(partial(work, self._data, dice[2], writing))
        os.close(writing)
        deadline = time.monotonic() + self._dice.uniform(0.05, _LONGEST_ROUND)
        while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) and time.monotonic() < deadline:
            time.sleep(0.002)
        for process in (child, *others):
            end(process)
        with os.fdopen(reading, "rb") as said:
            self._learn(said.read())
        self.check()

    def _learn(self, said: bytes) -> None:
        for line in said.splitlines(keepends=True):
            if line.endswith(b"\n"):
                first, *more = map(int, line[1:].split())
                if line.startswith(b"+"):
                    self._written[first] = more[0]
                else:
                    self._before = max(self._before, first)

    def check(self) -> None:
        """Check that the file is whole, and that no message is missing that was not deleted."""
        with closing(sqlite3.connect(self._data / "chatcli.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            rows = dict(connection.execute("SELECT seq, text FROM messages"))
        for seq, text in rows.items():
            assert text == text_of(seq), seq
        assert {seq for seq, at in self._written.items() if at >= self._before} <= rows.keys()

    def finish(self) -> None:
        """Let the log clean its files, and check that they hold nothing that was deleted."""
        owner = Owner(partial(open_sqlite, self._data))
        kept = {int(number) for text in owner.texts(BOB.id) for number in SECRETS.findall(text.lower().encode())}
        kept |= {int(number) for text in owner.texts(ANN.id) for number in SECRETS.findall(text.lower().encode())}
        owner.run_while(lambda: self._found() != kept)
        owner.log.close()
        self.check()

    def _found(self) -> set[int]:
        files = (path.read_bytes().lower() for path in self._data.iterdir() if path.name.startswith("chatcli.db"))
        return {int(number) for content in files for number in SECRETS.findall(content)}


def main(directory: str, seed: str, rounds: str) -> None:
    """Run this many rounds."""
    hurry()
    torture = Torture(Path(directory), int(seed))
    for _ in range(int(rounds)):
        torture.round()
    torture.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
