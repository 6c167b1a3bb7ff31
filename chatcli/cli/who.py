"""``chatcli who``: who is in the chat."""

from __future__ import annotations

import click

from chatcli.cli.options import server_option
from chatcli.protocol.address import Address


@click.command("who")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: user, and since when (RFC 3339).")
@server_option
def command(as_json: bool, server: Address) -> None:
    """List who is in the chat, one name a line."""
    from chatcli.client.oneshot import who
    from chatcli.protocol.text import printable_line

    for person in who(server):
        click.echo(_as_json(person.user, person.since) if as_json else printable_line(person.user))


def _as_json(user: str, since: int) -> str:
    import datetime

    import msgspec

    moment = datetime.datetime.fromtimestamp(since / 1000, datetime.UTC)
    return msgspec.json.encode({"user": user, "since": moment}).decode()
