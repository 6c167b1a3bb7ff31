"""Measures the echo of a typed key during a flood of messages: ``python -m tests.benchmarks.echo``.

The real client runs in a pseudo-terminal, server and flood in processes of their own. A key is typed every 20 ms: a
letter that occurs nowhere else, which is echoed as soon as its bytes come out of the terminal.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Final

from chatcli.client.identity.environment import new_id
from chatcli.protocol.values.address import Address
from tests.support import Caller, environment, serving

_RATE: Final = 2000  # messages a second
_SECONDS: Final = 10.0  # of flood
_BACKLOG: Final = 50_000  # messages
_FILLING: Final = 1000  # messages of it in flight
_BETWEEN_KEYS: Final = 0.02  # seconds
_SLICE: Final = 0.01  # seconds: the messages of this time go out in one write
_QUIET: Final = 1.0  # seconds without output after which everything has been drawn
_LONG: Final = 120.0  # seconds: the deadline of a measurement
_CLEAR: Final = b"\x15"  # Ctrl-U
# Letters that no message contains, in rotation, so that none repeats while it may still be drawn.
_ALPHABETS: Final = [[chr(first + number) for number in range(24)] for first in (0x430, 0x3B1, 0x561, 0x10D0)]


def entered(address: Address, user: str, purpose: str) -> Caller:
    """Connect and log in."""
    caller = Caller(address)
    caller.greets(user, purpose=purpose)
    caller.hears("welcome")
    return caller


def say(address: Address, to: str, count: int) -> None:
    """Send messages, and wait until all of them are on disk."""
    with entered(address, "speaker", "send") as speaker:
        for _ in range(0, count, _FILLING):
            lines = (json.dumps({"t": "send", "id": new_id(), "to": to, "text": "x" * 100}) for _ in range(_FILLING))
            speaker.says_raw("".join(f"{line}\n" for line in lines).encode())
            for _ in range(_FILLING):
                speaker.hears("sent")


class Screen:
    """The client in a pseudo-terminal: types letters, and records the time of each echo."""

    def __init__(self, address: Address, user: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
        command = [sys.executable, "-m", "chatcli", "join", "--server", str(address), "--user", user]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment(), start_new_session=True
        )
        os.close(slave)
        self._typed: dict[bytes, float] = {}
        self._keys = 0
        self._tail = b""
        self.delays: list[float] = []
        self.size = 0
        self.last_line = b""

    def memory(self) -> float:
        """Return the resident memory in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def type_until(self, end: bytes) -> float:
        """Type until these bytes have come and the last letters are echoed; return the seconds."""
        begun = time.perf_counter()
        following, ended = begun, False
        while not ended or self._typed:
            now = time.perf_counter()
            if now > begun + _LONG:
                raise SystemExit(f"{len(self._typed)} keys were never echoed, or {end!r} never came")
            if now >= following and not ended:
                self._press()
                following += _BETWEEN_KEYS
            ended = self.read(max(0.0, following - time.perf_counter()), end) or ended
        return time.perf_counter() - begun

    def _press(self) -> None:
        alphabet = _ALPHABETS[self._keys // 24 % len(_ALPHABETS)]
        letter = alphabet[self._keys % 24].encode()
        os.write(self._master, (_CLEAR if self._keys % 24 == 0 else b"") + letter)
        self._typed[letter] = time.perf_counter()
        self._keys += 1

    def read(self, seconds: float, end: bytes = b"\0") -> bool:
        """Read for some seconds, and return whether the end came."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        data = os.read(self._master, 1 << 16)
        now = time.perf_counter()
        self.size += len(data)
        data = self._tail + data
        self._tail = data[-len(end) - 4 :]
        seen = max((number for number, letter in enumerate(self._typed, 1) if letter in data), default=0)
        for letter in list(self._typed)[:seen]:  # earlier ones may have been cleared before they were drawn
            self.delays.append(now - self._typed.pop(letter))
        return end in data

    def settle(self) -> None:
        """Read until there is no more output."""
        last = time.perf_counter()
        while time.perf_counter() < last + _QUIET:
            before = self.size
            self.read(0.1)
            if self.size != before:
                last = time.perf_counter()

    def close(self) -> None:
        """End the client."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def flood(address: Address, to: str, rate: int, seconds: float) -> None:
    """Send messages at a rate; the last one has a marker."""
    with entered(address, "flooder", "send") as caller:
        count, said, begun = int(rate * seconds), 0, time.perf_counter()
        while said < count:
            due = min(count, int((time.perf_counter() - begun + _SLICE) * rate))
            texts = [f"message {number} of a flood that goes on and on" for number in range(said, due)]
            texts += ["the last"] if due == count else []
            caller.says_raw(b"".join(map(_frame, [to] * len(texts), texts)))
            for _ in texts:
                caller.hears("sent")
            said = due
            time.sleep(max(0.0, begun + said / rate - time.perf_counter()))


def _frame(to: str, text: str) -> bytes:
    return json.dumps({"t": "send", "id": new_id(), "to": to, "text": text}).encode() + b"\n"


def _report(what: str, screen: Screen, took: float, before: float) -> None:
    delays = sorted(screen.delays)
    p50, p99 = (delays[min(len(delays) - 1, int(len(delays) * part))] * 1e3 for part in (0.5, 0.99))
    sys.stdout.write(
        f"{what:38} {len(delays):5} keys  p50 {p50:5.1f} ms  p99 {p99:5.1f} ms  max {delays[-1] * 1e3:5.1f} ms  "
        f"{took:5.1f} s  {before:5.1f} MB before, {screen.memory():5.1f} MB after\n"
    )
    sys.stdout.flush()


def _measure_flood(address: Address, what: str, rate: int, seconds: float) -> None:
    screen = Screen(address, "reader")
    screen.settle()
    before = screen.memory()
    command = [sys.executable, "-m", "tests.benchmarks.echo", str(address), "reader", str(rate), str(seconds)]
    with subprocess.Popen(command):
        took = screen.type_until(b"the last")
        _report(what, screen, took, before)
    screen.close()


def _measure_backlog(address: Address) -> None:
    entered(address, "away", "listen").hang_up()
    say(address, "away", _BACKLOG)
    with entered(address, "speaker", "send") as speaker:
        speaker.sends("away", "the last")
        speaker.hears("sent")
    screen = Screen(address, "away")
    while not screen.read(1.0, b"\xe2\x80\xba"):  # the prompt
        pass
    before = screen.memory()
    took = screen.type_until(b"the last")
    _report(f"a backlog of {_BACKLOG:,}", screen, took, before)
    screen.close()


def main() -> None:
    """Measure, or flood the server in the arguments."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("flood", nargs="*", help=argparse.SUPPRESS)  # used by the process that this one starts
    if told := options.parse_args().flood:
        if len(told) != len(("server", "to", "rate", "seconds")):
            options.error("there is nothing to be said behind it.")
        server, to, rate, seconds = told
        host, _, port = server.rpartition(":")
        flood(Address(host, int(port)), to, int(rate), float(seconds))
        return
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--message-rate", "0") as (_, address):
        _measure_flood(address, "one message a second", 1, 4.0)
        _measure_flood(address, f"{_RATE:,} messages a second", _RATE, _SECONDS)
        _measure_backlog(address)


if __name__ == "__main__":
    main()
