"""The interactive client in plain lines: over pipes, or with a person on a terminal."""

from __future__ import annotations

import sys
from typing import Final

from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Trouble
from chatcli.client.identity.credentials import Login
from chatcli.client.interactive.line_reader import ContextWait, LineReader
from chatcli.client.interactive.login import HOW_TO_TALK, is_first_visit, log_in
from chatcli.client.interactive.outbox_keeper import open_outbox
from chatcli.client.interactive.plain_view import PlainView, TerminalView
from chatcli.client.interactive.preferences import Preferences
from chatcli.client.interactive.prompter import PlainPrompter
from chatcli.client.interactive.sequences import strip_sequences
from chatcli.client.interactive.session import InteractiveSession
from chatcli.client.transport.aio import connect
from chatcli.errors import ServerUnreachable

_PATIENCE: Final = 30.0  # seconds for unsent messages when the input ends
_PATIENCE_OF_A_PERSON: Final = 5.0


async def talk(login: Login, chat: Chat) -> None:
    """Talk until the input ends or has an ``exit``, and everything sent is answered.

    Raises:
        Refused: the server does not accept this name.
        ServerUnreachable: there is no server, or something was not sent, or has not come.
        ServerNotTrusted: the server is not the expected one, or somebody has to be asked first (UnknownServer).
    """
    session = InteractiveSession(login, chat, PlainView(), await connect(login, chat.hello()), patience=_PATIENCE)
    incomplete = ServerUnreachable(
        f"Not all earlier messages have come from {login.server} within {_PATIENCE:g} seconds: try again later."
    )
    if sys.stdin is None:  # closed, as under some daemons: reading it might read another file
        session.leave()
    else:
        if sys.stdin.isatty():
            session.greet()
        context = ContextWait(chat, session, _PATIENCE, incomplete)
        LineReader(chat, session, session.typed, context=context).start()
    await session.run()
    if not chat.live:
        raise incomplete


async def talk_with_a_person(login: Login, chat: Chat, preferences: Preferences) -> None:
    """Talk on a terminal that edits the lines itself; ask for a name until the server accepts one.

    Raises:
        EOFError: the user does not want to give a name.
        Refused: the server does not let the user in.
        ServerUnreachable: there is no server, or something was not sent.
        ServerNotTrusted: the server is not the expected one, or somebody has to be asked first (UnknownServer).
    """
    greeted = await log_in(login, chat, PlainPrompter())
    view = TerminalView(chat, preferences)
    outbox = open_outbox(login.server.name, greeted[1].user, chat.outgoing, lambda error: view.draw([Trouble(error)]))
    session = InteractiveSession(login, chat, view, greeted, patience=_PATIENCE_OF_A_PERSON, outbox=outbox)

    def enter(typed: str) -> None:
        session.touched()
        chat.screen.advance(1)  # the line itself
        line = strip_sequences(typed)
        if (answer := view.answered_by(line)) is not None:
            session.answer(*answer)
            return
        line = line if line.strip() else chat.addressing.held_line  # Enter alone confirms it
        session.typed(line, "burst" if "\n" in line else "typed")

    session.greet(HOW_TO_TALK if is_first_visit() else ())
    LineReader(chat, session, enter, bursts=True).start()
    await session.run()
