"""What may stand for a person, a room or a server: from the roster and the files of the user, at no cost in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from click.core import ParameterSource
from click.shell_completion import CompletionItem

from chatcli.errors import ChatError
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address, parse_address

if TYPE_CHECKING:
    import click

    from chatcli.client.storage.roster import Known

_PRESENT: Final = 600  # seconds for which someone is taken to be where they were
_FORGOTTEN: Final = 10 * 365 * 86_400  # seconds after which nobody says when someone was seen
_ORDER: Final = {"here": 0, "away": 1}
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))

Items = list[CompletionItem[str]]


def server_and_user(context: click.Context) -> tuple[Address, str]:
    """Return the server that a command line is about, and the user.

    Raises:
        ChatError: config.toml has a mistake, or an option.
        click.UsageError: the command line is contradictory, or nobody knows the user.
    """
    from chatcli.cli.options.settings import Given, settle
    from chatcli.cli.options.shared import login_name

    options: dict[str, Any] = {"at": None, "server": None, "user": None}
    flags, variables = set(), set()
    for name in options:
        options[name] = context.params.get(name)
        source = context.get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            flags.add(name)
        elif source is ParameterSource.ENVIRONMENT:
            variables.add(name)
    before = context.find_root().params.get("at")
    settled = settle(options, Given(frozenset(flags), frozenset(variables)), before)
    server = settled["server"] or Address(DEFAULT_HOST, DEFAULT_PORT)
    return server if isinstance(server, Address) else parse_address(str(server)), settled["user"] or login_name()


def names(
    context: click.Context, incomplete: str, *, people: bool = True, rooms: bool = True, many: bool = False
) -> Items:
    """Return the people and rooms whose names begin like this, those who are here first.

    With ``many``, names may be parted by commas, and the last of them is completed.
    """
    from chatcli.client.storage import roster

    known = roster.load(*server_and_user(context))
    before, comma, start = incomplete.rpartition(",") if many else ("", "", incomplete)
    start = start.casefold()
    taken = {name.casefold() for name in before.split(",")}
    now = time.time()
    some = sorted(known.people(), key=lambda one: _ORDER.get(_state(one, now), 2)) if people else []
    some += known.rooms() if rooms else []
    return [
        CompletionItem(f"{before}{comma}{one.name}", help=_described(one, now), many=many)
        for one in some
        if one.name.casefold().startswith(start) and one.name.casefold() not in taken
    ]


def _state(one: Known, now: float) -> str:
    return one.state if 0 <= now - one.at < _PRESENT else ""


def _described(one: Known, now: float) -> str | None:
    """Return where someone is, or was when they were seen last."""
    if one.name.startswith("#"):
        return "room"
    if (state := _state(one, now)) or not one.at:
        return state or None
    past = now - one.at
    if not _UNITS[-1][1] <= past < _FORGOTTEN:  # this moment, in time to come, or before there was a chat
        return None
    ago = next(f"{int(past // size)}{unit}" for unit, size in _UNITS if past >= size)
    return f"{'gone' if one.state == 'gone' else 'seen'} {ago} ago"


def users(incomplete: str) -> Items:
    """Return the names that the user has had."""
    from chatcli.client.storage import cache, roster

    return _beginning(incomplete, dict.fromkeys(user for _, user in cache.places(roster.KIND)))


def servers(incomplete: str) -> Items:
    """Return the servers that the user has spoken to."""
    from chatcli.client.storage import cache, roster

    return _beginning(incomplete, dict.fromkeys(server for server, _ in cache.places(roster.KIND)))


def named_servers(incomplete: str) -> Items:
    """Return the servers that config.toml names."""
    from chatcli.cli.options.settings import read_settings

    try:
        found = read_settings().servers
    except ChatError:
        return []
    return _beginning(incomplete, {name: str(said.get("server", "")) for name, said in found.items()})


def _beginning(start: str, found: dict[str, Any]) -> Items:
    return [
        CompletionItem(name, help=about or None)
        for name, about in found.items()
        if name.startswith(start) and name.isprintable() and name
    ]
