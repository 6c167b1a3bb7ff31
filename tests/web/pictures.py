"""Draws the pictures of the page: ``python -m tests.web.pictures [FOLDER]`` plays a morning of a team in Chromium.

Names, texts and times are always the same: the clocks of the server and of the page are set. FOLDER is by default
that of the documentation's pictures.
"""

from __future__ import annotations

import base64
import contextlib
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import ViewportSize

from tests.reference import ROOT
from tests.support import ThreadServer, eventually
from tests.web import chromium
from tests.web.page import ChatPage

_DAY: Final = datetime(2026, 11, 24, tzinfo=UTC)  # a Tuesday
_DESK: Final = ViewportSize(width=1080, height=700)
_PHONE: Final = ViewportSize(width=375, height=680)

_QUALITY: Final = 82  # of WebP
_LARGEST: Final = 100_000  # bytes
#: Of the browser profile.
OPTIONS: Final[dict[str, Any]] = {"viewport": _DESK, "device_scale_factor": 2, "reduced_motion": "reduce"}

_ME: Final = "alice"
_OTHERS: Final = ("mia", "jonas", "tomek", "noor", "grafana")
_ROOMS: Final = ("#music", "#lunch", "#web", "#ops")
_TOPIC: Final = "On call: Jonas until Friday. Runbooks: wiki.example.org/ops"
#: Who says what in which room, and when.
_MORNING: Final = (
    ("08:52", "mia", "#ops", "morning! The certificate of api.example.org runs out on Friday, I renew it today"),
    ("08:55", "jonas", "#ops", "thanks. The new load balancer is on staging since yesterday, no errors so far"),
    ("08:58", "grafana", "#ops", "resolved: disk usage of db-2 is below 80 % again"),
    ("09:02", "tomek", "#web", "who has seen the new start page? It is on staging"),
    ("09:03", "mia", "#web", "looks great! The footer overlaps the button on my phone"),
    ("09:10", "noor", "#lunch", "noodles at twelve? The place at the canal"),
    ("09:14", "noor", "#ops", "@alice can you look at the queue of mails? It grows since nine"),
    ("09:15", "jonas", "#ops", "the worker on box 3 says\n```\nsmtp.example.org:587: Connection refused\n```"),
    ("09:17", _ME, "#ops", "looking. The relay moved last night, and box 3 still has the old name"),
    ("09:22", _ME, "#ops", "fixed in `worker.env`, the queue is down to 40. How: https://wiki.example.org/mail-relay"),
    ("09:23", "noor", "#ops", "perfect, thank you!"),
    ("09:30", "jonas", _ME, "do you have ten minutes for the load balancer after lunch?"),
    ("09:31", _ME, "jonas", "sure, at two? I want to see how it drains connections"),
    ("09:32", "jonas", _ME, "two is fine. I will have it under load by then"),
    ("09:40", "tomek", "#lunch", "in!"),
)
_QUESTION: Final = "Deploy 4.12 to production? All 212 tests passed; the migration takes about 20 s."

#: Stops the clock of a page, but none by which it measures how long something takes.
_CLOCK: Final = """{
    const Real = Date;
    globalThis.Date = class extends Real {
        constructor(...values) { values.length ? super(...values) : super(globalThis.__now); }
        static now() { return globalThis.__now; }
    };
}"""


