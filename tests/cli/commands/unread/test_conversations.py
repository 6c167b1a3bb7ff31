"""``chatcli conversations``: people and rooms, the newest message first, with what is unread."""

from __future__ import annotations

import json
import socket

from tests.client.oneshot.impostor import Impostor, Line
from tests.here import run_here
from tests.support import ThreadServer, chatcli
from tests.terminal import Terminal


def missed(server: ThreadServer) -> list[str]:
    """Let alice miss a message in a room, a mention there, and two messages from bob; return where she is."""
    with server.joined("alice") as alice, server.joined("bob", "send") as bob, server.joined("cid", "send") as cid:
        alice.enters("#ops")
        alice.sends("cid", "mine")
        alice.hears("sent")
        for to, text in (
            ("#ops", "all is well"),
            ("#ops", "alice: or not"),
            ("alice", "one"),
            ("alice", "two\tand\x1b[31m"),
        ):
            bob.sends(to, text)
            bob.hears("sent")
        cid.asks("keys")
    return ["--user", "alice", "--server", str(server.address)]


def test_lines_in_a_pipe(server: ThreadServer) -> None:
    """Name, unread, mentions, and the last message's time, sender and text; nothing becomes read."""
    where = missed(server)
    for _ in range(2):
        done = chatcli("conversations", *where)
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert [row[:3] + row[4:] for row in rows] == [
            ["bob", "2", "0", "bob", "two\\tand␛[31m"],
            ["#ops", "2", "1", "bob", "alice: or not"],
            ["cid", "0", "0", "alice", "mine"],
        ]
        assert all(row[3].startswith("20") and row[3].endswith("Z") for row in rows)


def test_only_some(server: ThreadServer) -> None:
    """The unread ones, or the newest."""
    where = missed(server)

    def names(*arguments: str) -> list[str]:
        return [line.split("\t")[0] for line in run_here("conversations", *arguments, *where).stdout.splitlines()]

    assert names("--unread") == ["bob", "#ops"]
    assert names("--limit", "1") == ["bob"]


def test_many_pages() -> None:
    """Each page goes on before the last message of the page before; a server that repeats itself is given up."""

    def info(seq: int, unread: int) -> dict[str, object]:
        last = {"seq": seq, "id": "x", "from": f"p{seq}", "to": "a", "text": "hi", "at": 1}
        return {"of": f"p{seq}", "last": last, "unread": unread}

    def answer(line: Line, *pages: tuple[list[int], bool]) -> None:
        for seqs, more in pages:
            line.hears("conversations")
            listed = [info(seq, seq % 2) for seq in seqs]
            line.says("conversations", conversations=listed, more=more, n=1)

    def well(connection: socket.socket) -> None:
        answer(Line(connection, revision=1), ([9, 8], True), ([7, 6], True), ([5], False))

    def badly(connection: socket.socket) -> None:
        answer(Line(connection, revision=1), ([9, 8], True), ([8, 7], True))

    for replies, status, names in ((well, 0, "p9 p7 p5"), (badly, 1, "")):
        with Impostor(replies) as address:
            done = run_here("conversations", "--unread", "--user", "a", "--server", str(address))
        assert (done.returncode, " ".join(line.split("\t")[0] for line in done.stdout.splitlines())) == (status, names)


def test_json(server: ThreadServer) -> None:
    """One object a line."""
    where = missed(server)
    bob, ops, cid = map(json.loads, run_here("conversations", "--json", *where).stdout.splitlines())
    assert (bob["of"], bob["unread"], bob["mentions"], bob["read"]) == ("bob", 2, 0, 0)
    assert bob["last"]["text"] == "two\tand\x1b[31m"
    assert (ops["of"], ops["unread"], ops["mentions"]) == ("#ops", 2, 1)
    assert (cid["of"], cid["unread"], cid["last"]["from"]) == ("cid", 0, "alice")


def test_columns_on_a_terminal(server: ThreadServer) -> None:
    """There are headings, no line is wider than the terminal, and a narrow one has fewer columns."""
    where = missed(server)
    for columns, headings in (
        (80, "name  unread  mentions  time   last message"),
        (40, "name  unread  time   last message"),
    ):
        with Terminal("conversations", *where, columns=columns) as terminal:
            assert terminal.end() == 0
            lines = [line for line in terminal.lines if line]
            assert lines[0] == headings
            assert lines[1].startswith("bob   2 ")
            assert len(lines) == 4
    server.joined("dan").hang_up()
    with Terminal("conversations", "--user", "dan", *where[2:]) as terminal:
        terminal.shows("There are no conversations yet.")


def test_older_server() -> None:
    """A sentence says that it has no conversations."""

    def answer(connection: socket.socket) -> None:
        Line(connection).rest()

    for command in (["conversations"], ["read", "bob"]):
        with Impostor(answer) as address:
            done = run_here(*command, "--user", "a", "--server", str(address))
        assert (done.returncode, done.stdout) == (4, "")
        assert "ask its operator to upgrade" in done.stderr
