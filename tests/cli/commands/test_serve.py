"""``chatcli serve``: starts without configuration, and stops without loss."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.protocol.values.address import Address, is_loopback
from tests.certificates import fingerprint_of, make, private_key
from tests.here import run_here
from tests.store.town import change, rows
from tests.support import DEADLINE, Caller, ThreadServer, chatcli, environment, eventually, serving, trusting
from tests.terminal import Terminal


def test_listening_line(tmp_path: Path) -> None:
    """Standard error has the bound address, and below it a command to join, and the address for browsers."""
    with serving(tmp_path) as (program, address):
        program.complains("In a browser")
        line, command, page = program.err
        key = fingerprint_of(tmp_path / "server.crt")
        assert line == f"Serving on {address}, key {key}. To join:"
        assert command.endswith(f"join --server {address}")
        assert page == f"In a browser: http://{address}/"
        assert program.out == []
        assert run_here("who", "--server", str(address)).returncode == 0


def test_addresses_of_a_wildcard(tmp_path: Path) -> None:
    """With 0.0.0.0 the command has an address of this machine."""
    with serving(tmp_path, "--host", "0.0.0.0") as (program, address):
        first, line = program.err[:2]
        assert first.startswith("Serving on 0.0.0.0:")
        assert address.host != "0.0.0.0"
        key = fingerprint_of(tmp_path / "server.crt")
        assert is_loopback(address.host) or f"join --server {address} --pin {key}" in line
        with socket.create_connection(address[:2], 5):
            pass


def in_browser(data: Path, *options: str) -> list[str]:
    """Start a server and stop it; return what it has printed for those with a browser, without its port."""
    with serving(data, *options) as (program, address):
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == 0
        lines = [line.replace(f"{address.port}", "8080").replace(address.host, "HOST") for line in program.err]
    return [line for line in lines[2:] if not line.startswith("It can also")]


def test_browsers_on_other_machines(tmp_path: Path, far: str) -> None:
    """They warn of the certificate, and can be shown the fingerprint that they show, or spared it."""
    own = ["In a browser: https://HOST:8080/"]
    warning = "The browser warns of this server's certificate. Continue if it shows this SHA-256 fingerprint:"
    tunnel = 'nor at http://localhost:8080/ after "ssh -L 8080:localhost:8080 HOST"'
    remedy = "There is no warning with a certificate of an authority (--tls-cert)"
    lines = in_browser(tmp_path / "data", "--host", "0.0.0.0")
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "data" / "server.crt").read_text())
    fingerprint = ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())
    assert lines == [*own, warning, f"    {fingerprint}", f"{remedy}, {tunnel}."]
    assert in_browser(tmp_path / "data", "--host", far) == [*own, warning, f"    {fingerprint}", f"{remedy}."]
    files = make(tmp_path, names=("chat.example", "*.example"))
    certificate = ["--tls-cert", str(files[0]), "--tls-key", str(files[1])]
    named = ["In a browser: https://chat.example:8080/"]
    assert in_browser(tmp_path / "data", "--host", far, *certificate) == named
    assert in_browser(tmp_path / "data", "--host", "127.0.0.1", "--host", far, *certificate) == named
    proxy = ["--proxy", "192.0.2.7"]
    assert in_browser(tmp_path / "data", "--host", far, *proxy, "--web-name", "chat.example") == [
        "In a browser: https://chat.example/"
    ]


def test_names_for_browsers(tmp_path: Path) -> None:
    """A server on this machine that has names is reached through what has TLS."""
    names = ["--web-name", "chat.example", "--web-name", "other.example:8443"]
    assert in_browser(tmp_path, *names) == ["In a browser: https://chat.example/ or https://other.example:8443/"]
    assert in_browser(tmp_path, "--no-web") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM stop it with status 0, and everyone gets a goodbye."""
    with serving(tmp_path) as (program, address), Caller(address) as alice:
        alice.greets("alice")
        alice.hears("welcome")
        program.process.send_signal(number)
        alice.hears("bye", code="stopping")
        assert program.end() == 0
        assert len(program.err) == 3


