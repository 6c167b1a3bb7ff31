"""The orders to the processes of the load generator, and their results."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Scenario = Literal["pairs", "room", "paced", "idle", "connect", "catch-up"]
SCENARIOS: Final[tuple[Scenario, ...]] = ("pairs", "room", "paced", "idle", "connect", "catch-up")

Via = Literal["tcp", "ws"]

#: The clients of a scenario by default: pairs, members, connections, simultaneous connections, readers.
CLIENTS: Final[dict[Scenario, int]] = {
    "pairs": 100,
    "room": 200,
    "paced": 50,
    "idle": 1000,
    "connect": 64,
    "catch-up": 1,
}
#: The messages that a sender has in flight by default.
WINDOWS: Final[dict[Scenario, int]] = {"pairs": 50, "room": 10}


class Load(Struct, frozen=True, kw_only=True):
    """A load on the server.

    Attributes:
        scenario: the kind of load.
        clients: as in :data:`CLIENTS`.
        window: messages of a sender in flight, for pairs and in a room.
        speakers: the members of a room who send.
        rate: messages a second, if paced.
        text: bytes in a message.
        messages: the backlog of a reader who catches up.
        seconds: the duration of the measurement.
    """

    scenario: Scenario
    clients: int
    window: int
    speakers: int
    rate: int
    text: int
    messages: int
    seconds: float


class Server(Struct, frozen=True, kw_only=True):
    """The server to measure.

    Attributes:
        host: its IP address.
        port: its TCP port.
        tls: whether to use TLS.
        via: ``tcp``, or ``ws`` for TLS within a WebSocket.
        key: the fingerprint of its key, over TLS.
        binding: SHA-256 of its certificate, over TLS.
        dialect: ``module:function``, which returns the :class:`chatcli.bench.dialect.Dialect` for an :class:`Order`.
        at_once: connections that are dialled at the same time.
    """

    host: str
    port: int
    tls: bool = False
    via: Via = "tcp"
    key: str = ""
    binding: bytes = b""
    dialect: str = "chatcli.bench.chatcli_dialect:dialect"
    at_once: int = 64


class Order(Struct, frozen=True, kw_only=True):
    """A worker's share of a load.

    Attributes:
        load: the load of all workers together.
        server: the server to measure.
        names: the prefix of all names of this run.
        seed: the seed of the Ed25519 key that they belong to.
        first: the number of the worker's first client.
        count: the number of its clients.
        workers: the number of workers.
    """

    load: Load
    server: Server
    names: str
    seed: bytes
    first: int
    count: int
    workers: int


class Period(Struct, frozen=True):
    """The period of the measurement, by the system's monotonic clock; the load starts before it."""

    begin: float
    end: float


class Totals(Struct, frozen=True):
    """The counts of a worker since it started.

    Attributes:
        sent: messages sent.
        acknowledged: messages acknowledged.
        received: messages received, or connections, as the load counts.
        expected: the value of ``received`` in the end, if nothing is lost.
    """

    sent: int
    acknowledged: int
    received: int
    expected: int


class AllSent(Struct, frozen=True):
    """The number of messages that all workers together have sent; nothing is sent any more."""

    count: int


class Measured(Struct, frozen=True, kw_only=True):
    """The counts of a worker in the period of the measurement.

    Attributes:
        count: messages received, or connections welcomed.
        sent: messages sent.
        held: whether less was sent than was due, as the server had not delivered the earlier messages.
        seconds: the length of the period, as the worker measured it.
        cpu: CPU seconds of the worker.
        latencies: as in :class:`chatcli.bench.histogram.Histogram`.
        greatest: the greatest latency, in microseconds.
        totals: the counts since the start.
    """

    count: int
    sent: int
    held: bool
    seconds: float
    cpu: float
    latencies: dict[int, int]
    greatest: int
    totals: Totals


class Failed(Struct, frozen=True):
    """The failure of a worker: the name of the exception, its code if it has one, and its sentence."""

    kind: str
    code: str
    text: str
