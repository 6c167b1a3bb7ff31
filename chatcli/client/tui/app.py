"""The interactive client on a terminal: messages scroll above an input line that they never disturb."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import set_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Event, Trouble
from chatcli.client.chat.questions import Question
from chatcli.client.identity.credentials import Login
from chatcli.client.interactive.login import HOW_TO_TALK, is_first_visit, log_in
from chatcli.client.interactive.notifier import Notifier
from chatcli.client.interactive.outbox_keeper import open_outbox
from chatcli.client.interactive.preferences import Preferences
from chatcli.client.interactive.session import InteractiveSession
from chatcli.client.reading.screen import Window
from chatcli.client.storage.drafts import Drafts
from chatcli.client.tui.batcher import AdaptiveBatcher
from chatcli.client.tui.input.completer import LineCompleter, surroundings
from chatcli.client.tui.input.history import FileHistory
from chatcli.client.tui.input.input_line import InputLine
from chatcli.client.tui.input.key_bindings import ESCAPE, MODES, key_bindings
from chatcli.client.tui.layout import Layout
from chatcli.client.tui.painter import Painter
from chatcli.client.tui.prompts import TerminalPrompts
from chatcli.client.tui.terminal.clusters import CLUSTERS, ClusterProcessor, can_show
from chatcli.client.tui.terminal.key_input import KeyInput
from chatcli.client.tui.terminal.modes import Modes
from chatcli.client.tui.terminal.output import WholeOutput
from chatcli.client.tui.terminal.reflow import ReflowRenderer, breaks_rows, is_tmux
from chatcli.protocol.values.address import Address

_PATIENCE: Final = 5.0  # seconds to send the last messages when the user leaves
_BETWEEN_DRAWINGS: Final = 1 / 30  # seconds: faster changes are drawn together


class Terminal:
    """The view of a conversation: prints above the input line, each batch in one piece.

    Args:
        chat: the chat whose lines are typed here.
        server: the server that history and drafts belong to.
        preferences: those of the user.
        modes: the modes of the terminal.
        send: called with each typed line and its origin.
        answer: called with a question and the index of the choice that a key has made.
        leave: called when the user wants to leave.
        opened: called when a key has opened a conversation.
        touched: called at each key.
        focused: called when the terminal has got the focus, or lost it.

    Attributes:
        input_line: the line that is being typed.
        session: prompt_toolkit's session.
    """

    def __init__(
        self,
        chat: Chat,
        server: Address,
        preferences: Preferences,
        modes: Modes,
        *,
        send: Callable[[str, Origin], None],
        answer: Callable[[Question, int], None],
        leave: Callable[[], None],
        opened: Callable[[], None],
        touched: Callable[[], None],
        focused: Callable[[bool], None],
    ) -> None:
        self._chat = chat
        self._output = WholeOutput.of_terminal()
        self._loop = asyncio.get_running_loop()
        self._drawn = 0.0
        self._painter = Painter(preferences)
        self._batcher = AdaptiveBatcher()
        self._postponed: list[Event] = []  # while an editor has the terminal
        keys = KeyInput(self._cursor_reported, touched, on_focus=focused, reports=modes.focus_reports)
        self.session = self._new_session(server, preferences, keys)
        self.input_line = InputLine(
            chat,
            Drafts(server, chat.contacts.user),
            self.session.default_buffer,
            draw=self.draw,
            send=send,
            answer=answer,
            leave=leave,
            opened=opened,
            reads=lambda: keys.reads,
            one_key=preferences.keys == "emacs",
        )
        self._notifier = Notifier(
            preferences.notify,
            self._output.write_raw,
            self._is_watching,
            self._loop.time,
            is_undisturbed=lambda: chat.conversations.undisturbed,
        )
        self._bindings = key_bindings(self.input_line)
        modes.bind(self._bindings)
        modes.watch(self.session.app)
        self._renderer = self._replace_renderer()
        chat.screen.window = self._window
        self._renderer.on_clear = chat.screen.clear

    def _new_session(self, server: Address, preferences: Preferences, keys: KeyInput) -> PromptSession[str]:
        session: PromptSession[str] = PromptSession(
            style=self._painter.style,
            color_depth=self._painter.depth,
            input=keys,
            input_processors=[ClusterProcessor()],
            output=self._output,
            completer=LineCompleter(lambda: surroundings(self._chat)),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            history=FileHistory(server, lambda error: self.draw([Trouble(error)])),
            editing_mode=MODES[preferences.keys],
            erase_when_done=True,
            reserve_space_for_menu=4,
        )
        app = session.app
        app.timeoutlen = app.ttimeoutlen = ESCAPE
        # SIGWINCH reports each change. Looking again later draws once more for nothing, and if the window changes just
        # then, for the size before: tmux breaks the rows at once and reports the new size up to 250 ms later.
        app.terminal_size_polling_interval = None
        return session

    def _replace_renderer(self) -> ReflowRenderer:
        app = self.session.app
        renderer = ReflowRenderer(app.renderer.style, self._output, breaks=breaks_rows(os.environ))
        app.renderer = renderer
        if is_tmux(os.environ):
            app.after_render += lambda _: renderer.keep_at_bottom()
        return renderer

    def draw(self, events: Sequence[Event]) -> None:
        """Print events above the input line, now."""
        if not self.input_line.editing_allowed.is_set():
            self._postponed += events
            return
        self.input_line.sync()
        events, self._postponed = [*self._postponed, *events], []
        if events:
            self._print("".join(self._lines(events)))

    def _lines(self, events: Sequence[Event]) -> Iterator[str]:
        columns = self._output.get_size().columns
        for event in events:
            lines = list(self._painter.lines([event], columns))
            self._chat.printing(event, sum(_rows(line, columns) for line in lines))
            yield from lines

    def _window(self) -> Window:
        """Return the part of the window above the input line."""
        size = self._output.get_size()
        return Window(size.rows - self._renderer.drawn_rows, size.columns)

    def is_commanding(self) -> bool:
        """Return whether a command is being typed."""
        return self.session.default_buffer.text.startswith("/")

    def _print(self, painted: str) -> None:
        app = self.session.app
        with self._output.held(), set_app(app):
            if app.is_running:
                app.renderer.erase()
            self._output.write_raw(painted)
            if app.is_running:
                app.render_counter += 1  # controls cache by this number what they have drawn
                app.renderer.render(app, app.layout)
        self._drawn = self._loop.time()

    def put_back(self, texts: Sequence[str]) -> None:
        """Put texts that were not sent back into the input line."""
        self.input_line.put_back(texts)

    async def show(self, events: Sequence[Event]) -> None:
        """Print events, no more often than the eye can follow, leaving time for keys in between."""
        await self.input_line.editing_allowed.wait()
        self.input_line.sync()
        await asyncio.sleep(self._drawn + _BETWEEN_DRAWINGS - self._loop.time())
        self._notifier.notify(events, self._chat.contacts.user)
        for batch in self._batcher.batches(self._lines(events)):
            # Twice: the loop polls for keys at the end of its first iteration, and handles them in the second.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            started = self._loop.time()
            self._print(batch)
            self._batcher.record(len(batch), self._drawn - started)

    def _is_watching(self, name: str) -> bool:
        """Return whether the user looks at a conversation now, and needs no notification."""
        attention, conversations = self._chat.attention, self._chat.conversations
        is_open = conversations.has_chosen and conversations.is_current(name)
        return (attention.is_there and is_open) or (attention.may_be_there and self.input_line.is_typing_to(name))

    def _cursor_reported(self, row: int, column: int) -> None:
        """Use a report of the cursor's position, which the terminal sends for a sample or for the input line."""
        if not CLUSTERS.is_measuring:
            self._renderer.cursor_reported(row)
        elif CLUSTERS.record(column) and self.session.app.is_running:
            self.session.app.renderer.erase()
            self.session.app.invalidate()

    async def open(self) -> asyncio.Task[str]:
        """Show the input line; return once keys are read, with the task that reads them until it is cancelled."""
        if can_show(sys.stdout.encoding):
            self._renderer.precede(CLUSTERS.questions())
        draft = self.input_line.restore()
        ready = asyncio.Event()
        self.session.app.after_render += lambda _: ready.set()
        prompt = self.session.prompt_async(
            self.input_line.prompt,
            default=draft,
            prompt_continuation=self.input_line.continuation,
            key_bindings=self._bindings,
            handle_sigint=False,
        )
        keys = asyncio.create_task(prompt, name="keys")
        drawn = asyncio.create_task(ready.wait(), name="first-drawing")
        await asyncio.wait({keys, drawn}, return_when=asyncio.FIRST_COMPLETED)
        drawn.cancel()
        return keys


