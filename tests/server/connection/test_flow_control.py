"""Reasons for pausing the reading from a connection, and for resuming it."""

from __future__ import annotations

import pytest

from chatcli.server.connection.flow_control import FlowControl, Pause
from chatcli.server.limits import Limits
from tests.server.connection.wires import FakeWire


@pytest.fixture
def wire() -> FakeWire:
    """The paused wire."""
    return FakeWire()


@pytest.fixture
def flow(wire: FakeWire) -> FlowControl:
    """Flow control that allows a hundred bytes in flight."""
    return FlowControl(wire, Limits(in_flight=100))


def test_pause_and_resume(flow: FlowControl, wire: FakeWire) -> None:
    """The wire is paused once for any number of reasons, and resumed after the last."""
    flow.pause(Pause.UNSENT)
    flow.pause(Pause.BACKLOG)
    flow.resume(Pause.UNSENT)
    assert (flow.paused, wire.calls) == (True, ["pause"])
    flow.resume(Pause.BACKLOG)
    assert (flow.paused, wire.calls) == (False, ["pause", "resume"])
    flow.resume(Pause.BACKLOG)
    assert wire.calls == ["pause", "resume"]


@pytest.mark.parametrize("reason", Pause)
def test_reasons_that_stop_processing(flow: FlowControl, reason: Pause) -> None:
    """Read frames wait for an answer, or until the client can pay, but not for the client's own socket."""
    flow.pause(reason)
    assert reason in flow
    assert flow.blocked == (reason in (Pause.SUSPENDED, Pause.ALLOWANCE))
    flow.resume(reason)
    assert reason not in flow
    assert not flow.blocked


def test_too_much_in_flight(flow: FlowControl, wire: FakeWire) -> None:
    """Reading pauses until half is acknowledged, so that it goes on in large steps."""
    flow.charge(100)
    assert not flow.paused
    flow.charge(1)
    assert wire.calls == ["pause"]
    flow.acknowledge(50)
    assert wire.calls == ["pause"]
    flow.acknowledge(1)
    assert (flow.in_flight, wire.calls) == (50, ["pause", "resume"])


def test_too_much_of_all_connections(flow: FlowControl) -> None:
    """If all connections together have too much in flight, one byte is too much."""
    flow.charge(1, crowded=True)
    assert Pause.IN_FLIGHT in flow
    flow.acknowledge(1)
    assert not flow.paused


def test_closed_wire(flow: FlowControl, wire: FakeWire) -> None:
    """A transport that is closing is not asked to read."""
    flow.pause(Pause.UNSENT)
    flow.close()
    flow.resume(Pause.UNSENT)
    flow.pause(Pause.STOPPING)
    assert wire.calls == ["pause"]
