"""``chatcli listen``: each message once, in order, whatever happens."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.client.feed import cursor as cursors
from chatcli.client.outbox.store import Outbox, file_prefixes, read_all
from chatcli.protocol.frames import Send
from chatcli.protocol.values.address import Address
from tests.client.oneshot.impostor import Impostor, Line
from tests.here import run_here
from tests.support import (
    CONFIGURATION,
    Caller,
    Program,
    ThreadServer,
    environment,
    eventually,
    new_id,
    serving,
)
from tests.terminal import Terminal


def listen(server: ThreadServer, *arguments: str, user: str = "alice", **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``listen`` to its end."""
    where = ("--user", user, "--server", str(server.address))
    return run_here("listen", *arguments, *where, stdin=b"", **env)


def says(caller: Caller, to: str, *texts: str) -> list[int]:
    """Send a message, and return its place in the log."""
    for text in texts:
        caller.sends(to, text)
    return [caller.hears("sent")["seq"] for _ in texts]


def mark_of(server: ThreadServer, name: str, user: str = "alice") -> cursors.Position:
    """Return the contents of a named cursor's file."""
    directory = str(CONFIGURATION / "state/chatcli/cursors")
    mark = cursors.read(cursors.path_of(directory, (str(server.address), user, "as", name)))[1]
    assert mark is not None
    return mark


@pytest.fixture
def bob(server: ThreadServer) -> Caller:
    """A user who sends messages, to Alice among others."""
    server.joined("alice").hang_up()
    return server.joined("bob", "send")


def test_lines_come_live_and_count_as_received(server: ThreadServer, bob: Caller) -> None:
    """In a pipe four columns; a clean end by SIGTERM; the next listener goes on after them, marked if wanted."""
    says(bob, "alice", "first\tline\nsecond \x1b[31m")
    with Program("listen", "--user", "alice", "--server", str(server.address)) as program:
        program.prints("first")
        says(bob, "alice", "live")
        program.prints("live")
        assert program.end(signal.SIGTERM) == 0
    when, sender, to, text = program.out[0].split("\t")
    assert (when[10], when[-1], sender, to, text) == ("T", "Z", "bob", "alice", "first\\tline\\nsecond ␛[31m")
    assert program.err == []
    (third,) = says(bob, "alice", "third")
    done = listen(server, "--count", "1", "--json")
    assert [(one["seq"], one["replayed"]) for one in map(json.loads, done.stdout.splitlines())] == [(third, False)]
    done = listen(server, "--since", "0", "--count", "3", "--json")
    assert [json.loads(line)["replayed"] for line in done.stdout.splitlines()] == [True, True, True]


def test_lines_on_a_terminal(server: ThreadServer, bob: Caller) -> None:
    """They are those of history."""
    says(bob, "alice", "hello\nyou")
    terminal = Terminal("listen", "--user", "alice", "--server", str(server.address))
    with terminal:
        terminal.shows("bob → alice  hello")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(10) == 130


def test_filters(server: ThreadServer, bob: Caller) -> None:
    """FROM is a user or a room, and options narrow it; from the first omitted message on nothing is acknowledged."""
    with server.joined("alice", "send") as alice, server.joined("cid", "send") as cid:
        alice.enters("#ops")
        says(cid, "#ops", "in the room")
        (left_out,) = says(cid, "alice", "private")
        says(bob, "alice", "from bob")
        says(bob, "#ops", "bob for ALICE", "bob for nobody")
        says(alice, "#ops", "my own")
    texts = {
        ("#ops", "BOB"): ["in the room", "from bob", "bob for ALICE", "bob for nobody"],
        ("--in", "#ops", "--from", "bob"): ["bob for ALICE", "bob for nobody"],
        ("--in", "cid", "--in", "bob"): ["private", "from bob"],
        ("#ops", "--mentions"): ["bob for ALICE"],
    }
    for number, (wanted, expected) in enumerate(texts.items()):
        done = listen(server, *wanted, "--json", "--count", str(len(expected)), "--as", f"w{number}")
        assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == expected, wanted
    assert listen(server, "#ops", "--count", "3").returncode == 0
    with server.joined("alice", "listen") as alice:
        assert alice.welcome["cursor"] < left_out
        assert alice.hears("message")["text"] == "private"
    says(bob, "#ops", "more")
    assert "more" in listen(server, "#ops", "--count", "1").stdout  # the rest was handled, but not printed
    assert "private" in listen(server, "--count", "1").stdout


