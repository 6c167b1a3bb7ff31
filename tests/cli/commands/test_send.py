"""``chatcli send``: one message, one word, one status."""

from __future__ import annotations

import concurrent.futures
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.protocol.values.address import Address
from tests.here import run_here
from tests.support import Caller, Program, ThreadServer, chatcli, environment, eventually, serving
from tests.terminal import Terminal


def test_delivered_and_stored(server: ThreadServer) -> None:
    """One word on standard output says whether the user is online; the status is 0 either way."""
    where = str(server.address)
    with server.joined("bob") as bob:
        done = chatcli("send", "bob", "hi there", "--user", "ci", "--server", where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "delivered\n", "")
        bob.hears("message", text="hi there", **{"from": "ci"})
        bob.says("bye")
        bob.hears("bye")
    done = chatcli("send", "bob", "hi again", CHATCLI_USER="ci", CHATCLI_SERVER=where)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stored\n", "")


def test_dash_reads_standard_input(server: ThreadServer) -> None:
    """All lines are one message; without the dash standard input is not read."""
    with server.joined("bob") as bob:
        done = run_here("send", "bob", "-", "--server", str(server.address), stdin="líne 1\nline 2\n".encode())
        assert done.stdout == "delivered\n"
        bob.hears("message", text="líne 1\nline 2")
        run_here("send", "bob", "text", "--server", str(server.address), stdin=b"not this")
        bob.hears("message", text="text")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["nobody", "hi"], 3, 'Nobody called "nobody" was ever here'),
        (["rob", "hi"], 3, "did you mean Roberta?"),
        (["Roberta", "hi", "--user", "a:b"], 4, "cannot contain a colon"),
        (["Roberta", "hi", "--user", "server"], 4, "reserved"),
        (["Roberta", "x" * 40_000], 4, "may have 32768 bytes"),
        (["Roberta", " "], 2, "no text"),
        (["Roberta"], 2, "Missing argument"),
        (["Roberta", "hi", "--server", "x:y:z"], 2, "not an IPv6 address"),
        (["Roberta", "hi", "--server", "localhost:99999"], 2, "not a port"),
        (["Roberta", "hi", "--server", "nowhere.invalid"], 5, "no host"),
        (["Roberta", "hi", "--server", "127.0.0.1:1"], 5, "chatcli serve"),
        (["Roberta", "hi", "--sever", "x"], 2, "No such option"),
        ([], 2, "Missing argument 'TO'. A room is written in quotes: '#ops'."),
        (["--wait"], 2, "A room is written in quotes: '#ops'."),
        (["Roberta"], 2, 'Put the text in quotes:\n    chatcli send Roberta "hi"\n'),
        (["Roberta"], 2, "Missing argument 'TEXT'. A room is written in quotes: '#ops'. To send standard input"),
        (["Roberta", ""], 2, "Invalid value for 'TEXT': it is empty."),
        (["", "hi"], 2, "Invalid value for 'TO': it is empty."),
        (["Roberta", "hi there", "--lines"], 2, '"hi there" is not a name, drop it.'),
        (["--lines"], 2, "Missing argument 'TO'"),
        (["Roberta", "--lines", "--", "hi"], 2, "drop the other text"),
        (["Roberta", "--lines", "--code"], 2, "--lines excludes --"),
        (["Roberta", "hi", "--spool", "--wait"], 2, "--spool excludes --"),
        (["Roberta", "hi", "--spool", "--timeout", "5s"], 2, "--spool excludes --"),
        (["Roberta", "bob", "hi", "--reply-to", "4"], 2, "name one recipient"),
        (["Roberta,", "hi"], 2, "a name is empty"),
        (["Roberta", "--wait", "delivered"], 2, "Missing argument 'TEXT'"),
        (["--wiat", "Roberta", "hi"], 2, "No such option '--wiat'"),
        (["Roberta", "--wiat", "hi"], 2, "No such option '--wiat'"),
        (["Roberta", "--wiat"], 2, "No such option '--wiat'"),
        (["Roberta", "hi", "-x"], 2, "No such option '-x'"),
        (["Roberta", "-x", "hi"], 2, 'chatcli send Roberta "-x hi"'),
        (["-hi", "Roberta"], 2, "No such option"),
        (["Roberta", "hi", "--timeout"], 2, "Option '--timeout' requires an argument."),
        (["Roberta", "hi", "--wait=yes"], 2, "'yes' is not one of 'delivered', 'seen'"),
        (["Roberta", "--wait", "seen"], 2, "Missing argument 'TEXT'"),
    ],
)
def test_errors(server: ThreadServer, arguments: list[str], status: int, sentence: str) -> None:
    """One sentence on standard error, the documented status, and nothing on standard output."""
    server.joined("Roberta").hang_up()
    done = run_here("send", *arguments, CHATCLI_SERVER=str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("chatcli: ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["bob", "-hi"], "-hi"),
        (["--wait", "bob", "-hi"], "-hi"),
        (["bob", "-1 on that", "--wait"], "-1 on that"),
        (["bob", "--- a headline ---"], "--- a headline ---"),
        (["bob", "--wait for it"], "--wait for it"),
        (["bob", "--", "--wait"], "--wait"),
        (["--", "bob", "-h"], "-h"),
        (["--user=ci", "bob", "--", "--"], "--"),
        (["bob", "--", "ls", "-l", "*"], "ls -l *"),
        (["--wait", "bob", "hi"], "hi"),
        (["--wait", "delivered", "bob", "hi"], "hi"),
        (["bob", "hi", "--wait=delivered"], "hi"),
    ],
)
def test_text_with_a_dash(server: ThreadServer, arguments: list[str], text: str) -> None:
    """After the name it is the text, unless it is nearly an option; after -- it always is."""
    with server.joined("bob") as bob, Program("send", *arguments, CHATCLI_SERVER=str(server.address)) as sending:
        bob.says("ack", seq=bob.hears("message", text=text)["seq"])
        assert sending.end() == 0
        assert (sending.out, sending.err) == (["delivered"], [])


