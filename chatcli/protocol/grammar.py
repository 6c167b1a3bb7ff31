"""The grammar of typed lines: ``bob: hi``, ``#ops: hi``, ``who``, ``server:exit``, ``/help``."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.spelling import nearest


class Say(NamedTuple):
    """A message to someone, or to a room."""

    to: str
    text: str


class Command(NamedTuple):
    """A command, by its main word, and its argument."""

    word: str
    argument: str = ""


class Unclear(NamedTuple):
    """A line that means nothing.

    Attributes:
        sentence: what to write instead.
        is_text: whether the line is a text that lacks its recipient, or a recipient that lacks its text.
    """

    sentence: str
    is_text: bool = False


class CommandHelp(NamedTuple):
    """One row of the command table.

    Attributes:
        words: its names, the main one first.
        help: a short description.
        argument: the form of its argument; the parts in brackets are optional.
        bare: whether it needs no slash.
        rules: whether it is for operators and for the owners of a room.
        daily: whether the short help describes it.
        more: further lines of its own help.
    """

    words: tuple[str, ...]
    help: str
    argument: str = ""
    bare: bool = False
    rules: bool = False
    daily: bool = False
    more: tuple[str, ...] = ()

    @property
    def needs_argument(self) -> bool:
        """Whether it cannot be written without an argument."""
        return bool(_OPTIONAL.sub("", self.argument).strip())


_OPTIONAL: Final = re.compile(r"\[[^]]*\]")
_TEXTS: Final = frozenset({"TEXT", "[TEXT]", "[WORDS]", "[REASON]"})  # each of them may be more than one word

COMMANDS: Final = (
    CommandHelp(
        ("who",),
        "list who is here, or in a room; or where someone is",
        "[NAME|#ROOM]",
        bare=True,
        daily=True,
    ),
    CommandHelp(("rooms",), "list the rooms", bare=True, daily=True),
    CommandHelp(
        ("join", "room", "j"),
        "enter a room; create it if there is none",
        "[--private|--announce] #ROOM",
        daily=True,
        more=(
            "--private: create a room that only invited people see and enter",
            "--announce: create a room where its owners write, and all others read",
        ),
    ),
    CommandHelp(("leave", "part"), "leave a room for good (the open one, if none is named)", "[#ROOM]", daily=True),
    CommandHelp(
        ("to", "query"),
        "open a conversation; /to alone: the one before",
        "[NAME|#ROOM]",
        daily=True,
        more=("What you type then goes there, until you write to someone else.",),
    ),
    CommandHelp(
        ("reply",),
        "reply to the newest message you got",
        "[NAME|NUMBER] TEXT",
        daily=True,
        more=("/reply bob TEXT: to bob's newest", "/reply 2 TEXT: to the second newest"),
    ),
    CommandHelp(
        ("answer",),
        "answer a question; /answer alone: list the open ones",
        "[SEQ] [CHOICE]",
        more=(
            "/answer 1, /answer yes: the oldest question, by the number of a choice or in words",
            "/answer decline: decline it; a question to a room is left to others instead",
            "/answer ci yes, /answer 4711 yes: the question of ci, or the one with that number",
        ),
    ),
    CommandHelp(
        ("list",),
        "list your conversations, the newest first",
        "[NUMBER|all]",
        daily=True,
        more=(
            "Each with its number for Alt, the time and the start of its last line, and what is unread there.",
            "/list 50: the newest 50; /list all: all of them, also those that you have closed",
        ),
    ),
    CommandHelp(("history",), "show older messages; /history alone: further back", "[NAME|#ROOM] [NUMBER]", daily=True),
    CommandHelp(
        ("search", "lastlog"),
        "find messages; /search alone: older ones",
        "[WORDS] [in:NAME|in:#ROOM] [from:NAME]",
        daily=True,
    ),
    CommandHelp(("help",), "show this, or how to write a command", "[COMMAND]", bare=True, daily=True),
    CommandHelp(("exit", "quit"), "leave the chat; Ctrl-D does the same", bare=True, daily=True),
    CommandHelp(("say",), "send a text as it is, whatever it begins with", "TEXT"),
    CommandHelp(
        ("msg", "tell", "dm"),
        "send a text to someone, and stay in the open conversation",
        "NAME|#ROOM TEXT",
    ),
    CommandHelp(
        ("me",),
        "say what you do",
        "TEXT",
        more=('/me waves: others read "* alice waves"',),
    ),
    CommandHelp(
        ("close",),
        "remove a conversation from the toolbar",
        "[NAME|#ROOM]",
        more=("It comes back with the next message. You stay in a room: /leave leaves it.",),
    ),
    CommandHelp(
        ("unread",),
        "mark a conversation as unread, and leave it",
        "[NAME|#ROOM|NUMBER]",
        more=(
            "Its last message is unread on all your devices until you open the conversation again.",
            "/unread 3: from the third newest message on, as /reply counts them",
        ),
    ),
    CommandHelp(("names",), "list a room's members (of the open one, if none is named)", "[#ROOM]"),
    CommandHelp(("whois",), "show what is known about someone", "NAME"),
    CommandHelp(("nick",), "show how to use another name", "[NAME]"),
    CommandHelp(("topic",), "set the topic of a room, or show it", "[#ROOM] [TEXT]"),
    CommandHelp(("invite",), "invite someone to a room", "NAME [#ROOM]"),
    CommandHelp(("uninvite",), "take back an invitation to a room", "NAME [#ROOM]"),
    CommandHelp(("receipts",), "show who has seen your messages", "[NAME|#ROOM]"),
    CommandHelp(
        ("quiet",),
        "make a conversation quiet: it neither rings nor counts",
        "[off] [NAME|#ROOM]",
        more=("/quiet off: let it ring and count again",),
    ),
    CommandHelp(
        ("dnd",),
        "do not disturb: nothing rings on this device",
        "[off]",
        more=("/dnd off: let messages ring again. Others do not learn of it; /away tells them.",),
    ),
    CommandHelp(("edit",), "write in your own editor; Ctrl-X Ctrl-E does the same", "[TEXT]"),
    CommandHelp(("away",), "tell others that you are away from the keyboard", "[TEXT]"),
    CommandHelp(("back",), "tell others that you are here again", bare=True),
    CommandHelp(("owner", "op"), "make someone an owner of a room, too", "NAME [#ROOM]", rules=True),
    CommandHelp(("disown", "deop"), "take back what /owner gave", "NAME [#ROOM]", rules=True),
    CommandHelp(("kick",), "send someone away, or out of a room", "[#ROOM] NAME [REASON]", rules=True),
    CommandHelp(
        ("ban",),
        "keep someone out of the server or a room, for ever or a while",
        "[#ROOM] NAME [2d] [REASON]",
        rules=True,
    ),
    CommandHelp(("unban",), "lift a ban", "[#ROOM] NAME", rules=True),
    CommandHelp(("mute",), "let someone read, but not write", "[#ROOM] NAME [10m] [REASON]", rules=True),
    CommandHelp(("unmute",), "lift a mute", "[#ROOM] NAME", rules=True),
)
_ROWS: Final = {word: row for row in COMMANDS for word in row.words}

#: The colons that keyboards for East Asian scripts type are colons, too.
_COLON: Final = re.compile("[:\uff1a\ufe55\ufe13]")
_SLASHES: Final = "/\uff0f\u2044\u2215\\\\"  # and the signs that are typed or pasted in its place
_UNSEEN: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # characters that may be pasted along with a name
_ENDS: Final = "?!.,;:\u2026\uff1f\uff01\u3002"  # of sentences
_PROSE: Final = "me"  # the name of a command with which a text may begin or end: "me too", "help me"
_TEXT_COMMANDS: Final = frozenset({"say", "reply", "msg", "me"})  # those whose text may have several lines

#: The meaning of a text without a recipient.
NO_RECIPIENT: Final = Unclear('To whom? Write "name: text" or "#room: text". Type "help" for more.', is_text=True)
_WIDTH: Final = 80  # columns, for help
_SIMILAR: Final = 0.75  # of 1, for a word to be a misspelt command


def help_lines() -> list[str]:
    """Return the lines of ``help``: descriptions of the daily commands, and the names of all others."""
    rows = [
        ("name: text", 'send text to a person, as in "bob: hi"'),
        ("#room: text", 'send text to a room, as in "#ops: hi"'),
        ("text", "send text to the person or room in the prompt"),
    ]
    rows += [(" or ".join(_shown(row, word) for word in row.words), row.help) for row in COMMANDS if row.daily]
    width = max(len(left) for left, _ in rows)
    return [
        *(f"{left:<{width}}   {right}" for left, right in rows),
        *_names("More: ", [row for row in COMMANDS if not row.daily and not row.rules]),
        *_names("For operators and owners of rooms: ", [row for row in COMMANDS if row.rules]),
        'One command: "/help mute". The keys: "/help keys".',
        "People who are away get your messages when they return.",
    ]


def _names(head: str, rows: list[CommandHelp]) -> list[str]:
    return textwrap.wrap(head + " ".join(f"/{row.words[0]}" for row in rows), _WIDTH, subsequent_indent="  ")


#: The keys that do more here than in other programs that read a line.
_KEYS: Final = (
    ("Tab", "complete names, rooms, @names and commands"),
    ("Alt-1 … Alt-9", "open the conversation with that number in the toolbar"),
    ("Alt-Left, Alt-Right", "open the previous or the next conversation; each keeps its draft"),
    ("Alt-Enter", "begin a new line in the same message"),
    ("1 … 9, or 0", "with nothing else typed: answer the question above the line, or decline it"),
    ("Ctrl-R, Up", "bring back what you wrote"),
    ("Ctrl-X Ctrl-E", "write it in your own editor, as /edit does"),
    ("Ctrl-C", "drop what you are typing; twice on an empty line, leave"),
    ("Ctrl-D", "on an empty line, leave"),
)


def command_help(word: str) -> list[str]:
    """Return the help for a command, or the most similar command if there is none of that name."""
    if word.casefold() == "keys":
        width = max(len(key) for key, _ in _KEYS)
        return [f"{key:<{width}}   {meaning}" for key, meaning in _KEYS]
    row = _ROWS.get(word.removeprefix("/").casefold())
    if row is None:
        return [_unknown(word.removeprefix("/"), "/").sentence]
    return [f"{f'/{row.words[0]} {row.argument}'.rstrip()}   {row.help}", *row.more]


def usage(word: str) -> str:
    """Return a sentence that shows how to write a command."""
    return f'Write "{f"/{word} {_ROWS[word].argument}".rstrip()}".'


def _shown(row: CommandHelp, word: str) -> str:
    return word if row.bare else f"/{word}"


def parse_line(
    line: str, conversation: str = "", known: Callable[[str], bool] = lambda _: True
) -> Say | Command | Unclear | None:
    """Return the meaning of a line, or None if it is blank.

    Args:
        line: the line.
        conversation: the open conversation, which gets a text without a recipient; empty if there is none.
        known: whether a name before a colon is a recipient, while a conversation is open.
    """
    stripped = line.strip()
    if not stripped:
        return None
    if "\n" in stripped and not _is_text_command(stripped):
        return _lines(line, conversation, known)
    if stripped.startswith("/"):
        return _slashed(stripped[1:], conversation)
    if not conversation:
        meaning = _parse_message(line)
        return meaning if isinstance(meaning, (Say, Command)) else _bare(stripped) or meaning
    return _in_conversation(line, conversation, known)


def _in_conversation(line: str, conversation: str, known: Callable[[str], bool]) -> Say | Command | Unclear:
    meaning = _parse_message(line)
    if _is_to_server(line):
        return _or_text(meaning, split_address(line)[2])
    if _is_addressed(line) and known(split_address(line)[0]):
        return meaning
    # People in a conversation write "history is long" and "join us": only an unmistakable command is one here.
    bare = _bare(line.strip())
    return bare if isinstance(bare, Command) else Say(conversation, line.rstrip("\r\n"))


def split_address(line: str) -> tuple[str, str, str]:
    """Split a line at its first colon: return the stripped text before it, the colon, and the rest."""
    colon = _COLON.search(line)
    if colon is None:
        return line.strip().strip(_UNSEEN), "", ""
    return line[: colon.start()].strip().strip(_UNSEEN).strip(), colon[0], line[colon.end() :]


def _is_text_command(line: str) -> bool:
    """Return whether several lines begin with a command that sends the rest of them as a text."""
    first = line.partition("\n")[0]
    word, argument = (*first.split(maxsplit=1), "")[:2]
    row = _ROWS.get(word[1:].casefold()) if word.startswith("/") else None
    return row is not None and row.words[0] in _TEXT_COMMANDS and bool(argument)


def _lines(line: str, conversation: str, known: Callable[[str], bool]) -> Say | Unclear:
    """Return the meaning of several lines: a text, and no command whatever they begin with."""
    text = line.rstrip("\r\n")
    if _is_addressed(line):
        to, _, rest = split_address(line)
        if not conversation or known(to):
            return Say(to, rest.removeprefix(" ").rstrip("\r\n"))
    return Say(conversation, text) if conversation else NO_RECIPIENT


def _slashed(line: str, conversation: str) -> Say | Command | Unclear:
    meaning = _command(line, prefix="/")
    if not conversation:
        return meaning
    match meaning:
        case Command("say", text):
            return Say(conversation, text)
    return _or_text(meaning, line)


def _or_text(meaning: Say | Command | Unclear, line: str) -> Say | Command | Unclear:
    """Return the meaning; for an unknown command, add how to send the line as a text."""
    if isinstance(meaning, Unclear) and _first_word(line) not in ("", *_ROWS):
        return Unclear(f"{meaning.sentence} To send it as it is, put /say in front.")
    return meaning


def _bare(line: str) -> Command | Unclear | None:
    """Return the meaning of a line that begins with the name of a command; None if it does not look like one."""
    word, argument = (*line.split(maxsplit=1), "")[:2]
    row = _ROWS.get(word.casefold())
    if row is None or (word.casefold() == _PROSE and argument) or not _fits(row, argument):
        return None
    if row.bare:
        return Command(row.words[0], argument)
    return Unclear(f'Commands are written with a slash: "/{f"{word.casefold()} {argument}".rstrip()}".')


def _fits(row: CommandHelp, argument: str) -> bool:
    """Return whether this looks like an argument of the command, not like the rest of a sentence."""
    if not argument:
        return True
    match row.words[0]:
        case "who":
            return is_room(argument) and len(argument.split()) == 1
        case "help":
            return argument.casefold() != _PROSE and argument.removeprefix("/").casefold() in _ROWS
        case _:
            parts = row.argument.split()
            return not _TEXTS.isdisjoint(parts) or len(argument.split()) <= len(parts)


def _is_to_server(line: str) -> bool:
    """Return whether the line is for the server: the text after the colon is a command, or a mistake."""
    to, colon, text = split_address(line)
    return bool(colon) and unicodedata.normalize("NFKC", to).casefold() == "server" and not text.startswith("//")


def _is_addressed(line: str) -> bool:
    """Return whether a line begins with a single word and a colon that is not part of a web address."""
    to, colon, text = split_address(line)
    return bool(colon) and len(to.split()) == 1 and not text.startswith("//") and not _is_to_server(line)


def _parse_message(line: str) -> Say | Command | Unclear:
    to, _, text = split_address(line)
    if _is_to_server(line):
        return _command(text.strip(), prefix="server:")
    if not _is_addressed(line):
        return NO_RECIPIENT
    if not text.strip():
        return Unclear(f'Nothing to say yet: write the text after "{to}:".', is_text=True)
    return Say(to, text.removeprefix(" ").rstrip("\r\n"))


def begins_like_command(text: str) -> bool:
    """Return whether a text begins with a slash and the name of a command."""
    return text.startswith("/") and _first_word(text[1:]) in _ROWS


def _first_word(text: str) -> str:
    return next(iter(text.split(maxsplit=1)), "").casefold()


def resembled_command(line: str, known: Callable[[str], bool] = lambda _: False) -> str:
    """Return the command that a text may have been meant to be; empty if there is none.

    Args:
        line: a line that :func:`parse_line` reads as a text.
        known: whether a word is somebody's name.
    """
    words = line.split()
    if not words or "\n" in line.strip():
        return ""
    if words[0][0] in _SLASHES:
        word = words[0][1:].strip(_ENDS).casefold()
        return f"/{word}" if word in _ROWS else ""
    word = words[0].strip(_ENDS).casefold()
    row = _ROWS.get(word)
    if row is None or word == _PROSE:
        return _similar_bare(word) if len(words) == 1 else ""
    argument = [one for one in words[1:] if one.strip(_ENDS)]
    if not argument or (row.bare and len(argument) == 1 and argument[0].casefold() != _PROSE):
        return _shown(row, word)
    fits = _fits(row, " ".join(argument)) and (
        is_room(argument[0]) or argument[0].startswith("-") or argument[0].isdecimal() or known(argument[0])
    )
    return f"/{word}" if fits else ""


def _similar_bare(word: str) -> str:
    """Return the most similar command that needs no slash; empty if none is similar."""
    bare = [one for one, row in _ROWS.items() if row.bare]
    return nearest(word, bare, _SIMILAR)


def _command(line: str, prefix: str) -> Command | Unclear:
    word, argument = (*line.split(maxsplit=1), "", "")[:2]
    argument = argument.strip()
    row = _ROWS.get(word.casefold())
    if row is None:
        return _unknown(word, prefix)
    if argument and not row.argument:
        return Unclear(f'"{prefix}{word.casefold()}" takes no argument.')
    if row.needs_argument and not argument:
        return Unclear(usage(row.words[0]))
    return Command(row.words[0], argument)


def _unknown(line: str, prefix: str) -> Unclear:
    # A typing mistake must not suggest a command that removes somebody.
    harmless = [word for word, row in _ROWS.items() if not row.rules]
    near = nearest(line.casefold(), harmless, _SIMILAR)
    hint = f'Did you mean "{prefix}{near}"?' if near else 'Type "help" to see all commands.'
    return Unclear(f'There is no command "{prefix}{line}". {hint}')
