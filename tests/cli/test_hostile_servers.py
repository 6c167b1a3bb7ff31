"""Hostile servers: each command ends with a sentence and a documented status."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.cli.exit_status import EXIT_STATUSES
from chatcli.client.oneshot import questions
from chatcli.protocol import frames as f
from tests.here import run_here
from tests.impostor import Impostor, Say
from tests.protocol.strategies import server_frame, server_frames

_MANY: Final = 200  # frames that no command sends
EXAMPLES: Final = int(os.environ.get("HOSTILE_EXAMPLES", "3"))
USERS: Final = ["me2", "../../etc/passwd", "\x1b[31mred", ""]

COMMANDS: Final = {
    "who": ("who",),
    "who of a room": ("who", "#ops", "--json"),
    "rooms": ("rooms",),
    "rooms as JSON": ("rooms", "--json"),
    "history": ("history", "bob", "--limit", "1000"),
    "history as JSON": ("history", "bob", "--json"),
    "search": ("search", "word", "--limit", "1000"),
    "conversations": ("conversations", "--limit", "1000"),
    "conversations as JSON": ("conversations", "--unread", "--json"),
    "read": ("read", "bob"),
    "unread": ("read", "bob", "--unread"),
    "key list": ("key", "list"),
    "key link": ("key", "link", "--json"),
    "status": ("status", "--unread"),
    "status as JSON": ("status", "--json"),
    "send": ("send", "bob", "hello"),
    "send as JSON": ("send", "bob", "#ops", "hello", "--json"),
    "send and wait": ("send", "bob", "hello", "--wait", "--timeout", "1s"),
    "ask": ("ask", "bob", "well?", "--choice", "yes", "--choice", "no", "--timeout", "1s"),
    "listen": ("listen", "--count", "1", "--timeout", "1s"),
    "listen as JSON": ("listen", "--as", "x", "--count", "2", "--timeout", "1s", "--json"),
    "listen since": ("listen", "--since", "2h", "--count", "1", "--timeout", "1s"),
    "outbox": ("outbox", "send"),
}

#: The requests of each command, also answered with frames of the right kind.
ASKED: Final[dict[str, type[f.ServerFrame]]] = {
    "who": f.People,
    "rooms": f.RoomList,
    "history": f.HistoryPage,
    "search": f.Found,
    "keys": f.KeyList,
    "link": f.LinkCode,
    "unread": f.UnreadList,
    "conversations": f.ConversationList,
    "send": f.Sent,
    "answers": f.Answered,
    "receipts": f.ReceiptList,
    "check": f.Done,
}


Line = bytes


_WRONG: Final = ["-1", "0", str(2**53), str(2**63), "253402300800000", "1" + "0" * 400, "1e999"]


def _line(frame: f.ServerFrame, place: int | None, wrong: str) -> Line:
    """Return a line of a frame; one of its numbers may be replaced."""
    text = json.dumps(msgspec.to_builtins(frame))
    numbers = list(re.finditer(r"(?<=: )-?[0-9]+", text))
    if numbers and place is not None:
        number = numbers[place % len(numbers)]
        text = text[: number.start()] + wrong + text[number.end() :]
    return text.encode()


def lines(frames: st.SearchStrategy[f.ServerFrame]) -> st.SearchStrategy[Line]:
    """Make lines of frames; one of the numbers in them may be out of all bounds."""
    return st.builds(_line, frames, st.none() | st.integers(0, 99), st.sampled_from(_WRONG))


#: The answers to each frame: one line of the right kind, with others around it.
answers = st.fixed_dictionaries(
    {
        tag: st.tuples(
            st.lists(lines(server_frame), max_size=1),
            lines(server_frames[kind]),
            st.lists(lines(server_frame), max_size=1),
        )
        for tag, kind in ASKED.items()
    }
)
welcomes = st.fixed_dictionaries(
    {"head": st.sampled_from([0, 7, 2**52]), "cursor": st.sampled_from([0, 5, 2**52]), "user": st.sampled_from(USERS)}
)


def named(line: Line, frame: dict[str, Any]) -> Line:
    """Return a line with the label of the frame that it answers."""
    for field in ("n", "id"):
        if field in frame:
            name = json.dumps(frame[field])
            line = re.sub(rb'"%s": ("[^"]*"|null|-?[0-9]+)' % field.encode(), f'"{field}": {name}'.encode(), line)
    return line


def saying(
    answers: dict[str, tuple[list[Line], Line, list[Line]]], welcome: dict[str, Any], feed: list[Line]
) -> Impostor:
    """Return a server with these answers, up to a number of requests."""

    def answer(frame: dict[str, Any], say: Say) -> None:
        if len(impostor.heard) > _MANY:
            raise OSError
        before, line, after = answers[frame["t"]]
        say(*(named(each, frame) for each in (*before, line, *after)))

    impostor = Impostor(dict.fromkeys(answers, answer) | {"welcome": lambda _, say: say(*feed)}, welcome)
    return impostor


#: Commands that may wait for their whole time limit: they get fewer servers.
WAITING: Final = [name for name, words in COMMANDS.items() if "--timeout" in words]

servers = st.builds(saying, answers, welcomes, st.lists(lines(server_frame), max_size=4))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in WAITING])
@settings(deadline=None, max_examples=EXAMPLES)
@given(server=servers)
def test_commands(command: str, server: Impostor) -> None:
    """Each ends with a sentence: no traceback, no endless conversation, no control characters, no question."""
    check(command, server)


@pytest.mark.parametrize("command", WAITING)
@settings(deadline=None, max_examples=EXAMPLES - 1)
@given(server=servers)
def test_waiting_commands(command: str, server: Impostor) -> None:
    """The same holds for commands that wait, often only after their time."""
    check(command, server)


@pytest.fixture(scope="module", autouse=True)
def _impatient() -> Iterator[None]:
    """Make ``ask`` wait less for answers that never come."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "GRACE", 0.1)
        patch.setattr(questions._AnswerWaiter, "last_look", 0.3)
        yield


def check(command: str, server: Impostor) -> None:
    """Run a command at that server, and check its end."""
    with server as impostor:
        done = run_here(*COMMANDS[command], "--user", "me2", "--server", str(impostor.address))
    assert done.returncode in EXIT_STATUSES
    assert done.returncode == 0 or done.stderr
    assert "Traceback" not in done.stderr
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
    assert len(impostor.heard) <= _MANY