def test_several_recipients(server: ThreadServer) -> None:
    """Each gets an answer, on one connection, once in any spelling."""
    where = ["--user", "ci", "--server", str(server.address)]
    server.joined("carol").hang_up()
    with server.joined("bob") as bob:
        bob.enters("#ops")
        done = run_here("send", "bob", "carol,#ops", "Bob", "hi", *where)
        assert done.stdout == "bob\tdelivered\ncarol\tstored\n#ops\tdelivered\n"
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(bob.hears("message", text="hi")["to"] for _ in range(2)) == ["#ops", "bob"]
        done = run_here("send", "bob", "carol", "hi", "--json", *where)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(one["to"], one["outcome"], one["status"]) for one in records] == [
            ("bob", "delivered", 0),
            ("carol", "stored", 0),
        ]
        assert all(set(one) == {"to", "outcome", "id", "seq", "at", "error", "status", "person"} for one in records)
        assert [(one["person"]["user"], one["person"]["state"]) for one in records] == [
            ("bob", "here"),
            ("carol", "gone"),
        ]
        assert [message["id"] for message in [bob.hears("message")]] == [records[0]["id"]]
        quiet = run_here("send", "bob", "carol", "hi", "--quiet", *where)
        assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_errors_as_json(server: ThreadServer) -> None:
    """Each object has a code, a sentence and the status of a single message."""
    server.joined("bob").hang_up()
    done = run_here("send", "bob", "me", "x" * 40_000, "--json", "--user", "ci", "--server", str(server.address))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["error"]["code"] for one in records] == ["text_too_long"] * 2
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1  # an error of all recipients is reported once
    done = run_here("send", "ann", "hi", "--json", "--server", "127.0.0.1:1")
    (record,) = map(json.loads, done.stdout.splitlines())
    assert (record["outcome"], record["error"]["code"], record["status"]) == ("failed", "unreachable", 5)
    assert (record["seq"], record["at"]) == (None, None)
    assert done.returncode == 5


