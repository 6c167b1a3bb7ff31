"""Kills a restore at each of its steps, and in between, and looks at what is left.

``python -m tests.store.restoring DIRECTORY SEED ROUNDS`` does what the test does. It is a program of its own because it
forks: no other thread may run meanwhile.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from chatcli.store.maintenance.backup import back_up
from chatcli.store.maintenance.restore import restore
from tests.store.conftest import open_sqlite
from tests.store.killing import fork
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, PEOPLE, entry

_COMMON: Final = ["one", "two"]
_FORMER: Final = [*_COMMON, "lost", "lost, too"]
_STEPS: Final = ("link", "unlink", "replace", "fsync", "open", "close")


class _Countdown:
    """Kills the process before or after one of its calls of the system."""

    def __init__(self, calls: int) -> None:
        self._left = calls
        for name in _STEPS:
            setattr(os, name, partial(self._call, getattr(os, name)))  # the system's, not ours

    def _call(self, function: Callable[..., Any], *arguments: object, **options: object) -> object:
        self._pass()
        done = function(*arguments, **options)
        self._pass()
        return done

    def _pass(self) -> None:
        self._left -= 1
        if self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def texts(log: Path) -> list[str]:
    """Return the texts of the messages of a log, which must be whole."""
    with closing(sqlite3.connect(log)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [text for (text,) in connection.execute("SELECT text FROM messages ORDER BY seq")]


class Torture:
    """A data directory as a killed server has left it, and a backup.

    Args:
        folder: where everything is.
        seed: of the random numbers.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._dice = random.Random(seed)
        self._backup = folder / "backup.db"
        self._data = folder / "data"
        self._left = folder / "left"
        os.waitpid(fork(partial(self._serve, folder / "running", self._left)), 0)

    def _serve(self, data: Path, left: Path) -> None:
        owner = Owner(partial(open_sqlite, data))
        owner.add_users(*PEOPLE)
        owner.write(*(entry(ANN, BOB, text) for text in _COMMON))
        back_up(data, self._backup)
        owner.write(*(entry(ANN, BOB, text) for text in _FORMER[len(_COMMON) :]))
        shutil.copytree(data, left)  # with a WAL

    def run(self, calls: int | None = None) -> bool:
        """Restore, and kill that before a call or, without a number, at some time; return whether it was killed."""
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.copytree(self._left, self._data)
        child = fork(partial(self._restore, calls))
        if calls is None:
            time.sleep(self._dice.uniform(0, 0.05))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL), status
        self._check(done=status == 0)
        self._complete()
        return bool(status)

    def _restore(self, calls: int | None) -> None:
        if calls is not None:
            _Countdown(calls)
        restore(self._backup, self._data, force=True)
        os._exit(0)

    def _check(self, *, done: bool) -> None:
        """Check that the former or the restored log is there; looks at a copy, since SQLite changes what it opens."""
        looked_at = self._data.with_name("looked at")
        shutil.rmtree(looked_at, ignore_errors=True)
        shutil.copytree(self._data, looked_at)
        there = texts(looked_at / "chatcli.db")
        assert there == _COMMON or (there == _FORMER and not done), there
        kept = [texts(path) for path in looked_at.glob("chatcli.db.before-restore-*")]
        assert there == _FORMER or _FORMER in kept
        assert all(one in (_FORMER, _COMMON) for one in kept)

    def _complete(self) -> None:
        """Run it again, and check that nothing is lost or left."""
        restore(self._backup, self._data, force=True)
        self._check(done=True)
        names = {path.name for path in self._data.iterdir()}
        kept = {name for name in names if name.startswith("chatcli.db.before-restore-")}
        assert kept
        assert names - kept <= {"chatcli.db", "lock"}, names
        self._start()
        owner = Owner(partial(open_sqlite, self._data))
        assert (owner.texts(BOB.id), owner.find_patiently(BOB.id, "lost")) == (_COMMON, [])
        owner.log.close()

    def _start(self) -> None:
        """Kill the first start over the copy: it is still marked as one, or has its own epoch."""
        child = fork(partial(self._open, self._data))
        time.sleep(self._dice.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with closing(sqlite3.connect(self._data / "chatcli.db")) as connection:
            marked = connection.execute("SELECT seq FROM marks WHERE name = 'copied'").fetchall()
            epochs = connection.execute("SELECT since FROM epochs ORDER BY number").fetchall()
        head = len(_COMMON)
        assert (marked, epochs) in (([(head,)], [(0,)]), ([], [(0,), (head,)]))

    @staticmethod
    def _open(data: Path) -> None:
        Owner(partial(open_sqlite, data))
        signal.pause()


def main(directory: str, seed: str, rounds: str) -> None:
    """Kill it before and after every call, then this many times at random."""
    torture = Torture(Path(directory), int(seed))
    calls = 0
    while torture.run(calls):
        calls += 1
    assert calls > 2 * len(_STEPS), calls
    for _ in range(int(rounds)):
        torture.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
