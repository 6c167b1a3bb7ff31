"""Names that change hands, as a person sees it in a real terminal."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.tui.test_question_bar import asks
from tests.handover import add_key, enters, release
from tests.preloaded import values
from tests.support import Caller, Program, ThreadServer, eventually, key_of
from tests.terminal import Terminal

FREE = "The name carol has been nobody's since"
OTHER = "carol has been somebody else since"
AGAIN = "Enter once more"


def join(server: ThreadServer, state: Path, *options: str) -> Terminal:
    """Run ``chatcli join`` as alice, with the state of one of her machines."""
    where = ("--server", str(server.address), "--user", "alice")
    return Terminal("join", *where, *options, columns=140, rows=24, XDG_STATE_HOME=str(state))


@pytest.fixture
def carol(server: ThreadServer) -> Iterator[Caller]:
    """A user whose name changes hands."""
    with enters(server, "carol") as caller:
        yield caller


def talks(alice: Terminal, carol: Caller) -> None:
    """Have alice talk with carol, and leave the conversation open."""
    alice.shows("You are alice")
    alice.types("carol: hello\r")
    carol.hears("message", text="hello")
    alice.shows_input("carol ›")


def new_carol(server: ThreadServer) -> Caller:
    """Log in as somebody else who has taken the name."""
    return enters(server, "carol", key=key_of("somebody else"))


def test_released_while_typing(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """The line that was begun for the one before is held, and dropped; the new owner gets only what was confirmed."""
    with join(server, tmp_path) as alice:
        talks(alice, carol)
        alice.types("the password is 12")
        alice.shows_input("carol › the password is 12")
        release(server, "carol")
        alice.shows(FREE)
        with new_carol(server) as new:
            alice.shows(OTHER)
            alice.types("34\r")
            alice.shows(f"{AGAIN} sends the line to carol")
            alice.shows_input("carol › the password is 1234")
            alice.types("\x03who are you?\r")
            alice.shows_input("carol › who are you?")
            eventually(lambda: sum(AGAIN in line for line in alice.lines) == 2)
            alice.types("\r")
            new.hears("message", text="who are you?")
            alice.types("and now?\r")
            new.hears("message", text="and now?")


def test_somebody_else_after_an_absence(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """The changes are shown with what was missed; the first line is held, also after another start of the client."""
    with join(server, tmp_path) as alice:
        talks(alice, carol)
        alice.types("/exit\r")
        assert alice.end() == 0
    carol.sends("alice", "good bye")
    carol.hears("sent")
    release(server, "carol")
    with new_carol(server) as new:
        new.sends("alice", "it is me")
        new.hears("sent")
        with join(server, tmp_path) as alice:
            alice.shows("carol → you  it is me")
            lines = " ".join(alice.lines)
            places = [lines.index(text) for text in ("good bye", FREE, OTHER, "it is me")]
            assert places == sorted(places)
            alice.types("/exit\r")
            assert alice.end() == 0
        with join(server, tmp_path) as alice:
            alice.shows("You are alice")
            alice.types("carol: hi\r")
            alice.shows(f'{AGAIN} sends "hi" to carol')
            alice.types("\r")
            new.hears("message", text="hi")
            alice.types("/exit\r")
            assert alice.end() == 0
        with join(server, tmp_path) as alice:
            alice.shows("You are alice")
            alice.types("carol: again\r")
            new.hears("message", text="again")


def test_two_devices(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """Each device tells and asks its user."""
    with join(server, tmp_path / "one") as one:
        talks(one, carol)
        with join(server, tmp_path / "two", "--attach") as two:
            two.shows("You are alice")
            check(server, one, two)


def check(server: ThreadServer, *devices: Terminal) -> None:
    """Have the name change hands, and write to it on each device."""
    release(server, "carol")
    with new_carol(server) as new:
        for number, device in enumerate(devices):
            device.shows(OTHER)
            device.types(f"carol: text {number}\r")
            device.shows(f'{AGAIN} sends "text {number}" to carol')
            device.types("\r")
            new.hears("message", text=f"text {number}")


def test_told_to_another_client(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """A change that only a listener under the same name has received is shown, and holds a line, all the same."""
    with join(server, tmp_path) as alice:
        talks(alice, carol)
        alice.types("/exit\r")
        assert alice.end() == 0
    release(server, "carol")
    where = ("--user", "alice", "--server", str(server.address))
    with Program("listen", *where) as listener, new_carol(server) as new:
        new.sends("alice", "it is me")
        new.hears("sent")
        listener.prints("it is me")
        listener.end(signal.SIGTERM)
        with join(server, tmp_path) as alice:
            alice.shows(OTHER)
            alice.types("carol: hi\r")
            alice.shows(AGAIN)
            alice.types("\r")
            new.hears("message", text="hi")


def test_room(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """In a room the change is shown, and nothing is held."""
    carol.enters("#ops")
    with join(server, tmp_path, "--room", "#ops") as alice, server.joined("bob") as bob:
        bob.enters("#ops")
        alice.shows("You are in #ops")
        release(server, "carol")
        alice.shows(FREE)
        alice.types("carol is gone\r")
        bob.hears("message", text="carol is gone")


def test_history(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """Changes are shown between the messages; a key that was added is only shown."""
    with join(server, tmp_path) as alice:
        talks(alice, carol)
        add_key(server, carol, "carol")
        alice.shows("carol added a device (a new key) at")
        alice.types("go on\r")
        carol.hears("message", text="go on")
        alice.types("/clear\r/history carol\r")
        eventually(lambda: _in_order(alice, "hello", "added a device", "go on"))


def _in_order(terminal: Terminal, *texts: str) -> bool:
    lines = "\n".join(terminal.lines).rpartition("History with")[2]
    places = [lines.find(text) for text in texts]
    return -1 not in places and places == sorted(places)


def test_answer_by_a_key(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """An answer to a question of the new owner's is held, too."""
    with join(server, tmp_path) as alice:
        talks(alice, carol)
        release(server, "carol")
        with new_carol(server) as new:
            alice.shows(OTHER)
            seq = asks(new)["seq"]
            alice.shows("Deploy?")
            alice.types("/answer yes\r")
            alice.shows(AGAIN)
            alice.types("\r")
            assert new.hears("message", re=seq)["text"] == "yes"


