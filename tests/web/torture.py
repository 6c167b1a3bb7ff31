"""Torture with browsers among the clients: ``python -m tests.web.torture --pages 3 --seconds 180 --kill-every 4``.

Pages, a terminal and a program talk in one room while the server is killed with SIGKILL again and again, pages are
loaded anew and browsers lose their network. In the end the log is compared with what the pages have shown. The exit
status is 1 if anything was lost, came twice, or in another order.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import chatcli
from tests import support
from tests.terminal import Terminal
from tests.web import chromium
from tests.web.page import ChatPage
from tests.web.servers import WebServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_SAID: Final = re.compile(r"(\w+) says (\d+)\.")
_WAITING: Final = "Waiting for the server"
_BROKEN: Final = "WebSocket|ERR_CONNECTION|ERR_INTERNET_DISCONNECTED|ERR_NETWORK|dynamically imported|ERR_ABORTED"
_PATIENCE: Final = 90.0  # seconds until all that waits has been sent, once the server is back

Said = tuple[str, int]


class Witness:
    """Somebody in front of a page, who notes what it shows.

    Attributes:
        page: the page.
        name: the person.
        count: how many messages were written.
        on_disk: messages that the page has shown as being on disk, of anybody.
        faults: what the page has shown wrong.
        looks: how often it was looked at.
    """

    def __init__(self, page: ChatPage, name: str) -> None:
        self.page, self.name = page, name
        self.count = 0
        self.on_disk: set[Said] = set()
        self.faults: list[str] = []
        self.looks = 0

    def say(self) -> None:
        """Say the next number."""
        self.page.say(f"{self.name} says {self.count}.")
        self.count += 1

    def look(self) -> list[Said]:
        """Note what is shown: everything once, and in the order of its author; return it."""
        self.looks += 1
        lines: list[str] = self.page.timeline.get_by_role("article").evaluate_all(
            "(nodes) => nodes.map((node) => node.getAttribute('aria-label'))"
        )
        shown = [((found[1], int(found[2])), _WAITING in line) for line in lines for found in _SAID.finditer(line)]
        self.on_disk.update(said for said, waits in shown if not waits)
        twice = [said for said, times in Counter(said for said, _ in shown).items() if times > 1]
        if twice:
            self._complain(f"sees twice: {twice}")
        order: dict[str, list[int]] = defaultdict(list)
        for (author, number), _ in shown:
            order[author].append(number)
        for author, numbers in order.items():
            if numbers != sorted(numbers):
                self._complain(f"sees {author} in another order: {numbers}")
        return [said for said, _ in shown]

    def _complain(self, sentence: str) -> None:
        """Note a fault, once."""
        if sentence not in self.faults:
            self.faults.append(sentence)


class Program:
    """A program that uses the library, in a thread of its own.

    Attributes:
        count: how many of its messages are on disk.
    """

    def __init__(self, server: WebServer, config: Path) -> None:
        self.count = 0
        self._where = {"server": str(server.address), "config": config}
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._talk()), name="program")

    async def _talk(self) -> None:
        async with chatcli.connect("program", accept_new=True, **self._where) as chat:  # type: ignore[arg-type]
            await chat.join("#ops")
            while not self._end.is_set():
                await chat.send("#ops", f"program says {self.count}.")
                self.count += 1
                await asyncio.sleep(0.1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the program waits for ever"


class Report:
    """The result of a run.

    Attributes:
        faults: what went wrong.
        kills: how often the server was killed.
        stored: how many messages are in the log.
        shown: how many messages the pages have shown as being on disk.
        looks: how often pages were looked at.
        reloads: how often pages were loaded anew.
        losses: how often browsers lost their network.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.kills = self.stored = self.shown = self.looks = self.reloads = self.losses = 0

    def __str__(self) -> str:
        return (
            f"{self.stored} messages on disk; pages have shown {self.shown} as on disk in {self.looks} looks; "
            f"{self.kills} kills, {self.reloads} reloads, {self.losses} lost networks; {len(self.faults)} faults"
        )


