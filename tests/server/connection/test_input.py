"""Frames that a reader hands to a session, decoded already, as a gateway does."""

from __future__ import annotations

import itertools

from chatcli.protocol import frames as f
from chatcli.protocol.keys import Claim, key_bytes, key_text, signed_bytes
from chatcli.server.security.prices import GREETING, KIB
from tests.support import ThreadServer, eventually, feed, key_of, known, session_of, sessions_of, waiting_frames


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


def test_proof_that_overdraws_the_purse(server: ThreadServer) -> None:
    """Frames sent together with it are answered after the welcome, all of them and in order."""
    key = key_of("eve")
    server.joined("eve", key=key).hang_up()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    with server.connect() as eve:
        eve.says("hello", version=1, user="eve", purpose="send", key=key_text(key.public))
        challenge = eve.hears("challenge")
        nonce = key_bytes(challenge["nonce"], 32)
        claim = Claim(version=1, server_key=challenge["key"], nonce=nonce, user="eve", purpose="send", channel=b"")

        def impoverish() -> None:
            (session,) = sessions_of(server)
            session.account.charge(GREETING.points_at_once - 8)

        server.run(impoverish)
        proof = b'{"t":"prove","signature":"%s"}\n' % key_text(key.sign(signed_bytes(claim))).encode()
        pings = [b'{"t":"ping","n":%d}\n' % number for number in range(1, 801)]
        eve.says_raw(proof + b"".join(pings))
        eve.hears("welcome")
        assert [eve.hears("pong")["n"] for _ in pings] == list(range(1, 801))


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