def test_variables(tmp_path: Path) -> None:
    """Each option has a variable, and its errors name it."""
    done = chatcli("serve", CHATCLI_SERVE_PORT="http", CHATCLI_SERVE_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "http" in done.stderr
    done = chatcli("serve", "--port", "0", CHATCLI_SERVE_HOST="192.0.2.1", CHATCLI_SERVE_DATA=str(tmp_path))
    assert done.returncode == 1
    assert "192.0.2.1 is not an address of this machine" in done.stderr


def test_default_directory(tmp_path: Path) -> None:
    """Without ``--data`` the log is in the user's data directory, private."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = chatcli("serve", "--port", port, XDG_DATA_HOME=str(tmp_path))
        assert done.returncode == 1
        assert f"Port {port} is in use" in done.stderr
    with serving(tmp_path / "own"):
        assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "own" / "chatcli.db").stat().st_mode) == 0o600


def test_second_server(tmp_path: Path) -> None:
    """The sentence has the process that holds the directory; the first server goes on."""
    with serving(tmp_path) as (program, address):
        done = chatcli("serve", "--port", "0", "--data", str(tmp_path))
        assert done.returncode == 1
        assert f"process {program.process.pid}" in done.stderr
        assert run_here("who", "--server", str(address)).returncode == 0


def test_unusable_directory(tmp_path: Path) -> None:
    """One sentence has the cause."""
    (tmp_path / "file").write_text("x")
    done = chatcli("serve", "--port", "0", "--data", str(tmp_path / "file" / "below"))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Cannot use the data directory {tmp_path / 'file' / 'below'}" in done.stderr
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "chatcli.db").write_text("this is no database, whatever its name says")
    done = chatcli("serve", "--port", "0", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "file is not a database" in done.stderr


def test_max_text(tmp_path: Path) -> None:
    """``--max-text`` sets the longest text of a message."""
    with serving(tmp_path, "--max-text", "100000") as (_, address):
        done = run_here("send", "alice", "-", "--user", "alice", "--server", str(address), stdin=b"x" * 100_000)
        assert done.stdout == "stored\n"
        done = run_here("send", "alice", "-", "--user", "alice", "--server", str(address), stdin=b"x" * 100_001)
        assert done.returncode == 4
        assert "100000 bytes" in done.stderr


def peer(address: Address, *trusted: Path) -> int | None:
    """Return the server's certificate."""
    for number, certificate in enumerate(trusted):
        try:
            Caller(address, context=trusting(certificate)).hang_up()
        except ssl.SSLError:
            continue
        return number
    return None


def test_hangup_reloads_the_certificate(tmp_path: Path) -> None:
    """New callers see the new one, a broken one changes nothing, and open connections stay."""
    files = make(tmp_path)
    old, new = tmp_path / "old.crt", tmp_path / "new.crt"
    old.write_bytes(files[0].read_bytes())
    options = ["--tls-cert", str(files[0]), "--tls-key", str(files[1])]
    with serving(tmp_path / "data", *options) as (program, address):
        assert fingerprint_of(old) in program.err[0]
        with Caller(address, context=trusting(old)) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            make(tmp_path, key=private_key(files[1]))
            new.write_bytes(files[0].read_bytes())
            assert peer(address, old, new) == 0
            program.process.send_signal(signal.SIGHUP)
            eventually(lambda: peer(address, old, new) == 1)
            files[1].write_text("cut off")
            program.process.send_signal(signal.SIGHUP)
            program.complains("Until then the server shows the certificate that it had.")
            assert peer(address, old, new) == 1
            assert alice.asks_who() == ["alice"]
            program.process.send_signal(signal.SIGTERM)
            alice.hears("bye", code="stopping")
        assert program.end() == 0


def test_pipe_in_place_of_a_certificate(tmp_path: Path) -> None:
    """At SIGHUP it changes nothing, and no server starts with it."""
    files = make(tmp_path)
    options = ["--tls-cert", str(files[0]), "--tls-key", str(files[1])]
    with serving(tmp_path / "data", *options) as (program, address), Caller(address) as alice:
        alice.greets("alice")
        alice.hears("welcome")
        for path in files:
            content = path.read_bytes()
            path.unlink()
            os.mkfifo(path, 0o600)
            program.process.send_signal(signal.SIGHUP)
            program.complains(f"{path} is a pipe or a device")
            assert alice.asks_who() == ["alice"]
            path.unlink()
            path.write_bytes(content)
            path.chmod(0o600)
    done = chatcli("serve", "--port", "0", "--data", str(tmp_path / "data"), *options[:1], "/dev/zero", *options[2:])
    assert done.returncode == 1
    assert "/dev/zero is a pipe or a device" in done.stderr


def test_closed_terminal(tmp_path: Path) -> None:
    """SIGHUP from a closed terminal stops the server."""
    with Terminal("serve", "--port", "0", "--data", str(tmp_path), columns=200) as terminal:
        terminal.shows("Serving on")
        terminal.hang_up()
        assert terminal.end() == 0


def test_certificate_errors(tmp_path: Path) -> None:
    """Half of a pair is a usage error, an unusable file a failure to start."""
    certificate, key = map(str, make(tmp_path))
    done = chatcli("serve", "--port", "0", "--data", str(tmp_path / "data"), "--tls-cert", certificate)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --tls-cert and --tls-key" in done.stderr
    both = ["--tls-cert", key, "--tls-key", key]
    done = chatcli("serve", "--port", "0", "--data", str(tmp_path / "data"), *both)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{key} holds no certificate in PEM" in done.stderr


def test_help_of_insecure() -> None:
    """It says what the option gives up."""
    text = " ".join(chatcli("serve", "--help").stdout.split())
    assert "--insecure" in text
    assert "Everyone on the way can then read and alter what is said" in text


def test_retention(tmp_path: Path) -> None:
    """Older messages are deleted while it runs, read or unread; their numbers are not used again."""
    age = "UPDATE messages SET at = at - 86400000 * "
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice:
        for text in ("last week", "last night", "just now"):
            alice.sends("alice", text)
            alice.hears("sent")
    change(tmp_path, age + "7 WHERE seq = 1")
    change(tmp_path, age + "0.5 WHERE seq = 2")
    with serving(tmp_path, "--keep", "1d") as (program, address), Caller(address) as alice:
        assert "; messages older than 1d are deleted. To join:" in program.err[0]
        eventually(lambda: rows(tmp_path, "SELECT text FROM messages") == [("last night",), ("just now",)])
        alice.greets("alice", since=0)
        alice.hears("welcome")
        assert alice.texts(2) == ["last night", "just now"]
        assert program.end(signal.SIGTERM) == 0
    change(tmp_path, age + "7")
    with serving(tmp_path, "--keep", "1d") as (program, _):
        eventually(lambda: rows(tmp_path, "SELECT text FROM messages") == [])
        assert program.end(signal.SIGTERM) == 0
    with ThreadServer(tmp_path) as server, server.joined("alice") as alice:
        assert alice.welcome["head"] == 3
        alice.sends("alice", "tomorrow")
        assert alice.hears("sent")["seq"] == 4


def test_retention_is_shown_in_days(tmp_path: Path) -> None:
    """The sentence has days for a duration of months."""
    for keep, said in (("90d", "90d"), ("12w", "84d"), ("1d12h", "1d12h")):
        with serving(tmp_path, "--keep", keep) as (program, _):
            assert f"messages older than {said} are deleted" in program.err[0]
            assert program.out == []


@pytest.mark.parametrize("length", ["soon", "0d", "90", "-1d"])
def test_invalid_retention(tmp_path: Path, length: str) -> None:
    """It is refused before the log is opened."""
    done = chatcli("serve", "--data", str(tmp_path / "data"), "--keep", length)
    assert done.returncode == 2
    assert f'"{length}" is not a length of time' in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "redirected",
    ["2>/dev/full", "2>&1 | true", "2>&-", ">&-", "<&- >&- 2>&-", ">/dev/full 2>&1"],
)
def test_broken_standard_error(tmp_path: Path, redirected: str) -> None:
    """If it is full, closed or unread, the server starts and stops all the same."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = f'"$0" -m chatcli serve --log-level info --port {port} --data data'
    ran = subprocess.Popen(
        ["/bin/sh", "-c", f"{command} {redirected}", sys.executable],
        env=environment(),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    address = Address("127.0.0.1", port)
    try:
        eventually(lambda: is_open(address))
        with Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            alice.sends("alice", "hello")
            alice.hears("sent")
            os.killpg(ran.pid, signal.SIGTERM)
            alice.hears("bye", code="stopping")
    finally:
        ran.wait(DEADLINE)


def is_open(address: Address) -> bool:
    """Return whether a server accepts connections there."""
    with socket.socket() as trying:
        return trying.connect_ex(address[:2]) == 0


@pytest.fixture(params=["a terminal that was stopped", "a pipe that nobody reads"])
def stuck(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """Yield a full pipe: its writing end and its reading end."""
    if "pipe" in request.param:
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writing, bytes(4096))
    else:
        reading, writing = os.openpty()
        termios.tcflow(writing, termios.TCOOFF)
    yield writing, reading
    for descriptor in (writing, reading):
        os.close(descriptor)


def test_unread_log(tmp_path: Path, stuck: tuple[int, int]) -> None:
    """It delays neither users nor the stop."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    arguments = ["serve", "--log-level", "debug", "--port", str(address.port), "--data", str(tmp_path / "data")]
    serve = subprocess.Popen([sys.executable, "-m", "chatcli", *arguments], stderr=stuck[0], env=environment())
    try:
        eventually(lambda: is_open(address))
        for _ in range(200):  # each causes a few lines of the log
            with Caller(address) as alice:
                alice.greets("alice", purpose="send")
                alice.hears("welcome")
        with Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            serve.send_signal(signal.SIGHUP)
            alice.sends("alice", "hello")
            alice.hears("sent")
        serve.send_signal(signal.SIGTERM)
        assert serve.wait(DEADLINE) == 0
    finally:
        serve.kill()
        serve.wait(DEADLINE)


