"""Each load against a real server: whatever was said is acknowledged and heard, and nothing is left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from chatcli.bench import workers
from chatcli.bench.plan import SCENARIOS, Load, Order, Scenario, Server
from chatcli.bench.speech import dialect
from chatcli.bench.throwaway import throwaway
from chatcli.errors import Refused, ServerUnreachable
from chatcli.protocol.ids import id_bytes, milliseconds
from tests.support import ThreadServer

SECONDS = 0.3


def load(scenario: Scenario, clients: int = 6) -> Load:
    """Return a small load."""
    return Load(scenario, clients, window=5, speakers=2, rate=200, text=20, messages=300, seconds=SECONDS)


def measured(server: ThreadServer, asked: Load, server_of: Server | None = None) -> workers.Outcome:
    """Carry a load to a server of the test's."""
    host, port = server.address
    return workers.measure(asked, server_of or Server(host, port), os.getpid(), lambda _: None)


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


@pytest.mark.parametrize("scenario", ["pairs", "connect"])
def test_tls_is_spoken_where_it_is_asked_for(scenario: Scenario) -> None:
    """With the key that the server has, and with no other."""
    with throwaway(20) as started:
        host, port = started.address
        asked = load(scenario)
        told = Server(host, port, tls=True, key=started.key, binding=started.binding)
        outcome = workers.measure(asked, told, started.pid, lambda _: None)
        assert outcome.received == outcome.expected > 0
        assert outcome.memory


def test_ids_are_uuids_in_the_order_in_which_they_are_made() -> None:
    """Each its own, of version 7, with the time in it."""
    order = Order(load("pairs"), Server("127.0.0.1", 1), "bench-x-", bytes(32), 0, 1, 1)
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
        measured(server, load("connect"), Server("127.0.0.1", 1))


def test_what_the_server_refuses_is_said(tmp_path: Path) -> None:
    """With its code and sentence."""
    from chatcli.server.limits import Limits

    with ThreadServer(tmp_path, Limits(access="invite")) as server, pytest.raises(Refused) as refused:
        measured(server, load("pairs"))
    assert refused.value.code == "invitation_required"
