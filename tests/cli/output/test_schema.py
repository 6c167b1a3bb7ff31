"""The output of commands with ``--json`` follows the JSON Schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import click
import jsonschema
import msgspec
import pytest

from chatcli.cli.exit_status import DECLINED
from chatcli.cli.output.schema import PRINTED, record_name
from tests.here import run_here
from tests.reference import ROOT, command_lines, command_of
from tests.support import Caller, Frame, Program, ThreadServer

SCHEMA: Final = json.loads((ROOT / "docs/schema.json").read_text())

#: The arguments of each command, in this order, with the test's values for {…}.
RUNS: Final = {
    "send": [
        "alice hi --user bob",
        "alice,nobody hi --user bob",
        "alice later --spool --user bob --server 127.0.0.1:1",
    ],
    "outbox": [""],
    "status": ["--user bob", "--user bob --server 127.0.0.1:1"],
    "listen": ["--since 2h --count 2 --timeout 20s --user alice"],
    "who": ["", "#ops --user bob", "cid --user bob"],
    "rooms": ["--user bob"],
    "history": ["bob --user alice", "#ops --user bob"],
    "search": ["disk --user bob"],
    "key show": [""],
    "key list": ["--user bob"],
    "key link": ["--user bob"],
    "bench": ["--scenario all --duration 0.2s --clients 2 --messages 10", "--scenario pairs --duration 0.2s --tls"],
    "conversations": ["--user bob", "--unread --user alice"],
    "key token": ["--to alice --label ci --user bob", "--expires never --scope read --user bob"],
    "key tokens": ["--user bob"],
    "admin token": ["hook --to #ops", "hook --expires 2h"],
    "admin tokens": ["hook"],
    "admin status": [""],
    "admin users": [""],
    "admin kick": ["bob"],
    "admin link": ["cid"],
    "admin mute": ["cid --for 2h", "cid"],
    "admin unmute": ["cid"],
    "admin op": ["cid"],
    "admin deop": ["cid"],
    "admin ban": ["cid --for 2h", "cid"],
    "admin unban": ["cid"],
    "admin release": ["cid"],
    "admin invite": [""],
    "admin backup": ["{folder}/copy.db"],
    "admin export": ["--output {folder}/archive"],
    "admin check": [""],
    "admin import": ["{folder}/archive"],
    "admin restore": ["{folder}/copy.db --quiet", "{folder}/copy.db --force --quiet"],
}


def test_every_command_with_json() -> None:
    """Each command with the option is in the table, and in the test below."""
    having = {
        " ".join(words)
        for words in command_lines()
        if any("--json" in parameter.opts for parameter in command_of(" ".join(words)).params)
    }
    assert set(PRINTED) == having
    assert {*RUNS, "ask", "admin revoke"} == having


@pytest.mark.parametrize("words", PRINTED)
def test_help_names_the_fields(words: str) -> None:
    """It has all of them in order, or none for a command whose output is explained elsewhere."""
    (option,) = (parameter for parameter in command_of(words).params if "--json" in parameter.opts)
    assert isinstance(option, click.Option)
    told = re.sub(r"\(.*?\)", "", (option.help or "").partition(":")[2]).strip(" .").split(",")
    fields = [field.encode_name for field in msgspec.structs.fields(PRINTED[words])]
    assert [name.strip() for name in told] in (fields, [""])


def test_fields() -> None:
    """None has a default, each has a sentence, and names are those of JSON."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for name, kind in SCHEMA["$defs"].items():
        assert kind["required"] == list(kind["properties"]), name
        for field, what in kind["properties"].items():
            assert what["description"], f"{name}.{field}"
            assert re.fullmatch(r"[a-z]+[0-9]*(_[a-z]+)*", field), f"{name}.{field}"


