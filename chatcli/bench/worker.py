"""A process of the generator: takes its order on standard input, a line of JSON a step, and answers on standard output.

``python -P -m chatcli.bench.worker``, as :mod:`chatcli.bench.workers` starts it. It ends when its input does.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import ssl
import sys
import time
from collections import deque
from typing import Any, Final, TypeVar

import msgspec

from chatcli.bench.connection import READ, Loop, Way
from chatcli.bench.dialect import Dialect
from chatcli.bench.loads import PATIENCE, CatchUp, Connect, Idle, Load
from chatcli.bench.plan import Failed, Go, Measured, Order, Said, Scenario
from chatcli.bench.traffic import Paced, Pairs, Room
from chatcli.errors import ChatError, Refused, ServerUnreachable

_PAUSE: Final = 0.02  # seconds; how exactly moments are met
_KEEP_OPEN: Final = 15.0  # seconds between two signs of life

LOADS: Final[dict[Scenario, type[Load]]] = {
    "pairs": Pairs,
    "room": Room,
    "paced": Paced,
    "idle": Idle,
    "connect": Connect,
    "catch-up": CatchUp,
}

Kind = TypeVar("Kind")


class Input:
    """What the process is told, line by line, while it has other things to do."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lines: deque[bytes] = deque()
        self._rest = b""
        os.set_blocking(sys.stdin.fileno(), False)
        loop.add(sys.stdin.fileno(), self, READ)

    def happened(self, what: int) -> None:  # noqa: ARG002 (there is one thing that can)
        """Read; the end of it is the end of the process."""
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:
            raise SystemExit(0)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(lines)

    def next(self, kind: type[Kind], load: Load | None = None) -> Kind:
        """Return what is told next, and go on with the load until then."""
        while not self._lines:
            self._loop.turn(min(_PAUSE, load.pace(time.monotonic())) if load else 1.0)
        return msgspec.json.decode(self._lines.popleft(), type=kind)


def main() -> None:
    """Carry out one order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who has started this ends it
    try:
        _carry_out()
    except ChatError as error:
        _tell(Failed(type(error).__name__, error.code if isinstance(error, Refused) else "", str(error)))


def _carry_out() -> None:
    loop = Loop()
    told = Input(loop)
    order = told.next(Order)
    load = LOADS[order.load.scenario](order, loop, _dialect(order), _way(order))
    _set_up(order, load, loop)
    gc.collect()
    gc.disable()  # what comes to be from here on goes by itself
    _tell(load.totals())
    go = told.next(Go)
    load.begin()
    _run(load, loop, go.begin)
    before, sent, begun, cpu = load.received(), load.sent, time.monotonic(), time.process_time()
    load.counting = True
    _run(load, loop, go.end)
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    count, said = load.received() - before, load.sent - sent
    load.counting = load.talking = False
    if order.load.scenario == "idle":
        count = load.received()
    latencies = load.latencies
    _tell(Measured(count, said, load.held, seconds, cpu, latencies.counts, latencies.greatest, load.totals()))
    whole = told.next(Said, load).count
    _drain(load, loop, whole)
    _tell(load.totals(whole))
    told.next(Go, load)  # nothing more comes but the end


def _dialect(order: Order) -> Dialect:
    module, _, name = order.server.dialect.partition(":")
    made: Dialect = getattr(importlib.import_module(module), name)(order)
    return made


def _way(order: Order) -> Way:
    context = None
    if order.server.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the certificate is compared with that of the connection that was trusted
        context.verify_mode = ssl.CERT_NONE
    return Way(order.server.host, order.server.port, context, order.server.binding)


def _set_up(order: Order, load: Load, loop: Loop) -> None:
    """Have all connections come in, a few at a time, and say how many there are while it takes long."""
    silent_since = alive = time.monotonic()
    for connection in load.callers():
        load.enter(connection)
        while load.waiting() >= order.server.at_once:
            silent_since = _progress(load, loop, silent_since)
        if time.monotonic() - alive > _KEEP_OPEN:
            alive = time.monotonic()
            load.keep_open()
    while load.waiting():
        silent_since = _progress(load, loop, silent_since)


def _progress(load: Load, loop: Loop, silent_since: float) -> float:
    """Wait for a connection to come in; return since when none has."""
    before = load.waiting()
    loop.turn(_PAUSE)
    now = time.monotonic()
    if load.waiting() < before:
        return now
    if now - silent_since > PATIENCE:
        raise ServerUnreachable(f"The server has let nobody in for {PATIENCE:.0f} seconds: ask its log why.")
    return silent_since


def _run(load: Load, loop: Loop, until: float) -> None:
    """Go on until that moment."""
    alive = time.monotonic()
    while (now := time.monotonic()) < until:
        loop.turn(min(load.pace(now), until - now, _PAUSE))
        if now - alive > _KEEP_OPEN:
            alive = now
            load.keep_open()


def _drain(load: Load, loop: Loop, said: int) -> None:
    """Wait for what is on its way: here, or with others."""
    before, silent_since = load.received(), time.monotonic()
    while load.received() < load.expected(said) or not load.all_acknowledged():
        loop.turn(_PAUSE)
        now = time.monotonic()
        if load.received() != before:
            before, silent_since = load.received(), now
        elif now - silent_since > PATIENCE:
            return  # what is missing is seen in the totals


def _tell(answer: Any) -> None:  # noqa: ANN401 (any of the plan's)
    os.write(sys.stdout.fileno(), msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
