"""The interactive client: messages scroll by above an input line that they never disturb."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import set_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.data_structures import Size

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Event, Trouble
from chatcli.client.chat.questions import DECLINE
from chatcli.client.identity.credentials import Login
from chatcli.client.interactive.login import HOW_TO_TALK, enter, first_time, open_outbox
from chatcli.client.interactive.notifier import Notifier
from chatcli.client.interactive.preferences import Looks
from chatcli.client.interactive.session import Talk
from chatcli.client.storage.drafts import Drafts
from chatcli.client.tui.batcher import Pace
from chatcli.client.tui.completer import LineCompleter, Surroundings
from chatcli.client.tui.history import KeptHistory
from chatcli.client.tui.input_line import Writing
from chatcli.client.tui.key_bindings import ESCAPE, MODES, key_bindings
from chatcli.client.tui.layout import Edges
from chatcli.client.tui.painter import Painter
from chatcli.client.tui.prompts import Desk
from chatcli.client.tui.terminal.clusters import CLUSTERS, ClusterProcessor, can_show
from chatcli.client.tui.terminal.key_input import KeyInput
from chatcli.client.tui.terminal.modes import Modes
from chatcli.client.tui.terminal.output import WholeOutput
from chatcli.client.tui.terminal.reflow import ReflowRenderer, breaks_rows, is_tmux
from chatcli.protocol.address import Address
from chatcli.protocol.names import is_room

_PATIENCE: Final = 5.0  # seconds for what is not sent yet when the user leaves
_BETWEEN_DRAWINGS: Final = 1 / 30  # seconds: what comes faster is drawn together


class Terminal:
    """The view: prints above the input line, all of a batch in one piece.

    Args:
        chat: what is said, and who may be meant.
        server: whose history and drafts these are.
        looks: how the user wants it to look and to sound, and which keys to edit with.
    """

    def __init__(self, chat: Chat, server: Address, looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self._chat = chat
        self._output = WholeOutput.of_terminal()
        self._loop = asyncio.get_running_loop()
        self._drawn = 0.0
        self._painter = Painter(looks)
        self._pace = Pace()
        self.conversation: Talk | None = None
        self._put_off: list[Event] = []  # while an editor has the terminal
        self.writing = Writing(
            chat.conversations,
            chat.returned,
            Drafts(server, chat.contacts.user),
            self.draw,
            self._leave,
            chat.questions.first,
            one_key=looks.keys == "emacs",
            begins=chat.begins,
        )
        self.writing.send = self._send
        keys = KeyInput(self._located)
        self.writing.reads = lambda: keys.reads
        self._notifier = Notifier(looks.notify, self._output.write_raw, self.writing.goes_to, self._loop.time)
        self.key_bindings = key_bindings(self.writing)
        history = KeptHistory(server, lambda error: self.draw([Trouble(error)]))
        self._session: PromptSession[str] = PromptSession(
            self.writing.prompt,
            style=self._painter.style,
            color_depth=self._painter.depth,
            input=keys,
            input_processors=[ClusterProcessor()],
            output=self._output,
            completer=LineCompleter(lambda: surroundings(chat)),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            history=history,
            prompt_continuation=self.writing.continuation,
            editing_mode=MODES[looks.keys],
            key_bindings=self.key_bindings,
            erase_when_done=True,
            reserve_space_for_menu=4,
        )
        app = self._session.app
        app.timeoutlen = app.ttimeoutlen = ESCAPE
        # SIGWINCH reports each change. Looking again later draws once more for nothing, and if the window changes just
        # then, for the size before: tmux breaks the rows at once and reports the new size up to 250 ms later.
        app.terminal_size_polling_interval = None
        self._renderer = ReflowRenderer(app.renderer.style, self._output, breaks=breaks_rows(os.environ))
        app.renderer = self._renderer
        if is_tmux(os.environ):
            app.after_render += lambda _: self._renderer.keep_at_bottom()
        self.writing.begin(self._session.default_buffer)

    def _send(self, line: str, origin: Origin) -> None:
        if self.conversation is not None:
            self.conversation.typed(line, origin)

    def _leave(self) -> None:
        if self.conversation is not None:
            self.conversation.leave()

    def draw(self, events: list[Event]) -> None:
        """Print events above the input line, now."""
        if not self.writing.here.is_set():
            self._put_off += events
            return
        self.writing.follow()
        events, self._put_off = [*self._put_off, *events], []
        if events:
            self._print("".join(self._lines(events)))

    def _lines(self, events: list[Event]) -> Iterator[str]:
        return self._painter.lines(events, self._output.get_size().columns)

    def _print(self, painted: str) -> None:
        app = self._session.app
        with self._output.held(), set_app(app):
            if app.is_running:
                app.renderer.erase()
            self._output.write_raw(painted)
            if app.is_running:
                app.render_counter += 1  # what controls remember of the drawing before is not true any more
                app.renderer.render(app, app.layout)
        self._drawn = self._loop.time()

    async def show(self, events: list[Event]) -> None:
        """Print events, no more often than the eye can follow, and with room for keys in between."""
        await self.writing.here.wait()
        self.writing.follow()
        await asyncio.sleep(self._drawn + _BETWEEN_DRAWINGS - self._loop.time())
        self._notifier.take(events, self._chat.contacts.user)
        for batch in self._pace.batches(self._lines(events)):
            # Twice: the loop looks for keys at the end of the first turn, and takes them in the second.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            begun = self._loop.time()
            self._print(batch)
            self._pace.took(len(batch), self._drawn - begun)

    def attach(self, modes: Modes) -> None:
        """Have this drawn on the terminal that has these modes."""
        modes.watch(self._session.app)
        modes.bind(self.key_bindings)

    def _located(self, row: int, column: int) -> None:
        """Take the terminal's answer to how wide it shows a sample, or to where the input line is."""
        if not CLUSTERS.asks:
            self._renderer.located(row)
        elif CLUSTERS.answer(column) and self._session.app.is_running:
            self._session.app.renderer.erase()
            self._session.app.invalidate()

    def size(self) -> Size:
        """Return the size of the terminal."""
        return self._output.get_size()

    async def open(self, conversation: Talk, edges: Edges) -> asyncio.Task[str]:
        """Put up the input line; return once keys are taken, with the task that takes them until it is cancelled."""
        self.conversation = conversation
        if can_show(sys.stdout.encoding):
            self._renderer.precede(CLUSTERS.questions())
        edges.attach(self._session)
        edges.follow(conversation)
        taken = asyncio.Event()
        self._session.app.after_render += lambda _: taken.set()
        keys = asyncio.create_task(self._session.prompt_async(handle_sigint=False), name="keys")
        drawn = asyncio.create_task(taken.wait(), name="first-drawing")
        await asyncio.wait({keys, drawn}, return_when=asyncio.FIRST_COMPLETED)
        drawn.cancel()
        return keys


