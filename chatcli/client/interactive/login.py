"""Logging in with a person who can be asked: for a name, and what to do if they are in the chat already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.client.chat.chat import Chat
from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import login_name
from chatcli.client.names.store import UnconfirmedFile
from chatcli.client.outbox.store import newest_epoch
from chatcli.client.storage import files
from chatcli.client.transport.aio import connect
from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import Present
from chatcli.protocol.values.lookalikes import looks_like_operator
from chatcli.protocol.values.names import MAX_NAME, check_name

if TYPE_CHECKING:
    from chatcli.client.interactive.link import Greeted
    from chatcli.protocol.values.address import Address

HOW_TO_TALK: Final = (
    'To talk: "NAME: hi" says hi to someone, "/join #ops" enters a room; then just write on.',
    'To leave: "exit", or Ctrl-D on an empty line.',
    'For help: "help", and "/help keys"; Tab completes names and commands.',
)

#: The question where no server answers, and the answers that mean yes.
WAIT_OR_LEAVE: Final = "[w]ait until it is there, or Enter to leave: "
WAIT: Final = frozenset({"w", "wait"})

_GREETED: Final = "greeted"  # a file that exists once the user has been shown how to talk
_NAME: Final = "Your name: "
_BAD_NAMES: Final = (codes.BAD_NAME, codes.NAME_TAKEN, codes.ALREADY_HERE)
_TWICE: Final = "[t]ake over, [a]ttach beside it, or another name? "
_CHOICES: Final[dict[str, Present]] = {"t": "takeover", "a": "attach"}


class Prompter(Protocol):
    """Asks the person."""

    async def ask(self, question: str, suggested: str = "") -> str:
        """Return the person's answer; Enter alone gives the suggested one.

        Raises:
            EOFError: they will not answer.
        """

    def refuse(self, sentence: str) -> None:
        """Show why their answer is not accepted."""

    async def reach(self, server: Address, connect: Callable[[], Awaitable[Greeted]]) -> Greeted:
        """Connect; if no server answers, offer to wait until one does.

        Raises:
            ServerUnreachable: they do not want to wait.
            EOFError: they want to leave.
            ChatError: any error of ``connect``.
        """


async def log_in(login: Login, chat: Chat, prompter: Prompter) -> Greeted:
    """Connect; ask for a name until the server accepts one.

    Raises:
        EOFError: the user does not want to give a name.
        ServerUnreachable: there is no server.
        Refused: the server does not let the user in, under any name.
        ServerNotTrusted: the server is not the expected one, or somebody has to be asked first (UnknownServer).
    """
    suggested = suggest_name(login_name())
    contacts = chat.contacts
    while True:
        if not contacts.user:
            contacts.user = await prompter.ask(_NAME, suggested)
        try:
            UnconfirmedFile(login.server.name, contacts.user).restore(chat.names)
            chat.set_epoch(_outbox_epoch(login.server.name, contacts.user) or chat.names.epoch)
            return await prompter.reach(login.server.name, lambda: connect(login, chat.hello()))
        except Refused as refusal:
            if refusal.code not in _BAD_NAMES:
                raise
            suggested = next(iter(refusal.names), "" if suggested == contacts.user else suggested)
            if refusal.code == codes.ALREADY_HERE:
                prompter.refuse(refusal.reason)
                answer = await prompter.ask(_TWICE)
            else:
                prompter.refuse(str(refusal))
                answer = ""
            present = _CHOICES.get(answer.casefold())
            chat.set_present(present or "refuse")
            if present is None:
                contacts.user = answer


def _outbox_epoch(server: Address, user: str) -> str:
    """Return the epoch of the log which the numbers in the user's outbox belong to; empty if there are none."""
    try:
        return newest_epoch(files.outbox_directory(), server, user)
    except InputError:  # opening the outbox reports it
        return ""


def is_first_visit() -> bool:
    """Return whether nobody was shown here how to talk, and record that it is shown now."""
    try:
        return files.create(str(Path(files.state_directory(), _GREETED)), "")
    except InputError:  # not recordable: showing it at each visit is worse than never
        return False


def suggest_name(login: str) -> str:
    """Return a valid name like the login name; empty if there is none."""
    kept = "".join(char for char in login.partition("@")[0] if char.isalnum() or char in "-_.").lstrip("-_.")
    for name in (kept[:MAX_NAME], f"{kept[: MAX_NAME - 1]}1") if kept else ():
        try:
            checked = check_name(name)
        except InputError:
            continue
        return "" if looks_like_operator(checked) else checked.text
    return ""
