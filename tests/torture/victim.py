"""A server that is killed again and again, and comes back on the same port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from tests.support import Program


class Victim:
    """The server: it is killed, and it comes back on the same port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._program: Program | None = None
        self.port = free_port()
        self.kills = 0

    async def start(self) -> None:
        """Start it, and wait until it takes connections."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        program = self._program = Program("serve", "--data", str(self._data), "--port", str(self.port))
        program.complains("Serving on")

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Kill it, or end it with another signal, and start it again."""
        self.kills += 1
        await self.end(number)
        await self.start()

    async def end(self, number: int) -> None:
        """End it, and pass on what it has complained about."""
        program, self._program = self._program, None
        if program is not None:
            await asyncio.to_thread(program.end, number)
            program.__exit__()
            sys.stderr.writelines(f"server: {line}\n" for line in program.err if "Serving on" not in line)


def free_port() -> int:
    """Return a port that is free, and that no client is given for its own end while the server is down."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")