def surroundings(chat: Chat) -> Surroundings:
    """Return whom and what the user may mean: first those they talked with, the most recent first."""
    contacts, presence = chat.contacts, chat.contacts.presence
    recent = [*chat.conversations.ordered(), *reversed(contacts.partners)]
    others_here = sorted(presence.here, key=str.casefold)
    people = dict.fromkeys(name for name in (*recent, *others_here, *contacts.names()) if not is_room(name))
    own, others = (sorted(known.values(), key=str.casefold) for known in (contacts.rooms, contacts.other_rooms))
    rooms = dict.fromkeys(name for name in recent if is_room(name))
    return Surroundings(
        {
            name: "away" if name in presence.away else "here" if name in presence.here else "not here"
            for name in people
            if name != chat.contacts.user
        },
        {name: name in own for name in (*rooms, *own, *others)},
        {
            str(question.seq): (*question.choices, *((DECLINE,) if question.direct else ()))
            for question in chat.questions.open()
        },
    )


async def talk(login: Login, chat: Chat, looks: Looks | None = None) -> None:
    """Talk on a terminal until the user leaves; ask for a name for as long as there is none that can be had.

    Raises:
        EOFError: the user does not want to give a name.
        ServerUnreachable: there is no server, or something was not sent.
        Refused: the server does not want us.
        ServerNotTrusted: the server is not the one that was meant, or someone has to be asked first (UnknownServer).
    """
    with Modes() as modes:
        greeted = await enter(login, chat, Desk(looks or Looks(), modes))
        server = login.server
        terminal = Terminal(chat, server, looks)
        terminal.attach(modes)
        outbox = open_outbox(server, chat, greeted[1], terminal)
        edges = Edges(server, chat, terminal.size, terminal.writing)
        conversation = Talk(login, chat, terminal, _PATIENCE, greeted, outbox, edges.refresh)
        modes.at_end.append(terminal.writing.save)
        keys = await terminal.open(conversation, edges)
        keys.add_done_callback(lambda _: conversation.leave())  # without keys there is nobody to talk
        conversation.greet(HOW_TO_TALK if first_time() else ())
        terminal.draw(terminal.writing.waiting())
        try:
            await conversation.run()
        finally:
            terminal.writing.save()
            edges.close()
            keys.cancel()
            await asyncio.gather(keys, return_exceptions=True)
