"""``chatcli admin backup|export|import|check`` as processes, with and without a running server."""

from __future__ import annotations

import itertools
import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.certificates import fingerprint_of
from tests.disks import little_room
from tests.store.town import change, spoil
from tests.support import Caller, ThreadServer, chatcli, eventually, serving
from tests.terminal import Terminal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the data directory of the server."""
    return tmp_path / "data"


def admin(data: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command on that directory."""
    return chatcli("admin", *arguments, "--data", str(data), stdin=stdin)


def says(data: Path, *arguments: str) -> str:
    """Run a command that must succeed without a complaint; return its output."""
    done = admin(data, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def talk(server: ThreadServer, *texts: str) -> None:
    """Let alice send messages to bob, who reads them."""
    with server.joined("bob") as bob, server.joined("alice", "send") as alice:
        for text in texts:
            alice.sends("bob", text)
            alice.hears("sent")
        assert bob.texts(len(texts)) == list(texts)


def whole_feed(server: ThreadServer, user: str, count: int) -> list[str]:
    """Return the first texts of a user's feed."""
    with server.joined(user, "listen", since=0) as reader:
        return reader.texts(count)


def test_restored_backup(tmp_path: Path) -> None:
    """Made from a running server: a new server over the copy has all users and messages."""
    data, restored, copy = tmp_path / "data", tmp_path / "restored", tmp_path / "copy.db"
    with serving(data) as (program, address), Caller(address) as alice:
        alice.greets("alice")
        alice.hears("welcome")
        for number in range(50):
            alice.sends("alice", str(number))
            alice.hears("sent")
        printed = says(data, "backup", str(copy))
        assert printed == f"50 messages copied to {copy}: {copy.stat().st_size} bytes.\n"
        alice.sends("alice", "too late for the copy")
        alice.hears("sent")
        program.end(signal.SIGKILL)
    key = fingerprint_of(data / "server.crt")
    restored.mkdir(mode=0o700)
    copy.rename(restored / "chatcli.db")
    for name in ("server.key", "server.crt"):
        (data / name).rename(restored / name)
    with serving(restored) as (program, address), Caller(address) as alice:
        assert key in program.err[0]
        alice.greets("alice", since=0)
        assert alice.hears("welcome")["head"] == 50
        assert alice.texts(50) == [str(number) for number in range(50)]
    assert admin(restored, "check").returncode == 0


def test_backup_errors(server: ThreadServer, data: Path, tmp_path: Path) -> None:
    """An existing target is status 2, an error of the system is 1; nothing is left behind."""
    target = tmp_path / "copy.db"
    assert admin(data, "backup", str(target)).returncode == 0
    again = admin(data, "backup", str(target))
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"chatcli: There is a file {target} already: name another one, or replace it with --force.\n"
    assert admin(data, "backup", str(target), "--force").returncode == 0
    nowhere = admin(data, "backup", str(tmp_path / "no" / "copy.db"))
    assert (nowhere.returncode, nowhere.stderr) == (
        1,
        f"chatcli: Cannot write {tmp_path / 'no' / 'copy.db'}: No such file or directory.\n",
    )
    missing = admin(tmp_path / "none", "backup", str(tmp_path / "other.db"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert f"There is no log in {tmp_path / 'none'}" in missing.stderr
    device = admin(data, "backup", "/dev/null", "--force")
    assert (device.returncode, device.stderr) == (2, "chatcli: /dev/null is a device: name a file.\n")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "copy.db"}


@pytest.mark.parametrize("what", [["backup"], ["export", "--output"]])
def test_full_disk(server: ThreadServer, data: Path, tmp_path: Path, what: list[str]) -> None:
    """The sentence has the reason; an existing file is kept."""
    talk(server, *("x" * 30_000 for _ in range(50)))
    target = tmp_path / "disk" / "copy"
    with little_room(target.parent):
        target.write_text("yesterday's")
        done = admin(data, *what, str(target), "--force")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("chatcli: Cannot ")
        assert done.stderr.count("\n") == 1
        assert [path.name for path in target.parent.iterdir()] == ["copy"]
        assert target.read_text() == "yesterday's"


def test_export_targets(server: ThreadServer, data: Path, tmp_path: Path) -> None:
    """The lines are the same; only with a file the outcome is printed."""
    talk(server, "one", "two")
    lines = says(data, "export").splitlines()
    assert [json.loads(line)["t"] for line in lines] == [
        "export", *["user"] * 2, *["read"] * 2, *["message"] * 2, "end"
    ]  # fmt: skip
    target = tmp_path / "archive"
    assert says(data, "export", "--output", str(target)) == f"2 messages written to {target}.\n"
    assert target.read_text().splitlines()[1:] == lines[1:]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert says(data, "export", "Bob:ALICE").splitlines()[3:] == lines[3:]
    assert admin(data, "export", "-o", str(target)).returncode == 2


@pytest.mark.parametrize("what", [["backup"], ["export", "--output"]])
@pytest.mark.parametrize("name", ["chatcli.db", "lock", "server.key", "admin.sock", "search.db"])
def test_files_of_the_server(server: ThreadServer, data: Path, what: list[str], name: str) -> None:
    """Not even with --force: one sentence, status 2, and the server goes on."""
    talk(server, "one")
    done = admin(data, *what, str(data / name), "--force")
    sentence = f"chatcli: {data / name} is a file of the server itself ({data / name}): name another file.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
    assert whole_feed(server, "bob", 1) == ["one"]
    assert says(data, "check")


@pytest.mark.parametrize(
    ("conversation", "status", "sentence"),
    [
        ("alice", 2, '"alice" is not a conversation: write #room, or alice:bob for that of two people.'),
        ("alice:zoe", 3, 'Nobody called "zoe" was ever here.'),
        ("#nowhere", 3, "There is no room #nowhere."),
    ],
)
def test_unknown_conversations(server: ThreadServer, data: Path, conversation: str, status: int, sentence: str) -> None:
    """The exit status has the kind of the error."""
    talk(server, "one")
    done = admin(data, "export", conversation)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"chatcli: {sentence}\n")


def test_export_and_import(tmp_path: Path) -> None:
    """From a pipe or a file; keys are imported, nothing is unread, and a second import changes nothing."""
    data, other = tmp_path / "data", tmp_path / "other"
    with ThreadServer(data) as server:
        talk(server, "one", "two")
        busy = admin(data, "import", "-", stdin=says(data, "export").encode())
        assert (busy.returncode, busy.stdout) == (1, "")
        assert f"(process {os.getpid()}) uses the data directory {data}: stop it first" in busy.stderr
    archive = says(data, "export").encode()  # with what bob has read, which a running server writes now and then
    done = admin(other, "import", "-", stdin=archive)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 messages, 2 users and 0 rooms imported.\n"
    (tmp_path / "archive").write_bytes(archive)
    again = says(other, "import", str(tmp_path / "archive"))
    assert again == "0 messages, 0 users and 0 rooms imported; 2 messages were there already.\n"
    assert json.loads(says(other, "import", "--json", str(tmp_path / "archive"))) == {
        "messages": 0,
        "known": 2,
        "users": 0,
        "rooms": 0,
    }
    with ThreadServer(other) as server:
        with server.joined("bob") as bob:
            assert bob.welcome["head"] == bob.welcome["cursor"] == 2
            bob.says("search", text="one", n=1)
            assert [found["text"] for found in bob.hears("search", n=1)["messages"]] == ["one"]
        assert whole_feed(server, "bob", 2) == ["one", "two"]
        talk(server, "three")


def test_export_and_import_of_read_positions(tmp_path: Path) -> None:
    """Unread messages stay unread on the other server, and received ones do not come again."""
    data, other = tmp_path / "data", tmp_path / "other"
    with ThreadServer(data) as server, server.joined("bob", revision=1) as bob:
        with server.joined("alice", "send") as alice:
            for to in ("bob", "bob", "alice"):
                alice.sends(to, "hi")
                alice.hears("sent")
        assert [bob.hears("message")["seq"] for _ in range(2)] == [1, 2]
        bob.says("ack", seq=2)
        bob.says("read", of="alice", seq=1)
        before = [bob.asks(frame) for frame in ("unread", "conversations")]
    archive = says(data, "export")
    assert {"t": "read", "user": "bob", "of": "alice", "seq": 1} in map(json.loads, archive.splitlines())
    done = admin(other, "import", "-", stdin=archive.encode())
    assert done.stdout == "3 messages, 2 users and 0 rooms imported.\n"
    assert says(other, "export").splitlines()[1:] == archive.splitlines()[1:]
    assert says(other, "check")
    with ThreadServer(other) as server, server.joined("bob", revision=1) as bob:
        assert (bob.welcome["cursor"], bob.hears("live")["seq"]) == (2, 3)
        assert [bob.asks(frame) for frame in ("unread", "conversations")] == before
        assert before[0]["conversations"] == [{"of": "alice", "count": 1, "seq": 2}]


def test_wrong_position(tmp_path: Path) -> None:
    """It is one sentence that names the line."""
    lines = ('{"t":"export","version":1}', '{"t":"read","user":"zoe","seq":1}', '{"t":"end","messages":0}')
    done = admin(tmp_path / "data", "import", "-", stdin="\n".join(lines).encode())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        'chatcli: Line 2: no line before it says who "zoe" is.',
        "chatcli: Nothing was imported: one line is wrong.",
    ]