def unread(server: ThreadServer) -> dict[str, int]:
    """Return the number of unread messages of alice, by conversation."""
    with server.joined("alice", "query") as alice:
        return {one["of"]: one["count"] for one in alice.asks("unread")["conversations"]}


def test_mark_read(server: ThreadServer, bob: Caller) -> None:
    """Printed messages stay unread without it; with it a conversation is read up to them, and others learn it."""
    with server.joined("alice", "send") as alice, server.joined("cid", "send") as cid:
        alice.enters("#ops")
        says(bob, "#ops", "one")
        (first, _) = says(bob, "alice", "two", "three")
        says(cid, "alice", "four")
    assert listen(server, "--count", "4").returncode == 0
    assert unread(server) == {"#ops": 1, "bob": 2, "cid": 1}
    assert bob.asks("receipts", to="alice")["people"][0]["seq"] == 0
    assert listen(server, "bob", "--since", "0", "--mark-read", "--count", "1", "--in", "bob").returncode == 0
    assert unread(server) == {"#ops": 1, "bob": 1, "cid": 1}
    assert bob.asks("receipts", to="alice")["people"][0]["seq"] == first
    arguments = ["--since", "0", "--mark-read", "--no-receipts", "--as", "reader", "--count", "4"]
    assert listen(server, *arguments).returncode == 0
    assert unread(server) == {}
    assert bob.asks("receipts", to="alice")["people"][0]["seq"] == first


def test_mark_read_and_parts_of_a_room(server: ThreadServer, bob: Caller) -> None:
    """Nothing counts as read in a room of which the options leave out a part."""
    with server.joined("alice", "send") as alice:
        alice.enters("#ops")
    says(bob, "#ops", "for nobody", "for alice")
    says(bob, "alice", "you")
    for only in (["--from", "bob"], ["bob"], ["--mentions"]):
        assert listen(server, *only, "--since", "0", "--mark-read", "--count", "2").returncode == 0
    assert unread(server) == {"#ops": 2}
    done = listen(server, "#ops", "--since", "0", "--mark-read", "--exec", "true", "--count", "2")
    assert done.returncode == 0
    assert unread(server) == {}


def test_mark_read_in_a_flood(server: ThreadServer, bob: Caller) -> None:
    """Positions are gathered: the server gets few frames for many messages."""
    server.joined("alice").hang_up()
    texts = [str(number) for number in range(2000)]
    says(bob, "alice", *texts)
    with server.joined("alice", "listen", revision=1) as other:
        assert listen(server, "--mark-read", "--as", "flood", "--since", "0", "--count", "2000").returncode == 0
        reads = 0
        other.says("ping")
        while (frame := other.next()) is not None and frame["t"] != "pong":
            reads += frame["t"] == "read"
    assert 0 < reads < 300
    assert unread(server) == {}


