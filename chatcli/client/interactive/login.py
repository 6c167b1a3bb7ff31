"""Coming in with someone to ask: for a name, and for what to do if they are in the chat already; the first minute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Trouble
from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import login_name
from chatcli.client.outbox.store import Outbox
from chatcli.client.storage import files
from chatcli.client.transport.aio import Connection, connect
from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import Present, Welcome
from chatcli.protocol.names import MAX_NAME, check_name

if TYPE_CHECKING:
    from chatcli.client.interactive.session import View
    from chatcli.protocol.address import Address

_MARK: Final = "greeted"  # a file that is there once the user has been told how to talk
HOW_TO_TALK: Final = (
    'To talk: "NAME: hi" says hi to someone, "/join #ops" enters a room; then just write on.',
    'To leave: "exit", or Ctrl-D where nothing is typed.',
    'For help: "help", and "/help keys"; Tab completes names and commands.',
)

#: What to ask where no server answers, and which answers are a yes.
WAIT_OR_LEAVE: Final = "[w]ait until it is there, or Enter to leave: "
WAIT: Final = frozenset({"w", "wait"})

Greeted = tuple[Connection, Welcome]

_NAME: Final = "Your name: "
_BAD_NAMES: Final = (codes.BAD_NAME, codes.NAME_TAKEN, codes.ALREADY_HERE)
_TWICE: Final = "[t]ake over, [a]ttach beside it, or another name? "
_WAYS: Final[dict[str, Present]] = {"t": "takeover", "a": "attach"}


class Desk(Protocol):
    """Where the person is asked."""

    async def ask(self, question: str, suggested: str = "") -> str:
        """Return what they type, or what is suggested if they type nothing.

        Raises:
            EOFError: they will not answer.
        """

    def refuse(self, sentence: str) -> None:
        """Show why their answer would not do."""

    async def reach(self, server: Address, connect: Callable[[], Awaitable[Greeted]]) -> Greeted:
        """Connect; where no server answers, offer to wait until one does.

        Raises:
            ServerUnreachable: they do not want to wait.
            EOFError: they want to leave.
            ChatError: as ``connect`` raises it.
        """


async def enter(login: Login, chat: Chat, desk: Desk) -> Greeted:
    """Connect; ask for a name for as long as there is none that can be had.

    Raises:
        EOFError: the user does not want to give a name.
        ServerUnreachable: there is no server.
        Refused: the server does not want us, under any name.
        ServerNotTrusted: the server is not the one that was meant, or someone has to be asked first (UnknownServer).
    """
    suggested = suggestion(login_name())
    while True:
        if not chat.contacts.user:
            chat.contacts.user = await desk.ask(_NAME, suggested)
        try:
            return await desk.reach(login.server, lambda: connect(login, chat.hello()))
        except Refused as refusal:
            if refusal.code not in _BAD_NAMES:
                raise
            suggested = "" if suggested == chat.contacts.user else suggested
            present = refusal.code == codes.ALREADY_HERE
            # Who is asked what to do needs no advice about options; and then only that stands behind the colon.
            desk.refuse(f"{str(refusal).partition(': ')[0].rstrip('.')}." if present else str(refusal))
            answer = await desk.ask(_TWICE) if present else ""
            way = _WAYS.get(answer.casefold())
            chat.insist(way or "refuse")
            if way is None:
                chat.contacts.user = answer


def first_time() -> bool:
    """Return whether nobody was ever told how to talk here, and note that they are now."""
    try:
        return files.create(str(Path(files.state_directory(), _MARK)), "")
    except InputError:  # nothing can be noted: whoever is told every time has more trouble than who never is
        return False


def suggestion(login: str) -> str:
    """Return a name like the login name that one may have in the chat; empty where there is none like it."""
    kept = "".join(char for char in login.partition("@")[0] if char.isalnum() or char in "-_.").lstrip("-_.")
    for name in (kept[:MAX_NAME], f"{kept[: MAX_NAME - 1]}1") if kept else ():
        try:
            return check_name(name).text
        except InputError:
            continue
    return ""


def open_outbox(server: Address, chat: Chat, welcome: Welcome, view: View) -> Outbox | None:
    """Have the chat take up what earlier runs have not sent; return where this one keeps such."""
    try:
        outbox = Outbox(files.outbox_directory(), server, welcome.user)
    except InputError as error:
        view.draw([Trouble(error)])
        return None
    chat.take_up(outbox.waiting)
    return outbox
