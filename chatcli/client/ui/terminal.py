"""The interactive client: messages scroll by above an input line that they never disturb."""

from __future__ import annotations

import asyncio
import datetime
import textwrap
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import set_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.renderer import print_formatted_text

from chatcli.client.chat import Chat
from chatcli.client.events import Event, Fragments, Said, render
from chatcli.client.identity import Identity
from chatcli.client.link import Connection, connect
from chatcli.client.talk import Talk
from chatcli.client.trust import Trust
from chatcli.client.ui.completer import LineCompleter
from chatcli.client.ui.keys import key_bindings
from chatcli.client.ui.output import WholeOutput
from chatcli.client.ui.style import STYLE, color_depth
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Present, Welcome

_PATIENCE: Final = 5.0  # seconds for what is not sent yet when the user leaves
_BETWEEN_DRAWINGS: Final = 1 / 30  # seconds: what comes faster is drawn together
_LINES: Final = 250  # drawn at once: some 10 ms, after which keys get their turn
_BAD_NAMES: Final = (codes.BAD_NAME, codes.NAME_TAKEN, codes.ALREADY_HERE)
_TWICE: Final = "[t]ake over, [a]ttach beside it, or another name? "
_WAYS: Final[dict[str, Present]] = {"t": "takeover", "a": "attach"}


class Terminal:
    """The view: prints above the input line, all of a batch in one piece."""

    def __init__(self, chat: Chat) -> None:
        self._output = WholeOutput.of_terminal()
        self._loop = asyncio.get_running_loop()
        self._drawn = 0.0
        self.conversation: Talk | None = None
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", "› ")],
            style=STYLE,
            color_depth=color_depth(),
            output=self._output,
            completer=LineCompleter(lambda: people(chat), lambda: rooms(chat)),
            complete_while_typing=False,
            key_bindings=key_bindings(self._leave),
            enable_suspend=True,
            erase_when_done=True,
            reserve_space_for_menu=4,
        )
        self._session.default_buffer.accept_handler = self._accept

    def _accept(self, buffer: Buffer) -> bool:
        """Take the line; the prompt stays up, so no key is lost between one line and the next."""
        line = buffer.text
        # Emptied first, so that what is printed now is not followed once more by the line as it was.
        buffer.append_to_history()
        buffer.reset()
        if self.conversation is not None:
            self.conversation.typed(line)
        return True

    def _leave(self) -> None:
        if self.conversation is not None:
            self.conversation.leave()

    def draw(self, events: list[Event]) -> None:
        """Print events above the input line, now."""
        if not events:
            return
        today = datetime.date.today()  # noqa: DTZ011 (the reader's day)
        width = self._output.get_size().columns
        fragments = [fragment for event in events for fragment in (*_wrapped(event, today, width), ("", "\n"))]
        app = self._session.app
        with self._output.held(), set_app(app):
            if app.is_running:
                app.renderer.erase()
            print_formatted_text(self._output, FormattedText(fragments), STYLE, color_depth=app.color_depth)
            if app.is_running:
                app.renderer.render(app, app.layout)
        self._drawn = self._loop.time()

    async def show(self, events: list[Event]) -> None:
        """Print events, no more often than the eye can follow, and with room for keys in between."""
        await asyncio.sleep(self._drawn + _BETWEEN_DRAWINGS - self._loop.time())
        for start in range(0, len(events), _LINES):
            self.draw(events[start : start + _LINES])
            await asyncio.sleep(0)

    async def open(self) -> asyncio.Task[str]:
        """Put up the input line; return once keys are taken, with the task that takes them until it is cancelled."""
        taken = asyncio.Event()
        self._session.app.after_render += lambda _: taken.set()
        keys = asyncio.create_task(self._session.prompt_async(handle_sigint=False), name="keys")
        drawn = asyncio.create_task(taken.wait(), name="first-drawing")
        await asyncio.wait({keys, drawn}, return_when=asyncio.FIRST_COMPLETED)
        drawn.cancel()
        return keys


def people(chat: Chat) -> dict[str, bool]:
    """Return whom the user may want to talk with, and whether they are here."""
    here = chat.nearby.here
    names = dict.fromkeys(reversed(chat.known)) | dict.fromkeys(sorted(here, key=str.casefold))
    return {name: name in here for name in names if name != chat.user}


def rooms(chat: Chat) -> dict[str, bool]:
    """Return the rooms that the user may mean, and whether they belong to them."""
    own, others = (sorted(known.values(), key=str.casefold) for known in (chat.rooms, chat.other_rooms))
    return dict.fromkeys(others, False) | dict.fromkeys(own, True)


def _wrapped(event: Event, today: datetime.date, width: int) -> Fragments:
    """Return the event as styled text; what we say breaks between words, what people said is left as it is."""
    fragments = render(event, today)
    if isinstance(event, Said):
        return fragments
    return [(style, "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))) for style, text in fragments]


async def talk(server: Address, chat: Chat, trust: Trust, identity: Identity) -> None:
    """Talk on a terminal until the user leaves; ask for a name for as long as there is none that can be had.

    Raises:
        EOFError: the user does not want to give a name.
        ServerUnreachable: there is no server, or something was not sent.
        Refused: the server does not want us.
        ServerNotTrusted: the server is not the one that was meant, or someone has to be asked first (UnknownServer).
    """
    greeted = await _enter(server, chat, trust, identity)
    terminal = Terminal(chat)
    conversation = terminal.conversation = Talk(server, chat, terminal, _PATIENCE, greeted, trust, identity)
    keys = await terminal.open()
    keys.add_done_callback(lambda _: conversation.leave())  # without keys there is nobody to talk
    conversation.greet()
    try:
        await conversation.run()
    finally:
        keys.cancel()
        await asyncio.gather(keys, return_exceptions=True)


async def _enter(server: Address, chat: Chat, trust: Trust, identity: Identity) -> tuple[Connection, Welcome]:
    while True:
        if not chat.user:
            chat.user = await _ask_name()
        try:
            return await connect(server, chat.hello(), identity, trust)
        except Refused as refusal:
            if refusal.code not in _BAD_NAMES:
                raise
            present = refusal.code == codes.ALREADY_HERE
            # Who is asked what to do needs no advice about options; and then only that stands behind the colon.
            sentence = f"{str(refusal).partition(': ')[0].rstrip('.')}." if present else str(refusal)
            print_formatted_text(WholeOutput.of_terminal(), [("class:trouble", f"{sentence}\n")], STYLE)
            answer = await _ask_name(_TWICE) if present else ""
            way = _WAYS.get(answer.casefold())
            chat.insist(way or "refuse")
            if way is None:
                chat.user = answer


async def _ask_name(question: str = "Your name: ") -> str:
    """Ask until something is typed; Ctrl-C and Ctrl-D give up."""
    session: PromptSession[str] = PromptSession(
        output=WholeOutput.of_terminal(), style=STYLE, color_depth=color_depth()
    )
    while True:
        name = (await session.prompt_async([("class:prompt", question)])).strip()
        if name.casefold() in ("exit", "quit"):
            raise EOFError
        if name:
            return name
