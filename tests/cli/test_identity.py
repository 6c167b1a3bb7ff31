"""Names and keys from the command line: several devices, several visits, invitations."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from chatcli.client.api.chat import connect as connecting
from chatcli.client.api.chat import send as sending
from chatcli.errors import Refused
from chatcli.server.limits import Limits
from tests.here import run_here
from tests.support import CONFIGURATION, Program, ThreadServer, chatcli, eventually
from tests.terminal import Terminal


def test_devices(server: ThreadServer, tmp_path: Path) -> None:
    """A second device is linked with a code from the first, listed, and revoked; then it is a stranger."""
    where = ("--user", "alice", "--server", str(server.address))
    phone = str(tmp_path)
    assert chatcli("send", "alice", "hi", *where).returncode == 0
    assert chatcli("send", "alice", "hi", *where, XDG_CONFIG_HOME=phone).returncode == 4
    linked = chatcli("key", "link", *where)
    assert f"chatcli join --user alice --server {server.address} --link" in linked.stderr
    joined = chatcli("join", *where, "--link", linked.stdout.strip().upper(), stdin=b"exit\n", XDG_CONFIG_HOME=phone)
    assert (joined.returncode, joined.stderr) == (0, "")
    assert chatcli("send", "alice", "from the phone", *where, XDG_CONFIG_HOME=phone).returncode == 0
    fingerprint = chatcli("key", "show", XDG_CONFIG_HOME=phone).stdout.strip()
    listed = chatcli("key", "list", "--json", *where).stdout.splitlines()
    assert [json.loads(line)["fingerprint"] for line in listed] == [chatcli("key", "show").stdout.strip(), fingerprint]
    assert fingerprint in chatcli("key", "list", *where).stdout
    assert chatcli("key", "revoke", fingerprint, *where).returncode == 0
    refused = chatcli("send", "alice", "hi", *where, XDG_CONFIG_HOME=phone)
    assert refused.returncode == 4
    assert "chatcli key link" in refused.stderr


def test_wrong_code(server: ThreadServer, tmp_path: Path) -> None:
    """The status is 4, with one sentence."""
    where = ("--user", "alice", "--server", str(server.address))
    run_here("send", "alice", "hi", *where)
    done = run_here("join", *where, "--link", "bazu-bazu-bazu", XDG_CONFIG_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (4, "")
    assert "not valid for alice" in done.stderr
    assert run_here("key", "revoke", "SHA256:" + "A" * 43, *where).returncode == 4


def _seats(server: ThreadServer, name: str) -> int:
    """Return the number of a user's connections; runs in the server's thread."""
    user = server.hub.users.find(name)
    return len(user.joined) if user is not None else 0


def test_second_join(server: ThreadServer) -> None:
    """It is refused by default; --takeover ends the other, and with --attach both are online."""
    where = ("join", "--user", "alice", "--server", str(server.address))
    with Program(*where) as first, server.joined("bob") as bob:
        eventually(lambda: bob.asks_who() == ["alice", "bob"])
        refused = run_here(*where)
        assert refused.returncode == 4
        assert "alice is already in the chat from 127.0.0.1 since" in refused.stderr
        eventually(lambda: server.run(lambda: len(server.hub.connections)) == 2)  # it has gone
        with Program(*where, "--attach") as second:
            # Connected first, so that its feed does not start after the other's position.
            eventually(lambda: server.run(lambda: _seats(server, "alice")) == 2)
            bob.sends("alice", "to both")
            first.prints("to both")
            second.prints("to both")
            with Program(*where, "--takeover") as third:
                assert first.end() == 4
                assert second.end() == 4
                first.complains("taken this place")
                third.types("exit\n")
                assert third.end() == 0
    assert run_here(*where, "--attach", "--takeover").returncode == 2


def test_invitation_is_needed_once(tmp_path: Path) -> None:
    """A newcomer needs a code, and later none; strangers do not learn who is online."""
    with ThreadServer(tmp_path / "data", Limits(access="invite")) as server:
        where = ("--user", "alice", "--server", str(server.address))
        refused = chatcli("join", *where)
        assert refused.returncode == 4
        assert "--invite" in refused.stderr
        assert chatcli("who", *where).returncode == 3
        code = server.run(lambda: server.hub.moderation.invite(uses=1, seconds=60))
        assert chatcli("join", *where, "--invite", code, stdin=b"exit\n").returncode == 0
        assert chatcli("join", *where, stdin=b"who\n").stdout == "Here: alice (you)\n"
        assert chatcli("who", *where).returncode == 0


def test_allowances(tmp_path: Path) -> None:
    """They are options of serve, each with its default in the help."""
    text = run_here("serve", "--help").stdout
    for option in ("access", "message-rate", "message-burst", "address-connections", "address-failures"):
        assert f"--{option}" in text
        assert f"CHATCLI_SERVE_{option.upper().replace('-', '_')}" in text


def test_name_in_use_is_asked_again(server: ThreadServer) -> None:
    """On a terminal the user may choose another name."""
    with server.joined("alice"):
        with Terminal("join", "--user", "alice", "--server", str(server.address)) as terminal:
            terminal.shows("alice is already in the chat")
            terminal.shows("[t]ake over, [a]ttach beside it, or another name?")
            assert "--takeover" not in "\n".join(terminal.lines)
            terminal.types("alice-too\r")
            terminal.shows("You are alice-too")


@pytest.mark.parametrize("key", ["t", "A"])
def test_place_in_use(server: ThreadServer, key: str) -> None:
    """On a terminal a key takes over, which ends the other, or attaches, after which both are online."""
    with server.joined("alice") as alice:
        with Terminal("join", "--user", "alice", "--server", str(server.address)) as terminal:
            terminal.shows("or another name?")
            terminal.types(f"{key}\r")
            terminal.shows("You are alice")
            if key == "t":
                alice.hears("bye")
            else:
                assert alice.asks_who() == ["alice"]


def test_keys_of_an_unknown_name(server: ThreadServer) -> None:
    """Asking for keys claims no name."""
    where = ("--user", "aliec", "--server", str(server.address))
    for arguments in (["list"], ["link"], ["revoke", "SHA256:" + "A" * 43]):
        assert run_here("key", *arguments, *where).returncode == 3
    assert server.run(lambda: server.hub.users.find("aliec")) is None


def test_login_name_of_another_user(server: ThreadServer, tmp_path: Path) -> None:
    """The error says where a name that was never given came from."""
    server.joined("lab").hang_up()
    done = run_here("send", "lab", "hi", "--server", str(server.address), XDG_CONFIG_HOME=str(tmp_path), LOGNAME="lab")
    assert done.returncode == 4
    assert '"lab" is your login name here: say who you are with --user.' in done.stderr


def in_codespace(server: ThreadServer, name: str, config: Path = CONFIGURATION) -> CompletedProcess[str]:
    """Send something to bob from the codespace of somebody who gives no name."""
    variables = {"CODESPACES": "true", "GITHUB_USER": name, "LOGNAME": "codespace", "XDG_CONFIG_HOME": str(config)}
    return run_here("send", "bob", "hi", "--server", str(server.address), stdin=b"", **variables)


def test_name_in_a_codespace(server: ThreadServer, tmp_path: Path) -> None:
    """It is the person's on GitHub: on the machine everyone has the same. The error says where it came from."""
    server.joined("bob").hang_up()
    assert in_codespace(server, "mona-lisa").returncode == 0
    assert server.run(lambda: server.hub.users.find("mona-lisa"))
    assert not server.run(lambda: server.hub.users.find("codespace"))
    done = in_codespace(server, "mona-lisa", tmp_path)
    assert done.returncode == 4
    assert '"mona-lisa" is your login name on GitHub: say who you are with --user.' in done.stderr


