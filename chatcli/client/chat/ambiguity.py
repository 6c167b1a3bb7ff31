"""Typed lines that may have been meant otherwise: with a recipient, as a text, as a command, or as an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.questions import NO_CHOICE, OpenQuestions, Question, answered_with
from chatcli.errors import InputError
from chatcli.protocol.grammar import (
    NO_RECIPIENT,
    Command,
    Say,
    Unclear,
    begins_like_command,
    resembled_command,
    split_address,
)
from chatcli.protocol.values.names import ROOM_SIGN, check_room_name, fold, is_room
from chatcli.protocol.values.text import printable_line

#: Where a line comes from: the keyboard; the clipboard; an earlier visit or the history of the input line; or several
#: lines that a terminal delivers at once, which is a paste in terminals that do not mark one.
Origin = Literal["typed", "pasted", "kept", "burst"]
Meaning = Say | Command | Unclear | None

_SCHEMES: Final = frozenset(
    ("mailto", "tel", "sms", "xmpp", "magnet", "data", "urn", "news", "irc", "ircs", "git", "sip", "geo", "bitcoin")
)
_OPENING: Final = "([{<\"'`*_„“«"  # may precede a word
_QUOTING: Final = "([{<\"'`*„“«"  # begins a quotation or markup, and nobody's name
# A smiley after its eyes, or what follows the first colon of :this:
_SMILEY: Final = re.compile(r"[-^']?[)(\]\[}{/\\|*>DPpOoXxSs$3]+(?![^\W_])|[\w+-]+[:：]")
_PORT: Final = re.compile(r"\d+(?!\w)")
_SHOWN: Final = 40  # characters of a line in a sentence


class Doubt(NamedTuple):
    """The reason to hold a line.

    Attributes:
        reason: what may have been meant, as the beginning of a sentence.
        meaning: what a second Enter does.
        remedy: how to write the other meaning; empty if nothing needs to be said.
        key: what the user confirms with a second Enter, and is not asked again; empty if they are asked each time.
    """

    reason: str
    meaning: Meaning
    remedy: str = ""
    key: str = ""


class DoubtFinder:
    """Finds the reason to hold a line, if there is one.

    Args:
        contacts: the people and rooms that the user knows of.
        questions: those that the user may answer.
        scripted: whether a program writes the lines: only their words make them doubtful then.
    """

    def __init__(self, contacts: Contacts, questions: OpenQuestions, *, scripted: bool) -> None:
        self._contacts = contacts
        self._questions = questions
        self._scripted = scripted
        self._texts: set[str] = set()  # words before a colon that the user has confirmed to be text, folded

    def find(self, line: str, meaning: Meaning, origin: Origin) -> Doubt | None:
        """Return the reason to hold a line; None if there is none."""
        if self._scripted:
            return self._command(line, meaning, lambda _: False)
        if origin == "pasted":
            return None
        if origin == "burst":
            count = line.strip().count("\n") + 1
            return Doubt(f"{count} lines pasted", meaning) if isinstance(meaning, Say) else None
        for find in (self._answer_or_text, self._recipient, self._addressed, self._named, self._mentioned):
            if doubt := find(line, meaning):
                return doubt
        return self._several_lines(line, meaning, origin) or self._command(line, meaning, self._contacts.is_known)

    def confirm(self, key: str) -> None:
        """Record that the user has confirmed the meaning of a line, by the key of the doubt."""
        kind, _, word = key.partition(" ")
        if kind == "name":
            self._texts.add(word)
        elif kind == "person":
            self._texts.discard(word)

    def possible_answer(self, line: str) -> tuple[Question, int | None] | None:
        """Return the question that a line may answer, and the number of its choice if it has such a choice."""
        for question in (*self._questions.open(), *self._questions.lately()):
            choice = answered_with(line, question)
            if choice is not None:
                return question, choice if choice != NO_CHOICE else None
        return None

    def _is_text(self, line: str, meaning: Meaning) -> bool:
        """Return whether a line names no recipient, and goes to the open conversation as it is."""
        return isinstance(meaning, Say) and meaning == Say(self._current, line.rstrip("\r\n"))

    @property
    def _current(self) -> str:
        return self._contacts.conversations.current

    # Answers

    def _answer_or_text(self, line: str, meaning: Meaning) -> Doubt | None:
        if not (self._is_text(line, meaning) or meaning == NO_RECIPIENT):
            return None
        if (found := self.possible_answer(line)) is None:
            return None
        question, choice = found
        said = f'{"" if self._current else "To whom? "}"{shortened(line)}"'
        remedy = f"/say {shortened(line)} sends it to {printable_line(self._current)}" if self._current else ""
        if question in self._questions.open() and choice is not None:
            act = Command("answer", f"{question.seq} [{choice + 1}]")
            return Doubt(f"{said} may be meant for the question", act, remedy)
        over = "not a choice of the question" if question in self._questions.open() else "too late for the question"
        return Doubt(f"{said} is {over}", meaning, "", f"over {question.seq} {line}") if self._current else None

    # Recipients

    def _recipient(self, line: str, meaning: Meaning) -> Doubt | None:
        writer = self._contacts.conversations.only_writer()
        if meaning != NO_RECIPIENT or not writer:
            return None
        return Doubt("To whom?", Say(writer, line.rstrip("\r\n")), 'or write "name: text"')

    def _addressed(self, line: str, meaning: Meaning) -> Doubt | None:
        """Return the doubt about a line to a known recipient."""
        if not isinstance(meaning, Say) or self._is_text(line, meaning) or line.lstrip().startswith("/"):
            return None
        to, _, rest = split_address(line)
        if fold(to) != fold(meaning.to):
            return None
        here = printable_line(self._current)
        if self._current and fold(to) in self._texts:
            return Doubt(
                f"Somebody is called {printable_line(to)} now", meaning, _to_say_it(here), f"person {fold(to)}"
            )
        if self._current and (sign := _sign_with_colon(to, rest)):
            return Doubt(f"That may be a {sign}", meaning, _to_say_it(here))
        if begins_like_command(meaning.text):
            return Doubt(
                "A command must be at the beginning of a line", meaning, "", f"slash {meaning.text.split()[0]}"
            )
        return None

    def _named(self, line: str, meaning: Meaning) -> Doubt | None:
        """Return the doubt about a text that may begin with an unknown recipient."""
        if not self._is_text(line, meaning):
            return None
        to, colon, rest = split_address(line)
        if not colon:
            return self._after_other_sign(line, meaning)
        if len(to.split()) != 1 or "," in to:
            parts = re.split(r"[,\s]+", to)
            several = len(parts) > 1 and all(map(self._contacts.is_known, parts))
            return Doubt("A message goes to one person or room", meaning) if several else None
        bare = to.removeprefix("@")
        if bare != to and self._contacts.is_known(bare):
            remedy = f'write "{printable_line(bare)}: …" to talk to {printable_line(bare)}'
            return Doubt(f"{printable_line(to)} is only a mention", meaning, remedy, f"mention {fold(bare)}")
        if not may_be_name(to, rest) or _is_smiley(line, rest):
            return self._after_other_sign(line, meaning)
        name = printable_line(to)
        meant = self._contacts.resembling(to)
        hint = f"; did you mean {printable_line(meant)}?" if meant else ""
        remedy = f'write "/to {name}" to talk to somebody new'
        word = "" if meant else f"name {fold(to)}"  # a typing mistake is asked about each time
        return Doubt(f"Nobody called {name} is known{hint}", meaning, remedy, word)

    def _after_other_sign(self, line: str, meaning: Meaning) -> Doubt | None:
        """Return the doubt about a text that begins with a name and a sign like a colon, or with a room."""
        first = line.split(maxsplit=1)[0]
        name = re.split(r"[;∶ː]", first)[0]
        elsewhere = bool(name) and not self._contacts.conversations.is_current(name)
        if name != first and elsewhere and self._contacts.is_known(name):
            remedy = f'write "{printable_line(name)}: …" to talk to {printable_line(name)}'
            return Doubt(f"Only a colon makes {printable_line(name)} the recipient", meaning, remedy)
        room = first.rstrip(".,;!?-")
        if is_room(room) and room != ROOM_SIGN and elsewhere and _is_room_name(room):
            remedy = f'write "{printable_line(room)}: …" to say it in {printable_line(room)}'
            return Doubt(f"There is no colon after {printable_line(room)}", meaning, remedy, f"room {fold(room)}")
        return None

    def _mentioned(self, line: str, meaning: Meaning) -> Doubt | None:
        """Return the doubt about a text that mentions somebody else than the person who would get it."""
        if not self._is_text(line, meaning) or is_room(self._current):
            return None
        first = line.split(maxsplit=1)[0]
        name = first[1:].rstrip(".,:;!?-")
        if first[0] not in "@＠" or self._contacts.conversations.is_current(name) or not _is_room_name(f"#{name}"):
            return None
        remedy = f'write "{printable_line(name)}: …" to talk to {printable_line(name)}'
        here = printable_line(self._current)
        return Doubt(f"Only {here} reads what you write here", meaning, remedy, f"mention {fold(name)}")

    # Commands and texts

    def _several_lines(self, line: str, meaning: Meaning, origin: Origin) -> Doubt | None:
        if "\n" not in line.strip() or not isinstance(meaning, Say):
            return None
        first, _, rest = line.strip().partition("\n")
        if self._is_text(line, meaning):
            like_command = first.startswith("/") or split_address(first)[0].casefold() == "server"
            return Doubt("Several lines are a text, not a command", meaning) if like_command else None
        addressed = any(self._contacts.is_known(split_address(one)[0]) for one in rest.split("\n") if ":" in one)
        if origin == "kept" or addressed:
            return Doubt("Several lines are one message", meaning)
        return None

    def _command(self, line: str, meaning: Meaning, is_known: Callable[[str], bool]) -> Doubt | None:
        if not self._is_text(line, meaning):
            return None
        command = resembled_command(line, is_known)
        if not command:
            return None
        reason = f'"{shortened(line)}" is a text; the command is "{command}"'
        remedy = "put /say in front to send it" if self._scripted else ""
        return Doubt(reason, meaning, remedy, f"text {line.strip().casefold()}")


def _sign_with_colon(to: str, rest: str) -> str:
    """Return "time" or "smiley" if a known name, its colon and the text after it may be one; else an empty string."""
    if to.isdecimal() and rest[:1].isdigit():
        return "time"
    return "smiley" if _SMILEY.fullmatch(rest.rstrip()) else ""


def _is_smiley(line: str, rest: str) -> bool:
    """Return whether the first colon of a line follows a blank, as the eyes of a smiley do."""
    return line[: -len(rest) - 1][-1:].isspace() and _SMILEY.match(rest) is not None


def may_be_name(word: str, rest: str) -> bool:
    """Return whether a word before a colon may be a name, and is not the beginning of a link, of code or of a time."""
    bare = word.lstrip(_OPENING)
    link = (bare.casefold() in _SCHEMES and rest[:1].strip() != "") or rest.startswith(("//", "\\"))
    port = ("." in bare or bare.casefold() == "localhost") and _PORT.match(rest) is not None
    code = rest[:1] == ":" and rest[1:2].strip() != ""  # std::vector
    return (
        not (link or port or code or word.startswith(tuple(_QUOTING)))
        and not bare.isdecimal()
        and any(map(str.isalnum, bare))
        and _is_room_name(f"{ROOM_SIGN}{word.removeprefix(ROOM_SIGN)}")
    )


def names_recipient(line: str) -> bool:
    """Return whether a line names its recipient, as each of several lines does that were typed on a slow connection."""
    to, colon, rest = split_address(line)
    return bool(colon and rest.strip()) and to.casefold() != "server" and may_be_name(to, rest)


def _is_room_name(word: str) -> bool:
    """Return whether this is a valid name of a room, for which no word is reserved."""
    try:
        check_room_name(word)
    except InputError:
        return False
    return True


def shortened(text: str) -> str:
    """Return the beginning of a text as one printable line."""
    line = printable_line(text.strip()[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _to_say_it(here: str) -> str:
    return f"put /say in front to send the whole line to {here}"
