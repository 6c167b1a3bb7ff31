"""What a typed line means: ``bob: hi``, ``#ops: hi``, ``who``, ``server:exit``, ``/help``."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from chatcli.protocol.names import is_room
from chatcli.protocol.spelling import nearest


class Say(NamedTuple):
    """A message to someone, or to a room."""

    to: str
    text: str


class Command(NamedTuple):
    """A command, by its main word, and what stands behind it."""

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
        words: how it may be called, the main word first.
        help: what it does, in a few words.
        argument: what to write behind it; what stands in brackets may be left out.
        bare: whether the word alone is the command, without a slash.
        rules: whether it is for operators and for the owners of a room.
        daily: whether the short help says what it does.
        more: what else ``/help`` says of it, line by line.
    """

    words: tuple[str, ...]
    help: str
    argument: str = ""
    bare: bool = False
    rules: bool = False
    daily: bool = False
    more: tuple[str, ...] = ()

    @property
    def needs(self) -> bool:
        """Whether something has to stand behind it."""
        return bool(_OPTIONAL.sub("", self.argument).strip())


_OPTIONAL: Final = re.compile(r"\[[^]]*\]")
_TEXTS: Final = frozenset({"TEXT", "[TEXT]", "[WORDS]", "[REASON]"})  # more than one word, each of them

