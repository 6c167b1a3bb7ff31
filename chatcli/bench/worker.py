"""A process of the load generator: reads orders from standard input, a line of JSON each, and writes its answers.

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

from chatcli.bench.connection import READ, Endpoint, Loop
from chatcli.bench.dialect import Dialect
from chatcli.bench.loads import PATIENCE, CatchUp, Connect, Idle, Load
from chatcli.bench.plan import AllSent, Failed, Measured, Order, Period, Scenario
from chatcli.bench.traffic import Paced, Pairs, Room
from chatcli.errors import ChatError, Refused, ServerUnreachable

_PAUSE: Final = 0.02  # seconds: the precision of moments
_KEEP_OPEN: Final = 15.0  # seconds between two pings

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
    """Orders from standard input, read while the load goes on."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lines: deque[bytes] = deque()
        self._rest = b""
        os.set_blocking(sys.stdin.fileno(), False)
        loop.add(sys.stdin.fileno(), self, READ)

    def handle(self, what: int) -> None:  # noqa: ARG002 (there is one thing that can)
        """Read; at the end of the input the process ends."""
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:
            raise SystemExit(0)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(lines)

    def next(self, kind: type[Kind], load: Load | None = None) -> Kind:
        """Return the next order; the load goes on until it comes."""
        while not self._lines:
            self._loop.run_once(min(_PAUSE, load.send_due(time.monotonic())) if load else 1.0)
        return msgspec.json.decode(self._lines.popleft(), type=kind)


def main() -> None:
    """Carry out one order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    try:
        _carry_out()
    except ChatError as error:
        _write(Failed(type(error).__name__, error.code if isinstance(error, Refused) else "", str(error)))


def _carry_out() -> None:
    loop = Loop()
    orders = Input(loop)
    order = orders.next(Order)
    load = LOADS[order.load.scenario](order, loop, _dialect(order), _endpoint(order))
    _set_up(order, load, loop)
    gc.collect()
    gc.disable()  # from here on, reference counts free everything
    _write(load.totals())
    period = orders.next(Period)
    load.start()
    _run(load, loop, period.begin)
    before, sent, begun, cpu = load.received(), load.sent, time.monotonic(), time.process_time()
    load.counting = True
    _run(load, loop, period.end)
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    count, sent = load.received() - before, load.sent - sent
    load.counting = load.sending = False
    if order.load.scenario == "idle":
        count = load.received()
    latencies = load.latencies
    measured = Measured(
        count=count,
        sent=sent,
        held=load.held,
        seconds=seconds,
        cpu=cpu,
        latencies=latencies.counts,
        greatest=latencies.greatest,
        totals=load.totals(),
    )
    _write(measured)
    total = orders.next(AllSent, load).count
    _drain(load, loop, total)
    _write(load.totals(total))
    orders.next(Period, load)  # only the end of the input follows


def _dialect(order: Order) -> Dialect:
    module, _, name = order.server.dialect.partition(":")
    made: Dialect = getattr(importlib.import_module(module), name)(order)
    return made


def _endpoint(order: Order) -> Endpoint:
    context = None
    if order.server.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the certificate is compared with that of the connection that was trusted
        context.verify_mode = ssl.CERT_NONE
    server = order.server
    return Endpoint(server.host, server.port, context, server.binding, tunnelled=server.via == "ws")


def _set_up(order: Order, load: Load, loop: Loop) -> None:
    """Make all connections, a few at a time, keeping open those that are there."""
    silent_since = alive = time.monotonic()
    for connection in load.connections():
        load.dial(connection)
        while load.waiting() >= order.server.at_once:
            silent_since = _progress(load, loop, silent_since)
        if time.monotonic() - alive > _KEEP_OPEN:
            alive = time.monotonic()
            load.keep_open()
    while load.waiting():
        silent_since = _progress(load, loop, silent_since)


def _progress(load: Load, loop: Loop, silent_since: float) -> float:
    """Wait for a connection to log in; return the moment since which none has."""
    before = load.waiting()
    loop.run_once(_PAUSE)
    now = time.monotonic()
    if load.waiting() < before:
        return now
    if now - silent_since > PATIENCE:
        raise ServerUnreachable(f"The server has let nobody in for {PATIENCE:.0f} seconds: ask its log why.")
    return silent_since


def _run(load: Load, loop: Loop, until: float) -> None:
    """Run the load until a moment."""
    alive = time.monotonic()
    while (now := time.monotonic()) < until:
        loop.run_once(min(load.send_due(now), until - now, _PAUSE))
        if now - alive > _KEEP_OPEN:
            alive = now
            load.keep_open()


def _drain(load: Load, loop: Loop, sent: int) -> None:
    """Wait for the messages in flight, of this worker and of others."""
    before, silent_since = load.received(), time.monotonic()
    while load.received() < load.expected(sent) or not load.all_acknowledged():
        loop.run_once(_PAUSE)
        now = time.monotonic()
        if load.received() != before:
            before, silent_since = load.received(), now
        elif now - silent_since > PATIENCE:
            return  # the totals show what is missing


def _write(answer: Any) -> None:  # noqa: ANN401 (any of the plan's)
    os.write(sys.stdout.fileno(), msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
