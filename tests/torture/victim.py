"""A server that is killed and restarted on the same port again and again."""

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
    """A server that can be killed and restarted on the same port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._program: Program | None = None
        self.port = free_port()
        self.kills = 0

    async def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        program = self._program = Program("serve", "--data", str(self._data), "--port", str(self.port))
        program.complains("Serving on")

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Kill the server, or end it with another signal, and restart it."""
        self.kills += 1
        await self.end(number)
        await self.start()

    async def end(self, number: int) -> None:
        """End the server, and print its complaints."""
        program, self._program = self._program, None
        if program is not None:
            await asyncio.to_thread(program.end, number)
            program.__exit__()
            sys.stderr.writelines(f"server: {line}\n" for line in program.err if "Serving on" not in line)


def free_port() -> int:
    """Return a free port outside the range of ephemeral ones, which clients get while the server is down."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")
