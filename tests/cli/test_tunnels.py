"""The program through what speaks HTTP only: a forwarder of the server's port, and the proxy of a company."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forwarder import ConnectProxy, Forwarder, answer
from tests.support import DEADLINE, Program, ThreadServer, chatcli, eventually, serving, sessions_of
from tests.terminal import Terminal

Home = dict[str, Any]

ANOTHER_KEY = "SHA256:" + "A" * 43
MANY = 200


@pytest.fixture(name="forwarder")
def forwarder_before_the_server(server: ThreadServer, tmp_path: Path) -> Iterator[Forwarder]:
    """Yield a forwarder that ends TLS."""
    with Forwarder(server.address, tmp_path) as forwarder:
        yield forwarder


@pytest.fixture(name="home")
def fresh_home(tmp_path: Path) -> Home:
    """Return the environment of a user of their own."""
    return home_in(tmp_path)


def home_in(folder: Path) -> Home:
    """Return the environment of a user whose files are there."""
    return {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state")}


def test_one_shot_commands(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """A message arrives, and questions are answered, at an address that is known from then on."""
    at = ("--user", "al", "--server", str(forwarder.address))
    pinned = (*at, "--pin", server.hub.server_key)
    with server.joined("bob") as bob:
        assert chatcli("send", "bob", "hi", *at, **home).returncode == 4, "nobody has confirmed the key"
        sent = chatcli("send", "bob", "hi", *pinned, **home)
        assert (sent.returncode, sent.stdout) == (0, "delivered\n"), sent.stderr
        assert bob.texts(1) == ["hi"]
        assert chatcli("who", *at, "--accept-new", **home).stdout.split()[0] == "bob"
        assert "hi" in chatcli("history", "bob", *at, **home).stdout
        assert chatcli("key", "list", *at, **home).returncode == 0
        status = chatcli("status", "--json", *at, **home)
        assert json.loads(status.stdout)["server"] == str(forwarder.address)
        code = chatcli("key", "link", *at, **home).stdout.split()
        assert code, "a code for another device"
    known = Path(home["XDG_CONFIG_HOME"], "chatcli", "known_servers").read_text()
    assert f"{forwarder.address} {server.hub.server_key}" in known
    assert forwarder.requests[-1].get("Host") == f"127.0.0.1:{forwarder.port}"
    assert chatcli("forget", "--yes", str(forwarder.address), **home).returncode == 0


def test_many_lines(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """The forwarder drops everything on the way: no line is lost, and none comes twice."""
    where = ("--server", str(forwarder.address), "--pin", server.hub.server_key)
    with server.joined("bob") as bob, Program("send", "--lines", "bob", "--user", "al", *where, **home) as sending:
        for start in range(0, MANY, MANY // 5):
            sending.types("".join(f"{number}\n" for number in range(start, start + MANY // 5)))
            assert bob.texts(1) == [f"{start}"]
            forwarder.drop_all()
            assert bob.texts(MANY // 5 - 1) == [f"{number}" for number in range(start + 1, start + MANY // 5)]
        assert sending.process.stdin is not None
        sending.process.stdin.close()
        assert sending.end() == 0, sending.err


def test_ask(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """A question waits for its answer, although the forwarder drops everything meanwhile."""
    where = ("--server", str(forwarder.address), "--pin", server.hub.server_key)
    with (
        server.joined("bob") as bob,
        Program("ask", "bob", "Go?", "--choice", "yes", "--choice", "no", "--user", "ci", *where, **home) as asking,
    ):
        question = bob.hears("message")
        asking.complains("Waiting")
        forwarder.drop_all()
        bob.sends("ci", "", re=question["seq"], answer=1)
        assert asking.end() == 1, asking.err
        assert asking.out == ["no"]


@pytest.mark.parametrize("command", [("send", "bob", "hi"), ("who",), ("join",), ("listen",)])
def test_wrong_pin(server: ThreadServer, forwarder: Forwarder, home: Home, command: tuple[str, ...]) -> None:
    """Another key than the server's is refused, whatever the forwarder shows, and nothing is said."""
    done = chatcli(*command, "--user", "al", "--server", str(forwarder.address), "--pin", ANOTHER_KEY, **home)
    assert done.returncode == 4
    assert server.hub.server_key in done.stderr
    assert not server.run(lambda: server.hub.users.find("al"))