def test_output_matches_the_schema(tmp_path: Path) -> None:
    """All commands run on a server with messages, and then without one."""
    folder = tmp_path / "files"
    folder.mkdir()
    with ThreadServer(tmp_path / "data") as server:
        somebody_talks(server)
        with server.joined("bob") as bob:
            bob.says("away", text="lunch", n=1)
            until(bob, "done")
            for words in RUNS:
                if words not in ("admin import", "admin restore"):
                    check(words, tmp_path, str(server.address))
    check("admin import", tmp_path, "")
    check("admin restore", tmp_path, "")


def test_ask_matches_the_schema(server: ThreadServer) -> None:
    """One question is answered, and one declined."""
    with server.joined("alice", "listen") as alice:
        for answer in (0, -1):
            asking = ["ask", "alice", "Now?", "--json", "--user", "bob", "--server", str(server.address)]
            with Program(*asking) as program:
                question = alice.hears("message")
                alice.sends("bob", "", re=question["seq"], answer=answer)
                alice.hears("sent")
                assert program.end() == (0 if answer == 0 else DECLINED)
            keeps_to("ask", program.out)


def test_admin_revoke_matches_the_schema(tmp_path: Path) -> None:
    """The id is that of a token that was just made."""
    with ThreadServer(tmp_path):
        made = run_here("admin", "--data", str(tmp_path), "token", "hook", "--json")
        done = run_here("admin", "--data", str(tmp_path), "revoke", json.loads(made.stdout)["id"], "--json")
        keeps_to("admin revoke", done.stdout.splitlines())


def somebody_talks(server: ThreadServer) -> None:
    """Create a room, a private message, a reply, a question with an answer, and an absent user."""
    server.joined("cid").hang_up()
    with server.joined("bob", "send") as bob, server.joined("alice", "send") as alice:
        bob.enters("#ops")
        alice.enters("#ops")
        bob.asks("topic", room="#ops", text="what runs")
        bob.sends("#ops", "the disk is full")
        seq = until(bob, "sent")["seq"]
        alice.sends("#ops", "which disk?", re=seq)
        until(alice, "sent")
        bob.sends("alice", "Delete?", choices=["yes", "no"], seconds=60)
        alice.sends("bob", "", re=until(bob, "sent")["seq"], answer=1)
        until(alice, "sent")


def until(caller: Caller, tag: str) -> Frame:
    """Return the next frame of a kind, and drop others before it."""
    while (frame := caller.next()) is not None and frame["t"] != tag:
        pass
    assert frame is not None
    return frame


def check(words: str, folder: Path, server: str) -> None:
    """Run a command with all its arguments, and check each line."""
    for line in RUNS[words]:
        arguments = line.format(folder=folder / "files").split()
        places: dict[str, Any] = {"CHATCLI_SERVE_DATA": str(folder / "data"), "XDG_STATE_HOME": str(folder / "state")}
        done = run_here(*words.split(), "--json", *arguments, CHATCLI_SERVER=server, **places)
        expected = 3 if "nobody" in line else 5 if words == "status" and "--server" in line else 0
        assert (done.returncode, bool(done.stderr)) == (expected, expected != 0), f"{words}: {done.stderr}"
        keeps_to(words, done.stdout.splitlines())


def keeps_to(words: str, lines: list[str]) -> None:
    """Check that the lines follow the schema of a command."""
    kind: dict[str, Any] = {"$ref": f"#/$defs/{record_name(PRINTED[words])}", "$defs": SCHEMA["$defs"]}
    validator = jsonschema.Draft202012Validator(kind, format_checker=jsonschema.FormatChecker())
    assert lines, words
    for row in map(json.loads, lines):
        validator.validate(row)
        assert list(row) == [field.encode_name for field in msgspec.structs.fields(PRINTED[words])]
        assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", row[name]) for name in times(row)), row


def times(row: dict[str, Any]) -> list[str]:
    """Return the fields with times, but for null."""
    return [name for name in ("at", "since", "until", "log_since") if row.get(name) is not None]
