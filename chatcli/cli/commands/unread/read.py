"""``chatcli read``: marks conversations as read, or as unread."""

from __future__ import annotations

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.parser import Command
from chatcli.cli.options.shared import Account, server_options, setting_option, user_option
from chatcli.cli.options.types import NameType


@click.command("read", cls=Command)
@click.argument("of", nargs=-1, type=NameType(), metavar="[OF]...", shell_complete=candidates.people_and_rooms)
@click.option("--all", "everything", is_flag=True, help="Mark all conversations as read.")
@click.option("--unread", "back", is_flag=True, help="Mark the last message from others as unread again.")
@setting_option("receipts")
@user_option()
@server_options
def command(of: tuple[str, ...], everything: bool, back: bool, receipts: bool, account: Account) -> None:
    """Mark conversations as read: those with the people or rooms OF.

    It holds on all of your devices. Others learn that you have seen their messages, unless --no-receipts is given, and
    --unread does not take that back. Prints nothing; "chatcli history" prints the messages, and leaves them unread.

    \b
    chatcli read bob '#ops'
    chatcli read --all
    chatcli read bob --unread
    """
    from msgspec.structs import replace

    from chatcli.client.oneshot.client import Client
    from chatcli.client.storage import unread

    if everything and (of or back):
        raise click.UsageError(f"--all marks all conversations as read: drop {'--unread' if back else of[0]}.")
    if not (of or everything):
        raise click.UsageError("Name people or rooms, as in: chatcli read bob '#ops'. For all conversations use --all.")
    with account.login() as login:
        left = Client(replace(login, receipts=receipts)).mark_read(of, back=back)
    unread.store(account.server.name, account.name, sum(one.count for one in left.conversations))
