"""The completion engine's answers to shells, without a shell."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chatcli.cli.completion.engine import complete, split
from chatcli.cli.main import COMMANDS, cli
from chatcli.client.storage import roster
from chatcli.protocol.values.address import parse_address

SERVER = "chat.example:7"


@pytest.fixture(autouse=True)
def _roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A roster for one server, and a configuration with another."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CHATCLI_USER", "alice")
    monkeypatch.setenv("CHATCLI_SERVER", SERVER)
    (tmp_path / "chatcli").mkdir(mode=0o700)
    (tmp_path / "chatcli" / "config.toml").write_text('[servers.work]\nserver = "work.example:9"\nuser = "al"\n')
    roster.update(parse_address(SERVER), "alice", _fill)
    roster.update(parse_address("work.example:9"), "al", lambda known: known.add_person("boss", "here"))


def _fill(known: roster.Roster) -> None:
    now = int(time.time())
    known.add_person("bert", "gone", now - 3 * 3600)
    known.add_person("bea", "away")
    known.add_person("bob", "here")
    known.add_person("bo$(id)", "here")
    known.add_person("back\\slash", "here", now - 3 * 86400)
    known.add_person("it's!", "here")
    known.add_person("Zoë")
    known.add_room("#ops")


def zsh(*words: str) -> list[str]:
    """Return the lines for zsh without the first."""
    return complete(cli, "zsh", list(words)).splitlines()[1:]


def bash(line: str, piece: str | None = None) -> list[str]:
    """Return the lines for bash without the first."""
    return complete(cli, "bash", [line, line.rpartition(" ")[2] if piece is None else piece]).splitlines()[1:]


def test_people() -> None:
    """Online users come first; others have the time when they were seen."""
    assert zsh("send", "b") == [
        "",
        "bo$(id):here",
        "bob:here",
        "bea:away",
        "back\\\\slash:seen 3d ago",
        "bert:gone 3h ago",
    ]
    assert zsh("send", "z") == ["", "Zoë"]


@pytest.mark.parametrize("command", [("key", "link"), ("admin", "invite"), ("admin", "link")])
def test_address_for_a_browser(command: tuple[str, str]) -> None:
    """The option is offered."""
    assert [line.partition(":")[0] for line in zsh(*command, "--w")] == ["", "--web"]


def test_impossible_times(tmp_path: Path) -> None:
    """They are left out, as anyone can write to the file."""
    lines = [f"@n{place}\t\t{at}\n" for place, at in enumerate((1, int(time.time()), int(time.time()) + 90, "9" * 15))]
    (path,) = tmp_path.rglob(f"alice@{SERVER}")
    path.write_text("".join(lines))
    assert sorted(zsh("send", "n")) == ["", "n0", "n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["send", "bob,be"], [",", "bea:away", "bert:gone 3h ago"]),
        (["send", "bob,BO"], [",", "bo$(id):here"]),  # bob is among them
        (["send", "bob", "#"], ["", "#ops:room"]),
        (["ask", "bob", "q", "--choice", "b"], [""]),
        (["who", "#"], ["", "#ops:room"]),
        (["who", "bo"], ["", "bo$(id):here", "bob:here"]),
        (["read", "bob", "#"], ["", "#ops:room"]),
        (["send", "bob", "hi", "--wait", ""], ["", "delivered", "seen"]),
        (["history", "#O"], ["", "#ops:room"]),
        (["search", "x", "--from", "bo"], ["", "bo$(id):here", "bob:here"]),
        (["search", "x", "--from=bo"], ["=", "bo$(id):here", "bob:here"]),
        (["listen", "--in", "#"], ["", "#ops:room"]),
        (["join", "--room", ""], ["", "#ops:room"]),
        (["who", "--at", ""], ["", "work:work.example:9"]),
        (["--at", "w"], ["", "work:work.example:9"]),
        (["--at", "work", "send", "b"], ["", "boss:here"]),
        (["send", "--at", "work", "b"], ["", "boss:here"]),
        (["send", "--server", "work.example:9", "--user", "al", "b"], ["", "boss:here"]),
        (["who", "--user", "a"], ["", "al", "alice"]),
        (["who", "--server", "ch"], ["", "chat.example\\:7"]),
        (["join", "--clock", ""], ["", "24h", "12h"]),
        (["admin", "ki"], ["", "kick:Close the connections of NAME"]),
        (["key", "re"], ["", "revoke:Remove a key from your name, or end a token"]),
        (["completion", "z"], ["", "zsh"]),
        (["outbox", "r"], ["", "retry:Try refused messages again"]),
        (["nonsense", ""], None),
        (["send", "--at", "nonsense", "b"], []),
    ],
)
def test_completions(words: list[str], told: list[str] | None) -> None:
    """Commands, choices, servers, users and rooms at their places; nothing if nothing is known."""
    found = zsh(*words)
    if told is not None and len(told) > 1 and words[-1] == "a":
        assert sorted(found) == told
    elif told is not None:
        assert found == told


@pytest.mark.parametrize(("words", "kind"), [(["key", "import", ""], "files"), (["admin", "--data", ""], "dirs")])
def test_files(words: list[str], kind: str) -> None:
    """The shell completes them."""
    assert complete(cli, "fish", words).splitlines()[0] == kind


@pytest.mark.parametrize(
    ("line", "piece", "told"),
    [
        ("chatcli send bo", "bo", [r"bo\$\(id\)", "bob"]),
        ("chatcli send 'bo", "bo", ["bo$(id)", "bob"]),
        ('chatcli send "bo', "bo", [r"bo\$(id)", "bob"]),
        ("chatcli send it", "it", [r"it\'s\!"]),
        ("chatcli send 'it", "it", []),  # both are impossible there
        ('chatcli send "it', "it", []),
        ("chatcli send #o", "#o", [r"\#ops"]),
        ("chatcli send bob,'#o", "#o", ["#ops"]),
        ("chatcli search x --from=bo", "bo", [r"bo\$\(id\)", "bob"]),
        ("chatcli who --server=chat.example:", "", ["7"]),
        ("~/bin/chatcli send ba", "ba", [r"back\\slash"]),
    ],
)
def test_bash(line: str, piece: str, told: list[str]) -> None:
    """Bash gets text to insert unchanged, quoted or escaped, and only the piece to replace."""
    assert bash(line, piece) == told


def test_words_of_a_line() -> None:
    """Quotes, backslashes and unfinished words are split as by the shell."""
    values = [(word.value, word.quote) for word in split(r"""a 'b c'd "e\"f\g" \#h i'j' 'k l""")]
    assert values == [("a", ""), ("b cd", ""), ('e"f\\g', ""), ("#h", ""), ("ij", ""), ("k l", "'")]
    assert [word.value for word in split("a ")] == ["a", ""]
    assert split("") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "nonsense"])
@pytest.mark.parametrize("arguments", [[], [""], ["chatcli", ""], ["--at"], ["\udcff"], ["chatcli send '", ""]])
def test_garbage(shell: str, arguments: list[str]) -> None:
    """Any input gives a list, if only an empty one."""
    assert isinstance(complete(cli, shell, arguments), str)


def test_every_command() -> None:
    """Each command completes options of an unfinished line."""
    for command in COMMANDS:
        assert any(line.startswith("--help") for line in zsh(command, "--")), command
