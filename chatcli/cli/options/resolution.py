"""Resolves options that a command was not given: from ``config.toml``, the defaults and the login name."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from chatcli.client.storage.files import config_directory
from chatcli.errors import InputError
from chatcli.protocol.values.address import DEFAULT_HOST, DEFAULT_PORT, Address, parse_address

#: Settings that hold for one server only: they do not apply once another one is named.
_OF_ONE_SERVER: Final = frozenset({"server", "pin"})


class ConfigFile(NamedTuple):
    """The settings in ``config.toml``.

    Attributes:
        path: where it is, or would be.
        exists: whether it is there.
        values: settings for all servers, by the names of the commands' parameters.
        servers: settings of the servers that have a name, in the same form.
    """

    path: str
    exists: bool
    values: dict[str, object]
    servers: dict[str, dict[str, object]]

    def server(self, name: str) -> dict[str, object]:
        """Return the settings of the server of that name.

        Raises:
            InputError: it has no section; the sentence names those that have one.
        """
        if name in self.servers:
            return self.servers[name]
        if not self.servers:
            where = f"{self.path} names none" if self.exists else f"there is no {self.path}"
            raise InputError(
                f'There is no server "{name}": {where}. Write there [servers.{name}] and, below it, '
                'server = "HOST:PORT".'
            )
        from chatcli.cli.options.config_file import hint

        raise InputError(f'There is no server "{name}" in {self.path}. {hint(name, list(self.servers))}')


def read_config_file() -> ConfigFile:
    """Read ``config.toml``; without the file, nothing is set.

    Raises:
        InputError: it cannot be read, or has a mistake; the sentence names the line.
    """
    path = os.path.join(config_directory(), "config.toml")  # noqa: PTH118 (importing pathlib would be felt in `send`)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (as above)
            data = file.read()
    except FileNotFoundError:
        return ConfigFile(path, exists=False, values={}, servers={})
    except OSError as error:
        raise InputError(
            f"Cannot read {path} ({error.strerror or error}): make that possible, or move it away."
        ) from None
    from chatcli.cli.options.config_file import Reader  # only a file costs the time to import what reads it

    values, servers = Reader(path, data).settings()
    return ConfigFile(path, exists=True, values=values, servers=servers)


def resolve_options(context: click.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, those that were not given set by ``config.toml``.

    The settings of a named server are as strong as its name: if that is on the command line, they precede variables.
    If the command line or the environment says where the server is, nothing weaker does.

    Args:
        context: of the command.
        options: of the command, by name: given or default values.

    Raises:
        InputError: there is no server of that name, or the file has a mistake.
        click.UsageError: the command line, or the environment, says twice where the server is.
    """
    flags = _given(context, options, ParameterSource.COMMANDLINE)
    variables = _given(context, options, ParameterSource.ENVIRONMENT)
    named = flags.get("at", context.find_root().params.get("at"))
    addressed = _is_addressed(flags, variables, named)
    file = read_config_file()
    name = named or ("" if addressed else variables.get("at") or file.values.get("at"))
    section = file.server(str(name)) if name else {}
    stronger, weaker = (section, variables) if named else (variables, section)
    general = file.values
    if name or addressed:
        general = {key: value for key, value in general.items() if key not in _OF_ONE_SERVER}
    sources: ChainMap[str, Any] = ChainMap(flags, stronger, weaker, general, dict(options))
    return {option: sources[option] for option in options}


def _given(context: click.Context, options: Mapping[str, Any], source: ParameterSource) -> dict[str, Any]:
    return {name: value for name, value in options.items() if context.get_parameter_source(name) is source}


def _is_addressed(flags: Mapping[str, Any], variables: Mapping[str, Any], named: str | None) -> bool:
    """Return whether the server is given by its address.

    Raises:
        click.UsageError: it is given twice.
    """
    addresses = {"server", "host"} & flags.keys()
    if named and addresses:
        raise click.UsageError(f"--at and --{min(addresses)} both say where the server is: give one of them.")
    if named or addresses:
        return bool(addresses)
    if {"at", "server"} <= variables.keys():
        raise click.UsageError("CHATCLI_AT and CHATCLI_SERVER both say where the server is: set one of them.")
    return "server" in variables


def server_and_user(context: click.Context) -> tuple[Address, str]:
    """Return the server and the user of a command line that may be incomplete.

    Raises:
        ChatError: config.toml has a mistake, or an option.
        click.UsageError: the command line is contradictory, or the system does not know the login name.
    """
    resolved = resolve_options(context, {name: context.params.get(name) for name in ("at", "server", "user")})
    server = resolved["server"] or Address(DEFAULT_HOST, DEFAULT_PORT)
    return server if isinstance(server, Address) else parse_address(str(server)), resolved["user"] or default_name()


def default_name() -> str:
    """Return the user's login name on this machine, or what stands for the name that a token has.

    Raises:
        click.UsageError: the system does not know it.
        InputError: ``CHATCLI_TOKEN`` is no token.
    """
    if "CHATCLI_TOKEN" in os.environ:
        from chatcli.client.identity.token import token_in_environment

        if (token := token_in_environment()) is not None:
            return token.alias
    return login_name()


def login_name() -> str:
    """Return the user's login name on this machine.

    Raises:
        click.UsageError: the system does not know it.
    """
    from chatcli.client.identity import environment

    name = environment.login_name()
    if not name:
        raise click.UsageError("This system does not know your login name: say who you are with --user.")
    return name
