"""``chatcli who``: who is in the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import login_name, server_options, user_option
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.trust import Trust


@click.command("who")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: user, and since when (RFC 3339).")
@user_option("Who you are, for servers that answer only those they know.  [default: your login name]")
@server_options
def command(as_json: bool, user: str | None, server: Address, trust: Trust) -> None:
    """List who is in the chat, one name a line."""
    from chatcli.client.oneshot import who
    from chatcli.protocol.text import printable_line

    for person in who(server, trust, user or login_name()):
        click.echo(_as_json(person.user, person.since) if as_json else printable_line(person.user))


def _as_json(user: str, since: int) -> str:
    import datetime

    import msgspec

    moment = datetime.datetime.fromtimestamp(since / 1000, datetime.UTC)
    return msgspec.json.encode({"user": user, "since": moment}).decode()
