"""The place in the log of a time."""

from __future__ import annotations

import asyncio

from chatcli.client.feed.seek import seq_at
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import CAUTIOUS
from tests.support import OWN, ThreadServer


def test_seek(server: ThreadServer) -> None:
    """The first message that is not older than the time is found among many; messages to others do not matter."""
    with server.joined("ear") as _, server.joined("other") as _, server.joined("mouth", "send") as mouth:
        now = 1_000_000
        clock, server.hub.clock = server.hub.clock, lambda: now
        places = []
        for number in range(1500):
            now = 1_000_000 + number * 10
            mouth.sends("ear" if number % 3 else "other", str(number))
            sent = mouth.hears("sent")
            if number % 3:
                places.append((sent["seq"], sent["at"]))
        server.hub.clock = clock
        head = server.hub.log.head

    login = Login(server=Server.at(server.address), user="ear", trust=CAUTIOUS, identity=OWN)
    times = [0, places[0][1], places[1][1], places[500][1] - 1, places[500][1], places[-1][1], places[-1][1] + 1]
    for time in times:
        found = asyncio.run(seq_at(login, time, head))
        assert [seq for seq, _ in places if seq > found] == [seq for seq, at in places if at >= time], time
