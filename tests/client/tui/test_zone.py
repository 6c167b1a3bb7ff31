"""Times are those of the zone that the machine is in, also where that changes while a program runs."""

from __future__ import annotations

import datetime
import struct
from pathlib import Path

import pytest

from tests.preloaded import values
from tests.support import Program, ThreadServer, chatcli, eventually
from tests.terminal import Terminal


def place(path: Path, hours: int) -> None:
    """Put a zone so many hours ahead of UTC where another one is, as an administrator's tools do: at once."""
    head = b"TZif2" + bytes(15)
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lBB", hours * 3600, 0, 0) + b"XYZ\0"
    new = path.with_suffix(".new")
    new.write_bytes(head + counts + body + head + counts + body + f"\nXYZ-{hours}\n".encode())
    new.replace(path)


def clock(hours: int) -> set[str]:
    """Return the local times of now and of a minute ago."""
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    return {f"{moment:%H:%M}" for moment in (now, now - datetime.timedelta(minutes=1))}


@pytest.mark.parametrize("command", [["join"], ["join", "--plain"], ["listen"]], ids=" ".join)
def test_times_follow_the_zone(server: ThreadServer, tmp_path: Path, command: list[str]) -> None:
    """Messages after the change have the time of the new zone."""
    file = tmp_path / "zone"
    place(file, 3)
    options = [*command, "--server", str(server.address), "--user", "alice"]
    server.joined("alice").hang_up()
    env = {"TZ": f":{file}", **values({"chatcli.zone:_INTERVAL": 0.1})}
    with Terminal(*options, columns=100, rows=24, **env) as alice, server.joined("bob") as bob:
        number = 0

        def is_told_by(hours: int) -> bool:
            nonlocal number
            number += 1
            bob.sends("alice", f"number {number}")
            eventually(lambda: any(f"number {number}" in line for line in alice.lines))
            line = next(line for line in alice.lines if f"number {number}" in line)
            return any(time in line for time in clock(hours))

        assert is_told_by(3)
        place(file, 9)
        eventually(lambda: is_told_by(9), "the new zone")


def test_the_servers_log_follows_the_zone(tmp_path: Path) -> None:
    """Each of its lines begins with the time."""
    file = tmp_path / "zone"
    place(file, 3)
    options = ["--data", str(tmp_path / "data"), "--port", "0", "--log-level", "info"]
    with Program("serve", *options, TZ=f":{file}") as server:
        server.complains("Serving on")
        address = next(line for line in server.err if "Serving on" in line).split("Serving on ")[1].split(",")[0]
        place(file, 9)

        def is_told_by(hours: int) -> bool:
            before = len(server.err)
            chatcli("who", "--server", address, "--user", "alice")
            eventually(lambda: len(server.err) > before)
            return server.err[-1][11:16] in clock(hours)

        eventually(lambda: is_told_by(9), "the new zone")
