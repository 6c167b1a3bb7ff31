"""``chatcli send``: one message, one word, one status."""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ThreadServer, chatcli, environment


def test_delivered_and_stored_are_told_on_standard_output(server: ThreadServer) -> None:
    """The one word on standard output says whether the person is here; the status is 0 either way."""
    where = str(server.address)
    with server.joined("bob") as bob:
        done = chatcli("send", "bob", "hi there", "--user", "ci", "--server", where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "delivered\n", "")
        bob.hears("message", text="hi there", **{"from": "ci"})
        bob.says("bye")
        bob.hears("bye")
    done = chatcli("send", "bob", "hi again", CHATCLI_USER="ci", CHATCLI_SERVER=where)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stored\n", "")


def test_a_dash_reads_the_text_from_standard_input(server: ThreadServer) -> None:
    """Several lines on standard input are one message; without the dash standard input is left alone."""
    with server.joined("bob") as bob:
        done = chatcli("send", "bob", "-", "--server", str(server.address), stdin="líne 1\nline 2\n".encode())
        assert done.stdout == "delivered\n"
        bob.hears("message", text="líne 1\nline 2")
        chatcli("send", "bob", "text", "--server", str(server.address), stdin=b"not this")
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
        (["Roberta", "hi", "--server", "x:y:z"], 5, "no host"),
        (["Roberta", "hi", "--server", "localhost:99999"], 2, "not a port"),
        (["Roberta", "hi", "--server", "127.0.0.1:1"], 5, "chatcli serve"),
        (["Roberta", "hi", "--sever", "x"], 2, "No such option"),
    ],
)
def test_what_went_wrong_is_one_sentence_and_a_status(
    server: ThreadServer, arguments: list[str], status: int, sentence: str
) -> None:
    """Nothing on standard output, one sentence on standard error, and the documented status."""
    server.joined("Roberta").hang_up()
    done = chatcli("send", *arguments, CHATCLI_SERVER=str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("chatcli: ")


def test_text_that_is_not_utf8_is_refused(server: ThreadServer) -> None:
    """Bytes that are no text do not become half a message."""
    done = chatcli("send", "bob", "-", "--server", str(server.address), stdin=b"\xff\xfe")
    assert done.returncode == 2
    assert "UTF-8" in done.stderr
    command = [sys.executable.encode(), b"-m", b"chatcli", b"send", b"bob", b"\xff", b"--server"]
    done_bytes = subprocess.run(
        [*command, str(server.address).encode()], capture_output=True, env=environment(), check=False
    )
    assert done_bytes.returncode == 2
    assert b"UTF-8" in done_bytes.stderr


def test_many_at_once_from_one_new_user_all_arrive(server: ThreadServer) -> None:
    """Parallel sends do not block or refuse each other, even while the name is being made known."""
    with server.joined("bob") as bob:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            runs = [
                pool.submit(chatcli, "send", "bob", f"{n}", "--user", "ci", "--server", str(server.address))
                for n in range(16)
            ]
        assert {run.result().stdout for run in runs} == {"delivered\n"}
        assert sorted(bob.texts(16)) == sorted(f"{n}" for n in range(16))


def test_neither_asyncio_nor_prompt_toolkit_is_imported(server: ThreadServer) -> None:
    """A script that says one thing does not wait for what it does not need."""
    with server.joined("bob"):
        script = (
            "import sys, atexit\n"
            "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
            "from chatcli.cli.main import main\n"
            "main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, "send", "bob", "hi", "--server", str(server.address)],
            capture_output=True,
            text=True,
            env=environment(),
            check=True,
        )
    assert done.stdout == "delivered\n"
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    heavy = {"asyncio", "prompt_toolkit", "uvloop", "sqlite3", "ssl", "regex", "precis_i18n", "platformdirs", "ifaddr"}
    avoidable = {"pathlib", "hashlib"}
    assert not loaded & (heavy | avoidable)


def test_help_shows_how(tmp_path: Path) -> None:
    """The help names every option with its variable, and gives examples."""
    text = chatcli("send", "--help").stdout
    for part in ("CHATCLI_USER", "CHATCLI_SERVER", "127.0.0.1:8080", "delivered", "stored", "chatcli send bob"):
        assert part in text


@pytest.mark.parametrize(("redirection", "complaint"), [(">/dev/full", "was delivered"), (">&-", ""), ("2>&-", "")])
def test_a_message_that_was_sent_is_a_success_wherever_the_answer_goes(
    server: ThreadServer, redirection: str, complaint: str
) -> None:
    """Nobody sends it again because standard output could not be written."""
    with server.joined("bob") as bob:
        command = f'exec "$0" -m chatcli send bob hi --server {server.address} {redirection}'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable], capture_output=True, text=True, env=environment(), check=False
        )
        assert done.returncode == 0
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr
        bob.hears("message", text="hi")


def test_input_without_end_is_not_read_without_end(server: ThreadServer) -> None:
    """What is longer than any message is refused, whoever would go on writing it."""
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
def test_an_empty_variable_is_a_mistake(server: ThreadServer, arguments: list[str]) -> None:
    """An empty name or text is refused, rather than replaced by something else."""
    done = chatcli("send", *arguments, "--server", str(server.address))
    assert (done.returncode, done.stdout) == (2, "")
    assert "empty" in done.stderr
