"""Runs a load: starts the workers, tells them the period to measure, and adds up their counts."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from chatcli import errors
from chatcli.bench.children import SignalsHeld, running
from chatcli.bench.histogram import Histogram
from chatcli.bench.limits import raise_open_files
from chatcli.bench.plan import AllSent, Failed, Load, Measured, Order, Period, Server, Totals, Via
from chatcli.bench.processes import Usage, usage
from chatcli.protocol import codes

#: Called with the progress of a measurement, from 0 to 1.
OnProgress = Callable[[float], None]

_WARM: Final = 0.3  # of the duration, to warm up, and a second at most
_AHEAD: Final = 0.05  # seconds to send the period to all workers
_PAUSE: Final = 0.1  # seconds between two reports of progress
_LIMIT: Final = 0.9  # of its cores: a busier generator may be the bottleneck
_AS_ASKED: Final = 0.95  # of the rate: less means that it was missed
#: Consonants that do not look alike, alone or together: the server refuses lookalike names.
_LETTERS: Final = "bdfghkpqtxz"
_SPARE: Final = 200  # open files beside the connections, at either end
_IN_PAIRS: Final = {"pairs", "paced"}  # scenarios with two connections for each client
_ALONE: Final = {"catch-up"}  # scenarios for one worker

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a measurement.

    Attributes:
        load: the load that was asked for.
        tls: whether TLS was used.
        via: the way of the connections, as in :class:`chatcli.bench.plan.Server`.
        counted: messages received, or connections, within the period of the measurement.
        said: messages sent within the period.
        held: whether less was sent than was due, as the server had not delivered the earlier messages.
        seconds: the length of the period.
        sent: messages sent, from the start until all had arrived.
        acknowledged: messages acknowledged, likewise.
        received: messages received, or connections, likewise.
        expected: the value of ``received`` if nothing is lost.
        latencies: from sending to receiving, or from dialling to the welcome or to the end of the backlog.
        workers: the number of processes that made the load.
        generator: CPU seconds of these.
        server: CPU seconds of the server; None if unknown.
        memory: memory of the server at the end, in bytes; None if unknown.
        grown: its growth since before the first connection.
    """

    load: Load
    tls: bool
    via: Via
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
        """Whether the generator may have been the bottleneck."""
        return self.generator > _LIMIT * self.workers * self.seconds or (self.fell_short and not self.held)

    @property
    def fell_short(self) -> bool:
        """Whether clearly less was sent than the rate that was asked for."""
        return self.load.scenario == "paced" and self.said < _AS_ASKED * self.load.rate * self.seconds

    @property
    def missing(self) -> int:
        """The number of messages, or connections, that are missing."""
        return max(self.expected - self.received, 0)


def measure(load: Load, server: Server, pid: int | None, on_progress: OnProgress) -> Outcome:
    """Put a load on a server, and measure.

    Args:
        load: the load.
        server: the server.
        pid: the server's process, if it is known.
        on_progress: called with the progress every now and then.

    Raises:
        ServerUnreachable: the server does not answer, or breaks a connection.
        Refused: it refuses something.
        ChatError: anything else went wrong.
    """
    raise_open_files(_SPARE + load.clients * (2 if load.scenario in _IN_PAIRS else 1))
    before = usage(pid)
    with contextlib.ExitStack() as stack:
        with SignalsHeld():  # until they are on the stack
            workers = [stack.enter_context(_worker(order)) for order in _orders(load, server)]
        crowd = _Crowd(workers)
        crowd.receive(Totals)
        warm = min(_WARM * load.seconds, 1.0)
        begin = time.monotonic() + _AHEAD + warm
        crowd.send(Period(begin, begin + load.seconds))
        _wait(crowd, begin, begin, load.seconds, on_progress)
        first, since = usage(pid), time.monotonic()
        _wait(crowd, begin + load.seconds, begin, load.seconds, on_progress)
        last, lasted = usage(pid), time.monotonic() - since
        measured = crowd.receive(Measured)
        crowd.send(AllSent(sum(one.totals.sent for one in measured)))
        totals = crowd.receive(Totals)
    on_progress(1)
    return _outcome(load, server, measured, totals, used=(before, first, last), lasted=lasted)