COMMANDS: Final = (
    CommandHelp(("who",), "list who is here, or who belongs to a room", "[#ROOM]", bare=True, daily=True),
    CommandHelp(("rooms",), "list the rooms", bare=True, daily=True),
    CommandHelp(
        ("join", "room", "j"),
        "enter a room; one that is not there is made",
        "[--private|--announce] #ROOM",
        daily=True,
        more=(
            "--private: make a room that only those see and enter who are invited",
            "--announce: make a room where its owners write, and all others read",
        ),
    ),
    CommandHelp(("leave", "part"), "leave a room for good (this one, if none is named)", "[#ROOM]", daily=True),
    CommandHelp(
        ("to", "query"),
        "go to a conversation; /to alone: to the one before",
        "[NAME|#ROOM]",
        daily=True,
        more=("What you type then goes there, until you write to someone else.",),
    ),
    CommandHelp(
        ("reply",),
        "answer the newest message you got",
        "[NAME|NUMBER] TEXT",
        daily=True,
        more=("/reply bob TEXT: the newest of bob's", "/reply 2 TEXT: the newest but one"),
    ),
    CommandHelp(
        ("answer",),
        "answer a question; /answer alone: list those that are open",
        "[SEQ] [CHOICE]",
        more=(
            "/answer 1, /answer yes: the question that came first, by the number of a choice or in words",
            "/answer decline: answer none of them; a question to a room is left to others instead",
            "/answer ci yes, /answer 4711 yes: the one that ci has asked, or the one at that place in the log",
        ),
    ),
    CommandHelp(("history",), "show what was said; /history alone: further back", "[NAME|#ROOM] [NUMBER]", daily=True),
    CommandHelp(
        ("search", "lastlog"),
        "find what was said; /search alone: older ones",
        "[WORDS] [in:NAME|in:#ROOM] [from:NAME]",
        daily=True,
    ),
    CommandHelp(("help",), "show this, or what a command takes", "[COMMAND]", bare=True, daily=True),
    CommandHelp(("exit", "quit"), "leave the chat; Ctrl-D does the same", bare=True, daily=True),
    CommandHelp(("say",), "say a text as it stands, whatever it begins with", "TEXT"),
    CommandHelp(
        ("msg", "tell", "dm"),
        "say a text to someone and stay in the open conversation",
        "NAME|#ROOM TEXT",
    ),
    CommandHelp(
        ("me",),
        "say what you do",
        "TEXT",
        more=("/me waves: others read the text * alice waves",),
    ),
    CommandHelp(
        ("close",),
        "take a conversation out of the toolbar",
        "[NAME|#ROOM]",
        more=("It comes back with the next message. You stay in a room: /leave leaves it.",),
    ),
    CommandHelp(("names",), "list who belongs to a room (this one, if none is named)", "[#ROOM]"),
    CommandHelp(("list",), "list the rooms, as rooms does"),
    CommandHelp(("whois",), "show what is known of someone", "NAME"),
    CommandHelp(("nick",), "show how to have another name", "[NAME]"),
    CommandHelp(("topic",), "say what a room is about, or read it", "[#ROOM] [TEXT]"),
    CommandHelp(("invite",), "invite someone to a room", "NAME [#ROOM]"),
    CommandHelp(("uninvite",), "take back an invitation to a room", "NAME [#ROOM]"),
    CommandHelp(("receipts",), "show who has seen what you said", "[NAME|#ROOM]"),
    CommandHelp(
        ("quiet",),
        "let a conversation neither ring nor be counted",
        "[off] [NAME|#ROOM]",
        more=("/quiet off: let it ring and be counted again",),
    ),
    CommandHelp(("edit",), "write it in your own editor; Ctrl-X Ctrl-E does the same", "[TEXT]"),
    CommandHelp(("away",), "tell others that you are away from the keyboard", "[TEXT]"),
    CommandHelp(("back",), "tell others that you are here again", bare=True),
    CommandHelp(("owner", "op"), "make someone an owner of a room, beside you", "NAME [#ROOM]", rules=True),
    CommandHelp(("disown", "deop"), "take back what /owner gave", "NAME [#ROOM]", rules=True),
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

#: Colons as they come from keyboards for East Asian scripts mean the same as ours.
_COLON: Final = re.compile("[:\uff1a\ufe55\ufe13]")
_SLASHES: Final = "/\uff0f\u2044\u2215\\\\"  # ours, and what is typed or pasted in place of it
_UNSEEN: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # may be pasted along with a name
_ENDS: Final = "?!.,;:\u2026\uff1f\uff01\u3002"  # of sentences
_PROSE: Final = "me"  # the word of a command with which a text may well begin, or end: "me too", "help me"
_SAID: Final = frozenset({"say", "reply", "msg", "me"})  # commands that say a text, which may have several lines

#: The meaning of a text without a recipient.
NO_RECIPIENT: Final = Unclear('To whom? Write "name: text" or "#room: text". Type "help" for more.', is_text=True)
_WIDTH: Final = 80  # columns, for help
_SIMILAR: Final = 0.75  # of 1, for a word to be a misspelt command


def help_lines() -> list[str]:
    """Return what ``help`` shows, made from the command table: what is needed daily, and the names of the rest."""
    rows = [
        ("name: text", 'say text to name, as in "bob: hi"'),
        ("#room: text", 'say text in a room, as in "#ops: hi"'),
        ("text", "say text to whom or where the prompt shows"),
    ]
    rows += [(" or ".join(_shown(row, word) for word in row.words), row.help) for row in COMMANDS if row.daily]
    width = max(len(left) for left, _ in rows)
    return [
        *(f"{left:<{width}}   {right}" for left, right in rows),
        *_names("More: ", [row for row in COMMANDS if not row.daily and not row.rules]),
        *_names("For operators and owners of rooms: ", [row for row in COMMANDS if row.rules]),
        'More on one: "/help mute". The keys: "/help keys".',
        "Whoever is away gets what you say on return.",
    ]


def _names(head: str, rows: list[CommandHelp]) -> list[str]:
    return textwrap.wrap(head + " ".join(f"/{row.words[0]}" for row in rows), _WIDTH, subsequent_indent="  ")


#: What ``/help keys`` shows: those that mean more here than in other programs that read a line.
_KEYS: Final = (
    ("Tab", "complete names, rooms, @names and commands"),
    ("Alt-1 … Alt-9", "open the conversation with that number in the toolbar"),
    ("Alt-Left, Alt-Right", "open the one before, or the next; each keeps what you were typing"),
    ("Alt-Enter", "begin a new line in the same message"),
    ("1 … 9, or 0", "with nothing else typed: answer the question above the line, or decline it"),
    ("Ctrl-R, Up", "bring back what you wrote"),
    ("Ctrl-X Ctrl-E", "write it in your own editor, as /edit does"),
    ("Ctrl-C", "drop what you are typing; twice on an empty line, leave"),
    ("Ctrl-D", "on an empty line, leave"),
)


def command_help(word: str) -> list[str]:
    """Return what a command takes and does, or the nearest command where there is none like that."""
    if word.casefold() == "keys":
        width = max(len(key) for key, _ in _KEYS)
        return [f"{key:<{width}}   {meaning}" for key, meaning in _KEYS]
    row = _ROWS.get(word.removeprefix("/").casefold())
    if row is None:
        return [_unknown(word.removeprefix("/"), "/").sentence]
    return [f"{f'/{row.words[0]} {row.argument}'.rstrip()}   {row.help}", *row.more]


def usage(word: str) -> str:
    """Return how to write a command."""
    return f'Write "{f"/{word} {_ROWS[word].argument}".rstrip()}".'


def _shown(row: CommandHelp, word: str) -> str:
    return word if row.bare else f"/{word}"


def parse_line(
    line: str, conversation: str = "", known: Callable[[str], bool] = lambda _: True
) -> Say | Command | Unclear | None:
    """Return what the line means, or None where it is blank.

    Args:
        line: what was typed.
        conversation: the one that is open, to which a text goes that names no recipient; empty where there is none.
        known: whether a name that stands before a colon is a recipient, where a conversation is open.
    """
    stripped = line.strip()
    if not stripped:
        return None
    if "\n" in stripped and not _says(stripped):
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
        return _or_said(meaning, split_address(line)[2])
    if _is_addressed(line) and known(split_address(line)[0]):
        return meaning
    # Somebody who talks says "history is long" and "join us": only what can be nothing else is a command here.
    bare = _bare(line.strip())
    return bare if isinstance(bare, Command) else Say(conversation, line.rstrip("\r\n"))


def split_address(line: str) -> tuple[str, str, str]:
    """Return what stands before the first colon, that colon, and the rest; the first is bare of blanks."""
    colon = _COLON.search(line)
    if colon is None:
        return line.strip().strip(_UNSEEN), "", ""
    return line[: colon.start()].strip().strip(_UNSEEN).strip(), colon[0], line[colon.end() :]


def _says(line: str) -> bool:
    """Return whether a text of several lines begins with a command that says the rest of it."""
    first = line.partition("\n")[0]
    word, argument = (*first.split(maxsplit=1), "")[:2]
    row = _ROWS.get(word[1:].casefold()) if word.startswith("/") else None
    return row is not None and row.words[0] in _SAID and bool(argument)


def _lines(line: str, conversation: str, known: Callable[[str], bool]) -> Say | Unclear:
    """Return what several lines mean: they are a text, and no command whatever they begin with."""
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
    return _or_said(meaning, line)


def _or_said(meaning: Say | Command | Unclear, line: str) -> Say | Command | Unclear:
    """Return the meaning; of a word that is no command, also how it is said."""
    if isinstance(meaning, Unclear) and _first_word(line) not in ("", *_ROWS):
        return Unclear(f"{meaning.sentence} To say it as it stands, put /say in front.")
    return meaning


def _bare(line: str) -> Command | Unclear | None:
    """Return what a line means that begins with the word of a command, or None where it does not look like one."""
    word, argument = (*line.split(maxsplit=1), "")[:2]
    row = _ROWS.get(word.casefold())
    if row is None or (word.casefold() == _PROSE and argument) or not _fits(row, argument):
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
            return argument.casefold() != _PROSE and argument.removeprefix("/").casefold() in _ROWS
        case _:
            takes = row.argument.split()
            return not _TEXTS.isdisjoint(takes) or len(argument.split()) <= len(takes)


def _is_to_server(line: str) -> bool:
    """Return whether the line speaks to the server: whatever stands behind the colon is a command, or a mistake."""
    to, colon, text = split_address(line)
    return bool(colon) and unicodedata.normalize("NFKC", to).casefold() == "server" and not text.startswith("//")


def _is_addressed(line: str) -> bool:
    """Return whether a single word stands before a colon, and what stands behind does not make it an address."""
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
    """Return whether a text begins with a slash and the word of a command."""
    return text.startswith("/") and _first_word(text[1:]) in _ROWS


def _first_word(text: str) -> str:
    return next(iter(text.split(maxsplit=1)), "").casefold()


def resembled_command(line: str, known: Callable[[str], bool] = lambda _: False) -> str:
    """Return the command that someone may have meant by a line which is a text; empty if there is none.

    Args:
        line: one that :func:`parse_line` takes for a text.
        known: whether a word is the name of somebody.
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
        return _near_bare(word) if len(words) == 1 else ""
    argument = [one for one in words[1:] if one.strip(_ENDS)]
    if not argument or (row.bare and len(argument) == 1 and argument[0].casefold() != _PROSE):
        return _shown(row, word)
    fits = _fits(row, " ".join(argument)) and (
        is_room(argument[0]) or argument[0].startswith("-") or argument[0].isdecimal() or known(argument[0])
    )
    return f"/{word}" if fits else ""


def _near_bare(word: str) -> str:
    """Return the nearest of the commands that need no slash; empty if none is near."""
    bare = [one for one, row in _ROWS.items() if row.bare]
    return nearest(word, bare, _SIMILAR)


def _command(line: str, prefix: str) -> Command | Unclear:
    word, argument = (*line.split(maxsplit=1), "", "")[:2]
    argument = argument.strip()
    row = _ROWS.get(word.casefold())
    if row is None:
        return _unknown(word, prefix)
    if argument and not row.argument:
        return Unclear(f'"{prefix}{word.casefold()}" stands alone: drop what follows it.')
    if row.needs and not argument:
        return Unclear(usage(row.words[0]))
    return Command(row.words[0], argument)


def _unknown(line: str, prefix: str) -> Unclear:
    # Nobody is to send someone away by a slip of the finger.
    harmless = [word for word, row in _ROWS.items() if not row.rules]
    near = nearest(line.casefold(), harmless, _SIMILAR)
    hint = f'Did you mean "{prefix}{near}"?' if near else 'Type "help" to see what there is.'
    return Unclear(f'There is no command "{prefix}{line}". {hint}')
