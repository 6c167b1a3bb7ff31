"""Names that change hands or keys: what ``listen``, ``history`` and the library say of it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

import chatcli as library
from tests.cli.output.test_schema import SCHEMA
from tests.handover import add_key, enters, release, talk
from tests.here import run_here
from tests.support import CONFIGURATION, Caller, Program, ThreadServer, chatcli, eventually, key_of, known
from tests.terminal import Terminal


@pytest.fixture
def alice(server: ThreadServer) -> Iterator[Caller]:
    """The user of the programs, once more; her commands have the same key."""
    with server.joined("alice", "send") as caller:
        yield caller


@pytest.fixture
def carol(server: ThreadServer, alice: Caller) -> Iterator[Caller]:
    """A user with whom alice has talked."""
    with enters(server, "carol") as caller:
        talk(alice, caller, "carol")
        yield caller


def of_alice(server: ThreadServer, *arguments: str) -> tuple[str, ...]:
    """Return the arguments of a command as alice."""
    return *arguments, "--user", "alice", "--server", str(server.address)


def records(lines: list[str]) -> list[dict[str, Any]]:
    """Return the lines of changes, checked against the schema."""
    changes = [row for row in map(json.loads, lines) if "what" in row]
    for row in changes:
        jsonschema.validate(row, {"$ref": "#/$defs/name-change", "$defs": SCHEMA["$defs"]})
    return changes


def test_listen_json(server: ThreadServer, carol: Caller) -> None:
    """A change is a record of its own, in its place; it comes once, whatever interrupts the listener."""
    with Program(*of_alice(server, "listen", "--json", "--as", "bot", "--since", "now")) as program:
        eventually(lambda: server.run(lambda: known(server, "alice").feeds))
        carol.sends("alice", "first")
        program.prints("first")
        carol.hears("sent")
        add_key(server, carol, "carol")
        program.prints('"what":"key"')
        carol.sends("alice", "second")
        program.prints("second")
        release(server, "carol")
        program.prints('"what":"released"')
        assert program.end(signal.SIGTERM) == 0
    (key, released) = records(program.out)
    assert [json.loads(line).get("text", "change") for line in program.out] == ["first", "change", "second", "change"]
    assert (key["name"], key["by"], released["by"]) == ("carol", None, "operator")
    with enters(server, "carol", key=key_of("new")) as new:
        new.sends("alice", "third")
        with Program(*of_alice(server, "listen", "--json", "--as", "bot", "--count", "1")) as program:
            assert program.end() == 0
    assert [(row.get("what"), row.get("text")) for row in map(json.loads, program.out)] == [
        ("taken", None), (None, "third")
    ]  # fmt: skip
    assert program.err == []


def test_listen_lines(server: ThreadServer, carol: Caller) -> None:
    """Without --json a change is a line on standard error, once; the user's own position moves past it."""
    with Program(*of_alice(server, "listen")) as program:
        carol.sends("alice", "hello")
        program.prints("hello")
        release(server, "carol")
        program.complains("The name carol has been nobody's since")
        assert program.end(signal.SIGTERM) == 0
    assert [line.split("\t")[3] for line in program.out] == ["hello"]
    again = run_here(*of_alice(server, "listen", "--timeout", "1s"), stdin=b"")
    assert (again.stdout, again.stderr) == ("", "")


def test_listen_exec(server: ThreadServer, carol: Caller) -> None:
    """The command is not run for a change, which is a line on standard error."""
    with Program(*of_alice(server, "listen", "--exec", 'echo "$CHATCLI_TEXT"')) as program:
        release(server, "carol")
        program.complains("nobody's since")
        with enters(server, "carol", key=key_of("new")) as new:
            new.sends("alice", "hello")
            program.prints("hello")
        assert program.end(signal.SIGTERM) == 0
    assert program.out == ["hello"]
    assert [line for line in program.err if "somebody else since" in line]


def test_listen_to_others(server: ThreadServer, carol: Caller, alice: Caller) -> None:
    """A listener for one person or room is not told of other names."""
    with enters(server, "bob") as bob:
        talk(alice, bob, "bob")
        add_key(server, carol, "carol")
        bob.sends("alice", "hello")
        done = run_here(*of_alice(server, "listen", "bob", "--json", "--as", "bob", "--since", "0", "--count", "1"))
        assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
        done = run_here(*of_alice(server, "listen", "carol", "--json", "--as", "c", "--since", "0", "--timeout", "1s"))
        assert [row["what"] for row in records(done.stdout.splitlines())] == ["key"]


def test_history(server: ThreadServer, alice: Caller, carol: Caller) -> None:
    """Changes are printed in their places; in a pipe, where each line is a message, on standard error."""
    add_key(server, carol, "carol")
    release(server, "carol")
    with enters(server, "carol", key=key_of("new")) as new:
        talk(alice, new, "carol")
        add_key(server, new, "carol", "tablet")
    lines = Terminal.printed(*of_alice(server, "history", "carol"))
    whole = "\n".join(lines)
    assert re.search(
        "added a device .* nobody's .* somebody else .*alice → carol  hi.* added a device", whole, re.DOTALL
    )
    done = chatcli(*of_alice(server, "history", "carol"))
    assert (done.stdout.count("\n"), done.stderr.count("\n")) == (1, 4)
    done = chatcli(*of_alice(server, "history", "carol", "--json"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row.get("what", row.get("text")) for row in rows] == ["key", "released", "taken", "hi", "key"]
    assert len(records(done.stdout.splitlines())) == 4
    assert done.stderr == ""


def test_library(server: ThreadServer, carol: Caller) -> None:
    """A function is called between the messages; without one, nothing is noticed."""
    carol.sends("alice", "before")
    carol.hears("sent")
    release(server, "carol")
    with enters(server, "carol", key=key_of("new")) as new:
        new.sends("alice", "after")
        new.hears("sent")
    seen: list[object] = []

    async def listen(cursor: str, *, told: bool) -> None:
        configuration = str(CONFIGURATION / "chatcli")
        chat = library.connect(
            "alice",
            str(server.address),
            cursor=cursor,
            since=0,
            config=configuration,
            on_name_change=seen.append if told else None,
        )
        async with chat:
            async for message in chat:
                seen.append(message.text)
                if message.text == "after":
                    return

    asyncio.run(listen("one", told=True))
    assert [one.what if isinstance(one, library.NameChange) else one for one in seen] == [
        "before", "released", "taken", "after"
    ]  # fmt: skip
    seen.clear()
    asyncio.run(listen("two", told=False))
    assert seen == ["before", "after"]