def test_unquoted_text(server: ThreadServer) -> None:
    """The error explains that words without quotes are recipients, if one is unknown."""
    server.joined("bob").hang_up()
    for words, example in (
        (["bob", "lunch", "at", "noon"], 'bob "lunch at noon"'),
        (["bob", "costs", "$5"], "bob 'costs $5'"),
        (["bob", *["x"] * 50], 'bob "the text"'),
    ):
        done = run_here("send", *words, "--server", str(server.address))
        assert done.returncode == 3
        assert f"put it in quotes:\n    chatcli send --server {server.address} {example}\n" in done.stderr
    done = run_here("send", "bob", "nobody", "--", "at", "noon", "--server", str(server.address))
    assert "quotes" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "failing"),
    [
        (["Bob", "hello", "world"], 3, "hello"),
        (["bob,hello", "world"], 3, "hello"),
        (["#ops", "bob", "hello", "hi"], 3, "hello"),
        (["bob", "#nowhere", "hi"], 3, "#nowhere"),
        (["bob", "hello", "--", "hi"], 3, "hello"),
        (["bob", "hello", "hi", "--wait"], 3, "hello"),
        (["bob", "hello", "hi", "--spool"], 3, "hello"),
        (["bob", "#news", "hi"], 4, "#news"),
    ],
)
def test_all_or_nobody(server: ThreadServer, words: list[str], status: int, failing: str) -> None:
    """If one recipient cannot get it, nothing is sent, and the sentence says so."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
        bob.enters("#news", kind="announcement")
        done = run_here("send", "--json", "--user", "ci", "--server", str(server.address), *words)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert {one["outcome"] for one in records} == {"failed"}
        assert [one["to"] for one in records if one["error"]["code"] != "held_back"] == [failing]
        assert {one["status"] for one in records} == {done.returncode} == {status}
        first, *others = done.stderr.splitlines()
        assert first.startswith(f"chatcli: {failing}: ")
        assert others[0] == "chatcli: Nothing was sent to the others either."
        assert bob.asks("who")["t"] == "who"  # without an earlier message


@pytest.mark.parametrize("text", ["ls -l\n\techo hi", "a\n```\nls\n```\nb", "````", "  indented"])
def test_code(server: ThreadServer, text: str) -> None:
    """The fences are longer than any in the text, and the text is unchanged."""
    with server.joined("bob") as bob:
        run_here("send", "bob", "--code", "-", "--server", str(server.address), stdin=f"{text}\n".encode())
        first, *lines, last = bob.hears("message")["text"].split("\n")
        assert "\n".join(lines) == text
        assert first == last
        assert set(first) == {"`"}
        assert len(first) >= 3
        assert first not in lines


def test_recipient_in_two_spellings(server: ThreadServer) -> None:
    """Capitals and composition do not matter: the message goes out once."""
    with server.joined("zoé") as zoe:
        where = ["--user", "ci", "--server", str(server.address)]
        assert run_here("send", "zoé", "ZOE\u0301", "hi", *where).returncode == 0
        assert run_here("send", "zoé", "again", *where).returncode == 0
        assert zoe.texts(2) == ["hi", "again"]


def test_waiting_for_several(server: ThreadServer) -> None:
    """All share one time; the output distinguishes who has it, and who has read it."""
    server.joined("carol").hang_up()
    with server.joined("bob") as bob:
        bob.enters("#ops")
        where = ["--user", "ci", "--server", str(server.address)]
        done = run_here("send", "bob", "#ops", "carol", "look!", "--timeout", "2s", *where)
        assert (done.returncode, done.stdout) == (6, "bob\tdelivered\n#ops\tdelivered\ncarol\tstored\n")
        assert done.stderr.startswith("chatcli: No client of carol received it within 2s. It is stored. carol has not")
        with Program("send", "bob", "#ops", "carol", "again", "--wait", "seen", "--timeout", "2s", *where) as waiting:
            bob.texts(4)
            assert waiting.end() == 6
        assert waiting.out == ["bob\tseen", "#ops\tseen", "carol\tstored"]
        assert waiting.err[0].startswith(
            "chatcli: carol did not read it within 2s. It is stored. carol has not been here"
        )


def test_verbose(server: ThreadServer) -> None:
    """The steps go to standard error; standard output is unchanged."""
    done = run_here("send", "me", "hi", "-v", "--user", "ci", "--server", str(server.address))
    assert done.stdout == "stored\n"
    assert done.stderr.splitlines() == [
        f"chatcli: Connecting to {server.address}.",
        "chatcli: Connected, without TLS: the server is on this machine.",
    ]


def test_server_restarts(tmp_path: Path) -> None:
    """A stopping server is tried again, like a lost connection."""
    with serving(tmp_path) as (program, address):
        run_here("send", "me", "hi", "--user", "bob", "--server", str(address))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            where = ["--user", "ci", "--server", str(address)]
            runs = [pool.submit(chatcli, "send", "bob", f"{n}", *where) for n in range(24)]
            eventually(lambda: sum(run.done() for run in runs) > 4, "the first messages")
            program.end(signal.SIGTERM)
            with serving(tmp_path, port=address.port), Caller(address) as bob:
                results = [run.result() for run in runs]
                bob.greets("bob", purpose="query")
                bob.hears("welcome")
                taken = {f"{n}" for n, done in enumerate(results) if done.returncode == 0}
                texts = [message["text"] for message in bob.asks("history", of="ci", limit=100)["messages"]]
        assert {done.returncode for done in results} <= {0, 5}
        assert taken <= set(texts)
        assert len(texts) == len(set(texts))


def test_invalid_utf_8(server: ThreadServer) -> None:
    """Bytes that are no text are refused, and no part is sent."""
    done = run_here("send", "bob", "-", "--server", str(server.address), stdin=b"\xff\xfe")
    assert done.returncode == 2
    assert "UTF-8" in done.stderr
    command = [sys.executable.encode(), b"-m", b"chatcli", b"send", b"bob", b"\xff", b"--server"]
    done_bytes = subprocess.run(
        [*command, str(server.address).encode()], capture_output=True, env=environment(), check=False
    )
    assert done_bytes.returncode == 2
    assert b"UTF-8" in done_bytes.stderr


def test_concurrent_first_messages(server: ThreadServer) -> None:
    """All arrive, even while the name is being registered."""
    with server.joined("bob") as bob:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            runs = [
                pool.submit(chatcli, "send", "bob", f"{n}", "--user", "ci", "--server", str(server.address))
                for n in range(8)
            ]
        assert {run.result().stdout for run in runs} == {"delivered\n"}
        assert sorted(bob.texts(8)) == sorted(f"{n}" for n in range(8))


def test_help(tmp_path: Path) -> None:
    """It has each option with its variable, and examples."""
    text = run_here("send", "--help").stdout
    for part in ("CHATCLI_USER", "CHATCLI_SERVER", "127.0.0.1:8080", "delivered", "stored", "chatcli send bob"):
        assert part in text


@pytest.mark.parametrize(
    ("redirection", "complaint"), [(">/dev/full", "was delivered"), (">&-", "was delivered"), ("2>&-", "")]
)
def test_sent_is_success(server: ThreadServer, redirection: str, complaint: str) -> None:
    """Unwritable standard output does not fail a sent message, so that nobody repeats it."""
    with server.joined("bob") as bob:
        command = f'exec "$0" -m chatcli send bob hi --server {server.address} {redirection}'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable], capture_output=True, text=True, env=environment(), check=False
        )
        assert done.returncode == 0
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr
        bob.hears("message", text="hi")


def test_endless_input(server: ThreadServer) -> None:
    """Input longer than any message is refused without reading on."""
    command = f'yes | "$0" -m chatcli send bob - --server {server.address}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=20,
    )
    assert done.returncode == 4
    assert "send a part of it" in done.stderr


@pytest.mark.parametrize("arguments", [["bob", "hi", "--user", ""], ["", "hi"], ["bob", ""]])
def test_empty_variable(server: ThreadServer, arguments: list[str]) -> None:
    """An empty name or text is refused, and not replaced."""
    done = run_here("send", *arguments, "--server", str(server.address))
    assert (done.returncode, done.stdout) == (2, "")
    assert "empty" in done.stderr


def test_room(server: ThreadServer) -> None:
    """A script need not be a member of an open room; "delivered" means that a member is online."""
    where = str(server.address)
    with server.joined("bob") as bob:
        bob.enters("#ops")
        done = run_here("send", "#ops", "deployed", "--user", "ci", "--server", where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "delivered\n", "")
        bob.hears("message", text="deployed", to="#ops", **{"from": "ci"})
    done = run_here("send", "#opz", "deployed", "--user", "ci", "--server", where)
    assert (done.returncode, done.stdout) == (3, "")
    assert "#ops" in done.stderr


def test_reply_to(server: ThreadServer) -> None:
    """``--reply-to`` has the place in the log of an existing message."""
    where = str(server.address)
    with server.joined("bob") as bob:
        run_here("send", "bob", "well?", "--server", where)
        seq = bob.hears("message")["seq"]
        done = run_here("send", "bob", "well!", "--reply-to", str(seq), "--server", where)
        assert done.stdout == "delivered\n"
        bob.hears("message", text="well!", re=seq)
    gone = run_here("send", "bob", "well!", "--reply-to", str(seq + 10_000), "--server", where)
    for nonsense in (str(seq + 10_000), "0", "x"):
        done = run_here("send", "bob", "well!", "--reply-to", nonsense, "--server", where)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("chatcli: ")
        assert "--reply-to" in done.stderr
    assert f"--reply-to {seq + 10_000}: there is no such message between bob and you" in gone.stderr


def test_wait_until_it_is_seen(server: ThreadServer) -> None:
    """With ``--wait seen``, "seen" follows when the person has read it; that a client has it is not enough."""
    where = ("--user", "ci", "--server", str(server.address))
    with (
        server.joined("bob", revision=1) as bob,
        server.joined("cid") as cid,
        Program("send", "bob", "look!", "--wait", "seen", *where) as waiting,
    ):
        message = bob.hears("message", text="look!")
        run_here("send", "cid", "you, too", *where)
        cid.says("ack", seq=cid.hears("message")["seq"])  # another user's does not count
        cid.asks("keys")
        bob.says("ack", seq=message["seq"])
        bob.asks("keys")
        assert waiting.out == []
        bob.says("read", of="ci", seq=message["seq"])
        waiting.prints("seen")
        assert waiting.end() == 0
        assert waiting.err == []


def test_wait_until_it_is_delivered(server: ThreadServer) -> None:
    """With ``--wait``, "delivered" comes at once if a client has it, and otherwise once one has received it."""
    where = ("--user", "ci", "--server", str(server.address))
    with server.joined("bob", revision=1) as bob:
        done = run_here("send", "bob", "hello", "--wait", *where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "delivered\n", "")
        bob.says("ack", seq=bob.hears("message")["seq"])
    eventually(lambda: run_here("who", *where).stdout == "")
    with Program("send", "bob", "look!", "--wait", *where) as waiting:
        eventually(lambda: last_seq(server.address) == 2, "the message")
        with server.joined("bob", revision=1) as bob:
            message = bob.hears("message", text="look!")
            bob.asks("keys")
            assert waiting.out == []
            bob.says("ack", seq=message["seq"])
            waiting.prints("delivered")
            assert waiting.end() == 0
            assert bob.asks("unread")["conversations"][0]["count"] == 2


def test_wait_in_vain(server: ThreadServer) -> None:
    """The status is 6, and the word says what is known; a sentence says where they are, or that receipts may be off."""
    where = ("--server", str(server.address))
    with server.joined("bob", revision=1) as bob:
        done = run_here("send", "bob", "look!", "--wait", "seen", "--timeout", "1s", *where)
        assert (done.returncode, done.stdout) == (6, "delivered\n")
        assert done.stderr == (
            "chatcli: bob did not read it within 1s. A client of theirs has it. "
            "They may be away from the keyboard, or give no receipts.\n"
        )
        bob.hears("message")
        bob.asks("away", text="lunch")
        done = run_here("send", "bob", "look!", "--wait", "seen", "--timeout", "1s", "--json", *where)
        record = json.loads(done.stdout)
        assert (done.returncode, record["outcome"], record["status"]) == (6, "delivered", 6)
        assert (record["error"]["code"], record["person"]["state"], record["person"]["text"]) == (
            "not_in_time",
            "away",
            "lunch",
        )
        assert re.search(r"A client of theirs has it. bob has been away since \d\d:\d\d \(lunch\)\.$", done.stderr)
    eventually(lambda: run_here("who", *where).stdout == "")
    done = run_here("send", "bob", "look!", "--timeout", "1s", *where)
    assert (done.returncode, done.stdout) == (6, "stored\n")
    assert done.stderr.startswith(
        "chatcli: No client of bob received it within 1s. It is stored. bob has not been here"
    )


def test_waiting_for_an_older_server(server: ThreadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not tell of what was received, so that nobody knows it."""
    monkeypatch.setattr("chatcli.protocol.frames.REVISION", 0)
    server.joined("bob").hang_up()
    eventually(lambda: run_here("who", "--server", str(server.address)).stdout == "")
    done = run_here("send", "bob", "look!", "--timeout", "1s", "--user", "alice", "--server", str(server.address))
    assert (done.returncode, done.stdout) == (6, "stored\n")
    assert done.stderr == (
        "chatcli: No client of bob has confirmed it within 1s. It is stored. "
        "The server is older than this client and reports only what was read.\n"
    )


