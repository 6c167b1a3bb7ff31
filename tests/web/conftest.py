"""Fixtures for the page: a server, a browser, people in front of it, and people in a terminal.

A test that uses ``browser`` must not call ``asyncio.run`` in its own thread, nor must others of its module: see
:func:`tests.web.chromium.launched`. The browser ends with the module, so tests of other modules may.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from tests.support import DEADLINE
from tests.terminal import Terminal
from tests.web import chromium
from tests.web.page import ChatPage
from tests.web.servers import WebServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from chatcli.protocol.values.address import Address

_PAGES: Final = pytest.StashKey[list[ChatPage]]()


class Listening(Protocol):
    """A server: a :class:`WebServer`, or a :class:`tests.support.ThreadServer`, in which a test may look."""

    @property
    def address(self) -> Address:
        """Host and port."""


class Serve(Protocol):
    """Starts a server."""

    def __call__(self, *options: str, **env: str) -> WebServer:
        """Start ``chatcli serve`` with options and environment variables."""


class OpenPage(Protocol):
    """Opens the page as a new person."""

    def __call__(self, server: Listening, path: str = "/", *, scheme: str = "http", **options: Any) -> ChatPage:  # noqa: ANN401 (Playwright's)
        """Open the page in a browser profile of its own.

        Args:
            server: the server.
            path: the path, with query and fragment.
            scheme: ``https`` goes through TLS, with the certificate's warning clicked away.
            options: those of Playwright's ``Browser.new_context``, for instance ``color_scheme="dark"``,
                ``reduced_motion="reduce"``, ``viewport={"width": 320, "height": 640}``, ``locale="de-DE"``,
                ``timezone_id="Asia/Tokyo"``, ``offline=True``, ``permissions=["notifications"]``. By default the
                locale is ``en-GB`` and the zone UTC.
        """


class Join(Protocol):
    """Starts ``chatcli join`` in a terminal."""

    def __call__(self, server: Listening, name: str, *arguments: str, columns: int = 80, rows: int = 24) -> Terminal:
        """Join as somebody with a home of their own; the same name again is the same person."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, running for the tests of a module."""
    path = chromium.find()
    if path is None:
        pytest.skip("there is no chromium here")
    with chromium.launched(path, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser
    assert asyncio._get_running_loop() is None, "tests of other modules could run no loop"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers with options."""
    with contextlib.ExitStack() as stack:
        servers: list[WebServer] = []

        def start(*options: str, **env: str) -> WebServer:
            servers.append(stack.enter_context(WebServer(tmp_path / f"server-{len(servers)}", *options, **env)))
            return servers[-1]

        yield start


@pytest.fixture
def server(serve: Serve) -> WebServer:  # type: ignore[override, unused-ignore]
    """``chatcli serve`` as a process on the loopback, with an empty log."""
    return serve()


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenPage]:
    """Open the page, each time as a new person.

    A test fails if anything goes wrong in a page that it has opened (:class:`tests.web.chromium.Watch`), and a failing
    test leaves pictures and what the pages had on the console.
    """
    pages = request.node.stash[_PAGES] = []
    with contextlib.ExitStack() as stack:

        def open_it(server: Listening, path: str = "/", *, scheme: str = "http", **options: Any) -> ChatPage:  # noqa: ANN401
            url = f"{scheme}://{server.address}"
            usual = {"locale": "en-GB", "timezone_id": "UTC", "ignore_https_errors": scheme == "https"}
            context = stack.enter_context(browser.new_context(**{**usual, **options}))
            context.set_default_timeout(DEADLINE * 1000)
            watch = chromium.Watch(context, url)
            page = ChatPage(context.new_page(), watch, url)
            pages.append(page)
            return page.go(path)

        yield open_it


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Join]:
    """Start ``chatcli join`` in terminals."""
    with contextlib.ExitStack() as stack:

        def start(server: Listening, name: str, *arguments: str, columns: int = 80, rows: int = 24) -> Terminal:
            home = tmp_path / f"home-{name}"
            places = {"HOME": home, "XDG_CONFIG_HOME": home / "config", "XDG_STATE_HOME": home / "state"}
            where = ("--server", str(server.address), "--user", name)
            env = {name: str(place) for name, place in places.items()}
            return stack.enter_context(Terminal("join", *where, *arguments, columns=columns, rows=rows, **env))

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test in whose pages something went wrong."""
    result = yield
    for page in item.stash.get(_PAGES, []):
        page.settle()
        assert not page.watch.complaints, "\n".join(page.watch.complaints)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the pages of a failing test looked like."""
    report = yield
    if call.when == "call" and report.failed and isinstance(item, pytest.Function) and _PAGES in item.stash:
        folder = Path(str(item.funcargs["tmp_path"]))
        tabs = [tab for page in item.stash.get(_PAGES, []) for tab in page.tabs]
        for number, tab in enumerate(tabs):
            report.sections.append((f"page {number}", _described(tab, folder / f"page-{number}.png")))
    return report


def _described(tab: ChatPage, picture: Path) -> str:
    """Take a picture of a page, and return where it is and what else is known."""
    if tab.page.is_closed():
        return "closed"
    lines = [tab.page.url, *tab.watch.console, *tab.watch.frames]
    with contextlib.suppress(Exception):  # the browser may be what has failed
        tab.page.screenshot(path=picture, timeout=3000)
        lines.append(f"picture: {picture}")
        lines.append(tab.tree())
    return "\n".join(lines)