def test_wrong_lines(tmp_path: Path) -> None:
    """One complaint a line on standard error, status 2; their contents cannot harm the terminal."""
    archive = (
        b'{"t":"export","version":1}\n{"t":"user","name":"a b","created":"2024-05-01T12:00:00Z"}\n{"t":"\x1b[31m"}\n'
    )
    done = admin(tmp_path, "import", "-", stdin=archive)
    assert (done.returncode, done.stdout) == (2, "")
    first, second, third, last = done.stderr.splitlines()
    assert first == 'chatcli: Line 2: A name has no spaces in it; "a b" has.'
    assert second.startswith("chatcli: Line 3: it cannot be read: ")
    assert third.startswith("chatcli: Line 4: the last one")
    assert last == "chatcli: Nothing was imported: 3 lines are wrong."
    assert "\x1b" not in done.stderr
    missing = admin(tmp_path, "import", str(tmp_path / "none"))
    assert (missing.returncode, missing.stderr) == (
        2,
        f"chatcli: Cannot read {tmp_path / 'none'}: No such file or directory.\n",
    )


def test_check(server: ThreadServer, data: Path) -> None:
    """One line for each rule; the status is 0 if there are no findings."""
    talk(server, "one")
    assert says(data, "check", "-q") == ""
    lines = says(data, "check").splitlines()
    assert lines[:2] == ["ok: every page can be read", "ok: references have their targets"]
    assert all(line.startswith("ok: ") for line in lines)


