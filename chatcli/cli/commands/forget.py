"""``chatcli forget``: forgets a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import loudness_options
from chatcli.cli.options.types import AddressType
from chatcli.protocol.values.address import Address

if TYPE_CHECKING:
    from chatcli.client.oneshot.server_data import ServerData

_UNKNOWN = 3  # the exit status for a server that is not known


@click.command("forget")
@click.argument("server", metavar="HOST[:PORT]|URL", type=AddressType(), shell_complete=candidates.servers)
@click.option("--yes", is_flag=True, help="Do not ask.")
@loudness_options
def command(server: Address, yes: bool) -> None:
    """Forget a server: its key, and all data about it on this machine.

    The data are messages that wait to be sent, drafts, the history of typed lines, positions of listeners, and the
    names that the shell completes. You are shown what would be lost, and asked first. Nothing on the server changes.

    A server that has moved is known at several addresses. Then only this address is forgotten, and the data stay with
    the others. The status is 3 if there is nothing to forget, and 7 after a "no".
    """
    from chatcli.cli.exit_status import DECLINED
    from chatcli.cli.output.streams import notice
    from chatcli.client.oneshot import server_data

    found = server_data.find(server)
    if found.is_empty:
        _refuse(server)
    if not yes and not _agreed(found):
        notice("Nothing was forgotten.")
        click.get_current_context().exit(DECLINED)
    server_data.forget(found)
    notice(f"{server} is forgotten.")


def _refuse(server: Address) -> None:
    from chatcli.cli.output.streams import warn
    from chatcli.client.oneshot import server_data

    near = ", ".join(map(str, server_data.similar_servers(server)))
    warn(f"Nothing is known of a server at {server}." + (f" Known are: {near}." if near else ""))
    click.get_current_context().exit(_UNKNOWN)


def _agreed(kept: ServerData) -> bool:
    """Show what would be lost, and ask."""
    from chatcli.cli.options.shared import asker

    ask = asker()
    if ask is None:
        raise click.UsageError(f"There is no terminal to ask on: --yes forgets {kept.server}. {' '.join(_lost(kept))}")
    return ask("\n".join([*_lost(kept), "Forget it?"]))


def _lost(kept: ServerData) -> list[str]:
    """Return sentences on what would be lost."""
    from chatcli.protocol.values.text import printable_line

    keys = f"the key {', '.join(kept.keys)}" if kept.keys else "no key"
    lines = [f"Data about the server at {kept.server}: {keys}."]
    if kept.elsewhere:
        lines.append(f"It is known at {', '.join(map(str, kept.elsewhere))} too: its data stay.")
    if kept.messages:
        count = len(kept.messages)
        recipients = ", ".join(dict.fromkeys(printable_line(entry.message.to) for entry in kept.messages))
        are = "1 message that was not sent is" if count == 1 else f"{count} messages that were not sent are"
        lines.append(f"{are} lost, to {recipients}: chatcli outbox shows them.")
    if kept.files:
        lines.append("Drafts, the history of typed lines or positions of listeners are lost.")
    return lines
