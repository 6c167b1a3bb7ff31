"""Runs a load: starts the workers, tells them when to begin and to end, and puts together what they have counted."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from chatcli import errors
from chatcli.bench.children import SignalsHeld, running
from chatcli.bench.histogram import Histogram
from chatcli.bench.limits import raise_open_files
from chatcli.bench.plan import Failed, Go, Load, Measured, Order, Said, Server, Totals
from chatcli.bench.processes import Usage, usage
from chatcli.protocol import codes

#: Told how far a measurement is, from 0 to 1.
Told = Callable[[float], None]

_WARM: Final = 0.3  # of the duration, before it is counted, and a second at most
_AHEAD: Final = 0.05  # seconds for all workers to be told when to begin
_PAUSE: Final = 0.1  # seconds between two signs of progress
_LIMIT: Final = 0.9  # of its cores: a generator that is busier than that may be what limits
_AS_ASKED: Final = 0.95  # of a pace: less than that is another one
#: Consonants that are not taken for others, beside each other either: names that look alike are refused.
_LETTERS: Final = "bdfghkpqtxz"
_SPARE: Final = 200  # files beside those of connections, at either end
_IN_PAIRS: Final = {"pairs", "paced"}  # with two connections for each client
_ALONE: Final = {"catch-up"}  # what one worker does

Kind = TypeVar("Kind")


class Outcome(NamedTuple):
    """What was measured of a load.

    Attributes:
        load: what was asked for.
        tls: whether it was encrypted.
        counted: what was, between begin and end.
        said: messages, between these.
        held: less was said than was due, as the server had not passed on what was said before.
        seconds: between these.
        sent: messages said, from the start to when all had arrived.
        acknowledged: of them.
        received: what came: messages, or connections.
        expected: what had to come.
        latencies: send to receive, or dialling to welcome, or coming back to having read everything.
        workers: how many processes have made the load.
        generator: for how many seconds these ran.
        server: for how many of these seconds the server did; None if that is not known.
        memory: of the server at the end, in bytes.
        grown: by how much since before the first connection.
    """

    load: Load
    tls: bool
    counted: int
    said: int
    held: bool
    seconds: float
    sent: int
    acknowledged: int
    received: int
    expected: int
    latencies: Histogram
    workers: int
    generator: float
    server: float | None
    memory: int | None
    grown: int | None

    @property
    def limited(self) -> bool:
        """Whether the generator may have been what limits."""
        return self.generator > _LIMIT * self.workers * self.seconds or (self.fell_short and not self.held)

    @property
    def fell_short(self) -> bool:
        """Whether clearly less was said than the pace that was asked for."""
        return self.load.scenario == "paced" and self.said < _AS_ASKED * self.load.rate * self.seconds

    @property
    def missing(self) -> int:
        """How much had to come and did not."""
        return max(self.expected - self.received, 0)


def measure(load: Load, server: Server, pid: int | None, told: Told) -> Outcome:
    """Carry a load to a server, and count.

    Args:
        load: what to do.
        server: with which.
        pid: the server's process, if it is on this machine and known.
        told: called now and then with how much is done.

    Raises:
        ServerUnreachable: it is not there, or breaks a connection.
        Refused: it says no.
        ChatError: what else goes wrong with it.
    """
    raise_open_files(_SPARE + load.clients * (2 if load.scenario in _IN_PAIRS else 1))
    before = usage(pid)
    with contextlib.ExitStack() as stack:
        with SignalsHeld():  # until the stack knows them
            workers = [stack.enter_context(_worker(order)) for order in _orders(load, server)]
        crowd = _Crowd(workers)
        crowd.hear(Totals)
        warm = min(_WARM * load.seconds, 1.0)
        begin = time.monotonic() + _AHEAD + warm
        crowd.tell(Go(begin, begin + load.seconds))
        _wait(crowd, begin, begin, load.seconds, told)
        first, since = usage(pid), time.monotonic()
        _wait(crowd, begin + load.seconds, begin, load.seconds, told)
        last, lasted = usage(pid), time.monotonic() - since
        measured = crowd.hear(Measured)
        crowd.tell(Said(sum(one.totals.sent for one in measured)))
        totals = crowd.hear(Totals)
    told(1)
    return _outcome(load, server, measured, totals, (before, first, last), lasted)


def _orders(load: Load, server: Server) -> list[Order]:
    """Divide a load among as many workers as there are cores but one, at least one."""
    names = "bench-" + "".join(secrets.choice(_LETTERS) for _ in range(6)) + "-"
    seed = secrets.token_bytes(32)
    most = 1 if load.scenario in _ALONE else min(load.clients, max(_cores() - 1, 1))
    shares = [load.clients // most + (number < load.clients % most) for number in range(most)]
    if load.scenario == "room" and shares[0] <= load.speakers:
        shares = [load.clients]  # all speakers are with one worker, and one who hears them
    return [
        Order(load, server, names, seed, sum(shares[:number]), share, len(shares))
        for number, share in enumerate(shares)
    ]


@contextlib.contextmanager
def _worker(order: Order) -> Iterator[subprocess.Popen[bytes]]:
    with running("chatcli.bench.worker", [], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None  # noqa: S101 (as asked for)
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        yield process


class _Crowd:
    """The workers, as one: what is told is told to all, and all are heard."""

    def __init__(self, workers: list[subprocess.Popen[bytes]]) -> None:
        self._workers = workers
        self._rest = [b""] * len(workers)
        self._answers: dict[int, bytes] = {}

    def tell(self, what: Go | Said) -> None:
        for worker in self._workers:
            assert worker.stdin is not None  # noqa: S101 (as asked for)
            with contextlib.suppress(BrokenPipeError):  # why it has gone is heard next
                worker.stdin.write(msgspec.json.encode(what) + b"\n")

    def hear(self, kind: type[Kind]) -> list[Kind]:
        """Return an answer of each; the first that has failed is the failure of all."""
        while len(self._answers) < len(self._workers):
            self._read_some(None)
        lines = [self._answers.pop(number) for number in range(len(self._workers))]
        return [msgspec.json.decode(line, type=kind) for line in lines]

    def watch(self, seconds: float) -> None:
        """Let so much time pass; a worker that fails or ends meanwhile is the failure of all."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read_some(left)

    def _read_some(self, seconds: float | None) -> None:
        """Read what comes first within that time, of those who have not answered yet."""
        with selectors.DefaultSelector() as selector:
            for number, worker in enumerate(self._workers):
                assert worker.stdout is not None  # noqa: S101 (as asked for)
                if number not in self._answers:
                    selector.register(worker.stdout, selectors.EVENT_READ, number)
            for key, _ in selector.select(seconds):
                if (line := self._read(key.fd, key.data)) is not None:
                    _raise_failure(line)
                    self._answers[key.data] = line

    def _read(self, descriptor: int, number: int) -> bytes | None:
        data = os.read(descriptor, 1 << 20)
        if not data:
            raise errors.ChatError("A process of the load generator ended by itself: what it said stands above.")
        line, end, rest = (self._rest[number] + data).partition(b"\n")
        self._rest[number] = rest if end else line
        return line if end else None