class Morning:
    """A server and a page whose clocks are set, and people who come and talk."""

    def __init__(self, server: ThreadServer, page: ChatPage) -> None:
        self._server = server
        self._page = page
        self._now = 0
        self._at("08:50")
        server.run(self._set_clock)

    def _set_clock(self) -> None:
        hub = self._server.hub
        hub.clock = hub.questions._clock = lambda: self._now

    def _at(self, time: str) -> None:
        hours, minutes = time.split(":")
        self._now = int((_DAY + timedelta(hours=int(hours), minutes=int(minutes))).timestamp() * 1000)
        self._page.context.add_init_script(f"globalThis.__now = {self._now}")
        self._page.page.evaluate(f"() => {{ globalThis.__now = {self._now} }}")

    def come(self, stack: contextlib.ExitStack) -> None:
        """Have everybody come, and enter the rooms."""
        for name in _OTHERS:
            person = stack.enter_context(self._server.joined(name))
            for room in _ROOMS:
                person.says("join", room=room)
        with self._server.joined(_OTHERS[0], "send") as caller:
            caller.asks("topic", room="#ops", text=_TOPIC)
        self._page.go("/").come_in(_ME)
        for room in _ROOMS:
            self._page.find(room)
        self._page.page.get_by_role("button", name="Not now").click()

    def say(self, time: str, name: str, to: str, text: str, **fields: Any) -> None:  # noqa: ANN401 (a frame's)
        """Have somebody say something."""
        self._at(time)
        if name == _ME:
            read_all(self._page)
            self._page.open(to)
            read_all(self._page)
            self._page.send(text)
            return
        with self._server.joined(name, "send") as caller:
            caller.sends(to, text, **fields)
            caller.hears("sent")

    def look(self, time: str, *names: str) -> None:
        """Have people read all of #ops."""
        self._at(time)
        for name in names:
            with self._server.joined(name, "send") as caller:
                caller.says("read", seq=caller.welcome["head"], of="#ops")
                caller.asks("ping")


def draw(page: ChatPage, server: ThreadServer, folder: Path) -> None:
    """Play the morning, and take the pictures."""
    with contextlib.ExitStack() as stack:
        page.context.add_init_script(_CLOCK)
        page.context.add_init_script("Math.random = () => 0.5")  # when to try to connect again
        morning = Morning(server, page)
        morning.come(stack)
        for line in _MORNING:
            morning.say(*line)
        morning.look("09:40", "noor", "jonas")
        read_all(page)
        page.open("#ops")
        take(page, folder / "web-desktop.webp")
        page.page.set_viewport_size(_PHONE)
        page.reload()
        page.shows("perfect")
        take(page, folder / "web-phone.webp")
        page.page.set_viewport_size(_DESK)
        page.page.emulate_media(color_scheme="dark")
        page.open("jonas")
        take(page, folder / "web-dark.webp")
        page.page.emulate_media(color_scheme="light")
        page.open("#ops")
        morning.say("09:41", "jonas", "#ops", _QUESTION, choices=["deploy", "wait", "abort"], seconds=900)
        page.shows("Deploy 4.12")
        read_all(page)
        take(page, folder / "web-question.webp")
    page.tolerate("WebSocket")
    server.stop()
    page.status.wait_for()
    page.say("deployed 4.11.2 to box 3 by hand, please keep it out of the pool for now")
    take(page, folder / "web-reconnecting.webp")


def read_all(page: ChatPage) -> None:
    """Wait until what is open counts as read."""
    eventually(lambda: not page.unread(page.is_open()))


def take(page: ChatPage, path: Path) -> None:
    """Take a picture, once nothing moves."""
    page.page.mouse.move(0, 0)
    page.page.evaluate("() => document.activeElement.blur()")  # the caret blinks
    page.page.wait_for_timeout(300)
    session = page.context.new_cdp_session(page.page)
    answer = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
    data = base64.b64decode(answer["data"])
    assert len(data) <= _LARGEST, f"{path} has {len(data)} bytes"
    path.write_bytes(data)
    print(f"{path} {len(data)}")  # noqa: T201 (a script)


def main() -> None:
    """Draw all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures"
    path = chromium.find()
    assert path is not None, "there is no chromium here"
    with (
        tempfile.TemporaryDirectory() as home,
        ThreadServer(Path(home) / "data") as server,
        chromium.launched(path, Path(home)) as browser,
        browser.new_context(locale="en-GB", timezone_id="UTC", **OPTIONS) as context,
    ):
        url = f"http://{server.address}"
        watch = chromium.Watch(context, url)
        page = ChatPage(context.new_page(), watch, url)
        draw(page, server, folder)
        page.settle()
        assert not watch.complaints, watch.complaints


if __name__ == "__main__":
    main()
