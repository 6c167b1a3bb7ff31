"""Draws the pictures of the documentation: plays each story with the real program, in real terminals.

Run it with ``python docs/pictures/make.py``, or with the names of the pictures to draw. It needs pyte and a POSIX
system, and chatcli installed next to the Python that runs it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import re
import select
import signal
import socket
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import pyte

_PORT: Final = 8080  # the default, so that the commands in the pictures work unchanged
_PATIENCE: Final = 10.0  # seconds until an expected text must be on the screen
_SEEN: Final = 1.2  # seconds for which a question must be shown before a key answers it
_QUIET: Final = 0.3  # seconds without output after which a screen is finished

_FONT: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_SIZE, _CELL, _LINE = 14, 8.4, 20  # of the font, and of a cell
_BAR, _PAD, _EDGE, _GAP = 28, 9, 14, 14  # title bar; inside above and below, left and right; between windows
#: The difference in lines between one window and two in the same height.
_BETWEEN: Final = (_BAR + 2 * _PAD + _GAP) // _LINE

_PAPER, _FRAME, _RIM, _TITLE = "#161b22", "#21262d", "#3d444d", "#9da7b3"
_DOTS: Final = ("#ff5f57", "#febc2e", "#28c840")
_NAMES: Final = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")  # pyte's
_DARK: Final = ("#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4")
_BRIGHT: Final = ("#8b949e", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#f0f6fc")
_PALETTE: Final = dict(zip([*_NAMES, *(f"bright{name}" for name in _NAMES)], _DARK + _BRIGHT, strict=True))
_INK, _CURSOR = "#e6edf3", "#9da7b3"


class Terminal:
    """A program in a pseudo-terminal, and its screen."""

    def __init__(self, title: str, columns: int, rows: int, program: list[str], environment: dict[str, str]) -> None:
        self.title = title
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            try:
                termios.tcsetwinsize(0, (rows, columns))
                os.execvpe(program[0], program, environment)
            finally:
                os._exit(127)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def expect(self, pattern: str) -> None:
        """Wait until the screen, without trailing blanks, matches the pattern.

        Raises:
            TimeoutError: there is no match in time.
        """
        deadline = time.monotonic() + _PATIENCE
        while not re.search(pattern, self._text(), re.MULTILINE):
            if not self._read(deadline - time.monotonic()):
                raise TimeoutError(f"{self.title}: no {pattern!r} on this screen:\n{self._text()}")

    def settle(self) -> None:
        """Read the rest of the output."""
        while self._read(_QUIET):
            pass

    def close(self) -> None:
        """End the program and its children."""
        foreground = os.tcgetpgrp(self._fd)
        if foreground > 0:  # 0 after the program has ended, which for killpg is our own group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(foreground, signal.SIGKILL)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n")

    def _read(self, patience: float) -> bool:
        """Draw output, and return whether there was any."""
        if not select.select([self._fd], [], [], max(patience, 0))[0]:
            return False
        output = b""
        with contextlib.suppress(OSError):  # EIO: on Linux, the end of the program
            output = os.read(self._fd, 65536)
        self._stream.feed(output)
        return bool(output)


#: Opens a window with a shell, given title, columns and rows.
Shell = Callable[[str, int, int], Terminal]
#: Columns of windows from left to right, each from top to bottom.
Layout = list[list[Terminal]]


@contextlib.contextmanager
def stage() -> Iterator[Shell]:
    """Run a server, and end everything with the context."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        port = _free_port()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOME": home,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PS1": "$ ",
            "CHATCLI_SERVER": f"127.0.0.1:{port}",
        }

        def start(title: str, columns: int, rows: int, program: list[str], ready: str) -> Terminal:
            terminal = Terminal(title, columns, rows, program, environment)
            stack.callback(terminal.close)
            terminal.expect(ready)
            return terminal

        serve = ["chatcli", "serve", "--port", str(port), "--data", f"{home}/data"]
        start("the server", 200, 5, serve, ready="^Serving on")
        yield lambda title, columns, rows: start(title, columns, rows, ["sh"], ready=r"^\$")