@pytest.mark.parametrize("name", ["", "a" * 33, "a b", "\x1b[31m", "me"])
def test_no_name_in_a_codespace(server: ThreadServer, name: str) -> None:
    """One that cannot be a name here leaves the one on the machine."""
    server.joined("bob").hang_up()
    assert in_codespace(server, name).returncode == 0
    assert server.run(lambda: server.hub.users.find("codespace"))


def test_name_on_github_elsewhere(server: ThreadServer) -> None:
    """Outside of a codespace the variable means nothing."""
    server.joined("bob").hang_up()
    where = ("--server", str(server.address))
    assert run_here("send", "bob", "hi", *where, GITHUB_USER="mona", CODESPACES="").returncode == 0
    assert not server.run(lambda: server.hub.users.find("mona"))


def test_command_with_a_free_name(server: ThreadServer, tmp_path: Path) -> None:
    """In a pipe nobody can be asked: the error has the command that joins with a free name, and it does."""
    server.joined("bob").hang_up()
    where = ("--server", str(server.address))
    done = run_here("join", "--user", "bob", *where, XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 4
    printed = re.search(r'To join under a free name: "chatcli (join --server \S+ --user bob-2)"\.', done.stderr)
    assert printed
    assert run_here(*printed[1].split(), stdin=b"exit\n", XDG_CONFIG_HOME=str(tmp_path)).returncode == 0
    assert server.run(lambda: server.hub.users.find("bob-2"))


def test_variable_with_a_free_name(server: ThreadServer, tmp_path: Path) -> None:
    """Whoever gave no name gets the line that sets one for all commands; a given name is refused with the free one."""
    server.joined("$(lab)").hang_up()
    where = ("--server", str(server.address))
    done = run_here("send", "$(lab)", "hi", *where, XDG_CONFIG_HOME=str(tmp_path), LOGNAME="$(lab)")
    assert done.returncode == 4
    assert "To be $(lab)-2 here: \"export CHATCLI_USER='$(lab)-2'\"." in done.stderr
    done = run_here("send", "$(lab)", "hi", "--user", "$(lab)", *where, XDG_CONFIG_HOME=str(tmp_path))
    assert "choose another name, such as $(lab)-2" in done.stderr
    assert "CHATCLI_USER" not in done.stderr
    done = run_here("who", *where, "--user", "$(lab)", XDG_CONFIG_HOME=str(tmp_path))
    assert "such as" not in done.stderr


def test_answers_to_operators(server: ThreadServer) -> None:
    """Each command of a script gets its answer before the client leaves."""
    server.joined("bob").hang_up()
    server.run(lambda: server.hub.moderation.impose("operator", "alice"))
    where = ("join", "--user", "alice", "--server", str(server.address))
    done = chatcli(*where, stdin=b"/mute bob 10m\n/unmute bob\n/kick nobody\nwho\n")
    assert sorted(done.stdout.splitlines()) == [
        "Here: alice (you)",
        "bob is muted on this server for 10m",
        "bob may write again",
    ]
    assert "nobody" in done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize(
    "command",
    [
        "send alice hi",
        "send --lines alice",
        "history alice",
        "rooms",
        "ask alice well? --choice yes --choice no --timeout 5s",
        "listen --count 1 --timeout 9s",
        "listen --as x --exec true --timeout 9s",
        "join",
        "status",
        "key list",
    ],
)
def test_owned_name_and_the_wrong_key(server: ThreadServer, tmp_path: Path, command: str) -> None:
    """Under cron or sudo the error has the key file, and the variable that decides on it."""
    server.joined("alice").hang_up()
    homes = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    done = chatcli(*command.split(), "--user", "alice", "--server", str(server.address), stdin=b"hi\n", **homes)
    assert done.returncode == 4
    assert "alice belongs to another key" in done.stderr
    assert f"The key that was shown is in {tmp_path / 'config/chatcli/key'}: HOME or XDG_CONFIG_HOME" in done.stderr


def test_library_and_a_taken_name(server: ThreadServer, tmp_path: Path) -> None:
    """The exception has a free name, under which the program can go on."""
    server.joined("bob").hang_up()
    config = str(tmp_path)
    with pytest.raises(Refused) as refused:
        sending("bob", "hi", user="bob", server=str(server.address), config=config)
    assert refused.value.names == ["bob-2"]
    sending("bob", "hi", user=refused.value.names[0], server=str(server.address), config=config)


def test_library_and_the_wrong_key(server: ThreadServer, tmp_path: Path) -> None:
    """The exception has the key file, for each function that connects."""
    server.joined("alice").hang_up()

    async def connect() -> None:
        async with connecting("alice", str(server.address), config=str(tmp_path)):
            pass

    with pytest.raises(Refused, match=re.escape(f"is in {tmp_path / 'key'}:")):
        asyncio.run(connect())
    with pytest.raises(Refused, match=re.escape(f"is in {tmp_path / 'key'}:")):
        sending("alice", "hi", "alice", str(server.address), config=str(tmp_path))