def test_join_and_listen(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """Both come back once the forwarder has dropped everything: nothing is lost or comes twice."""
    at = ("--server", str(forwarder.address), "--pin", server.hub.server_key)
    with (
        Program("join", "--user", "ann", *at, **home) as ann,
        Program("listen", "--user", "bot", *at, **home) as bot,
    ):
        eventually(lambda: server.run(lambda: server.hub.users.find("bot")), "the bot")
        ann.types("bot: hello\n")
        bot.prints("hello")
        for number in range(10):
            ann.types(f"bot: message {number}\n")
            if number % 3 == 1:
                forwarder.drop_all()
        bot.prints("message 9")
        ann.types("exit\n")
        assert ann.end() == 0, ann.err
    texts = [line for line in bot.out if "message" in line]
    assert [int(text.rsplit(" ", 1)[1]) for text in texts] == list(range(10))


def test_idle_connections(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """A forwarder that closes what is idle loses nothing: the listener comes back."""
    forwarder.idle = 0.3
    at = ("--server", str(forwarder.address), "--pin", server.hub.server_key)
    with server.joined("ann") as ann, Program("listen", "--user", "bot", *at, **home) as bot:
        eventually(lambda: len(forwarder.requests) > 2, "the listener has come back twice")
        ann.sends("bot", "still there?")
        bot.prints("still there?")


def test_a_thousand_messages_each_way(server: ThreadServer, forwarder: Forwarder, tmp_path: Path) -> None:
    """The forwarder is killed five times meanwhile: each message comes once, and in order."""
    at = ("--server", str(forwarder.address), "--pin", server.hub.server_key)
    with (
        Program("join", "--user", "ann", *at, **home_in(tmp_path / "a")) as ann,
        Program("join", "--user", "ben", *at, **home_in(tmp_path / "b")) as ben,
    ):
        for name in ("ann", "ben"):
            eventually(lambda name=name: server.run(lambda: server.hub.users.find(name)), name)  # type: ignore[misc]
        for start in range(0, 1000, 200):
            for number in range(start, start + 200):
                ann.types(f"ben: from ann {number}\n")
                ben.types(f"ann: from ben {number}\n")
                if number == start + 100:
                    forwarder.drop_all()
        ben.prints("from ann 999")
        ann.prints("from ben 999")
        ann.types("exit\n")
        ben.types("exit\n")
        assert (ann.end(), ben.end()) == (0, 0), [*ann.err, *ben.err]
    for reader, writer in ((ann, "ben"), (ben, "ann")):
        texts = [line.partition(f"from {writer} ")[2] for line in reader.out if f"from {writer} " in line]
        assert [text for text in texts if text] == [f"{number}" for number in range(1000)]


def test_on_a_terminal(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """A person confirms the key, talks, and goes on after the forwarder was away."""
    with (
        server.joined("bob") as bob,
        Terminal("join", "--server", str(forwarder.address), "--user", "ann", **home) as ann,
    ):
        ann.shows("is not known. Its key is SHA256:")
        ann.types("yes\r")
        ann.shows("You are ann")
        ann.types("bob: hi\r")
        assert bob.texts(1) == ["hi"]
        forwarder.refuse()
        forwarder.drop_all()
        eventually(lambda: not sessions_of(server, "ann"), "the end of the connection")
        ann.types("bob: are you there?\r")
        forwarder.refuse(refuses=False)
        assert bob.texts(1) == ["are you there?"]
        bob.sends("ann", "yes")
        ann.shows("yes")
        ann.types("/exit\r")
        assert ann.end() == 0


def test_server_that_restarts(tmp_path: Path, home: Home) -> None:
    """While the forwarder answers 502, a listener waits, and ``send --spool`` stores."""
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(data, port=port) as (running, address), Forwarder(address, tmp_path) as forwarder:
        at = ("--server", str(forwarder.address), "--accept-new")
        with Program("listen", "--user", "bot", *at, **home) as bot:
            eventually(lambda: chatcli("send", "bot", "hello", "--user", "al", *at, **home).returncode == 0, "hello")
            bot.prints("hello")
            stop(running)
            bot.complains("Trying again")
            done = chatcli("send", "bot", "later", "--spool", "--user", "al", *at, **home)
            assert (done.returncode, done.stdout) == (0, "spooled\n"), done.stderr
            done = chatcli("send", "bot", "now", "--user", "al", *at, **home)
            assert done.returncode == 5
            assert "(502 Bad Gateway)" in done.stderr
            assert str(forwarder.address) in json.loads(chatcli("outbox", "--json", **home).stdout)["server"]
            with serving(data, port=port):
                assert chatcli("outbox", "send", **home).returncode == 0
                bot.prints("later")


def stop(program: Program) -> None:
    """End a server."""
    program.process.terminate()
    program.process.wait(DEADLINE)


@pytest.mark.parametrize(
    ("raw", "status", "sentence"),
    [
        (answer(302, "Found", "Location: https://login.test/"), 5, "CHATCLI_HTTP_HEADER"),
        (answer(404, "Not Found"), 5, "(404)"),
        (answer(200, "OK"), 5, "with a page"),
        (answer(502, "Bad Gateway"), 5, "(502 Bad Gateway)"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", 5, "does not speak HTTP"),
    ],
)
@pytest.mark.parametrize("command", [("send", "bob", "hi"), ("join",), ("listen",)])
def test_statuses(
    forwarder: Forwarder, home: Home, command: tuple[str, ...], raw: bytes, status: int, sentence: str
) -> None:
    """What answers in the server's place is named in one sentence."""
    forwarder.answer = raw
    done = chatcli(*command, "--user", "al", "--server", str(forwarder.address), **home)
    assert done.returncode == status
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_proxy_of_a_company(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """``HTTPS_PROXY`` and its password, or none."""
    where = f"https://chat.test:{forwarder.port}"
    with ConnectProxy({"chat.test": forwarder.address}, "al:secret") as proxy, server.joined("bob") as bob:
        command = ("send", "bob", "hi", "--user", "al", "--server", where, "--accept-new")
        through = {**home, "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        assert chatcli(*command, **through).returncode == 5
        through["HTTPS_PROXY"] = f"http://al:secret@127.0.0.1:{proxy.port}"
        assert chatcli(*command, **through).returncode == 0
        assert bob.texts(1) == ["hi"]
        refused = chatcli(*command, **home, NO_PROXY="chat.test", HTTPS_PROXY="http://127.0.0.1:1")
        assert refused.returncode == 5
        assert 'no host called "chat.test"' in refused.stderr


def test_header_for_a_gate(server: ThreadServer, forwarder: Forwarder, home: Home, tmp_path: Path) -> None:
    """``CHATCLI_HTTP_HEADER`` opens a private port, and goes to nobody who is not vouched for."""
    closed = answer(401, "Unauthorized")
    forwarder.answer = lambda request: None if request.get("X-Github-Token") == "secret" else closed
    command = ("send", "bob", "hi", "--user", "al", "--server", str(forwarder.address), "--accept-new")
    header = {**home, "CHATCLI_HTTP_HEADER": "X-Github-Token: secret"}
    with server.joined("bob") as bob:
        assert chatcli(*command, **home).returncode == 5
        assert chatcli(*command, **header).returncode == 4
        assert chatcli(*command, **header, SSL_CERT_FILE=str(tmp_path / "forwarder.crt")).returncode == 0
        assert bob.texts(1) == ["hi"]
    assert chatcli(*command, **home, CHATCLI_HTTP_HEADER="secret").returncode == 2


def test_configuration(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """The address stands in ``config.toml``, in ``CHATCLI_SERVER``, and in what ``admin invite`` prints."""
    folder = Path(home["XDG_CONFIG_HOME"], "chatcli")
    folder.mkdir(mode=0o700, parents=True)
    section = f'[servers.work]\nserver = "{forwarder.address}"\npin = "{server.hub.server_key}"\n'
    (folder / "config.toml").write_text(section)
    with server.joined("bob"):
        assert chatcli("send", "bob", "hi", "--at", "work", "--user", "al", **home).returncode == 0
        done = chatcli("send", "bob", "hi", "--user", "al", **home, CHATCLI_SERVER=f"{forwarder.address}/")
        assert done.returncode == 4
        assert f"The server at {forwarder.address} is not known" in done.stderr
    printed = chatcli("admin", "invite", "--data", str(server.data), "--server", str(forwarder.address))
    words = shlex.split(printed.stdout.splitlines()[-1])
    assert words[words.index("--server") + 1] == str(forwarder.address)
    assert words[words.index("--pin") + 1] == server.hub.server_key


def test_server_that_is_known_by_its_own_port(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """At another address it is the same server, which a person or an option confirms once."""
    own = str(server.address).replace("127.0.0.1", "localhost")
    user = ("--user", "al", "--accept-new")
    with server.joined("bob"):
        assert chatcli("send", "bob", "hi", *user, "--server", f"https://{own}", **home).returncode == 0
        moved = chatcli("send", "bob", "hi", *user, "--server", str(forwarder.address), **home)
        assert moved.returncode == 0
        assert f"has the key that is known as that of https://{own}: it is the same server" in moved.stderr