def _orders(load: Load, server: Server) -> list[Order]:
    """Divide a load among the workers: one fewer than there are cores, but at least one."""
    names = "bench-" + "".join(secrets.choice(_LETTERS) for _ in range(6)) + "-"
    seed = secrets.token_bytes(32)
    most = 1 if load.scenario in _ALONE else min(load.clients, max(_cores() - 1, 1))
    shares = [load.clients // most + (number < load.clients % most) for number in range(most)]
    if load.scenario == "room" and shares[0] <= load.speakers:
        shares = [load.clients]  # one worker has all senders, and at least one other member
    return [
        Order(
            load=load,
            server=server,
            names=names,
            seed=seed,
            first=sum(shares[:number]),
            count=share,
            workers=len(shares),
        )
        for number, share in enumerate(shares)
    ]


@contextlib.contextmanager
def _worker(order: Order) -> Iterator[subprocess.Popen[bytes]]:
    with running("chatcli.bench.worker", [], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None  # noqa: S101 (as asked for)
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        yield process


class _Crowd:
    """The workers together: each message goes to all of them, and all answer."""

    def __init__(self, workers: list[subprocess.Popen[bytes]]) -> None:
        self._workers = workers
        self._rest = [b""] * len(workers)
        self._answers: dict[int, bytes] = {}

    def send(self, message: Period | AllSent) -> None:
        for worker in self._workers:
            assert worker.stdin is not None  # noqa: S101 (as asked for)
            with contextlib.suppress(BrokenPipeError):  # the reason for its end is received next
                worker.stdin.write(msgspec.json.encode(message) + b"\n")

    def receive(self, kind: type[Kind]) -> list[Kind]:
        """Return the answer of each worker; raise the failure of the first that failed."""
        while len(self._answers) < len(self._workers):
            self._read_some(None)
        lines = [self._answers.pop(number) for number in range(len(self._workers))]
        return [msgspec.json.decode(line, type=kind) for line in lines]

    def watch(self, seconds: float) -> None:
        """Wait for some seconds; raise the failure of a worker that fails or ends meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read_some(left)

    def _read_some(self, seconds: float | None) -> None:
        """Read from the workers without an answer yet, within some seconds."""
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
            raise errors.ChatError("A process of the load generator ended by itself: see its output above.")
        line, end, rest = (self._rest[number] + data).partition(b"\n")
        self._rest[number] = rest if end else line
        return line if end else None


def _raise_failure(line: bytes) -> None:
    """Raise the exception of a worker, if the line reports one."""
    try:
        failed = msgspec.json.decode(line, type=Failed)
    except msgspec.ValidationError:
        return
    raise _exception(failed)


def _exception(failed: Failed) -> errors.ChatError:
    """Return the exception of a worker."""
    if failed.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
        return errors.UnknownRecipient(failed.code, failed.text, [])
    if failed.code:
        return errors.Refused(failed.code, failed.text)
    kind: type[errors.ChatError] = getattr(errors, failed.kind, errors.ChatError)
    return kind(failed.text)


def _wait(crowd: _Crowd, until: float, begin: float, seconds: float, on_progress: OnProgress) -> None:
    while (now := time.monotonic()) < until:
        on_progress(min(max((now - begin) / seconds, 0), 1))
        crowd.watch(min(_PAUSE, until - now))


def _outcome(
    load: Load,
    server: Server,
    measured: list[Measured],
    totals: list[Totals],
    *,
    used: tuple[Usage | None, Usage | None, Usage | None],
    lasted: float,
) -> Outcome:
    latencies = Histogram()
    for one in measured:
        latencies.merge(one.latencies, one.greatest)
    before, first, last = used
    seconds = max(one.seconds for one in measured)
    return Outcome(
        load=load,
        tls=server.tls,
        via=server.via,
        counted=sum(one.count for one in measured),
        said=sum(one.sent for one in measured),
        held=any(one.held for one in measured),
        seconds=seconds,
        sent=sum(one.sent for one in totals),
        acknowledged=sum(one.acknowledged for one in totals),
        received=sum(one.received for one in totals),
        expected=sum(one.expected for one in totals),
        latencies=latencies,
        workers=len(measured),
        generator=sum(one.cpu for one in measured),
        server=(last.cpu - first.cpu) * seconds / lasted if first and last else None,
        memory=last.memory if last else None,
        grown=last.memory - before.memory if before and last else None,
    )


def _cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
