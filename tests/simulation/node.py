"""A simulated server: a real hub over a real database, in the test's thread."""

from __future__ import annotations

import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import Refused, StoreError
from chatcli.protocol.admin import Request, Row
from chatcli.server.batcher import TickBatcher
from chatcli.server.handlers.operator_reports import Reports
from chatcli.server.handlers.operators import Operators
from chatcli.server.handlers.table import handlers
from chatcli.server.hub import Hub
from chatcli.server.limits import Limits
from chatcli.server.security.audit import Audit, OnRecorded
from chatcli.server.security.certificates import Certificates
from chatcli.store.batch import Batch
from chatcli.store.data_directory import DATABASE
from tests.simulation.connection import Connection
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import Clock, Loop

if TYPE_CHECKING:
    from tests.simulation.bus import Bus

LIMITS: Final = Limits(message_rate=0, names=100_000, proofs=100_000)
_FILES: Final = (DATABASE, f"{DATABASE}-wal")


@functools.cache
def _certificates() -> Certificates:
    """Return a certificate for all simulated servers, which show it to nobody."""
    with tempfile.TemporaryDirectory(prefix="chatcli-simulation-") as directory:
        return Certificates(Path(directory))


class _PromptAudit(Audit):
    """An audit log without a thread: a command is recorded before the call returns."""

    def write(self, by: str, request: Request, on_recorded: OnRecorded, refused: str = "") -> None:  # noqa: ARG002
        """Record a command."""
        on_recorded(None)


class Disk:
    """The data directory of a server, which outlives its process.

    Args:
        directory: where the data directories are, one for each life of the server.

    Attributes:
        data: the present one.
        place: the number of batches on the bus that are in the database.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lives = 0
        self.data = directory / "0"
        self.place = 0

    def copy(self) -> Path:
        """Return a new directory with the files as they are at this moment, also within a transaction."""
        self._lives += 1
        copy = self._directory / str(self._lives)
        copy.mkdir(mode=0o700, parents=True)
        for name in _FILES:
            if (self.data / name).exists():
                shutil.copyfile(self.data / name, copy / name)
                (copy / name).chmod(0o600)
        return copy


class Node:
    """A server.

    Args:
        disk: its data directory.
        clock: the time of the world.
        limits: what clients may do.
        number: its number among all nodes.
        nodes: the number of all nodes.
        ahead: milliseconds by which its clock is ahead.

    Attributes:
        log: its log.
        hub: its hub.
    """

    def __init__(
        self, disk: Disk, clock: Clock, limits: Limits = LIMITS, *, number: int = 0, nodes: int = 1, ahead: int = 0
    ) -> None:
        self._disk = disk
        self._clock = clock
        self._number, self._nodes = number, nodes
        self._loop = Loop(clock, ahead)
        self.log = SimulatedLog(disk.data, self._loop.call_soon, self._committed, number=number, nodes=nodes)
        certificates = _certificates()
        self.hub = Hub(
            log=self.log,
            limits=limits,
            batcher=TickBatcher(self._loop.call_soon, self.log.commit),
            later=self._loop.call_later,
            clock=self._loop.milliseconds,
            seconds=self._loop.seconds,
            server_key=certificates.identity.fingerprint,
        )
        audit = _PromptAudit(disk.data / "audit.log", self._loop.call_soon)
        self._operators = Operators(self.hub, audit, Reports(certificates, [], self._loop.milliseconds()))
        self._handlers = handlers(self._operators)

    def _committed(self, batch: Batch, error: StoreError | None) -> None:
        self.hub.committed(batch, error)  # made after the log

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self._disk.data

    def reborn(self) -> Node:
        """Return a new server over a copy of the database."""
        copy = Disk(self._disk.data)
        copy.data = self._disk.copy()
        return Node(copy, self._clock, number=self._number, nodes=self._nodes)

    # What happens on it

    def connect(self, host: str) -> Connection:
        """Return a new connection from an address."""
        return Connection(self.hub, self._handlers, self._loop, host)

    def operate(self, request: Request) -> list[list[Row] | Refused]:
        """Execute a command of an operator; return a list to which the answer is added."""
        answers: list[list[Row] | Refused] = []
        self._operators.execute("root", request, answers.append)
        return answers

    def run(self) -> bool:
        """Run its loop until there is nothing to do; return whether there was anything."""
        return self._loop.run()

    def tick(self, seconds: float) -> None:
        """Check the deadlines, and commit positions."""
        self.hub.tick(seconds)

    # Its log: alone

    def write(self) -> None:
        """Write what is queued, as a server does that is alone; a batch that cannot be written has failed."""
        for batch in self.log.take_submitted():
            self.log.write([batch])

    # Its log: on a bus

    @property
    def place(self) -> int:
        """The number of batches on the bus that it has applied."""
        return self._disk.place

    def publish(self, bus: Bus) -> None:
        """Publish what it has queued."""
        for batch in self.log.take_submitted():
            bus.publish(batch, self)

    def apply(self, bus: Bus, count: int) -> None:
        """Apply the next batches on the bus in one transaction. If it fails, they are to be applied again."""
        end = min(len(bus), self.place + count)
        batches = [bus.take(place, self) for place in range(self.place, end)]
        if batches and self.log.apply(batches):
            self._disk.place = end

    def crash(self) -> None:
        """Lose everything but the files as they are now; whoever is connected notices it when they say something."""
        data = self._disk.copy()
        self.log.close()
        self._disk.data = data

    def crash_within(self, bus: Bus, count: int, steps: int) -> None:
        """Crash while the next batches are applied, after a number of steps of the database."""
        copies: list[Path] = []

        def crash() -> bool:
            if not copies:
                copies.append(self._disk.copy())
            return True

        place = self.place
        with self.log.interrupted(steps, crash):
            self.apply(bus, count)
        if not copies:
            copies.append(self._disk.copy())
        else:
            self._disk.place = place
        self.log.close()
        self._disk.data = copies[0]

    @contextmanager
    def full_disk(self, steps: int) -> Iterator[None]:
        """Let every transaction in the block fail after a number of steps of the database."""
        with self.log.interrupted(steps, lambda: True):
            yield


def tables(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of all tables of a database, in order; those of ``members`` with the order of their entries."""
    connection = sqlite3.connect(data / DATABASE)
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: _rows(connection, name) for name in names}
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    rows: Callable[[str], list[tuple[Any, ...]]] = lambda query: connection.execute(query).fetchall()  # noqa: E731
    if table == "members":
        return rows("SELECT * FROM members ORDER BY rowid")
    return sorted(rows(f"SELECT * FROM {table}"), key=repr)  # noqa: S608 (a name from the schema)