def test_wait_in_a_room(server: ThreadServer) -> None:
    """Another member counts, and not the sender."""
    where = ("--user", "alice", "--server", str(server.address))
    with server.joined("alice", revision=1) as alice:
        alice.enters("#ops")
        with server.joined("bob", revision=1) as bob:
            bob.enters("#ops")
            with Program("send", "#ops", "look!", "--wait", "seen", *where) as waiting:
                seq = bob.hears("message", text="look!")["seq"]
                alice.says("read", of="#ops", seq=alice.hears("message", text="look!")["seq"])
                bob.says("ack", seq=seq)
                for one in (alice, bob):
                    one.asks("keys")
                assert waiting.out == []
                bob.says("read", of="#ops", seq=seq)
                waiting.prints("seen")
                assert waiting.end() == 0
            done = run_here("send", "#ops", "look!", "--wait", "seen", "--timeout", "1s", *where)
            assert (done.returncode, done.stdout) == (6, "delivered\n")
            assert done.stderr == "chatcli: Nobody else in #ops read it within 1s. A client of somebody there has it.\n"
        eventually(lambda: run_here("who", *where).stdout == "alice\n")
        with Program("send", "#ops", "and now?", "--wait", *where) as waiting:
            eventually(lambda: server.run(lambda: watched(server, "#ops")), "the question")
            with server.joined("bob", revision=1) as bob:
                while (message := bob.hears("message"))["text"] != "and now?":
                    pass
                bob.says("ack", seq=message["seq"])
                waiting.prints("delivered")
                assert waiting.end() == 0
    eventually(lambda: run_here("who", *where).stdout == "")
    done = run_here("send", "#ops", "look!", "--timeout", "1s", *where)
    assert (done.returncode, done.stdout) == (6, "stored\n")
    assert done.stderr == "chatcli: Nobody else in #ops received it within 1s. It is stored.\n"