def test_expiring_certificate(tmp_path: Path) -> None:
    """A warning comes at the start, at SIGHUP and in the status, until it is renewed."""
    files = make(tmp_path, days=5.5)
    options = ["--tls-cert", str(files[0]), "--tls-key", str(files[1])]
    with serving(tmp_path / "data", *options) as (program, _):
        program.complains("expires in 5 days")
        assert "renew it, and send the server SIGHUP" in program.err[3]
        status = ("admin", "status", "--data", str(tmp_path / "data"))
        assert "expires in 5 days" in chatcli(*status).stdout
        shown = json.loads(chatcli(*status, "--json").stdout)
        assert "expires in 5 days" in shown["certificate"]
        assert datetime.datetime.fromisoformat(shown["certificate_expires"]) > datetime.datetime.now(datetime.UTC)
        make(tmp_path, days=-0.5, key=private_key(files[1]))
        program.process.send_signal(signal.SIGHUP)
        program.complains("expired on")
        make(tmp_path, days=100, key=private_key(files[1]))
        program.process.send_signal(signal.SIGHUP)
        eventually(lambda: "certificate\tgood\n" in chatcli(*status).stdout)


def test_several_hosts(tmp_path: Path) -> None:
    """They share a port; missing ones are reported, and the line to join comes first."""
    with serving(tmp_path, "--host", "127.0.0.1", "--host", "198.51.100.1", "--host", "127.0.0.2") as (
        program,
        address,
    ):
        program.complains("198.51.100.1 is not an address of this machine")
        assert f"Serving on 127.0.0.1:{address.port} and 127.0.0.2:{address.port}," in program.err[0]
        for host in ("127.0.0.1", "127.0.0.2"):
            assert run_here("who", "--server", f"{host}:{address.port}").returncode == 0


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--proxy", "nginx", '"nginx" is not an IP address or a network; write one as in "192.0.2.7" or "10.0.0.0/8".'),
        ("--proxy", "10.0.0.5/8", '"10.0.0.5/8" is one machine or a network: write "10.0.0.5" or "10.0.0.0/8".'),
        ("--proxy", "0.0.0.0/0", '"0.0.0.0/0" is everyone, and everyone could claim any address: name the proxies.'),
        ("--proxy", "::ffff:0:0/96", '"::ffff:0:0/96" is everyone, and everyone could claim any address'),
        ("--proxy", "fe80::1%eth0", '"fe80::1%eth0" names an interface: write the address without it.'),
        (
            "--web-name",
            "https://chat.example",
            '"https://chat.example" is not a name of a server; write NAME or NAME:PORT',
        ),
        ("--web-name", "*.example", '"*.example" is not a name of a server'),
    ],
)
def test_proxies_and_names_that_are_none(tmp_path: Path, option: str, value: str, sentence: str) -> None:
    """They are refused with the remedy."""
    done = run_here("serve", "--port", "0", "--data", str(tmp_path), option, value)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())


