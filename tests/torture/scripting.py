"""Soaks the scripting surface: ``python -m tests.torture.scripting --restarts 20``.

``chatcli send --lines`` sends numbered lines, and ``chatcli listen --exec`` writes each to a file, while the server is
killed and stopped in turn. In the end the file must have every line once, in order. Meanwhile the listener's position
is compared with the lines that its command has confirmed: it is never ahead of them, and at most one message behind.
The exit status is 1 if any of this does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chatcli.client.feed import cursor as cursors
from tests.support import CONFIGURATION, Program, chatcli, environment
from tests.torture.victim import Victim

_STUCK: Final = 60.0  # seconds without a new line after which the run has failed
_LOOK: Final = 0.002  # seconds between two checks of the position
_SENDER: Final = ("send", "--lines", "ear")
_COMMAND: Final = 'printf "%s %s%s\\n" "$CHATCLI_SEQ" "$CHATCLI_REPLAYED" "$CHATCLI_TEXT" >>"$SOAK"'


@dataclass
class Watch:
    """Compares the listener's position with its command's output.

    Attributes:
        written: the command's file.
        cursor: the listener's.
        texts: the lines written so far.
        wrong: the violations.
    """

    written: Path
    cursor: Path
    texts: list[str] = field(default_factory=list)
    wrong: str = ""
    _places: list[int] = field(default_factory=list)  # in the log: the listener's start, and written lines
    _read: int = 0  # bytes of the file

    def look(self) -> int:
        """Compare, and return the number of lines."""
        self._read_on()
        before = self._places[-2:]
        seq = self._position()
        self._read_on()
        if seq > self._places[-1]:
            self.wrong = self.wrong or f"the position was {seq}, ahead of {self._places[-1]}, confirmed last"
        if seq < before[0]:
            self.wrong = self.wrong or f"the position was {seq}, more than one behind {before[-1]}, confirmed last"
        return len(self.texts)

    def has_begun(self) -> bool:
        """Return whether the listener has a position."""
        return self.cursor.exists() and cursors.read(str(self.cursor))[1] is not None

    def _read_on(self) -> None:
        if not self._places:
            self._places.append(self._position())
        if not self.written.exists():
            return
        with self.written.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        for line in data.decode().splitlines():
            seq, text = line.split(" ", 1)
            self._places.append(int(seq))
            self.texts.append(text)

    def _position(self) -> int:
        mark = cursors.read(str(self.cursor))[1]
        assert mark is not None
        return mark.seq


async def soak(restarts: int, messages: int, folder: Path) -> list[str]:
    """Run the soak, and return the violations."""
    victim = Victim(folder / "data")
    await victim.start()
    where = ("--server", f"127.0.0.1:{victim.port}")
    await asyncio.to_thread(chatcli, "send", "ear", "hello", "--user", "ear", *where)
    written = folder / "written"
    directory = str(CONFIGURATION / "state/chatcli/cursors")
    parts = (f"127.0.0.1:{victim.port}", "ear", "as", "soak")
    watch = Watch(written, Path(cursors.path_of(directory, parts)))
    try:
        listen = ("listen", "--user", "ear", "--as", "soak", "--since", "now", "--exec", _COMMAND, *where)
        with Program(*listen, SOAK=str(written)) as listener, Program(*_SENDER, "--user", "mouth", *where) as sender:
            await _until(watch.has_begun, "the listener to begin", watch)
            for number in range(1, messages + 1):
                sender.types(f"line {number}\n")
                if restarts and number % max(1, messages // (restarts + 1)) == 0 and victim.kills < restarts:
                    await _arrived(watch, max(1, number - 50))
                    await victim.kill(signal.SIGKILL if victim.kills % 2 == 0 else signal.SIGTERM)
                watch.look()
            assert sender.process.stdin is not None
            sender.process.stdin.close()
            await _arrived(watch, messages)
            ended = [await asyncio.to_thread(sender.end), await asyncio.to_thread(listener.end, signal.SIGTERM)]
            told = [*sender.err, *listener.err]
    finally:
        await victim.end(signal.SIGTERM)
    return _judge(watch, messages, ended, told)


def _judge(watch: Watch, messages: int, ended: list[int], told: list[str]) -> list[str]:
    watch.look()
    wrong = [watch.wrong] if watch.wrong else []
    if watch.texts != [f"line {number}" for number in range(1, messages + 1)]:
        missing, twice = messages - len(set(watch.texts)), len(watch.texts) - len(set(watch.texts))
        wrong.append(f"of {messages} lines {missing} are missing or replayed, {twice} came twice, or out of order")
    if ended != [0, 0]:
        wrong.append(f"the sender and the listener ended with {ended}: {told}")
    return wrong


async def _arrived(watch: Watch, count: int) -> None:
    """Wait for a number of lines, and check the position meanwhile."""
    await _until(lambda: watch.look() >= count, f"line {count}", watch)


async def _until(condition: Callable[[], object], what: str, watch: Watch) -> None:
    moved, before = time.monotonic(), len(watch.texts)
    while not condition():
        if len(watch.texts) != before:
            moved, before = time.monotonic(), len(watch.texts)
        if time.monotonic() - moved > _STUCK:
            raise TimeoutError(f"waited in vain for {what}")
        await asyncio.sleep(_LOOK)


def main() -> int:
    """Run the soak, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.scripting", description="Soak send and listen.")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--messages", type=int, default=4000)
    options = parser.parse_args()
    os.environ.update(environment())
    with tempfile.TemporaryDirectory(prefix="chatcli-soak-") as folder:
        wrong = asyncio.run(soak(options.restarts, options.messages, Path(folder)))
    sys.stdout.write(
        "".join(f"{one}\n" for one in wrong) or f"{options.messages} lines, {options.restarts} restarts: all well\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
