"""What a run is to do, and what came out of it, as the process that plans and those that carry out tell each other."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Scenario = Literal["pairs", "room", "paced", "idle", "connect", "catch-up"]
SCENARIOS: Final[tuple[Scenario, ...]] = ("pairs", "room", "paced", "idle", "connect", "catch-up")

#: How many clients a scenario has unless it is told: pairs, members, connections, connections at once, readers.
CLIENTS: Final[dict[Scenario, int]] = {
    "pairs": 100,
    "room": 200,
    "paced": 50,
    "idle": 1000,
    "connect": 64,
    "catch-up": 1,
}
#: How many messages a speaker has in flight unless it is told.
WINDOWS: Final[dict[Scenario, int]] = {"pairs": 50, "room": 10}


class Load(Struct, frozen=True):
    """What is asked of the server.

    Attributes:
        scenario: of what kind.
        clients: as in :data:`CLIENTS`.
        window: messages of a speaker that are on their way, for pairs and in a room.
        speakers: in a room.
        rate: messages a second, if paced.
        text: bytes in a message.
        messages: missed by who catches up.
        seconds: for which it is measured.
    """

    scenario: Scenario
    clients: int
    window: int
    speakers: int
    rate: int
    text: int
    messages: int
    seconds: float


class Server(Struct, frozen=True):
    """Where the server is, and how to come in.

    Attributes:
        host: its IP address.
        port: of TCP.
        tls: whether to encrypt.
        key: the fingerprint of its key, over TLS.
        binding: SHA-256 of its certificate, over TLS.
        dialect: ``module:function`` of what makes the :class:`chatcli.bench.dialect.Dialect`, given an :class:`Order`.
        at_once: connections that are being made at the same time.
    """

    host: str
    port: int
    tls: bool = False
    key: str = ""
    binding: bytes = b""
    dialect: str = "chatcli.bench.speech:dialect"
    at_once: int = 64


class Order(Struct, frozen=True):
    """A worker's part.

    Attributes:
        load: of all workers together.
        server: to be measured.
        names: what all names of this run begin with.
        seed: of the Ed25519 key that they belong to.
        first: the number of the worker's first client.
        count: how many clients it has.
        workers: how many workers there are.
    """

    load: Load
    server: Server
    names: str
    seed: bytes
    first: int
    count: int
    workers: int


class Go(Struct, frozen=True):
    """When to count from and until when, by the system's monotonic clock; the load begins before."""

    begin: float
    end: float


class Totals(Struct, frozen=True):
    """What a worker has said and heard since it began.

    Attributes:
        sent: messages.
        acknowledged: of these.
        received: what the load counts: messages, or connections.
        expected: how much of it there has to be in the end.
    """

    sent: int
    acknowledged: int
    received: int
    expected: int


class Said(Struct, frozen=True):
    """How many messages all workers together have said; nothing is said from now on."""

    count: int


class Measured(Struct, frozen=True):
    """What a worker has counted between the two moments.

    Attributes:
        count: messages received, or connections welcomed.
        said: messages said.
        held: less was said than was due, as the server had not passed on what was said before.
        seconds: between them, as they were seen.
        cpu: seconds of it in which the worker ran.
        latencies: as in :class:`chatcli.bench.histogram.Histogram`.
        greatest: of them, in microseconds.
        totals: what is yet to come included.
    """

    count: int
    said: int
    held: bool
    seconds: float
    cpu: float
    latencies: dict[int, int]
    greatest: int
    totals: Totals


class Failed(Struct, frozen=True):
    """Why a worker gives up: the name of the exception, a code if it has one, and its sentence."""

    kind: str
    code: str
    text: str
