"""The meaning of a typed line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.protocol.grammar import (
    COMMANDS,
    NO_RECIPIENT,
    Command,
    CommandHelp,
    Say,
    Unclear,
    command_help,
    help_lines,
    parse_line,
    usage,
)

WORDS = [(word, row.words[0]) for row in COMMANDS for word in row.words]
BARE = [(word, row.words[0]) for row in COMMANDS if row.bare for word in row.words]


@pytest.mark.parametrize(
    ("line", "to", "text"),
    [
        ("bob: hi", "bob", "hi"),
        ("bob:hi", "bob", "hi"),
        ("Bob:Hi Bob!", "Bob", "Hi Bob!"),
        (" bob : hi", "bob", "hi"),
        ("bob: hi\n", "bob", "hi"),
        ("bob: hi\r\n", "bob", "hi"),
        ("Жанна: привет", "Жанна", "привет"),
        ("bob: at 10:30: tea", "bob", "at 10:30: tea"),
        ("bob: http://example.org:8080/a?b=c:d", "bob", "http://example.org:8080/a?b=c:d"),
        ("bob:https://example.org", "bob", "https://example.org"),
        ("bob: /who", "bob", "/who"),
        ("bob: who", "bob", "who"),
        ("bob: server: exit", "bob", "server: exit"),
        ("bob:: hi", "bob", ": hi"),
        ("#ops: hi", "#ops", "hi"),
        ("#ops:bob: hi", "#ops", "bob: hi"),
    ],
)
def test_message(line: str, to: str, text: str) -> None:
    """The first colon ends the name; the rest is the text, unchanged."""
    assert parse_line(line) == Say(to, text)


@pytest.mark.parametrize(
    ("line", "text"),
    [("bob:   x = 1", "  x = 1"), ("bob:\tx", "\tx"), ("bob: x  ", "x  "), ("bob: a\nb\n", "a\nb")],
)
def test_space_within_a_text(line: str, text: str) -> None:
    """One space after the colon belongs to the grammar; all other space belongs to the text, which may be code."""
    assert parse_line(line) == Say("bob", text)


@pytest.mark.parametrize(("word", "main"), BARE)
@pytest.mark.parametrize("form", ["{}", "/{}", "server:{}", "server: {}", "Server: {} ", "SERVER :{}", "  {}\n"])
def test_three_forms_of_a_command(form: str, word: str, main: str) -> None:
    """Each command word works bare, after a slash and addressed to the server, in any case."""
    assert parse_line(form.format(word)) == Command(main)
    assert parse_line(form.format(word.upper())) == Command(main)


def test_exit_and_quit() -> None:
    """``quit`` means ``exit``."""
    assert parse_line("exit") == parse_line("quit") == Command("exit")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/wo", 'There is no command "/wo". Did you mean "/who"?'),
        ("/EXITT", 'There is no command "/EXITT". Did you mean "/exit"?'),
        ("server:hlep", 'There is no command "server:hlep". Did you mean "server:help"?'),
        ("Server: quitt", 'There is no command "server:quitt". Did you mean "server:quit"?'),
        ("/exit now", '"/exit" takes no argument.'),
        ("server:Rooms x", '"server:rooms" takes no argument.'),
        ("/ncik", 'There is no command "/ncik". Did you mean "/nick"?'),
        ("/mtue bob", 'There is no command "/mtue". Type "help" to see all commands.'),
        ("/hsitory #ops 50", 'There is no command "/hsitory". Did you mean "/history"?'),
        ("/dance", 'There is no command "/dance". Type "help" to see all commands.'),
        ("/", 'There is no command "/". Type "help" to see all commands.'),
        ("server:", 'There is no command "server:". Type "help" to see all commands.'),
    ],
)
def test_unknown_command(line: str, said: str) -> None:
    """A misspelt command is answered with the nearest one, unless that one moderates; anything else with ``help``."""
    assert parse_line(line) == Unclear(said)


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "hi there",
        "two words: hi",
        "hello, bob: hi",
        ": hi",
        " : hi",
        "who is bob",
        "#ops hi",
        "leave me alone",
        "help me",
    ],
)
def test_text_without_a_recipient(line: str) -> None:
    """Where no single name is before a colon, the answer shows how a message is written."""
    assert parse_line(line) == NO_RECIPIENT


@pytest.mark.parametrize("line", ["bob:", "bob: ", "bob :\t\n"])
def test_empty_text(line: str) -> None:
    """A name with nothing after its colon is refused, because the text is empty."""
    assert parse_line(line) == Unclear('Nothing to say yet: write the text after "bob:".', is_text=True)


@pytest.mark.parametrize("line", ["", " ", "\n", "\t \r\n", "\u3000"])
def test_blank_line(line: str) -> None:
    """An empty line is ignored."""
    assert parse_line(line) is None


@given(st.text(st.characters(codec=None)))
def test_any_line(line: str) -> None:
    """Each line gets a result, and a message has one name and some text."""
    meaning = parse_line(line)
    assert (meaning is None) == (not line.strip())
    if isinstance(meaning, Say):
        assert meaning.to.split() == [meaning.to]
        assert ":" not in meaning.to
        assert meaning.text.strip()


@given(st.text().filter(lambda text: bool(text.strip()) and text[-1] not in "\r\n"))
def test_text_is_unchanged(text: str) -> None:
    """The text after ``bob: `` arrives character by character."""
    assert parse_line(f"bob: {text}") == Say("bob", text)


def test_help() -> None:
    """Help shows how to send a message, the daily commands in two columns, and the names of all others."""
    lines = help_lines()
    daily = [command for command in COMMANDS if command.daily]
    person, room, text, *rows = lines[: 3 + len(daily)]
    assert person.startswith("name: text")
    assert room.startswith("#room: text")
    assert text.startswith("text ")
    for row, command in zip(rows, daily, strict=True):
        left, right = row.split("   ", 1)
        shown = [word if command.bare else f"/{word}" for word in command.words]
        assert left.strip().split(" or ") == shown
        assert right.strip() == command.help
    assert len({line.index(right) for line, right in zip(rows, [c.help for c in daily], strict=True)}) == 1
    rest = " ".join(lines[3 + len(daily) :])
    assert all(f"/{command.words[0]}" in rest for command in COMMANDS if not command.daily)
    assert "/help mute" in rest
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 20


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("mute", ["/mute [#ROOM] NAME [10m] [REASON]   let someone read, but not write"]),
        (
            "/ROOM",
            [
                "/join [--private|--announce] #ROOM   enter a room; create it if there is none",
                "--private: create a room that only invited people see and enter",
                "--announce: create a room where its owners write, and all others read",
            ],
        ),
        ("back", ["/back   tell others that you are here again"]),
        ("disown", ["/disown NAME [#ROOM]   take back what /owner gave"]),
        ("hlep", ['There is no command "/hlep". Did you mean "/help"?']),
    ],
)
def test_help_for_a_command(word: str, lines: list[str]) -> None:
    """After ``help``, a command is written with or without its slash, by any of its words."""
    assert parse_line(f"/help {word}") == Command("help", word)
    assert command_help(word) == lines


def test_words_are_unique() -> None:
    """No word is in two rows of the table."""
    assert len({word for word, _ in WORDS}) == len(WORDS)


@pytest.mark.parametrize("row", COMMANDS, ids=[row.words[0] for row in COMMANDS])
def test_command_without_arguments(row: CommandHelp) -> None:
    """A command alone is valid if all of its arguments are optional; otherwise its usage is shown."""
    word = row.words[0]
    assert parse_line(f"/{word}") == (Unclear(usage(word)) if row.needs_argument else Command(word))
    assert usage(word) == f'Write "{f"/{word} {row.argument}".strip()}".'


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("/kick bob", Command("kick", "bob")),
        ("/ban bob 2d too loud", Command("ban", "bob 2d too loud")),
        ("server:unmute  bob ", Command("unmute", "bob")),
        ("/mute", Unclear('Write "/mute [#ROOM] NAME [10m] [REASON]".')),
        ("/invite", Unclear('Write "/invite NAME [#ROOM]".')),
        ("/room #ops", Command("join", "#ops")),
        ("/who #ops", Command("who", "#ops")),
        ("/history", Command("history")),
        ('/search "a phrase" from:bob', Command("search", '"a phrase" from:bob')),
        ("/reply  yes, please", Command("reply", "yes, please")),
    ],
)
def test_command_with_arguments(line: str, meaning: Command | Unclear) -> None:
    """Commands get the rest of the line, and ask for a missing argument."""
    assert parse_line(line) == meaning


@pytest.mark.parametrize(
    "line",
    [
        "hi there",
        "note: buy milk",
        "https://example.org/a:b",
        "12:30 is lunch",
        "wait:",
        "two words: hi",
        "who is bob",
        "help me",
        "history is long",
        "join us",
        "kick bob",
        "  indented = code",
        "a\nb: c",
    ],
)
def test_text_in_an_open_conversation(line: str) -> None:
    """Only a known name is a recipient, and only an unambiguous command is a command."""
    assert parse_line(f"{line}\n", "#ops", {"bob"}.__contains__) == Say("#ops", line)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("bob: hi", Say("bob", "hi")),
        (" bob :hi", Say("bob", "hi")),
        ("bob:", Unclear('Nothing to say yet: write the text after "bob:".', is_text=True)),
        ("who", Command("who")),
        ("exit", Command("exit")),
        ("help mute", Command("help", "mute")),
        ("server:exit", Command("exit")),
        ("/who #ops", Command("who", "#ops")),
        ("/to bob", Command("to", "bob")),
        ("/query", Command("to")),
        ("/say /who", Say("#ops", "/who")),
        ("/say exit", Say("#ops", "exit")),
        (
            "/etc/hosts is wrong",
            Unclear(
                'There is no command "/etc/hosts". Type "help" to see all commands. '
                "To send it as it is, put /say in front."
            ),
        ),
        ("", None),
    ],
)
def test_recipient_in_an_open_conversation(line: str, meaning: Say | Command | Unclear | None) -> None:
    """A known name still gets the message; a text that looks like a command is sent with /say."""
    assert parse_line(line, "#ops", {"bob"}.__contains__) == meaning


@pytest.mark.parametrize("word", [word for word, main in WORDS if (word, main) not in BARE])
def test_bare_moderation_words(word: str) -> None:
    """The word "kick" without a slash kicks nobody, and the answer shows its usage."""
    assert parse_line(word) == Unclear(f'Commands are written with a slash: "/{word}".')


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("who #ops", Command("who", "#ops")),
        ("help mute", Command("help", "mute")),
        ("history alice", Unclear('Commands are written with a slash: "/history alice".')),
        ("Search hi from:bob", Unclear('Commands are written with a slash: "/search hi from:bob".')),
        ("join --private #ops", Unclear('Commands are written with a slash: "/join --private #ops".')),
        ("ban bob 2d too loud", Unclear('Commands are written with a slash: "/ban bob 2d too loud".')),
        ("history: hi", Say("history", "hi")),
    ],
)
def test_text_that_looks_like_a_command(line: str, meaning: Command | Unclear | Say) -> None:
    """A forgotten slash is reported with the input; a text that reads well without it is sent."""
    assert parse_line(line) == meaning