def test_check_findings(tmp_path: Path) -> None:
    """Findings go to standard output, the advice to standard error, and the status is 1."""
    with ThreadServer(tmp_path) as server:
        talk(server, "one", "two")
    change(tmp_path, "UPDATE messages SET re = 2 WHERE seq = 1")
    done = admin(tmp_path, "check")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if not line.startswith("ok: ")] == [
        "bad: message 1 answers message 2, which is not before it"
    ]
    assert done.stderr.startswith("chatcli: The log is damaged: stop the server and restore a backup (docs/")


def test_export_of_a_damaged_log(tmp_path: Path) -> None:
    """With status 1 and the amount that is missing; the rest can be imported."""
    data, other = tmp_path / "data", tmp_path / "other"
    texts = [f"{number} " + "x" * 3000 for number in range(30)]
    with ThreadServer(data) as server:
        talk(server, *texts)
    spoil(data, texts[10])
    done = admin(data, "export")
    assert done.returncode == 1
    assert "The log is damaged: " in done.stderr
    saved = [line["text"] for line in map(json.loads, done.stdout.splitlines()) if line["t"] == "message"]
    assert {texts[0], texts[-1]} <= set(saved) <= set(texts)
    assert admin(data, "backup", str(tmp_path / "copy.db")).returncode == 1
    assert admin(other, "import", "-", stdin=done.stdout.encode()).returncode == 0
    assert admin(other, "check").returncode == 0


def test_no_progress_of_a_quick_copy(server: ThreadServer, data: Path, tmp_path: Path) -> None:
    """Only slow work shows its progress."""
    talk(server, "one")
    with Terminal("admin", "backup", str(tmp_path / "copy.db"), "--data", str(data), columns=300) as terminal:
        assert terminal.end() == 0
        (line,) = terminal.lines
        assert line.startswith("1 message copied to ")


def test_json_on_a_terminal(server: ThreadServer, data: Path, tmp_path: Path) -> None:
    """Characters that would turn the line around, or start an escape sequence, are escaped."""
    talk(server, "one")
    target = tmp_path / "copy\u202e\x9b.db"
    line = says(data, "backup", "--json", str(target))
    assert line.isascii()
    assert json.loads(line) == {"file": str(target), "messages": 1, "bytes": target.stat().st_size}


def test_progress_of_a_long_import(tmp_path: Path) -> None:
    """On a terminal, on a line that is removed at the end; a pipe has no known size."""
    archive = tmp_path / "pipe"
    os.mkfifo(archive)
    with (
        Terminal("admin", "import", str(archive), "--data", str(tmp_path / "data")) as terminal,
        archive.open("wb") as pipe,
    ):
        pipe.write(b'{"t":"export","version":1}\n')

        rooms = itertools.count()

        def shows() -> bool:
            pipe.write(b'{"t":"room","name":"#r%d","kind":"open","created":"2024-04-01T09:00:00Z"}\n' % next(rooms))
            pipe.flush()
            return terminal.input_line.startswith("Reading: 0.")

        eventually(shows, "progress")
        pipe.write(b'{"t":"end","messages":0}\n')
        pipe.close()
        terminal.shows("imported")
        assert not any("Reading" in line for line in terminal.lines)
