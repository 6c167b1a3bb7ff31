"""Frames that a reader hands to a session, decoded already, as a gateway does."""

from __future__ import annotations

import itertools

from chatcli.protocol import frames as f
from chatcli.server.security.prices import KIB
from tests.support import ThreadServer, feed, known, session_of, waiting_frames


def test_frames_are_processed_in_slices(server: ThreadServer) -> None:
    """Between two requests others are served, and frames that come meanwhile wait their turn."""
    with server.joined("eve") as eve, server.joined("bob") as bob:

        def hand_over() -> int:
            session = session_of(server, "eve")
            session.receive_frames([f.History("nobody", n=number) for number in range(1, 100)])
            session.receive_frames([f.History("nobody", n=number) for number in range(100, 200)])
            feed(session_of(server, "bob"), b'{"t":"ping","n":1}\n')
            return waiting_frames(session)

        assert server.run(hand_over) > 150
        bob.hears("pong")
        assert [eve.hears("error")["n"] for _ in range(1, 200)] == list(range(1, 200))


def test_frames_of_two_readers(server: ThreadServer) -> None:
    """Lines that come while frames wait are answered after these."""
    with server.joined("eve") as eve:

        def hand_over() -> None:
            session = session_of(server, "eve")
            session.receive_frames([f.History("nobody", n=number) for number in range(1, 20)])
            feed(session, b'{"t":"ping","n":20}\n')

        server.run(hand_over)
        assert [eve.hears("error")["n"] for _ in range(1, 20)] == list(range(1, 20))
        eve.hears("pong", n=20)


def test_frames_after_a_goodbye(server: ThreadServer) -> None:
    """They are ignored."""
    with server.joined("eve") as eve:
        server.run(lambda: session_of(server, "eve").receive_frames([f.Ping(1), f.Bye(), f.Ping(2)]))
        eve.hears("pong", n=1)
        eve.hears("bye", code="left")
        eve.hears_end()


def test_frames_cost_no_bytes(server: ThreadServer) -> None:
    """They have their prices; what their bytes cost is for the reader of the format to charge."""
    with server.joined("eve"):

        def pay() -> list[float]:
            session, purse = session_of(server, "eve"), server.hub.rate_limits.personal_purse(known(server, "eve"))
            points = [purse._points]
            session.receive_frames([f.Ping(1)])
            points.append(purse._points)
            feed(session, b'{"t":"ping",' + b" " * 10 * KIB + b'"n":1}\n')
            points.append(purse._points)
            return [before - after for before, after in itertools.pairwise(points)]

        of_frame, of_line = server.run(pay)
        assert (of_frame, of_line > 10) == (1, True)
