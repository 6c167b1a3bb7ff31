"""Tortures a server and prints the balance: ``python -m tests.torture --clients 200 --seconds 60 --kill-every 3``.

The server is a process of its own, killed with SIGKILL again and again and started over the same data. Meanwhile the
clients talk, stall, hang up and come back. In the end everyone reads all there is. The exit status is 1 if anything was
lost, came twice, out of order or to the wrong client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from tests.torture.client import Client, Town, settle_in
from tests.torture.ledger import Ledger
from tests.torture.victim import Victim

_AT_ONCE: Final = 50  # clients that connect for the first time
_STUCK: Final = 60.0  # seconds without an acknowledgement or a delivery after which the run has failed


async def torture(options: argparse.Namespace, data: Path) -> bool:
    """Run the torture, and return whether it succeeded."""
    ledger = Ledger(options.clients)
    town = Town(options.clients, {}, ledger, random.Random(options.seed), options.rate / options.clients)
    town.allowance = options.messages
    clients = settle_in(town, options.rooms)
    victim = Victim(data)
    try:
        await victim.start()
        town.port = victim.port
        await _all_come(clients)
        async with _reported(victim, ledger, options.clients):
            async with asyncio.TaskGroup() as living:
                for client in clients:
                    living.create_task(client.live_on(), name=client.name)
                await _kill_now_and_then(options, town, victim)
            async with asyncio.TaskGroup() as reading:
                for client in clients:
                    reading.create_task(client.catch_up(), name=client.name)
    finally:
        await victim.end(signal.SIGTERM)
    stored = _stored(data)
    missing = ledger.due + abs(stored - ledger.acknowledged) + ledger.unacknowledged + ledger.sent - ledger.acknowledged
    sys.stdout.write(
        f"{ledger}\n{options.clients} clients, {options.rooms} rooms, {victim.kills} kills, "
        f"{sum(client.connects for client in clients)} connections, {sum(client.fallen_back for client in clients)} "
        f"times behind and live again; {stored} messages on disk, {ledger.due} missing, "
        f"{ledger.unacknowledged} delivered but never acknowledged\n"
    )
    return not (missing or ledger.lost or ledger.duplicated or ledger.disordered or ledger.astray)


async def _all_come(clients: Sequence[Client]) -> None:
    for start in range(0, len(clients), _AT_ONCE):
        await asyncio.gather(*(client.come() for client in clients[start : start + _AT_ONCE]))


async def _kill_now_and_then(options: argparse.Namespace, town: Town, victim: Victim) -> None:
    """Kill the server every few seconds, or every few messages, and end the conversation in time."""
    if options.messages is None:
        end = time.monotonic() + options.seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, options.kill_every))
            if left > options.kill_every:
                await victim.kill()
        town.quiet.set()
        return
    for number in range(1, options.kills + 1):
        # Polled, because the ledger has enough to do.
        while town.ledger.acknowledged < options.messages * number // (options.kills + 1):  # noqa: ASYNC110 (see above)
            await asyncio.sleep(0.005)
        await victim.kill()


@contextlib.asynccontextmanager
async def _reported(victim: Victim, ledger: Ledger, clients: int) -> AsyncIterator[None]:
    """Report the state every second, and give up when nothing changes any more."""
    begun = time.monotonic()

    async def report() -> None:
        before, moved = -1, begun
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            if (total := ledger.acknowledged + ledger.delivered) != before:
                before, moved = total, now
            sys.stderr.write(f"{now - begun:6.0f} s, {victim.kills} kills: {ledger}; under way {ledger.due}\n")
            if now - moved > _STUCK:
                raise TimeoutError(f"nothing has moved for {_STUCK:g} seconds ({clients} clients)")

    async with asyncio.TaskGroup() as tasks:
        reporting = tasks.create_task(report(), name="report")
        yield
        reporting.cancel()


def _stored(data: Path) -> int:
    """Return the number of messages in the log."""
    with contextlib.closing(sqlite3.connect(data / "chatcli.db")) as database:
        return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Torture a chatcli server.")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rooms", type=int, default=10, help="each client is in three of them")
    parser.add_argument("--rate", type=float, default=1000, help="messages a second, all together; 0: all they can")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kill-every", type=float, default=3, help="seconds")
    parser.add_argument("--messages", type=int, help="end after so many messages, rather than after --seconds")
    parser.add_argument("--kills", type=int, default=3, help="with --messages: how often, evenly spread over them")
    parser.add_argument("--seed", type=int, default=1, help="of what clients do; when they do it is never the same")
    return parser.parse_args(arguments)


def main() -> int:
    """Torture a new server, and return the exit status."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # broken connections are expected
    with tempfile.TemporaryDirectory(prefix="chatcli-torture-") as folder:
        return 0 if asyncio.run(torture(parse(), Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