def test_word_on_who_is_absent(server: ThreadServer) -> None:
    """On a terminal a line says since when the person is away, idle or gone; who is here needs none."""
    where = ("--user", "ci", "--server", str(server.address))

    def says(*expected: str) -> None:
        with Terminal("send", "bob", "hi", *where, columns=100) as terminal:
            assert terminal.end() == 0
            assert [re.sub(r"\d\d:\d\d", "12:04", line) for line in terminal.lines if line] == list(expected)

    with server.joined("bob") as bob:
        says("delivered")
        bob.hears("message")
        bob.says("idle")
        bob.asks("keys")
        says("delivered", "chatcli: bob has been idle since 12:04.")
        bob.hears("message")
        bob.asks("away", text="lunch")
        says("delivered", "chatcli: bob has been away since 12:04 (lunch).")
    eventually(lambda: run_here("who", *where).stdout == "")
    says("stored", "chatcli: bob has not been here since 12:04.")
    assert run_here("send", "bob", "hi", *where).stderr == ""


def test_restart_while_waiting(tmp_path: Path) -> None:
    """The client connects again, the message is stored once, and the receipt arrives."""
    with serving(tmp_path) as (program, address):
        with Caller(address) as bob:
            bob.greets("bob")
            bob.hears("welcome")
        arguments = ["send", "bob", "look!", "--timeout", "2m", "--user", "ci", "--server", str(address)]
        with Program(*arguments) as waiting:
            eventually(lambda: last_seq(address) > 0, "the message")
            program.end(signal.SIGTERM)
            with serving(tmp_path, port=address.port), Caller(address) as bob:
                bob.greets("bob")
                bob.hears("welcome")
                assert bob.texts(1) == ["look!"]
                waiting.prints("delivered")
                assert waiting.end() == 0
                assert waiting.err == []
                assert len(bob.asks("history", of="ci")["messages"]) == 1


