"""Each load against a real server: whatever was said is acknowledged and heard, and nothing is left behind."""

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
from chatcli.bench.plan import SCENARIOS, Load, Order, Scenario, Server
from chatcli.bench.throwaway import throwaway
from chatcli.bench.traffic import Paced
from chatcli.errors import Refused, ServerUnreachable
from chatcli.protocol.ids import id_bytes, milliseconds
from tests.bench.outcomes import an_outcome
from tests.support import ThreadServer

SECONDS = 0.3


def load(scenario: Scenario, clients: int = 6) -> Load:
    """Return a small load."""
    return Load(
        scenario=scenario, clients=clients, window=5, speakers=2, rate=200, text=20, messages=300, seconds=SECONDS
    )


def measured(server: ThreadServer, asked: Load, server_of: Server | None = None) -> workers.Outcome:
    """Carry a load to a server of the test's."""
    host, port = server.address
    return workers.measure(asked, server_of or Server(host=host, port=port), os.getpid(), lambda _: None)


@pytest.mark.parametrize(
    ("scenario", "processes"), [*((one, 1) for one in SCENARIOS), ("pairs", 3), ("room", 2), ("idle", 3)]
)
def test_what_is_said_is_acknowledged_and_heard(
    server: ThreadServer, scenario: Scenario, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By as many processes as there are; nothing is missing, and nothing is counted twice."""
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


def test_a_pace_is_kept(server: ThreadServer) -> None:
    """As many messages as the time has places for, however fast the server is."""
    outcome = measured(server, load("paced"))
    assert outcome.counted <= 200 * outcome.seconds + 6


def an_order(asked: Load, count: int) -> Order:
    """Return the order to the only worker of a load, with this number of clients."""
    server = Server(host="127.0.0.1", port=1)
    return Order(load=asked, server=server, names="bench-x-", seed=bytes(32), first=0, count=count, workers=1)


class Silent(Paced):
    """A load whose messages go nowhere."""

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


def test_what_is_due_is_said_once_a_turn_and_no_more_than_that() -> None:
    """Whatever the pace: what came is read in between, and what nobody takes does not pile up."""
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


def test_the_speakers_take_turns() -> None:
    """Each says as many as any other one, or one more."""
    paced = Silent(10)
    begun = paced._begun
    assert paced.send_due(begun + 0.05) == pytest.approx(0.05)
    assert paced.sent == 1
    assert paced.send_due(begun + 0.35) == pytest.approx(0.05)
    assert paced.sent == 4
    said = [sum(count for _, count in flight._departures) for _, _, flight in paced._speakers]
    assert said == [2, 1, 1]


def test_a_pace_that_was_not_kept_is_told() -> None:
    """Less than 95 % of what was asked for is not what was asked for: the generator limits, unless the server does."""
    kept = an_outcome(said=191, rate=200)
    assert (kept.fell_short, kept.limited) == (False, False)
    missed = an_outcome(said=189, rate=200)
    assert (missed.fell_short, missed.limited) == (True, True)
    assert (replace(missed, held=True).fell_short, replace(missed, held=True).limited) == (True, False)


@pytest.mark.parametrize("scenario", ["pairs", "connect"])
def test_tls_is_spoken_where_it_is_asked_for(scenario: Scenario) -> None:
    """With the key that the server has, and with no other."""
    with throwaway(20) as started:
        host, port = started.address
        asked = load(scenario)
        told = Server(host=host, port=port, tls=True, key=started.key, binding=started.binding)
        outcome = workers.measure(asked, told, started.pid, lambda _: None)
        assert outcome.received == outcome.expected > 0
        assert outcome.memory


def test_ids_are_uuids_in_the_order_in_which_they_are_made() -> None:
    """Each its own, of version 7, with the time in it."""
    order = an_order(load("pairs"), 1)
    make = dialect(order).maker("s", "r", 10)
    now = time.time_ns() // 10**6
    lines = b"".join(make(count) for count in (1, 500, 2000)).splitlines()
    ids = [line[18:54].decode() for line in lines]
    assert len(set(ids)) == len(lines) == 2501
    assert ids == sorted(ids)
    assert all(id_bytes(one)[8] >> 6 == 2 for one in ids)
    assert all(now <= (milliseconds(one) or 0) < now + 60_000 for one in ids)


def test_a_server_that_is_not_there_is_said_to_be(server: ThreadServer) -> None:
    """With the class of what went wrong, although another process has seen it."""
    with pytest.raises(ServerUnreachable, match="refused"):
        measured(server, load("connect"), Server(host="127.0.0.1", port=1))


def test_a_server_that_answers_in_plain_text_is_not_said_to_forbid_anything(server: ThreadServer) -> None:
    """As one does that is full: the number of an error in TLS is none of the system's."""
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


def test_a_server_that_dies_ends_the_run_at_once(tmp_path: Path) -> None:
    """Long before its end, with what has happened."""

    def told(done: float) -> None:
        if done:
            server.stop()

    with ThreadServer(tmp_path) as server:
        host, port = server.address
        asked = msgspec.structs.replace(load("pairs"), seconds=600.0)
        with pytest.raises((ServerUnreachable, Refused)):
            workers.measure(asked, Server(host=host, port=port), None, told)


def test_a_backlog_that_nobody_takes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nothing happens."""
    monkeypatch.setattr(loads, "PATIENCE", 0.0)
    order = an_order(load("catch-up", 1), 1)
    catching_up = loads.CatchUp(order, Loop(), dialect(order), Endpoint("127.0.0.1", 1, None, b""))
    steps = iter([False, False, False, True])
    catching_up._until(lambda: next(steps), iter(range(9)).__next__)
    with pytest.raises(ServerUnreachable, match="has said nothing"):
        catching_up._until(lambda: False, lambda: 7)


def test_what_the_server_refuses_is_said(tmp_path: Path) -> None:
    """With its code and sentence."""
    from chatcli.server.limits import Limits

    with ThreadServer(tmp_path, Limits(access="invite")) as server, pytest.raises(Refused) as refused:
        measured(server, load("pairs"))
    assert refused.value.code == "invitation_required"
