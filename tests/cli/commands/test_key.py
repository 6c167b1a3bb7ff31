"""``chatcli key``: shows, exports and imports the key."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from chatcli.client.identity.key import load_identity
from chatcli.protocol.values.text import device_label
from tests.here import run_here
from tests.support import ThreadServer, chatcli
from tests.terminal import Terminal


@pytest.fixture
def home(tmp_path: Path) -> str:
    """An empty configuration."""
    return str(tmp_path / "here")


@pytest.fixture
def other(tmp_path: Path) -> str:
    """An empty configuration of another machine."""
    return str(tmp_path / "there")


def test_show(home: str) -> None:
    """It prints the fingerprint, the same each time, and makes the key at first."""
    first, again = (chatcli("key", "show", XDG_CONFIG_HOME=home) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == again.stdout == load_identity(f"{home}/chatcli").fingerprint + "\n"
    assert stat.S_IMODE((Path(home) / "chatcli" / "key").stat().st_mode) == 0o600


def test_export_and_import(home: str, other: str, tmp_path: Path) -> None:
    """Import reads what export prints, from standard input or a file, and names the key in use."""
    exported = run_here("key", "export", XDG_CONFIG_HOME=home)
    assert (exported.returncode, exported.stderr) == (0, "")
    fingerprint = run_here("key", "show", XDG_CONFIG_HOME=home).stdout.strip()
    done = run_here("key", "import", stdin=exported.stdout.encode(), XDG_CONFIG_HOME=other)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"chatcli: Your key is now {fingerprint}.\n")
    (tmp_path / "carried").write_text(exported.stdout)
    for source in ("-", str(tmp_path / "carried")):
        done = run_here("key", "import", source, stdin=exported.stdout.encode(), XDG_CONFIG_HOME=other)
        assert (done.returncode, done.stderr) == (0, f"chatcli: Your key is now {fingerprint}.\n")
    assert run_here("key", "export", XDG_CONFIG_HOME=other).stdout == exported.stdout


def test_import_over_another_key(home: str, other: str) -> None:
    """Without --force nothing changes; with it the old key is kept, and the output says where."""
    exported = run_here("key", "export", XDG_CONFIG_HOME=home).stdout
    old = run_here("key", "export", XDG_CONFIG_HOME=other).stdout
    done = run_here("key", "import", stdin=exported.encode(), XDG_CONFIG_HOME=other)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds another key" in done.stderr
    assert run_here("key", "export", XDG_CONFIG_HOME=other).stdout == old
    done = run_here("key", "import", "--force", stdin=exported.encode(), XDG_CONFIG_HOME=other)
    assert done.returncode == 0
    kept = Path(other) / "chatcli" / "key.old"
    assert f"The key that was here is kept in {kept}." in done.stderr
    assert kept.read_text() == old
    assert run_here("key", "export", XDG_CONFIG_HOME=other).stdout == exported


def test_export_on_a_terminal(home: str) -> None:
    """A warning comes before the secret."""
    with Terminal("key", "export", XDG_CONFIG_HOME=home) as terminal:
        assert terminal.end() == 0
        terminal.shows("# The secret key of a chatcli user")
        assert terminal.lines[0] == "chatcli: This is secret: anyone who sees it can write under your names."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import", "/no/such/file"], "No such file"),
        (["import"], "That is not a key of chatcli"),
        (["imprt"], "imprt"),
    ],
)
def test_errors(home: str, arguments: list[str], sentence: str) -> None:
    """One sentence; nothing is made or changed."""
    done = run_here("key", *arguments, stdin=b"not\xff a key\n", XDG_CONFIG_HOME=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (Path(home) / "chatcli").exists()


def test_damaged_or_open_key(home: str) -> None:
    """The sentence has the command to run, and the file stays."""
    run_here("key", "show", XDG_CONFIG_HOME=home)
    key = Path(home) / "chatcli" / "key"
    key.chmod(0o644)
    done = run_here("key", "show", XDG_CONFIG_HOME=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert f'run "chmod 600 {key}"' in done.stderr
    key.chmod(0o600)
    key.write_text("")
    done = run_here("key", "show", XDG_CONFIG_HOME=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{key} is damaged" in done.stderr
    assert key.read_text() == ""


def test_list(server: ThreadServer, home: str) -> None:
    """It says which device a key is of."""
    account = ("--user", "al", "--server", str(server.address))
    done = chatcli("send", "al", "hi", *account, XDG_CONFIG_HOME=home)
    assert done.returncode == 0, done.stderr
    fingerprint = chatcli("key", "show", XDG_CONFIG_HOME=home).stdout.strip()
    device = device_label(f"chatcli on {socket.gethostname()}")
    key = json.loads(chatcli("key", "list", "--json", *account, XDG_CONFIG_HOME=home).stdout)
    assert (key["fingerprint"], key["device"]) == (fingerprint, device)
    assert chatcli("key", "list", *account, XDG_CONFIG_HOME=home).stdout == f"{fingerprint}\t{key['since']}\t{device}\n"
    with server.joined("bob") as bob:
        assert "device" not in bob.asks("keys")["keys"][0]
    with Terminal("key", "list", *account, XDG_CONFIG_HOME=home) as terminal:
        terminal.shows(device)