def _rows(line: str, columns: int) -> int:
    """Return the number of rows that a painted line takes; a link that is too wide is counted with its colours."""
    if "://" not in line:
        return line.count("\n")
    return sum(max(1, -(-len(row.rstrip("\r")) // columns)) for row in line.split("\n")[:-1])


async def talk(login: Login, chat: Chat, preferences: Preferences | None = None) -> None:
    """Talk on a terminal until the user leaves; ask for a name until the server accepts one.

    Raises:
        EOFError: the user does not want to give a name.
        ServerUnreachable: there is no server, or something was not sent.
        Refused: the server does not let the user in.
        ServerNotTrusted: the server is not the expected one, or the user has to be asked first (UnknownServer).
    """
    preferences = preferences or Preferences()
    server = login.server.name
    with Modes() as modes:
        greeted = await log_in(login, chat, TerminalPrompts(preferences, modes))

        # Terminal, conversation and layout need each other: all are there before the first key is read.
        def send(line: str, origin: Origin) -> None:
            conversation.typed(line, origin)

        def answer(question: Question, choice: int) -> None:
            conversation.answer(question, choice)

        def leave() -> None:
            conversation.leave()

        def opened() -> None:
            conversation.opened()

        def touched() -> None:
            conversation.touched(terminal.is_commanding)

        def focused(has_focus: bool) -> None:
            conversation.focused(has_focus=has_focus)

        def refresh() -> None:
            layout.refresh()

        terminal = Terminal(
            chat,
            server,
            preferences,
            modes,
            send=send,
            answer=answer,
            leave=leave,
            opened=opened,
            touched=touched,
            focused=focused,
        )
        outbox = open_outbox(server, greeted[1].user, chat.outgoing, lambda error: terminal.draw([Trouble(error)]))
        conversation = InteractiveSession(
            login, chat, terminal, greeted, patience=_PATIENCE, outbox=outbox, on_change=refresh
        )
        layout = Layout(server, chat, conversation, terminal.input_line, terminal.session)
        drafts = terminal.input_line.drafts
        modes.at_end.append(drafts.save)
        keys = await terminal.open()
        modes.focus_reports.on_stop = lambda: conversation.focused(has_focus=None)
        modes.report_focus()
        keys.add_done_callback(lambda _: leave())  # without keys there is no user
        conversation.greet(HOW_TO_TALK if is_first_visit() else ())
        terminal.draw(terminal.input_line.hidden_drafts())
        try:
            await conversation.run()
        finally:
            drafts.save()
            layout.close()
            modes.focus_reports.stop()  # while keys are still read: the shell must not get a report
            keys.cancel()
            await asyncio.gather(keys, return_exceptions=True)
