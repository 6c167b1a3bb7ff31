"""The tools of these tests: what goes wrong in a page is noticed, and nothing stays behind."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import expect

from tests.support import ThreadServer
from tests.web.axe import findings
from tests.web.conftest import Join, OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer

IMAGE: Final = "() => { Object.assign(new Image(), {src: 'http://192.0.2.1/'}) }"


def complaint(page: ChatPage, script: str) -> str:
    """Run a script in the page, and return all complaints."""
    page.page.evaluate(script)
    page.page.wait_for_timeout(100)
    page.settle()
    found = page.watch.complaints
    assert found, script
    page.tolerate(".")
    return "\n".join(found)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("() => console.error('it broke')", "console: error: it broke"),
        ("() => { setTimeout(() => { throw new Error('it broke') }) }", "exception: it broke"),
        ("() => { Promise.reject(new Error('it broke')) }", "exception: it broke"),
        ("() => { fetch('http://192.0.2.1/').catch(() => 0) }", "policy: connect-src"),
        ("() => { fetch('/', {method: 'PUT'}).catch(() => 0) }", "request refused: PUT"),
        (IMAGE, "policy: img-src"),
    ],
)
def test_what_goes_wrong(server: WebServer, open_page: OpenPage, script: str, sentence: str) -> None:
    """A test fails for each of these."""
    assert sentence in complaint(open_page(server), script)


def test_server_looked_into(tmp_path: Path, open_page: OpenPage) -> None:
    """A server in the test's process will do, too."""
    with ThreadServer(tmp_path / "data") as server:
        expect(open_page(server).join_button).to_have_attribute("aria-busy", "false")  # when all of it is loaded


def test_people(server: WebServer, open_page: OpenPage) -> None:
    """Each page is somebody else's, with a storage of their own; but not another tab of it."""
    page, other = open_page(server), open_page(server, color_scheme="dark")
    page.page.evaluate("() => localStorage.setItem('who', 'ann')")
    assert other.page.evaluate("() => localStorage.getItem('who')") is None
    assert page.another_tab().page.evaluate("() => localStorage.getItem('who')") == "ann"
    assert other.page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")


def test_terminals(server: WebServer, join: Join) -> None:
    """Somebody in a terminal is the same after the server was killed."""
    ann, bob = join(server, "ann"), join(server, "bob")
    ann.types("/join #ops\r")
    ann.shows_input("#ops ›")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    server.kill()
    server.start()
    ann.types("still here\r")
    bob.shows("still here")


def test_axe(server: WebServer, open_page: OpenPage) -> None:
    """A machine that looks for barriers works within the policy, and finds them."""
    page = open_page(server)
    page.page.evaluate("() => document.body.append(document.createElement('button'))")
    assert any(finding.startswith("button-name") for finding in findings(page))