def test_mark_read_on_an_older_server() -> None:
    """To that an acknowledgement means the same; it is not sent what it does not know."""
    said: list[str] = []

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.says("message", seq=1, id="x", to="a", text="hi", at=1, **{"from": "b"})
        said.extend(line.rest())

    with Impostor(answer) as address:
        done = run_here("listen", "--mark-read", "--count", "1", "--user", "a", "--server", str(address))
    assert (done.returncode, done.stdout.split("\t")[-1]) == (0, "hi\n")
    assert said == ["ack", "bye"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["bbo"], 3, "did you mean bob?"),
        (["#nowhere"], 3, "no room"),
        (["#ops"], 4, "--join"),
        (["--since", "some day"], 2, "some day"),
        (["--exec", "x", "--json"], 2, "--json"),
        (["--server", "127.0.0.1:1"], 5, "No server answers"),
        (["--server", "127.0.0.1:1", "--as", "x", "--timeout", "1s"], 5, "Trying until it answers"),
        (["--count", "1", "--timeout", "1s"], 6, ""),
        (["--timeout", "1s"], 0, ""),
    ],
)
def test_errors(server: ThreadServer, bob: Caller, arguments: list[str], status: int, sentence: str) -> None:
    """A status and one sentence, as for each command; a service waits for its server."""
    bob.enters("#ops")
    done = run_here("listen", "--user", "alice", *arguments, CHATCLI_SERVER=str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_entering_a_room(server: ThreadServer, bob: Caller) -> None:
    """The option enters it, and its messages come from then on."""
    bob.enters("#ops")
    with Program("listen", "#ops", "--join", "-v", "--user", "alice", "--server", str(server.address)) as program:
        eventually(lambda: "alice" in [one["user"] for one in bob.asks("who", to="#ops")["people"]])
        says(bob, "#ops", "welcome")
        program.prints("welcome")


def test_closed_pipe(server: ThreadServer, bob: Caller) -> None:
    """The listener ends in silence, also if nothing more comes."""
    says(bob, "alice", "one", "two")
    script = '"$0" -m chatcli listen --user alice | head -1'
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {script}", sys.executable],
        env=environment(CHATCLI_SERVER=str(server.address)),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_signal_during_a_full_pipe(server: ThreadServer, bob: Caller) -> None:
    """SIGTERM ends the listener; unwritten messages come the next time."""
    texts = [f"{number} {'x' * 1000}" for number in range(200)]
    says(bob, "alice", *texts)
    command = [sys.executable, "-m", "chatcli", "listen", "--as", "slow", "--since", "0", "--json"]
    env = environment(CHATCLI_SERVER=str(server.address), CHATCLI_USER="alice")
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        eventually(lambda: mark_of(server, "slow").delivered > mark_of(server, "slow").seq)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait() == 0
    printed = (first + rest).splitlines(keepends=True)
    whole = [json.loads(line)["text"] for line in printed if line.endswith(b"\n")]
    done = listen(server, "--as", "slow", "--json", "--count", str(len(texts) - len(whole)))
    assert whole + [json.loads(line)["text"] for line in done.stdout.splitlines()] == texts


def test_named_positions(server: ThreadServer, bob: Caller) -> None:
    """Two names get everything each; a second listener of a name is refused; the user's position stays."""
    says(bob, "alice", "hi")
    for name in ("one", "two"):
        assert listen(server, "--as", name, "--count", "1").stdout.endswith("\thi\n")
    with Program("listen", "--as", "one", "--user", "alice", "--server", str(server.address)) as program:
        says(bob, "alice", "more")
        program.prints("more")
        done = listen(server, "--as", "one")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert 'uses the cursor "one"' in done.stderr
    with server.joined("alice", "listen") as alice:
        assert alice.texts(2) == ["hi", "more"]


def test_lost_position(server: ThreadServer, bob: Caller) -> None:
    """A listener with a named position stops; the user's own position is on the server."""
    says(bob, "alice", "one", "two")
    assert listen(server, "--as", "ci", "--count", "1").stdout.endswith("one\n")
    assert listen(server, "--count", "1").stdout.endswith("one\n")
    directory = Path(CONFIGURATION / "state/chatcli/cursors")
    for parts in (("as", "ci"), ("own",)):
        Path(cursors.path_of(str(directory), (str(server.address), "alice", *parts))).write_text("garbage")
    done = listen(server, "--as", "ci", "--count", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is damaged" in done.stderr
    assert "--since" in done.stderr
    done = listen(server, "--count", "1")
    assert (done.returncode, done.stdout[-4:]) == (0, "two\n")
    assert "is damaged" in done.stderr
    assert listen(server, "--as", "ci", "--count", "1", "--since", "0").stdout.endswith("one\n")
    assert listen(server, "--as", "ci", "--count", "1").stdout.endswith("two\n")


def test_since(server: ThreadServer, bob: Caller) -> None:
    """A time is found in the log; ``now`` skips waiting messages."""
    first, _, third = says(bob, "alice", "old", "older", "newest")
    assert listen(server, "--since", str(first), "--count", "1", "--as", "x").stdout.endswith("\tolder\n")
    assert listen(server, "--since", "2h", "--count", "3", "--as", "x").stdout.count("\n") == 3
    for since in ("now", "2999-01-01"):
        assert listen(server, "--since", since, "--timeout", "1s", "--as", "x").stdout == ""
        assert mark_of(server, "x").seq == third


def test_command_gets_data(server: ThreadServer, bob: Caller, tmp_path: Path) -> None:
    """The message is in standard input and variables, never in the command; invalid text is changed."""
    bad = '"; touch hacked; $(touch hacked) `touch hacked` \0\n'
    long = "ü" * 16_000
    says(bob, "alice", bad, long)
    command = 'cd "$T"; cat >>in; printf "%s|" "$CHATCLI_FROM" "$CHATCLI_TO" "$CHATCLI_RE" "$CHATCLI_TEXT" >>env'
    done = listen(server, "--exec", command, "--count", "2", T=str(tmp_path), CHATCLI_REPLAYED="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first, second = map(json.loads, (tmp_path / "in").read_text().splitlines())
    assert (first["text"], second["text"], first["replayed"]) == (bad, long, False)
    assert (tmp_path / "env").read_text() == f"bob|alice||{bad.replace(chr(0), '␀')}|bob|alice||{long}|"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "env", "in"]


def test_command_that_fails(server: ThreadServer, bob: Caller, tmp_path: Path) -> None:
    """It gets the same message again, marked; a notice has the status; later messages wait."""
    says(bob, "alice", "one", "two")
    command = 'echo "$CHATCLI_TEXT$CHATCLI_REPLAYED" >>"$T/out"; [ "$CHATCLI_TEXT$CHATCLI_REPLAYED" != one ] || exit 7'
    done = listen(server, "--as", "cmd", "--exec", command, "--count", "2", T=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
    assert "ended with status 7 for message" in done.stderr
    assert (tmp_path / "out").read_text() == "one\none1\ntwo\n"


def test_killed_listener_repeats_one_message(server: ThreadServer, bob: Caller, tmp_path: Path) -> None:
    """It is marked; under SIGTERM the command is ended, and counts only if it succeeds."""
    first, second, third = says(bob, "alice", "one", "two", "three")
    slow = (
        'echo $$ >"$T/pid"; echo "$CHATCLI_TEXT$CHATCLI_REPLAYED" >>"$T/out"; '
        '[ "$CHATCLI_TEXT$CHATCLI_REPLAYED" != two ] || exec sleep 30 >/dev/null 2>&1'
    )
    arguments = ("listen", "--user", "alice", "--server", str(server.address), "--as", "k", "--exec")
    with Program(*arguments, slow, T=str(tmp_path)) as program:
        eventually(lambda: (tmp_path / "out").exists() and "two" in (tmp_path / "out").read_text())
        assert (mark_of(server, "k").seq, mark_of(server, "k").delivered) == (first, second)
        program.end(signal.SIGKILL)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    polite = 'trap "echo bye >>\\"$T/out\\"; exit 0" TERM; ' + slow.replace("two", "three") + " & wait"
    with Program(*arguments, polite, T=str(tmp_path)) as program:
        eventually(lambda: "three" in (tmp_path / "out").read_text())
        assert program.end(signal.SIGTERM) == 0
    assert (tmp_path / "out").read_text() == "one\ntwo\ntwo1\nthree\nbye\n"
    assert mark_of(server, "k").seq == third


def test_restart_of_the_server(tmp_path: Path) -> None:
    """The listener connects again, and notices another log."""
    with serving(tmp_path / "data") as (_, address):
        where = ("--server", str(address))
        run_here("send", "ear", "before", "--user", "ear", *where)
        program = Program("listen", "--user", "ear", "--as", "restart", *where)
        program.prints("before")
    with program:
        program.complains("Trying again")
        with serving(tmp_path / "data", port=address.port):
            run_here("send", "ear", "after", "--user", "ear", *where)
            program.prints("after")
        with serving(tmp_path / "other", port=address.port):
            run_here("send", "ear", "elsewhere", "--user", "ear", *where)
            program.complains("another one than before")
            program.prints("elsewhere")
        assert program.end(signal.SIGTERM) == 0
    assert [line.split("\t")[3] for line in program.out] == ["before", "after", "elsewhere"]


def spool(state: Path, where: Address, user: str) -> str:
    """Store a message from the user to themselves in the outbox, and return the directory."""
    directory = str(state / "chatcli/outbox")
    outbox = Outbox(directory, where, user, claim=False)
    outbox.store([Send(new_id(), user, "spooled")])
    outbox.close()
    return directory


def test_outbox(server: ThreadServer, tmp_path: Path) -> None:
    """Waiting messages are sent once the server is reached."""
    server.joined("alice").hang_up()
    spool(tmp_path, server.address, "alice")
    done = listen(server, "--count", "1", "--timeout", "20s", XDG_STATE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout.split("\t")[3]) == (0, "spooled\n")


def test_outbox_after_a_restart(tmp_path: Path) -> None:
    """A running listener sends the waiting messages once the server is back."""
    with serving(tmp_path / "data") as (_, address):
        run_here("send", "ear", "before", "--user", "ear", "--server", str(address))
        arguments = ("listen", "--user", "ear", "--as", "left", "--server", str(address))
        program = Program(*arguments, XDG_STATE_HOME=str(tmp_path))
        program.prints("before")
    with program:
        program.complains("Trying again")
        spool(tmp_path, address, "ear")
        with serving(tmp_path / "data", port=address.port):
            program.prints("spooled")
            assert program.end(signal.SIGTERM) == 0


def test_locked_outbox_delays_nothing(server: ThreadServer, bob: Caller, tmp_path: Path) -> None:
    """While another process has the outbox, messages and signals are processed; waiting ones stay."""
    says(bob, "alice", "hi")
    directory = spool(tmp_path, server.address, "alice")
    where = ("--user", "alice", "--server", str(server.address))
    with (tmp_path / f"chatcli/outbox/.{file_prefixes(server.address, 'alice')[0]}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Program("listen", *where, XDG_STATE_HOME=str(tmp_path)) as program:
            program.prints("hi")
            assert program.end(signal.SIGTERM) == 0
        assert [entry.message.text for entry in read_all(directory)] == ["spooled"]


#: Runs the program without temporary files until a directory exists.
_WITHOUT_TEMPORARY = """
import sys, tempfile
tempfile.tempdir = sys.argv.pop(1)
from chatcli.__main__ import main
sys.exit(main())
"""


def test_no_room_for_a_temporary_file(server: ThreadServer, bob: Caller, tmp_path: Path) -> None:
    """On a full disk the command is tried again."""
    says(bob, "alice", "hi")
    room = tmp_path / "room"
    where = ("--user", "alice", "--server", str(server.address))
    command = [sys.executable, "-c", _WITHOUT_TEMPORARY, str(room), "listen", "--exec", "cat", "--count", "1", *where]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment()) as process:
        assert process.stderr is not None
        assert "cannot be started" in process.stderr.readline()
        room.mkdir()
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["text"]) == (0, "hi")


def test_service_waits_for_its_server(tmp_path: Path) -> None:
    """There is one notice, and it starts once the server is there."""
    with serving(tmp_path / "data") as (_, address):
        run_here("send", "ear", "hi", "--user", "ear", "--server", str(address))
    with Program("listen", "--user", "ear", "--as", "boot", "--server", str(address)) as program:
        program.complains("Trying until it answers")
        with serving(tmp_path / "data", port=address.port):
            program.prints("hi")
        assert program.end(signal.SIGINT) == 130


@pytest.mark.parametrize(
    ("how", "status"),
    [("--exec 'echo there; cat > \"$FILE\"'", 0), ("--json", 1), ("", 1)],
    ids=["exec", "json", "tabs"],
)
def test_closed_output(server: ThreadServer, bob: Caller, tmp_path: Path, how: str, status: int) -> None:
    """With --exec the command runs all the same; without it messages stay unread."""
    says(bob, "alice", "hi")
    line = f'exec "$0" -m chatcli listen --user alice --server {server.address} --count 1 --timeout 20s {how} >&-'
    env = environment(FILE=str(tmp_path / "heard"))
    done = subprocess.run(
        ["sh", "-c", line, sys.executable], capture_output=True, text=True, env=env, timeout=30, check=False
    )
    assert done.returncode == status, done.stderr
    if status:
        assert done.stderr.startswith("chatcli: Standard output cannot be written: ")
        assert [row.split("\t")[-1] for row in listen(server, "--count", "1").stdout.splitlines()] == ["hi"]
    else:
        assert json.loads((tmp_path / "heard").read_text())["text"] == "hi"


def test_unquoted_command(server: ThreadServer, bob: Caller) -> None:
    """The error explains that words after a one-word command may be a part of it."""
    bob.hang_up()
    done = listen(server, "bob", "--exec", "echo", "hello")
    assert (done.returncode, done.stdout) == (2, "")
    assert "If that is a part of the command: --exec 'echo hello'." in done.stderr