def test_interrupt_while_waiting(server: ThreadServer) -> None:
    """Ctrl-C ends the wait; the sentence says that the message is stored."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
        where = ("--user", "ci", "--server", str(server.address))
        with Program("send", "#ops", "look!", "--wait", "seen", *where) as waiting:
            bob.hears("message", text="look!")
            eventually(lambda: server.run(lambda: watched(server, "#ops")), "the question")
            assert waiting.end(signal.SIGINT) == 130
            assert waiting.out == ["delivered"]


def watched(server: ThreadServer, name: str) -> bool:
    """Return whether a connection watches a room's receipts."""
    (room,) = server.hub.users.all()[0].rooms
    return room.name == name and bool(room.watchers)


def last_seq(address: Address) -> int:
    """Return the last place in the server's log."""
    with Caller(address) as caller:
        caller.says("hello", version=1, purpose="query")
        seq: int = caller.hears("welcome")["head"]
        return seq


@pytest.mark.parametrize("timeout", ["0s", "soon", "-1s", ""])
def test_invalid_timeout(timeout: str) -> None:
    """Anything but a duration is a usage error."""
    done = run_here("send", "bob", "hi", "--timeout", timeout, "--server", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "length of time" in done.stderr


def test_text_option(server: ThreadServer) -> None:
    """It replaces the positional text, and excludes it."""
    with server.joined("bob") as bob:
        for option in (("-m", "hi"), ("--message", "hi"), ("--message=hi",)):
            assert run_here("send", "--user", "alice", "--server", str(server.address), "bob", *option).returncode == 0
            bob.hears("message", text="hi")
    done = run_here("send", "--server", str(server.address), "bob", "-m", "hi", "--lines")
    assert (done.returncode, "drop the other text" in done.stderr) == (2, True)
