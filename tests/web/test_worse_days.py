"""Worse days: a restored log, proxies that drop, servers that freeze, full disks, wrong clocks, and being sent away."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from playwright.sync_api import expect

from chatcli.protocol.values.address import Address
from tests.forwarder import Forwarder, Request, Streams
from tests.support import chatcli
from tests.web.axe import findings
from tests.web.conftest import OpenPage
from tests.web.modules import run
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.test_bad_days import in_ops, is_sent, waits

LOSS: Final = "This browser keeps no more for this page"


class Local(NamedTuple):
    """A port of this machine."""

    port: int

    @property
    def address(self) -> Address:
        """The address of the page."""
        return Address("127.0.0.1", self.port)


class Relay(Forwarder):
    """A proxy that passes everything on as it is."""

    async def _pass_on(self, request: Request, caller: Streams) -> None:
        try:
            server = await asyncio.open_connection(*self.server[:2])
        except OSError:
            return
        kept = [(name, value) for name, value in request.headers if name.lower() != "connection"]
        connection = "Upgrade" if request.get("Upgrade") else "close"
        lines = [f"{name}: {value}" for name, value in [*kept, ("Connection", connection)]]
        first = f"{request.method} {request.target} HTTP/1.1"
        server[1].write("\r\n".join([first, *lines, "", ""]).encode("latin-1"))
        await self._copy_both_ways(caller, server)


def admin(server: WebServer, *arguments: str) -> str:
    """Run a command of the operator."""
    done = chatcli("admin", "--data", str(server.data), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def reply(page: ChatPage, to: str, text: str) -> None:
    """Answer a message."""
    page.article(to).first.focus()
    page.page.keyboard.press("Enter")
    page.main.get_by_text("Replying to").wait_for()
    page.say(text)


# A log that was restored.


def test_restored(server: WebServer, open_page: OpenPage, tmp_path: Path) -> None:
    """The page shows the restored log, and sends what was waiting, without references to what is gone."""
    ann, bob = in_ops(open_page(server), "ann"), in_ops(open_page(server), "bob")
    ann.send("kept in the backup")
    bob.shows("kept in the backup")
    admin(server, "backup", str(tmp_path / "backup"))
    ann.send("gone with the disk")
    bob.shows("gone with the disk")
    server.stop()
    reply(ann, "gone with the disk", "about what is gone")
    reply(ann, "kept in the backup", "about what is kept")
    ann.say("about nothing")
    bob.say("bob waits, too")
    admin(server, "restore", "--force", str(tmp_path / "backup"))
    server.start()
    for page in (ann, bob):
        for text in ("about what is gone", "about what is kept", "about nothing", "bob waits, too"):
            is_sent(page, text)
        assert page.article("gone with the disk").count() == 0
        expect(page.article("about what is kept").get_by_text("ann: kept in the backup")).to_be_visible()
        mine = [line for line in page.messages() if line.startswith("ann: ")]
        assert mine == [
            f"ann: {t}" for t in ("kept in the backup", "about what is gone", "about what is kept", "about nothing")
        ]
    told = [line for line in admin(server, "export", "#ops").splitlines() if "about what" in line]
    assert ['"re"' in line for line in told] == [False, True]


# Connections that break, and those that only seem to be there.


def test_proxy_drops(server: WebServer, open_page: OpenPage) -> None:
    """A proxy that drops all connections again and again loses and repeats nothing."""
    bob = in_ops(open_page(server), "bob")
    with Relay(server.address) as proxy:
        ann = in_ops(open_page(Local(proxy.port)), "ann")
        for number in range(4):
            ann.say(f"before {number}")
            proxy.drop_all()
            ann.say(f"after {number}")
            bob.say(f"bob {number}")
        expected = [f"{word} {number}" for number in range(4) for word in ("before", "after")]
        for text in expected:
            is_sent(ann, text)
        for page in (ann, bob):
            page.shows("bob 3")
            page.shows("after 3")
            assert [line.removeprefix("ann: ") for line in page.messages() if line.startswith("ann")] == expected
        proxy.refuse()
        proxy.drop_all()
        ann.status.filter(has_text="not reached").wait_for()
        ann.say("at last")
        waits(ann, "at last")
        proxy.refuse(refuses=False)
        is_sent(ann, "at last")
        bob.shows("at last")


def test_frozen_server(server: WebServer, open_page: OpenPage) -> None:
    """A connection over which nothing comes any more is given up, and nothing is lost when the server wakes up."""
    ann = in_ops(open_page(server), "ann")
    ann.page.clock.install()
    ann.reload()
    ann.is_at("#ops")
    ann.send("before")
    server.program.process.send_signal(signal.SIGSTOP)
    try:
        ann.say("into the void")
        waits(ann, "into the void")
        assert ann.status.filter(has_text="not reached").count() == 0
        ann.page.clock.fast_forward(21_000)  # the ping
        ann.page.clock.fast_forward(9_000)  # and no answer
        ann.page.clock.fast_forward(2_000)
        ann.status.filter(has_text="not reached").wait_for()
        ann.say("still nothing")
        waits(ann, "still nothing")
    finally:
        server.program.process.send_signal(signal.SIGCONT)
    ann.page.clock.fast_forward(16_000)  # the attempt that was never answered is given up
    ann.page.clock.fast_forward(30_000)
    for text in ("into the void", "still nothing"):
        is_sent(ann, text)
    assert ann.messages() == ["ann: before", "ann: into the void", "ann: still nothing"]


# A disk that is full.

FULL: Final = {
    "refused": "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') };",
    "aborted": """const put = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...given) {
            const request = put.apply(this, given);
            this.transaction.abort();
            return request;
        };""",
}


@pytest.mark.parametrize("how", FULL)
def test_full_disk(server: WebServer, open_page: OpenPage, how: str) -> None:
    """It is said once, and everything goes on as long as the tab is open."""
    ann = in_ops(open_page(server), "ann")
    ann.send("before")
    ann.page.evaluate(f"() => {{ {FULL[how]} }}")
    ann.send("the first")
    bar = ann.page.get_by_role("region", name="Notice").filter(has_text=LOSS)
    bar.get_by_text(LOSS).wait_for()
    bar.get_by_role("button", name="OK").click()
    bar.wait_for(state="detached")
    server.kill()
    ann.status.filter(has_text="not reached").wait_for()
    for number in range(3):
        ann.say(f"in memory {number}")
        waits(ann, f"in memory {number}")
    server.start()
    for number in range(3):
        is_sent(ann, f"in memory {number}")
    ann.composer.fill("a draft")
    ann.enter("#other").send("elsewhere")
    ann.open("#ops")
    expect(ann.composer).to_have_value("a draft")
    assert bar.count() == 0
    expected = ["before", "the first", "in memory 0", "in memory 1", "in memory 2"]
    ann.has(*(f"ann: {text}" for text in expected))


@pytest.mark.parametrize("how", FULL)
def test_full_from_the_beginning(server: WebServer, open_page: OpenPage, how: str) -> None:
    """A browser without room for the key says so before one chooses a name."""
    page = open_page(server)
    expect(page.join_button).to_be_enabled()
    page.context.add_init_script(FULL[how])
    run(page, """await (await (await load("storage/storage.js")).openStorage()).forget()""")
    page.reload()
    page.says("as long as this tab is open")
    in_ops(page, "ann").send("usable")
    page.has("ann: usable")


# Two tabs.


def test_shared_outbox(server: WebServer, open_page: OpenPage) -> None:
    """Messages of two tabs without a network are sent once, in the order in which they were written."""
    bob = in_ops(open_page(server), "bob")
    ann = in_ops(open_page(server), "ann")
    tab = ann.another_tab("/ops")
    tab.is_at("#ops")
    ann.lose_network()
    server.kill()
    texts = []
    for number in range(4):
        for page, word in ((ann, "one"), (tab, "two")):
            page.say(f"{word} {number}")
            waits(page, f"{word} {number}")
            texts.append(f"ann: {word} {number}")
    server.start()
    ann.find_network()
    for page in (bob, ann, tab):
        page.page.bring_to_front()
        page.has(*texts)
        page.page.wait_for_function("() => !document.querySelector('.pending')")


# Clocks.


@pytest.mark.parametrize("days", [-1, 1])
def test_wrong_clock(server: WebServer, open_page: OpenPage, days: int) -> None:
    """A machine whose clock is a day off talks as others do, and shows the days and times of the server."""
    bob = in_ops(open_page(server), "bob")
    ann = open_page(server)
    ann.page.clock.install(time=dt.datetime.now(dt.UTC) + dt.timedelta(days=days))
    ann.reload()
    in_ops(ann, "ann")
    for number in range(3):
        ann.send(f"ann {number}")
        bob.shows(f"ann {number}")
        bob.send(f"bob {number}")
        ann.shows(f"bob {number}")
    told = [f"{name}: {name} {number}" for number in range(3) for name in ("ann", "bob")]
    for page in (ann, bob):
        page.has(*told)
        expect(page.timeline.get_by_text("Today", exact=True)).to_have_count(1)
        for word in ("Yesterday", "Tomorrow"):
            expect(page.timeline.get_by_text(word, exact=True)).to_have_count(0)
    server.kill()
    ann.say("while away")
    waits(ann, "while away")
    server.start()
    ann.page.clock.fast_forward(5_000)
    is_sent(ann, "while away")
    bob.shows("while away")
    expect(ann.timeline.get_by_text("Today", exact=True)).to_have_count(1)


# Sent away.


@pytest.mark.parametrize("command", ["kick", "ban"])
def test_text_of_somebody_sent_away(server: WebServer, open_page: OpenPage, command: str) -> None:
    """Messages written after one was sent away are kept, and sent when one is back."""
    ann = in_ops(open_page(server), "ann")
    ann.send("before")
    admin(server, command, "ann")
    bar = ann.page.get_by_role("region", name="Notice").filter(has_text="What you have not sent is kept")
    bar.wait_for()
    ann.say("the last word")
    waits(ann, "the last word")
    if command == "ban":
        admin(server, "unban", "ann")
    bar.get_by_role("button", name="Come in again as ann").click()
    is_sent(ann, "the last word")


def test_banned_while_a_text_waits(server: WebServer, open_page: OpenPage) -> None:
    """The entrance says what waits, shows it, and it is sent when one is let in again."""
    ann = in_ops(open_page(server), "ann")
    ann.lose_network()
    ann.status.filter(has_text="not reached").wait_for()
    for text in ("the first", "the second"):
        ann.say(text)
        waits(ann, text)
    admin(server, "ban", "ann")
    ann.find_network()
    ann.says("You are banned from this server")
    ann.says("2 messages that you have written as ann wait in this browser.")
    ann.reload()
    ann.says("You are banned from this server")
    ann.page.get_by_text("2 messages that you have written as ann wait in this browser.").click()
    ann.main.get_by_text("the second").wait_for()
    assert findings(ann) == []
    admin(server, "unban", "ann")
    ann.join_button.click()
    ann.is_at("#ops")
    for text in ("the first", "the second"):
        is_sent(ann, text)


def test_released_while_a_text_waits(server: WebServer, open_page: OpenPage) -> None:
    """A name that the operator has given to somebody else: the texts are not sent under another one, but shown."""
    ann = in_ops(open_page(server), "ann")
    ann.lose_network()
    ann.status.filter(has_text="not reached").wait_for()
    ann.say("as the old ann")
    waits(ann, "as the old ann")
    admin(server, "release", "ann")
    other = in_ops(open_page(server), "ann")
    ann.find_network()
    ann.says("This browser is no device of ann any more.")
    ann.page.get_by_text("1 message that you have written as ann waits in this browser.").click()
    ann.main.get_by_text("as the old ann").wait_for()
    ann.come_in("anna").enter("#ops")
    ann.send("as anna")
    other.has("anna: as anna")