def _free_port() -> int:
    for port in (_PORT, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no free port")


def session(shell: Shell) -> Layout:
    """Alice, Bob and a script in one chat, and in the room #ops."""
    alice = shell("alice", 56, 12 + _BETWEEN + 6)
    bob = shell("bob", 56, 12)
    script = shell("a script", 56, 6)

    alice.type("chatcli join --user alice\r")
    alice.expect(r"^›")
    alice.type("/join #ops\r")
    alice.expect("^You are in #ops")
    bob.type("chatcli join --user bob\r")
    bob.expect(r"^›")
    bob.type("/join #ops\r")
    bob.expect("^You are in #ops")
    alice.expect(r"^bob joined #ops")

    bob.type("alice: Hi A")
    bob.expect(r"^#ops › alice: Hi A$")
    alice.type("bob:Hi Bob!\r")
    bob.expect(r"alice → you  Hi Bob!\n#ops › alice: Hi A$")  # his unsent text stays
    bob.type("lice! Are we ready?\r")
    alice.expect("bob → you  Hi Alice!")

    script.type("export CHATCLI_USER=ci\r")
    script.expect(r"ci\n\$")
    script.type("chatcli send '#ops' \"deploy is done, @alice\"\r")
    script.expect(r"^delivered\n\$")
    script.type("echo $?\r")
    script.expect(r"^0\n\$")
    alice.expect("ci  deploy is done")
    bob.expect("ci  deploy is done")

    alice.type("We are!\r")
    bob.expect("We are!")
    alice.type("#ops: Thanks, all green\r")
    bob.expect("all green")
    alice.type("/search deploy\r")
    alice.expect('found for "deploy"')
    bob.type("See you tomorrow!\r")
    alice.expect("tomorrow!")
    bob.type("exit\r")
    bob.expect(r"^\$\Z")
    alice.expect("^bob left")
    alice.type("Who is on call ton")
    alice.expect("^#ops › Who is on call ton$")
    return [[alice], [bob, script]]


def _meet(shell: Shell, columns: int = 56, rows: int = 14, options: str = "") -> tuple[Terminal, Terminal]:
    """Let Alice and a script of Bob's meet in #ops."""
    bob = shell("bob", 56, 6)
    bob.type("chatcli join --user bob --room '#ops' </dev/null\r")
    bob.expect(r"^You are in #ops[^$]*\n\$")
    alice = shell("alice", columns, rows)
    alice.type(f"chatcli join {options}--user alice --room '#ops'\r")
    alice.expect("^You are in #ops")
    return alice, bob


def completion(shell: Shell) -> Layout:
    """Tab offers online and absent users after a few letters."""
    alice, bob = _meet(shell)
    bob.type("clear; for name in barbara bert; do chatcli send alice hi --user $name; done\r")
    bob.expect("stored|delivered")
    alice.expect("bert → you")
    alice.type("Ask @b\t")
    alice.expect("@barbara  not here")
    return [[alice]]


def backlog(shell: Shell) -> Layout:
    """Alice returns to missed messages."""
    alice, bob = _meet(shell)
    alice.type("exit\r")
    alice.expect(r"\$\Z")
    bob.type(
        "clear; export CHATCLI_USER=bob; chatcli send '#ops' 'disk is full' && chatcli send alice 'can you look?'\r"
    )
    bob.expect(r"stored\nstored\n(?:.*\n)*\$")
    bob.type("clear; seq -f '#ops: %g %% full' 95 99 | chatcli join --user bob\r")
    bob.expect(r"\$\Z")
    alice.type("clear; chatcli join --user alice\r")
    alice.expect("messages while you were away")
    alice.expect("99 % full")
    alice.expect("^Unread: ")
    return [[alice]]


def burst(shell: Shell) -> Layout:
    """Two thousand messages pass, and Alice's text stays in its place."""
    alice, bob = _meet(shell)
    alice.type("Slow do")
    bob.type("clear; seq -f '#ops: line %g of the log' 2000 | chatcli join --user bob\r")
    alice.expect("line 500 of|line [6-9].. of|line 1... of")
    alice.type("wn, please")
    alice.expect("line 2000 of the log")
    alice.expect("^#ops › Slow down, please$")
    return [[alice]]


def question(shell: Shell) -> Layout:
    """A script asks Alice, and waits for a key."""
    alice = shell("alice", 68, 14)
    alice.type("chatcli join --user alice\r")
    alice.expect(r"^›")
    script = shell("a script", 68, 8)
    script.type("export CHATCLI_USER=ci\r")
    script.expect(r"ci\n\$")
    script.type('chatcli ask alice "Deploy to staging?" && echo deploying\r')
    alice.expect(r"\[1\] yes  \[2\] no  \[0\] decline")
    time.sleep(_SEEN)
    alice.type("1\r")
    script.expect(r"^yes\ndeploying\n\$")
    script.type('chatcli ask alice "And to prod?" --choice now --choice tonight\r')
    alice.expect(r"\[1\] now  \[2\] tonight  \[0\] decline")
    return [[alice, script]]


def plain(shell: Shell) -> Layout:
    """The same conversation in plain lines, for screen readers and simple terminals."""
    alice, bob = _meet(shell, 64, 14, "--plain ")
    bob.type("clear; chatcli send --user bob '#ops' 'deploy is done'\r")
    alice.expect("deploy is done")
    alice.type("Thanks\r")
    time.sleep(_SEEN)  # two lines at once would count as a paste
    alice.type("/who #ops\r")
    alice.expect("^In #ops")
    return [[alice]]


def narrow(shell: Shell) -> Layout:
    """Forty columns are enough."""
    alice, bob = _meet(shell, 40, 14)
    bob.type("clear; chatcli send --user bob '#ops' 'deploy is done, and it took no more than three minutes'\r")
    alice.expect("three minutes")
    bob.type("clear; chatcli send --user bob alice 'all green'\r")
    alice.expect("all green")
    alice.type("Great")
    alice.expect("^#ops › Great$")
    return [[alice]]


STORIES: Final[dict[str, Callable[[Shell], Layout]]] = {
    story.__name__: story for story in (session, completion, question, backlog, burst, plain, narrow)
}


def draw(title: str, layout: Layout) -> str:
    """Return the windows as one SVG."""
    shapes: list[str] = []
    left = bottom = 0.0
    for column in layout:
        top = right = 0.0
        for terminal in column:
            width = terminal.screen.columns * _CELL + 2 * _EDGE
            height = terminal.screen.lines * _LINE + _BAR + 2 * _PAD
            shapes += [f'<g transform="translate({left:g} {top:g})">', *_window(terminal, width, height), "</g>"]
            right, top = max(right, width), top + height + _GAP
        left, bottom = left + right + _GAP, max(bottom, top)
    right, bottom = left - _GAP, bottom - _GAP
    size = f'width="{right:g}" height="{bottom:g}" viewBox="0 0 {right:g} {bottom:g}"'
    font = f'font-family="{_FONT}" font-size="{_SIZE}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} role="img">'
    return "\n".join([start, f"<title>{escape(title)}</title>", *shapes, "</svg>\n"])


def _window(terminal: Terminal, width: float, height: float) -> Iterator[str]:
    """Draw the frame, then the lines, then the cursor."""
    box = f'x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="8"'
    yield f'<rect {box} fill="{_PAPER}"/>'
    yield f'<path d="M0.5 {_BAR}V8.5a8 8 0 0 1 8 -8H{width - 8.5:g}a8 8 0 0 1 8 8V{_BAR}z" fill="{_FRAME}"/>'
    yield f'<rect {box} fill="none" stroke="{_RIM}"/>'
    for place, color in enumerate(_DOTS):
        yield f'<circle cx="{18 + 18 * place}" cy="{_BAR / 2:g}" r="5.5" fill="{color}"/>'
    middle = f'x="{width / 2:g}" y="{_BAR / 2 + 5:g}" text-anchor="middle"'
    yield f'<text {middle} fill="{_TITLE}" font-weight="bold">{escape(terminal.title)}</text>'
    screen = terminal.screen
    for row in range(screen.lines):
        yield from _line(screen.buffer[row], screen.columns, _BAR + _PAD + row * _LINE)
    if not screen.cursor.hidden:
        yield _block(screen.cursor.x, 1, _BAR + _PAD + screen.cursor.y * _LINE, _CURSOR)


def _line(cells: Mapping[int, Any], columns: int, top: float) -> Iterator[str]:
    """Draw runs of equal style, as wide as their cells in any font."""
    for look, run in itertools.groupby(range(columns), lambda column: cells[column]._replace(data="")):
        places = list(run)
        ink, paper = _color(look.fg, _INK), _color(look.bg, _PAPER)
        if look.reverse:
            ink, paper = paper, ink
        if paper != _PAPER:
            yield _block(places[0], len(places), top, paper)
        while places and not cells[places[0]].data.strip():
            del places[0]
        while places and cells[places[-1]].data == " ":
            del places[-1]
        if places:
            text = escape("".join(cells[place].data for place in places))
            style = ' font-weight="bold"' * look.bold + ' font-style="italic"' * look.italics
            style += ' text-decoration="underline"' * look.underscore
            at = f'x="{_EDGE + places[0] * _CELL:g}" y="{top + 15:g}" textLength="{len(places) * _CELL:g}"'
            yield f'<text {at} fill="{ink}"{style} xml:space="preserve">{text}</text>'


def _block(column: int, columns: int, top: float, color: str) -> str:
    left, width = _EDGE + column * _CELL, columns * _CELL
    return f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{_LINE}" fill="{color}"/>'


def _color(name: str, default: str) -> str:
    """Return the colour of a pyte name or of six hexadecimal digits."""
    return default if name == "default" else _PALETTE.get(name, f"#{name}")


def main(names: Sequence[str]) -> None:
    """Draw the named pictures, or all of them, next to this file."""
    for name in names or STORIES:
        story = STORIES[name]
        with stage() as shell:
            layout = story(shell)
            for terminal in itertools.chain(*layout):
                terminal.settle()
            picture = draw(str(story.__doc__), layout)
        Path(__file__).with_name(f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
