"""``--web``: addresses that give a browser a name, or let a newcomer in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from segno import make_qr

from chatcli.cli.environment import invited_page, is_here, page_of
from chatcli.protocol.values.address import Address, parse_address
from chatcli.protocol.values.page_links import Fragment, parse_fragment
from tests.addresses import own_address
from tests.forwarder import Forwarder
from tests.here import run_here
from tests.support import TestKey, ThreadServer, chatcli, serving
from tests.terminal import Terminal

CODESPACE: Final[dict[str, Any]] = {"CODESPACES": "true", "CODESPACE_NAME": "fluffy-space-x7"}
FORWARDED: Final = "https://fluffy-space-x7-8080.app.github.dev"


@pytest.fixture
def alice(server: ThreadServer) -> tuple[str, ...]:
    """The options of alice, who has been here."""
    at = ("--server", str(server.address), "--user", "Alice")
    assert run_here("send", "Alice", "hello", *at).returncode == 0
    return at


@pytest.mark.parametrize(
    ("server", "page"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("localhost:9000", "http://localhost:9000"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("chat.example", "https://chat.example:8080"),
        ("chat.example:443", "https://chat.example"),
        ("192.0.2.7", "https://192.0.2.7:8080"),
        ("https://chat.example/team", "https://chat.example/team"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
    ],
)
def test_page_of_a_server(server: str, page: str) -> None:
    """It is without TLS on this machine only."""
    address = parse_address(server)
    assert str(page_of(address, {})) == page
    assert is_here(address) is page.startswith("http:")


def test_page_in_a_codespace() -> None:
    """A port of this machine is reached where it is forwarded; others are reached as from anywhere."""
    for server in ("127.0.0.1", "localhost", "0.0.0.0"):
        assert str(page_of(parse_address(server), CODESPACE)) == FORWARDED
    assert str(page_of(parse_address("chat.example"), CODESPACE)) == "https://chat.example:8080"
    assert str(page_of(parse_address("127.0.0.1"), {**CODESPACE, "CODESPACE_NAME": "a b"})) == "http://127.0.0.1:8080"


def test_page_for_others() -> None:
    """An address that others reach is preferred to one of this machine."""
    here, there = Address("127.0.0.1", 8080), Address("192.0.2.7", 8081)
    assert str(invited_page([here], {})) == "http://127.0.0.1:8080"
    assert str(invited_page([here, there], {})) == "https://192.0.2.7:8081"
    assert str(invited_page([there, here], CODESPACE)) == FORWARDED
    everywhere = invited_page([Address("0.0.0.0", 8080)], {})
    assert (everywhere.scheme, everywhere.port) == ("https" if own_address() else "http", 8080)


def test_link(server: ThreadServer, alice: tuple[str, ...], tmp_path: Path) -> None:
    """The address is alone on standard output; its code lets another device in, here one with a terminal."""
    done = run_here("key", "link", "--web", *alice)
    assert done.returncode == 0, done.stderr
    base, _, fragment = done.stdout.strip().partition("#")
    assert base == f"http://{server.address}/"
    assert (parse_fragment(fragment).name, done.stdout.count("\n")) == ("Alice", 1)
    first, second = done.stderr.splitlines()
    assert "For 10 minutes, the first browser that opens this gets the name Alice." in first
    assert "works on this machine only" in second
    code = parse_fragment(fragment).link
    joined = chatcli("join", *alice, "--link", code, stdin=b"exit\n", XDG_CONFIG_HOME=str(tmp_path / "other"))
    assert joined.returncode == 0, joined.stderr
    late = chatcli("join", *alice, "--link", code, stdin=b"exit\n", XDG_CONFIG_HOME=str(tmp_path / "third"))
    assert late.returncode == 4
    assert run_here("key", "link", "--web", "--quiet", *alice).stderr == ""


def test_link_as_json(server: ThreadServer, alice: tuple[str, ...]) -> None:
    """The address is there with and without --web."""
    for options in (("--json",), ("--json", "--web")):
        done = run_here("key", "link", *options, *alice)
        assert (done.returncode, done.stderr) == (0, "")
        record = json.loads(done.stdout)
        assert record["url"] == f"http://{server.address}/#name=Alice&link={record['code']}"


@pytest.mark.usefixtures("alice")
def test_link_to_an_https_address(server: ThreadServer, tmp_path: Path) -> None:
    """The page is where the commands reach the server."""
    with Forwarder(server.address, tmp_path) as forwarder:
        at = ("--server", f"{forwarder.address}/", "--user", "alice", "--accept-new")
        done = chatcli("key", "link", "--web", *at)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{forwarder.address}/#name=alice&link=")


def test_link_in_a_codespace(server: ThreadServer, alice: tuple[str, ...]) -> None:
    """The address is that of the forwarded port, which works elsewhere, too."""
    done = chatcli("key", "link", "--web", *alice, **CODESPACE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{FORWARDED.replace('8080', str(server.address.port))}/#name=Alice&link=")
    assert "this machine" not in done.stderr


def shown(terminal: Terminal) -> tuple[list[str], list[str]]:
    """Wait for the end of a command; return its lines of text, and the rows of its QR code."""
    assert terminal.end() == 0, terminal.lines
    code = [row for row in terminal.rows if row and not set(row) - set(" ▀▄█")]
    return [row for row in terminal.rows if row.strip() and row not in code], code


def test_qr_code(alice: tuple[str, ...]) -> None:
    """On a terminal the code is whole on the screen, below the sentence and above its link."""
    with Terminal("key", "link", "--web", *alice, rows=26, **CODESPACE) as terminal:
        text, rows = shown(terminal)
    url = "".join(text[text.index(next(row for row in text if row.startswith("https://"))) :])
    assert text[0] == "chatcli: For 10 minutes, the first browser that opens this gets the name Alice."
    matrix = make_qr(url, error="l").matrix
    dark = [[char in halves for char in row.ljust(80)] for row in rows for halves in ("▀█", "▄█")]
    first = next(y for y, row in enumerate(dark) if any(row))
    left = next(x for x, module in enumerate(dark[first]) if module)
    size = range(len(matrix))
    assert [[dark[first + y][left + x] for x in size] for y in size] == [list(map(bool, row)) for row in matrix]
    assert terminal.rows[-1].endswith(url[-10:])


def test_qr_code_beside_a_pipe(alice: tuple[str, ...]) -> None:
    """A script gets the link alone, and whoever looks on gets the code."""
    where = " ".join(alice)
    script = f"link=$({{python}} -m chatcli key link --web {where}); echo; echo got $link"
    with Terminal.of_shell(script, rows=40, **CODESPACE) as terminal:
        text, rows = shown(terminal)
    assert len(rows) > 15
    assert text[-1].startswith("got https://") or text[-2].startswith("got https://")


@pytest.mark.parametrize(
    ("env", "columns", "sentence"),
    [
        ({"TERM": "dumb"}, 80, ""),
        ({}, 30, "In a larger window"),
        ({"CODESPACES": "false"}, 80, "works on this machine only"),
    ],
)
def test_no_qr_code(alice: tuple[str, ...], env: dict[str, Any], columns: int, sentence: str) -> None:
    """The link stands alone if a code could not be read, or would lead nowhere."""
    with Terminal("key", "link", "--web", *alice, columns=columns, **{**CODESPACE, **env}) as terminal:
        text, rows = shown(terminal)
    assert rows == []
    assert sentence in " ".join(text)
    assert "#name=Alice&link=" in "".join(text)
    assert not set("▀▄█") & set("".join(text))


def test_other_encodings(alice: tuple[str, ...]) -> None:
    """A terminal without these characters would show escapes."""
    script = f"PYTHONIOENCODING=latin-1 {{python}} -m chatcli key link --web {' '.join(alice)}"
    with Terminal.of_shell(script, **CODESPACE) as terminal:
        text, rows = shown(terminal)
    assert rows == []
    assert "u2580" not in "".join(text)


def test_quiet(alice: tuple[str, ...]) -> None:
    """Only the link is left of it."""
    with Terminal("key", "link", "--web", "--quiet", *alice, columns=120, **CODESPACE) as terminal:
        text, rows = shown(terminal)
    assert (len(text), rows) == (1, [])


def test_qr_code_of_an_invitation(server: ThreadServer) -> None:
    """Below the code is the link."""
    data = ("--data", str(server.data))
    with Terminal("admin", "invite", "--web", "--server", "chat.example", *data, rows=30) as terminal:
        text, rows = shown(terminal)
    assert text[0].startswith("chatcli: Good for one newcomer")
    assert text[-1].startswith("https://chat.example")
    assert len(rows) > 15


def test_invitation(server: ThreadServer, tmp_path: Path) -> None:
    """The address is alone on standard output, with the address given, and the code is one."""
    done = run_here("admin", "invite", "--web", "--data", str(server.data))
    assert done.returncode == 0, done.stderr
    url, _, fragment = done.stdout.partition("#")
    assert url == f"http://{server.address}/"
    assert "works on this machine only" in done.stderr
    code = parse_fragment(fragment.strip()).invite
    newcomer = ("join", "--user", "carol", "--server", str(server.address), "--invite", code)
    assert chatcli(*newcomer, stdin=b"exit\n", XDG_CONFIG_HOME=str(tmp_path / "carol")).returncode == 0
    done = run_here("admin", "invite", "--web", "--server", "chat.example:9000", "--data", str(server.data))
    assert done.stdout.startswith("https://chat.example:9000/#invite=")
    assert "Good for one newcomer" in done.stderr
    assert "this machine" not in done.stderr
    done = run_here("admin", "invite", "--json", "--server", "https://chat.example", "--data", str(server.data))
    record = json.loads(done.stdout)
    assert record["url"] == f"https://chat.example/#invite={record['code']}"


@pytest.mark.parametrize("options", [("--proxy", "127.0.0.1", "--web-name", "chat.example"), ()])
def test_address_that_serve_prints(tmp_path: Path, options: tuple[str, ...]) -> None:
    """The page's address is not that of the server if a proxy is between; a browser knows one only."""
    with serving(tmp_path, *options) as (_, address):
        page = "https://chat.example" if options else f"http://{address}"
        done = run_here("admin", "invite", "--web", "--data", str(tmp_path))
        assert done.stdout.startswith(f"{page}/#invite="), done.stderr
        done = run_here("admin", "invite", "--web", "--server", "other.example:443", "--data", str(tmp_path))
        assert done.stdout.startswith("https://other.example/#invite=")


