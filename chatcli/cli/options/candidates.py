"""Candidates for a shell that completes: people, rooms and servers, from the roster and the user's files.

Each function is a ``shell_complete`` of click's options and arguments. None of them waits for a server.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from chatcli.errors import ChatError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from chatcli.client.storage.roster import Known, Roster

_PRESENT: Final = 600  # seconds for which someone is taken to be where they were
_FORGOTTEN: Final = 10 * 365 * 86_400  # seconds after which nobody says when someone was seen
_ORDER: Final = {"here": 0, "away": 1}
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))


def people_and_rooms(context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return the people and rooms whose names begin with ``start``, those who are here first."""
    known = _roster(context)
    return _items(start, [*_people(known), *known.rooms()])


def people(context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return the people whose names begin with ``start``, those who are here first."""
    return _items(start, _people(_roster(context)))


def rooms(context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return the rooms whose names begin with ``start``."""
    return _items(start, _roster(context).rooms())


def recipients(context: click.Context, param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return people and rooms for the last of several names, which are separated by commas."""
    from click.shell_completion import CompletionItem

    before, comma, last = start.rpartition(",")
    found = people_and_rooms(context, param, last)
    if comma:
        from chatcli.protocol.values.names import fold

        written = {fold(name) for name in before.split(",")}
        found = [item for item in found if fold(item.value) not in written]
    return [CompletionItem(f"{before}{comma}{item.value}", help=item.help, many=True) for item in found]


def own_names(_context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return the names that the user has had."""
    from chatcli.client.storage import cache, roster

    return _beginning(start, dict.fromkeys((user for _, user in cache.entries_of(roster.KIND)), ""))


def servers(_context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return the addresses of servers that the user has spoken to."""
    from chatcli.client.storage import cache, roster

    return _beginning(start, dict.fromkeys((server for server, _ in cache.entries_of(roster.KIND)), ""))


def named_servers(_context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Return the names of servers in config.toml."""
    from chatcli.cli.options.resolution import read_config_file

    try:
        found = read_config_file().servers
    except ChatError:
        return []
    return _beginning(start, {name: str(section.get("server", "")) for name, section in found.items()})


def files(_context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Have the shell complete a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(start, type="file")]


def directories(_context: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem[str]]:
    """Have the shell complete a directory."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(start, type="dir")]


def _roster(context: click.Context) -> Roster:
    from chatcli.cli.options.resolution import server_and_user
    from chatcli.client.storage import roster

    return roster.load(*server_and_user(context))


def _people(known: Roster) -> list[Known]:
    now = time.time()
    return sorted(known.people(), key=lambda one: _ORDER.get(_state(one, now), 2))


def _items(start: str, known: Iterable[Known]) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    now, start = time.time(), start.casefold()
    return [
        CompletionItem(one.name, help=_description(one, now)) for one in known if one.name.casefold().startswith(start)
    ]


def _state(one: Known, now: float) -> str:
    return one.state if 0 <= now - one.at < _PRESENT else ""


def _description(one: Known, now: float) -> str | None:
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


def _beginning(start: str, found: Mapping[str, str]) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(name, help=about or None)
        for name, about in found.items()
        if name.startswith(start) and name.isprintable() and name
    ]