def test_plain_lines(server: ThreadServer, carol: Caller, tmp_path: Path) -> None:
    """With --plain an empty line is the second Enter."""
    with join(server, tmp_path, "--plain") as alice:
        alice.shows("You are alice")
        alice.types("carol: hello\r")
        carol.hears("message", text="hello")
        release(server, "carol")
        with new_carol(server) as new:
            alice.shows(OTHER)
            alice.types("carol: hi\r")
            alice.shows(AGAIN)
            alice.types("\r")
            new.hears("message", text="hi")


def test_pipe(server: ThreadServer, carol: Caller) -> None:
    """A program is told on standard error, and its lines are sent."""
    with Program("join", "--server", str(server.address), "--user", "alice") as program:
        program.types("carol: hello\n")
        carol.hears("message", text="hello")
        release(server, "carol")
        with new_carol(server) as new:
            program.complains(OTHER)
            program.types("carol: hi\nexit\n")
            new.hears("message", text="hi")
            assert program.end() == 0


@pytest.mark.parametrize("anew", [False, True])
def test_typed_without_a_connection(tmp_path: Path, *, anew: bool) -> None:
    """A line typed before the server could report the change comes back, also in the next start of the client."""
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir(mode=0o700)
    hasty = values({"chatcli.client.tui.app:_PATIENCE": 0.1})
    with contextlib.ExitStack() as clients:
        with ThreadServer(data) as server, enters(server, "carol") as carol:
            where, port = str(server.address), server.address.port
            options = ("join", "--server", where, "--user", "alice")

            def start() -> Terminal:
                terminal = Terminal(*options, columns=140, rows=24, XDG_STATE_HOME=str(state), **hasty)
                return clients.enter_context(terminal)

            alice = start()
            talks(alice, carol)
        alice.shows("Connection lost")
        alice.types("the password is 1234")
        alice.shows_input("carol › the password is 1234")
        alice.types("\r")
        alice.shows_input("carol ›")
        if anew:
            alice.types("/exit\r")
            assert alice.end() != 0
        with ThreadServer(data) as server:
            release(server, "carol")
            new_carol(server).hang_up()
        with ThreadServer(data, port=port) as server, new_carol(server) as new:
            alice = start() if anew else alice
            alice.shows('Not sent "the password is 1234": carol has been somebody else since')
            alice.shows_input("carol › carol: the password is 1234" if not anew else "› carol: the password is 1234")
            alice.types("\x03carol: who are you?\r")
            alice.shows(AGAIN)
            alice.types("\r")
            assert new.hears("message")["text"] == "who are you?"