def _raise_failure(line: bytes) -> None:
    """Raise what a worker has raised, if that is what it says."""
    try:
        failed = msgspec.json.decode(line, type=Failed)
    except msgspec.ValidationError:
        return
    raise _exception(failed)


def _exception(failed: Failed) -> errors.ChatError:
    """Return what a worker has raised."""
    if failed.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
        return errors.UnknownRecipient(failed.code, failed.text, [])
    if failed.code:
        return errors.Refused(failed.code, failed.text)
    kind: type[errors.ChatError] = getattr(errors, failed.kind, errors.ChatError)
    return kind(failed.text)


def _wait(crowd: _Crowd, until: float, begin: float, seconds: float, told: Told) -> None:
    while (now := time.monotonic()) < until:
        told(min(max((now - begin) / seconds, 0), 1))
        crowd.watch(min(_PAUSE, until - now))


def _outcome(
    load: Load,
    server: Server,
    measured: list[Measured],
    totals: list[Totals],
    used: tuple[Usage | None, Usage | None, Usage | None],
    lasted: float,
) -> Outcome:
    latencies = Histogram()
    for one in measured:
        latencies.merge(one.latencies, one.greatest)
    before, first, last = used
    seconds = max(one.seconds for one in measured)
    return Outcome(
        load,
        server.tls,
        sum(one.count for one in measured),
        sum(one.said for one in measured),
        any(one.held for one in measured),
        seconds,
        sum(one.sent for one in totals),
        sum(one.acknowledged for one in totals),
        sum(one.received for one in totals),
        sum(one.expected for one in totals),
        latencies,
        len(measured),
        sum(one.cpu for one in measured),
        (last.cpu - first.cpu) * seconds / lasted if first and last else None,
        last.memory if last else None,
        last.memory - before.memory if before and last else None,
    )


def _cores() -> int:
    """Return on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
