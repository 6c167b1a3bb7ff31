"""The command as a whole: help, version, mistakes, statuses."""

from __future__ import annotations

import click
import pytest

from chatcli import __version__
from chatcli.cli.main import COMMANDS, cli
from chatcli.cli.statuses import EXIT_STATUSES, exit_status
from chatcli.errors import (
    ChatError,
    InputError,
    ProtocolError,
    Refused,
    ServeError,
    ServerNotTrusted,
    ServerUnreachable,
    StoreError,
    UnknownAsker,
    UnknownRecipient,
    UnknownServer,
)
from tests.support import chatcli


def test_help_names_every_command_and_every_status() -> None:
    """``chatcli --help`` shows what there is and what the statuses mean."""
    done = chatcli("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in done.stdout
    for meaning in EXIT_STATUSES.values():
        assert meaning in done.stdout


def test_lists_of_commands_are_not_cut() -> None:
    """What a command does is said in so few characters that a narrow terminal shows all of them."""
    groups: list[click.Command | None] = [cli, *(cli.get_command(click.Context(cli), name) for name in COMMANDS)]
    for group in groups:
        if isinstance(group, click.Group):
            for name in group.list_commands(click.Context(group)):
                command = group.get_command(click.Context(group), name)
                assert command is not None
                short = command.get_short_help_str(45)
                assert len(short) <= 45, name
                assert not short.endswith("..."), name


def test_without_a_command_there_is_help() -> None:
    """Someone who types only ``chatcli`` learns what to type."""
    done = chatcli()
    assert "chatcli serve" in done.stdout + done.stderr


def test_version() -> None:
    """``--version`` prints the version."""
    assert chatcli("--version").stdout == f"chatcli {__version__}\n"


def test_a_mistyped_command_gets_the_nearest() -> None:
    """The sentence names what may have been meant."""
    done = chatcli("jion")
    assert done.returncode == 2
    assert 'There is no command "jion". Did you mean "join"?' in done.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_nobody_reading_the_help_is_no_accident(command: list[str]) -> None:
    """Help goes to standard output, with status 0, and every command has one."""
    done = chatcli(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: chatcli")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ChatError("x"), 1),
        (ProtocolError("x"), 1),
        (StoreError("x"), 1),
        (ServeError("x"), 1),
        (InputError("x"), 2),
        (UnknownRecipient("unknown_user", "x", []), 3),
        (UnknownAsker("unknown_user", "x", []), 3),
        (Refused("bad_name", "x"), 4),
        (ServerNotTrusted("x"), 4),
        (UnknownServer("x", "SHA256:x"), 4),
        (ServerUnreachable("x"), 5),
    ],
)
def test_each_kind_of_failure_has_its_status(error: ChatError, status: int) -> None:
    """The table of statuses covers every exception."""
    assert exit_status(error) == status
    assert status in EXIT_STATUSES