def test_server_without_a_page(tmp_path: Path) -> None:
    """There is no address, and so no code for one."""
    with serving(tmp_path, "--no-web"):
        for command in (("invite",), ("link", "admin")):
            done = run_here("admin", *command, "--web", "--data", str(tmp_path))
            assert (done.returncode, done.stdout) == (2, "")
            assert "This server has no page for browsers" in done.stderr
        assert run_here("admin", "invite", "--data", str(tmp_path)).returncode == 0


def test_lost_key(server: ThreadServer) -> None:
    """A browser whose key is lost gets its name back."""
    for name in ("alice", "bob"):
        server.joined(name, key=TestKey(f"key of {name}")).hang_up()
    admin = ("admin", "link", "--server", "chat.example", "--data", str(server.data))
    done = run_here(*admin, "--web", "alice", "bob")
    assert done.returncode == 0, done.stderr
    urls = done.stdout.splitlines()
    assert [url.partition("#")[0] for url in urls] == [f"https://chat.example:{server.address.port}/"] * 2
    found = [parse_fragment(url.partition("#")[2]) for url in urls]
    assert found == [Fragment(name=name, link=one.link) for name, one in zip(("alice", "bob"), found, strict=True)]
    assert "Gives the name alice to one browser, until " in done.stderr
    assert "revokes the present keys" in done.stderr
    server.joined("alice", key=TestKey("of a browser"), link=found[0].link).hang_up()
    record = json.loads(run_here(*admin, "--json", "alice").stdout)
    assert record["url"].endswith(f"#name=alice&link={record['code']}")
