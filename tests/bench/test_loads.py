"""Each load on a real server: all messages are acknowledged and delivered, and nothing is left over."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chatcli.bench import loads, workers
from chatcli.bench.chatcli_dialect import dialect
from chatcli.bench.connection import Endpoint, Loop
from chatcli.bench.plan import SCENARIOS, Load, Order, Scenario, Server, Via
from chatcli.bench.throwaway import throwaway
from chatcli.bench.traffic import Paced
from chatcli.errors import Refused, ServerNotTrusted, ServerUnreachable
from chatcli.protocol.values.ids import id_bytes, milliseconds
from tests.bench.outcomes import an_outcome
from tests.support import ThreadServer

SECONDS = 0.3


def load(scenario: Scenario, clients: int = 6) -> Load:
    """Return a small load."""
    return Load(
        scenario=scenario, clients=clients, window=5, speakers=2, rate=200, text=20, messages=300, seconds=SECONDS
    )


def measured(server: ThreadServer, asked: Load, server_of: Server | None = None) -> workers.Outcome:
    """Measure a load on the test's server."""
    host, port = server.address[:2]
    return workers.measure(asked, server_of or Server(host=host, port=port), os.getpid(), lambda _: None)


@pytest.mark.parametrize(
    ("scenario", "processes"), [*((one, 1) for one in SCENARIOS), ("pairs", 3), ("room", 2), ("idle", 3)]
)
def test_all_is_acknowledged_and_heard(
    server: ThreadServer, scenario: Scenario, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several processes nothing is missing and nothing is counted twice."""
    monkeypatch.setattr(workers, "_cores", lambda: processes + 1)
    outcome = measured(server, load(scenario))
    assert outcome.received == outcome.expected
    assert outcome.acknowledged == outcome.sent
    heard = {"room": 5, "idle": 0, "connect": 0}.get(scenario, 1) * outcome.sent
    if scenario == "catch-up":
        assert (outcome.sent, outcome.received % outcome.sent) == (300, 0)
    elif heard:
        assert outcome.received == heard
    assert outcome.received >= outcome.counted > 0
    assert sum(outcome.latencies.counts.values()) == 0 if scenario == "idle" else outcome.latencies.greatest > 0
    assert outcome.seconds == pytest.approx(SECONDS, abs=5)
    assert outcome.workers == (1 if scenario == "catch-up" else processes)
    assert outcome.server is None or outcome.server >= 0


def test_pace(server: ThreadServer) -> None:
    """The number of messages follows from the pace and the time, however fast the server is."""
    outcome = measured(server, load("paced"))
    assert outcome.counted <= 400 * outcome.seconds  # what a busy machine has delayed may come in the measured time


def an_order(asked: Load, count: int) -> Order:
    """Return the order to the only worker of a load, with this number of clients."""
    server = Server(host="127.0.0.1", port=1)
    return Order(load=asked, server=server, names="bench-x-", seed=bytes(32), first=0, count=count, workers=1)


class Silent(Paced):
    """A load whose messages have no recipient."""

    def __init__(self, rate: int) -> None:
        asked = msgspec.structs.replace(load("paced", 3), rate=rate)
        order = an_order(asked, 3)
        super().__init__(order, Loop(), dialect(order), Endpoint("127.0.0.1", 1, None, b""))
        list(self.connections())
        self.heard = 0
        self.start()

    def received(self) -> int:
        """Return the number that the test has set."""
        return self.heard


def test_one_batch_per_round() -> None:
    """At any pace the sender reads answers between batches, and unsent messages do not pile up."""
    paced = Silent(1_000_000)
    now = time.monotonic() + 10
    paced.counting = True
    assert paced.send_due(now) == 0
    assert (paced.sent, paced.held) == (2000, False)
    paced.heard = 1500
    assert paced.send_due(now) == 0
    assert paced.sent == 4000
    for _ in range(8):
        assert paced.send_due(now) == 0
    assert paced.send_due(now) == 1.0
    assert (paced.sent, paced.held) == (21_500, True)
    assert paced.send_due(now) == 1.0


def test_speakers_share_evenly() -> None:
    """The senders' message counts differ by one at most."""
    paced = Silent(10)
    begun = paced._begun
    assert paced.send_due(begun + 0.05) == pytest.approx(0.05)
    assert paced.sent == 1
    assert paced.send_due(begun + 0.35) == pytest.approx(0.05)
    assert paced.sent == 4
    said = [sum(count for _, count in flight._departures) for _, _, flight in paced._speakers]
    assert said == [2, 1, 1]


def test_pace_not_kept() -> None:
    """Below 95 % of the pace the report says that the generator limits, unless the server does."""
    kept = an_outcome(said=191, rate=200)
    assert (kept.fell_short, kept.limited) == (False, False)
    missed = an_outcome(said=189, rate=200)
    assert (missed.fell_short, missed.limited) == (True, True)
    assert (replace(missed, held=True).fell_short, replace(missed, held=True).limited) == (True, False)


@pytest.mark.parametrize(
    ("scenario", "via"), [("pairs", "tcp"), ("connect", "tcp"), ("pairs", "ws"), ("connect", "ws"), ("catch-up", "ws")]
)
def test_tls(scenario: Scenario, via: Via) -> None:
    """The load uses TLS with the server's key, also within a WebSocket, and accepts no other key."""
    with throwaway(20) as started:
        host, port = started.address[:2]
        asked = load(scenario)
        told = Server(host=host, port=port, tls=True, via=via, key=started.key, binding=started.binding)
        outcome = workers.measure(asked, told, started.pid, lambda _: None)
        assert outcome.received == outcome.expected > 0
        assert outcome.acknowledged == outcome.sent
        assert (outcome.via, bool(outcome.memory)) == (via, True)
        with pytest.raises((ServerNotTrusted, Refused)):
            workers.measure(asked, msgspec.structs.replace(told, binding=bytes(32)), started.pid, lambda _: None)


def test_long_texts_through_a_tunnel() -> None:
    """Frames of all lengths, in both directions, while sockets are full."""
    with throwaway(20) as started:
        host, port = started.address[:2]
        told = Server(host=host, port=port, tls=True, via="ws", key=started.key, binding=started.binding)
        for text in (1, 30, 3000, 30_000):
            asked = msgspec.structs.replace(load("room"), text=text, window=50)
            outcome = workers.measure(asked, told, started.pid, lambda _: None)
            assert outcome.acknowledged == outcome.sent > 0
            # Members who were behind read from the log, where they find what they have said themselves, too.
            assert outcome.received >= outcome.expected


def test_server_without_websockets() -> None:
    """Its answer is in the sentence."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=_refuse_by_http, args=(other,))
        answering.start()
        where = Server(host="127.0.0.1", port=other.getsockname()[1], tls=True, via="ws")
        with pytest.raises(ServerUnreachable, match=r"did not open a WebSocket, but answered: HTTP/1\.1 404 Not Found"):
            workers.measure(load("idle", 1), where, None, lambda _: None)
        answering.join()


def _refuse_by_http(other: socket.socket) -> None:
    connection, _ = other.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        connection.recv(65536)


def test_ids() -> None:
    """Ids are distinct and ordered UUIDs of version 7 that contain the time."""
    order = an_order(load("pairs"), 1)
    make = dialect(order).maker("s", "r", 10)
    now = time.time_ns() // 10**6
    lines = b"".join(make(count) for count in (1, 500, 2000)).splitlines()
    ids = [line[18:54].decode() for line in lines]
    assert len(set(ids)) == len(lines) == 2501
    assert ids == sorted(ids)
    assert all(id_bytes(one)[8] >> 6 == 2 for one in ids)
    assert all(now <= (milliseconds(one) or 0) < now + 60_000 for one in ids)


def test_unreachable_server(server: ThreadServer) -> None:
    """The class of the error is reported although another process has met it."""
    with pytest.raises(ServerUnreachable, match="refused"):
        measured(server, load("connect"), Server(host="127.0.0.1", port=1))


def test_plain_text_answer(server: ThreadServer) -> None:
    """A plain-text answer is not reported as a lack of permission: a TLS error has no errno."""
    with socket.create_server(("127.0.0.1", 0)) as full:
        answering = threading.Thread(target=_refuse_in_plain_text, args=(full,))
        answering.start()
        where = Server(host="127.0.0.1", port=full.getsockname()[1], tls=True)
        with pytest.raises(ServerUnreachable, match="did not answer in TLS: perhaps it is full"):
            measured(server, load("idle", 1), where)
        answering.join()


def _refuse_in_plain_text(full: socket.socket) -> None:
    connection, _ = full.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(65536)
        connection.sendall(b'{"t":"error","code":"server_full"}\n')
        connection.recv(65536)


def test_server_dies(tmp_path: Path) -> None:
    """The run ends at once with the cause."""

    def told(done: float) -> None:
        if done:
            server.stop()

    with ThreadServer(tmp_path) as server:
        host, port = server.address[:2]
        asked = msgspec.structs.replace(load("pairs"), seconds=600.0)
        with pytest.raises((ServerUnreachable, Refused)):
            workers.measure(asked, Server(host=host, port=port), None, told)


def test_stalled_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run stops waiting for a backlog that does not shrink."""
    monkeypatch.setattr(loads, "PATIENCE", 0.0)
    order = an_order(load("catch-up", 1), 1)
    catching_up = loads.CatchUp(order, Loop(), dialect(order), Endpoint("127.0.0.1", 1, None, b""))
    steps = iter([False, False, False, True])
    catching_up._until(lambda: next(steps), iter(range(9)).__next__)
    with pytest.raises(ServerUnreachable, match="has said nothing"):
        catching_up._until(lambda: False, lambda: 7)


def test_refusal(tmp_path: Path) -> None:
    """A refusal is reported with its code and sentence."""
    from chatcli.server.limits import Limits

    with ThreadServer(tmp_path, Limits(access="invite")) as server, pytest.raises(Refused) as refused:
        measured(server, load("pairs"))
    assert refused.value.code == "invitation_required"