def test_proxies_and_names_are_recorded(tmp_path: Path) -> None:
    """What was given, by option or variable, is recorded in the spelling that the server uses."""
    options = ["--proxy", "::ffff:10.0.0.1", "--proxy", "2001:DB8::/32", "--web-name", "Chat.Example.:443"]
    with serving(tmp_path, *options, env={"CHATCLI_SERVE_WEB_NAME": "not.used"}) as (program, _):
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == 0
    words = json.loads((tmp_path / "serve.json").read_text())["serve"]
    assert words[-6:] == ["--proxy", "10.0.0.1/32", "--proxy", "2001:db8::/32", "--web-name", "chat.example:443"]


def test_several_proxies_and_names_in_a_variable(tmp_path: Path) -> None:
    """They are separated by spaces."""
    variables = {"CHATCLI_SERVE_PROXY": "10.0.0.1 10.0.0.2", "CHATCLI_SERVE_WEB_NAME": "a.example b.example"}
    with serving(tmp_path, env=variables):
        words = json.loads((tmp_path / "serve.json").read_text())["serve"]
    assert words[-8::2] == ["--proxy", "--proxy", "--web-name", "--web-name"]
    assert words[-7::2] == ["10.0.0.1/32", "10.0.0.2/32", "a.example", "b.example"]


