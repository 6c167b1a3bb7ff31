"""The settings: one table for their flags, their variables and ``config.toml``, and how that file is read.

A mistake in the file is named with its line. Only where there is a file does it cost the time to import what reads it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import click

from chatcli.cli.values import AddressType, FingerprintType, TextType
from chatcli.client.files import config_directory
from chatcli.errors import InputError
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address

_SERVERS: Final = "servers"  # the table of those that have a name


class Setting(NamedTuple):
    """Something that is chosen once rather than every time.

    Attributes:
        key: how it is called in the file; its flag and its variable follow from that.
        type: what it may be.
        default: what holds where nobody says anything; None where that is for the command to find out.
        help: what it means, for ``--help`` and the page on settings.
        otherwise: what the command finds out, in words.
    """

    key: str
    type: click.ParamType[Any]
    default: object
    help: str
    otherwise: str = ""

    @property
    def name(self) -> str:
        """The parameter of the commands."""
        return self.key.replace("-", "_")

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return f"--{self.key}/--no-{self.key}" if self.switch else f"--{self.key}"

    @property
    def variable(self) -> str:
        """How it is called in the environment."""
        return f"CHATCLI_{self.name.upper()}"

    @property
    def switch(self) -> bool:
        """Whether it is on or off."""
        return self.type is click.BOOL


def _choice(*words: str) -> click.ParamType[Any]:
    return click.Choice(words)


SETTINGS: Final = {
    setting.key: setting
    for setting in (
        Setting("at", TextType("NAME"), None, "The server that config.toml calls so.", "none"),
        Setting("server", AddressType(), str(Address(DEFAULT_HOST, DEFAULT_PORT)), "Where the server is."),
        Setting("user", TextType(), None, "Who you are.", "your login name; join asks for one"),
        Setting(
            "pin", FingerprintType(), None, "The fingerprint of the server's key: speak to no other.", "the known key"
        ),
        Setting(
            "accept-new",
            click.BOOL,
            False,
            "Trust a server that is not known yet, whatever its key; without this, and without a terminal to ask on, "
            "it is refused.",
        ),
        Setting("receipts", click.BOOL, True, "Let others know what you have seen."),
        Setting(
            "plain",
            click.BOOL,
            None,
            "Plain lines one below the other, without colour, and the cursor is never moved: for screen readers, "
            "braille and simple terminals.",
            "off, unless the terminal can do no more",
        ),
        Setting("color", _choice("auto", "always", "never"), "auto", "Colours; auto: unless NO_COLOR is set."),
        Setting(
            "background", _choice("auto", "dark", "light"), "auto", "What the colours are to be read on; auto: either."
        ),
        Setting(
            "notify",
            _choice("bell", "osc", "off"),
            "bell",
            "How you are told of mentions and direct messages: the bell, a notice of the desktop, or not.",
        ),
        Setting("keys", _choice("emacs", "vi"), "emacs", "The keys with which a line is edited."),
        Setting("clock", _choice("24h", "12h"), "24h", "How times are written."),
    )
}

#: What belongs to one server, and is said for another by whoever says where that is.
_OF_ONE_SERVER: Final = frozenset({"server", "pin"})

#: What Python says of mistakes that are made often, and what we say.
_IN_PLAIN_WORDS: Final = {
    "Expected newline or end of document after a statement": (
        'There is more here than one value; text stands in quotes, as in clock = "12h"'
    ),
    "Invalid value": 'This is no value; text stands in quotes, as in user = "alice"',
    "Illegal character '\\n'": "A quote is missing at the end of this line",
    "Unterminated string": "A quote is missing at the end of this line",
    "Cannot overwrite a value": "This is set already, further above",
}


class File(NamedTuple):
    """What ``config.toml`` says.

    Attributes:
        path: where it is, or would be.
        there: whether it is.
        values: what holds for all servers, by the names of the commands' parameters.
        servers: what holds for those that have a name.
    """

    path: str
    there: bool
    values: dict[str, object]
    servers: dict[str, dict[str, object]]

    def server(self, name: str) -> dict[str, object]:
        """Return what holds for the server of that name.

        Raises:
            InputError: there is none; the sentence names those there are.
        """
        if name in self.servers:
            return self.servers[name]
        if not self.servers:
            where = f"{self.path} names none" if self.there else f"there is no {self.path}"
            raise InputError(
                f'There is no server "{name}": {where}. Write there [servers.{name}] and, below it, '
                'server = "HOST:PORT".'
            )
        raise InputError(f'There is no server "{name}" in {self.path}. {_hint(name, list(self.servers))}')


def settings_path() -> str:
    """Return where the file is, or would be."""
    return os.path.join(config_directory(), "config.toml")  # noqa: PTH118 (importing pathlib would be felt in `send`)


def read_settings() -> File:
    """Read the file; where there is none, nothing is set.

    Raises:
        InputError: it cannot be read, or there is a mistake in it; the sentence names the line.
    """
    path = settings_path()
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (as above)
            data = file.read()
    except FileNotFoundError:
        return File(path, there=False, values={}, servers={})
    except OSError as error:
        raise InputError(
            f"Cannot read {path} ({error.strerror or error}): make that possible, or move it away."
        ) from None
    return _Reader(path, data).file()


class Given(NamedTuple):
    """Which options a command was given, by name: on the command line, and in the environment."""

    flags: frozenset[str]
    variables: frozenset[str]


def settle(options: Mapping[str, Any], given: Given, before: str | None) -> dict[str, Any]:
    """Return the options with what the file says in place of what was not given.

    What is said of a named server counts as if it were said where the name is: a name on the command line is stronger
    than variables. Who says where a server is, by name or by address, is not told where by anything weaker.

    Args:
        options: of the command, by name.
        given: which of them were.
        before: the name of a server that was given before the command.

    Raises:
        InputError: there is no server of that name, or a mistake in the file.
        click.UsageError: the command line, or the environment, says twice where the server is.
    """
    called = options["at"] if "at" in given.flags else before
    if called and (twice := {"server", "host"} & given.flags):
        raise click.UsageError(f"--at and --{min(twice)} both say where the server is: give one of them.")
    addressed = not called and bool({"server", "host"} & given.flags)
    if not called and not addressed:
        if {"at", "server"} <= given.variables:
            raise click.UsageError("CHATCLI_AT and CHATCLI_SERVER both say where the server is: set one of them.")
        addressed = "server" in given.variables
    file = read_settings()
    name = called or ("" if addressed else options["at"] or file.values.get("at"))
    section = file.server(str(name)) if name else {}
    general = {key: value for key, value in file.values.items() if not (name or addressed) or key not in _OF_ONE_SERVER}
    weak = {key: value for key, value in general.items() if key not in given.flags | given.variables}
    strong = {
        key: value
        for key, value in section.items()
        if key not in given.flags and (called or key not in given.variables)
    }
    settled = {**weak, **strong}
    return {option: settled.get(option, value) for option, value in options.items()}


class _Reader:
    """Reads the text of a file, and finds the lines of mistakes in it."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._text = self._decoded(data)

    def file(self) -> File:
        """Return what the file says."""
        import tomllib

        try:
            table = tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:  # of TOML, of a number with too many digits, of too much nesting
            raise self._unreadable(str(error)) from None
        servers = table.pop(_SERVERS, {})
        if not isinstance(servers, dict):
            raise self._mistake([_SERVERS], f"{_SERVERS} is no setting: a server is named with [servers.NAME].")
        values = self._values(table, [])
        if {"at", "server"} <= values.keys():
            raise self._mistake(["at"], "at and server both say where the server is: keep one of them.")
        named = {name: self._server(name, said) for name, said in servers.items()}
        if "at" in values and values["at"] not in named:
            raise self._mistake(["at"], f'There is no server "{values["at"]}". {_hint(str(values["at"]), list(named))}')
        return File(self._path, there=True, values=values, servers=named)

    def _server(self, name: str, said: object) -> dict[str, object]:
        place = [_SERVERS, name]
        if not isinstance(said, dict):
            raise self._mistake(place, f'"{name}" is no setting of a server: one is named with [servers.NAME].')
        if "server" not in said:
            raise self._mistake(place, f'Nothing says where "{name}" is: add server = "HOST:PORT".')
        return self._values(said, place)

    def _values(self, table: dict[str, object], place: list[str]) -> dict[str, object]:
        return {
            SETTINGS[key].name: self._value(key, said, place)
            for key, said in table.items()
            if self._is_known(key, place)
        }

    def _is_known(self, key: str, place: list[str]) -> bool:
        known = [one for one in SETTINGS if not place or one != "at"]
        if key not in known:
            raise self._mistake(
                [*place, key], f'There is no setting "{key}"{" of a server" * bool(place)}. {_hint(key, known)}'
            )
        return True

    def _value(self, key: str, said: object, place: list[str]) -> object:
        setting = SETTINGS[key]
        if isinstance(said, dict):
            hint = f" A server is named with [servers.{next(iter(said), 'NAME')}]." if key == "server" else ""
            raise self._mistake([*place, key], f"{key} is no table of settings.{hint}")
        if setting.switch != isinstance(said, bool) or not isinstance(said, bool | str):
            form = "true or false, without quotes" if setting.switch else "text in quotes"
            raise self._mistake([*place, key], f"{key} is {form}.")
        try:
            return setting.type.convert(said, None, None)
        except (InputError, click.UsageError) as error:
            raise self._mistake(
                [*place, key], f"{key}: {error if isinstance(error, InputError) else error.message}"
            ) from None

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._at(line, "this is not text in UTF-8.") from None

    def _mistake(self, place: list[str], sentence: str) -> InputError:
        return self._at(self._line(place), sentence)

    def _at(self, line: int | str, sentence: str) -> InputError:
        return InputError(f"{self._path}, line {line}: {sentence}")

    def _unreadable(self, message: str) -> InputError:
        """Put what Python says of text that is not TOML into one of our sentences."""
        what, _, where = message.rpartition(" (at ")
        numbers = [int(word) for word in where.strip("line )").replace(",", "").split() if word.isdigit()]
        line, *column = numbers or [self._text.rstrip().count("\n") + 1]
        place = f"{line}, column {column[0]}" if column else line
        return self._at(place, f"{_IN_PLAIN_WORDS.get(what, what)}.")

    def _line(self, place: list[str]) -> int:
        """Return the line on which something begins: with it, what can be read of the text so far has it.

        Reading them again and again takes long for thousands of lines, but only once somebody is to mend one of them.
        """
        import tomllib

        begin = 1
        lines = self._text.split("\n")
        for count in range(1, len(lines) + 1):
            try:
                table: object = tomllib.loads("\n".join(lines[:count]))
            except tomllib.TOMLDecodeError:  # in the middle of a text or list of several lines
                continue
            for key in place:
                table = table.get(key) if isinstance(table, dict) else None
            if table is not None:
                return begin
            begin = count + 1
        raise AssertionError  # it was read from there


def _hint(word: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(known) or 'none'}."
