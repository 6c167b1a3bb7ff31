"""The settings: one table for their flags, their variables and ``config.toml``, and how that file is read.

Only where there is a file does it cost the time to import what reads it, :mod:`chatcli.cli.options.config_file`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import click

from chatcli.cli.options.types import AddressType, FingerprintType, NamedServerType, UserType, WordsType
from chatcli.client.storage.files import config_directory
from chatcli.errors import InputError
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address


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
    def several(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.type, WordsType)

    @property
    def switch(self) -> bool:
        """Whether it is on or off."""
        return self.type is click.BOOL


def _choice(*words: str) -> click.ParamType[Any]:
    return click.Choice(words)


SETTINGS: Final = {
    setting.key: setting
    for setting in (
        Setting("at", NamedServerType("NAME"), None, "A server by its name in config.toml.", "none"),
        Setting("server", AddressType(), str(Address(DEFAULT_HOST, DEFAULT_PORT)), "Where the server is."),
        Setting("user", UserType(), None, "Who you are.", "your login name; join asks for one"),
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
        Setting(
            "alerts",
            WordsType(),
            None,
            "Words of which you are told as of your name, parted by commas; in config.toml a list.",
            "none",
        ),
        Setting("keys", _choice("emacs", "vi"), "emacs", "The keys with which a line is edited."),
        Setting("clock", _choice("24h", "12h"), "24h", "How times are written."),
    )
}

#: What belongs to one server, and is said for another by whoever says where that is.
_OF_ONE_SERVER: Final = frozenset({"server", "pin"})


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
        raise InputError(f'There is no server "{name}" in {self.path}. {hint(name, list(self.servers))}')


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
    from chatcli.cli.options.config_file import Reader

    return Reader(path, data).file()


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


def hint(word: str, known: list[str]) -> str:
    """Return what may have been meant by a word that is not among those that are known."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(known) or 'none'}."
