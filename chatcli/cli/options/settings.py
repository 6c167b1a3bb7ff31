"""The settings: one table for their flags, their variables and their keys in ``config.toml``."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import click

from chatcli.cli.options.types import AddressType, FingerprintType, TextType, WordsType
from chatcli.protocol.values.address import DEFAULT_HOST, DEFAULT_PORT, Address


class Setting(NamedTuple):
    """An option that is also a variable and a key of ``config.toml``.

    Attributes:
        key: its key in the file; its flag and its variable follow from that.
        type: of its value.
        default: its value if it is set nowhere; None if the command finds that out.
        help: what it means, for ``--help`` and the page on settings.
        otherwise: the default in words, if the command finds it out.
    """

    key: str
    type: click.ParamType[Any]
    default: object
    help: str
    otherwise: str = ""

    @property
    def name(self) -> str:
        """Its parameter of the commands."""
        return self.key.replace("-", "_")

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return f"--{self.key}/--no-{self.key}" if self.switch else f"--{self.key}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"CHATCLI_{self.name.upper()}"

    @property
    def several(self) -> bool:
        """Whether it is a list of words."""
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
        Setting("at", TextType("NAME"), None, "A server by its name in config.toml.", "none"),
        Setting(
            "server",
            AddressType(),
            str(Address(DEFAULT_HOST, DEFAULT_PORT)),
            "Where the server is; https://HOST[:PORT][/PATH] goes through HTTP.",
        ),
        Setting(
            "user",
            TextType(),
            None,
            "Who you are.",
            "your login name, or `GITHUB_USER` in a codespace; join asks for one",
        ),
        Setting(
            "pin", FingerprintType(), None, "The fingerprint of the server's key: speak to no other.", "the known key"
        ),
        Setting(
            "accept-new",
            click.BOOL,
            False,
            "Trust a server that is not known yet, whatever its key. Otherwise you are asked, or it is refused where "
            "there is no terminal to ask on.",
        ),
        Setting("receipts", click.BOOL, True, "Let others know what you have seen."),
        Setting(
            "plain",
            click.BOOL,
            None,
            "Print plain lines without colour, and never move the cursor: for screen readers, braille and simple "
            "terminals.",
            "off, unless the terminal supports no more",
        ),
        Setting("color", _choice("auto", "always", "never"), "auto", "Use colours; auto: unless NO_COLOR is set."),
        Setting("background", _choice("auto", "dark", "light"), "auto", "The terminal's background; auto: either."),
        Setting(
            "notify",
            _choice("bell", "osc", "off"),
            "bell",
            "How to announce mentions and direct messages: by the bell, a desktop notification, or not.",
        ),
        Setting(
            "alerts",
            WordsType(),
            None,
            "Words that are announced like your name, separated by commas; in config.toml a list.",
            "none",
        ),
        Setting("keys", _choice("emacs", "vi"), "emacs", "The keys for editing a line."),
        Setting("clock", _choice("24h", "12h"), "24h", "How times are written."),
    )
}