CODESPACE = {"CODESPACES": "true", "CODESPACE_NAME": "fluffy-space-x7"}


def test_in_a_codespace(tmp_path: Path) -> None:
    """It prints where its port is forwarded to, how others join there, and how the port becomes visible to them."""
    with serving(tmp_path, env=CODESPACE) as (program, address):
        url = f"https://fluffy-space-x7-{address.port}.app.github.dev"
        key = fingerprint_of(tmp_path / "server.crt")
        program.complains("gh codespace")
        assert program.err[1].endswith(f"join --server {address}")
        assert program.err[2:] == [
            f"In a browser: {url}/",
            f"Others reach this codespace at {url}. To join from elsewhere:",
            f"    chatcli join --server {url} --pin {key}",
            f"Until port {address.port} is public, only you can. This makes it so:",
            f"    gh codespace ports visibility {address.port}:public -c fluffy-space-x7",
        ]


@pytest.mark.parametrize(
    "variables",
    [
        {"CODESPACES": "false"},
        {"CODESPACE_NAME": ""},
        {"CODESPACE_NAME": "x; rm -rf ~"},
        {"CODESPACE_NAME": "\x1b]0;title\x07"},
        {"CODESPACE_NAME": "-c"},
        {"GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "evil.example/\x1b[2J"},
    ],
)
def test_odd_variables_of_a_codespace(tmp_path: Path, variables: dict[str, str]) -> None:
    """Nothing is printed that is not the name of a host; the rest is as everywhere."""
    with serving(tmp_path, env={**CODESPACE, **variables}) as (program, _):
        program.process.send_signal(signal.SIGTERM)
        assert program.end() == 0
        assert len(program.err) == 3
        assert "\x1b" not in "".join(program.err)


def test_a_codespace_forwards_its_own_addresses_only(tmp_path: Path) -> None:
    """With 0.0.0.0 the port is forwarded, too; the address of the domain is the one that is set."""
    domain = "preview.app.github.dev"
    variables = {**CODESPACE, "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": domain}
    with serving(tmp_path, "--host", "0.0.0.0", env=variables) as (program, address):
        program.complains("gh codespace")
        assert any(f"https://fluffy-space-x7-{address.port}.{domain}." in line for line in program.err)
