"""Chromium of this system, driven by Playwright, and an eye on what goes wrong in a page."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    WebSocket,
    expect,
    sync_playwright,
)

from tests.support import DEADLINE

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: What the page calls when its Content Security Policy has stopped something.
_VIOLATION: Final = "__violation"
_WATCH: Final = f"""addEventListener("securitypolicyviolation", (event) => globalThis.{_VIOLATION}(
    `${{event.effectiveDirective}} stops ${{event.blockedURI}} at ${{event.sourceFile}}:${{event.lineNumber}}`))"""
# A request that the page itself, or a reload of it, gives up is no failure.
_GIVEN_UP: Final = "net::ERR_ABORTED"
_FRAMES: Final = 40  # of WebSockets that are kept
_LOCAL: Final = ("data", "blob", "about")  # schemes


def find() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.contextmanager
def launched(path: str, home: Path) -> Iterator[Browser]:
    """Run Chromium, without a window, with its files below ``home``.

    Playwright leaves its own event loop running in this thread until the end: ``asyncio.run`` fails meanwhile.
    """
    options = [*_OPTIONS, "--no-sandbox"] if os.geteuid() == 0 else [*_OPTIONS]
    places = {"HOME": home, "XDG_CONFIG_HOME": home / "config", "XDG_CACHE_HOME": home / "cache"}
    env: dict[str, str | float | bool] = {**os.environ, **{name: str(place) for name, place in places.items()}}
    expect.set_options(timeout=DEADLINE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options, env=env)
        try:
            yield browser
        finally:
            browser.close()


#: Complaints of what could not be loaded as there was no server.
_GONE: Final = re.compile(r"net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|SOCKET_NOT_CONNECTED|EMPTY_RESPONSE)")


class Watch:
    """Collects what goes wrong in the pages of one context.

    That is: errors on the console, exceptions that nobody caught, what the Content Security Policy stopped, requests
    that failed or were refused, and requests to anywhere but the server.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._origin = origin
        self._complaints: list[str] = []
        self._tolerated: list[re.Pattern[str]] = []
        #: All lines on the console, those of errors included.
        self.console: list[str] = []
        #: The last frames of all WebSockets, those that were sent after an arrow.
        self.frames: deque[str] = deque(maxlen=_FRAMES)
        context.expose_binding(_VIOLATION, lambda _, sentence: self._complain(f"policy: {sentence}"))
        context.add_init_script(_WATCH)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._complain(f"exception: {error.error}"))
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_failure)
        context.on("response", self._on_response)
        context.on("page", lambda page: page.on("websocket", self._on_websocket))

    def tolerate(self, pattern: str) -> Self:
        """Let complaints pass in which this regular expression is found.

        Where those of a WebSocket pass, as the server goes away, so do those of what was to be loaded from it then.
        """
        self._tolerated.append(re.compile(pattern))
        if "WebSocket" in pattern:
            self._tolerated.append(_GONE)
        return self

    @property
    def complaints(self) -> list[str]:
        """Complaints that were not to be expected."""
        return [line for line in self._complaints if not any(known.search(line) for known in self._tolerated)]

    def _complain(self, sentence: str) -> None:
        self._complaints.append(sentence)

    def _on_console(self, message: ConsoleMessage) -> None:
        location: Mapping[str, object] = {**message.location}
        line = f"{message.type}: {message.text} ({location.get('url')}:{location.get('lineNumber')})"
        self.console.append(line)
        if message.type in {"error", "assert"}:
            self._complain(f"console: {line}")

    def _on_websocket(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda data: self.frames.append(f"→ {data!s:.300}"))
        socket.on("framereceived", lambda data: self.frames.append(f"{data!s:.300}"))
        socket.on("close", lambda _: self.frames.append("the end of the WebSocket"))

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in _LOCAL and f"{url.scheme}://{url.netloc}" != self._origin:
            self._complain(f"request to elsewhere: {request.url}")

    def _on_failure(self, request: Request) -> None:
        if request.failure != _GIVEN_UP:
            self._complain(f"request failed: {request.method} {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"request refused: {response.request.method} {response.url} {response.status}")


def settle(page: Page) -> None:
    """Hear all events that the browser has sent so far."""
    if not page.is_closed():
        page.evaluate("() => null")
