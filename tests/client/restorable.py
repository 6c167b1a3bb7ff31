"""A server that is backed up, killed, and started from its backup in a new directory, on the same port."""

from __future__ import annotations

import contextlib
import shutil
import signal
from pathlib import Path
from typing import Self

from tests.support import Caller, chatcli, serving


class Restorable:
    """The server, as a process, where Alice and Bob are known.

    Args:
        folder: the folder for its data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._restores = 0
        self._running = contextlib.ExitStack()
        self.data = folder / "data"
        self.start()
        for name in ("alice", "bob"):
            with Caller(self.address) as caller:
                caller.greets(name, purpose="send")
                caller.hears("welcome")

    def start(self, port: int = 0) -> None:
        """Start the server; the first time on a free port."""
        self._program, self.address = self._running.enter_context(serving(self.data, port=port))
        self.where = ("--server", f"{self.address.host}:{self.address.port}")

    def kill(self) -> None:
        """Kill the server, as ``kill -9`` does."""
        assert self._program.end(signal.SIGKILL) != 0
        self._running.close()

    def back_up(self, name: str = "backup") -> None:
        """Back up the running server."""
        done = chatcli("admin", "backup", str(self._folder / name), "--data", str(self.data))
        assert done.returncode == 0, done.stderr

    def restore(self, name: str = "backup") -> None:
        """Kill the server, and start it with a backup in a new directory, under its old key."""
        self.kill()
        self.start_backup(name)

    def start_backup(self, name: str = "backup") -> None:
        """Start the killed server with a backup."""
        self._restores += 1
        data = self._folder / f"data{self._restores}"
        data.mkdir(mode=0o700)
        shutil.copy(self._folder / name, data / "chatcli.db")
        for kept in ("server.key", "server.crt"):
            shutil.copy(self.data / kept, data / kept)
        self.data = data
        self.start(self.address.port)

    def say(self, name: str, to: str, *texts: str) -> None:
        """Have somebody send messages."""
        for text in texts:
            done = chatcli("send", "--user", name, *self.where, to, text)
            assert done.returncode == 0, done.stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


def ends(lines: list[str], *texts: str) -> list[str]:
    """Return those of the texts with which lines end, once for each line, in the order of the lines."""
    return [text for line in lines for text in texts if line.endswith((f" {text}", f"\t{text}"))]
