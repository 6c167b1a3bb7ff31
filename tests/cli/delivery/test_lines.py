"""``chatcli send --lines``: a stream of lines, delivered in order and once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.protocol.values.address import Address
from tests.client.oneshot.impostor import Impostor, Line
from tests.here import run_here
from tests.support import Caller, Program, ThreadServer, environment, eventually, known, serving


def kept(address: Address, limit: int = 500, of: str = "ci") -> list[str]:
    """Return the texts sent to bob, in log order."""
    with Caller(address) as bob:
        bob.greets("bob", purpose="query")
        bob.hears("welcome")
        return [message["text"] for message in bob.asks("history", of=of, limit=limit).get("messages", [])]


def test_each_line_is_a_message(server: ThreadServer) -> None:
    """It goes to all recipients, and nothing is printed."""
    with server.joined("bob") as bob, server.joined("carol") as carol:
        with Program("send", "--lines", "bob", "carol", "--user", "ci", "--server", str(server.address)) as sending:
            sending.types("one\n")
            bob.hears("message", text="one")
            carol.hears("message", text="one")
            sending.types("\ntwo, ")
            sending.types("and more\nthree")
            bob.hears("message", text="two, and more")
            assert sending.process.stdin is not None
            sending.process.stdin.close()
            bob.hears("message", text="three")
            assert sending.end() == 0
            assert (sending.out, sending.err) == ([], [])


def test_many_lines(server: ThreadServer) -> None:
    """Waiting lines go out together, in order; with --json each has its object."""
    server.joined("bob").hang_up()
    lines = [f"line {number}" for number in range(450)]
    where = ["--user", "ci", "--server", str(server.address)]
    done = run_here("send", "bob", "--lines", "--json", *where, stdin="\n".join(lines).encode())
    assert (done.returncode, done.stderr) == (0, "")
    seqs = [json.loads(line)["seq"] for line in done.stdout.splitlines()]
    assert len(seqs) == len(lines)
    assert seqs == sorted(seqs)
    assert kept(server.address) == lines


def test_waiting_for_lines(server: ThreadServer) -> None:
    """At the end it waits for the last line of each recipient; the status is 6 if that is not confirmed in time."""
    where = ["--user", "ci", "--server", str(server.address)]
    with server.joined("bob", revision=1) as bob:
        with Program("send", "bob", "--lines", "--wait", "seen", *where) as sending:
            sending.types("one\ntwo\n")
            assert sending.process.stdin is not None
            sending.process.stdin.close()
            first, second = bob.hears("message"), bob.hears("message", text="two")
            bob.says("read", of="ci", seq=first["seq"])
            eventually(lambda: server.run(lambda: len(known(server, "ci").sessions) == 1), "the wait")
            assert sending.process.poll() is None
            bob.says("read", of="ci", seq=second["seq"])
            assert sending.end() == 0
            assert (sending.out, sending.err) == ([], [])
        done = run_here("send", "bob", "--lines", "--wait", *where, stdin=b"three\n")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        done = run_here("send", "bob", "--lines", "--wait", "seen", "-t", "1s", "--json", *where, stdin=b"four\n")
        assert (done.returncode, json.loads(done.stdout)["outcome"]) == (6, "delivered")
        assert done.stderr.startswith("chatcli: bob did not read it within 1s.")
        done = run_here("send", "bob", "--lines", "--wait", "seen", *where, stdin=b"")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_killed_server(tmp_path: Path) -> None:
    """All lines arrive once and in order; loss and return are reported once."""
    with serving(tmp_path) as (program, address):
        run_here("send", "me", "hi", "--user", "bob", "--server", str(address))
        with Program("send", "--lines", "bob", "--user", "ci", "--server", str(address)) as sending:
            sending.types("".join(f"{number}\n" for number in range(100)))
            eventually(lambda: kept(address), "the first lines")
            program.end(signal.SIGKILL)
            sending.types("".join(f"{number}\n" for number in range(100, 200)))
            sending.complains("Trying again until it is back.")
            with serving(tmp_path, port=address.port):
                sending.complains(f"{address} is back")
                sending.types("200\n")
                assert sending.process.stdin is not None
                sending.process.stdin.close()
                assert sending.end() == 0
                assert len(sending.err) == 2
                assert kept(address) == [f"{number}" for number in range(201)]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_signal(server: ThreadServer, number: signal.Signals, status: int) -> None:
    """A signal ends the input: read lines are sent, an incomplete one as well."""
    with server.joined("bob") as bob:
        with Program("send", "--lines", "bob", "--user", "ci", "--server", str(server.address)) as sending:
            sending.types("one\nhal")
            bob.hears("message", text="one")
            assert sending.end(number) == status
            bob.hears("message", text="hal")


def test_unknown_recipient(server: ThreadServer) -> None:
    """It ends the command, whatever input is left, and the other recipients get nothing."""
    command = f'set -o pipefail; yes | "$0" -m chatcli send --lines nobody --server {server.address}'
    done = subprocess.run(
        ["bash", "-c", f"{command} || exit $?", sys.executable],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=20,
    )
    assert done.returncode == 3
    assert done.stderr.startswith('chatcli: Nobody called "nobody"')
    with server.joined("bob") as bob:
        done = run_here("send", "--lines", "nobody", "bob", "--server", str(server.address), stdin=b"one\ntwo\n")
        assert done.returncode == 3
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.endswith("With --lines, all names are recipients.\n")
        assert bob.asks("who")["t"] == "who"  # without an earlier message


def test_overlong_line(server: ThreadServer) -> None:
    """It is named with the limit, the others are sent, and the status is that of a refusal."""
    where = ("--server", str(server.address))
    with server.joined("bob") as bob:
        data = (
            b"one\n"
            + b"y" * 40_000
            + b"\nthree\n"
            + b"\x1b" * 20_000
            + b"\n"
            + b"z" * 32_768
            + b"\r\nlast"
            + b"!" * 40_000
        )
        done = run_here("send", "--lines", "bob", *where, stdin=data)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.splitlines() == [
            "chatcli: Line 2 was not sent: it has 40000 bytes, and a message may have 32768.",
            "chatcli: Line 4 was not sent: with its control characters escaped it is longer than 65536 bytes.",
            "chatcli: Line 6 was not sent: it has 40004 bytes, and a message may have 32768.",
        ]
        assert bob.texts(3) == ["one", "three", "z" * 32_768]
        done = run_here("send", "--lines", "bob", "--json", *where, stdin=b"y" * 40_000)
        (record,) = map(json.loads, done.stdout.splitlines())
        assert (record["outcome"], record["error"]["code"], record["status"]) == ("failed", "text_too_long", 4)


def test_any_bytes(server: ThreadServer) -> None:
    """Invalid UTF-8 is replaced and reported once; control characters are sent, blank lines are not."""
    with server.joined("bob") as bob:
        data = b"b\xff\nc\xff\n\n  \t\n\0\na\0b\x1b[2J\r\n\r\nlast"
        done = run_here("send", "--lines", "bob", "--server", str(server.address), stdin=data)
        assert done.returncode == 0
        assert done.stderr == "chatcli: There are bytes in the input that are not UTF-8: they are replaced.\n"
        assert bob.texts(5) == ["b\ufffd", "c\ufffd", "\0", "a\0b\x1b[2J", "last"]


def test_endless_line(server: ThreadServer) -> None:
    """No more of it is kept than a message may have."""
    server.joined("bob").hang_up()
    command = f'head -c 300000000 /dev/zero | tr "\\0" y | "$0" -c "$1" send --lines bob --server {server.address}'
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (150_000_000,) * 2);"
        "from chatcli.cli.main import main; main()"
    )
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, program], capture_output=True, text=True, env=environment(), check=False
    )
    assert (done.returncode, done.stderr) == (
        4,
        "chatcli: Line 1 was not sent: it has 300000000 bytes, and a message may have 32768.\n",
    )


def test_no_server(server: ThreadServer) -> None:
    """The command ends at once."""
    server.stop()
    with Program("send", "--lines", "bob", "--server", str(server.address)) as sending:
        assert sending.end() == 5
        assert "No server answers" in sending.err[0]


def test_timeout(server: ThreadServer) -> None:
    """The status is 5, and the sentence has the number of missing lines."""
    with server.joined("bob") as bob:
        arguments = ["send", "--lines", "bob", "--timeout", "1s", "--user", "ci", "--server", str(server.address)]
        with Program(*arguments) as sending:
            sending.types("one\n")
            bob.hears("message", text="one")
            server.stop()
            sending.complains("Trying again")
            sending.types("two\nthree\n")
            assert sending.process.stdin is not None
            sending.process.stdin.close()
            assert sending.end() == 5
            assert "not sent" in sending.err[-1]


def test_possibly_stored_lines() -> None:
    """They are not called unsent; with --json each read line has its object."""

    def silent(connection: socket.socket) -> None:
        line = Line(connection)
        for _ in range(2):
            line.hears("send")

    impostor = Impostor(silent)
    with Program("send", "--lines", "b", "--json", "--timeout", "1s", "--server", str(impostor.address)) as sending:
        sending.types("one\ntwo\n")
        with impostor:
            pass
        sending.complains("Trying again")
        sending.types("three")
        assert sending.process.stdin is not None
        sending.process.stdin.close()
        assert sending.end() == 5
    assert sending.err[-1].endswith("Whether 2 lines arrived is not known. 1 line was not sent.")
    outcomes = [json.loads(line) for line in sending.out]
    assert [one["outcome"] for one in outcomes] == ["unknown", "unknown", "failed"]
    assert {one["error"]["code"] for one in outcomes} == {"unreachable"}


@pytest.mark.parametrize("spool", [True, False])
def test_lines_in_flight_at_a_refusal(tmp_path: Path, spool: bool) -> None:
    """They are spooled if wanted, and otherwise counted."""

    def refuse(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("send")
        line.says("bye", code="kicked", text="Off you go.")

    impostor = Impostor(refuse)
    words = ["send", "--lines", "b", *(["--spool"] if spool else []), "--server", str(impostor.address)]
    with Program(*words, XDG_STATE_HOME=str(tmp_path)) as sending:
        with impostor:
            sending.types("one\n")
            assert sending.end() == 4
    rest = "Whether 1 line arrived is not known."
    assert sending.err[-1] == ("chatcli: Off you go." if spool else f"chatcli: Off you go. {rest}")
    rows = run_here("outbox", XDG_STATE_HOME=str(tmp_path)).stdout.splitlines()
    assert [row.split("\t")[-1] for row in rows] == ["one"] * spool


def test_broken_input(tmp_path: Path) -> None:
    """All lines read are sent, and the status reports the failure."""
    terminal, writer = os.openpty()
    os.write(writer, b"one\ntwo\n")
    os.close(writer)  # from then on the other end is unreadable
    where = ["--user", "ci", "--server", "127.0.0.1:1"]
    done = subprocess.run(
        [sys.executable, "-m", "chatcli", "send", "--lines", "bob", "--spool", *where],
        stdin=terminal,
        capture_output=True,
        text=True,
        env=environment(XDG_STATE_HOME=str(tmp_path)),
        check=False,
        timeout=20,
    )
    os.close(terminal)
    assert done.returncode == 2
    assert "Standard input cannot be read" in done.stderr
    rows = run_here("outbox", XDG_STATE_HOME=str(tmp_path)).stdout.splitlines()
    assert [row.split("\t")[-1] for row in rows] == ["one", "two"]


def test_one_at_a_time_after_a_failure() -> None:
    """After a failed write one message is in flight until it is stored, to keep the order."""
    texts: list[str] = []

    def cannot(connection: socket.socket, count: int) -> None:
        line = Line(connection)
        first, *_ = [line.hears("send") for _ in range(count)]
        line.says("error", code="storage", text="The disk is full.", id=first["id"])
        assert "send" not in line.rest()
        texts.append(first["text"])

    def can(connection: socket.socket) -> None:
        line = Line(connection)
        for seq in range(3):
            frame = line.hears("send")
            texts.append(frame["text"])
            line.says("sent", id=frame["id"], seq=seq, at=1, outcome="stored")
        line.hears("bye")

    impostor = Impostor(lambda one: cannot(one, 3), lambda one: cannot(one, 1), can)
    with Program("send", "--lines", "b", "--server", str(impostor.address)) as sending:
        with impostor:
            sending.types("1\n2\n3\n")
            assert sending.process.stdin is not None
            sending.process.stdin.close()
            assert sending.end() == 0
    assert texts == ["1", "1", "1", "2", "3"]


def test_spool(tmp_path: Path) -> None:
    """Without a server lines are stored without waiting, and the next command sends them in order."""
    state = str(tmp_path / "state")
    with serving(tmp_path / "data") as (program, address):
        run_here("send", "me", "hi", "--user", "bob", "--server", str(address))
        program.end(signal.SIGTERM)
        where = ["--user", "ci", "--server", str(address)]
        done = run_here("send", "--lines", "bob", "--spool", *where, stdin=b"one\ntwo\n", XDG_STATE_HOME=state)
        assert done.returncode == 0
        assert "2 messages were kept" in done.stderr
        with Program("send", "--lines", "bob", "--spool", *where, XDG_STATE_HOME=state) as sending:
            sending.types("three\n")
            sending.complains("Trying again")
            with serving(tmp_path / "data", port=address.port):
                sending.complains(f"{address} is back")
                sending.types("four\n")
                assert sending.process.stdin is not None
                sending.process.stdin.close()
                assert sending.end() == 0
                assert kept(address) == ["one", "two", "three", "four"]
    assert not list((tmp_path / "state/chatcli/outbox").iterdir())


def test_spooled_lines_go_to_all_or_nobody(tmp_path: Path) -> None:
    """Whether all recipients are known is checked before the first line is sent."""
    state = str(tmp_path / "state")
    with serving(tmp_path / "data") as (_, address):
        run_here("send", "bob", "first", "--user", "bob", "--server", str(address))
    where = ["--user", "ci", "--server", str(address)]
    done = run_here("send", "bob", "nobody", "--lines", "--spool", *where, stdin=b"one\ntwo\n", XDG_STATE_HOME=state)
    assert done.returncode == 0, done.stderr
    with serving(tmp_path / "data", port=address.port):
        run_here("outbox", "send", *where, XDG_STATE_HOME=state)
        history = run_here("history", "ci", "--user", "bob", "--server", str(address))
        assert "one" not in history.stdout
        assert "two" not in history.stdout
        assert len(run_here("outbox", "--json", XDG_STATE_HOME=state).stdout.splitlines()) == 4


def test_unwritable_spool(tmp_path: Path) -> None:
    """The status is that of the missing server; people get the number, programs each message."""
    (tmp_path / "state").write_text("in the way")
    where = ["--user", "ci", "--server", "127.0.0.1:1"]
    arguments = ["send", "bob", "carol", "--lines", "--spool", "--json", *where]
    done = run_here(*arguments, stdin=b"one\ntwo\n", XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 5
    assert "not kept either" in done.stderr
    assert done.stderr.endswith(" 2 lines, and those after them, were not sent.\n")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["to"], one["outcome"], one["status"]) for one in records] == [
        ("bob", "failed", 5), ("carol", "failed", 5)
    ] * 2  # fmt: skip


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_closed_output(server: ThreadServer, redirection: str) -> None:
    """The lines are sent all the same."""
    with server.joined("bob") as bob:
        command = f'printf "1\\n2\\n" | "$0" -m chatcli send bob --lines --json --server {server.address} {redirection}'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable], capture_output=True, text=True, env=environment(), check=False
        )
        assert done.returncode == 0
        assert "Traceback" not in done.stderr
        assert bob.texts(2) == ["1", "2"]
