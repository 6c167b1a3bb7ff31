"""The page in Firefox: come in, talk, reload, come back the next day, still be the same person."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.web import firefox
from tests.web.conftest import Join
from tests.web.firefox import Firefox
from tests.web.servers import WebServer


@pytest.fixture(scope="module")
def path() -> str:
    """The program."""
    found = firefox.find()
    if found is None:
        pytest.skip("there is no firefox here")
    return found


def test_firefox(server: WebServer, join: Join, path: str, tmp_path: Path) -> None:
    """The key is kept over a reload and over the end of the browser, and no script can read it."""
    profile = tmp_path / "firefox"
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    with Firefox(path, profile) as browser:
        browser.open(server.url)
        browser.edit("Name")
        browser.types("ann\n")
        browser.edit("Open a room or a person")
        browser.types("#ops\n")
        browser.edit("Message to #ops")
        browser.types("hello from Firefox\n")
        bob.shows("hello from Firefox")
        bob.types("hello from a terminal\r")
        browser.shows("hello from a terminal")
        browser.reload()
        browser.shows("hello from a terminal")
        browser.close()
    with Firefox(path, profile) as browser:
        browser.open(f"{server.url}/ops")
        browser.edit("Message to #ops")
        browser.types("the same ann\n")
        bob.shows("the same ann")
        assert urlsplit(browser.call("() => location.href")).path == "/ops"
        browser.close()
