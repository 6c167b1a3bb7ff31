"""What a typed line means: ``bob: hi``, ``#ops: hi``, ``who``, ``server:exit``, ``/help``."""

from __future__ import annotations

import difflib
import re
from typing import Final, NamedTuple

from chatcli.protocol.names import is_room


class Say(NamedTuple):
    """A message to someone, or to a room."""

    to: str
    text: str


class Command(NamedTuple):
    """A command, by its main word, and what stands behind it."""

    word: str
    argument: str = ""


class Unclear(NamedTuple):
    """A line that means nothing; the sentence says what to write instead."""

    sentence: str


class CommandHelp(NamedTuple):
    """One row of the command table.

    Attributes:
        words: how it may be called, the main word first.
        help: what it does, in a few words.
        argument: what to write behind it; what stands in brackets may be left out.
        bare: whether the word alone is the command, without a slash.
        rules: whether it is for operators and for the owners of a room.
        more: what else ``/help`` says of it, line by line.
    """

    words: tuple[str, ...]
    help: str
    argument: str = ""
    bare: bool = False
    rules: bool = False
    more: tuple[str, ...] = ()

    @property
    def needs(self) -> bool:
        """Whether something has to stand behind it."""
        return bool(_OPTIONAL.sub("", self.argument).strip())


_OPTIONAL: Final = re.compile(r"\[[^]]*\]")
_TEXTS: Final = frozenset({"TEXT", "[TEXT]", "[WORDS]", "[REASON]"})  # more than one word, each of them

COMMANDS: Final = (
    CommandHelp(("who",), "list who is here, or who belongs to a room", "[#ROOM]", bare=True),
    CommandHelp(("rooms",), "list the rooms", bare=True),
    CommandHelp(
        ("join", "room"),
        "enter a room; one that is not there is made",
        "[--private|--announce] #ROOM",
        more=(
            "--private: make a room that only those see and enter who are invited",
            "--announce: make a room where its owners write, and all others read",
        ),
    ),
    CommandHelp(("leave",), "leave a room for good (the one you are in, if none is named)", "[#ROOM]"),
    CommandHelp(("topic",), "say what a room is about, or read it", "[#ROOM] [TEXT]"),
    CommandHelp(("invite",), "invite someone to a room", "NAME [#ROOM]"),
    CommandHelp(("uninvite",), "take back an invitation to a room", "NAME [#ROOM]"),
    CommandHelp(("reply",), "answer the newest message you got", "TEXT"),
    CommandHelp(("history",), "show what was said; /history alone: further back", "[NAME|#ROOM] [NUMBER]"),
    CommandHelp(("search",), "find what was said; /search alone: older ones", "[WORDS] [in:NAME|in:#ROOM] [from:NAME]"),
    CommandHelp(("receipts",), "show who has seen what you said", "[NAME|#ROOM]"),
    CommandHelp(("away",), "tell others that you are away from the keyboard", "[TEXT]"),
    CommandHelp(("back",), "tell others that you are here again", bare=True),
    CommandHelp(("help",), "show this, or what a command takes", "[COMMAND]", bare=True),
    CommandHelp(("exit", "quit"), "leave the chat; Ctrl-D does the same", bare=True),
    CommandHelp(("owner",), "make someone an owner of a room, beside you", "NAME [#ROOM]", rules=True),
    CommandHelp(("disown",), "take back what /owner gave", "NAME [#ROOM]", rules=True),
    CommandHelp(("kick",), "send someone away, or out of a room", "[#ROOM] NAME [REASON]", rules=True),
    CommandHelp(
        ("ban",),
        "keep someone out of the server or a room, for ever or a while",
        "[#ROOM] NAME [2d] [REASON]",
        rules=True,
    ),
    CommandHelp(("unban",), "let someone in again whom /ban keeps out", "[#ROOM] NAME", rules=True),
    CommandHelp(("mute",), "let someone read, but not write", "[#ROOM] NAME [10m] [REASON]", rules=True),
    CommandHelp(("unmute",), "let someone write again whom /mute has silenced", "[#ROOM] NAME", rules=True),
)
_ROWS: Final = {word: row for row in COMMANDS for word in row.words}

