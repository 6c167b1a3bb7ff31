"""How long someone takes to read what they have missed: ``python -m tests.benchmarks.catching_up``."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from chatcli.client.ids import new_id
from chatcli.protocol.address import Address
from tests.support import Caller, serving

_MISSED = (10_000, 100_000)  # messages
_AT_ONCE = 1000
_TEXT = "x" * 100


def entered(address: Address, user: str, purpose: str, room: str = "") -> Caller:
    """Connect, and enter a room if one is named."""
    caller = Caller(address)
    caller.greets(user, purpose=purpose)
    caller.hears("welcome")
    if room:
        caller.says("join", room=room)
        caller.hears("room")
    return caller


def say(address: Address, to: str, count: int) -> None:
    """Say so many messages, and wait until all of them are on disk."""
    with entered(address, "speaker", "send") as speaker:
        for _ in range(0, count, _AT_ONCE):
            lines = (json.dumps({"t": "send", "id": new_id(), "to": to, "text": _TEXT}) for _ in range(_AT_ONCE))
            speaker.says_raw("".join(f"{line}\n" for line in lines).encode())
            for _ in range(_AT_ONCE):
                speaker.hears("sent")


def catch_up(address: Address, user: str) -> tuple[int, float]:
    """Come back, and read up to ``live``; return how many messages came, and how many seconds after the hello."""
    with Caller(address) as caller:
        begun = time.perf_counter()
        caller.greets(user, purpose="listen", since=0)
        caller.hears("welcome")
        rest, messages, live = b"", 0, False
        while not live:
            *lines, rest = (rest + caller._file.read1(1 << 20)).split(b"\n")
            messages += sum(line.startswith(b'{"t":"message"') for line in lines)
            live = any(line.startswith(b'{"t":"live"') for line in lines)
        return messages, time.perf_counter() - begun


def main() -> None:
    """Measure messages to a person and to a room, against servers of their own."""
    for count in _MISSED:
        for to in ("reader", "#hall"):
            with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--message-rate", "0") as (_, address):
                entered(address, "reader", "listen", to if to.startswith("#") else "").hang_up()
                say(address, to, count)
                got, seconds = catch_up(address, "reader")
            where = "in a room" if to.startswith("#") else "direct"
            sys.stdout.write(
                f"{got:7,} messages {where:9}  live after {seconds:6.3f} s  {got / seconds:9,.0f} messages/s\n"
            )


if __name__ == "__main__":
    main()