class Torture:
    """The server, and everybody who talks.

    Args:
        server: a running server.
        witnesses: pages in ``#ops``.
        terminal: ``chatcli join`` in ``#ops``, as ``terminal``; None for none.
    """

    def __init__(self, server: WebServer, witnesses: list[Witness], terminal: Terminal | None = None) -> None:
        self.report = Report()
        self._server = server
        self._witnesses = witnesses
        self._terminal = terminal
        self._typed = 0

    def run(self, seconds: float, kill_every: float, seed: int = 1) -> None:
        """Let everybody talk while the server is killed."""
        dice = random.Random(seed)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._talk(until=time.monotonic() + kill_every * dice.uniform(0.5, 1.5))
            away = dice.choice(self._witnesses) if dice.random() < 0.3 else None
            if away is not None:
                away.page.context.set_offline(True)
                self.report.losses += 1
                self._round()
            self._server.kill()
            self.report.kills += 1
            self._talk(until=time.monotonic() + dice.choice((0, 0.5, 2)))
            self._server.start()
            if away is not None:
                away.page.context.set_offline(False)
            if dice.random() < 0.4:
                self._reload(dice.choice(self._witnesses))
            sys.stderr.write(f"{end - time.monotonic():6.0f} s left, {self.report.kills} kills\n")

    def _reload(self, witness: Witness) -> None:
        witness.page.reload()
        witness.page.is_at("#ops")
        self.report.reloads += 1

    def _talk(self, until: float) -> None:
        self._round()
        while time.monotonic() < until:
            self._round()

    def _round(self) -> None:
        for witness in self._witnesses:
            witness.say()
            witness.look()
        if self._terminal is not None:
            self._terminal.types(f"terminal says {self._typed}.\r")
            self._typed += 1

    def settle(self, **counts: int) -> Report:
        """Wait until all is sent, and compare the log with what was said and shown.

        Args:
            counts: how many messages others have said, by their names.
        """
        counts |= {witness.name: witness.count for witness in self._witnesses}
        if self._terminal is not None:
            counts["terminal"] = self._typed
        last = {(name, count - 1) for name, count in counts.items() if count}
        for witness in self._witnesses:
            self._wait(lambda witness=witness: not witness.page.article(_WAITING).count())  # type: ignore[misc]
        self._wait(lambda: last <= set(self._log()))
        report = self.report
        log = self._log()
        report.stored = len(log)
        for name, count in counts.items():
            numbers = [number for author, number in log if author == name]
            if numbers != list(range(count)):
                lost, more = sorted({*range(count)} - {*numbers}), sorted(Counter(numbers) - Counter(range(count)))
                report.faults.append(
                    f"of {name}, {count} were said; not on disk: {lost}; too often: {more}; or in disorder"
                )
        for witness in self._witnesses:
            self._end(witness, log)
        return report

    def _end(self, witness: Witness, log: list[Said]) -> None:
        """Compare what a page has shown, and shows now, with the log."""
        newest = witness.page.main.get_by_role("button", name=re.compile("^↓ ")).first

        def reached() -> bool:
            if newest.is_visible():  # where much was missed, the page stays where one was, and offers the way
                newest.click()
            return log[-1] in witness.look()

        self._wait(reached)
        shown = witness.look()
        self.report.shown += len(witness.on_disk)
        self.report.looks += witness.looks
        self.report.faults += [f"{witness.name} {fault}" for fault in witness.faults]
        if lost := witness.on_disk - set(log):
            self.report.faults.append(f"{witness.name} saw on disk what is not: {sorted(lost)}")
        if shown != log[-len(shown) :]:
            self.report.faults.append(f"{witness.name} sees {shown} at the end, and not {log[-len(shown) :]}")

    def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; what does not is found by the comparison."""
        end = time.monotonic() + _PATIENCE
        while not condition() and time.monotonic() < end:
            self._witnesses[0].page.page.wait_for_timeout(200)

    def _log(self) -> list[Said]:
        """Return the messages that ``chatcli admin export`` writes."""
        written = support.chatcli("admin", "--data", str(self._server.data), "export", "#ops").stdout
        texts = [str(json.loads(line).get("text", "")) for line in written.splitlines()]
        # Where the machine is slow, a terminal takes lines that come together as one that was pasted.
        return [(found[1], int(found[2])) for text in texts for found in _SAID.finditer(text)]


def come(page: ChatPage, name: str) -> Witness:
    """Come in, and open the room."""
    page.tolerate(_BROKEN).come_in(name).enter("#ops")
    return Witness(page, name)


@contextlib.contextmanager
def in_terminal(server: WebServer, home: Path) -> Iterator[Terminal]:
    """Join the room in a terminal."""
    where = ("--server", str(server.address), "--user", "terminal")
    place = str(home)
    with Terminal("join", *where, HOME=place, XDG_CONFIG_HOME=place, XDG_STATE_HOME=place) as terminal:
        terminal.types("/join #ops\r")
        terminal.shows_input("#ops ›")
        yield terminal


def _open(browser: Browser, server: WebServer, name: str) -> Witness:
    context = browser.new_context(locale="en-GB")
    watch = chromium.Watch(context, server.url)
    return come(ChatPage(context.new_page(), watch, server.url).go("/"), name)


def main() -> int:
    """Torture a new server, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.web.torture", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kill-every", type=float, default=4, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pictures", type=Path, help="where to leave what everybody sees in the end if there is a fault"
    )
    options = parser.parse_args()
    path = chromium.find()
    if path is None:
        sys.exit("there is no chromium here")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chatcli-torture-")))
        server = stack.enter_context(WebServer(folder / "data"))
        browser = stack.enter_context(chromium.launched(path, folder / "browser"))
        witnesses = [_open(browser, server, f"page{number}") for number in range(options.pages)]
        terminal = stack.enter_context(in_terminal(server, folder / "terminal"))
        torture = Torture(server, witnesses, terminal)
        with Program(server, folder / "program") as program:
            torture.run(options.seconds, options.kill_every, options.seed)
        report = torture.settle(program=program.count)
        if report.faults and options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            (options.pictures / "terminal.txt").write_text("\n".join(terminal.lines))
            for witness in witnesses:
                witness.page.page.screenshot(path=options.pictures / f"{witness.name}.png")
                (options.pictures / f"{witness.name}.txt").write_text("\n".join(witness.page.watch.frames))
        for witness in witnesses:
            witness.page.settle()
            report.faults += [f"{witness.name}: {complaint}" for complaint in witness.page.watch.complaints]
    sys.stdout.write("\n".join([*report.faults, f"{report}\n"]))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