TO_WHOM: Final = 'To whom? Write "name: text" or "#room: text". Type "help" for more.'
_NEAR: Final = 0.75  # of 1, for a word to pass for a slip of the finger


def help_lines() -> list[str]:
    """Return what ``help`` shows, made from the command table."""
    rows = [
        ("name: text", 'say text to name, as in "bob: hi"'),
        ("#room: text", 'say text in a room, as in "#ops: hi"'),
    ]
    rows += [(" or ".join(_shown(row, word) for word in row.words), row.help) for row in COMMANDS]
    width = max(len(left) for left, _ in rows)
    return [f"{left:<{width}}   {right}" for left, right in rows] + [
        'What a command takes: "/help mute". Whoever is away gets what you say on return.',
        "From owner on: for operators, and for the owners of a room.",
        "On a terminal: Tab completes names, Up brings back lines, Ctrl-C clears the line or leaves an empty one.",
    ]


def command_help(word: str) -> list[str]:
    """Return what a command takes and does, or the nearest command where there is none like that."""
    row = _ROWS.get(word.removeprefix("/").casefold())
    if row is None:
        return [_unknown(word.removeprefix("/"), "/").sentence]
    return [f"{f'/{row.words[0]} {row.argument}'.rstrip()}   {row.help}", *row.more]


def usage(word: str) -> str:
    """Return how to write a command."""
    return f'Write "{f"/{word} {_ROWS[word].argument}".rstrip()}".'


def _shown(row: CommandHelp, word: str) -> str:
    return word if row.bare else f"/{word}"


def parse_line(line: str) -> Say | Command | Unclear | None:
    """Return what the line means, or None where it is blank."""
    stripped = line.strip()
    if not stripped:
        return None
    if stripped.startswith("/"):
        return _command(stripped[1:], prefix="/")
    meaning = _parse_message(line)
    return meaning if isinstance(meaning, (Say, Command)) else _bare(stripped) or meaning


def _bare(line: str) -> Command | Unclear | None:
    """Return what a line means that begins with the word of a command, or None where it does not look like one."""
    word, argument = (*line.split(maxsplit=1), "")[:2]
    row = _ROWS.get(word.casefold())
    if row is None or not _fits(row, argument):
        return None
    if row.bare:
        return Command(row.words[0], argument)
    return Unclear(f'Commands are written with a slash: "/{f"{word.casefold()} {argument}".rstrip()}".')


def _fits(row: CommandHelp, argument: str) -> bool:
    """Return whether someone may have meant this to stand behind the command, rather than to say it."""
    if not argument:
        return True
    match row.words[0]:
        case "who":
            return is_room(argument) and len(argument.split()) == 1
        case "help":
            return argument.removeprefix("/").casefold() in _ROWS
        case _:
            takes = row.argument.split()
            return not _TEXTS.isdisjoint(takes) or len(argument.split()) <= len(takes)


def _parse_message(line: str) -> Say | Command | Unclear:
    to, colon, text = line.partition(":")
    to = to.strip()
    if not colon or not to or any(char.isspace() for char in to) or text.startswith("//"):
        return Unclear(TO_WHOM)
    if to.casefold() == "server":
        return _command(text.strip(), prefix="server:")
    if not text.strip():
        return Unclear(f'Nothing to say yet: write the text after "{to}:".')
    return Say(to, text.removeprefix(" ").rstrip("\r\n"))


def _command(line: str, prefix: str) -> Command | Unclear:
    word, argument = (*line.split(maxsplit=1), "", "")[:2]
    argument = argument.strip()
    row = _ROWS.get(word.casefold())
    if row is None:
        return _unknown(word, prefix)
    if argument and not row.argument:
        return Unclear(f'"{prefix}{word.casefold()}" takes nothing behind it.')
    if row.needs and not argument:
        return Unclear(usage(row.words[0]))
    return Command(row.words[0], argument)


def _unknown(line: str, prefix: str) -> Unclear:
    # Nobody is to send someone away by a slip of the finger.
    harmless = [word for word, row in _ROWS.items() if not row.rules]
    near = difflib.get_close_matches(line.casefold(), harmless, n=1, cutoff=_NEAR)
    hint = f'Did you mean "{prefix}{near[0]}"?' if near else 'Type "help" to see what there is.'
    return Unclear(f'There is no command "{prefix}{line}". {hint}')
