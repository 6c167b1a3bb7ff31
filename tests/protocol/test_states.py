"""The legal frames in each state, on both sides of a connection."""

from __future__ import annotations

import pytest

from chatcli.protocol import frames as f
from chatcli.protocol.states import FROM_CLIENT, FROM_SERVER, State, Table, after
from tests.protocol.strategies import CLIENT_FRAMES, SERVER_FRAMES

GREETING, PROVING, READY, CLOSED = State.GREETING, State.PROVING, State.READY, State.CLOSED


@pytest.mark.parametrize(
    ("table", "state", "frame", "then"),
    [
        (FROM_CLIENT, GREETING, f.Hello, PROVING),
        (FROM_CLIENT, GREETING, f.Prove, None),
        (FROM_CLIENT, PROVING, f.Prove, READY),
        (FROM_CLIENT, PROVING, f.Hello, None),
        (FROM_CLIENT, PROVING, f.Send, None),
        (FROM_CLIENT, GREETING, f.Bye, CLOSED),
        (FROM_CLIENT, GREETING, f.Send, None),
        (FROM_CLIENT, GREETING, f.Ping, None),
        (FROM_CLIENT, READY, f.Hello, None),
        (FROM_CLIENT, READY, f.Send, READY),
        (FROM_CLIENT, READY, f.Ack, READY),
        (FROM_CLIENT, READY, f.Who, READY),
        (FROM_CLIENT, READY, f.Ping, READY),
        (FROM_CLIENT, READY, f.Bye, CLOSED),
        (FROM_SERVER, GREETING, f.Welcome, READY),
        (FROM_SERVER, GREETING, f.Challenge, PROVING),
        (FROM_SERVER, PROVING, f.Challenge, None),
        (FROM_SERVER, PROVING, f.Welcome, READY),
        (FROM_SERVER, PROVING, f.Message, None),
        (FROM_SERVER, GREETING, f.Error, GREETING),
        (FROM_SERVER, GREETING, f.ServerBye, CLOSED),
        (FROM_SERVER, GREETING, f.Message, None),
        (FROM_SERVER, READY, f.Welcome, None),
        (FROM_SERVER, READY, f.Message, READY),
        (FROM_SERVER, READY, f.Error, READY),
        (FROM_SERVER, READY, f.ServerBye, CLOSED),
    ],
)
def test_transitions(table: Table, state: State, frame: type, then: State | None) -> None:
    """In each state the table has the next state of a frame, or that the frame is illegal."""
    assert after(table, state, frame) is then


@pytest.mark.parametrize(("table", "kinds"), [(FROM_CLIENT, CLIENT_FRAMES), (FROM_SERVER, SERVER_FRAMES)])
def test_frame_is_legal_somewhere(table: Table, kinds: tuple[type, ...]) -> None:
    """Each frame of a direction is legal in some state, and no frame of the other direction is."""
    assert {frame for row in table.values() for frame in row} == set(kinds)


@pytest.mark.parametrize("table", [FROM_CLIENT, FROM_SERVER])
def test_closed_connection(table: Table) -> None:
    """Each state has a row, and the one for a closed connection is empty."""
    assert set(table) == set(State)
    assert not table[CLOSED]


@pytest.mark.parametrize(("table", "bye"), [(FROM_CLIENT, f.Bye), (FROM_SERVER, f.ServerBye)])
def test_goodbye_is_always_legal(table: Table, bye: type) -> None:
    """A connected client may send goodbye before and after the welcome."""
    assert {after(table, state, bye) for state in (GREETING, PROVING, READY)} == {CLOSED}
